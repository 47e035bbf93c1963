"""PyTorch's further names: values, dtypes, gradients, and the ways to reach them."""

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest

import tinytorch
from tinytorch import functions
from tinytorch.autograd import gradcheck
from tinytorch.functions import (
    Extremes,
    argmin,
    chunk,
    clamp,
    gather,
    norm,
    split,
    std,
    tensor_max,
    tensor_min,
    topk,
)
from tinytorch.names.creation import (
    arange,
    eye,
    full,
    full_like,
    linspace,
    ones_like,
    randint,
    randperm,
    zeros_like,
)
from tinytorch.tensor import (
    PRIMITIVES,
    RULES,
    Generator,
    Parameter,
    Tensor,
    _switch,
    cat,
    from_numpy,
    manual_seed,
    maximum,
    ones,
    wrap,
    zeros,
)


@pytest.fixture
def no_recording():
    """Recording off, as inside `no_grad`."""
    _switch.on = False
    yield
    _switch.on = True


def numbers(shape, seed=0, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def leaf(data):
    return Tensor(data, requires_grad=True)


def raised(kind, function, *args, **kwargs):
    """The message of the error that a call raises."""
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    return str(caught.value)


class TestTheWaysToReachThem:
    def test_every_function_stands_under_a_public_name_or_is_a_method(self):
        helpers = {"matrices", "clamp_rule", "cumsum_rule", "triu_rule", "tril_rule", "gather_rule"}
        helpers |= {"expand_rule", "places_of", "picked", "turned", "stretched", "scaled"}
        helpers |= {"need_dims"}
        helpers |= {"rewritten", "is_shared", "grad"}  # names.custom.grad calls the last one
        own = {
            name: function
            for name, function in vars(functions).items()
            if inspect.isfunction(function) and function.__module__ == "tinytorch.functions"
        }
        public = {getattr(tinytorch, name) for name in dir(tinytorch)}
        methods = {getattr(Tensor, name) for name in dir(Tensor) if name[0] != "_"}
        lost = {n for n, f in own.items() if f not in public | methods} - helpers
        assert not lost, f"nobody reaches {lost}"

    def test_a_method_has_the_function_s_own_docstring_and_signature(self):
        x = Tensor([3.0, 1.0, 2.0])
        assert x.topk.__doc__ == topk.__doc__ and x.exp.__doc__.startswith("e to the power")
        assert str(inspect.signature(x.topk)) == "(k, dim=-1, largest=True, sorted=True)"
        assert str(inspect.signature(x.amax)) == "(dim=None, keepdim=False)"
        assert Tensor.topk is topk and Tensor.topk(x, 1).values.tolist() == [3]

    def test_the_names_of_dtypes_are_pytorchs(self):
        names = {"float": "float32", "double": "float64", "long": "int64", "int": "int32"}
        for name, wanted in {**names, "bool": "bool"}.items():
            assert getattr(tinytorch, name) == np.dtype(wanted)
        assert tinytorch.zeros(2, dtype=tinytorch.double).to(tinytorch.int).dtype == np.int32

    def test_a_star_import_hides_nothing_of_python_s(self):
        code = "from tinytorch import *; print(int(2.5), sum([1, 2]), max(3, 4), tensor([1]))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "2 3 4 tensor([1])\n", done.stderr

    def test_modules_of_a_smaller_number_need_none_of_this(self):
        code = "import sys, tinytorch; t = tinytorch.tensor([3.0, 1.0]); (t * t).sum(); print("
        code += "'tinytorch.functions' in sys.modules, t.topk(1).indices.item())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "False 0\n", done.stderr

    def test_importing_them_replaces_nothing_that_a_notebook_has_defined(self):
        code = """
from tinytorch.tensor import RULES, SLOTS, Tensor
def mul_rule(g, x, y):
    return 7 * g, 7 * g
mul_rule.asks = ("x", "y")
RULES["mul"] = mul_rule
x = Tensor([1.0, 2.0], requires_grad=True)
(x * 3.0).norm(1).backward()
print(x.grad.tolist())
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "[7.0, 7.0]\n", done.stderr


class TestGradients:
    x = numbers((3, 4), dtype=np.float64)

    @pytest.mark.parametrize("dim", [0, 1, -1])
    def test_cumsum(self, dim):
        assert gradcheck(lambda x: x.cumsum(dim), Tensor(self.x))

    @pytest.mark.parametrize("name", ["triu", "tril"])
    @pytest.mark.parametrize("diagonal", [-1, 0, 2])
    def test_triangles(self, name, diagonal):
        assert gradcheck(lambda x: getattr(x, name)(diagonal), Tensor(self.x))

    def test_gather_adds_up_what_was_picked_twice(self):
        index = Tensor([[2, 0, 2, 1], [2, 2, 2, 2]])
        assert gradcheck(lambda x: x.gather(0, index), Tensor(self.x))
        assert gradcheck(lambda x: x.gather(-1, index), Tensor(self.x))

    def test_expand(self):
        for to in ((3, 4), (2, 3, 4), (-1, 4)):
            assert gradcheck(lambda x, to=to: x.expand(to), Tensor(self.x[:, :1]))

    def test_reductions(self):
        x = Tensor(self.x)
        for f in (
            lambda x: x.std(1),
            lambda x: x.norm(axis=0),
            lambda x: x.norm(1),
            lambda x: x.max(1).values * x.min(0, keepdim=True).values.sum(),
            lambda x: x.max() + x.min(),
            lambda x: x.topk(2, dim=0).values,
            lambda x: cat(x.split([1, 2]), 0) * x.chunk(3)[0],
        ):
            assert gradcheck(f, x)

    @pytest.mark.parametrize("bounds", [(-0.5, 0.5), (None, 0.3), (0.1, None)])
    def test_clamp_by_numbers(self, bounds):
        assert gradcheck(lambda x: x.clamp(*bounds), Tensor(self.x))

    def test_clamp_by_tensors_gives_the_bounds_their_gradient(self):
        low, high = Tensor(self.x[0] - 1.0), Tensor(np.float64(0.4))
        assert gradcheck(clamp, [Tensor(self.x), low, high])
        assert gradcheck(lambda x, low: x.clamp(min=low), [Tensor(self.x), low])
        assert gradcheck(lambda x, high: x.clamp(max=high), [Tensor(self.x), high])
        x, low, high = leaf([1.0, 1.0, 5.0]), leaf([1.0, 2.0, 4.0]), leaf([3.0, 3.0, 3.0])
        clamp(x, low, high).sum().backward()
        assert x.grad.tolist() == [1, 0, 0] and low.grad.tolist() == [0, 1, 0]
        assert high.grad.tolist() == [0, 0, 1]  # at a bound x has it; crossed, the upper bound

    def test_each_primitive_has_its_rule_here(self):
        own = {n for n, f in PRIMITIVES.items() if f.__module__ == "tinytorch.functions"}
        assert own == {"clamp", "cumsum", "triu", "tril", "gather", "expand"}
        assert {RULES[name].__module__ for name in own} == {"tinytorch.functions"}


class TestReductions:
    x = numbers((3, 4))

    def test_max_and_min(self):
        t = Tensor(self.x)
        assert t.max().item() == self.x.max() and t.min().item() == self.x.min()
        values, indices = t.max(1)
        np.testing.assert_array_equal(values.array, self.x.max(1))
        np.testing.assert_array_equal(indices.array, self.x.argmax(1))
        pair = tensor_min(t, 0, keepdim=True)
        assert isinstance(pair, Extremes) and pair.values.shape == pair.indices.shape == (1, 4)
        np.testing.assert_array_equal(pair.values.array, self.x.min(0, keepdims=True))
        np.testing.assert_array_equal(
            t.min(axis=1, keepdims=True).indices.array[:, 0], self.x.argmin(1)
        )
        assert t.max(t * 2).tolist() == maximum(t, t * 2).tolist()
        assert t.min(t * 2).tolist() == np.minimum(self.x, self.x * 2).tolist()
        assert tensor_max(t, keepdim=True).shape == t.min(keepdims=True).shape == (1, 1)
        assert t.max(1, keepdims=True).values.shape == t.max(1, keepdim=True).values.shape == (3, 1)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int32, bool, np.float32])
    def test_the_smallest_of_any_dtype(self, dtype):
        array = np.array([[3, 0, 200], [1, 7, 9]]).astype(dtype)
        t = from_numpy(array)
        assert t.min().item() == array.min() and t.min().dtype == dtype
        np.testing.assert_array_equal(argmin(t, 1).array, array.argmin(1))
        np.testing.assert_array_equal(t.min(1).values.array, array.min(1))
        np.testing.assert_array_equal(
            t.topk(2, dim=1).values.array, np.sort(array, 1)[:, ::-1][:, :2]
        )
        lowest = t.topk(2, 1, largest=False)
        np.testing.assert_array_equal(lowest.values.array, np.sort(array, 1)[:, :2])

    def test_the_smallest_int64(self):
        t = Tensor([5, np.iinfo(np.int64).min])
        assert t.min().item() == np.iinfo(np.int64).min and t.argmin().item() == 1

    def test_argmin_takes_the_first(self):
        t = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
        assert t.argmin(1).tolist() == [0, 2] and t.argmin(axis=0).tolist() == [0, 1, 1]
        assert Tensor([2.0, 1.0, 1.0]).argmin().item() == 1 and t.argmin().dtype == np.int64

    @pytest.mark.parametrize(("shape", "dim"), [((0,), None), ((2, 0), 1), ((0, 3), 0)])
    def test_argmin_of_nothing_is_refused_under_its_own_name(self, shape, dim):
        with pytest.raises(ValueError, match=r"^argmin: no element .* \(x \(.*, dim="):
            Tensor(np.ones(shape)).argmin(dim)
        with pytest.raises(IndexError, match="^dim 5 is out of range"):
            Tensor(np.ones(shape)).argmin(5)

    def test_argmin_along_another_dimension_of_nothing(self):
        assert Tensor(np.ones((0, 3))).argmin(1).shape == (0,)

    def test_topk(self):
        t = Tensor([1.0, 5.0, 3.0, 5.0])
        values, indices = topk(t, 3)
        assert values.tolist() == [5, 5, 3] and indices.tolist() == [1, 3, 2]
        assert t.topk(0).values.shape == (0,)
        assert "k=5 is not between 0 and the size 4" in raised(ValueError, t.topk, 5)
        np.testing.assert_array_equal(
            Tensor(self.x).topk(2, dim=0).values.array, np.sort(self.x, 0)[::-1][:2]
        )

    def test_norm(self):
        t = Tensor([[3.0, -4.0], [0.0, 2.0]])
        assert t.norm(dim=1).tolist() == [5, 2] and t.norm(1).item() == 9
        assert t.norm(1, 0).tolist() == [3, 6] and norm(t, 2, 1, True).shape == (2, 1)
        assert t.norm().item() == pytest.approx(29**0.5)
        assert "a dimension is given as dim=" in raised(ValueError, t.norm, (0, 1))
        assert "p is a positive number" in raised(ValueError, t.norm, -2)

    def test_the_slope_of_a_length_of_zero_is_zero(self):
        for reduce in (norm, std, lambda x: norm(x, 3)):
            x = leaf([0.0, 0.0])
            reduce(x).backward()
            assert x.grad.tolist() == [0, 0]

    def test_std_is_the_root_of_var(self):
        x = Tensor(numbers((3, 5)))
        np.testing.assert_allclose(x.std(1).array, np.std(x.array, axis=1, ddof=1), rtol=1e-6)
        np.testing.assert_allclose(std(x, unbiased=False).array, np.std(x.array), rtol=1e-6)
        assert x.std(axis=1, keepdims=True).shape == (3, 1)

    def test_cumsum(self):
        assert Tensor([[1, 2], [3, 4]]).cumsum(1).tolist() == [[1, 3], [3, 7]]
        assert raised(IndexError, Tensor([1]).cumsum, 3).startswith("cumsum: ")
        for kind in (np.uint8, np.int32, bool):
            assert from_numpy(np.ones(300, kind)).cumsum(0).dtype == np.int64
        assert from_numpy(np.ones(300, np.uint8)).cumsum(0).tolist()[-1] == 300

    def test_clamp(self):
        t = Tensor([-2.0, 0.5, 2.0])
        assert t.clamp(-1, 1).tolist() == [-1, 0.5, 1] and t.clamp(min=0).tolist() == [0, 0.5, 2]
        assert clamp(t, max=0.0).tolist() == [-2, 0, 0] and clamp(t, max=0.0).dtype == np.float32
        assert Tensor([1, 5]).clamp(max=2.5).tolist() == [1, 2.5]
        assert t.clamp(Tensor([0, 1, 3])).tolist() == [0, 1, 3]

    def test_gather(self):
        x, index = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[0, 0, 1], [1, 0, 0]])
        assert (
            gather(x, 1, index).tolist() == x.gather(-1, index).tolist() == [[1, 1, 2], [4, 3, 3]]
        )
        assert x.gather(0, Tensor([[1, 0]])).tolist() == [[3, 2]]
        assert x.gather(1, Tensor([[1]])).tolist() == [[2]]  # only the first row, as PyTorch
        assert "has 1 dimension and x has 2" in raised(ValueError, x.gather, 1, Tensor([0]))
        assert raised(IndexError, x.gather, 1, Tensor([[5]])).startswith("gather: ")

    def test_a_single_number_is_one_place_of_a_vector(self):
        three, s, x = Tensor(3), leaf(2.0), leaf(np.arange(5.0))
        assert zeros(5).scatter_(0, three, value=1).tolist() == [0, 0, 0, 1, 0]
        for y in (x.scatter(0, three, s), x.scatter_add(-1, three, s)):
            (y * Tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
        assert s.grad.tolist() == 8 and x.grad.tolist() == [2, 4, 6, 4, 10]
        x.grad = None
        x.gather(0, three).backward()
        assert x.gather(0, three).tolist() == 3 and x.grad.tolist() == [0, 0, 0, 1, 0]
        assert zeros(5).scatter_reduce(0, three, Tensor(2.0), "amax").tolist() == [0, 0, 0, 2, 0]
        for first in (Tensor(7.0), Tensor([7.0, 8.0])):
            assert zeros(2).scatter(0, Tensor(1), first).tolist() == [0, 7]
        one = Tensor([0])
        assert Tensor(4.0).gather(0, one).tolist() == [4] and Tensor(4.0).scatter(0, one, 5.0) == 5
        assert "there is no 7" in raised(IndexError, zeros(5).scatter_, 0, Tensor(7), 1.0)

    @pytest.mark.parametrize("name", ["scatter", "scatter_", "scatter_add_", "scatter_reduce"])
    def test_an_index_with_too_few_dimensions_writes_no_rows(self, name):
        x, more = zeros(3, 2), ["sum"] if name == "scatter_reduce" else []
        told = raised(ValueError, getattr(x, name), 0, Tensor([0]), Tensor([1.0]), *more)
        assert told == f"{name.rstrip('_')}: the index has 1 dimension and x has 2"
        assert x.tolist() == [[0, 0]] * 3


class TestShapes:
    def test_size_and_dim(self):
        t = zeros(2, 3)
        assert t.size() == t.shape == (2, 3) and t.size(-1) == 3 and t.dim() == t.ndim == 2
        assert "dim 2 is out of range" in raised(IndexError, t.size, 2)

    def test_view(self):
        x = Tensor(numbers((2, 3)))
        assert x.view(3, -1).shape == x.view((3, 2)).shape == (3, 2)
        message = raised(ValueError, x.T.view, 6)
        assert message == "view: (3, 2) cannot become (6,) without a copy: use reshape"
        assert zeros(0, 3).T.view(0).shape == (0,)

    def test_expand(self):
        x = Tensor([[1.0], [2.0]])
        assert x.expand(2, 3).tolist() == [[1] * 3, [2] * 3] and x.expand(-1, 3).shape == (2, 3)
        assert x.expand(4, 2, 3).shape == (4, 2, 3) and x.expand((2, 0)).shape == (2, 0)
        assert x.expand(1, 5, 2, 1).shape == (1, 5, 2, 1)
        for shape in ((3, 3), (2,), (5, 1), (2, 2, 3, 3)):
            assert "only a size of 1 can be stretched" in raised(ValueError, x.expand, shape)

    def test_expanded_views_are_read_only(self):
        x = zeros(1, 3).expand(2, 3)
        assert "expand() made this read-only view" in raised(ValueError, x.fill_, 1.0)
        assert "clone()" in raised(ValueError, x.__setitem__, 0, 1.0)
        assert x.clone().fill_(1.0).sum().item() == 6

    def test_contiguous_copies_only_if_it_must(self):
        x = Tensor(numbers((2, 3)))
        assert x.contiguous() is x and x.T.contiguous().array.flags.c_contiguous
        assert x.T.contiguous().version is not x.version

    def test_split_and_chunk(self):
        x = arange(7)
        assert [p.tolist() for p in x.split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
        assert [p.tolist() for p in split(x, [2, 5])] == [[0, 1], [2, 3, 4, 5, 6]]
        assert [p.numel() for p in chunk(x, 3)] == [3, 3, 1] and len(x.chunk(7)) == 7
        assert [p.shape for p in zeros(2, 6).split(4, dim=-1)] == [(2, 4), (2, 2)]
        assert "do not add up to the 7 of dim 0" in raised(ValueError, x.split, [2, 2])

    def test_triangles(self):
        x = Tensor([[1, 2], [3, 4]])
        assert x.triu().tolist() == [[1, 2], [0, 4]] and x.tril().tolist() == [[1, 0], [3, 4]]
        assert x.triu(1).tolist() == [[0, 2], [0, 0]] and x.tril(-1).tolist() == [[0, 0], [3, 0]]
        assert x.triu(-9).version is not x.version

    @pytest.mark.parametrize(
        "see",
        [
            lambda x: x.view(1, 2, 3),
            lambda x: x.expand(4, 2, 3),
            lambda x: x.split(1)[1],
            lambda x: x.chunk(2, dim=1)[0],
        ],
    )
    def test_a_view_shares_memory_and_counter(self, see):
        for x in (
            Tensor(numbers((2, 3))),
            wrap(numbers((4, 6))[::-2, ::2]),
            from_numpy(numbers((2, 3))),
        ):
            y = see(x)
            assert np.shares_memory(y.array, x.array) and y.version is x.version


class TestMakingTensors:
    def test_values_and_dtypes(self):
        assert full((2,), 7).tolist() == [7, 7] and full((2,), 7).dtype == np.int64
        assert full(2, 0.5).dtype == np.float32 and full((), True).dtype == bool
        assert arange(3).tolist() == [0, 1, 2] and arange(3).dtype == np.int64
        assert arange(1, 2, 0.5).tolist() == [1, 1.5] and arange(0.0, 2).dtype == np.float32
        assert arange(Tensor(2)).tolist() == [0, 1]
        assert linspace(0, 1, 3).tolist() == [0, 0.5, 1] and linspace(0, 1, 3).dtype == np.float32
        assert eye(2).tolist() == [[1, 0], [0, 1]] and eye(1, 2).shape == (1, 2)
        assert arange(2, dtype=np.float64).dtype == full((1,), 1, np.float64).dtype == np.float64
        assert full((2,), 0.5, requires_grad=True).requires_grad

    def test_like_another(self):
        x = Tensor([[1, 2]])
        assert zeros_like(x).tolist() == [[0, 0]] and zeros_like(x).dtype == np.int64
        assert ones_like(x).tolist() == [[1, 1]] and ones_like(x).dtype == np.int64
        assert ones_like(x, dtype=np.float32).dtype == np.float32
        assert full_like(x, 0.5, dtype=np.float32).tolist() == [[0.5, 0.5]]
        same = full_like(Tensor([1.0]), 3)
        assert same.tolist() == [3] and same.dtype == np.float32
        assert full_like(Tensor([1.0]), Tensor(2.0)).tolist() == [2]

    def test_a_value_that_wants_a_gradient_is_refused(self):
        for call in (lambda v: full((2,), v), lambda v: full_like(zeros(2), v)):
            assert "a copy would lose the gradient" in raised(RuntimeError, call, leaf(2.0))

    def test_whole_numbers(self):
        dice = randint(1, 7, (1000,), generator=Generator(0))
        assert sorted(set(dice.tolist())) == [1, 2, 3, 4, 5, 6] and dice.dtype == np.int64
        assert set(randint(2, (50,), generator=Generator(0)).tolist()) == {0, 1}
        assert sorted(randperm(10).tolist()) == list(range(10)) and randperm(3).dtype == np.int64

    def test_the_same_seed_gives_the_same_bits(self):
        def draws():
            manual_seed(5)
            return [t.tolist() for t in (randint(0, 9, (4,)), randperm(6), zeros(2).normal_())]

        assert draws() == draws()


class TestMethods:
    def test_casts(self):
        x = Tensor([1.5, -2.5])
        assert x.double().dtype == np.float64 and x.bool().tolist() == [True, True]
        assert x.long().tolist() == [1, -2] and x.int().dtype == np.int32
        assert x.cpu() is x.to("cpu") is x.to(device="cpu") is x.float() is x
        assert x.to(np.float64).dtype == x.to("cpu", dtype="float64").dtype == np.float64
        assert x.type_as(Tensor([1])).dtype == x.to(Tensor([1])).dtype == np.int64
        assert x.double().version is not x.version
        message = raised(ValueError, x.to, "cuda:1")
        assert message == "TinyTorch computes on the CPU only: device='cuda:1' does not exist"
        assert leaf([1.0]).double().made_by.primitive == "cast"

    def test_every_write_counts(self):
        x = Tensor([1.0, 2.0, 3.0])
        writes = [
            lambda: x.zero_(),
            lambda: x.masked_fill_(x == 0, 2.0),
            lambda: x.normal_(0, 1),
            lambda: x.uniform_(0, 1),
            lambda: x.add_(1),
            lambda: x.sub_(1),
            lambda: x.mul_(2),
            lambda: x.div_(2),
        ]
        array = x.array
        for count, write in enumerate(writes, start=1):
            assert write() is x
            assert x.version == [count]
        assert x.array is array and x.dtype == np.float32

    def test_a_single_number_is_its_own_largest(self):
        found = topk(Tensor(3.0), 1)
        assert (found.values.item(), found.indices.item(), found.values.shape) == (3, 0, ())
        message = raised(ValueError, topk, Tensor(3.0), 2)
        assert message == "topk: k=2 is not between 0 and the size 1 of dim -1"

    def test_kron_of_any_dimensions(self):
        x, y = Tensor([1, 10]), Tensor([[2, 3], [4, 5]])
        assert x.kron(x).tolist() == [1, 10, 10, 100]
        assert tinytorch.kron(x, y).tolist() == [[2, 3, 20, 30], [4, 5, 40, 50]]

    def test_copysign_has_the_dtype_of_both(self):
        sign = Tensor([-1.0, 1.0], dtype=np.float64)
        assert Tensor([1, 2]).copysign(sign).dtype == np.float64
        assert Tensor([1.0, 2.0], dtype=np.float16).copysign(sign.float()).dtype == np.float32
        assert Tensor([1, 2]).copysign(Tensor([-1, 1])).tolist() == [-1.0, 2.0]

    def test_the_extremes_are_written_over_out(self):
        x, values, places = Tensor([[1.0, 3.0], [4.0, 2.0]]), zeros(2), Tensor([0, 0])
        assert tinytorch.max(x, dim=1, out=(values, places)).values is values
        assert (values.tolist(), places.tolist()) == ([3, 4], [1, 0])
        smallest = zeros()
        assert tinytorch.min(x, out=smallest) is smallest and smallest.item() == 1
        assert np.max(x).item() == 4 and np.min(x, axis=0).values.tolist() == [1, 2]

    def test_an_empty_vector_joins_tensors_of_any_shape(self):
        rows, empty = Tensor([]), leaf([])
        for _ in range(2):
            rows = tinytorch.cat((rows, ones(2, 3)))
        assert rows.shape == (4, 3)
        joined = tinytorch.concat([Tensor([[1], [2]]), empty], axis=-1)
        assert joined.tolist() == [[1], [2]] and joined.dtype == np.float32
        joined.sum().backward()
        assert empty.grad.shape == (0,)
        for others in (zeros(0, 3), zeros(1, 0)):
            message = raised(ValueError, tinytorch.cat, [empty, others, ones(2, 2)])
            assert "all sizes but that of dim 0 must agree" in message

    def test_a_mask_that_is_filled_is_a_mask(self):
        keep, mask = Tensor([True, True]), Tensor([True, False])
        for value in (0, 0.0, False, np.float32(0), Tensor(0)):
            for fill in (Tensor.masked_fill, tinytorch.masked_fill):
                result = fill(keep, mask, value)
                assert result.dtype == bool and result.tolist() == [False, True]

    def test_whole_numbers_that_are_filled_stay_such(self):
        mask = Tensor([True, False])
        for fill in (Tensor.masked_fill, tinytorch.masked_fill, Tensor.masked_fill_):
            for dtype, value, number in (
                ("int64", -1.5, -1), ("int64", 2.9, 2), ("int64", Tensor(1.5), 1),
                ("uint8", -1, 255), ("bool", -1, True), ("bool", math.nan, True),
            ):  # fmt: skip
                result = fill(Tensor([0, 0], dtype=dtype), mask, value)
                assert result.dtype == dtype and result.tolist() == [number, 0]
            for dtype, value in (
                ("int64", -math.inf), ("int64", math.nan), ("int64", 2.0**63), ("uint8", -1.5),
                ("int32", 2**40), ("uint8", -256),
            ):  # fmt: skip
                told = raised(ValueError, fill, Tensor([0, 0], dtype=dtype), mask, value)
                assert f": {value} does not fit into {dtype}: use a number" in told
            assert "use x.float()" in raised(TypeError, fill, Tensor([1, 2]), mask, leaf(1.0))
        real = Tensor([1, 2]).float().masked_fill(mask, -math.inf)
        assert real.tolist() == [-math.inf, 2]

    def test_values_of_writes(self):
        x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        assert x.masked_fill_(Tensor([True, False]), -1).tolist() == [[-1, 2], [-1, 4]]
        assert x.add_(1).mul_(Tensor([2.0, 3.0])).tolist() == [[0, 9], [0, 15]]
        assert x.sub_(1).div_(2).tolist() == [[-0.5, 4], [-0.5, 7]]
        assert x.zero_().tolist() == [[0, 0], [0, 0]]
        mask = Tensor([True, False])
        assert Tensor([True, True]).masked_fill_(mask, 0).tolist() == [False, True]
        assert Tensor([7, 8]).masked_fill_(mask, 0.0).tolist() == [0, 8]
        ids = Tensor([1, 2])
        assert "div_: the result is float32" in raised(TypeError, ids.div_, 2)
        assert ids.tolist() == [1, 2] and ids.version == [0]

    def test_random_fills_are_seeded(self):
        a, b = (zeros(50).normal_(3, 2, generator=Generator(1)) for _ in range(2))
        assert a.tolist() == b.tolist() and 2 < a.mean().item() < 4
        u = zeros(50, dtype=np.float64).uniform_(2, 3, generator=Generator(1))
        assert 2 <= u.min().item() < u.max().item() < 3 and u.dtype == np.float64

    refused = [
        ("zero_", lambda w: w.zero_()),
        ("masked_fill_", lambda w: w.masked_fill_(Tensor([True, False]), 1.0)),
        ("normal_", lambda w: w.normal_()),
        ("uniform_", lambda w: w.uniform_()),
        ("add_", lambda w: w.add_(1)),
        ("mul_", lambda w: w.mul_(leaf([2.0, 2.0]))),
    ]

    @pytest.mark.parametrize(("what", "write"), refused)
    def test_refused_where_a_gradient_would_be_lost(self, what, write):
        made = leaf([1.0, 2.0]) * 2
        views = [made.view(2)]
        for w in (leaf([1.0, 2.0]), made, *views, Parameter([1.0, 2.0])):
            before = w.tolist()
            message = raised(RuntimeError, write, w)
            assert message.startswith(f"{what} is not recorded") and "no_grad()" in message
            assert w.tolist() == before and w.version == [0]

    @pytest.mark.parametrize(("what", "write"), refused)
    def test_allowed_without_recording(self, what, write, no_recording):
        w = leaf([5.0, 6.0])
        write(w)
        assert w.version == [1] and w.tolist() != [5, 6] and w.requires_grad and w.is_leaf

    def test_what_is_not_a_number(self):
        assert math.isnan(Tensor([math.nan, 1.0]).max().item())


@pytest.mark.parametrize("name", ["triu", "tril"])
def test_a_triangle_needs_a_matrix(name):
    with pytest.raises(ValueError, match=r"a matrix has two dimensions, and the shape is \(3,\)"):
        getattr(Tensor([1.0, 2.0, 3.0]), name)()
