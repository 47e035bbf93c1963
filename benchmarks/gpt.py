"""How fast is the training of a small GPT, beside PyTorch on the same machine?

    python benchmarks/gpt.py                            TinyTorch alone
    python benchmarks/gpt.py --vs torch                 ratio to PyTorch eager, losses compared
    python benchmarks/gpt.py --readme                   the table of the README: ratios alone
    python benchmarks/gpt.py --vs forgetful             what keeping free memory saves
    python benchmarks/gpt.py --vs small-pages           what pages of 2 MB save
    python benchmarks/gpt.py --vs torch --scaling       how time and memory grow with T, D, L and B
    python benchmarks/gpt.py --long                     2 million tokens: memory and time stay flat

Each library has a fresh process of its own. They take turns, block by block, so that whatever else
the machine does hits both; a ratio is the median over the turns. Both start from the same weights
and see the same batches, and their losses are compared before anything is timed.

Every library picks its own kernels for the processor, as it does where it is installed: variables
that tie one to others, such as OPENBLAS_CORETYPE, are taken from its process, and named, unless
`--as-set` is given.
"""

import argparse
import contextlib
import json
import math
import mmap
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import manners
import numpy as np

WORKLOADS = {  # B samples of T tokens, width D, L blocks with H heads, V kinds of tokens
    "W1": {"B": 4, "T": 128, "D": 64, "L": 3, "H": 4, "V": 80},
    "W2": {"B": 32, "T": 128, "D": 128, "L": 4, "H": 4, "V": 80},
    "W3": {"B": 16, "T": 256, "D": 256, "L": 6, "H": 8, "V": 80},
    "W4a": {"B": 32, "T": 6, "D": 32, "L": 1, "H": 2, "V": 10},
    "W4b": {"B": 32, "T": 8, "D": 64, "L": 2, "H": 2, "V": 12},
}
SCALED = {"B": 4, "T": 64, "D": 64, "L": 2, "H": 4, "V": 80}  # where each size starts to grow
LR = 3e-4
AGREE = 1e-5  # relative difference of losses
GROWN = 8  # MB that the peak of memory may grow from the first turn to the last
TIES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES")  # NumPy's kernels
TIES += ("MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")  # PyTorch's
SLOWER = 1.2  # how much slower the last steps of a long run may be than its first


# -- what both do
def batches(sizes, count=8):
    """Batches of a chain in which every token has three likely followers: the loss can fall."""
    rng = np.random.default_rng(1)
    followers = rng.integers(0, sizes["V"], (sizes["V"], 3))
    for _ in range(count):
        text = np.empty((sizes["B"], sizes["T"] + 1), np.int64)
        text[:, 0] = rng.integers(0, sizes["V"], sizes["B"])
        for t in range(sizes["T"]):
            text[:, t + 1] = followers[text[:, t], rng.integers(0, 3, sizes["B"])]
        yield text[:, :-1].copy(), text[:, 1:].copy()


def tinytorch_model(sizes):
    """The GPT of module 13; its weights are those of seed 0 in both libraries."""
    import tinytorch
    from tinytorch.transformers import GPT

    tinytorch.manual_seed(0)
    return GPT(sizes["V"], sizes["D"], sizes["H"], sizes["L"], sizes["T"])


def operations(sizes):
    """Operations in the matrix products of one step; forward once, backward twice that."""
    B, T, D, L, V = (sizes[name] for name in "BTDLV")
    tokens = B * T
    forward = 2 * tokens * (12 * D * D * L + D * V) + L * 2 * 2 * tokens * T * D
    return 3 * forward


class TinyTorch:
    """A step of training as a milestone writes it."""

    def __init__(self, sizes, threads, lr=LR):
        import tinytorch
        from tinytorch import parallel
        from tinytorch.losses import cross_entropy
        from tinytorch.optimizers import Adam

        tinytorch.set_num_threads(threads)
        self.model = tinytorch_model(sizes)
        self.optimizer = Adam(self.model.parameters(), lr=lr)
        self.backward, self.cross_entropy = parallel.backward, cross_entropy
        self.tensor = tinytorch.from_numpy
        parallel.processes(self.model, self.mean_loss).__enter__()  # they end with this one
        self.parts = parallel.parts_for(sizes["B"] * sizes["T"] * sizes["D"])

    def mean_loss(self, x, y):
        return self.cross_entropy(self.model(x), y)

    def step(self, x, y):
        self.optimizer.zero_grad()
        batch = self.tensor(x), self.tensor(y)
        loss = self.backward(self.mean_loss, *batch, parts=self.parts)
        self.optimizer.step()
        return loss


class Forgetful(TinyTorch):
    """TinyTorch where free memory goes back to the system, as the C library does it by itself."""

    def __init__(self, sizes, threads):
        from tinytorch import machine

        super().__init__(sizes, threads)
        machine.keep_memory(2**17)  # glibc's own threshold


class SmallPages(TinyTorch):
    """TinyTorch on pages of 4 KB: it cannot ask for larger ones."""

    def __init__(self, sizes, threads):
        vars(mmap).pop("MADV_HUGEPAGE", None)  # before tinytorch is imported
        super().__init__(sizes, threads)


class Torch:
    """The same in PyTorch, as its users write it; names as in TinyTorch, so the weights fit."""

    def __init__(self, sizes, threads):
        import torch
        from torch import nn

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = torch_gpt(torch, nn, sizes)
        weights = tinytorch_model(sizes).state_dict()
        self.model.load_state_dict({n: torch.from_numpy(t.array) for n, t in weights.items()})
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LR)

    def step(self, x, y):
        torch = self.torch
        logits = self.model(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(y).ravel())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def torch_gpt(torch, nn, sizes):
    """The GPT of module 13 in PyTorch's words."""
    D, H = sizes["D"], sizes["H"]

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key, self.value, self.output = (nn.Linear(D, D) for _ in range(4))

        def forward(self, x):
            B, T, _ = x.shape
            layers = (self.query, self.key, self.value)
            heads = [layer(x).view(B, T, H, D // H).transpose(1, 2) for layer in layers]
            mixed = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
            return self.output(mixed.transpose(1, 2).reshape(B, T, D))

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.widen, self.narrow = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

        def forward(self, x):
            return self.narrow(nn.functional.gelu(self.widen(x), approximate="tanh"))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.attention = nn.LayerNorm(D), Attention()
            self.norm2, self.mlp = nn.LayerNorm(D), MLP()

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            tokens, positions = nn.Embedding(sizes["V"], D), nn.Embedding(sizes["T"], D)
            self.embed = nn.ModuleDict({"tokens": tokens, "positions": positions})
            self.blocks = nn.ModuleList(Block() for _ in range(sizes["L"]))
            self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, sizes["V"])

        def forward(self, ids):
            places = torch.arange(ids.shape[1])
            x = self.embed["tokens"](ids) + self.embed["positions"](places)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return GPT()


LIBRARIES = {
    "tinytorch": TinyTorch,
    "torch": Torch,
    "forgetful": Forgetful,
    "small-pages": SmallPages,
}
TITLES = {
    "torch": "PyTorch",
    "forgetful": "without kept memory",
    "small-pages": "on pages of 4 KB",
}


# -- a worker: one library in a process of its own
def work(library, sizes, threads, prepare):
    """Answer the questions that come in as lines: losses of some steps, or the time of a block."""
    if prepare:
        exec(compile(Path(prepare).read_text(encoding="utf-8"), prepare, "exec"), {})
    program, data, done = LIBRARIES[library](sizes, threads), list(batches(sizes)), 0
    for line in sys.stdin:
        question, amount = json.loads(line)
        if question == "losses":
            print(json.dumps([program.step(*data[i % 8]) for i in range(amount)]), flush=True)
            continue
        if question == "rate":
            print(json.dumps(amount * product_rate()), flush=True)
            continue
        times, end = [], time.perf_counter() + (amount if question == "block" else 0)
        while time.perf_counter() < end or len(times) < (3 if question == "block" else amount):
            begin = time.perf_counter()
            program.step(*data[done % 8])
            times.append(time.perf_counter() - begin)
            done += 1
        told = {"seconds": statistics.median(times), "steps": len(times), "peak": peak_memory()}
        print(json.dumps(told), flush=True)


def product_rate():
    """Operations a second in a large matrix product of one thread."""
    x, best = np.ones((768, 768), np.float32), math.inf
    for _ in range(12):
        begin = time.perf_counter()
        x @ x
        best = min(best, time.perf_counter() - begin)
    return 2 * 768**3 / best


def peak_memory():
    """The most memory that this process ever had, in MB; nan where the system does not say.

    Where processes compute parts for it, with what they have for themselves.
    """
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak /= 2**20 if sys.platform == "darwin" else 2**10
    return peak + sum(own_memory(child.pid) for child in multiprocessing.active_children())


def own_memory(pid):
    """What a process shares with no other, in MB; it keeps what it once had (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 2**10


def untie(as_set):
    """Let every process to come pick its own kernels, and say what stood in the way."""
    tied = [name for name in TIES if name in os.environ and not as_set]
    for name in tied:
        print(f"left out: {name}={os.environ.pop(name)} (--as-set keeps it)", file=sys.stderr)


def environment(threads):
    """The environment of a worker: so many threads, and this library first."""
    paths = [str(manners.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    own = {"PYTHONPATH": os.pathsep.join(paths)} | dict.fromkeys(names, str(threads))
    return os.environ | own


class Worker:
    """The process of a library, seen from outside."""

    def __init__(self, library, sizes, threads, prepare=None):
        words = [sys.executable, __file__, "--worker", library, json.dumps(sizes)]
        words += ["--threads", str(threads), *(["--prepare", str(prepare)] if prepare else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(words, env=environment(threads), **pipes)

    def ask(self, question, amount):
        try:
            self.process.stdin.write(json.dumps([question, amount]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker stopped: its message stands above")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()


# -- the measurements
def compare(sizes, libraries, flags):
    """{library: median seconds, peak memory, how far the losses are apart, ratio to the last}."""
    with contextlib.ExitStack() as stack:
        workers, turns = {}, []
        for name in libraries:
            prepare = flags.prepare if name == "tinytorch" else None
            workers[name] = stack.enter_context(Worker(name, sizes, flags.threads, prepare))
        losses = {name: worker.ask("losses", 20) for name, worker in workers.items()}
        for turn in range(flags.rounds):
            order = list(workers) if turn % 2 == 0 else list(workers)[::-1]
            turns.append({name: workers[name].ask("block", flags.block) for name in order})
        rate = workers["tinytorch"].ask("rate", flags.threads)
    last = libraries[-1]
    return {
        name: {
            "seconds": statistics.median(turn[name]["seconds"] for turn in turns),
            "limit": operations(sizes) / rate,
            "peak": max(turn[name]["peak"] for turn in turns),
            "ratio": statistics.median(t[name]["seconds"] / t[last]["seconds"] for t in turns),
            "grown": turns[-1][name]["peak"] - turns[0][name]["peak"],
            "apart": max(abs(a - b) / b for a, b in zip(losses[name], losses[last])),
        }
        for name in libraries
    }


def side_by_side(libraries, flags):
    """Print a row for each workload; give the exit code."""
    print(f"{flags.threads} threads, float32, {flags.rounds} turns of {flags.block:g} s each\n")
    head = ["workload", "ms a step", "tokens/s", "of the products' limit", "peak MB"]
    if len(libraries) > 1:
        head += [f"{TITLES[libraries[1]]}: ms", "peak MB", "ratio", "losses apart"]
    row(head)
    row("---" for _ in head)
    failed = []
    for name in flags.workloads:
        sizes = WORKLOADS[name]
        found = compare(sizes, libraries, flags)
        own, other = found["tinytorch"], found[libraries[-1]]
        cells = [name, f"{own['seconds'] * 1e3:.2f}"]
        cells += [f"{sizes['B'] * sizes['T'] / own['seconds']:,.0f}"]
        cells += [f"{own['limit'] / own['seconds']:.0%}", f"{own['peak']:.0f}"]
        if len(libraries) > 1:
            cells += [f"{other['seconds'] * 1e3:.2f}", f"{other['peak']:.0f}"]
            cells += [f"{own['ratio']:.2f}", f"{own['apart']:.0e}"]
        row(cells)
        failed += [f"{name}: the losses differ"] if own["apart"] > AGREE else []
        failed += [f"{name}: {own['ratio']:.2f} times"] if own["ratio"] > flags.at_most else []
        failed += [f"{name}: {own['grown']:.0f} MB more"] if own["grown"] > GROWN else []
    if failed:
        print(f"\ntoo slow, or wrong: {'; '.join(failed)}")
    return 1 if failed else 0


def readme(flags):
    """Print the table of the README: ratios to PyTorch, with one thread and with two."""
    row(["model", "samples x tokens", "one thread", "two threads", "peak memory"])
    row(["---"] * 5)
    for name in flags.workloads:
        sizes, cells = WORKLOADS[name], []
        for flags.threads in (1, 2):
            found = compare(sizes, ["tinytorch", "torch"], flags)
            cells += [f"{found['tinytorch']['ratio']:.2f}"]
        peaks = " of ".join(f"{told['peak']:.0f}" for told in found.values())
        model = f"{sizes['L']} block{'s' * (sizes['L'] > 1)} of width {sizes['D']}"
        row([model, f"{sizes['B']} x {sizes['T']}", *cells, f"{peaks} MB"])
    return 0


def scaling(libraries, flags):
    """Print how a step's time and memory grow as each size does, beside the formula."""
    print(f"from {SCALED}: one size at a time, 2x each; {flags.threads} threads\n")
    head = ["size", "products, 1e9", "ms a step", "peak MB"]
    head += [f"{TITLES[libraries[1]]}: ms", "peak MB"] if len(libraries) > 1 else []
    row(head)
    row("---" for _ in head)
    exponents = []
    for letter in "TDLB":
        points = []
        for times in (1, 2, 4, 8):
            sizes = SCALED | {letter: SCALED[letter] * times}
            found = compare(sizes, libraries, flags)
            cells = [f"{letter} = {sizes[letter]}", f"{operations(sizes) / 1e9:.2f}"]
            for told in found.values():
                cells += [f"{told['seconds'] * 1e3:.2f}", f"{told['peak']:.0f}"]
            row(cells)
            points.append(
                [sizes[letter], operations(sizes), *(f["seconds"] for f in found.values())]
            )
        logs = np.log2(np.array(points)[-3:])  # the smallest one is mostly the cost of calling
        slopes = [np.polyfit(logs[:, 0], logs[:, n], 1)[0] for n in range(1, logs.shape[1])]
        exponents.append([letter, *(f"{slope:.2f}" for slope in slopes)])
    print("\ntime grows like a power of the size; the exponent over the last three:\n")
    row(["size", "products", "TinyTorch", *(TITLES[name] for name in libraries[1:])])
    row("---" for _ in exponents[0])
    for cells in exponents:
        row(cells)
    return 0


def long_run(flags):
    """4,000 steps of 512 tokens: the median step and the peak of memory, every 500."""
    print("W1, one process\n")
    row(["tokens", "ms a step", "of the first", "peak MB"])
    row(["---"] * 4)
    sizes, first, told = WORKLOADS["W1"], None, None
    with Worker("tinytorch", sizes, flags.threads, flags.prepare) as worker:
        for steps in range(500, 4001, 500):
            told = worker.ask("steps", 500)
            first = first or told
            tokens, share = steps * sizes["B"] * sizes["T"], told["seconds"] / first["seconds"]
            cells = f"{told['seconds'] * 1e3:.2f}", f"{share:.2f}", f"{told['peak']:.1f}"
            row([f"{tokens:,}", *cells])
    return 1 if told["peak"] - first["peak"] > GROWN or share > SLOWER else 0


def row(cells):
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def read_flags():
    flags = manners.Parser(__doc__)
    flags.add_argument("--vs", choices=list(TITLES), help="measure this beside TinyTorch")
    flags.add_argument("--workloads", default="W1,W2,W4a,W4b", help=f"of {', '.join(WORKLOADS)}")
    flags.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of both")
    flags.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    flags.add_argument("--block", type=float, default=0.7, help="seconds of a turn (default: 0.7)")
    flags.add_argument("--at-most", type=float, default=math.inf, help="fail above this ratio")
    flags.add_argument("--readme", action="store_true", help="the table of the README")
    flags.add_argument("--scaling", action="store_true", help="how time and memory grow")
    flags.add_argument("--long", action="store_true", help="2 million tokens of W1")
    flags.add_argument("--prepare", help="a Python file that TinyTorch's process runs first")
    flags.add_argument("--as-set", action="store_true", help="keep variables that tie kernels")
    flags.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    found = flags.parse_args()
    found.workloads = found.workloads.split(",")
    if unknown := set(found.workloads) - set(WORKLOADS):
        flags.error(f"no workload {min(unknown)!r}: there are {', '.join(WORKLOADS)}")
    flags.need_positive(found, "threads", "rounds", "block")
    if found.prepare and not Path(found.prepare).is_file():
        flags.error(f"--prepare: there is no file {found.prepare}")
    if found.vs == "torch" or found.readme:
        flags.need_torch("--readme" if found.readme else "--vs torch")
    return found


def main():
    flags = read_flags()
    if flags.worker:
        library, sizes = flags.worker
        return work(library, json.loads(sizes), flags.threads, flags.prepare)
    untie(flags.as_set)
    if flags.long:
        return long_run(flags)
    if flags.readme:
        return readme(flags)
    libraries = ["tinytorch", *([flags.vs] if flags.vs else [])]
    return scaling(libraries, flags) if flags.scaling else side_by_side(libraries, flags)


if __name__ == "__main__":
    manners.begin(main)
