"""The derivative table of products: matmul, einsum, and what is put in terms of them."""

from __future__ import annotations

from math import prod as _product
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd import backend
from autograd.backend import array_or_tensor, arrays_or_tensors
from autograd.ops.elementwise import conjugate_of
from autograd.primitives import each, implements, primitive

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# Batch axes that were broadcast are summed by the engine.


def _matmul_by_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    """g @ b.mT"""
    if b.ndim == 1:
        return g.reshape(*g.shape, 1) * b
    if a.ndim == 1:
        return backend.matmul(b, g) if b.ndim == 2 else (b @ g.reshape(*g.shape, 1))[..., 0]
    return backend.matmul(g, b.T) if b.ndim == 2 else g @ _transposed(b)


def _matmul_by_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    """a.mT @ g"""
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
            factors.append(backend.eye(x.shape[axis], x.dtype, x))
            letter = fresh
        elif letter not in sizes or sizes[letter] == 1 != x.shape[axis]:
            names.append(letter)
            factors.append(backend.full((x.shape[axis],), 1, x.dtype, x))
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
    operands = tuple(arrays_or_tensors(*operands))
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
    elif batch and "..." not in output:
        raise ValueError(
            f"einsum {subscripts!r} does not say where the axes of ... go: write it on the right, too"
        )
    return f"{','.join(spelt)}->{output.replace('...', batch)}"


# -------------------------------------------------------------------------------- in terms of these


@implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    """Return the products of the last axis of `a` and the last but one of `b`."""
    a, b = arrays_or_tensors(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, (-1, -2))


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Return the products of the last axes."""
    a, b = arrays_or_tensors(a, b)
    return np.multiply(a, b) if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, (-1, -1))


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    """Return the products of all pairs of elements."""
    return np.ravel(a)[:, None] * np.ravel(b)


@implements(np.linalg.outer)
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"np.linalg.outer takes vectors, not shapes {np.shape(x1)} and {np.shape(x2)}")
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """Return the sum of the products of all elements, those of `a` conjugated."""
    a, b = arrays_or_tensors(a, b)
    return matmul(conjugate_of(np.ravel(a)), np.ravel(b))


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Return the sums of products along an axis, those of x1 conjugated."""
    x1, x2 = (np.moveaxis(x, axis, -1) for x in arrays_or_tensors(x1, x2))
    return matmul(conjugate_of(x1)[..., None, :], x2[..., None])[..., 0, 0]


implements(np.vecdot, np.linalg.vecdot)(vecdot)


if hasattr(np, "matvec"):  # NumPy 2.2

    @implements(np.matvec)
    def matvec(x1: Any, x2: Any) -> Any:
        """Return the products of matrices and vectors."""
        return matmul(_matrices(x1), array_or_tensor(x2)[..., None])[..., 0]

    @implements(np.vecmat)
    def vecmat(x1: Any, x2: Any) -> Any:
        """Return the products of vectors, conjugated, and matrices."""
        return matmul(conjugate_of(array_or_tensor(x1))[..., None, :], _matrices(x2))[..., 0, :]

    def _matrices(x: Any) -> Any:
        if np.ndim(x) < 2:
            raise ValueError(f"this takes matrices, and the shape is {np.shape(x)}")
        return x


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum products over pairs of axes: the last of `a` with the first of `b`, or those that are named."""
    a, b = arrays_or_tensors(a, b)
    if isinstance(axes, (int, np.integer)):
        of_a, of_b = range(a.ndim - int(axes), a.ndim), range(int(axes))
    else:
        of_a, of_b = axes
    summed_a, summed_b = list(normalize_axis_tuple(of_a, a.ndim)), list(normalize_axis_tuple(of_b, b.ndim))
    if [a.shape[i] for i in summed_a] != [b.shape[i] for i in summed_b]:
        raise ValueError(f"np.tensordot of shapes {a.shape} and {b.shape}: axes={axes} differ in length")
    kept_a = [i for i in range(a.ndim) if i not in summed_a]
    kept_b = [i for i in range(b.ndim) if i not in summed_b]
    count = _product(a.shape[i] for i in summed_a)
    shape_a, shape_b = [a.shape[i] for i in kept_a], [b.shape[i] for i in kept_b]
    rows = np.reshape(np.transpose(a, kept_a + summed_a), (_product(shape_a), count))
    columns = np.reshape(np.transpose(b, summed_b + kept_b), (count, _product(shape_b)))
    return np.reshape(matmul(rows, columns), (*shape_a, *shape_b))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product: blocks of b, times the elements of a."""
    a, b = arrays_or_tensors(a, b)
    ndim = max(a.ndim, b.ndim)
    shape_a, shape_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    spread_a = np.reshape(a, [size for n in shape_a for size in (n, 1)])
    spread_b = np.reshape(b, [size for n in shape_b for size in (1, n)])
    return np.reshape(spread_a * spread_b, [m * n for m, n in zip(shape_a, shape_b, strict=True)])


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the vectors at right angles to two of three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = arrays_or_tensors(a, b)
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            f"np.cross needs vectors of 3 components; got {a.shape[-1]} and {b.shape[-1]}. For those of 2, "
            "write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]"
        )
    a0, a1, a2, b0, b1, b2 = (x[..., i] for x in (a, b) for i in range(3))
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=axisc)


@implements(np.linalg.cross)
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return cross(x1, x2, axis=axis)


implements(np.linalg.matmul)(lambda x1, x2: matmul(x1, x2))


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Return the n-th power of square matrices; of their inverses for a negative n."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"a power needs square matrices, and the shape is {a.shape}")
    if n == 0:
        return np.broadcast_to(backend.eye(a.shape[-1], a.dtype, a), a.shape) + 0 * a
    square = np.linalg.inv(a) if n < 0 else a
    power = None
    for digit in reversed(f"{abs(n):b}"):
        if digit == "1":
            power = square if power is None else matmul(power, square)
        square = matmul(square, square)
    return power


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """Return the product of matrices (the first and the last may be vectors), in the order of least work."""
    arrays = arrays_or_tensors(*arrays)
    if len(arrays) < 2:
        raise ValueError(f"np.linalg.multi_dot takes at least two arrays, not {len(arrays)}")
    sizes = [1 if arrays[0].ndim == 1 else len(arrays[0])]
    sizes += [len(x) for x in arrays[1:]] + [1 if arrays[-1].ndim == 1 else arrays[-1].shape[1]]
    # The least work of each chain of matrices, of sizes[i] x sizes[i + 1], and where it is split.
    n = len(arrays)
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i + 1): (0, i) for i in range(n)}
    for length in range(2, n + 1):
        for start in range(n - length + 1):
            end = start + length
            best[start, end] = min(
                (best[start, k][0] + best[k, end][0] + sizes[start] * sizes[k] * sizes[end], k)
                for k in range(start + 1, end)
            )

    def product(start: int, end: int) -> Any:
        if end - start == 1:
            return arrays[start]
        k = best[start, end][1]
        return matmul(product(start, k), product(k, end))

    return product(0, n)
