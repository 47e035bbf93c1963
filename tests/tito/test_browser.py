"""A learner's hour in a real JupyterLab in a real browser: opt-in, for it takes minutes.

Run: TINYTORCH_BROWSER=1 pytest tests/tito/test_browser.py, with selenium, jupyterlab, and
Chromium and its driver on the path. TINYTORCH_REPORT names a folder that gets the screenshots.
"""

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
    pytest.mark.timeout(900),
]
ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+/\S+token=\w+")
PATIENCE = 120  # seconds for one notebook on a busy machine


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

    def begin(*argv, folder=learner.root):
        own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME")}
        own |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "layouts")}
        own |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
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

    begin.running = running
    yield begin
    for process, _ in running:
        _ctrl_c(process)


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
        self.browser.get(address)
        wait(lambda: self.status() == "idle", f"the kernel of {address} is ready", 90)

    def status(self):
        """The kernel's status, as the bar at the bottom shows it: "idle", "busy", None yet."""
        bar = "".join(e.text for e in self.find("#jp-main-statusbar"))
        found = re.search(r"\(ipykernel\) \| (\w+)", bar)
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

        def done():
            if self.status() != "idle":
                return None
            self.save()
            cells = read(notebook)
            ran = [c["execution_count"] for c in cells if c["execution_count"]]
            failed = any(o["output_type"] == "error" for c in cells for o in c["outputs"])
            return cells if failed or len(ran) == len(cells) and max(ran) >= count * len(ran) else 0

        return wait(done, f"all cells of {notebook.name} have run")

    def save(self):
        """Ctrl-S, and the time until the file has changed."""
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("s").key_up(
            Keys.CONTROL
        ).perform()
        wait(lambda: not self.find(".jp-mod-dirty"), "JupyterLab has saved", 20)
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
for (const cell of document.querySelectorAll('.jp-Notebook .jp-Cell')) {
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
    notebook = learner.module("01").notebook
    solving.solve(learner, "tensor")
    lab.open(start("01"))
    lab.shoot("01-open")
    cells = lab.run_all(notebook)
    assert outputs(cells, "error") == []
    assert noise(cells) == []
    passed = "".join(outputs(cells)).count("passed: tensor.")
    assert passed == len(learner.exercises(learner.module("01")))
    lab.shoot("01-solved-end")
    lab.look_at("passed: tensor.matmul", "01-solved-matmul")
    code, said = tito(learner.root, "test", "01")
    assert code == 0, said
    process, log = start.running[0]
    assert _ctrl_c(process) == 0
    assert "Traceback" not in log.read_text(encoding="utf-8")
