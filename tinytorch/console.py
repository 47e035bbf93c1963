"""What a script shows: progress, samples, pictures, verdicts; rich and matplotlib only if there.

In a terminal the progress is live; in a pipe or a log it is plain lines. Nothing here computes a
result: a script decides, and this file prints.
"""

import argparse
import importlib.util
import math
import os
import sys
import time
import traceback
from pathlib import Path

from . import tracebacks
from .overlay import mix as mix

INTERRUPTED = 130  # the exit code of a program that was stopped with Ctrl-C
BAD_USAGE = 2
MOST = 1e38  # what a flag may be: float32 ends soon after
ROOM = 16e9  # bytes that a training may take
PICTURES = (".png", ".svg", ".pdf")
TIME_WAS_UP = "The time was up before the last step: try a larger --max-seconds."
FOLDERS = []  # of the run that a script keeps, see `runs`
VERDICTS = []  # the exit codes of the verdicts that were printed, in order


class Refusal(Exception):
    """Bad input: one sentence that says what, why, and what to try."""


class Failed(Exception):
    """Something that the verdict leans on does not work: there is nothing to judge."""


class Diverged(Failed):
    """The training broke."""


STOPPED = "stopped: nothing is saved, and there is no verdict"


def stopped():
    """What is left after Ctrl-C, in one sentence."""
    if VERDICTS:
        return "stopped after the verdict"
    kept = [folder for folder in FOLDERS if any(Path(folder).glob("*.safetensors"))]
    return f"stopped: no verdict; go on with --resume {kept[0]}" if kept else STOPPED


def without_numpy():
    """What to do where NumPy is missing, in one sentence."""
    here = "Scripts\\python" if os.name == "nt" else "bin/python"
    return (
        f"NumPy is not installed in this Python, {sys.executable}: `python -m tito setup` in the "
        f"course's folder makes an environment that has it; start this with {Path('.venv', here)}"
    )


def _program():
    """The name of the script; of a package, as in `python -m tinytorch.names`, the package's."""
    path = Path(sys.argv[0])
    return path.parent.name if path.name == "__main__.py" else path.name


def _is_without_numpy(error):
    return isinstance(error, ModuleNotFoundError) and error.name == "numpy"


def _while_importing(kind, error, trace):
    """Ctrl-C before `run` is reached: the script is still reading its modules."""
    if issubclass(kind, KeyboardInterrupt) and not hasattr(sys, "ps1"):  # not in a REPL
        print("\nstopped", file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)
    if _is_without_numpy(error):
        print(f"{_program()}: {without_numpy()}", file=sys.stderr)
        return
    trace = tracebacks.cut(trace)
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


if sys.excepthook is sys.__excepthook__ and getattr(sys.modules["__main__"], "__file__", None):
    sys.excepthook = _while_importing


def run(main):
    """Run a script's `main()` and leave with its exit code; no traceback for a user's mistake."""
    _open_streams()
    name = _program()
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or stopped()}", file=sys.stderr)
        code = INTERRUPTED
    except Refusal as refusal:
        print(f"{name}: {refusal}", file=sys.stderr)
        code = BAD_USAGE
    except Failed as error:
        advice = "; try a smaller --lr" if isinstance(error, Diverged) else ""
        print(f"\nFAILED: {error}{advice}", file=sys.stderr)
        code = 1
    except MemoryError:
        told = "try a smaller --embed-dim, --num-layers, --batch-size or --context"
        print(f"{name}: the memory does not suffice: {told}", file=sys.stderr)
        code = 1
    except Exception as error:
        told, code = _cut(error), 1
        if isinstance(error, OSError) and error.errno and not error.filename:
            told = f"{name}: what it prints cannot be written ({error.strerror})"
        if _is_without_numpy(error):
            told = f"{name}: {without_numpy()}"
        if not isinstance(error, BrokenPipeError):  # nobody reads on
            print(told, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # the pipe, or the disk behind it, takes no more: that has been said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_streams():
    """Streams that were closed lead nowhere; what a stream cannot code becomes a question mark."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the script
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")


def _cut(error):
    """The error with the last line of the script, and the last of a learner's own file."""
    if os.environ.get(tracebacks.VARIABLE) == "full":
        return "".join(traceback.format_exception(error)).rstrip()
    frames = traceback.extract_tb(tracebacks.cut(error.__traceback__))
    own = [f for f in frames if not tracebacks.is_ours(f.filename)]
    script = [f for f in own if Path(f.filename) == Path(sys.argv[0]).resolve()][-1:]
    last = [f for f in own[-1:] if not tracebacks.is_foreign(f.filename)]
    shown = script + [f for f in last if f not in script]
    places = "".join(f"  {Path(f.filename).name}, line {f.lineno}: {f.line}\n" for f in shown)
    return f"{places}{type(error).__name__}: {error}{tracebacks.hint(error.__traceback__)}"


# -- flags
def number(kind, low=-math.inf, high=math.inf):
    """A type for argparse: an int or float between `low` and `high`, refused in one sentence."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or value > MOST:
            what = "a whole number" if kind is int else "a number"
            one = f"of at most {MOST:g}" if value > MOST else f"of at least {low}"
            limits = f"from {low} to {high}" if high < math.inf else one
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} {limits}")
        return value

    return parse


def parser(description):
    """An ArgumentParser that shows the script's docstring as it stands, and all defaults."""

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        pass

    return _Parser(description=description, formatter_class=Formatter, allow_abbrev=False)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(BAD_USAGE, f"{self.prog}: {message} (--help shows all flags)\n")


def add_flags(flags, *, epochs, batch_size, levels, num_layers, lr, levels_help, threads=False):
    """The flags that every training script of a milestone has, with this script's defaults.

    Args:
        threads: whether the script can compute parts of a batch side by side.
    """
    whole = number(int, 1)
    flags.add_argument("--epochs", type=whole, default=epochs, help="passes over the data")
    flags.add_argument("--batch-size", type=whole, default=batch_size, help="samples a step")
    flags.add_argument("--levels", type=number(int, 1, 5), default=levels, help=levels_help)
    flags.add_argument("--embed-dim", type=whole, default=64, help="width of the network")
    flags.add_argument("--num-layers", type=whole, default=num_layers, help="blocks")
    flags.add_argument("--num-heads", type=whole, default=4, help="attention heads in a block")
    flags.add_argument("--seed", type=number(int, 0), default=0, help="of all random numbers")
    positive = number(float, 0)
    flags.add_argument("--lr", type=positive, default=lr, help="highest learning rate")
    flags.add_argument("--max-seconds", type=positive, default=600, help="stop training then")
    if threads:
        cores = min(2, os.cpu_count() or 1)
        words = "how many parts of a batch are computed at a time"
        flags.add_argument("--threads", type=whole, default=cores, help=words)


def checked_flags(flags, arguments=None):
    """Parse the command line, and refuse what no network can be built from, or none that fits."""
    values = flags.parse_args(arguments)
    context = getattr(values, "context", 128)
    batch = values.batch_size * context * (16 * values.embed_dim + values.num_heads * context)
    need = 4 * values.num_layers * (48 * values.embed_dim**2 + batch)  # weights, and their training
    if need > ROOM:
        flags.error(
            f"about {need / 1e9:.3g} GB of memory would be needed: choose a smaller --embed-dim, "
            "--num-layers, --batch-size, or --context where it is a flag"
        )
    if values.embed_dim % values.num_heads:
        flags.error(
            f"--embed-dim {values.embed_dim} cannot be divided among --num-heads "
            f"{values.num_heads}: choose a multiple"
        )
    return values


# when a run goes on; the text itself must stay the same, wherever it is
CHANGEABLE = ("prompt", "temperature", "max_seconds", "save_every", "data", "url")
SIZES = ("embed_dim", "num_heads", "num_layers", "context")
PRESETS = {
    "default": {"embed_dim": 128, "num_heads": 8, "num_layers": 4, "context": 128},
    "small": {"embed_dim": 64, "num_heads": 4, "num_layers": 2, "context": 64},
}


def add_text_flags(flags, presets, *, steps, batch_size, lr, prompt, temperature):
    """The flags of a script that trains a GPT on one long text.

    Args:
        presets: {name: {flag: value}}, what a name given to --preset stands for.
        steps, batch_size, lr, prompt, temperature: this script's defaults.
    """
    told = "; ".join(f"{name}: {_preset_words(values)}" for name, values in presets.items())
    whole, positive = number(int, 1), number(float, 0)
    flags.add_argument("--preset", choices=list(presets), default="default", help=told)
    flags.add_argument("--steps", type=whole, default=steps, help="steps of training")
    flags.add_argument("--epochs", type=whole, help="passes over the text, instead of --steps")
    flags.add_argument("--batch-size", type=whole, default=batch_size, help="windows a step")
    flags.add_argument("--embed-dim", type=whole, default=128, help="width of the network")
    flags.add_argument("--num-heads", type=whole, default=8, help="attention heads in a block")
    flags.add_argument("--num-layers", type=whole, default=4, help="blocks")
    flags.add_argument("--context", type=whole, default=128, help="tokens the model can look at")
    flags.add_argument("--lr", type=positive, default=lr, help="highest learning rate")
    flags.add_argument("--seed", type=number(int, 0), default=0, help="of all random numbers")
    flags.add_argument("--max-seconds", type=positive, default=600, help="stop training then")
    words = "how many parts of a batch are computed at a time"
    flags.add_argument("--threads", type=whole, default=min(2, os.cpu_count() or 1), help=words)
    flags.add_argument("--prompt", type=_some_text, default=prompt, help="text to be continued")
    words = "of samples: 0 takes the likeliest token, above 1 is bolder"
    flags.add_argument("--temperature", type=positive, default=temperature, help=words)
    place = flags.add_mutually_exclusive_group()
    place.add_argument("--save", metavar="FOLDER", help="keep checkpoints and the journal there")
    place.add_argument("--resume", metavar="FOLDER", help="go on with the run that is kept there")
    words = "steps between two checkpoints"
    flags.add_argument("--save-every", type=whole, default=100, metavar="STEPS", help=words)


def _preset_words(values):
    sizes = "/".join(str(values[name]) for name in SIZES)
    more = [_with_value(name, value) for name, value in values.items() if name not in SIZES]
    return " ".join([sizes, *more])


def _with_value(name, value):
    return _flag(f"no_{name}") if value is False else f"{_flag(name)} {value}"


def _flag(name):
    return f"--{name.replace('_', '-')}"


def _some_text(text):
    if not text:
        raise argparse.ArgumentTypeError("at least one character is needed to go on from")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no text in UTF-8") from None
    return text


def text_flags(flags, presets, kept=None):
    """Parse the command line of such a script: a preset, or a run that goes on, sets defaults.

    Args:
        presets: as for `add_text_flags`.
        kept: function, folder -> the settings of the run that is kept there.
    """
    first = _Parser(prog=flags.prog, add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=list(presets))
    for flag in ("--resume", "--steps", "--epochs"):
        first.add_argument(flag)
    asked, _ = first.parse_known_args()
    if asked.steps is not None and asked.epochs is not None:
        flags.error("--epochs is instead of --steps: leave one of them out")
    flags.set_defaults(**presets[asked.preset or "default"])
    settings = kept(asked.resume) if kept and asked.resume else {}
    _check_kept(flags, settings, asked.resume)
    flags.set_defaults(**settings)
    values = checked_flags(flags)
    if 0 < values.temperature < 1e-6:
        told = "is too small to divide by: 0 takes the likeliest token"
        flags.error(f"--temperature {values.temperature:g} {told}")
    if "" in (values.save, values.resume):
        flags.error("the name of the FOLDER is empty: nothing would be kept")
    named = vars(flags.parse_args(None, argparse.Namespace(**dict.fromkeys(vars(values)))))
    named = {name: value for name, value in named.items() if value is not None}
    asked_for = vars(values) | presets.get(asked.preset, {}) | named
    for name, value in settings.items():
        if name not in CHANGEABLE and asked_for[name] != value:
            so = f"no {_flag(name)}" if value is None else _with_value(name, value)
            told = f"the run in {values.resume} has {so}, and goes on like that"
            flags.error(f"{told}: leave the flag out, or start anew")
    return values


def _check_kept(flags, settings, folder):
    """Refuse settings of a run that no flags of this script can have given."""
    actions = {action.dest: action for action in flags._actions}
    for name, value in settings.items():
        if name not in actions:
            flags.error(f"the run in {folder} has {_flag(name)}, unknown to this script")
        if not _could_be(actions[name], value):
            flags.error(f"settings.json in {folder} is damaged: {_flag(name)} is {value!r}")


def _could_be(action, value):
    """Whether a flag, as it is read from the command line, can have this value."""
    if value is None or isinstance(action, argparse.BooleanOptionalAction):
        return isinstance(value, type(action.default))
    try:
        return (action.type or str)(str(value)) == value
    except argparse.ArgumentTypeError:
        return False


def confirm(question):
    """Ask a question on the terminal, yes unless told no; without a terminal the answer is yes."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    try:
        return input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        return False


def new_file(path):
    """The path of a picture to be written later, refused now if that will not be possible."""
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"no file can be written in the folder {folder}")
    if Path(path).is_dir() or Path(path).suffix.lower() not in PICTURES:
        told = f"{path!r} is no name for a picture: it must end in {' or '.join(PICTURES)}"
        raise argparse.ArgumentTypeError(told)
    return path


def lossless(tokenizer, texts):
    """Make sure that a tokenizer gives every text back, sign by sign.

    Raises:
        Failed: it does not, and then a low loss would mean nothing.
    """
    for text in texts:
        back = tokenizer.decode(tokenizer.encode(text))
        if back != text:
            told = f"the tokenizer makes {back[:30]!r} of {text[:30]!r}"
            raise Failed(f"{told}, and on lost letters no loss means anything")


# -- progress
class Progress:
    """A live line of progress in a terminal, about twenty plain lines elsewhere.

    >>> with Progress(2, "training", live=False) as progress:
    ...     progress.update(loss=1.5)
    ...     progress.update(loss=1.0)
    training 1/2  loss 1.500
    training 2/2  loss 1.000
    """

    def __init__(self, total, label="training", live=None, done=0):
        self.total, self.label, self.done, self.tokens = total, label, done, 0
        self.started = time.monotonic()
        wanted = sys.stdout.isatty() if live is None else live
        self.bar = _rich_bar() if wanted and importlib.util.find_spec("rich") else None

    def __enter__(self):
        if self.bar:
            self.bar.start()
            start = {"total": self.total, "completed": self.done}
            self.task = self.bar.add_task(self.label, **start, figures="")
        return self

    def __exit__(self, *exception):
        if self.bar:
            self.bar.stop()

    @property
    def seconds(self):
        return time.monotonic() - self.started

    def update(self, tokens=0, **figures):
        """One step further: how many tokens it read, and figures to show, such as loss=0.52.

        Raises:
            Diverged: a figure is not finite, so that no further step can help.
        """
        self.done += 1
        self.tokens += tokens
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        if broken:
            raise Diverged(f"the {broken[0]} is no number any more after {self.done} steps")
        if self.tokens:
            figures["tokens_per_s"] = self.tokens / max(self.seconds, 1e-9)
        told = "  ".join(f"{name.replace('_', ' ')} {_short(v)}" for name, v in figures.items())
        if self.bar:
            self.bar.update(self.task, completed=self.done, figures=told)
        elif self.done == self.total or self.done % max(1, self.total // 20) == 0:
            print(f"{self.label} {self.done}/{self.total}  {told}", flush=True)

    def say(self, text):
        """Print a line without disturbing the live one."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)


def _rich_bar():
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    label, figures = TextColumn("{task.description}"), TextColumn("{task.fields[figures]}")
    left = TimeRemainingColumn(compact=True)
    return Progress(label, BarColumn(24), figures, left, TextColumn("left"), transient=True)


def _short(value):
    return f"{value:.3f}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


# -- pictures
def heatmap(rows, title, path=None):
    """Show numbers between 0 and 1 as a picture: a PNG at `path` with matplotlib, and as text.

    Args:
        rows: lists of equal length.
        path: where the PNG goes; without matplotlib, or None, there is only the text.
    """
    print(f"\n{title}")
    for row in rows:
        print("  " + "".join(" .:-=+*#%@"[min(9, int(10 * value))] * 2 for value in row))
    if path and importlib.util.find_spec("matplotlib"):
        _png(rows, title, Path(path))


def _png(rows, title, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.5, 4.8), layout="constrained")
    picture = axes.imshow(rows, vmin=0, vmax=1, cmap="viridis")
    figure.suptitle(title)
    axes.set(xlabel="position looked at", ylabel="position that looks")
    axes.set_xticks(range(len(rows[0])))
    axes.set_yticks(range(len(rows)))
    figure.colorbar(picture, label="weight")
    try:
        figure.savefig(path, dpi=120)
        print(f"  picture: {path}")
    except OSError as error:
        print(f"  no picture: {path} cannot be written ({error.strerror}); try --plot FILE")
    finally:
        pyplot.close(figure)


# -- tables and verdicts
def table(headings, rows):
    """Print rows under headings, columns as wide as needed, numbers to the right."""
    cells = [[str(c) for c in row] for row in [headings, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for row in cells:
        padded = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(padded).rstrip())


def verdict(what, value, threshold, passed, unit="%"):
    """Print what was measured beside its threshold; returns the exit code, 0 or 1.

    It joins VERDICTS: without one, tito records nothing.
    """
    measured = (
        f"{value:.1%}, threshold {threshold:.0%}"
        if unit == "%"
        else (f"{value:.3f}{unit}, threshold {threshold:g}{unit}")
    )
    print(f"\n{'PASSED' if passed else 'FAILED'}: {what} {measured}")
    VERDICTS.append(0 if passed else 1)
    return VERDICTS[-1]
