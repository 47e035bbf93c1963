"""Parts of a batch in processes: the same numbers as in threads, whatever happens on the way."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import tinytorch
from tinytorch import parallel
from tinytorch import processes as inside
from tinytorch.layers import Linear, Module, Parameter, Sequential
from tinytorch.losses import cross_entropy
from tinytorch.nn import BatchNorm1d
from tinytorch.optimizers import Adam
from tinytorch.processes import processes
from tinytorch.tensor import Tensor
from tinytorch.training import Trainer
from tinytorch.transformers import GPT

linux = pytest.mark.skipif(sys.platform != "linux", reason="only there is a fork to begin with")
pytestmark = linux


class Job:
    """A model, its loss, and a place that tells which processes have computed."""

    def __init__(self, folder, dropout=0.0, seed=0):
        tinytorch.manual_seed(seed)
        self.model = GPT(9, embed_dim=8, num_heads=2, num_layers=2, max_length=6, dropout=dropout)
        self.marks = folder
        folder.mkdir(exist_ok=True)

    def mean_loss(self, x, y):
        (self.marks / str(os.getpid())).touch()
        return cross_entropy(self.model(x), y)

    def team(self):
        return processes(self.model, self.mean_loss)

    def gradients(self, parts=2):
        """(loss, {name: gradient}) of one batch."""
        self.model.zero_grad()
        loss = parallel.backward(self.mean_loss, *batch(), parts=parts)
        return loss, {n: p.grad.array for n, p in self.model.named_parameters()}

    def helpers(self):
        """The processes other than this one that have computed a part."""
        return {int(path.name) for path in self.marks.iterdir()} - {os.getpid()}


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture(autouse=True)
def two_threads_and_none_is_left(monkeypatch):
    monkeypatch.setattr(inside, "REST", 0)  # on a busy machine they would rest at any time
    before = tinytorch.get_num_threads()
    tinytorch.set_num_threads(2)
    yield
    tinytorch.set_num_threads(before)
    assert not inside.here.teams and not inside.here.computing
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def batch(samples=6, length=6, vocab=9):
    rng = np.random.default_rng(3)
    return [Tensor(rng.integers(0, vocab, (samples, length))) for _ in "xy"]


def same(found, wanted):
    """The same loss and gradients, to the bit."""
    (loss, gradients), (want_loss, want) = found, wanted
    equal = [np.array_equal(gradients[name], want[name]) for name in want]
    return loss == want_loss and gradients.keys() == want.keys() and all(equal)


# -- the same results
@pytest.mark.parametrize("parts", [2, 3, 6])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_processes_compute_what_threads_do_to_the_bit(tmp_path, parts, dropout):
    job = Job(tmp_path, dropout)
    with_threads = job.gradients(parts)
    job = Job(tmp_path, dropout)
    assert not job.helpers()
    with job.team():
        with_processes = job.gradients(parts)
        assert len(job.helpers()) == parts - 1
    assert same(with_processes, with_threads)


def test_one_after_the_other_is_the_same_to_the_bit(tmp_path):
    wanted = Job(tmp_path, 0.3).gradients(3)
    job = Job(tmp_path, 0.3)
    with job.team() as team:
        team.resting = 1
        assert same(job.gradients(3), wanted)
        assert team.resting == 0 and not job.helpers()


def test_an_error_while_they_rest_is_that_of_the_function(job, recwarn):
    def mean_loss(x):
        raise EOFError("no more text")

    with processes(job.model, mean_loss) as team:
        team.resting = 2
        for _ in range(2):
            with pytest.raises(EOFError, match="no more text"):
                parallel.backward(mean_loss, Tensor([1.0, 2.0]), parts=2)
        assert team.helps and not team.members and not recwarn.list


def trained(job, change=lambda model, step: None):
    """The parameters after some steps, before each of which `change` may do something."""
    optimizer = Adam(job.model.parameters(), lr=0.01)
    for step in range(6):
        change(job.model, step)
        optimizer.zero_grad()
        parallel.side_by_side(job.mean_loss, *batch(), parts=2).backward()
        optimizer.step()
    return [p.array for p in job.model.parameters()]


def drop_more(model, step):
    if step == 3:
        model.blocks[0].dropout.p = 0.9


def freeze(model, step):
    model.head.weight.requires_grad_(step < 3)


def thaw(model, step):
    model.head.weight.requires_grad_(step >= 3)


def exchange(model, step):
    if step == 3:
        model.head.weight = Parameter(np.ones((9, 8)))


def replace_numbers(model, step):
    if step == 3:
        model.head.weight.data = np.ones((9, 8))


def look_meanwhile(model, step):
    model.eval()
    with tinytorch.no_grad():
        model(batch()[0])
    model.train()


CHANGES = [drop_more, freeze, thaw, exchange, replace_numbers, look_meanwhile]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_processes_follow_what_happens_to_the_model(tmp_path, change):
    wanted = trained(Job(tmp_path, 0.2), change)
    job = Job(tmp_path, 0.2)
    with job.team() as team:
        found = trained(job, change)
        assert team.helps and job.helpers()
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted))


def test_they_begin_once_and_stay(job):
    with job.team():
        trained(job)
        assert len(job.helpers()) == 1


def test_a_model_may_become_double(tmp_path):
    job = Job(tmp_path)
    job.model.double()
    wanted = job.gradients()
    job = Job(tmp_path)
    with job.team() as team:
        job.gradients()
        job.model.double()
        assert same(job.gradients(), wanted) and team.helps


def test_the_last_batch_may_have_fewer_parts(job):
    wanted = job.gradients(2)
    with job.team():
        job.gradients(4)
        assert same(job.gradients(2), wanted)


def test_gradients_of_later_parts_alone_are_kept_for_backward():
    model = Sequential(Scale(), Scale())
    first, later = model.children()

    def mean_loss(x):
        return (later if x.array.all() else first)(x).mean()

    with processes(model, mean_loss) as team:
        losses = [
            parallel.side_by_side(mean_loss, Tensor([0.0, 1.0, last, last]), parts=2)
            for last in (2.0, 4.0)
        ]
        assert team.members
        losses[0].backward()
    assert later.weight.grad.item() == 1.0


def test_what_is_cut_again_is_for_threads(job):
    def mean_loss(x, y):
        if len(x) == 1:
            return job.mean_loss(x, y)
        return parallel.side_by_side(mean_loss, x, y, parts=2)

    wanted = parallel.backward(mean_loss, *batch(), parts=2)
    with processes(job.model, mean_loss):
        assert parallel.backward(mean_loss, *batch(), parts=2) == wanted
        assert len(job.helpers()) == 1


def test_in_a_process_that_may_have_none_by_multiprocessing(job):
    wanted = job.gradients()

    def work():
        with job.team():
            right = same(job.gradients(), wanted)
        os._exit(right and len(job.helpers()))

    child = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    child.start()
    child.join()
    assert child.exitcode == 2


def test_no_word_of_threads_that_the_copy_does_not_have(job, recwarn):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    warnings.simplefilter("always")
    try:
        with job.team():
            job.gradients()
            assert job.helpers() and not recwarn.list
    finally:
        done.set()
        thread.join()


# -- where threads do it
class Scale(Module):
    """Multiplies by a weight of its own."""

    __module__ = "tinytorch.scale"  # as if it were the library's

    def __init__(self):
        self.weight, self.calls = Parameter(2.0), 0

    def forward(self, x):
        return x * self.weight


def threads_do_it(model, mean_loss, *inputs, steps=1):
    with processes(model, mean_loss) as team:
        for _ in range(steps):
            parallel.backward(mean_loss, *inputs, parts=2)
        assert not team.helps and not team.members


def test_another_leaf_gets_its_gradient():
    model, other = Scale(), Tensor(3.0, requires_grad=True)
    x = Tensor([1.0, 2.0, 3.0, 6.0])
    threads_do_it(model, lambda x: (model(x) * other).mean(), x)
    assert other.grad.item() == 6.0 and model.weight.grad.item() == 9.0


def test_another_leaf_that_only_later_parts_use_gets_its_gradient():
    model, other = Scale(), Tensor(3.0, requires_grad=True)
    x = Tensor([0.0, 0.0, 3.0, 6.0])

    def mean_loss(x):
        return (model(x) * other).mean() if x.array.any() else model(x).mean()

    threads_do_it(model, mean_loss, x)
    assert other.grad.item() == 4.5


def test_an_input_gets_its_gradient():
    model, x = Scale(), Tensor([1.0, 2.0], requires_grad=True)

    def mean_loss(x):
        return model(x).mean()

    with processes(model, mean_loss) as team:
        parallel.backward(mean_loss, x, parts=2)
        assert not team.members
    assert x.grad.tolist() == [1.0, 1.0]


def test_hooks_run_here_for_every_part():
    model, seen = Scale(), []
    model.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    threads_do_it(model, lambda x: model(x).mean(), Tensor([1.0, 2.0, 3.0]))
    assert sorted(seen) == [(1,), (2,)]


def test_buffers_that_computing_changes_change_here():
    model = Sequential(Linear(3, 2), BatchNorm1d(2))
    threads_do_it(model, lambda x: model(x).mean(), Tensor(np.ones((4, 3))))
    assert model.children()[1].num_batches_tracked.item() == 2


class Counting(Scale):
    """Sets an attribute as it computes: always, or for large inputs alone."""

    __module__ = "tinytorch.scale"

    def __init__(self, least=0.0):
        super().__init__()
        self.least = least

    def forward(self, x):
        if x.array.max() >= self.least:
            self.calls += 1
        return super().forward(x) * (1 + self.calls)


@pytest.mark.parametrize("least", [0.0, 1.5])
def test_a_model_that_changes_itself_as_it_computes(least):
    """From the first batch on; also where only a later part does it."""
    model, twin, x = Counting(least), Counting(least), Tensor([1.0, 2.0])
    threads_do_it(model, lambda x: model(x).mean(), x, steps=3)
    for _ in range(3):
        parallel.backward(lambda x: twin(x).mean(), x, parts=2)
    assert model.calls == twin.calls
    assert model.weight.grad.item() == twin.weight.grad.item()


KEPT = [[1.0], {"scale": 1.0}, np.ones(1), Tensor(1.0), tinytorch.Generator(0), (1, [2])]


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: type(kept).__name__)
def test_a_model_with_an_attribute_that_can_be_written_into(kept):
    model = Scale()
    model.kept = kept
    threads_do_it(model, lambda x: model(x).mean(), Tensor([1.0, 2.0]))


class Restless(Scale):
    """Writes into its parameter as it computes."""

    __module__ = "tinytorch.scale"

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        if self.way == "data":
            self.weight.data = self.weight.array * 1
        else:
            with tinytorch.no_grad():
                self.weight.mul_(1.0)
        return super().forward(x)


@pytest.mark.parametrize("way", ["data", "in place"])
def test_a_model_that_writes_into_its_parameters(way):
    model = Restless(way)
    threads_do_it(model, lambda x: model(x).mean(), Tensor([1.0, 2.0]))


class Own(Module):
    """As anybody may write it: its settings stand where nobody looks."""

    power = 1

    def __init__(self):
        self.weight = Parameter(2.0)

    def forward(self, x):
        return x**self.power * self.weight


@pytest.mark.parametrize("model", [Own(), Sequential(Own())], ids=["outside", "inside"])
def test_classes_of_ones_own(model, monkeypatch):
    x = Tensor([1.0, 2.0])
    with processes(model, lambda x: model(x).mean()) as team:
        parallel.backward(team.mean_loss, x, parts=2)
        monkeypatch.setattr(Own, "power", 2)
        assert parallel.backward(team.mean_loss, x, parts=2) == 5.0
        assert not team.fits and not team.members
        assert parallel.parts_for(parallel.WORTH_A_PROCESS) == 1


UNSEEN = {"module in a tuple": (Linear(1, 1),), "method": [].append, "own class": Own()}


@pytest.mark.parametrize("kept", UNSEEN.values(), ids=UNSEEN)
def test_what_cannot_be_looked_into(kept):
    model = Scale()
    model.kept = kept
    threads_do_it(model, lambda x: model(x).mean(), Tensor([1.0, 2.0]))


def test_an_attribute_that_gets_another_name():
    class Named(Scale):
        __module__ = "tinytorch.scale"

        def forward(self, x):
            return x * self.weight * (1 if hasattr(self, "calls") else 3)

    model, x = Named(), Tensor([1.0, 2.0])
    with processes(model, lambda x: model(x).mean()) as team:
        assert parallel.backward(team.mean_loss, x, parts=2) == 3.0
        model.other = vars(model).pop("calls")
        assert parallel.backward(team.mean_loss, x, parts=2) == 9.0 and team.members


def test_an_attribute_that_changes_with_every_batch_is_left_to_threads(job):
    with job.team() as team:
        for step in range(9):
            job.model.blocks[0].dropout.p = step / 100
            job.gradients()
        assert not team.helps and len(job.helpers()) == 3


def test_an_equal_attribute_is_no_change(job):
    with job.team():
        for _ in range(5):
            job.model.blocks[0].dropout.p = float("0.0")
            job.gradients()
        assert len(job.helpers()) == 1


def test_too_many_parts_are_for_threads(job):
    x, y = batch(samples=40)
    with job.team():
        parallel.backward(job.mean_loss, x, y, parts=40)
        assert not job.helpers()


STRANGE = {
    "only its first part is in order": lambda x: x[:, :3],
    "not aligned": lambda x: np.frombuffer(b"." + x.tobytes(), np.float32, 18, 1).reshape(3, 6),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_inputs_whose_copies_might_compute_otherwise(job, strange):
    x = Tensor(np.ones(3))
    x.array = strange(np.arange(18, dtype=np.float32).reshape(3, 6))
    with processes(job.model, lambda x: (x * job.model.norm.bias.sum()).sum()) as team:
        parallel.backward(team.mean_loss, x, parts=2)
        assert not team.members


def test_the_same_numbers_twice(job):
    """NumPy multiplies a matrix by its own transpose in another way than by that of a copy."""
    x = Tensor(np.random.default_rng(0).random((40, 30)))

    def mean_loss(x, y):
        return (x @ y.T).mean() * job.model.norm.weight.mean()

    with processes(job.model, mean_loss) as team:
        parallel.backward(mean_loss, x, x, parts=2)
        assert not team.members


def test_numbers_in_another_order(job):
    """Sums of a transposed array differ from those of a copy in their last bits."""
    x = Tensor(np.random.default_rng(0).random((400, 500)).astype(np.float32)).T

    def mean_loss(x):
        return x.sum() * job.model.norm.weight.mean() * 1e-3

    wanted = parallel.backward(mean_loss, x, parts=2)
    with processes(job.model, mean_loss) as team:
        assert parallel.backward(mean_loss, x, parts=2) == wanted and not team.members
    job.model.head.weight.array = np.asfortranarray(job.model.head.weight.array)
    threads_do_it(job.model, job.mean_loss, *batch())


def test_what_is_no_tensor(job):
    def mean_loss(x, y):
        return ((x - Tensor(y)) * job.model.norm.weight.mean()).mean()

    with processes(job.model, mean_loss) as team:
        assert parallel.backward(mean_loss, Tensor([3.0, 5.0]), np.ones(2), parts=2) == 3.0
        assert not team.members


def test_before_a_number_of_threads_was_set(job, monkeypatch):
    """BLAS may have threads of its own then, and a fork beside them may wait for ever."""
    monkeypatch.setattr(tinytorch.machine, "_workers", None)
    with job.team():
        job.gradients()
    assert not job.helpers()


def test_a_copy_of_the_program_leaves_the_processes_alone(tmp_path):
    wanted = Job(tmp_path).gradients()
    job = Job(tmp_path)
    with job.team() as team:
        job.gradients()
        child = os.fork()
        if not child:
            fine = same(job.gradients(), wanted)
            team.stop()
            os._exit(not fine)
        assert os.waitpid(child, 0)[1] == 0
        assert same(job.gradients(), wanted) and team.members


def test_a_rule_that_was_replaced_meanwhile(job):
    x = Tensor([[4.0], [4.0], [0.0], [0.0]])

    def mean_loss(x):
        return (x * job.model.norm.weight.mean()).sqrt().mean()

    with np.errstate(all="ignore"), processes(job.model, mean_loss) as team:
        parallel.backward(mean_loss, x + 1, parts=2)
        assert team.members
        with pytest.raises(RuntimeError, match="nan"), tinytorch.autograd.detect_anomaly():
            parallel.backward(mean_loss, x, parts=2)


def test_where_there_is_no_fork(monkeypatch, job):
    monkeypatch.setattr(inside.sys, "platform", "win32")
    with job.team() as team:
        job.gradients()
        assert not team.helps and not job.helpers()


def test_where_the_system_has_no_room_for_a_process(monkeypatch, tmp_path):
    wanted = Job(tmp_path).gradients()

    def fork():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    job = Job(tmp_path)
    with job.team():
        assert same(job.gradients(), wanted)


def test_a_profile_sees_all_parts(job):
    with job.team(), tinytorch.profile() as told:
        job.gradients()
    (row,) = [row for row in told.rows if row.primitive == "cross_entropy"]
    assert row.calls == 2 and not job.helpers()


def test_an_explanation_sees_all_parts(job, monkeypatch):
    monkeypatch.setattr(inside._switch, "watched", True)
    with job.team():
        job.gradients()
    assert not job.helpers()


def test_another_function_and_another_thread_get_threads(job):
    def other(x, y):
        return job.mean_loss(x, y)

    with job.team():
        parallel.backward(other, *batch(), parts=2)
        parallel.in_threads(lambda n: n and job.gradients(), range(2))
        assert not job.helpers()


def test_nothing_recorded_nothing_sent(job):
    with job.team(), tinytorch.no_grad():
        parallel.side_by_side(job.mean_loss, *batch(), parts=2)
        assert not job.helpers()


def test_what_is_no_model_is_refused(job):
    for words in ((job.mean_loss, job.model), (job.model, 3), ([job.model], job.mean_loss)):
        with pytest.raises(TypeError, match="takes a module and a function, not"):
            processes(*words)


def test_under_no_grad_there_is_nothing_to_walk_back(job):
    with job.team(), tinytorch.no_grad(), pytest.raises(RuntimeError, match="cut the graph"):
        parallel.backward(job.mean_loss, *batch(), parts=2)


def test_withs_that_end_in_another_order(job):
    def lasting():
        with job.team():
            yield

    first, second = lasting(), lasting()
    next(first), next(second)
    first.close()
    job.gradients()
    second.close()
    assert len(job.helpers()) == 1


def test_the_inner_one_does_not_hide_the_outer_one(job):
    with job.team(), processes(job.model, lambda x: x):
        job.gradients()
    assert len(job.helpers()) == 1


def test_what_was_shared_is_given_back(job):
    with job.team() as team:
        job.gradients()
        assert team.numbers
    assert not team.numbers


def test_a_handler_may_compute_a_batch_too(job):
    """It comes while the program waits for the process."""
    wanted = job.gradients()
    found = []

    def handler(*told):
        found.append(parallel.backward(job.mean_loss, *batch(), parts=2))

    before = signal.signal(signal.SIGUSR1, handler)
    here = os.getpid()

    def mean_loss(x, y):
        if os.getpid() != here:
            os.kill(here, signal.SIGUSR1)
            time.sleep(0.1)
        return job.mean_loss(x, y)

    try:
        with processes(job.model, mean_loss), job.team():
            job.model.zero_grad()
            loss = parallel.backward(mean_loss, *batch(), parts=2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert found == [loss] == [wanted[0]]


def test_a_handler_of_the_program_stays_there(job):
    told = []
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append(os.getpid()))
    wanted = job.gradients()
    try:
        with job.team() as team:
            job.gradients()
            os.kill(team.members[0].number, signal.SIGUSR1)
            assert same(job.gradients(), wanted) and team.helps
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not told


# -- errors
class Complaint(Exception):
    """Two arguments, one message: calling the class with its message would not make it again."""

    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


@pytest.mark.parametrize("error", [ValueError("too large"), Complaint("it", "too large")], ids=repr)
def test_an_error_of_a_process_arrives_and_the_next_batch_works(job, error):
    here = os.getpid()

    def mean_loss(x):
        if os.getpid() != here and x.array.max() > 8:
            raise error
        return x.mean() * job.model.norm.weight.mean()

    with processes(job.model, mean_loss):
        with pytest.raises(type(error), match="too large") as caught:
            parallel.backward(mean_loss, Tensor([1.0, 9.0]), parts=2)
        assert "raise error" in caught.value.__notes__[0] and not caught.value.__cause__
        assert job.model.norm.weight.grad is None
        assert parallel.backward(mean_loss, Tensor([1.0, 3.0]), parts=2) == 2.0


def test_ctrl_c_is_not_for_the_processes(job, capfd):
    wanted = job.gradients()
    with job.team():
        job.gradients()
        os.kill(*job.helpers(), signal.SIGINT)
        assert same(job.gradients(), wanted) and len(job.helpers()) == 1
    assert capfd.readouterr() == ("", "")


def test_an_exit_in_a_process_is_one_here(job):
    here = os.getpid()

    def mean_loss(x):
        if os.getpid() != here:
            sys.exit("enough")
        return x.mean() * job.model.norm.weight.mean()

    with processes(job.model, mean_loss), pytest.raises(SystemExit, match="enough"):
        parallel.backward(mean_loss, Tensor([4.0, 5.0]), parts=2)


def test_what_a_process_prints_is_not_lost(tmp_path):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "ids"), "0"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["part", "part", "ready"]


class Tee:
    """Takes words, and has nothing else that a file has."""

    def __init__(self):
        self.words = []

    def write(self, text):
        self.words.append(text)


def test_what_a_process_prints_goes_where_prints_go(job, monkeypatch):
    def mean_loss(x):
        print(f"mean of {len(x)}")
        return x.mean() * job.model.norm.weight.mean()

    with processes(job.model, mean_loss):
        for _ in range(2):
            monkeypatch.setattr(sys, "stdout", Tee())
            parallel.backward(mean_loss, Tensor([4.0, 5.0, 6.0]), parts=2)
            assert "".join(sys.stdout.words) == "mean of 1\nmean of 2\n"
        monkeypatch.setattr(sys, "stdout", None)
        assert parallel.backward(mean_loss, Tensor([4.0, 5.0, 6.0]), parts=2) == 5.0


def test_where_nobody_waits_for_children(tmp_path):
    setting = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    ignored = PROGRAM.replace("layer =", setting + "\nlayer =")
    ended = ignored.replace("time.sleep", "parallel.here.teams[0].__exit__()\ntime.sleep")
    words = [sys.executable, "-c", ended, str(tmp_path / "ids"), "0"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("ready\n")


def test_of_several_errors_the_first_part_tells(job):
    def mean_loss(x):
        raise ValueError(f"{x.item():.0f}")

    with processes(job.model, mean_loss), pytest.raises(ValueError, match="^4$"):
        parallel.backward(mean_loss, Tensor([4.0, 5.0]), parts=2)


def test_a_process_that_was_killed_costs_no_result(tmp_path):
    wanted = Job(tmp_path).gradients()
    job = Job(tmp_path)
    with job.team():
        job.gradients()
        os.kill(*job.helpers(), signal.SIGKILL)
        with pytest.warns(UserWarning, match="was killed: threads go on"):
            found = job.gradients()
        assert same(found, wanted) and same(job.gradients(), wanted)


def test_a_process_that_was_killed_where_warnings_are_errors(job):
    wanted = job.gradients()
    with job.team() as team, warnings.catch_warnings():
        warnings.simplefilter("error")
        job.gradients(3)
        os.kill(team.members[1].number, signal.SIGKILL)
        with pytest.raises(UserWarning, match="was killed"):
            job.gradients(3)
        assert same(job.gradients(), wanted) and not team.helps


def test_a_handler_that_says_it_took_too_long_is_heard(job):
    def late(*told):
        raise TimeoutError("too long")

    here, before = os.getpid(), signal.signal(signal.SIGALRM, late)

    def mean_loss(x):
        if os.getpid() != here:
            time.sleep(5)
        return x.mean() * job.model.norm.weight.mean()

    try:
        with processes(job.model, mean_loss), pytest.raises(TimeoutError, match="too long"):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            parallel.backward(mean_loss, Tensor([4.0, 5.0]), parts=2)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_ends_the_processes_and_their_answers_are_forgotten(tmp_path):
    wanted = Job(tmp_path).gradients()
    job, here, again = Job(tmp_path), os.getpid(), []

    def mean_loss(x, y):
        if os.getpid() == here and not again:
            again.append(True)
            raise KeyboardInterrupt
        return Job.mean_loss(job, x, y)

    job.mean_loss = mean_loss
    with job.team() as team:
        with pytest.raises(KeyboardInterrupt):
            job.gradients()
        assert not team.members
        assert same(job.gradients(), wanted)


PROGRAM = """
import os, signal, sys, time
import numpy as np
import tinytorch
from tinytorch import parallel
from tinytorch.layers import Linear
from tinytorch.tensor import Tensor
layer = Linear(1, 1)
tinytorch.set_num_threads(2)
signal.signal(signal.SIGTERM, lambda *told: print("asked twice to stop", file=sys.stderr))
def mean_loss(x):
    print(os.getpid(), file=open(sys.argv[1], "a"), flush=True)
    sys.stdout.write("part\\n")
    return layer(x).mean()
parallel.processes(layer, mean_loss).__enter__()
parallel.backward(mean_loss, Tensor(np.ones((2, 1))), parts=2)
print("ready", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("way", ["end", "kill"])
def test_no_process_outlives_its_program(tmp_path, way):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "ids"), "0" if way == "end" else "60"]
    program = subprocess.Popen(words, stdout=-1, stderr=-1, text=True)
    assert [program.stdout.readline() for _ in range(3)] == ["part\n", "part\n", "ready\n"]
    if way == "kill":
        program.kill()
    assert program.communicate() == ("", "")
    (helper,) = set(map(int, (tmp_path / "ids").read_text().split())) - {program.pid}
    for _ in range(100):
        if not os.path.exists(f"/proc/{helper}") or zombie(helper):
            return
        time.sleep(0.1)
    raise AssertionError("the process is still there")


def zombie(pid):
    """True if it has ended, and nobody has asked how."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


# -- when it is worth it
def test_processes_that_come_late_are_left_alone_for_a_while(job, monkeypatch):
    answer = inside.Member.answer

    def late(member, params):
        time.sleep(0.2)
        return answer(member, params)

    monkeypatch.setattr(inside.Member, "answer", late)
    monkeypatch.setattr(inside, "REST", 100)
    with job.team() as team:
        for _ in range(3):
            job.gradients()
            if team.resting:
                break
        assert team.resting == 100 and team.helps
        job.gradients()
        assert team.resting == 99


def test_a_smaller_batch_is_worth_a_process_wherever_the_run_goes_on(job):
    with job.team() as team:
        for team.helps in (True, False):
            assert [parallel.parts_for(n) for n in (29_999, 30_000)] == [1, 2]
        with tinytorch.no_grad():
            assert parallel.parts_for(30_000) == 1
    assert parallel.parts_for(30_000) == 1


def test_a_trainer_uses_them_for_its_parts(tmp_path):
    runs = []
    for helped in (False, True):
        job = Job(tmp_path, 0.3)
        optimizer = Adam(job.model.parameters(), lr=0.01)
        trainer = Trainer(job.model, optimizer, [tuple(batch())], width=10_000)
        with (
            processes(job.model, trainer.part_loss) if helped else contextlib.nullcontext() as team
        ):
            trainer.fit(3)
            assert bool(helped and team.members) == helped
        runs.append([p.array for p in job.model.parameters()])
    assert all(np.array_equal(one, two) for one, two in zip(*runs))


def test_every_thread_has_its_own(tmp_path):
    """Of two threads that train two models side by side, none takes the other's processes."""
    jobs = [Job(tmp_path / name) for name in "ab"]
    wanted, found = [job.gradients() for job in jobs], {}

    def work(n):
        with jobs[n].team() as team:
            found[n] = [jobs[n].gradients() for _ in range(3)], len(jobs[n].helpers()), team.helps

    threads = [threading.Thread(target=work, args=[n]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(2):
        results, helpers, helps = found[n]
        assert helps and helpers == 1 and all(same(each, wanted[n]) for each in results)
