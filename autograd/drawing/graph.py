"""The graph behind a picture: tensors as nodes, calls of modules as boxes, before anything is folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

import numpy as np

from autograd.drawing.steps import Steps, ancestors
from autograd.recording import calls
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
    box: Box | None = None
    is_output: bool = False
    is_gradient: bool = False
    """Whether it belongs to the graph of the gradients, the backward half."""
    gradient_of: list[Node] = field(default_factory=list)
    """What it is the gradient of."""
    error: str = ""
    """What went wrong, of an op that has failed."""

    @property
    def is_op(self) -> bool:
        return self.tensor is not None and self.tensor.op is not None


@dataclass(eq=False, slots=True, repr=False)
class Box:
    """A call of a module, the interval of creation numbers of its ops; or several things shown as one.

    `kind` is "module", "gradient" (what the gradients of a module's ops are computed by), "repeat" (equal
    blocks in a row), "earlier" (old ops that are left out) or "inputs" (many leaves of one op).
    """

    kind: str
    first: int = 0
    last: int = 0
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
    def path(self) -> str:
        """Where the calling module keeps this one, e.g. "layers.0"."""
        around = self.parent
        while around is not None and around.kind not in ("module", "gradient"):
            around = around.parent
        return around.name_of(self.owner) if around is not None and self.owner is not None else ""

    def keeps(self, leaf: Tensor) -> bool:
        """Tell whether the module has this parameter; one that is gone is taken to have had it."""
        return self.owner is None or bool(self.name_of(leaf))

    def name_of(self, member: Any) -> str:
        """Say under which name the module keeps a part, e.g. "layers.0"; nothing if it does not."""
        if self.members is None:
            self.members = names_in(self.owner)
        return self.members.get(id(member), "")

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
    root = Box("", last=2**63)
    _place_ops(list(ordered), root)
    if gradients is not None:
        _place_gradients(nodes, gradients)
    place_leaves(list(ordered), root)
    for output in outputs:
        nodes[output].is_output = True
    return Graph(list(ordered), [nodes[output] for output in dict.fromkeys(outputs)], root)


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


def names_in(owner: Any) -> dict[int, str]:
    """Name what an object keeps in attributes, and in lists, tuples and dicts of them, by identity.

    What it keeps under several names has the first, as in `named_modules`.
    """
    found: dict[int, str] = {}
    stack = [(str(name), value) for name, value in reversed(getattr(owner, "__dict__", {}).items())]
    while stack:
        path, value = stack.pop()
        if id(value) in found:
            continue
        found[id(value)] = path
        parts: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            parts = list(value.items())
        elif isinstance(value, (list, tuple)):
            parts = list(enumerate(value))
        stack += [(f"{path}.{key}", part) for key, part in reversed(parts)]
    return found


def _place_ops(nodes: list[Node], root: Box) -> None:
    """Put each op into the innermost call that made it."""
    ops = [node for node in nodes if node.is_op and not node.is_gradient]
    orders = [node.tensor.order for node in ops]  # type: ignore[union-attr]
    since, until = (orders[0], orders[-1]) if orders else (0, 0)
    during = [call for call in calls.copy() if call[1] > since and call[0] < until]
    # Ops do not know their thread: what others called meanwhile would take this one's ops for its own.
    here = [call for call in during if call[4] == get_ident()]
    made = [Box("module", first, last, title, owner()) for first, last, title, owner, _ in here or during]
    made.sort(key=lambda box: box.first)
    upcoming = iter([*made, None])
    following = next(upcoming)
    current = root
    for node, order in zip(ops, orders, strict=True):  # the calls are entered and left as they were made
        while following is not None and following.first < order:
            while current.last < following.first:
                current = current.parent  # type: ignore[assignment]
            following.parent, current = current, following
            following = next(upcoming)
        while current.last < order:
            current = current.parent  # type: ignore[assignment]
        put(node, current)


def _place_gradients(nodes: dict[Tensor, Node], gradients: Steps) -> None:
    """Put the ops of the gradients into boxes of their own, one for each module that they are of."""
    mirrors: dict[Box, Box] = {}

    def mirror(box: Box) -> Box:
        if box.parent is None:
            return box
        if box not in mirrors:
            around = [box]
            while around[-1].parent is not None and around[-1].parent not in mirrors:
                around.append(around[-1].parent)
            for inner in reversed(around):
                if inner.parent is not None:
                    parent = mirrors.get(inner.parent, inner.parent)
                    mirrors[inner] = Box(
                        "gradient", title=inner.title, owner=inner.owner, parent=parent, of=inner
                    )
        return mirrors[box]

    made = sorted((node for node in nodes.values() if node.is_gradient), key=lambda node: node.tensor.order)  # type: ignore[union-attr]
    steps = iter(gradients.steps)
    step = next(steps, None)
    for node in made:
        while step is not None and step.last < node.tensor.order:  # type: ignore[union-attr]
            step = next(steps, None)
        if node.is_op and step is not None:
            put(node, mirror(nodes[step.node].box))  # type: ignore[arg-type]
    for x, gradient in gradients.gradients.items():
        if gradient in nodes and x in nodes and nodes[gradient].is_gradient:
            nodes[gradient].gradient_of.append(nodes[x])


def put(node: Node, box: Box) -> None:
    """Put an op into a box, and the box into those around it if it was empty."""
    node.box = box
    inner: Node | Box = node
    while True:
        was_empty = not box.children
        box.children.append(inner)
        if not was_empty or box.parent is None:
            return
        inner, box = box, box.parent


def place_leaves(nodes: list[Node], root: Box) -> None:
    """Put constants and parameters where they are used, if that is in one place; other leaves outside."""
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for x in node.inputs:
            if not x.is_op:
                users.setdefault(x, []).append(node)
    for leaf in nodes:
        if leaf.is_op:
            continue
        used_by = users.get(leaf, [])
        forward = [user for user in used_by if not user.is_gradient]
        leaf.is_gradient |= bool(used_by) and not forward
        callers = list(dict.fromkeys(user.box for user in forward or used_by))
        box = callers[0] if len(callers) == 1 else None
        if box is not None and box is not root and leaf.tensor is not None and not leaf.is_gradient:
            stays = leaf.tensor.requires_grad and box.keeps(leaf.tensor)
            box = box if stays else None
        leaf.box = box or root
        leaf.box.leaves.append(leaf)
