"""What this library asks of the machine: memory that stays, and how many threads compute.

Large arrays come and go with every step of training. Where the C library is glibc (Linux), it gives
each one back to the system as soon as it is free, and the next one costs a page fault for every
4 KB. `keep_memory` asks it to keep what is free for the next array, and all threads to share it.
Where the kernel has pages of 2 MB, `use_huge_pages` asks for them: one of them takes one entry in
the processor's table of addresses, and 512 small ones take 512. Results are the same to the bit;
elsewhere both do nothing. `python benchmarks/gpt.py --vs forgetful` and `--vs small-pages` show
what they save.

NumPy's matrix products may use threads of their own (BLAS threads). For the small matrices of this
course they are no help, and they collapse when another program needs a core. `set_num_threads(n)`
gives the products one thread, and lets `parallel` work on n parts of a batch at a time, in threads
or in processes.
"""

import ctypes
import mmap
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # settings, from glibc's malloc.h
LARGE = 2**30  # bytes
LARGE_ONCE = 2**25  # bytes; more was refused before glibc 2.35
SETTERS = (  # what the function is called, by how OpenBLAS was built
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)

_workers = None  # None: not set, and BLAS does as it likes
_told = False  # whether BLAS was told to use one thread


def keep_memory(size=LARGE):
    """Keep up to `size` bytes of free memory for later arrays; True if the C library understood."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc: macOS, Windows, musl
        return False
    kept = mallopt(M_MMAP_THRESHOLD, size) or mallopt(M_MMAP_THRESHOLD, min(size, LARGE_ONCE))
    mallopt(M_ARENA_MAX, 1)  # each further heap, for a thread, would be given back on its own
    return bool(kept and mallopt(M_TRIM_THRESHOLD, size))


def use_huge_pages(size=LARGE // 2):
    """Ask for pages of 2 MB under the next `size` bytes of the heap; True if the kernel has them.

    For the moment of asking these bytes belong to us; nobody writes into them, so they take no
    memory. It follows `keep_memory`, without which the heap would shrink again.
    """
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return False  # not Linux
    library, address, count = ctypes.CDLL(None), ctypes.c_void_p, ctypes.c_size_t
    library.malloc.restype, library.malloc.argtypes = address, [count]
    library.free.argtypes = [address]
    library.madvise.argtypes = [address, count, ctypes.c_int]
    start = library.malloc(size)
    if start is None:
        return False
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE  # the kernel wants the start of a page
    answer = library.madvise(first, start + size - first, advice)
    library.free(start)
    return answer == 0


def get_num_threads():
    """How many parts of a batch are computed at a time.

    Returns:
        What `set_num_threads` was told; 1 if nobody has said, and BLAS then does as it likes.
    """
    return _workers or 1


def set_num_threads(count):
    """Compute with `count` threads: that many parts of a batch, and BLAS with one thread in each.

    Returns:
        True if the BLAS of this NumPy could be told; if not, set OPENBLAS_NUM_THREADS=1 (or
        MKL_NUM_THREADS, VECLIB_MAXIMUM_THREADS) before Python starts.

    Raises:
        ValueError: count is not a whole number of at least 1.
    """
    global _workers, _told
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"a number of threads is a whole number of at least 1, not {count!r}")
    _workers, _told = count, _set_blas_threads(1)
    return _told


def blas_was_told():
    """True if BLAS computes with one thread because `set_num_threads` could tell it so."""
    return _told


def _set_blas_threads(count):
    """Tell the OpenBLAS that came with NumPy; True if there is one."""
    found = list(_blas())
    for library, setter in found:
        getattr(library, setter)(count)
    return bool(found)


def _blas():
    """NumPy's own OpenBLAS, and the name of its function that sets the number of threads."""
    import numpy

    home = Path(numpy.__file__).parent
    for folder in (home.parent / "numpy.libs", home / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.CDLL(str(path))  # it is loaded already: this is the same one
            for name in SETTERS:
                if hasattr(library, name):
                    yield library, name
                    break
