"""From a folded graph to a diagram: the words, colours and arrows of what is shown."""

from __future__ import annotations

from functools import cache
from math import inf, isfinite, isnan, log

from autograd.drawing import labels
from autograd.drawing.diagram import (
    FRAME,
    GRADIENT_FRAME,
    QUIET,
    TEXT,
    Arrow,
    Diagram,
    Frame,
    Legend,
    Line,
    Shape,
)
from autograd.drawing.folding import stand_ins
from autograd.drawing.graph import Box, Graph, Node, users_of
from autograd.drawing.rules import rules_of
from autograd.drawing.steps import seconds
from autograd.tensor import Tensor

# From little to much: light enough for dark text, and told apart by the colour-blind.
SCALE = ["#ffffff", "#e3eef9", "#c3dbf0", "#9dc6e6", "#6fa8d6"]


class View:
    """What is shown of a graph, and how."""

    def __init__(self, graph: Graph, names: dict[Tensor, str], show: set[str], color_by: str | None) -> None:
        self.names = names
        self.show = show
        self.color_by = color_by or ""
        self.seconds = cache(_seconds)  # one measurement for the lines and the colours
        self.rules = cache(rules_of)
        self.shown = stand_ins(graph)
        self.graph = graph
        self.users = users_of(graph)
        self.outputs = {self.shown[output] for output in graph.outputs}
        self.items = list(dict.fromkeys(self.shown[node] for node in graph.nodes))
        self.frames: dict[Box | None, Frame | None] = {graph.root: None}
        self.alone: dict[Node, Box] = {}

    def diagram(self, direction: str, caption: str) -> Diagram:
        """Return the picture in words and colours."""
        self._make_frames()
        shapes = {item: self._shape(item) for item in self.items}
        legend = self._color(shapes) if self.color_by else None
        return Diagram(
            list(shapes.values()),
            [frame for frame in dict.fromkeys(self.frames.values()) if frame is not None],
            self._arrows(shapes),
            direction,
            caption,
            legend,
        )

    def _make_frames(self) -> None:
        """Make a frame for each box in which several things are shown; around one it would say too little."""
        boxes = self.graph.boxes()
        contents: dict[Box | None, list[Node | Box]] = {box: [] for box in [self.graph.root, *boxes]}
        for item in self.items:
            contents[_around(item)].append(item)
        for box in reversed(boxes):
            if contents[box]:
                contents[box.parent].append(box)
        for box in boxes:
            inside, around = contents[box], self.frames[box.parent]
            if len(inside) == 1 and isinstance(inside[0], Node):
                self.alone[inside[0]] = box
                self.frames[box] = around
            elif not inside or box.repeated is not None:
                # There is nothing to frame, or the frame of the module says how often it is repeated.
                self.frames[box] = around
            else:
                color = GRADIENT_FRAME if box.kind == "gradient" else FRAME
                self.frames[box] = Frame(_label(box), around, labels.box_tooltip(box), color)

    def _frame_of(self, item: Node | Box) -> Frame | None:
        return self.frames[_around(item)]

    # ------------------------------------------------------------------------------------ shapes

    def _shape(self, item: Node | Box) -> Shape:
        if isinstance(item, Box):
            return self._folded(item)
        title = labels.shortened(labels.title_of(item, self.names), 100)
        lines = labels.lines_of(item, self.names, self.show, self.seconds)
        if item in self.alone:
            lines.insert(0, [(_label(self.alone[item]), QUIET)])
        tooltip = labels.tooltip_of(item, title, self.rules)
        kind = labels.kind_of(item)
        if item in self.outputs and kind in ("op", "constant"):  # it may stand for one that is
            kind = "output"
        return Shape(item.name, kind, title, lines, tooltip, self._frame_of(item))

    def _folded(self, box: Box) -> Shape:
        nodes = list(box.within())
        lines: list[Line] = []
        if box.kind == "module":
            words = [path] if (path := labels.box_path(box)) else []
            count = labels.parameter_count(box)
            words += [f"{count:,} parameters"] if count else []
            lines += [[(word, QUIET)] for word in words]
        inputs, results = self._ends(box)
        if "shapes" in self.show and box.kind == "module" and inputs:
            lines.append([(f"{', '.join(str(x.value.shape) for x in inputs[:3])} to", QUIET)])
        for node in results[:2]:
            lines += labels.quantities(node, self.show)
        name = next(node.name for node in nodes)
        kind = "gradient" if box.kind == "gradient" else "module"
        kind = "failed" if any(node.error for node in nodes) else kind
        title = labels.box_title(box)
        return Shape(f"{name}_folded", kind, title, lines, labels.box_tooltip(box), self._frame_of(box))

    def _ends(self, box: Box) -> tuple[list[Node], list[Node]]:
        """Return what a box takes from outside, less parameters and constants, and what is used there."""
        nodes = list(box.within())
        inside = set(nodes)
        sources = dict.fromkeys(x for node in nodes for x in node.inputs if x not in inside)
        inputs = [x for x in sources if x.is_op or (x.tensor is not None and not x.requires_grad)]
        used = [node for node in nodes if node.is_op and not inside.issuperset(self.users.get(node, ()))]
        return inputs, used or [node for node in nodes if node.is_output]

    # ------------------------------------------------------------------------------------ arrows

    def _arrows(self, shapes: dict[Node | Box, Shape]) -> list[Arrow]:
        arrows: dict[tuple[Node | Box, Node | Box, int], Arrow] = {}
        returning: set[Node | Box] = set()
        latest = {self.shown[node]: place for place, node in enumerate(self.graph.nodes) if node.is_op}
        enters = {item: self._is_crowded(item) for item in self.items}
        for node in self.graph.nodes:
            head = self.shown[node]
            for use, x in enumerate(node.inputs):
                tail = self.shown[x]
                between_nodes = isinstance(tail, Node) and isinstance(head, Node)
                if tail is head and not between_nodes:
                    continue
                key = (tail, head, use if between_nodes else -1)
                if key in arrows:
                    arrows[key].gradient |= x.requires_grad
                    continue
                outside = self._frame_of(head) is not self._frame_of(tail)
                again = latest.get(tail, -1) >= latest[head]
                if again:
                    if tail in returning:  # one arrow says it
                        continue
                    returning.add(tail)
                is_computed = x.is_op or isinstance(tail, Box)
                arrows[key] = Arrow(
                    shapes[tail],
                    shapes[head],
                    gradient=x.requires_grad,
                    main=x.requires_grad and is_computed,
                    again=again,
                    room=outside and enters[head] and is_computed,
                    upward=x.is_gradient and node.is_gradient,
                )
        return list(arrows.values())

    def _is_crowded(self, item: Node | Box) -> bool:
        """Tell whether something stands above an op in its frame, as its parameters do."""
        if isinstance(item, Box) or not item.is_op:
            return False
        frame = self._frame_of(item)
        return frame is not None and any(
            not isinstance(self.shown[x], Box) and self._frame_of(self.shown[x]) is frame for x in item.inputs
        )

    # ------------------------------------------------------------------------------------ colours

    def _color(self, shapes: dict[Node | Box, Shape]) -> Legend:
        """Fill the shapes by a quantity, on a scale of logarithms."""
        amounts = {item: self._amount(item) for item in shapes}
        known = [amount for amount in amounts.values() if amount and isfinite(amount)]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        for item, shape in shapes.items():
            amount = amounts[item]
            shape.fill = SCALE[0]
            if amount and low < high:
                place = (log(min(amount, high)) - log(low)) / (log(high) - log(low))
                shape.fill = SCALE[round(place * (len(SCALE) - 1))]
            shape.lines = [[(text, TEXT) for text, _ in line] for line in shape.lines]
        write = {"memory": labels.size, "time": labels.duration}.get(self.color_by, "{:.3g}".format)
        quantity = {"grad": "gradient (rms)", "value": "value (rms)"}.get(self.color_by, self.color_by)
        return Legend(quantity, write(low), write(high), SCALE)

    def _amount(self, item: Node | Box) -> float | None:
        if isinstance(item, Box):
            amounts = [amount for node in item.within() if (amount := self._amount(node)) is not None]
            if not amounts:
                return None
            return sum(amounts) if self.color_by in ("memory", "time") else max(amounts)
        if item.error:
            return None
        if self.color_by == "memory":
            return labels.nbytes(item)
        if self.color_by == "time":
            measured = self.seconds(item)
            return sum(measured) if measured is not None else None
        value = item.grad if self.color_by == "grad" else item.value
        if value is None or value.dtype.kind not in "iufc" or not value.size:
            return None
        amount = labels.rms(value)
        return inf if isnan(amount) else amount


def _seconds(node: Node) -> tuple[float, float] | None:
    return seconds(node.tensor) if node.tensor is not None else None


def _around(item: Node | Box) -> Box | None:
    return item.parent if isinstance(item, Box) else item.box


def _label(box: Box) -> str:
    return f"× {len(box.blocks):,}" if box.kind == "repeat" else labels.box_label(box)
