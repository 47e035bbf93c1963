"""draw_graph: what is in the picture, that nothing overlaps, and that it is valid SVG and DOT."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import tinytorch
from tinytorch import nn, no_grad
from tinytorch.explain.graph import Box, Level, draw_graph, grouped
from tinytorch.nn import functional as F
from tinytorch.tensor import Tensor
from tinytorch.transformers import GPT

IDS = Tensor(np.random.default_rng(0).integers(0, 20, (2, 8)))


def gpt():
    tinytorch.manual_seed(0)
    return GPT(20, 16, 2, 2, 8)


def loss_of(model):
    return F.cross_entropy(model(IDS), IDS)


def rectangles(level, left=0.0, top=0.0):
    """(the box or group, left, top, right, bottom) of everything in a level."""
    for slot in level.slots:
        x, y = left + slot.x - slot.width / 2, top + slot.y
        if slot.inner is not None:
            yield slot.what, x, y, x + slot.width, y + slot.height
            yield from rectangles(slot.inner, x, y)
        elif isinstance(slot.what, Box):
            yield slot.what, x, y, x + slot.width, y + slot.height


def check_layout(drawing):
    """No two rectangles cross; those of a group lie inside it; arrows point downwards."""
    level = Level(grouped(drawing.boxes), drawing.edges)
    found = list(rectangles(level))
    place = {what: corners for what, *corners in found}
    assert {box for box in place if isinstance(box, Box)} == set(drawing.boxes)
    for i, (first, l1, t1, r1, b1) in enumerate(found):
        assert l1 >= 0 and t1 >= 0 and r1 <= level.width + 1 and b1 <= level.height + 1
        for second, l2, t2, r2, b2 in found[i + 1 :]:
            apart = r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1
            inside = second in getattr(first, "inside", ()) or (
                getattr(second, "inside", None) and second.inside <= getattr(first, "inside", set())
            )
            assert apart != bool(inside), f"{first} and {second}"
    for a, b in drawing.edges:
        assert place[a][3] <= place[b][1], f"the arrow {a.names} -> {b.names} points upwards"


def texts(drawing):
    tree = ElementTree.fromstring(drawing.svg())
    return [t.text for t in tree.iter() if t.tag.endswith("text")]


class TestPicture:
    def test_small_graph(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        drawing = draw_graph((x * x + x.exp() * x).sum())
        check_layout(drawing)
        assert repr(drawing) == "6 boxes, 7 arrows, 0 cuts"
        assert texts(drawing).count("mul") == 2 and "input" in texts(drawing)

    def test_gpt_by_its_modules(self):
        model = gpt()
        drawing = draw_graph(loss_of(model), model)
        check_layout(drawing)
        found = texts(drawing)
        assert len(drawing.boxes) <= 30
        for line in ("blocks.0  TransformerBlock", "blocks.1.attention  MultiHeadAttention"):
            assert line in found
        assert "query.weight (16, 16)" in found and "norm1: layer_norm" in found

    def test_the_same_modules_by_watching_and_by_guessing(self):
        model = gpt()
        guessed = draw_graph(loss_of(model), model, fold=False)
        watched = draw_graph(lambda: loss_of(model), model, fold=False)
        check_layout(watched)

        def modules(drawing):
            return [(b.names, b.module) for b in drawing.boxes if b.kind == "op" and b.lines]

        assert sorted(modules(guessed)) == sorted(modules(watched))

    def test_cuts_are_red(self):
        model = gpt()

        def step():
            x = model.blocks[0](model.embed(IDS))
            x = model.blocks[1](Tensor(x.data * 1.0))
            return F.cross_entropy(model.head(model.norm(x)), IDS)

        drawing = draw_graph(step, model)
        check_layout(drawing)
        assert list(drawing.cuts.values()) == [".data"]
        svg = drawing.svg()
        assert 'class="cut"' in svg and "CUT: .data" in texts(drawing)
        assert "color=red" in drawing.dot()

    def test_a_parameter_behind_a_cut(self):
        layer = nn.Linear(4, 3)

        def step():
            with no_grad():
                return layer(tinytorch.ones(2, 4)).sum()

        drawing = draw_graph(step, layer)
        assert any("CUT: no_grad" in line for line in texts(drawing))

    def test_lengths_of_gradients(self):
        model = gpt()
        loss = loss_of(model)
        drawing = draw_graph(loss, model, norms=True)
        assert all(p.grad is None for p in model.parameters())
        loss.backward()  # the graph is still there
        norm = np.linalg.norm(model.head.weight.grad.array)
        assert f"weight (20, 16) |g| {norm:.2g}" in texts(drawing)

    def test_a_module_that_is_used_twice(self):
        model = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Linear(4, 4)])
        twice, once = model

        def step():
            return twice(once(twice(tinytorch.ones(1, 4)))).sum()

        check_layout(draw_graph(step, model))
        check_layout(draw_graph(step(), model))

    @pytest.mark.parametrize("seed", range(30))
    def test_random_graphs_do_not_overlap(self, seed):
        rng = np.random.default_rng(seed)
        names = ["", "a", "a.b", "a.c", "d", "d.0", "d.1.e"]
        boxes = [
            Box(["op" * int(rng.integers(1, 6))], names[rng.integers(len(names))], (2, 3))
            for _ in range(rng.integers(2, 30))
        ]
        pairs = [(a, b) for i, b in enumerate(boxes) for a in boxes[:i] if rng.random() < 0.15]
        from tinytorch.explain.graph import Drawing

        drawing = Drawing(boxes, pairs, {}, {})
        check_layout(drawing)
        ElementTree.fromstring(drawing.svg())

    def test_escapes_what_xml_would_misread(self):
        drawing = draw_graph((Tensor([1.0], requires_grad=True) * 2).sum())
        drawing.boxes[0].names = ['<&"\\>']
        assert '<&"\\>' in texts(drawing) and '\\"\\\\>' in drawing.dot()

    def test_a_thousand_operations(self):
        x = y = Tensor([1.0], requires_grad=True)
        for _ in range(150):
            y = y * 0.5 + x
        drawing = draw_graph(y.sum())
        assert len(drawing.boxes) == 302 and drawing.svg().endswith("</svg>")

    def test_products_of_one_tensor_in_2000_boxes_do_not_need_a_passage_each(self):
        x = y = Tensor([1.0], requires_grad=True)
        for _ in range(660):
            y = y * 0.5 + x * 2
        drawing = draw_graph(y.sum())
        assert len(drawing.boxes) == 1982 and len(drawing.svg()) < 2_000_000  # 38 MB with them


class TestFiles:
    def test_svg_and_dot(self, tmp_path):
        drawing = draw_graph(loss_of(model := gpt()), model)
        svg = drawing.save(tmp_path / "graph.svg").read_text(encoding="utf-8")
        assert svg == drawing._repr_svg_() and svg.startswith("<svg xmlns=")
        dot = drawing.save(str(tmp_path / "graph.dot")).read_text(encoding="utf-8")
        assert dot.count(" -> ") == len(drawing.edges) and dot.count("{") == dot.count("}")
        assert len(re.findall(r"^ +n\d+ \[label=", dot, re.M)) == len(drawing.boxes)

    def test_refuses_another_ending(self, tmp_path):
        drawing = draw_graph((Tensor([1.0], requires_grad=True) * 2).sum())
        with pytest.raises(ValueError, match=r"saved as \.svg or \.dot, not 'a\.png'"):
            drawing.save(tmp_path / "a.png")


class TestRefusals:
    def test_no_graph(self):
        with pytest.raises(RuntimeError, match="no graph.*pass the function"):
            draw_graph(Tensor(1.0))

    def test_freed(self):
        loss = (Tensor([1.0], requires_grad=True) * 2).sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="freed this graph: draw it before"):
            draw_graph(loss)

    def test_no_tensor(self):
        with pytest.raises(TypeError, match="a loss or a function"):
            draw_graph(3.0)
        with pytest.raises(TypeError, match="a loss or a function"):
            draw_graph(lambda: 3.0)
