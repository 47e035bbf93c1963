"""The machine's memory and threads, and a batch whose parts are computed side by side."""

import functools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tinytorch
from tinytorch import machine, nn, parallel
from tinytorch.layers import Dropout, Linear
from tinytorch.losses import cross_entropy, mse_loss
from tinytorch.optimizers import SGD
from tinytorch.tensor import Tensor
from tinytorch.training import Trainer
from tinytorch.transformers import GPT


@pytest.fixture
def threads():
    """What was set is set back."""
    before = machine.get_num_threads()
    yield
    tinytorch.set_num_threads(before)


def batch(samples=5, length=6, vocab=9):
    rng = np.random.default_rng(3)
    return [Tensor(rng.integers(0, vocab, (samples, length))) for _ in "xy"]


def gradients(parts, dropout=0.0, **more):
    """(loss, {name: gradient}) of a small GPT."""
    tinytorch.manual_seed(0)
    model = GPT(9, embed_dim=8, num_heads=2, num_layers=2, max_length=6, dropout=dropout)

    def mean_loss(x, y):
        return cross_entropy(model(x), y)

    loss = parallel.backward(mean_loss, *batch(), parts=parts, **more)
    return loss, {name: p.grad.array for name, p in model.named_parameters()}


# -- in_threads
def test_results_come_in_the_order_of_the_parts():
    assert parallel.in_threads(lambda n: n * n, range(5)) == [0, 1, 4, 9, 16]
    assert parallel.in_threads(lambda n: n, []) == []


def test_every_part_has_a_thread_and_the_first_one_is_the_callers():
    meet = threading.Barrier(3, timeout=20)  # passes only if all three work at the same time

    def work(part):
        meet.wait()
        return threading.get_ident()

    found = parallel.in_threads(work, range(3))
    assert len(set(found)) == 3 and found[0] == threading.get_ident()


def test_parts_of_parts_do_not_wait_for_threads_that_all_wait():
    def work(part):
        return sum(parallel.in_threads(lambda n: n, range(part, part + 3)))

    assert parallel.in_threads(work, range(40)) == [3 * n + 3 for n in range(40)]


def test_recording_is_off_in_the_threads_where_it_is_off_here():
    x = Tensor([1.0], requires_grad=True)
    assert all(y.requires_grad for y in parallel.in_threads(lambda n: x * 2, range(2)))
    with tinytorch.no_grad():
        assert not any(y.requires_grad for y in parallel.in_threads(lambda n: x * 2, range(2)))
    assert (x * 2).requires_grad


DRAWN = [0.1291, 0.1475]  # the first number that each of two parts draws after manual_seed(4)


def test_random_numbers_of_a_seed_are_the_same_and_differ_from_part_to_part():
    def numbers():
        tinytorch.manual_seed(4)
        return [t.array.tolist() for t in parallel.in_threads(lambda n: tinytorch.rand(3), "abc")]

    first = numbers()
    assert first == numbers()
    assert len({tuple(row) for row in first}) == 3


@pytest.mark.parametrize("first", [0, 1])
def test_the_part_that_draws_first_changes_nothing(first):
    drawn = threading.Event()

    def work(part):
        if part != first:
            assert drawn.wait(10)
        numbers = tinytorch.rand(3).array.tolist()
        drawn.set()
        return numbers

    tinytorch.manual_seed(4)
    assert [round(row[0], 4) for row in parallel.in_threads(work, range(2))] == DRAWN


def test_an_error_waits_for_the_others_and_the_first_one_comes():
    ended = []

    def work(part):
        if part:
            ended.append(part)
            raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 1"):
        parallel.in_threads(work, range(3))
    assert sorted(ended) == [1, 2]


# -- backward
@pytest.mark.parametrize("parts", [2, 3, 5, 50])
def test_the_gradient_of_parts_is_that_of_the_batch(parts):
    want_loss, want = gradients(1)
    loss, got = gradients(parts)
    assert loss == pytest.approx(want_loss, rel=1e-6)
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=0, atol=1e-6, err_msg=name)


def test_one_part_is_backward_to_the_bit():
    tinytorch.manual_seed(0)
    model = GPT(9, embed_dim=8, num_heads=2, num_layers=2, max_length=6)
    x, y = batch()
    loss = cross_entropy(model(x), y)
    loss.backward()
    got_loss, got = gradients(1)
    assert got_loss == loss.item()
    assert all((p.grad.array == got[name]).all() for name, p in model.named_parameters())


def test_the_same_number_of_parts_gives_the_same_bits_with_dropout():
    (loss, first), (again, second) = gradients(2, dropout=0.3), gradients(2, dropout=0.3)
    assert loss == again and all((first[n] == second[n]).all() for n in first)


def test_targets_that_do_not_count_weigh_nothing():
    """The first half has one target that counts and the second four: no plain mean of both."""
    logits = Tensor(np.random.default_rng(0).standard_normal((8, 3)), requires_grad=True)
    targets = Tensor([-100, -100, -100, 1, 0, 1, 2, 2])
    cross_entropy(logits, targets).backward()
    want, logits.grad = logits.grad.array, None

    def count(_, targets):
        return (targets.array != -100).sum()

    def mean_loss(rows, targets):
        return cross_entropy(logits[rows], targets)

    rows = Tensor(np.arange(8))
    loss = parallel.backward(mean_loss, rows, targets, parts=2, count=count)
    np.testing.assert_allclose(logits.grad.array, want, atol=1e-7)
    assert loss == pytest.approx(cross_entropy(logits, targets).item(), rel=1e-6)
    with pytest.raises(ValueError, match="no target that counts"):
        parallel.backward(mean_loss, rows[:3], targets[:3], parts=2, count=count)


def padded_half(way, parts, half):
    """(loss, gradient) of eight targets; in one half, the first (0) or second, none counts."""
    tinytorch.manual_seed(0)
    layer, x = Linear(3, 4), Tensor(np.random.default_rng(0).standard_normal((8, 3)))
    loss, targets = nn.CrossEntropyLoss(), np.array([0, 1, 2, 3, *[-100] * 4])
    targets = Tensor(targets if half else targets[::-1].copy())

    def mean_loss(x, y):
        return loss(layer(x), y)

    def count(_, y):
        return (y.array != -100).sum()

    found = way(mean_loss, x, targets, parts=parts, count=count)
    if isinstance(found, Tensor):
        found.backward()
    return float(found), layer.weight.grad.array


@pytest.mark.parametrize("way", [parallel.backward, parallel.side_by_side])
@pytest.mark.parametrize("parts", [2, 4, 8])
@pytest.mark.parametrize("half", [0, 1])
def test_a_part_in_which_no_target_counts_is_left_out(way, parts, half):
    """The mean of nothing is nan, and nan times a share of 0 as well."""
    want, loss = padded_half(way, 1, half), padded_half(way, parts, half)
    assert loss[0] == pytest.approx(want[0], rel=1e-6)
    np.testing.assert_allclose(loss[1], want[1], atol=1e-7)


def trained(model, threads, **settings):
    """The losses of five steps, and the model's numbers, of a Trainer that may cut its batches."""
    tinytorch.set_num_threads(threads)
    tinytorch.manual_seed(0)
    model, rng = model(), np.random.default_rng(0)
    x, y = rng.standard_normal((64, 8)).astype(np.float32), rng.integers(0, 3, 64)
    y[:32] *= rng.random(32) < 0.2  # other classes in the two halves
    loader = [(Tensor(x), Tensor(y))]
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), loader, width=1000, **settings)
    trainer.fit(5)
    state = model.state_dict().items()
    return [row["loss"] for row in trainer.journal.rows], {n: t.array for n, t in state}


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=Tensor([1.0, 5.0, 0.2])),
        nn.CrossEntropyLoss(reduction="sum"),
        functools.partial(cross_entropy, reduction="sum"),
    ],
)
def test_a_loss_that_is_no_plain_mean_is_not_cut(threads, loss):
    model = functools.partial(Linear, 8, 3)
    assert trained(model, 2, loss=loss)[0] == trained(model, 1, loss=loss)[0]


def test_a_model_that_keeps_statistics_is_not_cut(threads):
    """Two threads would write the same buffer, one over the other."""

    def model():
        return nn.Sequential(Linear(8, 16), nn.BatchNorm1d(16), Linear(16, 3))

    (losses, state), *others = [trained(model, n) for n in (1, 2, 2, 2)]
    assert state["1.num_batches_tracked"] == 5
    for other_losses, other in others:
        assert other_losses == losses
        assert all(np.array_equal(other[name], state[name]) for name in state)


def test_gradients_are_added_to_what_is_there():
    layer, (x, y) = Linear(3, 2), (Tensor(np.ones((4, 3))), Tensor(np.zeros((4, 2))))
    parallel.backward(lambda x, y: mse_loss(layer(x), y), x, y, parts=2)
    once = layer.weight.grad.array.copy()
    parallel.backward(lambda x, y: mse_loss(layer(x), y), x, y, parts=2)
    np.testing.assert_allclose(layer.weight.grad.array, 2 * once, rtol=1e-6)


def test_an_error_leaves_the_gradients_as_they_were():
    layer, x = Linear(3, 2), Tensor(np.ones((4, 3)))
    x.array[3] = np.nan

    def mean_loss(part):
        if np.isnan(part.array).any():
            raise ValueError("nan")
        return layer(part).sum()

    with pytest.raises(ValueError, match="nan"):
        parallel.backward(mean_loss, x, parts=2)
    assert layer.weight.grad is None


def test_tensors_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="one first size"):
        parallel.backward(mse_loss, Tensor([1.0, 2.0]), Tensor([1.0]))


# -- machine
def test_a_small_batch_is_not_cut(threads):
    tinytorch.set_num_threads(2)
    assert tinytorch.get_num_threads() == 2
    assert [parallel.parts_for(n) for n in (49_999, 50_000)] == [1, 2]


def test_blas_computes_with_one_thread_from_then_on():
    if not list(machine._blas()):
        pytest.skip("this NumPy has another BLAS")
    code = """
import tinytorch
library, setter = next(tinytorch.machine._blas())
count = getattr(library, setter.replace("set", "get", 1))
before = count()
assert tinytorch.set_num_threads(2)
print(before, count())
"""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.split() == ["2", "1"]


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_a_number_of_threads_that_is_none(count):
    with pytest.raises(ValueError, match="whole number of at least 1"):
        tinytorch.set_num_threads(count)


def test_a_drop_is_drawn_anew_in_every_part():
    tinytorch.manual_seed(1)
    drop = Dropout(0.5)
    kept = parallel.in_threads(lambda n: drop(Tensor(np.ones(64))).array.tolist(), range(2))
    assert kept[0] != kept[1]


def flags_of_the_heap(first):
    """What the kernel notes about the memory of a small array, after `first` has run."""
    code = """
import numpy as np
{first}
x = np.ones(2**18, "f")
at = x[len(x) // 2 :].ctypes.data
for line in open("/proc/self/smaps"):
    if "-" in line.split()[0]:
        begin, end = (int(n, 16) for n in line.split()[0].split("-"))
    elif line.startswith("VmFlags") and begin <= at < end:
        print(line)
"""
    words = [sys.executable, "-c", code.format(first=first)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(
    not os.path.exists("/sys/kernel/mm/transparent_hugepage"), reason="no pages of 2 MB here"
)
def test_the_heap_lies_on_huge_pages():
    if not machine.use_huge_pages(2**22):
        pytest.skip("the C library or the kernel refuses them")
    assert "hg" in flags_of_the_heap("import tinytorch")
    assert "hg" not in flags_of_the_heap("")


def test_no_huge_pages_where_the_system_has_none(monkeypatch):
    monkeypatch.delattr(machine.mmap, "MADV_HUGEPAGE", raising=False)
    assert machine.use_huge_pages() is False


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc gives free memory back at once")
@pytest.mark.parametrize("where", ["work()", "Thread(target=work).start()"])
def test_free_memory_is_kept_for_the_next_array(where):
    code = """
import resource, numpy as np
from threading import Thread
{first}
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(2):
        before = faults()
        [np.ones(2**20, "f") for _ in range(40)]
    print(faults() - before)
{where}
"""
    told = [
        subprocess.run(
            [sys.executable, "-c", code.format(first=first, where=where)],
            capture_output=True,
            text=True,
        ).stdout
        for first in ("", "import tinytorch")
    ]
    without, with_it = map(int, told)
    if without < 1000:
        pytest.skip("this C library keeps its memory anyway")
    assert with_it < 100, f"{with_it} page faults, and {without} without tinytorch"


# -- side_by_side
def side_gradients(parts, times=1.0, repeat=1, **more):
    """(loss, {name: gradient}) of a small GPT, through the loss as a Tensor."""
    tinytorch.manual_seed(0)
    model = GPT(9, embed_dim=8, num_heads=2, num_layers=2, max_length=6)

    def mean_loss(x, y):
        return cross_entropy(model(x), y)

    for _ in range(repeat):
        loss = parallel.side_by_side(mean_loss, *batch(), parts=parts, **more) * times
        loss.backward()
    return loss.item(), {name: p.grad.array for name, p in model.named_parameters()}


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_the_loss_as_a_tensor_has_the_same_gradients(parts):
    want_loss, want = gradients(parts)
    loss, found = side_gradients(parts)
    assert loss == pytest.approx(want_loss, rel=1e-6)
    assert list(found) and all(np.array_equal(found[name], want[name]) for name in want)


def test_a_loss_times_a_share_has_that_share_of_the_gradients_and_they_add_up():
    _, want = gradients(2)
    _, quarters = side_gradients(2, times=0.25, repeat=4)
    for name, g in want.items():
        np.testing.assert_allclose(quarters[name], g, rtol=1e-5, atol=1e-7)


def test_nothing_is_walked_where_recording_is_off():
    layer = Linear(2, 1)
    x, y = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), Tensor([[1.0], [2.0], [3.0]])

    def mean_loss(x, y):
        return mse_loss(layer(x), y)

    with tinytorch.no_grad():
        loss = parallel.side_by_side(mean_loss, x, y, parts=2)
        assert loss.item() == pytest.approx(mean_loss(x, y).item(), rel=1e-6)
    assert not loss.requires_grad and loss.array.dtype == np.float32
    assert layer.weight.grad is None


def test_before_backward_no_gradient_has_arrived():
    layer = Linear(2, 1)
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    loss = parallel.side_by_side(lambda x: layer(x).mean(), x, parts=2)
    assert layer.weight.grad is None
    loss.backward()
    assert layer.weight.grad.tolist() == [[2.0, 3.0]]
