"""The milestones measured: all six scripts in one table, nanoGPT beside, and the sums behind.

    python benchmarks/milestones.py                          a row for each script, 15 minutes
    python benchmarks/milestones.py --only step1,step2       some of them
    python benchmarks/milestones.py --vs torch --data FILE   nanoGPT in PyTorch beside step 3
    python benchmarks/milestones.py --tables                 memory, n x n, sizes, vocabularies

`--vs torch` trains two models on the same text with the same settings (4 layers, 4 heads, width
128, windows of 64, 12 of them a step, 2,000 steps): step 3 with `--preset nanogpt`, and a GPT after
nanoGPT's design in PyTorch eager. Each has a process of its own; they take turns of 50 steps, so
that a busy machine meets both. The ratio is the median over the turns. Both pick their own kernels,
unless `--as-set` is given: see `gpt.py`.
"""

import argparse
import importlib.util
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import manners
from gpt import environment, untie
from manners import ROOT

FOLDER = ROOT / "milestones" / "05_2017_transformer"
SHORT = ["--epochs", "5", "--batch-size", "4"]
PICTURE = str(Path(tempfile.gettempdir(), "attention_proof.png"))  # nobody looks at it
SCRIPTS = {  # name -> the script, its flags, its tokenizer
    "proof": ("00_vaswani_attention_proof.py", ["--plot", PICTURE], "none: numbers"),
    "generation": ("01_vaswani_generation.py", SHORT, "characters"),
    "dialogue": ("02_vaswani_dialogue.py", SHORT, "characters"),
    "step1": ("step1_quick_validation.py", [], "characters"),
    "step2": ("step2_tinycoder.py", [], "byte pairs"),
    "step3": ("step3_shakespeare.py", [], "characters"),
}


def row(cells):
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def headings(*cells):
    row(cells)
    row("---" for _ in cells)


# -- the six scripts
def all_scripts(flags):
    """Run the scripts one after the other; give the exit code."""
    headings("script", "data", "tokenizer", "parameters", "result", "time", "minutes here")
    unit, failed = None, False
    for name in flags.only:
        script, more, tokenizer = SCRIPTS[name]
        if name == "step3" and flags.data:
            more = ["--data", flags.data]
        code, out = followed([sys.executable, str(FOLDER / script), *more])
        failed |= code != 0
        trained = re.search(r"trained for ([\d.]+) s", out)
        if code not in (0, 1) or not trained:
            print(f"no row for {script}, which ended with exit code {code}", file=sys.stderr)
            continue
        seconds = float(trained[1])
        unit = unit or max(seconds, 0.1)
        given = "".join(f" {flag}" for flag in more if flag not in (PICTURE, "--plot"))
        shown = given.replace(str(flags.data), "FILE")
        data, parameters, result = figures(out)
        times = [f"{seconds / unit:.1f}", f"{seconds / 60:.2f}"]
        row([f"`{script}{shown}`", data, tokenizer, parameters, result, *times])
    if unit:
        print(f"\ntime of training, in units of the first row's, which took {unit:.1f} s here")
    return int(failed)


def figures(out):
    """(data, parameters, result) as a script printed them; the counting model's beside its own."""
    data = re.search(r"^data: (.*)", out, re.M)[1]
    parameters = re.search(r"^model: ([\d,]+)", out, re.M)[1]
    verdicts = re.findall(r"^(?:PASSED|FAILED): .*", out, re.M)
    beside = re.findall(r"^topic kept: [\d.]+|(?:a|the) model that counts [^;\n]*", out, re.M)
    return data, parameters, "; ".join([*verdicts, *beside])


def followed(words):
    """(exit code, output) of a script; what it says goes to stderr as it comes."""
    own = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    pipes = {"stdout": subprocess.PIPE, "encoding": "utf-8"}
    lines = []
    with subprocess.Popen(words, env=os.environ | own, cwd=FOLDER, **pipes) as process:
        try:
            for line in process.stdout:
                lines.append(line)
                if line.startswith("training"):
                    print(line.rstrip(), file=sys.stderr)
        except KeyboardInterrupt:  # the script has heard it too, and may still say something
            process.stdout.read()
            raise KeyboardInterrupt("the table ends here") from None
    return process.returncode, "".join(lines)


# -- beside PyTorch
def script(name):
    """A milestone script as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nanogpt_flags(steps, threads):
    """The flags of step 3 with `--preset nanogpt`."""
    settings = script("step3_shakespeare").PRESETS["nanogpt"] | {"steps": steps}
    return argparse.Namespace(**settings, threads=threads)


class TinyTorch:
    """Step 3 as it stands."""

    def __init__(self, ids, flags):
        import tinytorch
        from tinytorch.transformers import GPT

        step3 = script("step3_shakespeare")
        tinytorch.manual_seed(0)
        tinytorch.set_num_threads(flags.threads)
        cut = int(len(ids) * (1 - step3.HELD_OUT))
        sizes = (flags.embed_dim, flags.num_heads, flags.num_layers, flags.context)
        model = GPT(max(ids) + 1, *sizes, bias=flags.bias)
        self.parameters = model.num_parameters()
        self.trainer = step3.new_trainer(model, ids[:cut], ids[cut:], flags, None)
        self.batches = step3.batches(ids[cut:], flags)
        self.feed = self.trainer.feed(flags.steps)

    def train(self, steps):
        """Some more of one `fit`: each new one would shuffle all windows again."""
        for _, batches in zip(range(steps), self.feed):
            self.trainer.train_step(batches)

    def loss(self):
        return self.trainer.evaluate(self.batches)["validation_loss"]


class Torch:
    """The same settings in PyTorch eager, the model after nanoGPT's design."""

    def __init__(self, ids, flags):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(flags.threads)
        self.torch, self.flags, self.done = torch, flags, 0
        ids = torch.tensor(ids)
        cut = int(len(ids) * 0.9)
        self.known, self.unknown = ids[:cut], ids[cut:]
        self.model = nanogpt(torch, int(ids.max()) + 1, flags)
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(groups, lr=flags.lr, betas=(0.9, 0.99))
        self.parameters = sum(p.numel() for p in self.model.parameters())

    def rate(self):
        """Warm-up over 100 steps, then a cosine down to a tenth."""
        lr, total = self.flags.lr, self.flags.steps
        warm = min(100, total // 10)
        if self.done < warm:
            return lr * (self.done + 1) / warm
        share = (self.done - warm) / max(1, total - warm)
        return lr / 10 + 0.45 * lr * (1 + math.cos(math.pi * share))

    def mean_loss(self, x, y):
        logits = self.model(x)
        return self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())

    def train(self, steps):
        torch, T = self.torch, self.flags.context
        for _ in range(steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate()
            starts = torch.randint(len(self.known) - T, (self.flags.batch_size,)).tolist()
            x = torch.stack([self.known[s : s + T] for s in starts])
            y = torch.stack([self.known[s + 1 : s + T + 1] for s in starts])
            self.optimizer.zero_grad(set_to_none=True)
            self.mean_loss(x, y).backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.done += 1

    def loss(self):
        torch, T = self.torch, self.flags.context
        count = (len(self.unknown) - 1) // T
        x = self.unknown[: count * T].view(count, T)
        y = self.unknown[1 : count * T + 1].view(count, T)
        with torch.no_grad():
            parts = [self.mean_loss(a, b) * len(a) for a, b in zip(x.split(64), y.split(64))]
        return float(sum(parts)) / count


def nanogpt(torch, vocab_size, flags):
    """A GPT without biases, its head tied to the token table, as nanoGPT has it."""
    nn, D, H = torch.nn, flags.embed_dim, flags.num_heads

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(D, bias=False), nn.LayerNorm(D, bias=False)
            self.heads, self.output = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
            self.widen = nn.Linear(D, 4 * D, bias=False)
            self.narrow = nn.Linear(4 * D, D, bias=False)

        def forward(self, x):
            B, T, _ = x.shape
            parts = self.heads(self.norm1(x)).split(D, dim=2)
            parts = [part.view(B, T, H, D // H).transpose(1, 2) for part in parts]
            mixed = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.output(mixed.transpose(1, 2).contiguous().view(B, T, D))
            return x + self.narrow(nn.functional.gelu(self.widen(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocab_size, D), nn.Embedding(flags.context, D)
            self.blocks = nn.ModuleList(Block() for _ in range(flags.num_layers))
            self.norm, self.head = nn.LayerNorm(D, bias=False), nn.Linear(D, vocab_size, bias=False)
            self.head.weight = self.tokens.weight
            for name, p in self.named_parameters():
                writes = name.endswith(("output.weight", "narrow.weight"))
                if p.ndim > 1:
                    nn.init.normal_(p, 0, 0.02 / math.sqrt(2 * flags.num_layers) ** writes)

        def forward(self, ids):
            x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return Model()


LIBRARIES = {"tinytorch": TinyTorch, "torch": Torch}


def work(library, data, steps, threads):
    """Answer the questions that come in as lines: seconds for some steps, or the loss."""
    text = Path(data).read_text(encoding="utf-8")
    place = {c: n for n, c in enumerate(sorted(set(text)))}
    program = LIBRARIES[library]([place[c] for c in text], nanogpt_flags(steps, threads))
    for line in sys.stdin:
        count = json.loads(line)
        begin = time.perf_counter()
        told = {}
        if count:
            program.train(count)
            told["seconds"] = time.perf_counter() - begin
        else:
            told = {"loss": program.loss(), "parameters": program.parameters}
        print(json.dumps(told), flush=True)
    return 0


class Worker:
    """The process of a library, seen from outside."""

    def __init__(self, library, flags):
        words = [sys.executable, __file__, "--worker", library, "--data", str(flags.data)]
        words += ["--steps", str(flags.steps), "--threads", str(flags.threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(words, env=environment(flags.threads), **pipes)

    def ask(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker stopped: its message stands above")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def beside_torch(flags):
    """Train both, in turns; print a row for each; give the exit code."""
    workers = {name: Worker(name, flags) for name in LIBRARIES}
    turns = []
    for turn in range(math.ceil(flags.steps / flags.turn)):
        order = list(workers) if turn % 2 == 0 else list(workers)[::-1]
        turns.append({name: workers[name].ask(flags.turn)["seconds"] for name in order})
        told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in turns[-1].items())
        print(f"steps {flags.turn * (turn + 1)}: {told}", file=sys.stderr, flush=True)
    ratio = statistics.median(turn["tinytorch"] / turn["torch"] for turn in turns)
    headings("", "parameters", "validation loss", "time, of PyTorch's")
    for name, worker in workers.items():
        told = worker.ask(0)
        shown = f"{ratio:.2f}" if name == "tinytorch" else "1"
        row([name, f"{told['parameters']:,}", f"{told['loss']:.3f}", shown])
        worker.end()
    return int(ratio > flags.at_most)


# -- the sums behind
def gpt_parameters(vocab_size, embed_dim, num_layers, length):
    """P = 12 L D^2 + 13 L D + (V + T) D + 2 D: a GPT whose head is its token table."""
    D, L = embed_dim, num_layers
    return 12 * L * D * D + 13 * L * D + (vocab_size + length) * D + 2 * D


def size(count):
    """Bytes in words."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def memory_table():
    """Row by row what the numbers of three models take."""
    from tinytorch.runs import KEPT, activations

    print("\n## Memory of the numbers alone\n")
    print(f"P parameters; activations {KEPT[False]}, or half with 2 bytes each;")
    print(f"TinyCoder has dropout: {KEPT[True]}\n")
    headings("", "P", "weights", "training: weights, gradients, AdamW", "activations", "of")
    step2 = script("step2_tinycoder")
    coder = 256 + len(step2.SIGNS) + step2.MERGES
    models = {  # V D H L T, windows a step, bytes of a number
        "TinyCoder `--preset small`": (coder, 64, 4, 2, 64, 4, 4),
        "TinyCoder": (coder, 128, 8, 4, 128, 4, 4),
        "GPT-3 (2020), 2 bytes": (50257, 12288, 96, 96, 2048, 1, 2),
    }
    for name, (V, D, H, L, T, B, width) in models.items():
        count = gpt_parameters(V, D, L, T) + (V * D + V if width == 4 else 0)
        training = 16 * count  # also with 2 bytes: a copy of 4, two averages of 4, a gradient
        active = activations(B, T, V, D, H, L, dropout=width == 4) * width // 4
        cells = [name, f"{count:,}", size(width * count), size(training), size(active)]
        row([*cells, f"{B} window{'s' * (B > 1)} of {T}"])


def quadratic_table():
    """Counts that grow with n and with n x n."""
    print("\n## n tokens, n x n weights\n")
    print(
        "operations of one block at width D = 128: 24 n D^2 in linear layers, 4 n^2 D in attention"
    )
    print(f"(equal at n = 6 D = {6 * 128}; below that the linear layers dominate)\n")
    headings("n", "weights of a head, n^2", "linear layers", "attention", "attention's share")
    for n in (10, 100, 128, 768, 1000, 10_000):
        linear, attention = 24 * n * 128**2, 4 * n * n * 128
        share = attention / (linear + attention)
        row([f"{n:,}", f"{n * n:,}", f"{linear:.2e}", f"{attention:.2e}", f"{share:.0%}"])


def code_text():
    """The text that TinyCoder learns."""
    coder = script("step2_tinycoder")
    return coder.split(coder.source_files())[0]


def vocabulary_table(text):
    """One text in characters, byte pairs and words."""
    from tinytorch.runs import NGram
    from tinytorch.tokenization import BPETokenizer, split_words

    print("\n## Characters, byte pairs, words: the text of TinyCoder\n")
    print("bits per character: of a model that counts three tokens, learnt on the first 90 %,")
    print(
        "measured on the rest; table: numbers in the embedding and the head at width 128. Kind to"
    )
    print("words: all of the text's are in the vocabulary, also those never seen in the 90 %\n")
    headings("tokens", "different", "in the text", "characters each", "never seen", "bits", "table")
    for name in ("characters", "byte pairs, 300", "byte pairs, 1000", "words"):
        if name.startswith("byte"):
            tokenizer = BPETokenizer()
            tokenizer.train(text[: len(text) * 9 // 10], num_merges=int(name.split()[-1]))
            parts = [tokenizer.encode(part) for part in split_at(text)]
            different = tokenizer.vocab_size
        else:
            words = list(text) if name == "characters" else split_words(text)
            place = {word: n for n, word in enumerate(sorted(set(words)))}
            cut = (list if name == "characters" else split_words)(split_at(text)[0])
            ids = [place[word] for word in words]
            parts, different = [ids[: len(cut)], ids[len(cut) :]], len(place)
        known, rest = parts
        unseen = sum(i not in set(known) for i in set(rest)) / len(set(rest))
        bits = NGram(known, 3, different).loss(rest) * len(rest) / len(split_at(text)[1])
        count = len(known) + len(rest)
        cells = [name, f"{different:,}", f"{count:,}", f"{len(text) / count:.2f}", f"{unseen:.0%}"]
        row([*cells, f"{bits / math.log(2):.2f}", f"{2 * 128 * different:,}"])


def split_at(text):
    """The first 90 % of a text, to the end of a line, and the rest."""
    place = text.index("\n", len(text) * 9 // 10)
    return text[:place], text[place:]


def sizes_tables(text, flags):
    """Three sizes trained alike: loss against speed; then greedy against sampling."""
    import tinytorch
    from tinytorch import runs
    from tinytorch.kv_caching import generate_cached
    from tinytorch.tokenization import CharTokenizer
    from tinytorch.transformers import GPT

    step3, tokenizer = script("step3_shakespeare"), CharTokenizer(text)
    known, rest = (tokenizer.encode(part) for part in split_at(text))
    tinytorch.set_num_threads(flags.threads)
    print(
        f"\n## Size against speed: characters of the same text, {flags.short} steps of 8 windows\n"
    )
    headings("D / H / L / T", "parameters", "held-out loss", "a step", "a written character")
    first = None
    for sizes in ((32, 2, 1, 64), (64, 4, 2, 64), (128, 8, 4, 128)):
        tinytorch.manual_seed(0)
        names = ("embed_dim", "num_heads", "num_layers", "context")
        more = {"steps": flags.short, "batch_size": 8, "lr": 2e-3}
        settings = argparse.Namespace(**dict(zip(names, sizes)), **more)
        model = GPT(tokenizer.vocab_size, *sizes)
        trainer = step3.new_trainer(model, known, rest, settings, None)
        begin = time.perf_counter()
        trainer.fit(flags.short)
        times = [(time.perf_counter() - begin) / flags.short]
        begin = time.perf_counter()
        generate_cached(model, [tokenizer.encode("def ")], 200, temperature=0)
        times.append((time.perf_counter() - begin) / 200)
        first = first or times
        with tinytorch.no_grad():
            windows = runs.windows(rest[:8000], settings.context)
            loss = runs.plain_loss(model, windows, settings.batch_size)
        ratios = [f"{t / f:.1f}" for t, f in zip(times, first)]
        shown = " / ".join(map(str, sizes))
        row([shown, f"{model.num_parameters():,}", f"{loss:.3f}", *ratios])
    print("\ntimes in units of the first row's")
    sampling_table(model, tokenizer)


def sampling_table(model, tokenizer):
    """What the temperature does to 600 characters."""
    import tinytorch
    from tinytorch.kv_caching import generate_cached

    print("\n## Greedy against sampling: 600 characters of the largest of them\n")
    headings("temperature", "different groups of 5, of 596", "different words", "begins")
    for temperature in (0, 0.5, 0.8, 1.0, 2.0):
        dice = tinytorch.Generator(0)
        prompt = [tokenizer.encode("def ")]
        how = {"temperature": temperature, "generator": dice}
        ids = generate_cached(model, prompt, 600, **how).tolist()[0][4:]
        written = tokenizer.decode(ids)
        groups = {written[n : n + 5] for n in range(596)}
        words = len(set(re.findall(r"\w+", written)))
        row([temperature, len(groups), words, f"`{' '.join(written.split())[:40]}`"])


def tables(flags):
    """All tables of sums."""
    text = code_text()
    memory_table()
    quadratic_table()
    vocabulary_table(text)
    sizes_tables(text, flags)
    return 0


def read_flags():
    flags = manners.Parser(__doc__)
    flags.add_argument("--only", default=",".join(SCRIPTS), help=f"of {', '.join(SCRIPTS)}")
    flags.add_argument("--data", type=Path, help="Tiny Shakespeare, if it is not to be fetched")
    flags.add_argument("--vs", choices=["torch"], help="train nanoGPT's settings beside it")
    flags.add_argument("--steps", type=int, default=2000, help="of --vs (default: 2000)")
    flags.add_argument("--turn", type=int, default=50, help="steps of a turn (default: 50)")
    flags.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of both")
    flags.add_argument("--at-most", type=float, default=math.inf, help="fail above this ratio")
    flags.add_argument("--tables", action="store_true", help="the sums behind")
    flags.add_argument("--short", type=int, default=300, help="steps in --tables (default: 300)")
    flags.add_argument("--as-set", action="store_true", help="keep variables that tie kernels")
    flags.add_argument("--worker", choices=list(LIBRARIES), help=argparse.SUPPRESS)
    found = flags.parse_args()
    found.only = found.only.split(",")
    if unknown := set(found.only) - set(SCRIPTS):
        flags.error(f"no script {min(unknown)!r}: there are {', '.join(SCRIPTS)}")
    if found.data and not found.data.is_file():
        flags.error(f"--data: there is no file {found.data}")
    found.data = found.data and found.data.resolve()
    flags.need_positive(found, "threads", "steps", "turn", "short")
    if found.vs:
        flags.need_torch("--vs torch")
        if not found.data:
            flags.error("--vs torch needs --data FILE, the text of Tiny Shakespeare")
    return found


def main():
    flags = read_flags()
    if flags.worker:
        return work(flags.worker, flags.data, flags.steps, flags.threads)
    untie(flags.as_set)
    if flags.tables:
        return tables(flags)
    return beside_torch(flags) if flags.vs else all_scripts(flags)


if __name__ == "__main__":
    manners.begin(main)
