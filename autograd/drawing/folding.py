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
        deepest = max((box.depth for box in graph.boxes()), default=-1)
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


def _modules_from(graph: Graph, depth: int) -> list[Box]:
    """Return the modules that have `depth` others around them, or more."""
    return [box for box in graph.boxes() if box.is_module and box.depth >= depth]


def _fold_below(graph: Graph, depth: int) -> None:
    for box in _modules_from(graph, depth):
        box.folded = True


def _fold_named(graph: Graph, collapse: Collapse) -> None:
    """Fold modules by class, path, or what a function says of them, and so what their gradients are."""
    modules = [box for box in graph.boxes() if box.is_module]
    if callable(collapse) and not isinstance(collapse, type):
        for box in modules:
            box.folded = box.folded or bool(box.owner is not None and collapse(box.owner))
        return
    names = {collapse} if isinstance(collapse, (str, type)) else set(collapse)
    unknown = set(names)
    for box in modules if names else ():
        own = {type(box.owner), box.title, box.path, box.full_path} & names - {""}
        box.folded = box.folded or bool(own)
        unknown -= own
    if unknown:
        known = sorted({box.title for box in modules} | {box.full_path for box in modules} - {""})
        raise ValueError(
            f"collapse names no module of this graph: {', '.join(sorted(map(repr, unknown)))}; "
            f"there are {', '.join(known[:20]) or 'none'}"
        )


# ---------------------------------------------------------------------------------------- what is shown


def stand_ins(graph: Graph, depth: int | None = None) -> dict[Node, Node | Box]:
    """Return what shows each node: itself, its like in the first of equal blocks, or a folded box.

    With a `depth`, as if modules from there on were folded.
    """
    folded = set() if depth is None else set(_modules_from(graph, depth))
    shown_as: dict[Box | None, Box | None] = {None: None}
    for box in [graph.root, *graph.boxes()]:
        shown_as[box] = shown_as[box.parent] or (box if box.folded or box in folded else None)
    likes = graph.likes()
    result: dict[Node, Node | Box] = {}
    for node in graph.nodes:
        like = original(node, likes)
        result[node] = shown_as[like.box] or like
    return result


def count(graph: Graph, depth: int | None = None) -> int:
    """Return how many shapes are shown."""
    return len(set(stand_ins(graph, depth).values()))


# ------------------------------------------------------------------------------------- what is left out


def _fold_leaves(graph: Graph) -> None:
    """Fold the leaves of ops that have very many."""
    own: dict[Node, list[Node]] = {}  # leaves that no other op uses
    for leaf, users in users_of(graph).items():
        if not leaf.is_op and not leaf.is_output and len(set(users)) == 1:
            own.setdefault(users[0], []).append(leaf)
    inputs: dict[Node | Box, Box] = {}
    for node, leaves in own.items():
        if len(leaves) > MANY_LEAVES:
            inputs[node] = Box("inputs", parent=node.box, leaves=leaves, folded=True)
            inputs[node].claim()
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
        ops = ops_in([root.children[cut - 1]])
        new = {shown[node] for node in [*ops, *(x for op in ops for x in op.inputs if not x.is_op)]} - seen
        if seen and len(seen) + len(new) > max_nodes - 1:
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
    earlier.claim()
    root.children[:cut] = [earlier]
    root.leaves = [leaf for leaf in root.leaves if leaf.box is root]
