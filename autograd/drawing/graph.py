"""The graph behind a picture: tensors as nodes, calls of modules as boxes, before anything is folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from threading import get_ident
from typing import Any

import numpy as np

from autograd.drawing.steps import Steps, ancestors
from autograd.primitives import Op
from autograd.recording import calls, names_in
from autograd.tensor import Tensor


@dataclass(eq=False, slots=True, repr=False)
class Node:
    """A tensor, or an array that an op has used."""

    name: str
    """n0, n1, ... from the oldest; n7_1 for the constant that is input 1 of n7."""
    tensor: Tensor | None
    value: Any
    inputs: list[Node] = field(default_factory=list)
    """What its op was given, in order, less plain numbers."""
    box: Box = field(init=False)
    """The innermost box around it."""
    is_output: bool = False
    is_gradient: bool = False
    """Whether it belongs to the graph of the gradients, the backward half."""
    gradient_of: list[Node] = field(default_factory=list)
    """What it is the gradient of."""
    error: str = ""
    """What went wrong, of an op that has failed."""
    op: Op | None = field(init=False)
    is_op: bool = field(init=False)

    def __post_init__(self) -> None:
        self.op = self.tensor.op if self.tensor is not None else None
        self.is_op = self.op is not None

    @property
    def op_name(self) -> str:
        return self.op.name if self.op is not None else ""

    @property
    def requires_grad(self) -> bool:
        return self.tensor is not None and self.tensor.requires_grad

    @property
    def grad(self) -> Any:
        """The array that `backward()` has left in `.grad`, if there is one."""
        gradient = self.tensor.grad if self.tensor is not None else None
        return gradient.data if gradient is not None else None


@dataclass(eq=False, slots=True, repr=False)
class Box:
    """A call of a module, or several things shown as one.

    `kind` is "module", "gradient" (what the gradients of a module's ops are computed by), "repeat" (equal
    blocks in a row), "earlier" (old ops that are left out) or "inputs" (many leaves of one op).
    """

    kind: str
    title: str = ""
    """The class of the module."""
    owner: Any = None
    parent: Box | None = None
    children: list[Node | Box] = field(default_factory=list)
    """Ops and boxes in it, in order."""
    leaves: list[Node] = field(default_factory=list)
    folded: bool = False
    blocks: list[list[Node | Box]] = field(default_factory=list)
    """The equal parts of a "repeat"."""
    likes: dict[Node, Node] = field(default_factory=dict)
    """For the nodes of these, but for the first of them, those in the first."""
    members: dict[int, str] | None = None
    """What the module keeps: names by identity, once they have been asked for."""
    of: Box | None = None
    """The module that a "gradient" is of."""

    @property
    def is_module(self) -> bool:
        """Whether it is a call of a module, or what the gradients of one are computed by."""
        return self.kind in ("module", "gradient")

    @property
    def repeated(self) -> Box | None:
        """Of a "repeat" whose blocks are one module each, the first of these."""
        block = self.blocks[0] if self.blocks else []
        return block[0] if len(block) == 1 and isinstance(block[0], Box) else None

    def modules(self) -> Iterator[Box]:
        """Yield this, if it is a module, and the modules around it, from inside out."""
        box: Box | None = self
        while box is not None:
            if box.is_module:
                yield box
            box = box.parent

    @property
    def depth(self) -> int:
        """How many modules are around a module."""
        return sum(1 for _ in self.modules()) - 1

    @property
    def path(self) -> str:
        """Where the calling module keeps this one, e.g. "layers.0"."""
        caller = next((box for box in self.modules() if box is not self), None)
        return caller.name_of(self.owner) if caller is not None and self.owner is not None else ""

    @property
    def full_path(self) -> str:
        """The path from the outermost module that is drawn, e.g. "encoder.layers.0"."""
        return ".".join(reversed([box.path for box in self.modules() if box.path]))

    def keeps(self, leaf: Tensor) -> bool:
        """Tell whether the module has this parameter; one that is gone is taken to have had it."""
        return self.owner is None or bool(self.name_of(leaf))

    def name_of(self, member: Any) -> str:
        """Say under which name the module keeps a part, e.g. "layers.0"; nothing if it does not."""
        if self.members is None:
            self.members = names_in(self.owner)
        return self.members.get(id(member), "")

    def claim(self) -> None:
        """Let the children and leaves know that they are in this box now."""
        for item in [*self.children, *self.leaves]:
            if isinstance(item, Box):
                item.parent = self
            else:
                item.box = self

    def within(self) -> Iterator[Node]:
        """Yield all nodes in it."""
        stack: list[Node | Box] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Box):
                yield from item.leaves
                stack.extend(reversed(item.children))
            else:
                yield item


@dataclass(eq=False, slots=True, repr=False)
class Graph:
    """All that leads to some tensors, oldest first."""

    nodes: list[Node]
    outputs: list[Node]
    root: Box
    """A box of no kind, around everything."""

    def boxes(self) -> list[Box]:
        """Return all boxes, those outside before those inside, in the order of their creation."""
        found = []
        stack = [self.root]
        while stack:
            box = stack.pop()
            found.append(box)
            stack.extend(child for child in reversed(box.children) if isinstance(child, Box))
        return found[1:]

    def likes(self) -> dict[Node, Node]:
        """Return the likes of all boxes: what stands for a node may have a like itself."""
        found: dict[Node, Node] = {}
        for box in self.boxes():
            found |= box.likes
        return found

    def take_apart(self) -> None:
        """Break the cycles of nodes and boxes, so that counting references frees the tensors."""
        for box in [self.root, *self.boxes()]:
            box.children, box.leaves, box.blocks, box.likes = [], [], [], {}


def graph_of(outputs: list[Tensor], gradients: Steps | None = None) -> Graph:
    """Return the graph of everything that the outputs were computed from, and that of their gradients."""
    of = gradients.gradients if gradients is not None else {}
    tensors = ancestors([*outputs, *(gradient for x, gradient in of.items() if x.op is None)])
    nodes = {tensor: Node(f"n{number}", tensor, tensor._array) for number, tensor in enumerate(tensors)}
    ordered: dict[Node, None] = {}  # inputs first: also leaves that were changed after their use
    for tensor, node in nodes.items():
        node.is_gradient = gradients is not None and tensor.order >= gradients.first
        for place, x in enumerate(tensor.inputs):
            if type(x) is Tensor:
                node.inputs.append(nodes[x])
                ordered[nodes[x]] = None
            elif not is_number(x):
                constant = Node(f"{node.name}_{place}", None, x, is_gradient=node.is_gradient)
                node.inputs.append(constant)
                ordered[constant] = None
        ordered[node] = None
    graph = Graph(list(ordered), [nodes[output] for output in dict.fromkeys(outputs)], Box(""))
    for output in graph.outputs:
        output.is_output = True
    _place_ops(nodes, graph.root)
    if gradients is not None:
        _place_gradients(graph, nodes, gradients)
    _place_leaves(graph)
    return graph


def users_of(graph: Graph) -> dict[Node, list[Node]]:
    """Return, for each node that is used, the nodes that use it."""
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for x in node.inputs:
            users.setdefault(x, []).append(node)
    return users


def ops_in(items: Iterable[Node | Box]) -> list[Node]:
    """Return the ops in some boxes, in order."""
    return [
        node for item in items for node in (item.within() if isinstance(item, Box) else [item]) if node.is_op
    ]


def is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex, np.generic))


def _place_ops(nodes: dict[Tensor, Node], root: Box) -> None:
    """Put each op into the innermost call that made it."""
    ops = [(tensor.order, node) for tensor, node in nodes.items() if node.is_op and not node.is_gradient]
    if not ops:
        return
    since, until = ops[0][0], ops[-1][0]
    during = [call for call in calls.copy() if call[1] > since and call[0] < until]
    # Ops do not know their thread: what others called meanwhile would take this one's ops for its own.
    made = [call for call in during if call[4] == get_ident()] or during
    made.sort(key=lambda call: call[0], reverse=True)
    around: list[tuple[float, Box]] = [(inf, root)]  # with the creation numbers at which the calls end
    for order, node in ops:  # the calls are entered and left as they were made
        while made and made[-1][0] < order:
            first, last, title, owner, _ = made.pop()
            while around[-1][0] < first:
                around.pop()
            around.append((last, Box("module", title, owner(), around[-1][1])))
        while around[-1][0] < order:
            around.pop()
        _put(node, around[-1][1])


def _place_gradients(graph: Graph, nodes: dict[Tensor, Node], gradients: Steps) -> None:
    """Put the ops of the gradients into boxes of their own, one for each module that they are of."""
    mirrors: dict[Box | None, Box] = {graph.root: graph.root}
    for box in graph.boxes():  # a box that nothing is put into is not in the graph
        mirrors[box] = Box("gradient", box.title, box.owner, mirrors[box.parent], of=box)
    steps = gradients.steps[::-1]
    for tensor, node in nodes.items():
        if node.is_op and node.is_gradient:
            while steps[-1].last < tensor.order:
                steps.pop()
            _put(node, mirrors[nodes[steps[-1].node].box])
    for x, gradient in gradients.gradients.items():
        if gradient in nodes and x in nodes and nodes[gradient].is_gradient:
            nodes[gradient].gradient_of.append(nodes[x])


def _put(node: Node, box: Box) -> None:
    """Put an op into a box, and the box into those around it if it was empty."""
    node.box = box
    inner: Node | Box = node
    while True:
        was_empty = not box.children
        box.children.append(inner)
        if not was_empty or box.parent is None:
            return
        inner, box = box, box.parent


def _place_leaves(graph: Graph) -> None:
    """Put constants and parameters where they are used, if that is in one place; other leaves outside."""
    users = users_of(graph)
    for leaf in graph.nodes:
        if leaf.is_op:
            continue
        used_by = users.get(leaf, [])
        forward = [user for user in used_by if not user.is_gradient]
        leaf.is_gradient |= bool(used_by) and not forward
        boxes = {user.box for user in forward or used_by}
        box = boxes.pop() if len(boxes) == 1 else graph.root
        if leaf.tensor is not None and not leaf.is_gradient:
            box = box if leaf.requires_grad and box.keeps(leaf.tensor) else graph.root
        leaf.box = box
        box.leaves.append(leaf)
