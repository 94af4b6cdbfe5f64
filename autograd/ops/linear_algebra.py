"""The derivative table of products: matmul and einsum."""

from __future__ import annotations

from math import prod as _product
from typing import Any

import numpy as np

from autograd import backend
from autograd.primitives import each, implements, primitive

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# Batch axes that were broadcast are summed by the engine.


def _matmul_by_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return g.reshape(*g.shape, 1) * b
    if a.ndim == 1:
        return backend.matmul(b, g) if b.ndim == 2 else (b @ g.reshape(*g.shape, 1))[..., 0]
    return backend.matmul(g, b.T) if b.ndim == 2 else g @ _transposed(b)


def _matmul_by_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a.reshape(-1, 1) * g.reshape(*g.shape[:-1], 1, g.shape[-1])
    if b.ndim > 2:
        return _transposed(a) @ g
    if a.ndim > 2:  # one product of matrices, and not one for each of the batch to be summed
        rows = _product(a.shape[:-1])
        a = a.reshape(rows, a.shape[-1])
        g = g.reshape(rows, g.shape[-1]) if b.ndim == 2 else g.reshape(rows)
    return backend.matmul(g, a) if b.ndim == 1 else backend.matmul(a.T, g)


matmul = primitive(backend.matmul, _matmul_by_left, _matmul_by_right, numpy=np.matmul)


def _einsum_rule(i: int, g: Any, y: Any, *operands: Any, subscripts: str, optimize: Any) -> Any:
    """Contract g with the other operands to the indices of operand i.

    An index that only operand i has (or along which all others are broadcast) was summed there: ones
    spread g over it. An index that operand i repeats has picked a diagonal: identity matrices put g
    back on it.
    """
    terms, output = subscripts.split("->")
    inputs = terms.split(",")
    x, own = operands[i], inputs[i]
    others = inputs[:i] + inputs[i + 1 :]
    factors = [g, *operands[:i], *operands[i + 1 :]]
    unused = iter(letter for letter in LETTERS if letter not in subscripts)
    names = [output, *others]
    sizes: dict[str, int] = {}
    for term, factor in zip(names, factors, strict=True):
        for letter, size in zip(term, factor.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 0))
    wanted = ""
    for axis, letter in enumerate(own):
        if letter in wanted:
            fresh = next(unused)
            names.append(letter + fresh)
            factors.append(np.eye(x.shape[axis], dtype=x.dtype))
            letter = fresh
        elif letter not in sizes or sizes[letter] == 1 != x.shape[axis]:
            names.append(letter)
            factors.append(np.ones(x.shape[axis], x.dtype))
        wanted += letter
    return np.einsum(f"{','.join(names)}->{wanted}", *factors, optimize=optimize or len(factors) > 2)


_einsum = primitive(
    lambda *operands, subscripts, optimize: np.einsum(subscripts, *operands, optimize=optimize),
    each(_einsum_rule),
    name="einsum",
)


@implements(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """Sum products by Einstein's convention, with all of NumPy's forms of subscripts."""
    if not isinstance(subscripts, str):
        subscripts, operands = _as_text(subscripts, *operands)
    operands = tuple(x if hasattr(x, "ndim") else np.asarray(x) for x in operands)
    return _einsum(*operands, subscripts=_explicit(subscripts, operands), optimize=optimize)


def _as_text(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """Turn `einsum(a, [0, 1], b, [1, 2], [0, 2])` into subscripts and operands."""

    def term(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else LETTERS[i] for i in indices)

    pairs = len(arguments) // 2
    text = ",".join(term(indices) for indices in arguments[1 : 2 * pairs : 2])
    if len(arguments) % 2:
        text += "->" + term(arguments[-1])
    return text, arguments[0 : 2 * pairs : 2]


def _explicit(subscripts: str, operands: tuple[Any, ...]) -> str:
    """Write out an ellipsis as letters, and the output that is implied."""
    terms, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = terms.split(",")
    if len(inputs) != len(operands):
        raise ValueError(
            f"einsum {subscripts!r} names {len(inputs)} operands, and {len(operands)} were given"
        )
    free = [letter for letter in LETTERS if letter not in subscripts]
    hidden = [max(x.ndim - len(term.replace("...", "")), 0) for term, x in zip(inputs, operands, strict=True)]
    batch = "".join(free[: max(hidden)])
    spelt = [term.replace("...", batch[len(batch) - n :]) for term, n in zip(inputs, hidden, strict=True)]
    if not arrow:
        once = sorted(letter for letter in set(terms) - set(",.") if terms.count(letter) == 1)
        output = "..." + "".join(once)
    return f"{','.join(spelt)}->{output.replace('...', batch)}"
