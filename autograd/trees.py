"""Trees: arrays (or anything else) in nested lists, tuples, dicts and dataclasses; an array alone is one.

Named tuples are tuples. An instance of a dataclass holds the fields that its constructor takes. None holds
nothing: it stands for what is absent, and stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from inspect import signature
from itertools import zip_longest
from typing import Any


def _find_opener(kind: type) -> Callable[[Any], Iterable[Any]] | None:
    """Return what gives the branches of a node of this class, in order; None of a leaf."""
    if issubclass(kind, (list, tuple)):
        return iter
    if issubclass(kind, dict):
        return dict.values
    if kind is type(None):
        return lambda tree: ()
    names = field_names(kind)
    return None if names is None else lambda tree: [getattr(tree, name) for name in names]


_opener: Callable[[Any], Any] = lru_cache(256)(_find_opener)


def _branches(tree: Any) -> list[Any] | None:
    """Return what a node holds, in order; None of a leaf."""
    branches_of = _opener(type(tree))
    return None if branches_of is None else list(branches_of(tree))


def field_names(kind: type) -> tuple[str, ...] | None:
    """Return the fields that the constructor of a dataclass takes; None of another class, and of modules.

    A module is more than its fields: it has a mode, and parameters that another of the same fields has not.
    """
    if not hasattr(kind, "__dataclass_fields__") or hasattr(kind, "named_parameters"):
        return None
    from dataclasses import fields

    return tuple(field.name for field in fields(kind) if field.init)


def flatten(tree: Any) -> list[Any]:
    """Return the leaves of a tree (arrays, numbers, Tensors ...), in order."""
    branches_of = _opener(type(tree))
    if branches_of is None:
        return [tree]
    leaves: list[Any] = []
    for branch in branches_of(tree):
        if _opener(type(branch)) is None:
            leaves.append(branch)
        else:
            leaves += flatten(branch)
    return leaves


def rebuild(tree: Any, leaves: Iterator[Any]) -> Any:
    """Return the structure of `tree` with its leaves replaced, in order, by `leaves`."""
    kind = type(tree)
    branches_of = _opener(kind)
    if branches_of is None:
        return next(leaves)
    parts = [
        next(leaves) if _opener(type(branch)) is None else rebuild(branch, leaves)
        for branch in branches_of(tree)
    ]
    if kind is tuple:
        return tuple(parts)
    if kind is list:
        return parts
    if isinstance(tree, dict):
        return dict(zip(tree, parts, strict=True))
    if isinstance(tree, (list, tuple)):
        return kind(*parts) if hasattr(tree, "_fields") else kind(parts)
    names = field_names(kind)
    return None if names is None else kind(**dict(zip(names, parts, strict=True)))


def flatten_like(structure: Any, tree: Any) -> list[Any]:
    """Return the leaves of `tree` in the order of `structure`, which it must have."""
    branches, parts = _branches(structure), _branches(tree)
    if branches is None and parts is None:
        return [tree]
    if branches is not None and parts is not None and _outline(structure) == _outline(tree):
        if isinstance(structure, dict):
            parts = [tree[key] for key in structure]
        pairs = zip(branches, parts, strict=True)
        return [leaf for branch, part in pairs for leaf in flatten_like(branch, part)]
    raise ValueError(
        f"the cotangent (or tangent) must have the structure of the value that it belongs to: "
        f"{_in_words(structure)}, and not {_in_words(tree)}"
    )


def _outline(tree: Any) -> Any:
    """Return what two nodes must have in common: the keys, the length, or the dataclass."""
    if isinstance(tree, dict):
        return tree.keys()
    return len(tree) if isinstance(tree, (list, tuple)) else type(tree)


def _in_words(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {list(tree)}"
    if isinstance(tree, (list, tuple)):
        return f"a {type(tree).__name__} of {len(tree)}"
    if tree is None:
        return "None"
    return "an array" if field_names(tree.__class__) is None else f"a dataclass {type(tree).__name__}"


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf of a tree."""
    return rebuild(tree, map(function, flatten(tree)))


def paths(tree: Any) -> list[str]:
    """Name every leaf by the way to it, e.g. "['layers'][0].weights"; "" where the tree is a leaf."""
    branches = _branches(tree)
    if branches is None:
        return [""]
    if isinstance(tree, dict):
        steps = [f"[{key!r}]" for key in tree]
    elif isinstance(tree, (list, tuple)) and not hasattr(tree, "_fields"):
        steps = [f"[{i}]" for i in range(len(tree))]
    else:
        steps = [f".{name}" for name in getattr(tree, "_fields", None) or field_names(tree.__class__) or ()]
    return [step + path for step, branch in zip(steps, branches, strict=True) for path in paths(branch)]


def argument_paths(function: Callable[..., Any], args: tuple[Any, ...]) -> list[list[str]]:
    """Name every leaf of each positional argument, e.g. "argument 0 ('params')['weights'][1]"."""
    names = [f" ({name!r})" for name in parameter_names(function)[: len(args)]]
    return [
        [f"argument {number}{name}{path}" for path in paths(tree)]
        for number, (tree, name) in enumerate(zip_longest(args, names, fillvalue=""))
    ]


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that may be given by position, as far as a function tells them."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # a function in C that says nothing of its parameters
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
