"""A GPT learns to write Python from the code that trains it: the source of TinyTorch itself.

    def forward(self, x):    ->    a body that Python can read
    import                   ->    import numpy as np

The text is the package's own modules (not its folders: PyTorch's further names, and the tools that
explain a program), and yours where you have written them. It is read and written again by Python's
`ast`: the code alone, without docstrings, comments and imports of the standard library, and with
'...' for every message (a string with a blank in it, or one that is formatted).
Byte pairs turn it into tokens, but every bracket and quote stays a token of its own: what is open,
and has to be closed, is then never hidden inside a longer token such as ")),".

The rules of the test, fixed beforehand:

1. About every fifth file is held out, and of the others about every tenth function name: these
   functions are cut out of the text. Which ones, a checksum of the name says. What is held out is
   never learnt, not even by the tokenizer.
2. A prompt is the `def` line of a held-out function whose name the text defines nowhere. If its
   body stands in the text all the same, it is no prompt.
3. The model goes on for 96 tokens, with 4 beams: of the texts that they find it is the likeliest.
   The completion is the first statement: it ends with the first line that does not end in a colon,
   so what `if x:` begins belongs to it. A line that is not finished by then is dropped.
4. It counts if `ast.parse` reads the `def` line with the completion. An empty body does not parse.
5. The baseline is a model that only counts which token came after the last four, on the same
   tokens, and goes on by the same rules.

Why beams: greedily, one habit, such as a first line that begins with `if not in`, spoils the
completions of many prompts at once, and every training has other habits. Four beams leave a
beginning that nothing likely can follow. What greedy writing makes is printed beside it.

That code parses does not mean that it is right, or makes sense. `import ` is a demonstration, no
test: the answer stands in the text. It is written greedily.

    python step2_tinycoder.py                             2 minutes on two free cores; some 90 %
                                                          parse (a model that counts: some 70 %)
    python step2_tinycoder.py --prompt "def forward(self, x):" --temperature 0.8
    python step2_tinycoder.py --preset small              smaller and faster, with a larger loss
"""

import ast
import functools
import importlib.util
import re
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np

import tinytorch
from tinytorch import console, runs
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.generation import Settings
from tinytorch.kv_caching import generate_cached
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tokenization import BPETokenizer, next_token_windows
from tinytorch.training import Trainer, decay_groups
from tinytorch.transformers import GPT, beam_search

NAME = "step2_tinycoder"
MERGES = 500  # byte pairs to learn
SIGNS = [blank + sign for blank in ("", " ") for sign in "()[]{}'"]  # each a token of its own
DROPOUT = 0.1  # the text is short: without it the model learns by heart
BEFORE = "\n\n"  # what stands before every prompt: a new line, after an empty one
WRITTEN = 96  # tokens of a completion at most
BEAMS = 4  # texts that are followed at a time in the test
THRESHOLD = 0.6  # share of the completions that Python must be able to read
LEAST = 50  # prompts, so that the share means something
ORDER = 5  # of the model that counts
IMPORTS = ("import ", "import numpy as np")


# -- the text
def source_files():
    """{name: path} of the package's modules; of your own ones where you have written them.

    Not of its folders: they hold PyTorch's further names, which are all alike, and `explain`.
    """
    found = {}
    for path in sorted(Path(tinytorch.__file__).parent.glob("*.py")):
        own = importlib.util.find_spec(f"tinytorch.{path.stem}")
        found[path.name] = Path(own.origin) if own else path
    return found


def one_in(count, name):
    """True for about one in so many names, always the same ones."""
    return zlib.crc32(name.encode("utf-8")) % count == 0


class CodeAlone(ast.NodeTransformer):
    """Takes out of a tree its docstrings, the standard library, and the words of its messages."""

    def visit_Import(self, node):
        node.names = [a for a in node.names if a.name.split(".")[0] not in sys.stdlib_module_names]
        return node if node.names else None

    def visit_ImportFrom(self, node):
        return node if node.level or node.module not in sys.stdlib_module_names else None

    def visit(self, node):
        node = super().visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_JoinedStr(self, node):
        return ast.Constant("...")

    def visit_Constant(self, node):
        message = isinstance(node.value, str) and re.search(r"\s", node.value)
        return ast.Constant("...") if message else node


def functions_of(tree):
    """All functions of a file, methods and nested ones included."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


class Without(ast.NodeTransformer):
    """Cuts the functions of some names out of a tree."""

    def __init__(self, names):
        self.names = names

    def visit_FunctionDef(self, node):
        return None if node.name in self.names else self.generic_visit(node)

    def generic_visit(self, node):
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]
        return node


def split(files):
    """What is learnt, one text, and what is held out, a list of functions."""
    trees = {}
    for name, path in files.items():
        trees[name] = CodeAlone().visit(ast.parse(path.read_text(encoding="utf-8")))
    unknown = [tree for name, tree in trees.items() if one_in(5, name)]
    known = [tree for name, tree in trees.items() if not one_in(5, name)]
    names = {f.name for tree in known for f in functions_of(tree)} - {"forward"}
    names = {name for name in names if one_in(10, name) and not name.startswith("__")}
    held = [f for tree in unknown for f in functions_of(tree)]
    held += [f for tree in known for f in functions_of(tree) if f.name in names]
    held = [(head_and_body(f), f.name) for f in held]
    texts = [ast.unparse(ast.fix_missing_locations(Without(names).visit(tree))) for tree in known]
    return "\n\n\n".join(texts) + "\n", held


def head_and_body(function):
    """The `def` line of a function and the lines under it, as deep as they stand in the file."""
    function.decorator_list = []
    code = textwrap.indent(ast.unparse(function), function.col_offset * " ")
    head, _, body = code.partition("\n")
    return head, body


def prompts_of(held, text):
    """{`def` line that the model is asked to go on from: the body that it never saw}."""
    defined = set(re.findall(r"\bdef (\w+)", text))
    flat = unindented(text)
    found = {}
    for (head, body), name in held:
        if name not in defined and unindented(body) not in flat:
            found.setdefault(head, body)
    return found


def unindented(text):
    """Lines without their indentation: what is the same code at any depth is the same here."""
    return "\n" + "\n".join(line.strip() for line in text.splitlines()) + "\n"


# -- the test
def cut(written):
    """Rule 3: the first statement of what was written, up to the end of its line."""
    lines = written.split("\n")
    for number, line in enumerate(lines[1:-1], start=1):
        if line.strip() and not line.endswith(":"):
            return "\n".join(lines[: number + 1])
    return "\n".join(lines[:-1])


def parses(head, completion):
    """Rule 4: whether Python can read it."""
    try:
        ast.parse(textwrap.dedent(head + completion))
    except (SyntaxError, ValueError):
        return False
    return True


def continuations(tokenizer, prompts, write):
    """What `write`, rows of tokens -> longer rows, adds to each prompt; equal lengths at once."""
    coded, found = [tokenizer.encode(BEFORE + prompt) for prompt in prompts], {}
    for length in sorted({len(ids) for ids in coded}):
        batch = [ids for ids in coded if len(ids) == length]
        for ids, row in zip(batch, write(batch), strict=True):
            found[tuple(ids)] = tokenizer.decode(row[length:])
    return [found[tuple(ids)] for ids in coded]


def written_by_model(model, tokenizer, prompts, **how):
    """What the model writes after each prompt; `how` as `generate` takes it."""

    def write(batch):
        return generate_cached(model, batch, WRITTEN, **how).tolist()

    return continuations(tokenizer, prompts, write)


class CountingText:
    """What a beam search asks for, answered by the model that counts: each question once."""

    def __init__(self, model):
        self.model, self.answers = model, {}  # the last tokens -> log-probabilities of the next

    def logits(self, ids):
        """Texts (B, N) -> log-probabilities of their next token, (B, V)."""
        ends = [tuple(row) for row in ids[:, 1 - self.model.order :].tolist()]
        for end in set(ends) - self.answers.keys():
            self.answers[end] = np.log(self.model.probabilities(end))
        return np.array([self.answers[end] for end in ends])

    def select(self, rows):
        """From now on row i continues what was row rows[i]; nothing is kept here, so nothing."""


def written_by_counting(reader, tokenizer, prompts, num_beams):
    """What the model that counts writes after each prompt, by the same search."""
    how = Settings(max_new_tokens=WRITTEN, num_beams=num_beams)

    def write(batch):
        return beam_search(reader, np.array(batch), how)[0].tolist()

    return continuations(tokenizer, prompts, write)


def share(prompts, written):
    """The share of the prompts whose completion parses."""
    return sum(parses(p, cut(w)) for p, w in zip(prompts, written)) / len(prompts)


def drawn(model, tokenizer, prompt, temperature, seed):
    """What the model writes after one prompt; its own dice leave the training as it is."""
    how = {"temperature": temperature, "generator": tinytorch.Generator(seed)}
    [written] = written_by_model(model, tokenizer, [prompt], **how)
    return written


def first_line(model, tokenizer, prompt, temperature=0.0, seed=0):
    """The prompt to the end of its line. A blank at its end belongs to the next token."""
    prompt = prompt.rstrip(" ")
    return prompt + drawn(model, tokenizer, prompt, temperature, seed).split("\n")[0]


def completed(model, tokenizer, prompt, temperature, seed):
    """The lines that show how the model goes on from a prompt."""
    if not prompt.rstrip().endswith(":"):
        return [first_line(model, tokenizer, prompt, temperature, seed)]
    prompt = prompt.rstrip()
    return (prompt + cut(drawn(model, tokenizer, prompt, temperature, seed))).split("\n")


# -- the script
def tokenizer_of(text):
    """Byte pairs learnt from the text; a bracket or a quote is never part of a longer token."""
    tokenizer = BPETokenizer()
    tokenizer.train(text, num_merges=MERGES, special_tokens=SIGNS)
    console.lossless(tokenizer, [text])
    return tokenizer


def read_flags():
    flags = console.parser(__doc__)
    console.add_text_flags(
        flags,
        console.PRESETS,
        steps=2000,
        batch_size=4,
        lr=2e-3,
        prompt="def forward(self, x):",
        temperature=0.0,
    )
    kept = functools.partial(runs.settings, script=NAME)
    return console.text_flags(flags, console.PRESETS, kept)


def batches(ids, tokenizer, flags):
    """Windows of the text that begin with the end of a line, as every prompt does."""
    inputs, targets = next_token_windows(ids, flags.context, stride=1)
    ends = [n for n, i in enumerate(ids[: len(inputs)]) if b"\n" in tokenizer.token_bytes[i]]
    return DataLoader(TensorDataset(inputs[ends], targets[ends]), flags.batch_size, shuffle=True)


def new_trainer(model, loader, flags, folder):
    """AdamW whose norms and biases do not decay; warm-up and a cosine."""
    return Trainer(
        model,
        AdamW(decay_groups(model, 0.1), lr=flags.lr, betas=(0.9, 0.99)),
        loader,
        schedule=functools.partial(
            warmup_cosine,
            warmup_steps=min(100, flags.steps // 10),
            total_steps=flags.steps,
            lr=flags.lr,
            min_lr=flags.lr / 10,
        ),
        max_norm=1.0,
        width=flags.embed_dim,
        folder=folder,
    )


def losses(model, counting, tokenizer, prompts, flags):
    """Nats per token of the held-out functions: of the model, and of the one that counts."""
    ids = tokenizer.encode("".join(f"{BEFORE}{head}\n{body}\n" for head, body in prompts.items()))
    windows = runs.windows(ids, min(flags.context, len(ids) - 1))
    with tinytorch.no_grad():
        loss = runs.plain_loss(model, windows, flags.batch_size)
    return loss, counting.loss(ids)


def copied(bodies, text):
    """How many bodies stand in the text word for word."""
    flat = unindented(text)
    return sum(bool(b.strip()) and unindented(b.strip("\n")) in flat for b in bodies)


def compared(model, reader, tokenizer, prompts, beams):
    """What the model writes, the share of it that parses, and of what the counting one writes."""
    written = written_by_model(model, tokenizer, prompts, temperature=0, num_beams=beams)
    counted = written_by_counting(reader, tokenizer, prompts, beams)
    return written, share(prompts, written), share(prompts, counted)


def judged(model, tokenizer, ids, prompts, text, flags):
    """The verdicts: on held-out prompts, beside the model that counts, and the demonstration."""
    counting = runs.NGram(ids, ORDER, tokenizer.vocab_size)
    reader = CountingText(counting)
    written, value, base = compared(model, reader, tokenizer, prompts, BEAMS)
    _, greedy, greedy_base = compared(model, reader, tokenizer, prompts, 1)
    bodies = [cut(w) for w in written]
    print("\nheld-out prompts, and what the model makes of them:")
    for prompt, body in list(zip(prompts, bodies))[:3]:
        print(textwrap.indent(textwrap.dedent(prompt + body).rstrip(), "    "))
    print(
        f"of {len(prompts)} completions {copied(bodies, text)} are bodies that stand in the text "
        f"word for word; the model that counts {ORDER} tokens: {base:.1%} parse\n"
        f"written greedily, {greedy:.1%} of this model's parse, and {greedy_base:.1%} of that one's"
    )
    loss, counted = losses(model, counting, tokenizer, prompts, flags)
    print(
        f"loss on the held-out functions: {loss:.3f} nats per token; of that model: {counted:.3f}"
    )
    passed = value >= THRESHOLD and value > base
    code = console.verdict("held-out completions that parse", value, THRESHOLD, passed)
    line = first_line(model, tokenizer, IMPORTS[0])
    right = line == IMPORTS[1]
    print(f"{'PASSED' if right else 'FAILED'}: {IMPORTS[0]!r} goes on as {line!r}")
    return code or int(not right)


def main():
    flags = read_flags()
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(flags.threads)
    files = source_files()
    text, held = split(files)
    prompts = prompts_of(held, text)
    if len(prompts) < LEAST:
        raise console.Failed(f"only {len(prompts)} prompts are left, and {LEAST} are needed")
    folder = runs.folder_of(flags, NAME, text)
    tokenizer = tokenizer_of(text)
    ids = tokenizer.encode(text)
    flags.steps = runs.steps(flags, len(ids))

    sizes = (flags.embed_dim, flags.num_heads, flags.num_layers, flags.context)
    model = GPT(tokenizer.vocab_size, *sizes, DROPOUT)
    trainer = new_trainer(model, batches(ids, tokenizer, flags), flags, folder)
    print(
        f"data: {len(files)} files, {len(text):,} characters to learn = {len(ids):,} tokens of "
        f"{tokenizer.vocab_size} different ones; {len(prompts)} prompts held out"
    )
    print(f"model: {model.num_parameters():,} parameters; {console.mix()}")
    runs.show_memory(trainer, tokenizer.vocab_size, flags)

    def sample():
        return completed(model, tokenizer, flags.prompt, flags.temperature, flags.seed)

    seconds = runs.fit(trainer, flags, sample)
    model.eval()
    print(f"\ntrained for {seconds:.0f} s; the model goes on:")
    print("\n".join(f"    {line}" for line in sample()))
    code = judged(model, tokenizer, ids, prompts, text, flags)
    advice = "Try more --steps, or --seed 1; look at the samples."
    if seconds > flags.max_seconds:
        advice = console.TIME_WAS_UP
    print(advice if code else "It writes Python. Next: tito milestone run shakespeare")
    return code


if __name__ == "__main__":
    console.run(main)
