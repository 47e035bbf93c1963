"""Printed tracebacks end at the reader's own line: in scripts, through tito, and in notebooks."""

import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tinytorch import tracebacks
from tinytorch.layers import Linear, Module, Sequential
from tinytorch.tensor import ones

ROOT = Path(__file__).parents[1]
LIBRARY = re.compile(r"(layers|tensor|messages|console|attention|transformers)\.py")
SCRIPT = """\
import sys
{imports}
from tinytorch.layers import Linear
from tinytorch.tensor import ones


def predict(x):
    return Linear(4, 3)(x)


def main():
    predict(ones(2, 5))


{end}
"""
CONSOLE = SCRIPT.format(
    imports="from tinytorch import console",
    end='if __name__ == "__main__":\n    console.run(main)',
)
PLAIN = SCRIPT.format(imports="", end="main()")
TOLD = (
    "ValueError: linear: x (2, 5) should end in 4 features, as weight is (out, in) = (3, 4): "
    "Linear(5, 3) would fit, in Linear"
)
HINT = "(TINYTORCH_TRACEBACK=full shows the library's lines)"


class Net(Module):
    """A reader's own module, whose forward stands between lines of the library."""

    def forward(self, x):
        return Linear(4, 3)(x)


def trace_of(call):
    try:
        call()
    except Exception as error:
        return error.__traceback__
    raise AssertionError("it should have failed")


def lines(trace):
    return [Path(frame.filename).name for frame in traceback.extract_tb(trace)]


class TestCut:
    def test_the_last_line_is_the_readers_own(self):
        trace = trace_of(lambda: Sequential(Net())(ones(2, 5)))
        before = lines(trace)
        assert before[-1] == "layers.py" and before.count("test_tracebacks.py") == 3
        assert lines(tracebacks.cut(trace)) == ["test_tracebacks.py"] * 3
        assert lines(trace) == before, "the error's own traceback stays whole"
        assert tracebacks.lines_left_out(trace) == len(before) - 3

    def test_an_error_of_the_readers_own_stays(self):
        trace = trace_of(lambda: 1 / 0)
        assert tracebacks.cut(trace) is trace

    def test_an_error_in_a_package_of_somebody_else_stays(self):
        trace = trace_of(lambda: re.compile("("))
        assert tracebacks.cut(trace) is trace
        assert lines(trace)[-1] != "test_tracebacks.py"

    def test_all_of_it_on_request(self, monkeypatch):
        monkeypatch.setenv(tracebacks.VARIABLE, "full")
        trace = trace_of(lambda: Net()(ones(2, 5)))
        assert tracebacks.cut(trace) is trace

    def test_no_traceback(self):
        assert tracebacks.cut(None) is None

    def test_without_a_line_of_the_reader_all_is_shown(self):
        trace = trace_of(lambda: Linear(4, 3)(ones(2, 5)))
        while not tracebacks.is_ours(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        assert tracebacks.cut(trace) is trace

    def test_what_counts_as_ours(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "argv", [str(ROOT / "tinytorch" / "names" / "__main__.py")])
        assert tracebacks.is_ours(str(ROOT / "tinytorch" / "nn" / "modules.py"))
        assert not tracebacks.is_ours(sys.argv[0]), "the script that runs is the reader's"
        assert not tracebacks.is_ours(str(tmp_path / "src" / "tinytorch" / "layers.py"))
        assert tracebacks.is_foreign("<frozen runpy>") and tracebacks.is_foreign(os.__file__)
        assert not tracebacks.is_foreign("<string>")
        monkeypatch.setattr(sys, "argv", [os.__file__])
        assert not tracebacks.is_foreign(os.__file__), "a course may be installed as a package"


def printed(tmp_path, text, *command, **more):
    """What a script writes to stderr; it must fail."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TINYTORCH_WORKSPACE": "off", **more}
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 1
    return done.stderr


class TestPrinted:
    def test_by_a_script_that_console_runs(self, tmp_path):
        told = printed(tmp_path, CONSOLE).splitlines()
        assert told == ["  mine.py, line 8: return Linear(4, 3)(x)", TOLD, HINT]

    def test_through_tito(self, tmp_path):
        told = printed(tmp_path, PLAIN, str(ROOT / "tito" / "inside" / "script.py"))
        assert told.rstrip().endswith(f"{TOLD}\n{HINT}")
        assert told.count("mine.py") == 3 and not LIBRARY.search(told)

    def test_whole_on_request(self, tmp_path):
        told = printed(tmp_path, CONSOLE, TINYTORCH_TRACEBACK="full")
        assert LIBRARY.search(told) and told.rstrip().endswith(TOLD)
        tito = str(ROOT / "tito" / "inside" / "script.py")
        assert LIBRARY.search(printed(tmp_path, PLAIN, tito, TINYTORCH_TRACEBACK="full"))

    def test_while_a_script_reads_its_modules(self, tmp_path):
        text = "from tinytorch import console\nfrom tinytorch.layers import Linear\nLinear(0, 1)\n"
        told = printed(tmp_path, text)
        assert "Linear needs two whole sizes" in told and not LIBRARY.search(told)


CELLS = """\
from tinytorch.course import Blank, check
from tinytorch.layers import Linear, Module
from tinytorch.tensor import ones
# %%
class Net(Module):
    def forward(self, x):
        return Linear(4, 3)(x)

Net()(ones(2, 5))
# %%
%tb
# %%
1 / 0
# %%
raise Blank("tensor.matmul")
# %%
print("still alive")
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("default::DeprecationWarning")  # Jupyter's own
def test_in_a_notebook(monkeypatch):
    """Cut at the cell's line; whole after `%tb`; other errors and the course's own as ever."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS.split("# %%\n")]
    document = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(document, allow_errors=True, kernel_name="python3")
    client.timeout = 120
    client.execute()

    def shown(number):
        outputs = document.cells[number].outputs
        text = "\n".join(line for o in outputs for line in o.get("traceback", [o.get("text", "")]))
        return re.sub("\x1b\\[[0-9;]*m", "", text)

    assert shown(1).count("return Linear(4, 3)(x)") >= 1 and TOLD.partition(", in")[0] in shown(1)
    assert not LIBRARY.search(shown(1))
    assert "of the library are left out: %tb shows them" in shown(1)
    assert LIBRARY.search(shown(2)) and "left out" not in shown(2)
    assert "ZeroDivisionError" in shown(3) and "left out" not in shown(3)
    assert shown(4).startswith("blank: tensor.matmul is still blank")
    assert shown(5) == "still alive\n"
