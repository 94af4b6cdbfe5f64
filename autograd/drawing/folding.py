"""What of a graph is shown: modules folded into one shape, equal blocks into one, old ops left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from autograd.drawing.graph import Box, Graph, Node, ops_in, users_of
from autograd.drawing.repetitions import fold_repetitions, original

MANY_LEAVES = 20  # of one op

Collapse = Iterable[str | type] | str | Callable[[Any], bool]


def fold(graph: Graph, depth: int | None, collapse: Collapse, max_nodes: int | None) -> str:
    """Fold what was asked for, and as much more as it takes; return a sentence about that."""
    if depth is not None:
        _fold_below(graph, depth)
    _fold_named(graph, collapse)
    if max_nodes is None:
        return ""
    fold_repetitions(graph, blocks_of_ops=False)
    before = len(graph.nodes)
    if count(graph) <= max_nodes:
        return ""
    fold_repetitions(graph, blocks_of_ops=True)
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
    return f"{before:,} nodes, folded to {after:,}" if after < before else ""


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


def count(graph: Graph, depth: int | None = None) -> int:
    """Return how many shapes are shown."""
    return len(set(stand_ins(graph, depth).values()))


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
        ops = ops_in([item])
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
