"""Blocks of a graph that repeat: equal ops, equally wired, in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd.drawing.graph import Box, Graph, Node, is_number, ops_in, users_of

REPETITIONS = 3  # of a block, from which on one of them stands for all
LONGEST_BLOCK = 64  # in ops and modules
OUTSIDE = -(2**63)  # the place of what is not in a block


def original(node: Node, likes: dict[Node, Node]) -> Node:
    """Return what stands for a node, where blocks that are equal may have equal blocks in them."""
    while node in likes:
        node = likes[node]
    return node


def fold_repetitions(graph: Graph, blocks_of_ops: bool) -> None:
    """Put equal blocks in a row into boxes of kind "repeat"; blocks without a module only if asked."""
    boxes = [graph.root, *graph.boxes()]
    if len(boxes) == 1 and not blocks_of_ops:
        return
    kinds = _kinds(graph.nodes, boxes)
    wiring = _Wiring(graph)
    for box in boxes:
        if box.kind == "repeat" or box.folded:
            continue
        found = dict(_repeats(box, kinds, wiring, blocks_of_ops))
        for begin in sorted(found, reverse=True):
            repeat = found[begin]
            box.children[begin : begin + len(repeat.children)] = [repeat]
            repeat.claim()
        box.leaves = [leaf for leaf in box.leaves if leaf.box is box]


def _kinds(nodes: list[Node], boxes: list[Box]) -> dict[Node | Box, int]:
    """Number nodes and boxes so that what may be drawn as one has one number."""
    numbers: dict[Any, int] = {}
    kinds: dict[Node | Box, int] = {}
    for node in nodes:
        kinds[node] = numbers.setdefault(_kind(node), len(numbers))
    for box in reversed(boxes):  # those inside first
        key = (box.kind, box.title, *(kinds[child] for child in box.children))
        kinds[box] = numbers.setdefault(key, len(numbers))
    return kinds


def _kind(node: Node) -> Any:
    """Return what ops that are drawn as one must have in common; None of leaves."""
    tensor, op = node.tensor, node.op
    if tensor is None or op is None:
        return None
    numbers = tuple(repr(x) for x in tensor.inputs if is_number(x))
    words = tuple(
        (word, getattr(value, "shape", None) or repr(type(value) if callable(value) else value))
        for word, value in (tensor.params or {}).items()
        if not isinstance(value, np.random.Generator)
    )
    kind = op.name, tensor.shape, tensor.dtype, tensor.requires_grad
    return *kind, len(node.inputs), numbers, words, node.is_gradient, node.error


def _repeats(
    box: Box, kinds: dict[Node | Box, int], wiring: _Wiring, blocks_of_ops: bool
) -> Iterator[tuple[int, Box]]:
    """Yield the boxes for equal blocks in a row among the children of a box, and where they begin."""
    items = box.children
    runs = _runs(np.array([kinds[item] for item in items]))
    if not runs:
        return
    ops = _Ops(items)
    # The gradients come last: they are computed from what of the forward half stands for what.
    runs.sort(key=lambda run: ops.begins_with_gradient(run[0]))
    taken = np.zeros(len(items), bool)
    for start, period, repetitions in runs:
        if taken[start : start + period * repetitions].any():
            continue
        if not blocks_of_ops and not any(map(_has_several_ops, items[start : start + period])):
            continue
        for first, equal in wiring.equal_blocks(ops, start, period, repetitions):
            begin, end = start + first * period, start + (first + equal) * period
            taken[begin:end] = True
            repeat = _repeat(box, [items[i : i + period] for i in range(begin, end, period)])
            wiring.likes |= repeat.likes
            yield begin, repeat


def _repeat(box: Box, blocks: list[list[Node | Box]]) -> Box:
    """Return a box for equal blocks in another one, with the constants of their ops."""
    items = [item for block in blocks for item in block]
    constants = [x for item in items if isinstance(item, Node) for x in item.inputs if x.tensor is None]
    return Box("repeat", parent=box, children=items, leaves=constants, blocks=blocks, likes=_likes(blocks))


def _has_several_ops(item: Node | Box) -> bool:
    return isinstance(item, Box) and len(ops_in([item])) > 1


def _runs(kinds: np.ndarray[Any, Any]) -> list[tuple[int, int, int]]:
    """Find (start, period, repetitions) of what repeats in a row, those that cover most first."""
    found = []
    for period in range(1, min(LONGEST_BLOCK, len(kinds) // REPETITIONS) + 1):
        same = np.concatenate([[False], kinds[:-period] == kinds[period:], [False]])
        changes = np.flatnonzero(same[1:] != same[:-1])
        starts, ends = changes[::2], changes[1::2]
        repetitions = (ends - starts) // period + 1
        enough = repetitions >= REPETITIONS
        found += [(int(s), period, int(r)) for s, r in zip(starts[enough], repetitions[enough], strict=True)]
    return sorted(found, key=lambda run: (-run[1] * run[2], run[1], run[0]))


class _Ops:
    """The ops in some items of a box, in order, and where those of each item begin."""

    def __init__(self, items: list[Node | Box]) -> None:
        self.nodes: list[Node] = []
        self.begins = [0]
        for item in items:
            self.nodes += ops_in([item])
            self.begins.append(len(self.nodes))
        self.places = {node: place for place, node in enumerate(self.nodes)}

    def begins_with_gradient(self, item: int) -> bool:
        return self.nodes[self.begins[item]].is_gradient


class _Wiring:
    """From where blocks take their inputs."""

    def __init__(self, graph: Graph) -> None:
        self.likes = graph.likes()
        self.users = users_of(graph)

    def equal_blocks(self, ops: _Ops, start: int, period: int, repetitions: int) -> Iterator[tuple[int, int]]:
        """Yield (first block, number) of blocks in a row that take their inputs from the same places."""
        begin = ops.begins[start]
        size = ops.begins[start + period] - begin
        first = i = 0
        while i < repetitions:
            if i + 1 < repetitions and self._equal(ops, begin + first * size, begin + i * size, size):
                i += 1
            elif i + 1 - first >= REPETITIONS:
                yield first, i + 1 - first
                first = i = i + 1
            elif first < i:  # too few; but the last of them may be the first of others
                first = i
            else:
                first = i = i + 1

    def _equal(self, ops: _Ops, since: int, begin: int, size: int) -> bool:
        """Tell whether the block from `begin` on is wired as the next; all before `since` is outside."""
        for place in range(begin, begin + size):
            for x, y in zip(ops.nodes[place].inputs, ops.nodes[place + size].inputs, strict=True):
                x_place, y_place = ops.places.get(x, OUTSIDE), ops.places.get(y, OUTSIDE)
                if y_place >= since:
                    # The first block gets from outside what the others get from one another.
                    entry = begin == since > x_place and y_place < begin + size
                    if x_place != y_place - size and not entry:
                        return False
                elif x_place >= since or not self._same_outside(x, y, ops, begin, size):
                    return False
        return True

    def _same_outside(self, x: Node, y: Node, ops: _Ops, begin: int, size: int) -> bool:
        """Tell whether x is to a block what y is to the next: the same, or a leaf of its own."""
        if original(x, self.likes) is original(y, self.likes):
            return True
        if x.is_op or y.is_op or _leaf_kind(x) != _leaf_kind(y):
            return False
        own = range(begin, begin + size)
        following = range(begin + size, begin + 2 * size)
        return all(
            ops.places.get(user) in places
            for leaf, places in ((x, own), (y, following))
            for user in self.users[leaf]
            if user.is_gradient == leaf.is_gradient
        )


def _leaf_kind(leaf: Node) -> Any:
    return np.shape(leaf.value), np.result_type(leaf.value), leaf.requires_grad, leaf.is_gradient


def _likes(blocks: list[list[Node | Box]]) -> dict[Node, Node]:
    """Return, for the nodes of all blocks but the first, those of the first that stand for them."""
    likes: dict[Node, Node] = {}
    first = ops_in(blocks[0])
    for block in blocks[1:]:
        for node, like in zip(ops_in(block), first, strict=True):
            likes[node] = like
            for x, y in zip(node.inputs, like.inputs, strict=True):
                if x is not y and not x.is_op and x.is_gradient == node.is_gradient:
                    likes[x] = y
    return likes
