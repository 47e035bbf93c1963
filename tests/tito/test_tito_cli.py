"""The front door: help, speed, mistakes, consoles, milestones."""

import ast
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from conftest import MILESTONE, ROOT, TENSOR

from tinytorch.overlay import NAMES
from tito import TitoError, report
from tito import __main__ as front_door
from tito.cli import COMMANDS
from tito.commands import milestone, setup


def run(*argv, **options):
    """tito in a fresh process, as a user has it."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    command = [sys.executable, "-m", "tito", *argv]
    return subprocess.run(command, env=env, capture_output=True, **options)


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_names_every_command(toy, argv):
    code, out, err = toy.tito(*argv)
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n    {command}" in out
    assert len(out.splitlines()) < 40


ACTIONS = [f"milestone {action}" for action in milestone.ACTIONS]


@pytest.mark.parametrize("command", [*COMMANDS, *ACTIONS])
def test_every_command_says_in_its_help_what_it_does(toy, command):
    code, out, _ = toy.tito(*command.split(), "--help")
    assert code == 0
    assert out.startswith(f"usage: tito {command}")
    assert out.split("\n\n")[1].endswith(".")


def test_the_help_of_test_knows_exercises(toy):
    assert "also an exercise: softmax" in " ".join(toy.tito("test", "--help")[1].split())
    assert "exercise" not in toy.tito("export", "--help")[1]


def test_version(toy):
    assert toy.tito("--version")[1] == "tito 0.1.0\n"


def test_help_is_quick():
    """Quicker than `import numpy`, by the best of several runs in turn."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def seconds(*argv):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *argv], env=env, check=True, capture_output=True)
        return time.perf_counter() - begin

    pairs = [(seconds("-m", "tito", "--help"), seconds("-c", "import numpy")) for _ in range(7)]
    assert min(help for help, _ in pairs) < min(numpy for _, numpy in pairs)


def test_help_imports_nothing_heavy():
    code = "import sys; from tito.cli import main; main([]); print(*sys.modules, sep='|')"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split("|"))
    assert "argparse" in loaded
    assert not loaded & {
        "numpy",
        "rich",
        "nbdev",
        "pytest",
        "nbformat",
    }


MISTAKES = [
    (["expotr"], 2, "did you mean export?"),
    (["export"], 2, "which module? Name one (01, tensor), say --all, or stand in its folder"),
    (["export", "--all", "01"], 2, "name modules or say --all, not both"),
    (["export", "99"], 1, "there is no module '99': `tito modules` lists them"),
    (["export", "tensr"], 1, "there is no module 'tensr' (did you mean tensor?)"),
    (
        ["export", "03"],
        1,
        "module 03_layers is not built yet: there is no modules/03_layers/layers",
    ),
    (["test", "attention"], 1, "module 12_attention is not built yet"),
    (["test", "--limit", "soon"], 2, "'soon' is no time: give seconds, more than 0"),
    (["nbdev", "clean"], 2, "invalid choice"),
    (["grade"], 2, "required: FOLDER\n"),
    (["milestone"], 2, "required: ACTION"),
    (["milestone", "info", "moon"], 1, "no milestone is called 'moon'"),
    (
        ["milestone", "run", "toy"],
        1,
        "'toy' could be 00_toy_proof or 01_toy_answers: say more of it",
    ),
]


@pytest.mark.parametrize(("argv", "code", "words"), MISTAKES)
def test_a_mistake_is_one_sentence(toy, monkeypatch, argv, code, words):
    monkeypatch.chdir(toy.root)
    got, out, err = toy.tito(*argv)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["export", "--all"], ["modules"], ["milestone", "list"]])
def test_a_course_that_is_not_there(toy, monkeypatch, tmp_path, command):
    monkeypatch.setenv("TITO_COURSE", str(tmp_path / "nowhere"))
    code, out, err = toy.tito(*command)
    assert (code, out) == (1, "")
    assert "which has no folder `modules`" in err
    (tmp_path / "nowhere" / "modules").mkdir(parents=True)
    if command != ["modules"]:
        code, out, err = toy.tito(*command)
        assert (code, out) == (1, "")
        assert "yet in" in err


def test_the_modules(toy):
    toy.tito("export", "01")
    toy.write_notebook("03_layers", TENSOR)
    lines = [line.split() for line in toy.tito("modules")[1].splitlines()]
    assert [line[0] for line in lines[1:]] == [f"{i:02d}_{n}" for i, n in enumerate(NAMES, 1)]
    assert lines[1][1:] == ["Toy", "01_tensor", "4", "20", "10", "in", "step"]
    assert lines[2][1:] == ["Toy", "02_activations", "1", "5", "10", "not", "exported"]
    assert lines[3][1:] == ["?", "?", "?", "?", "refused"]
    assert lines[4][1:] == ["not", "built", "yet"]
    toy.write("tinytorch/tensor.py", "x = 1\n")
    assert "differs" in toy.tito("modules")[1]


def test_milestones(toy):
    assert toy.tito("milestone", "list")[1].splitlines() == [
        "proof    00_toy_proof    Toy proof (2017): it proves the flags.",
        "answers  01_toy_answers  Toy answers.",
    ]
    assert toy.tito("milestone", "info", "proof")[1].startswith("Toy proof (2017)")
    assert toy.tito("milestone", "info", "01_toy_answers.py")[1] == "Toy answers.\n"


@pytest.mark.parametrize("flags", [[], ["7", "--fast"], ["--", "7", "--fast"]])
def test_a_milestone_runs_with_its_flags(toy, flags):
    done = run("milestone", "run", "proof", *flags, encoding="utf-8")
    wanted = [flag for flag in flags if flag != "--"]
    assert done.stdout == " ".join(["flags:", *wanted]) + "\n"
    assert done.returncode == (7 if flags else 0)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize(("clean", "code"), [("sys.exit(5)", 5), ("raise", 130)])
def test_a_milestone_may_answer_to_ctrl_c(toy, clean, code):
    wait = "try:\n    print('on', flush=True)\n    time.sleep(30)\n"
    script = f"import sys, time\n{wait}except KeyboardInterrupt:\n    {clean}\n"
    toy.write("milestones/05_2017_toy/00_toy_proof.py", script)
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "milestone", "run", "proof"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to both
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "tito" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_ends_a_test_run(toy):
    toy.write_notebook("01_tensor", TENSOR | {"wait": "import time\ntime.sleep(30)"})
    toy.path("tests/test_01_tensor.py").unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "test", "01"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "tinytorch/tensor.py written\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_a_console_that_cannot_print_everything(toy):
    toy.write(
        "milestones/05_2017_toy/00_toy_proof.py",
        '"""Loss \N{RIGHTWARDS ARROW} 0 \N{PILE OF POO}"""\n',
    )
    for coding in ("cp1252", "ascii"):
        env = {"PYTHONIOENCODING": coding, "PYTHONUTF8": "0"}
        done = run("milestone", "info", "proof", env=env)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.strip() == b"Loss ? 0 ?"
        toy.write_notebook("01_tensor", TENSOR | {"double": "#| \N{RIGHTWARDS ARROW}"})
        done = run("export", "01", env=env)
        assert done.returncode == 1
        assert b"unknown directive `#| ?`" in done.stderr


def test_a_reader_that_goes_away(toy):
    with subprocess.Popen(
        [sys.executable, "-m", "tito", "modules"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_colours_only_where_they_are_wanted(toy):
    import pty

    def shown(**more):
        """What a terminal gets."""
        ours, theirs = pty.openpty()
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"PYTHONPATH": str(ROOT)}
        command, text = [sys.executable, "-m", "tito", "modules"], b""
        with subprocess.Popen(command, env=env | {"TERM": "xterm"} | more, stdout=theirs):
            os.close(theirs)
            with contextlib.suppress(OSError):  # so Linux tells the end of a pseudo-terminal
                while chunk := os.read(ours, 65536):
                    text += chunk
        os.close(ours)
        return text

    assert b"\x1b[" in shown()
    assert b"\x1b[" not in shown(NO_COLOR="1")
    assert b"\x1b[" not in run("modules").stdout


def test_the_toy_course_is_well_formed(toy):
    """The other tests change one thing at a time: without a change, all is well."""
    data = json.loads(toy.notebook_path("01_tensor").read_text(encoding="utf-8"))
    assert [cell["id"] for cell in data["cells"]] == ["title", *TENSOR]
    compile(MILESTONE, "milestone", "exec")


@pytest.mark.parametrize("able", [True, False])
def test_setup_goes_on_with_an_environment_that_has_no_pip(tmp_path, monkeypatch, able):
    """It was stopped before pip was in it, or Debian keeps ensurepip in a package of its own."""
    python, ran, run = setup.environment(tmp_path / ".venv"), [], subprocess.run
    code = "" if able else "raise ModuleNotFoundError('No module named ensurepip')"

    def recorded(command, **settings):
        ran.append(command[1:3])
        if command[2] == "ensurepip":
            return run([python, "-c", code], **settings)
        return run(command if command[1] == "-c" else [python, "-c", ""], **settings)

    monkeypatch.setattr(subprocess, "run", recorded)
    if able:
        setup.install(python, ROOT, None)
        assert ran == [["-c", "import pip"], ["-Im", "ensurepip"], ["-m", "pip"]]
    else:
        with pytest.raises(TitoError, match="No module named ensurepip.*apt install python3-venv"):
            setup.install(python, ROOT, None)
        assert len(ran) == 2


def test_setup_makes_the_environment_of_a_too_old_python_anew(tmp_path, monkeypatch, capsys):
    """It was left there by the first try, and pip would refuse the course again."""
    folder = tmp_path / ".venv"
    python = setup.environment(folder)
    (folder / "installed-course").touch()
    monkeypatch.setattr(setup, "NEEDED", sys.version_info[:2])
    assert setup.environment(folder) == python and (folder / "installed-course").is_file()
    capsys.readouterr()
    monkeypatch.setattr(setup, "NEEDED", (99, 1))
    assert setup.environment(folder) == python and python.is_file()
    here = ".".join(map(str, sys.version_info[:2]))
    said = f"making an environment in .venv anew: that of Python {here} is too old ...\n"
    assert capsys.readouterr().err == said
    assert not (folder / "installed-course").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_setup_makes_an_environment_anew_whose_python_does_not_run(tmp_path, capsys):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/nowhere/python\n", encoding="utf-8")
    python.chmod(0o755)
    setup.environment(tmp_path / ".venv")
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0


# -- a Python that is too old
@pytest.mark.parametrize("version", [(3, 7, 16), (3, 10, 13)])
@pytest.mark.parametrize("argv", [["setup", "pytest", "-n", "2"], []])
def test_a_too_old_python_is_told_what_is_needed(version, argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "argv", ["tito", *argv])
    monkeypatch.setattr(sys, "executable", "/bin/old")
    monkeypatch.delitem(sys.modules, "tito.cli")
    assert front_door.main() == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    here = ".".join(map(str, version))
    assert f"the course needs Python 3.11 or newer, and this is {here} (/bin/old)" in err
    assert f"-m tito {' '.join(argv)}".strip() + "`" in err
    assert "tito.cli" not in sys.modules, "nothing else of the course may be read"


def test_a_too_old_python_can_read_as_far_as_that():
    for name in ("__init__.py", "__main__.py"):
        source = (ROOT / "tito" / name).read_text(encoding="utf-8")
        ast.parse(source, feature_version=(3, 7))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={'.'.join(map(str, front_door.NEEDED))}"


def test_a_narrow_window_cuts_no_word(monkeypatch):
    console = pytest.importorskip("rich.console").Console(width=50, file=io.StringIO())
    monkeypatch.setattr(report, "_console", lambda: console)
    words = "problem: pip install jupyterlab-of-a-very-long-name-indeed"
    report.table([("jupyterlab", "failed", words)])
    told = console.file.getvalue().replace("jupyterlab  ", "", 1).replace("failed", "", 1)
    assert "".join(told.split()) == "".join(words.split())


def test_a_narrow_window_breaks_a_line_between_words(monkeypatch):
    """The table of `tito status`: 67 columns wide, in a window of 60."""
    console = pytest.importorskip("rich.console").Console(width=60, file=io.StringIO())
    monkeypatch.setattr(report, "_console", lambda: console)
    header = ("module", "title", "passed", "not passed", "given", "points", "export")
    row = ("13_transformers", "Blocks, GPT, generation", "0 of 8", "", "8", "0/100", "")
    stale = ("12_attention", "Attention", "7 of 7", "", "", "90/90", "stale")
    report.table([row, stale], header, spare=1)
    told = console.file.getvalue()
    assert max(map(len, told.splitlines())) <= 60
    cells = [cell for line in (header, row, stale) for n, cell in enumerate(line) if n != 1]
    assert {word for cell in cells for word in cell.split()} == set(told.split())
    console.width, console.file = 74, io.StringIO()
    report.table([row, stale], header, spare=1)
    assert {"GPT,", "generation", "Attention"} < set(console.file.getvalue().split())
