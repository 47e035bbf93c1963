"""The computation graph as a picture: who was made from whom, from the inputs down to the loss.

`draw_graph` collects boxes and arrows, `Layout` finds places for them, layer by layer and module
inside module, and `Drawing` writes SVG or DOT text. No other program is needed.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ..tensor import Call, Tensor, later
from .gradients import Reach, described
from .tracing import Trace

LETTER, LINE, GAP, PAD, TITLE = 6.3, 15, 26, 10, 18  # pixels
MANY = 24  # boxes: from here on those of a module are folded


@dataclass(eq=False)
class Box:
    """What is drawn as one rectangle.

    Attributes:
        names: of the primitives in it, in order; or what else it is.
        module: path of the module, "" outside of all.
        shape: of the result.
        kind: "op", "leaf", "data" or "lost" (no gradient comes here, although it could).
        lines: more text: the parameters that are used here.
        norm: length of the gradient that arrives, if it was asked for.
        title: the name of the module, if this is all that it does.
    """

    names: list
    module: str
    shape: tuple
    kind: str = "op"
    lines: list = field(default_factory=list)
    norm: float | None = None
    title: str = ""

    def text(self):
        """The lines in the rectangle; the first is the headline."""
        counted = [f"{n} x{c}" if c > 1 else n for n, c in Counter(self.names).items()]
        rows = [", ".join(counted[i : i + 2]) for i in range(0, len(counted), 2)]
        rows[0] = f"{self.title}: {rows[0]}" if self.title else rows[0]
        more = [] if self.norm is None else [f"|g| {self.norm:.2g}"]
        return [*rows, f"{self.shape}".replace("[", "").replace("]", ""), *self.lines, *more]


def draw_graph(loss, model=None, norms=False, fold=None):
    """Draw the graph behind a loss, before backward() frees it.

    Args:
        loss: a Tensor; or a function without arguments that returns one. The function is run and
            watched, so that its picture shows the exact modules, and in red where the graph is cut.
        model: a Module (or dictionary name -> Tensor), for names of parameters and modules.
        norms: walk the graph once more and write the length of the gradients beside it. No .grad
            changes, and the graph stays.
        fold: draw neighbours in one module as one box; by default only where there are many.

    Returns:
        A `Drawing`: shows itself in Jupyter; `.save("graph.svg")`, `.svg()`, `.dot()`.

    Raises:
        TypeError: there is no Tensor. RuntimeError: it has no graph, or that was freed.

    >>> x = Tensor([3.0], requires_grad=True)
    >>> print(draw_graph((x * x + x).sum()))
    4 boxes, 4 arrows, 0 cuts
    """
    trace = None
    if not isinstance(loss, Tensor) and callable(loss):
        trace = Trace(model, digests=False)
        loss = trace.run(loss)
    if not isinstance(loss, Tensor):
        raise TypeError(f"draw_graph takes a loss or a function that returns one, not {loss!r:.40}")
    if loss.made_by is None and trace is None:
        raise RuntimeError(
            "draw_graph: this tensor has no graph, detach() or no_grad() has cut it: pass the "
            "function that computes it, and the picture shows where"
        )
    lengths = lengths_of(loss) if norms and loss.requires_grad else {}
    names = named(model)
    collect = from_trace(trace, loss, names, lengths) if trace else from_walk(loss, names, lengths)
    boxes, edges, cuts = collect
    if fold or (fold is None and len(boxes) > MANY):
        boxes, edges, cuts = folded(boxes, edges, cuts)
    modules = model.named_modules() if hasattr(model, "named_modules") else []
    return Drawing(boxes, edges, cuts, {path: type(m).__name__ for path, m in modules})


def named(model):
    """id of a tensor -> its name in the model."""
    if model is None:
        return {}
    pairs = model.items() if isinstance(model, dict) else model.named_parameters()
    return {id(tensor): name for name, tensor in pairs}


def lengths_of(loss):
    """Length of the gradient of every call and leaf behind a loss."""
    watch, found = Trace(digests=False), {}
    walk = later("autograd", "backward")
    watch.run(lambda: walk(loss, None, True, into=found.update))
    lengths = {leaf: float((g.astype(float) ** 2).sum()) ** 0.5 for leaf, g in found.items()}
    return lengths | {step.call: step.norm for step in watch.walked}


def line_for(name, tensor, lengths):
    """A parameter as a line of text."""
    shape = f"{name} {tensor.shape}"
    return shape + (f" |g| {lengths[tensor]:.2g}" if tensor in lengths else "")


# ---------------------------------------------------------------- collecting


def from_walk(loss, names, lengths):
    """Boxes and edges from the graph alone: (boxes, edges, cuts)."""
    boxes, edges = {}, {}
    for node in in_order(loss.made_by):
        if isinstance(node, Tensor):
            if id(node) not in names:
                boxes[node] = Box(["input"], "", node.shape, "leaf", [], lengths.get(node))
            continue
        if node.primitive == "part":
            boxes[node] = boxes[node.inputs[0]]
            continue
        shape = node.shape[0] if isinstance(node.shape, list) else node.shape
        box = boxes[node] = Box([node.primitive], "", shape, norm=lengths.get(node))
        used = [t for t in node.inputs if isinstance(t, Tensor) and id(t) in names]
        box.module = common([names[id(t)].rpartition(".")[0] for t in used])
        for t in used:
            name = names[id(t)].removeprefix(f"{box.module}.")
            box.lines.append(line_for(name, t, lengths))
        for source in node.inputs:
            if source is not None and id(source) not in names:
                edges[boxes[source], box] = None
    unique = list(dict.fromkeys(boxes.values()))
    guess_modules(unique, list(edges))
    return unique, list(edges), {}


def in_order(root):
    """The calls and leaves behind a call, each after all that it was made from."""
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, listed = todo.pop()
        if listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            if isinstance(node, Call) and isinstance(node.kept, str):
                raise RuntimeError("draw_graph: backward() has freed this graph: draw it before")
            todo.append((node, True))
            todo += [(s, False) for s in getattr(node, "inputs", ()) if s is not None]
    return order


def common(paths):
    """The path that all have in common; "" for none."""
    parts = [path.split(".") for path in paths]
    shared = 0
    while parts and all(len(p) > shared and p[shared] == parts[0][shared] for p in parts):
        shared += 1
    return ".".join(parts[0][:shared]) if parts else ""


def neighbours(edges):
    """For every end of an edge: (where its edges come from, where they go)."""
    sources, users = defaultdict(list), defaultdict(list)
    for a, b, *_ in edges:
        sources[b].append(a)
        users[a].append(b)
    return sources, users


def guess_modules(boxes, edges):
    """Give boxes without parameters the module that those before and after have in common."""
    before, after = defaultdict(str), defaultdict(str)
    sources, users = neighbours(edges)
    for box in boxes:
        known = [before[a] for a in sources[box]] if not box.module else [box.module]
        before[box] = known[-1] if known else ""
    for box in reversed(boxes):
        known = [after[b] for b in users[box]] if not box.module else [box.module]
        after[box] = known[0] if known else ""
    for box in boxes:
        if not box.module and box.kind == "op":
            box.module = between(before[box], after[box])


def between(first, second):
    """The module that computes between two others; a list of modules computes nothing."""
    shared = common([first, second]) if first and second else ""
    rest = first.removeprefix(shared).removeprefix(".").split(".")
    if shared and rest[0].isdigit():
        return f"{shared}.{rest[0]}"  # blocks -> blocks.0
    if not shared and len(rest) > 1 and rest[1].isdigit():
        return ".".join(rest[:2])
    return shared


def from_trace(trace, loss, names, lengths):
    """Boxes, edges and cuts from everything that happened: (boxes, edges, cuts)."""
    end = trace.node_of(loss)
    reach = Reach(trace, end)
    nodes = [n for n in trace.nodes if n in reach.to_loss]
    calls_of, boxes, same = defaultdict(list), {}, {}
    for call, node in trace.calls.items():
        calls_of[node].append(call)
    learns = {n for n in nodes if n.recorded}
    touched = reach.flow([n for n in learns if not n.inputs], everything=True)
    for node in nodes:
        parameter = node.kind == "entry" and id(node.value) in names
        number = not isinstance(node.value, Tensor) or not node.inputs and node.value.array.size < 2
        if parameter or (node.kind == "entry" and not node.inputs and number):
            continue
        key = id(node.args) if node.args else id(node)
        if key not in same:
            norm = next((lengths[c] for c in calls_of[node] if c in lengths), None)
            same[key] = Box([word_for(node)], node.module or "", node.shape, "op", [], norm)
            same[key].kind = kind_of(node, touched)
        boxes[node] = same[key]
    edges, cuts = {}, {}
    for node, box in boxes.items():
        for source in node.inputs:
            start = boxes.get(source)
            if start is None:
                if id(source.value) in names and source.kind == "entry":
                    use_parameter(box, node, source, names, lengths)
                continue
            if start.kind == "data" and not source.inputs:  # everyone who uses it draws it
                data = Box(["data"], box.module, source.shape, "data")
                start = same.setdefault((source, box), data)
            if start is not box:
                edges[start, box] = None
                if source.recorded and source not in node.carries():
                    cuts[start, box] = described(node)[2]
    drawn = [box for edge in edges for box in edge] + [boxes[end]] * (end in boxes)
    return list(dict.fromkeys(drawn)), list(edges), cuts


def use_parameter(box, node, source, names, lengths):
    """Write into a box that a parameter is used there, and whether a gradient comes back."""
    name = names[id(source.value)].removeprefix(f"{box.module}.")
    line = line_for(name, source.value, lengths)
    if source.recorded and source not in node.carries():
        line += f"  CUT: {described(node)[2]}"
        box.kind = "lost"
    if line not in box.lines:
        box.lines.append(line)


def word_for(node):
    """What an operation is called in its box."""
    if node.kind == "entry" and not node.name:
        return "data" if not node.recorded else "input"
    return node.name


def kind_of(node, touched):
    """The look of a box."""
    if node.recorded:
        return "op" if node.inputs else "leaf"
    return "lost" if node in touched else "data"


def folded(boxes, edges, cuts):
    """One box for neighbours in the same module, where only one of them uses the other."""
    into, start = {box: box for box in boxes}, neighbours(edges)[1]

    def final(box):
        while into[box] is not box:
            into[box] = box = into[into[box]]
        return box

    for old in boxes:  # each before its users, and so not yet in another
        users = {final(b) for b in start[old]} - {old}
        if len(users) == 1:
            user = users.pop()
            alike = old.kind == user.kind and old.module == user.module != ""
            if alike and not any((old, b) in cuts for b in start[old]):
                into[old] = user
                user.names, user.lines = old.names + user.names, old.lines + user.lines
    ends = {(final(a), final(b)): None for a, b in edges if final(a) is not final(b)}
    cuts = {(final(a), final(b)): why for (a, b), why in cuts.items()}
    return [box for box in boxes if into[box] is box], list(ends), cuts


# ---------------------------------------------------------------- layout: layers, module in module


@dataclass(eq=False)
class Group:
    """A rectangle around the boxes of a module, and around the groups in it."""

    path: str
    members: list = field(default_factory=list)
    inside: set = field(default_factory=set)  # all boxes, at any depth


@dataclass(eq=False)
class Slot:
    """A place in a layer: for a box, a group, an arrow that passes by, or a way in or out."""

    what: object
    layer: int = 0
    width: float = 8.0
    height: float = 0.0
    x: float = 0.0  # its middle
    y: float = 0.0  # its top
    inner: object = None  # the Level of a group


def grouped(boxes):
    """The tree of groups over the boxes: the outermost Group."""
    root, paths = Group(""), Counter(box.module for box in boxes)
    groups = {"": root}
    for box in boxes:
        parts = box.module.split(".") if box.module else []
        alone = paths[box.module] == 1 and not any(p.startswith(box.module + ".") for p in paths)
        box.title = parts[-1] if alone and parts else ""
        group = root
        for depth in range(1, len(parts) + (not alone)):
            path = ".".join(parts[:depth])
            if path not in groups:
                groups[path] = Group(path)
                group.members.append(groups[path])
            group = groups[path]
        group.members.append(box)
    return tidied(root)


def tidied(group):
    """Without groups that hold only other groups or one thing, and with `inside` filled."""
    members = []
    for member in group.members:
        if isinstance(member, Group):
            tidied(member)
            own = [m for m in member.members if isinstance(m, Box)]
            members += [member] if own and len(member.members) > 1 else member.members
        else:
            members.append(member)
    group.members = members
    for member in members:
        group.inside |= member.inside if isinstance(member, Group) else {member}
    return group


class Level:
    """The layout of the members of one group; positions count from its own corner.

    Attributes:
        slots: all places. width, height: of the whole.
        ports: ("in" or "out", box outside or inside) -> the x where its arrow passes the border.
        hops: (slot above, slot below, the box where the arrow begins, the one where it ends).
    """

    def __init__(self, group, edges, depth=0):
        self.group, self.depth = group, depth
        self.items = {m: Slot(m) for m in group.members}
        self.links = self.project(edges)
        while (tangle := self.tangled()) is not None:  # a module that is used twice
            self.items.pop(tangle)
            self.items |= {m: Slot(m) for m in tangle.members}
            self.links = self.project(edges)
        self.measure(edges)
        self.layers()
        self.passages()
        self.place()

    def project(self, edges):
        """The arrows as this level sees them: (from, to, the box where it begins)."""
        home = {}
        for member in self.items:
            for box in member.inside if isinstance(member, Group) else (member,):
                home[box] = member
        links = {}
        for a, b in edges:
            first, second = home.get(a), home.get(b)
            if first is not second:
                links[first or ("in", a), second or ("out", a), a] = b
        return [(a, b, source, end) for (a, b, source), end in links.items()]

    def tangled(self):
        """A group through which the arrows run in a circle, or None."""
        inside = [link for link in self.links if link[0] in self.items and link[1] in self.items]
        sources, users = neighbours(inside)
        waiting = {member: len(sources[member]) for member in self.items}
        free = [m for m, count in waiting.items() if not count]
        while free:
            member = free.pop()
            del waiting[member]
            for b in users[member]:
                waiting[b] -= 1
                if not waiting[b]:
                    free.append(b)
        groups = [m for m in waiting if isinstance(m, Group)]
        return groups[0] if groups else None

    def measure(self, edges):
        """The size of every member."""
        for member, slot in self.items.items():
            if isinstance(member, Group):
                slot.inner = Level(member, edges, self.depth + 1)
                slot.width, slot.height = slot.inner.width, slot.inner.height
            else:
                slot.width = max(map(len, member.text())) * LETTER + 2 * PAD
                slot.height = len(member.text()) * LINE + PAD

    def layers(self):
        """Every member below all that it is made from; ways in at the top, ways out at the end."""
        for a, b, *_ in self.links:
            for end in (a, b):
                if isinstance(end, tuple) and end not in self.items:
                    self.items[end] = Slot(end)
        members = {m: None for m in self.items if not isinstance(m, tuple)}
        has_in = any(isinstance(m, tuple) and m[0] == "in" for m in self.items)
        for member in members:
            self.items[member].layer = int(has_in)
        for _ in members:  # as often as the longest path is long, at most
            moved = False
            for a, b, *_ in self.links:
                first, second = self.items[a], self.items[b]
                if second.layer <= first.layer and b in members:
                    second.layer, moved = first.layer + 1, True
            if not moved:
                break
        self.sink(members)
        last = max((self.items[m].layer for m in members), default=0)
        for member, slot in self.items.items():
            if isinstance(member, tuple):
                slot.layer = 0 if member[0] == "in" else last + 1
        self.depth_of_layers = 1 + max(slot.layer for slot in self.items.values())

    def sink(self, members):
        """Who waits long for its user stands just above it, where that needs no more passages.

        Without this, n products of one tensor, each used in another layer, need n * n passages.
        """
        sources, users = neighbours(self.links)
        for member in sorted(members, key=lambda m: -self.items[m].layer):
            uses = [self.items[b].layer for b in users[member] if b in members]
            lowest = min(uses, default=0) - 1
            if lowest > self.items[member].layer:
                ends = [[self.items[b].layer for b in users[a]] for a in sources[member]]
                if sum(max(layers) < lowest for layers in ends) <= 1:
                    self.items[member].layer = lowest

    def passages(self):
        """A slot in every layer that an arrow only passes; arrows of one box share them."""
        self.slots, self.hops, shared = list(self.items.values()), [], {}
        for a, b, source, end in self.links:
            before, last = self.items[a], self.items[b]
            for layer in range(before.layer + 1, last.layer):
                key = source, layer
                if key not in shared:
                    shared[key] = Slot(("pass", source), layer, 14.0)
                    self.slots.append(shared[key])
                    self.hops.append((before, shared[key], source, None))
                before = shared[key]
            self.hops.append((before, last, source, end))
        self.rows = [[] for _ in range(self.depth_of_layers)]
        for slot in self.slots:
            self.rows[slot.layer].append(slot)
        self.above, self.below = defaultdict(list), defaultdict(list)
        for first, second, source, _ in self.hops:
            self.above[second].append((first, source))
            self.below[first].append((second, source))

    def side(self, slot, source, way):
        """How far from its middle an arrow meets a slot: groups have a port for it."""
        if slot.inner is None:
            return 0.0
        return slot.inner.ports.get((way, source), slot.width / 2) - slot.width / 2

    def place(self):
        """An order in each layer with few crossings, and then x and y for every slot."""
        for row in self.rows:
            spread(row, [0.0] * len(row))
        for sweep in range(8):
            down = sweep % 2 == 0
            for row in self.rows if down else self.rows[::-1]:
                wanted = [self.wish(slot, down) for slot in row]
                if sweep < 6:
                    order = sorted(range(len(row)), key=lambda i: wanted[i])
                    row[:] = [row[i] for i in order]
                    wanted = [wanted[i] for i in order]
                spread(row, wanted)
        title = TITLE if self.depth else 0
        y = title + PAD
        for number, row in enumerate(self.rows):
            height = max((slot.height for slot in row), default=0)
            for slot in row:
                slot.y = y + (height - slot.height) / 2
                if isinstance(slot.what, tuple) and slot.what[0] == "pass":
                    slot.y, slot.height = y, height
            after = self.rows[number + 1] if number + 1 < len(self.rows) else []
            y += height + (GAP if height and any(slot.height for slot in after) else 8)
        left = min(slot.x - slot.width / 2 for slot in self.slots) - PAD
        for slot in self.slots:
            slot.x -= left
        self.width = max(slot.x + slot.width / 2 for slot in self.slots) + PAD
        words = len(self.group.path) * LETTER + 2 * PAD + 90
        self.width, self.height = max(self.width, words if self.depth else 0), y + PAD
        self.ports = {s.what: s.x for s in self.slots if isinstance(s.what, tuple)}

    def wish(self, slot, down):
        """Where a slot would like to be: under, or above, those it is tied to."""
        wishes, ways = [], ("in", "out") if down else ("out", "in")
        for other, source in (self.above if down else self.below)[slot]:
            shift = self.side(other, source, ways[1]) - self.side(slot, source, ways[0])
            wishes.append(other.x + shift)
        return sum(wishes) / len(wishes) if wishes else slot.x


def spread(row, wanted):
    """Give the slots of a row, in their order, an x near what they want, without overlap."""
    if not row:
        return
    right = list(wanted)
    for i in range(1, len(row)):
        apart = (row[i - 1].width + row[i].width) / 2 + 16
        right[i] = max(wanted[i], right[i - 1] + apart)
    left = list(wanted)
    for i in range(len(row) - 2, -1, -1):
        apart = (row[i + 1].width + row[i].width) / 2 + 16
        left[i] = min(wanted[i], left[i + 1] - apart)
    for slot, a, b in zip(row, left, right):
        slot.x = (a + b) / 2


# ---------------------------------------------------------------- drawing

COLOURS = {"op": "#e8f0fb", "leaf": "#e4f5e4", "data": "#f3f3f3", "lost": "#fde7e7"}
STYLE = (
    "text{font:11px sans-serif;fill:#222}.name{font-weight:bold}.path{fill:#667}"
    "path{fill:none;stroke:#678}.cut{stroke:#d00;stroke-dasharray:5 3;stroke-width:2}"
    ".group{fill:#7080901a;stroke:#9ab}.red{fill:#d00}"
)


class Drawing:
    """The picture of a graph.

    Attributes:
        boxes, edges: what is drawn: `Box`es, and pairs of them from earlier to later.
        cuts: edge -> the operation that lets no gradient pass; drawn red.
        kinds: path of a module -> the name of its class.
    """

    def __init__(self, boxes, edges, cuts, kinds):
        self.boxes, self.edges, self.cuts, self.kinds = boxes, edges, cuts, kinds

    def __repr__(self):
        return f"{len(self.boxes)} boxes, {len(self.edges)} arrows, {len(self.cuts)} cuts"

    def _repr_svg_(self):
        return self.svg()

    def save(self, path):
        """Write an `.svg` file, or a `.dot` file for Graphviz.

        Raises:
            ValueError: the name ends in something else.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".dot"):
            raise ValueError(f"a drawing is saved as .svg or .dot, not {path.name!r}")
        path.write_text(self.svg() if path.suffix == ".svg" else self.dot(), encoding="utf-8")
        return path

    def svg(self):
        """The picture as SVG text."""
        level = Level(grouped(self.boxes), self.edges)
        self.parts, self.over = [], []
        self.paint(level, 0, 0)
        size = f'width="{math.ceil(level.width)}" height="{math.ceil(level.height)}"'
        view = f'viewBox="0 0 {math.ceil(level.width)} {math.ceil(level.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}><style>{STYLE}</style>'
        tip = '<path d="M0,0 L8,4 L0,8 z" style="fill:COLOUR;stroke:none"/></marker>'
        marker = '<marker id="NAME" markerWidth="8" markerHeight="8" refX="7" refY="4" '
        marker += 'orient="auto" markerUnits="userSpaceOnUse">'
        tips = "".join(
            marker.replace("NAME", name) + tip.replace("COLOUR", colour)
            for name, colour in (("tip", "#678"), ("red", "#d00"))
        )
        body = [f"<defs>{tips}</defs>", '<rect width="100%" height="100%" fill="white"/>']
        return "\n".join([head, *body, *self.parts, *self.over, "</svg>"])

    def paint(self, level, left, top):
        """A level with its corner at (left, top)."""
        if level.depth:
            kind = self.kinds.get(level.group.path, "")
            box = f'x="{left:.0f}" y="{top:.0f}" width="{level.width:.0f}"'
            self.parts.append(f'<rect class="group" rx="6" {box} height="{level.height:.0f}"/>')
            self.write(left + PAD, top + 13, f"{level.group.path}  {kind}", "path", "start")
        for slot in level.slots:
            x, y = left + slot.x, top + slot.y
            if slot.inner is not None:
                self.paint(slot.inner, x - slot.width / 2, y)
            elif isinstance(slot.what, Box):
                self.rectangle(slot.what, slot, x, y)
        for first, second, source, end in level.hops:
            self.arrow(level, first, second, source, end, left, top)

    def rectangle(self, box, slot, x, y):
        """One box and its text."""
        corner = f'x="{x - slot.width / 2:.0f}" y="{y:.0f}" rx="4"'
        border = "#d00" if box.kind == "lost" else "#678"
        look = f'fill="{COLOURS[box.kind]}" stroke="{border}"'
        self.over.append(
            f'<rect {corner} width="{slot.width:.0f}" height="{slot.height:.0f}" {look}>'
            f"<title>{escape(box.module)}</title></rect>"
        )
        for n, line in enumerate(box.text()):
            style = "name" if n == 0 else "red" if "CUT" in line else "line"
            self.write(x, y + 14 + n * LINE, line, style, "middle", over=True)

    def write(self, x, y, text, style, anchor, over=False):
        """A line of text."""
        place = f'x="{x:.0f}" y="{y:.0f}" class="{style}" text-anchor="{anchor}"'
        (self.over if over else self.parts).append(f"<text {place}>{escape(text)}</text>")

    def arrow(self, level, first, second, source, end, left, top):
        """A piece of an arrow, from one slot to the next one below."""
        x1 = left + first.x + level.side(first, source, "out")
        x2 = left + second.x + level.side(second, source, "in")
        y1, y2 = top + first.y + first.height, top + second.y
        if isinstance(first.what, tuple) and first.what[0] == "in":
            y1 = top
        if isinstance(second.what, tuple) and second.what[0] == "out":
            y2 = top + level.height
        bend = max(8.0, min(abs(y2 - y1) / 2, 40.0))
        d = f"M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} "
        d += f"{x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}"
        if isinstance(second.what, tuple) and second.what[0] == "pass":
            d += f" V{y2 + second.height:.1f}"
        why = self.cuts.get((source, end))
        last = isinstance(second.what, Box)
        tip = f' marker-end="url(#{"red" if why else "tip"})"' if last else ""
        look = ' class="cut"' if why else ""
        self.over.append(f'<path d="{d}"{look}{tip}/>')
        if why and last:
            self.write((x1 + x2) / 2 + 4, (y1 + y2) / 2, f"CUT: {why}", "red", "start", over=True)

    def dot(self):
        """The same as text for Graphviz."""
        numbers = {box: f"n{i}" for i, box in enumerate(self.boxes)}
        lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname="sans-serif"];']
        self.clusters(grouped(self.boxes), numbers, lines, "  ")
        for a, b in self.edges:
            why = self.cuts.get((a, b))
            look = f" [color=red, style=dashed, label={quoted('CUT: ' + why)}]" if why else ""
            lines.append(f"  {numbers[a]} -> {numbers[b]}{look};")
        return "\n".join([*lines, "}", ""])

    def clusters(self, group, numbers, lines, indent):
        """The boxes of a group, and those of its groups inside braces."""
        for member in group.members:
            if isinstance(member, Box):
                label, colour = quoted("\n".join(member.text())), COLOURS[member.kind]
                lines.append(f'{indent}{numbers[member]} [label={label}, fillcolor="{colour}"];')
            else:
                lines.append(f"{indent}subgraph {quoted('cluster ' + member.path)} {{")
                lines.append(f"{indent}  label={quoted(member.path)};")
                self.clusters(member, numbers, lines, indent + "  ")
                lines.append(f"{indent}}}")


def quoted(text):
    """A text as DOT writes it."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
