"""Judge all mutants of a module.

Run as: `PYTHONPATH=. python tests/course/judge.py MODULE RESULTS.json [NAME OF A MUTANT]`.

The package, hypothesis and the module's tests are loaded once. Then every mutant gets a fork of
this process (where there is no fork, a fresh process): first its quick check, then, put into the
package by exchanging the code of the function, the docstring's example and the tests. The limits
are of processor time, so that a busy machine kills no mutant.
"""

import ast
import copy
import doctest
import gc
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import mutants
import pytest
import variants

try:
    import resource
except ImportError:  # not a Unix
    resource = None

CONTROL = "control"
QUICK, MARKED, MODULE, TIME = "quick check", "exercise's test", "module's tests", "time limit"
ENDLESS = {"killer": TIME, "crashes": False, "said": "it was stopped"}
MEMORY = 8 << 30  # bytes: a loop that never ends shall not take the machine with it


class Judge:
    """A pytest plugin that, in the place of a test run, judges mutants by the collected tests."""

    def __init__(self, notebook, only=None):
        self.notebook, self.only = notebook, only
        self.results, self.failed = [], False

    def pytest_collection(self):
        """A failed example is enough; nobody will read the smallest one."""
        import hypothesis  # not earlier: pytest wants to prepare it

        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        hypothesis.settings.register_profile("judge", hypothesis.settings.default, phases=phases)
        hypothesis.settings.load_profile("judge")

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    def pytest_runtestloop(self, session):
        """Measure the reference, then judge every mutant."""
        self.items = session.items
        self.seconds = self._reference_seconds()
        works = [Work(self.notebook, exercise) for exercise in self.notebook.exercises]
        gc.collect()
        gc.freeze()  # so that a fork's collector leaves the shared pages alone
        for work in works:
            about = (self.notebook, work.exercise)
            for mutant in controls(*about) + mutants.mutants_of(*about):
                if self.only in (None, mutant.name):
                    self.results.append({**mutant.label, **self._in_a_process(work, mutant)})
        return True

    def _reference_seconds(self):
        """Processor time of all tests on the reference, which they accept."""
        start = time.process_time()
        for item in self.items:
            self._run(item)
        if self.failed:
            raise pytest.UsageError(f"the tests of {self.notebook.name} fail without any mutant")
        return time.process_time() - start

    def _run(self, item):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self.failed

    # ------------------------------------------------------------ one mutant
    def _in_a_process(self, work, mutant):
        """The verdict over a mutant, which leaves no trace in this process."""
        if self.only is not None:  # the process is the mutant's own already
            return self._verdict(work, mutant)
        if not hasattr(os, "fork"):
            return in_a_fresh_process(self.notebook.name, mutant.name, 60 + 10 * self.seconds)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                limit(1)
                os.write(writing, json.dumps(self._verdict(work, mutant)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        if not said and not os.WIFSIGNALED(status):
            raise RuntimeError(f"no verdict over {mutant.name}: the judge itself failed")
        return json.loads(said) if said else dict(ENDLESS)

    def _verdict(self, work, mutant):
        """Who kills the mutant, None if nobody does, and whether it crashes on its example."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as a learner's notebook goes on after a warning
            outcome, text = self._quick_check(work.exercise, mutant)
            work.exchange(mutant.function)
            verdict = {"crashes": work.crashes(text), "said": text[:400]}
        if self.only is None:
            limit(3 + 3 * self.seconds)
        own = [item for item in self.items if work.is_marked(item)]
        if mutant.kind == CONTROL:  # it is asked of both, and of no other test
            return {**verdict, "killer": outcome, "own tests": not any(map(self._run, own))}
        if outcome != "passed":
            return {"killer": QUICK, **verdict}
        rest = [item for item in self.items if item not in own]
        for killer, items in ((MARKED, own), (MODULE, rest)):
            for item in items:
                if self._run(item):
                    return {"killer": killer, **verdict, "said": item.name}
        return {"killer": None, **verdict}

    def _quick_check(self, exercise, mutant):
        """What it says; a cell that raises by itself, before any check, has failed too."""
        try:
            return variants.outcome(self.notebook, exercise, mutant.variant)
        except Exception as error:
            return "failed", f"{type(error).__name__}: {error}"


def controls(notebook, exercise):
    """What is no mutant: the reference and an independent solution, which pass, and a blank."""
    reference = variants.find(exercise.cell.tree, exercise.qualname)
    blank = variants.find(variants.blank(exercise.cell.tree, exercise), exercise.qualname)
    independent = variants.independent_solutions(notebook.name)[exercise.id]
    named = {"reference": reference, "independent": independent, "blank": blank}
    return [
        mutants.Mutant(exercise.id, what, CONTROL, CONTROL, function)
        for what, function in named.items()
    ]


def limit(seconds):
    """End this process after that much more processor time, and before it takes all memory."""
    if resource is not None:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


class Work:
    """The function of an exercise in the imported package, for its code to be exchanged."""

    def __init__(self, notebook, exercise):
        self.exercise = exercise
        self.module = importlib.import_module(f"tinytorch.{notebook.name}")
        functions = [f for f in gc.get_objects() if isinstance(f, types.FunctionType)]
        self.functions = [f for f in functions if self._is_it(f.__code__)]
        if not self.functions:
            raise pytest.UsageError(f"{self.module.__file__} has no function {exercise.qualname}")

    def _is_it(self, code):
        place = (self.module.__file__, self.exercise.qualname)
        return (code.co_filename, code.co_qualname) == place

    def is_marked(self, item):
        """True if a test says that it judges this exercise."""
        return any(mark.args == (self.exercise.id,) for mark in item.iter_markers("exercise"))

    def exchange(self, function):
        """Give the function, wherever it is known, the body of a mutant."""
        function = copy.deepcopy(function)
        function.decorator_list = []
        (old,) = {f.__code__ for f in self.functions}
        if "__class__" in old.co_freevars:  # for super(): a code must name what the old one named
            function.body.insert(0, ast.Expr(ast.Name("__class__", ast.Load())))
        tree = function
        for owner in reversed(self.exercise.qualname.split(".")[:-1]):
            tree = ast.parse(f"class {owner}: pass").body[0]
            tree.body = [function]
        tree = ast.fix_missing_locations(ast.Module([tree], []))
        code = compile(tree, self.module.__file__, "exec")
        for name in self.exercise.qualname.split("."):
            (code,) = [c for c in code.co_consts if getattr(c, "co_name", "") == name]
        for one in self.functions:
            one.__code__ = code

    def crashes(self, said):
        """True if the docstring's own example raises; without one, if the quick check did."""
        examples = doctest.DocTestParser().get_examples(self.functions[0].__doc__ or "")
        if not examples:
            return re.match(r"\w+( at `|: )", said) is not None
        runner = Example(verbose=False)
        globs = dict(vars(self.module))
        runner.run(doctest.DocTest(examples, globs, "example", None, 0, None), out=len)
        return runner.raised


class Example(doctest.DocTestRunner):
    """Runs an example only to see whether it raises."""

    raised = False

    def report_unexpected_exception(self, *_):
        self.raised = True


def in_a_fresh_process(module, name, seconds):
    """The verdict over one mutant where there is no fork."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        command = [sys.executable, __file__, module, path, name]
        try:
            subprocess.run(command, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return dict(ENDLESS)
        (verdict,) = json.loads(path.read_text(encoding="utf-8"))
    return verdict


def main(module, path, only=None):
    """Judge, and write the results as a list of dictionaries."""
    (notebook,) = [n for n in variants.course_notebooks() if n.name == module]
    (tests,) = (variants.ROOT / "tests").glob(f"test_[0-9][0-9]_{module}.py")
    judge = Judge(notebook, only)
    flags = ["-s", "--tb=no", "-p", "no:cacheprovider", "-p", "no:logging"]
    status = pytest.main([str(tests), f"--rootdir={variants.ROOT}", *flags], plugins=[judge])
    if judge.results:
        Path(path).write_text(json.dumps(judge.results, indent=1), encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
