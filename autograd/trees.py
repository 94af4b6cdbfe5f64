"""Trees: lists, tuples and dicts of arrays (or of anything else), nested; an array alone is one, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

NESTED = (list, tuple, dict)


def flatten(tree: Any) -> list[Any]:
    """Return the arrays (and numbers and Tensors) of nested lists, tuples and dicts, in order."""
    if not isinstance(tree, NESTED):
        return [tree]
    leaves = []
    for branch in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(branch, NESTED):
            leaves += flatten(branch)
        else:
            leaves.append(branch)
    return leaves


def rebuild(tree: Any, leaves: Iterator[Any]) -> Any:
    """Return the structure of `tree` with its leaves replaced, in order, by `leaves`."""
    if not isinstance(tree, NESTED):
        return next(leaves)
    if isinstance(tree, dict):
        return {key: rebuild(branch, leaves) for key, branch in tree.items()}
    branches = [rebuild(branch, leaves) if isinstance(branch, NESTED) else next(leaves) for branch in tree]
    return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)


def flatten_like(structure: Any, tree: Any) -> list[Any]:
    """Return the leaves of `tree` in the order of `structure`, which it must have."""
    if isinstance(structure, dict) and isinstance(tree, dict) and structure.keys() == tree.keys():
        return [leaf for key, branch in structure.items() for leaf in flatten_like(branch, tree[key])]
    if isinstance(structure, (list, tuple)) and isinstance(tree, (list, tuple)):
        if len(structure) == len(tree):
            pairs = zip(structure, tree, strict=True)
            return [leaf for branch, part in pairs for leaf in flatten_like(branch, part)]
    elif not isinstance(structure, NESTED) and not isinstance(tree, NESTED):
        return [tree]
    raise ValueError(
        f"the cotangent (or tangent) must have the structure of the value that it belongs to: "
        f"{_outline(structure)}, and not {_outline(tree)}"
    )


def _outline(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    if isinstance(tree, (list, tuple)):
        return f"a {type(tree).__name__} of {len(tree)}"
    return "an array"


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf of a tree."""
    return rebuild(tree, map(function, flatten(tree)))
