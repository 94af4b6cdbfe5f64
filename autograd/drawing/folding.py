"""What of a graph is shown: modules folded into one shape, equal blocks into one, old ops left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autograd.drawing.graph import Box, Graph, Node, is_number

REPETITIONS = 3  # of a block, from which on one of them stands for all
LONGEST_BLOCK = 64  # in ops and modules
MANY_LEAVES = 20  # of one op
OUTSIDE = -(2**63)  # the place of what is not in a block

Collapse = Iterable[str | type] | str | Callable[[Any], bool]


def fold(graph: Graph, depth: int | None, collapse: Collapse, max_nodes: int | None) -> str:
    """Fold what was asked for, and as much more as it takes; return a sentence about that."""
    if depth is not None:
        _fold_below(graph, depth)
    _fold_named(graph, collapse)
    if max_nodes is None:
        return ""
    _fold_repetitions(graph, blocks_of_ops=False)
    before = len(graph.nodes)
    if count(graph) <= max_nodes:
        return ""
    _fold_repetitions(graph, blocks_of_ops=True)
    if count(graph) > max_nodes:
        deepest = max((depth_of(box) for box in graph.boxes()), default=-1)
        low, high = 0, deepest + 1  # the largest depth that is small enough; 0, if none is
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count(graph, middle) <= max_nodes else (low, middle - 1)
        _fold_below(graph, low)
    if count(graph) > max_nodes:
        _fold_leaves(graph)
    if count(graph) > max_nodes:
        _leave_out_the_oldest(graph, max_nodes)
    after = count(graph)
    return f"{before:,} nodes, folded to {after:,}; max_nodes=None draws them all" if after < before else ""


def depth_of(box: Box) -> int:
    """Return how many modules are around a module."""
    depth = -1
    around: Box | None = box
    while around is not None:
        depth += around.kind in ("module", "gradient")
        around = around.parent
    return depth


def _fold_below(graph: Graph, depth: int) -> None:
    for box in graph.boxes():
        if box.kind in ("module", "gradient") and depth_of(box) >= depth:
            box.folded = True


def full_path(box: Box) -> str:
    """Return a module's path from the outermost one that is drawn, e.g. "encoder.layers.0"."""
    parts: list[str] = []
    around: Box | None = box
    while around is not None:
        if around.kind in ("module", "gradient") and around.path:
            parts.append(around.path)
        around = around.parent
    return ".".join(reversed(parts))


def _fold_named(graph: Graph, collapse: Collapse) -> None:
    """Fold modules by class, path, or what a function says of them, and so what their gradients are."""
    modules = [box for box in graph.boxes() if box.kind in ("module", "gradient")]
    if callable(collapse) and not isinstance(collapse, type):
        for box in modules:
            box.folded = box.folded or bool(box.owner is not None and collapse(box.owner))
        return
    names = {collapse} if isinstance(collapse, (str, type)) else set(collapse)
    unknown = set(names)
    for box in modules if names else ():
        own = {type(box.owner), box.title, box.path, full_path(box)} & names - {""}
        box.folded = box.folded or bool(own)
        unknown -= own
    if unknown:
        known = sorted({box.title for box in modules} | {full_path(box) for box in modules} - {""})
        raise ValueError(
            f"collapse names no module of this graph: {', '.join(sorted(map(repr, unknown)))}; "
            f"there are {', '.join(known[:20]) or 'none'}"
        )


# ---------------------------------------------------------------------------------------- what is shown


def stand_ins(graph: Graph, depth: int | None = None) -> dict[Node, Node | Box]:
    """Return what shows each node: itself, its like in the first of equal blocks, or a folded box.

    With a `depth`, as if modules from there on were folded.
    """
    shown_as: dict[Box, Box | None] = {graph.root: None}
    for box in graph.boxes():
        folded = box.folded or (
            depth is not None and box.kind in ("module", "gradient") and depth_of(box) >= depth
        )
        shown_as[box] = shown_as[box.parent] or (box if folded else None)  # type: ignore[index]
    likes: dict[Node, Node] = {}
    for box in shown_as:
        if box.kind == "repeat":
            likes |= box.likes
    result: dict[Node, Node | Box] = {}
    for node in graph.nodes:
        like = original(node, likes)
        result[node] = shown_as[like.box] or like  # type: ignore[index]
    return result


def original(node: Node, likes: dict[Node, Node]) -> Node:
    """Return what stands for a node, where blocks that are equal may have equal blocks in them."""
    while node in likes:
        node = likes[node]
    return node


def count(graph: Graph, depth: int | None = None) -> int:
    """Return how many shapes are shown."""
    return len(set(stand_ins(graph, depth).values()))


# ---------------------------------------------------------------------------------------- repetitions


def _fold_repetitions(graph: Graph, blocks_of_ops: bool) -> None:
    """Put equal blocks in a row into boxes of kind "repeat"; blocks without a module only if asked."""
    boxes = [graph.root, *graph.boxes()]
    if len(boxes) == 1 and not blocks_of_ops:
        return
    kinds: dict[Any, int] = {}
    kind_of: dict[Node | Box, int] = {}
    for node in graph.nodes:
        if node.is_op:
            kind_of[node] = kinds.setdefault(_kind(node), len(kinds))
    for box in reversed(boxes):  # those inside first
        key = (box.kind, box.title, *(kind_of[child] for child in box.children))
        kind_of[box] = kinds.setdefault(key, len(kinds))
    wiring = _Wiring(graph)
    for box in boxes:
        if box.kind == "repeat" or box.folded:
            continue
        items = box.children
        runs = _runs(np.array([kind_of[item] for item in items]))
        if not runs:
            continue
        ops = _Ops(items)
        # The gradients come last: they are computed from what of the forward half stands for what.
        runs.sort(key=lambda run: ops.begins_with_gradient(run[0]))
        taken = np.zeros(len(items), bool)
        found = []
        for start, period, repetitions in runs:
            end = start + period * repetitions
            if taken[start:end].any():
                continue
            if not blocks_of_ops and not any(map(_has_several_ops, items[start : start + period])):
                continue
            for first, equal in wiring.equal_blocks(ops, start, period, repetitions):
                begin, end = start + first * period, start + (first + equal) * period
                taken[begin:end] = True
                blocks = [items[i : i + period] for i in range(begin, end, period)]
                likes = _likes(blocks)
                wiring.likes |= likes
                found.append((begin, blocks, likes))
        for begin, blocks, likes in sorted(found, reverse=True, key=lambda part: part[0]):
            _gather(box, begin, blocks, likes)


def _kind(node: Node) -> Any:
    """Return what ops that are drawn as one must have in common."""
    tensor = node.tensor
    numbers = tuple(repr(x) for x in tensor.inputs if is_number(x))  # type: ignore[union-attr]
    params = tensor.params or {}  # type: ignore[union-attr]
    words = tuple(
        (word, getattr(value, "shape", None) or repr(type(value) if callable(value) else value))
        for word, value in params.items()
        if not isinstance(value, np.random.Generator)
    )
    kind = tensor.op.name, tensor.shape, tensor.dtype, tensor.requires_grad  # type: ignore[union-attr]
    return *kind, len(node.inputs), numbers, words, node.is_gradient, node.error


def _has_several_ops(item: Node | Box) -> bool:
    return isinstance(item, Box) and len(_ops([item])) > 1


def _ops(items: Iterable[Node | Box]) -> list[Node]:
    """Return the ops in some boxes, in order."""
    return [
        node for item in items for node in (item.within() if isinstance(item, Box) else [item]) if node.is_op
    ]


def users_of(graph: Graph) -> dict[Node, list[Node]]:
    """Return, for each node that is used, the nodes that use it."""
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for x in node.inputs:
            users.setdefault(x, []).append(node)
    return users


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
            self.nodes += _ops([item])
            self.begins.append(len(self.nodes))
        self.places = {node: place for place, node in enumerate(self.nodes)}

    def begins_with_gradient(self, item: int) -> bool:
        return self.nodes[self.begins[item]].is_gradient


class _Wiring:
    """From where blocks take their inputs."""

    def __init__(self, graph: Graph) -> None:
        self.likes: dict[Node, Node] = {}
        for box in graph.boxes():
            self.likes |= box.likes
        self.users: dict[Node, set[Node]] = {}
        for node in graph.nodes:
            for x in node.inputs:
                if not x.is_op and x.is_gradient == node.is_gradient:
                    self.users.setdefault(x, set()).add(node)

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
        return all(ops.places.get(user) in own for user in self.users[x]) and all(
            ops.places.get(user) in following for user in self.users[y]
        )


def _leaf_kind(leaf: Node) -> Any:
    tracked = leaf.tensor is not None and leaf.tensor.requires_grad
    return np.shape(leaf.value), np.asarray(leaf.value).dtype, tracked, leaf.is_gradient


def _gather(box: Box, start: int, blocks: list[list[Node | Box]], likes: dict[Node, Node]) -> None:
    """Put the items of equal blocks into a box of their own."""
    items = [item for block in blocks for item in block]
    repeat = Box("repeat", parent=box, children=items, blocks=blocks, likes=likes)
    box.children[start : start + len(items)] = [repeat]
    for item in items:
        if isinstance(item, Box):
            item.parent = repeat
        else:
            for node in [item, *(x for x in item.inputs if x.tensor is None)]:
                node.box = repeat
    repeat.leaves = [leaf for leaf in box.leaves if leaf.box is repeat]
    box.leaves = [leaf for leaf in box.leaves if leaf.box is box]


def _likes(blocks: list[list[Node | Box]]) -> dict[Node, Node]:
    """Return, for the nodes of all blocks but the first, those of the first that stand for them."""
    likes: dict[Node, Node] = {}
    first = _ops(blocks[0])
    for block in blocks[1:]:
        for node, like in zip(_ops(block), first, strict=True):
            likes[node] = like
            for x, y in zip(node.inputs, like.inputs, strict=True):
                if x is not y and not x.is_op and x.is_gradient == node.is_gradient:
                    likes[x] = y
    return likes


# ------------------------------------------------------------------------------------- what is left out


def _fold_leaves(graph: Graph) -> None:
    """Fold the leaves of ops that have very many."""
    user: dict[Node, Node | None] = {}  # of each leaf, if it is only one
    for node in graph.nodes:
        for x in node.inputs:
            if not x.is_op:
                user[x] = node if user.get(x, node) is node else None
    inputs: dict[Node | Box, Box] = {}
    for node in graph.nodes:
        own = [x for x in dict.fromkeys(node.inputs) if user.get(x) is node and not x.is_output]
        if len(own) > MANY_LEAVES:
            inputs[node] = Box("inputs", parent=node.box, leaves=own, folded=True)
            for leaf in own:
                leaf.box = inputs[node]
    for box in [graph.root, *graph.boxes()]:
        box.children = [x for child in box.children for x in (inputs.get(child), child) if x is not None]
        box.leaves = [leaf for leaf in box.leaves if leaf.box is box]


def _leave_out_the_oldest(graph: Graph, max_nodes: int) -> None:
    """Fold the oldest of what is outermost into one."""
    root = graph.root
    shown = stand_ins(graph)
    seen: set[Node | Box] = set()
    cut = len(root.children)
    while cut > 0:
        item = root.children[cut - 1]
        ops = _ops([item])
        new = {shown[node] for node in [*ops, *(x for op in ops for x in op.inputs if not x.is_op)]}
        if seen and len(seen | new) > max_nodes - 1:
            break
        seen |= new
        cut -= 1
    if cut < 2:
        return
    earlier = Box("earlier", parent=root, children=root.children[:cut], folded=True)
    inside = set(earlier.within())
    users = users_of(graph)
    for leaf in root.leaves:
        if leaf in users and inside.issuperset(users[leaf]) and not leaf.is_output:
            earlier.leaves.append(leaf)
    root.leaves = [leaf for leaf in root.leaves if leaf not in set(earlier.leaves)]
    for item in [*earlier.children, *earlier.leaves]:
        if isinstance(item, Box):
            item.parent = earlier
        else:
            item.box = earlier
    root.children[:cut] = [earlier]
