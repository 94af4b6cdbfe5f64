"""What of a graph is shown: modules folded into one shape, equal blocks into one, old ops left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd.drawing.graph import Box, Graph, Node

REPETITIONS = 3  # of a block, from which on one of them stands for all
LONGEST_BLOCK = 64  # in ops and modules
MANY_LEAVES = 20  # of one op

Collapse = Iterable[str] | str | Callable[[Any], bool]


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
    return f"{before:,} nodes, folded to {count(graph):,}; max_nodes=None draws them all"


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
        if around.kind == "module" and around.path:
            parts.append(around.path)
        around = around.parent
    return ".".join(reversed(parts))


def _fold_named(graph: Graph, collapse: Collapse) -> None:
    modules = [box for box in graph.boxes() if box.kind == "module"]
    if callable(collapse):
        for box in modules:
            box.folded = box.folded or bool(box.owner is not None and collapse(box.owner))
        return
    names = {collapse} if isinstance(collapse, str) else set(collapse)
    unknown = set(names)
    for box in modules if names else ():
        own = {box.title, box.path, full_path(box)} & names
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
        like = node
        while like in likes:
            like = likes[like]
        result[node] = shown_as[like.box] or like  # type: ignore[index]
    return result


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
    users = _users(graph)
    for box in boxes:
        if box.kind == "repeat" or box.folded:
            continue
        items = box.children
        runs = _runs(np.array([kind_of[item] for item in items]))
        taken = np.zeros(len(items), bool)
        found = []
        for start, period, repetitions in runs:
            end = start + period * repetitions
            if taken[start:end].any():
                continue
            blocks = [items[i : i + period] for i in range(start, end, period)]
            if not blocks_of_ops and not any(_has_several_ops(item) for item in blocks[0]):
                continue
            equal = _equally_wired([_ops(block) for block in blocks], users)
            if equal >= REPETITIONS:
                taken[start : start + period * equal] = True
                found.append((start, blocks[:equal]))
        for start, blocks in sorted(found, reverse=True, key=lambda pair: pair[0]):
            _gather(box, start, blocks)


def _kind(node: Node) -> Any:
    tensor = node.tensor
    numbers = tuple(repr(x) for x in tensor.inputs if not hasattr(x, "shape"))  # type: ignore[union-attr]
    params = tensor.params or {}  # type: ignore[union-attr]
    words = tuple(
        (word, getattr(value, "shape", None) or repr(type(value) if callable(value) else value))
        for word, value in params.items()
    )
    return tensor.op.name, tensor.shape, tensor.dtype, len(node.inputs), numbers, words  # type: ignore[union-attr]


def _has_several_ops(item: Node | Box) -> bool:
    return isinstance(item, Box) and len(_ops([item])) > 1


def _ops(items: Iterable[Node | Box]) -> list[Node]:
    """Return the ops in some boxes, in order."""
    return [
        node for item in items for node in (item.within() if isinstance(item, Box) else [item]) if node.is_op
    ]


def _users(graph: Graph) -> dict[Node, list[Node]]:
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


def _equally_wired(blocks: list[list[Node]], users: dict[Node, list[Node]]) -> int:
    """Return how many of these blocks, from the first on, take their inputs from the same places."""
    place = {node: (i, j) for i, block in enumerate(blocks) for j, node in enumerate(block)}
    for i in range(len(blocks) - 1):
        for a, b in zip(blocks[i], blocks[i + 1], strict=True):
            for x, y in zip(a.inputs, b.inputs, strict=True):
                if not _same_source(x, y, i, place, users):
                    return i + 1
    return len(blocks)


def _same_source(
    x: Node, y: Node, i: int, place: dict[Node, tuple[int, int]], users: dict[Node, list[Node]]
) -> bool:
    """Tell whether x is to block i what y is to the next one."""
    if y in place:
        block, position = place[y]
        if x in place:
            return place[x] == (block - 1, position)
        return block <= i and i == 0  # the first block gets from outside what the others get from one another
    if x in place:
        return False
    if x is y:
        return True
    own = all(place.get(user, (-1,))[0] == i for user in users[x]) and all(
        place.get(user, (-1,))[0] == i + 1 for user in users[y]
    )
    return own and not x.is_op and not y.is_op and np.shape(x.value) == np.shape(y.value)


def _gather(box: Box, start: int, blocks: list[list[Node | Box]]) -> None:
    """Put the items of equal blocks into a box of their own."""
    items = [item for block in blocks for item in block]
    repeat = Box("repeat", parent=box, children=items, blocks=blocks, likes=_likes(blocks))
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
                if x is not y and not x.is_op:
                    likes[x] = y
    return likes


# ------------------------------------------------------------------------------------- what is left out


def _fold_leaves(graph: Graph) -> None:
    """Fold the leaves of ops that have very many."""
    users = _users(graph)
    for node in graph.nodes:
        own = [x for x in dict.fromkeys(node.inputs) if not x.is_op and set(users[x]) == {node}]
        if len(own) > MANY_LEAVES:
            around = node.box
            box = Box("inputs", parent=around, leaves=own, folded=True)
            around.children.insert(around.children.index(node), box)  # type: ignore[union-attr]
            for leaf in own:
                leaf.box.leaves.remove(leaf)  # type: ignore[union-attr]
                leaf.box = box


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
        if len(seen | new) > max_nodes - 1:
            break
        seen |= new
        cut -= 1
    if cut < 2:
        return
    earlier = Box("earlier", parent=root, children=root.children[:cut], folded=True)
    inside = set(earlier.within())
    users = _users(graph)
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
