"""A learner's hour in a real JupyterLab in a real browser: opt-in, for it takes minutes.

Run: TINYTORCH_BROWSER=1 pytest tests/tito/test_browser.py, with selenium, jupyterlab, and
Chromium and its driver on the path. TINYTORCH_REPORT names a folder that gets the screenshots.
"""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

if os.environ.get("TINYTORCH_BROWSER") != "1":
    pytest.skip("a real browser, only with TINYTORCH_BROWSER=1", allow_module_level=True)

sys.path.append(str(ROOT / "tests" / "course"))  # solving.py
import solving  # noqa: E402

from tito import workspace  # noqa: E402

webdriver = pytest.importorskip("selenium.webdriver")
pytest.importorskip("jupyterlab")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver"),
    pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal"),
    pytest.mark.timeout(1800),
]
ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+/\S+token=\w+")
PATIENCE = 300  # seconds for one notebook on a busy machine


def tito(root, *argv, **more):
    """tito in a fresh process, as a learner types it: (exit code, what it printed)."""
    done = subprocess.run(
        [sys.executable, "-m", "tito", *argv],
        cwd=root,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def environment(**more):
    """The environment of a learner who has installed this checkout."""
    learners = {k: v for k, v in os.environ.items() if not k.startswith(("TITO_", "TINYTORCH_"))}
    return learners | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | more


@pytest.fixture
def learner(tmp_path):
    """A workspace of the real course, in a path with a blank, and its own Jupyter settings."""
    root = tmp_path / "my tinytorch"
    code, said = tito(tmp_path, "init", root.name)
    assert code == 0, said
    return workspace.at(root)


@pytest.fixture
def start(learner, tmp_path):
    """`tito start ...` in a process of its own, ended by Ctrl-C: start("01") gives its address."""
    running = []

    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "layouts")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(_settings(tmp_path / "settings"))}

    def begin(*argv, folder=learner.root):
        log = tmp_path / f"start-{len(running)}.log"
        root = ["--allow-root"] if os.geteuid() == 0 else []
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tito", "start", *argv, "--no-browser", *root],
                cwd=folder,
                env=environment(**own),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append((process, log))
        return wait(lambda: _address(process, log), "JupyterLab prints its address", 60)

    begin.running, begin.own = running, own
    yield begin
    for process, _ in running:
        _ctrl_c(process)


def _settings(folder):
    """JupyterLab's settings: every cell is in the page, so that it can be scrolled to."""
    file = folder / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"windowingMode": "none"}', encoding="utf-8")
    return folder


def _address(process, log):
    told = log.read_text(encoding="utf-8")
    assert process.poll() is None, f"JupyterLab ended at once: {told}"
    found = ADDRESS.search(told)
    return found and found[0]


def _ctrl_c(process):
    """What a terminal does: the signal goes to tito and to JupyterLab."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def wait(answer, what, seconds=PATIENCE):
    """The first true answer; a sentence if none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := answer():
            return found
        time.sleep(0.3)
    raise AssertionError(f"waited {seconds} s in vain until {what}")


class Lab:
    """JupyterLab in Chromium on a small laptop's screen, with hands and eyes."""

    def __init__(self, browser, shots):
        self.browser, self.shots = browser, shots

    def open(self, address):
        """Go to a notebook's address and wait for its kernel."""
        self.browser.get(f"{address}&reset")  # without the tabs of before
        name = address.partition("?")[0].rpartition("/")[2]

        def ready():
            return name in self.bar() and self.status() == "idle"

        wait(lambda: ready() and (time.sleep(1) or ready()), f"the kernel of {name} is ready", 90)

    def bar(self):
        """The words in the bar at the bottom: the kernel, its status, the notebook's name."""
        return " ".join(element.text for element in self.find("#jp-main-statusbar"))

    def status(self):
        """The kernel's status: "idle", "busy", None yet."""
        found = re.search(r"\(ipykernel\) \| (\w+)", self.bar())
        return found and found[1].lower()

    def find(self, css):
        return self.browser.find_elements("css selector", css)

    def menu(self, *words):
        """Click through a menu, as in menu("Run", "Run All Cells")."""
        for word in words:
            label = (
                f"//*[contains(@class,'lm-MenuBar-itemLabel') or "
                f"contains(@class,'lm-Menu-itemLabel')][normalize-space()={word!r}]"
            )
            wait(lambda path=label: self._click(path), f"the menu shows {word}", 20)

    def _click(self, path):
        from selenium.common.exceptions import WebDriverException

        try:
            shown = [e for e in self.browser.find_elements("xpath", path) if e.is_displayed()]
            return bool(shown) and (shown[0].click() or True)
        except WebDriverException:  # it moved away under the hand
            return False

    def run_all(self, notebook, count=1):
        """Run all cells, save with Ctrl-S, and give the notebook as it is on the disk.

        It ends when nothing is left to run: `count` is how often all cells ran by then.
        """
        self.menu("Run", "Run All Cells")
        time.sleep(1)

        return self.settled(notebook, count)

    def settled(self, notebook, count=1):
        """Wait until all cells have run or one has failed, save, and give the code cells."""

        def done():
            if self.status() != "idle":
                return None
            self.save()
            cells = read(notebook)
            ran = [c["execution_count"] for c in cells if c["execution_count"]]
            failed = any(o["output_type"] == "error" for c in cells for o in c["outputs"])
            whole = len(ran) == len(cells) and max(ran) >= count * len(cells)
            return cells if failed or whole else None

        return wait(done, f"all cells of {notebook.name} have run")

    def save(self):
        """Ctrl-S, and the time until the file has changed."""
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("s").key_up(
            Keys.CONTROL
        ).perform()
        wait(lambda: not self.find(".lm-mod-current.jp-mod-dirty"), "JupyterLab has saved", 20)
        time.sleep(0.5)

    def look_at(self, cell, name):
        """Scroll to the cell with an id and take a screenshot."""
        self.browser.execute_script(SCROLL, cell)
        time.sleep(1)
        return self.shoot(name)

    def shoot(self, name):
        path = self.shots / f"{name}.png"
        assert self.browser.save_screenshot(str(path))
        assert path.stat().st_size > 10_000, "the screenshot is empty"
        return path


SCROLL = """
for (const cell of document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell')) {
  if (cell.innerText.includes(arguments[0])) { cell.scrollIntoView({block: 'center'}); break; }
}
"""


@pytest.fixture
def lab(tmp_path):
    """A browser without a past."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path / "chromium"
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,800"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    shots = Path(os.environ.get("TINYTORCH_REPORT") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    yield Lab(browser, shots)
    browser.quit()


def read(notebook):
    """The code cells of a notebook on the disk."""
    data = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in data["cells"] if cell["cell_type"] == "code"]


def outputs(cells, kind="stream"):
    """What the cells printed, or the errors they ended in."""
    told = [o for cell in cells for o in cell["outputs"] if o["output_type"] == kind]
    if kind == "error":
        return ["\n".join(o["traceback"]) for o in told]
    return ["".join(o["text"]) for o in told if o["name"] == "stdout"]


def noise(cells):
    """What the cells wrote to stderr."""
    streams = [o for cell in cells for o in cell["outputs"] if o["output_type"] == "stream"]
    return ["".join(o["text"]) for o in streams if o["name"] == "stderr"]


def test_a_solved_notebook_runs_is_saved_and_passes(learner, start, lab):
    """Bar 8: start, open, run all, save, `tito test 01` is green."""
    module = learner.module("01")
    solving.solve(learner, "tensor")
    assert tito(learner.root, "export", "01")[0] == 0
    lab.open(start("01"))
    lab.shoot("01-open")
    code, said = tito(learner.root, "start", "02", "--no-browser", **start.own)
    assert code == 0 and "runs on this workspace already" in said, said
    assert "/lab/tree/modules/02_activations/activations.ipynb?token=" in said
    assert not lab.find(".jp-Notification-List, .Toastify__toast"), "something pops up at the start"
    cells = lab.run_all(module.notebook)
    assert outputs(cells, "error") == []
    assert noise(cells) == []
    passed = "".join(outputs(cells)).count("passed: tensor.")
    assert passed == len(learner.exercises(module))
    lab.look_at("passed: tensor.matmul", "01-solved-matmul")
    lab.look_at("passed: tensor.masked_fill", "01-solved-end")
    code, said = tito(learner.root, "export", "01", "--check")
    assert code == 0, f"outputs and counts alone made the export stale: {said}"
    code, said = tito(learner.root, "test", "01")
    assert code == 0, said
    process, log = start.running[0]
    assert _ctrl_c(process) == 0
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_blanked_notebooks_run_to_their_end(learner, start, lab):
    """Nothing written yet: every check says "still blank", nothing stops Run All."""
    first = start("01")
    for module in learner.written:
        lab.open(first.replace("01_tensor/tensor", f"{module.label}/{module.name}"))
        cells = lab.run_all(module.notebook)
        assert outputs(cells, "error") == [], module.label
        assert noise(cells) == [], module.label
        printed = "".join(outputs(cells))
        told = re.findall(rf"^(?:still blank|not checked): {module.name}[.]", printed, re.MULTILINE)
        assert len(told) == len(learner.exercises(module)), f"{module.label}: {printed}"
        lab.look_at("still blank:", f"{module.label}-blank")
    code, said = tito(learner.root, "status", "--json")
    states = {label: told["export"] for label, told in json.loads(said)["modules"].items()}
    assert set(states.values()) == {"untouched"}, "running alone is not writing"
    code, said = tito(learner.root, "test", "01")
    blank = re.findall(r"^ +tensor[.]\S+ +blank +given", said, re.MULTILINE)
    assert (code, len(blank)) == (3, 8), said


def test_a_failing_check_is_one_red_sentence(learner, start, lab):
    """No page of traceback: what was expected, what came, and what the usual slip is."""
    module = learner.module("02")
    wrong = ast.parse("def relu(x):\n    return np.minimum(x, 0)").body[0]
    solving.write(module.notebook, {"relu": wrong})
    lab.open(start("02"))
    cells = lab.run_all(module.notebook)
    (told,) = outputs(cells, "error")
    lab.look_at("failed: activations.relu", "02-failed-check")
    assert len(told.splitlines()) == 1, told
    assert told.startswith("failed: activations.relu: ")
    shown = lab.find("[data-mime-type='application/vnd.jupyter.stderr']")
    assert [element.text for element in shown] == [told]


@pytest.mark.parametrize("exports", [1, 2])
def test_a_kernel_is_told_that_it_is_old(learner, start, lab, exports):
    """After an export of 01 the running kernel of 02 says so, the first time as well."""
    one, two = learner.module("01"), learner.module("02")
    solving.solve(learner, "tensor", ["tensor.matmul"])
    if exports == 2:
        assert tito(learner.root, "export", "01")[0] == 0
    lab.open(start("02"))
    cells = lab.run_all(two.notebook)
    assert "exported again" not in "".join(outputs(cells))
    solving.solve(learner, "tensor")
    assert tito(learner.root, "export", one.label)[0] == 0
    cells = lab.run_all(two.notebook, count=2)
    note = "note: tinytorch.tensor was exported again since: restart the kernel to use it"
    assert note in "".join(outputs(cells))
    lab.look_at("exported again", f"02-stale-{exports}")
    lab.menu("Kernel", "Restart Kernel and Run All Cells\N{HORIZONTAL ELLIPSIS}")
    wait(lambda: lab.find(".jp-Dialog .jp-mod-accept, .jp-Dialog .jp-mod-warn"), "it asks", 20)
    lab.find(".jp-Dialog .jp-mod-accept, .jp-Dialog .jp-mod-warn")[-1].click()
    time.sleep(5)
    cells = lab.settled(two.notebook)
    assert note not in "".join(outputs(cells))


def test_watch_checks_once_per_save(learner, start, lab, tmp_path):
    """Each Ctrl-S is one round; checkpoints, and files of the editor's own, are none."""
    module, log = learner.module("02"), tmp_path / "watch.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tito", "watch", "02"],
            cwd=learner.root,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        lab.open(start("02"))
        _rounds(log, 1)
        for count in (2, 3):
            before = module.notebook.stat().st_mtime_ns
            lab.menu("Run", "Run All Cells")
            time.sleep(8)
            lab.save()
            assert module.notebook.stat().st_mtime_ns != before
            _rounds(log, count)
        assert list(module.folder.rglob("*-checkpoint.ipynb")), "JupyterLab made no checkpoint"
        time.sleep(5)
        _rounds(log, 3)
    finally:
        assert _ctrl_c(process) == 130
    assert "it is not JSON" not in log.read_text(encoding="utf-8"), "a half-written save was read"


def _rounds(log, count):
    def seen():
        return log.read_text(encoding="utf-8").count("waiting for the next save")

    wait(lambda: seen() >= count, f"watch has judged {count} times", 60)
    assert seen() == count, log.read_text(encoding="utf-8")
