"""How fast is byte-pair encoding, beside Hugging Face's tokenizers and tiktoken?

    python benchmarks/bpe.py                            every .py file of the standard library
    python benchmarks/bpe.py shakespeare.txt            this text, and those files
    python benchmarks/bpe.py --megabytes 1 --rounds 5   the first megabyte of each

Each library has a fresh process of its own, and they take turns, so that whatever else the machine
does hits all; a ratio is the median over the turns. TinyTorch is Python on one core; `tokenizers`
and `tiktoken` are Rust, the first of them on all cores; `tiktoken._educational` is Python too.
Every library must give the text back, and `tokenizers` and TinyTorch the same number of tokens,
but for pairs that were equally frequent.
"""

import argparse
import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import manners

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CHUNK = 10_000  # characters: what `tokenizers` gets at a time, so that all cores have work
TASKS = ("train", "encode", "again", "decode")
CLOSE = 0.01  # relative difference of the numbers of tokens, where ties are broken otherwise


# -- the texts
def standard_library():
    """All .py files of Python's standard library, as one text: wide, and not only English."""
    found = Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")
    files = (f for f in found if not {"site-packages", "dist-packages"} & set(f.parts))
    return "".join(filter(None, map(text_of, sorted(files))))


def text_of(path):
    """A file's text with its line ends as they are; None if it is not UTF-8."""
    try:
        return Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def chunks_of(text):
    """The text in pieces that no word crosses: each ends with a lone line end."""
    chunks, size = [[]], 0
    for line in re.split(r"(?<=\S\n)(?=\S)", text):
        chunks[-1].append(line)
        size += len(line)
        if size > CHUNK:
            chunks.append([])
            size = 0
    return list(filter(None, map("".join, chunks)))


# -- the libraries: each trains, encodes and decodes one text
class TinyTorch:
    name, most = "tinytorch", math.inf

    def __init__(self, text):
        from tinytorch.tokenization import BPETokenizer

        self.text, self.tokenizer = text, BPETokenizer(pattern="gpt2")
        self.tokenizer.encode("a first word makes the classes of characters")

    def train(self, merges):
        self.tokenizer.train(self.text, num_merges=merges)

    def encode(self):
        self.ids = self.tokenizer.encode(self.text)
        return len(self.ids)

    def decode(self):
        return self.tokenizer.decode(self.ids)


class Tokenizers:
    name, most = "tokenizers", math.inf

    def __init__(self, text):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        self.chunks, self.models, self.trainers = chunks_of(text), models, trainers
        self.bytes = pre_tokenizers.ByteLevel
        self.tokenizer = Tokenizer(models.BPE())
        self.tokenizer.pre_tokenizer = self.bytes(add_prefix_space=False)
        self.tokenizer.decoder = decoders.ByteLevel()

    def train(self, merges):
        self.tokenizer.model = self.models.BPE()
        size, alphabet = 256 + merges, self.bytes.alphabet()
        trainer = self.trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=alphabet, show_progress=False
        )
        self.tokenizer.train_from_iterator(self.chunks, trainer)

    def encode(self):
        found = self.tokenizer.encode_batch_fast(self.chunks)
        self.ids = [i for encoding in found for i in encoding.ids]
        return len(self.ids)

    def decode(self):
        return self.tokenizer.decode(self.ids)


class Tiktoken:
    """No trainer: it gets the merges of TinyTorch, and encodes and decodes with them."""

    name, most = "tiktoken", math.inf

    def __init__(self, text):
        import tiktoken

        self.text, self.kind = text, tiktoken.Encoding

    def train(self, merges):
        own = TinyTorch(self.text)
        own.train(merges)
        ranks = {}
        for token in own.tokenizer.token_bytes:
            ranks.setdefault(token, len(ranks))
        self.tokenizer = self.kind("own", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})

    def encode(self):
        self.ids = self.tokenizer.encode_ordinary(self.text)
        return len(self.ids)

    def decode(self):
        return self.tokenizer.decode(self.ids)


class Educational(Tiktoken):
    """tiktoken's teaching code: it counts every pair again for each merge."""

    name, most = "tiktoken._educational", 20  # merges: a thousand take minutes

    def __init__(self, text):
        import tiktoken._educational as educational

        self.text, self.educational = text, educational

    def train(self, merges):
        ranks = self.educational.bpe_train(self.text, 256 + merges, GPT2, visualise=None)
        kind = self.educational.SimpleBytePairEncoding
        self.tokenizer = kind(pat_str=GPT2, mergeable_ranks=ranks)

    def encode(self):
        self.ids = self.tokenizer.encode(self.text, visualise=None)
        return len(self.ids)


LIBRARIES = {kind.name: kind for kind in (TinyTorch, Tokenizers, Tiktoken, Educational)}


# -- a worker: one library in a process of its own
def work(library, path):
    """Answer the tasks that come in as lines: the seconds each took, and how many tokens."""
    text = Path(path).read_bytes().decode("utf-8")
    try:
        program = LIBRARIES[library](text)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return 0
    print(json.dumps({"missing": None}), flush=True)
    for line in sys.stdin:
        merges, told = json.loads(line), {}
        for task in TASKS:
            begin = time.perf_counter()
            if task == "train":
                program.train(merges)
            elif task == "decode":
                same = program.decode() == text
            else:
                told["tokens"] = program.encode()
            told[task] = time.perf_counter() - begin
        print(json.dumps(told | {"same": same}), flush=True)
    return 0


class Worker:
    """The process of a library, seen from outside."""

    def __init__(self, library, path):
        words = [sys.executable, __file__, str(path), "--worker", library]
        own = {"PYTHONPATH": os.pathsep.join([str(manners.ROOT), os.environ.get("PYTHONPATH", "")])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(words, env=os.environ | own, **pipes)
        self.missing = self.answer()["missing"]

    def ask(self, merges):
        self.process.stdin.write(f"{merges}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
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
def compare(libraries, path, merges, rounds):
    """{library: a list with what each turn told, or the name of what is missing}."""
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, path)) for name in libraries}
        found = {name: worker.missing or [] for name, worker in workers.items()}
        there = [name for name in libraries if not workers[name].missing]
        for turn in range(rounds):
            for name in there if turn % 2 == 0 else there[::-1]:
                found[name].append(workers[name].ask(merges))
    return found


def table(found, merges, size):
    """Print a row for each library; give what is wrong."""
    own, wrong = found["tinytorch"], []
    for name, turns in found.items():
        if isinstance(turns, str):
            row([name, merges, f"not installed: {turns}", *[""] * 8])
            continue
        cells = [name, merges]
        for task in TASKS:
            seconds = statistics.median(turn[task] for turn in turns)
            ratio = statistics.median(a[task] / b[task] for a, b in zip(own, turns, strict=True))
            trained = task != "train" or name != "tiktoken"
            speed = f"{seconds:.2f} s" if task == "train" else f"{size / seconds / 1e6:.1f} MB/s"
            cells += [speed, f"{ratio:.2f}"] if trained else ["as above", ""]
        row([*cells, f"{turns[0]['tokens']:,}"])
        wrong += [f"{name} does not give the text back"] if not turns[0]["same"] else []
        apart = abs(turns[0]["tokens"] / own[0]["tokens"] - 1)
        wrong += [f"{name} makes {apart:.1%} other tokens"] if apart > CLOSE else []
    return wrong


def measure(title, text, flags, folder):
    """Print the table of one text; give what is wrong."""
    text = text.encode("utf-8")[: int(flags.megabytes * 1e6)].decode("utf-8", errors="ignore")
    size, path = len(text.encode("utf-8")), Path(folder, "text.txt")
    path.write_bytes(text.encode("utf-8"))
    print(f"\n{title}: {size / 1e6:.1f} MB, {flags.rounds} turns; ratio = time here / time there\n")
    row(["library", "merges", "train", "ratio", "encode, first", "ratio", "again", "ratio"]
        + ["decode", "ratio", "tokens"])  # fmt: skip
    row(["---"] * 11)
    quick = [name for name, kind in LIBRARIES.items() if kind.most >= flags.merges]
    wrong = table(compare(quick, path, flags.merges, flags.rounds), flags.merges, size)
    if slow := [name for name in LIBRARIES if name not in quick]:  # on a tenth of a megabyte
        start = text.encode("utf-8")[:100_000].decode("utf-8", errors="ignore")
        path.write_bytes(start.encode("utf-8"))
        few = min(LIBRARIES[name].most for name in slow)
        print(f"\nits first {len(start.encode('utf-8')) / 1e6:.1f} MB, for the slow one:\n")
        found = compare(["tinytorch", *slow], path, few, flags.rounds)
        wrong += table(found, few, len(start.encode("utf-8")))
    return wrong


def row(cells):
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def read_flags():
    flags = manners.Parser(__doc__)
    flags.add_argument("texts", nargs="*", type=Path, help="files to measure on, UTF-8")
    flags.add_argument("--merges", type=int, default=1000, help="how many (default: 1000)")
    flags.add_argument("--rounds", type=int, default=3, help="turns of each (default: 3)")
    flags.add_argument("--megabytes", type=float, default=8, help="of a text (default: 8)")
    flags.add_argument("--no-stdlib", action="store_true", help="the given texts alone")
    flags.add_argument("--worker", choices=list(LIBRARIES), help=argparse.SUPPRESS)
    found = flags.parse_args()
    flags.need_positive(found, "merges", "rounds", "megabytes")
    for path in found.texts:
        if not path.is_file() or text_of(path) is None or not path.stat().st_size:
            flags.error(f"{path} is no file with text in UTF-8")
    if found.no_stdlib and not found.texts:
        flags.error("--no-stdlib leaves nothing to measure: name a text")
    return found


def main():
    flags = read_flags()
    if flags.worker:
        return work(flags.worker, flags.texts[0])
    wrong = []
    with contextlib.ExitStack() as stack:
        from tempfile import TemporaryDirectory

        folder = stack.enter_context(TemporaryDirectory())
        for path in flags.texts:
            wrong += measure(path.name, text_of(path), flags, folder)
        if not flags.no_stdlib:
            wrong += measure("the standard library", standard_library(), flags, folder)
    if wrong:
        print(f"\nwrong: {'; '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    manners.begin(main)
