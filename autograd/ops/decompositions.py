"""The derivative table of np.linalg: inverses, determinants and decompositions.

Rules follow Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), and for complex matrices PyTorch. Those of decompositions are written for gradients
as users see them, dL/dx + i dL/dy: what they get and what they return is conjugated.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from math import prod as _product
from typing import Any

import numpy as np

from autograd.backend import arrays_or_tensors, eye
from autograd.ops.elementwise import conjugate_of, quotient
from autograd.ops.reductions import normalized, product_of_others, spread
from autograd.primitives import Op, as_function, implements, primitive
from autograd.recording import callback
from autograd.tensor import values_of


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    return conjugate_of(np.swapaxes(x, -1, -2))


def _diagonal_matrix(x: Any) -> Any:
    return x[..., None] * eye(x.shape[-1], x.dtype, x)


def _diagonal(x: Any) -> Any:
    return np.einsum("...ii->...i", x)


# ---------------------------------------------------------------------- solutions and determinants


def _solve_by_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    """The solution of a.mT by g."""
    if b.ndim == 1:
        return np.linalg.solve(_t(a), g[..., None])[..., 0]
    return np.linalg.solve(_t(a), g)


def _solve_by_matrix(g: Any, y: Any, a: Any, b: Any) -> Any:
    """Minus the solution of a.mT by g, times y.mT."""
    by_right = _solve_by_right(g, y, a, b)
    return -by_right[..., None] * y[..., None, :] if b.ndim == 1 else -by_right @ _t(y)


solve = primitive(np.linalg.solve, _solve_by_matrix, _solve_by_right)
inv = primitive(np.linalg.inv, lambda g, y, a: -_t(y) @ g @ _t(y))


def _cofactors(a: Any) -> Any:
    """Return det(A) A^-T, of singular matrices too: of A = U S V^H, S has products of its other elements."""
    u, s, vh = np.linalg.svd(a)
    orientation = np.linalg.det(u) * np.linalg.det(vh)
    return orientation[..., None, None] * conjugate_of((u * product_of_others(s)[..., None, :]) @ vh)


def _cofactors_rule(g: Any, y: Any, a: Any) -> Any:
    """From the minors without two rows and two columns, which of S are products of its other elements."""
    u, s, vh = np.linalg.svd(a)
    orientation = np.linalg.det(u) * np.linalg.det(vh)
    same = eye(a.shape[-1], bool, a)
    without_two = np.where(same, 0, product_of_others(np.where(same, 1, s[..., None, :])))
    h = orientation[..., None, None] * (_h(u) @ g @ _h(vh))
    by_diagonal = np.einsum("...ik,...ii->...k", without_two, h)
    return conjugate_of(u) @ (_diagonal_matrix(by_diagonal) - _t(h * without_two)) @ conjugate_of(vh)


cofactors = primitive(_cofactors, _cofactors_rule, name="cofactors")
det = primitive(np.linalg.det, lambda g, y, a: g[..., None, None] * cofactors(a))


def _pinv_rule(
    g: Any, y: Any, a: Any, *, rcond: Any = None, rtol: Any = None, hermitian: bool = False
) -> Any:
    """Golub and Pereyra, "The differentiation of pseudo-inverses ..." (1973), where the rank stays."""
    g, p = conjugate_of(g), y
    outside = _h(g) - a @ (p @ _h(g))
    beyond = _h(g) - (_h(g) @ p) @ a
    return conjugate_of(outside @ (p @ _h(p)) + (_h(p) @ p) @ beyond - _h(p) @ g @ _h(p))


pinv = primitive(np.linalg.pinv, _pinv_rule)


# ------------------------------------------------------------------- functions of several outputs

Layout = list[tuple[tuple[int, ...], bool]]  # the shapes of outputs, and which are real for a complex input


def _decomposition(
    name: str,
    forward: Callable[..., Any],
    rule: Callable[..., Any],
    layout: Callable[..., Layout],
) -> Callable[..., tuple[Any, ...]]:
    """Return a function of several outputs: one node holds them all, flat, and each is cut out of it.

    `rule(gradients, outputs, a, **options)` gets those of all outputs, zeros for those that are not used,
    and returns that of `a`, all as users see them: dL/dx + i dL/dy.
    """

    def cut(flat: Any, a: Any, options: dict[str, Any]) -> list[Any]:
        parts, start = [], 0
        for shape, is_real in layout(a.shape, **options):
            part = np.reshape(flat[start : start + _product(shape)], shape)
            parts.append(part.real if is_real and flat.dtype.kind == "c" else part)
            start += _product(shape)
        return parts

    def whole_rule(g: Any, y: Any, a: Any, **options: Any) -> Any:
        return conjugate_of(rule(cut(conjugate_of(g), a, options), cut(y, a, options), a, **options))

    def flat(a: Any, **options: Any) -> Any:
        return np.concatenate([np.ravel(x) for x in forward(a, **options)])

    op = Op(name, flat, (whole_rule,))
    node = as_function(op)

    def outputs(a: Any, **options: Any) -> tuple[Any, ...]:
        return tuple(cut(node(a, **options), a, options))

    outputs.op = op  # type: ignore[attr-defined]
    return outputs


def _of_square(*kinds: str) -> Callable[..., Layout]:
    """Return the layout of outputs that are a "number", "vector" or "matrix" for each square matrix."""

    def layout(shape: tuple[int, ...], **options: Any) -> Layout:
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise np.linalg.LinAlgError(f"this takes square matrices, and the shape is {shape}")
        ends = {
            "number": (),
            "real": (),
            "vector": shape[-1:],
            "real vector": shape[-1:],
            "matrix": shape[-2:],
        }
        return [((*shape[:-2], *ends[kind]), kind.startswith("real")) for kind in kinds]

    return layout


def _slogdet_rule(gradients: Any, outputs: Any, a: Any) -> Any:
    by_sign, by_logarithm = gradients
    inverse = _h(np.linalg.inv(a))
    if a.dtype.kind != "c":
        return by_logarithm[..., None, None] * inverse
    turn = np.imag(np.conjugate(by_sign) * outputs[0])
    return (by_logarithm - 1j * turn)[..., None, None] * inverse


_slogdet = _decomposition("slogdet", np.linalg.slogdet, _slogdet_rule, _of_square("number", "real"))
SlogdetResult = namedtuple("SlogdetResult", ["sign", "logabsdet"])


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Return the sign of the determinant, and the logarithm of its absolute value."""
    return SlogdetResult(*_slogdet(a))


def _eigh_rule(gradients: Any, outputs: Any, a: Any, *, UPLO: str) -> Any:
    by_w, by_v = gradients
    w, v = outputs
    gap = w[..., None, :] - w[..., :, None]
    turned = np.where(eye(a.shape[-1], bool, a), 0, _h(v) @ by_v)
    by_a = v @ (_diagonal_matrix(by_w) + quotient(turned, gap)) @ _h(v)
    return (by_a + _h(by_a)) / 2


_eigh = _decomposition("eigh", np.linalg.eigh, _eigh_rule, _of_square("real vector", "matrix"))
EighResult = namedtuple("EighResult", ["eigenvalues", "eigenvectors"])


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of Hermitian matrices; the gradient is Hermitian, too."""
    return EighResult(*_eigh(a, UPLO=UPLO))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of Hermitian matrices."""
    return _eigh(a, UPLO=UPLO)[0]


def _eig_rule(gradients: Any, outputs: Any, a: Any) -> Any:
    """Boeddeker et al., "On the computation of complex-valued gradients ..." (2017), eq. 4.77; |v| = 1."""
    by_w, by_v = gradients
    w, v = outputs
    same = eye(a.shape[-1], bool, a)
    turned = _h(v) @ by_v
    turned = turned - (_h(v) @ v) * np.real(_diagonal(turned))[..., None, :]
    gap = conjugate_of(w[..., None, :] - w[..., :, None])
    inner = _diagonal_matrix(by_w) + quotient(np.where(same, 0, turned), gap)
    return np.linalg.solve(_h(v), inner @ _h(v))


_eig = _decomposition("eig", np.linalg.eig, _eig_rule, _of_square("vector", "matrix"))
EigResult = namedtuple("EigResult", ["eigenvalues", "eigenvectors"])


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Return eigenvalues, which must be distinct, and eigenvectors of length 1.

    A loss must not depend on the phases of complex eigenvectors, which are arbitrary.
    """
    return EigResult(*_eig(a))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """Return the eigenvalues."""
    return _eig(a)[0]


def _check_arbitrary(gradient: Any) -> None:
    if gradient.any():
        raise ValueError(
            "the singular vectors beyond the singular values are arbitrary, so they have no gradient; use "
            "np.linalg.svd with full_matrices=False"
        )


def _svd_rule(gradients: Any, outputs: Any, a: Any, *, full_matrices: bool) -> Any:
    """Townsend, "Differentiating the singular value decomposition" (2016)."""
    (by_u, by_s, by_vh), (u, s, vh) = gradients, outputs
    k = s.shape[-1]
    for beyond in (by_u[..., k:], by_vh[..., k:, :]):
        if beyond.size:
            callback(_check_arbitrary, values_of(beyond))
    u, vh, by_u, by_v = u[..., :k], vh[..., :k, :], by_u[..., :k], _h(by_vh[..., :k, :])
    square = s * s
    gap = np.where(eye(k, bool, s), 1, square[..., None, :] - square[..., :, None])
    of_u, of_v = _h(u) @ by_u, vh @ by_v
    of_u, of_v = of_u - _h(of_u), of_v - _h(of_v)
    inner = quotient(of_u, gap) * s[..., None, :] + s[..., :, None] * quotient(of_v, gap)
    inner = inner + _diagonal_matrix(by_s)
    if a.dtype.kind == "c":
        inner = inner + _diagonal_matrix(quotient(_diagonal(of_u), 2 * s))
    by_a = u @ inner @ vh
    if u.shape[-2] > k:
        outside = quotient(by_u, s[..., None, :])
        by_a = by_a + (outside - u @ (_h(u) @ outside)) @ vh
    if vh.shape[-1] > k:
        outside = quotient(by_v, s[..., None, :])
        by_a = by_a + u @ _h(outside - _h(vh) @ (vh @ outside))
    return by_a


def _svd_layout(shape: tuple[int, ...], *, full_matrices: bool) -> Layout:
    if len(shape) < 2:
        raise np.linalg.LinAlgError(f"np.linalg.svd takes matrices, and the shape is {shape}")
    *batch, m, n = shape
    k = min(m, n)
    rows, columns = (m, n) if full_matrices else (k, k)
    return [((*batch, m, rows), False), ((*batch, k), True), ((*batch, columns, n), False)]


_svd = _decomposition("svd", np.linalg.svd, _svd_rule, _svd_layout)
SVDResult = namedtuple("SVDResult", ["U", "S", "Vh"])


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return U, the singular values, and V^H; or the singular values alone.

    A loss must not depend on the phases of complex singular vectors, which are arbitrary.
    """
    if not compute_uv:
        return svdvals(a)
    return SVDResult(*_svd(a, full_matrices=full_matrices))


@implements(np.linalg.svdvals)
def svdvals(x: Any) -> Any:
    """Return the singular values, largest first."""
    return _svd(x, full_matrices=False)[1]


def _qr_rule(gradients: Any, outputs: Any, a: Any) -> Any:
    """Walter and Lehmann, "Algorithmic differentiation of linear algebra functions ..." (2018)."""
    (by_q, by_r), (q, r) = gradients, outputs
    upper = np.triu(by_r @ _h(r) - _h(q) @ by_q)
    symmetric = upper + _h(upper) - _diagonal_matrix(np.real(_diagonal(upper)))
    return _h(np.linalg.solve(r, _h(by_q + q @ symmetric)))


def _qr_layout(shape: tuple[int, ...]) -> Layout:
    *batch, m, n = shape
    return [((*batch, m, n), False), ((*batch, n, n), False)]


_qr = _decomposition("qr", np.linalg.qr, _qr_rule, _qr_layout)
QRResult = namedtuple("QRResult", ["Q", "R"])


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Return Q and R; or R alone with mode="r". Of a tall matrix, Q is as wide as it (or use no other)."""
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"np.linalg.qr takes matrices, and the shape is {a.shape}")
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise ValueError(
            f"np.linalg.qr of shape {a.shape} with mode={mode!r} is not differentiated: the further columns "
            "of Q are arbitrary; use mode='reduced' or 'r'"
        )
    q, r = _qr(a[..., :m])
    if m < n:  # the columns beyond the square are turned as Q says
        r = np.concatenate([r, _h(q) @ a[..., m:]], axis=-1)
    return r if mode == "r" else QRResult(q, r)


def _cholesky_rule(g: Any, y: Any, a: Any) -> Any:
    """Murray, "Differentiation of the Cholesky decomposition" (2016); the gradient is Hermitian."""
    lower = np.tril(_h(y) @ conjugate_of(g))
    inner = lower - _diagonal_matrix(_diagonal(lower)) / 2
    by_a = np.linalg.solve(_h(y), _h(np.linalg.solve(_h(y), _h(inner))))
    return conjugate_of(by_a + _h(by_a)) / 2


_cholesky = primitive(lambda a: np.linalg.cholesky(a), _cholesky_rule, name="cholesky")


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Return L with L L^H = a, or its conjugate transpose; a is Hermitian, and so is the gradient."""
    return _h(_cholesky(_h(a))) if upper else _cholesky(a)


def _floating(x: Any) -> Any:
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Return the least-squares solution of a x = b, sums of squared residuals, rank and singular values."""
    a, b = map(_floating, arrays_or_tensors(a, b))
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError(
            f"np.linalg.lstsq takes a matrix and a vector or matrix, not {a.shape}, {b.shape}"
        )
    m, n = a.shape
    tolerance = np.finfo(a.dtype).eps * max(m, n) if rcond is None else rcond
    x = np.linalg.pinv(a, rcond=tolerance) @ b
    singular = np.linalg.svdvals(a)
    largest_first = values_of(singular)
    rank = int(np.sum(largest_first > tolerance * largest_first[:1]))
    if rank < n or m <= n:
        residuals: Any = np.empty(0, np.finfo(x.dtype).dtype, like=x)
    else:
        residuals = np.sum(np.square(np.absolute(b - a @ x)), axis=0, keepdims=b.ndim == 1)
    return x, residuals, rank, singular


# --------------------------------------------------------------------------------------------- norms


def _length(x: Any, *, axis: Any, keepdims: bool) -> Any:
    return np.sqrt(np.sum((conjugate_of(x) * x).real, axis=axis, keepdims=keepdims))


def _length_rule(g: Any, y: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    """g x / |x|, and 0 where |x| = 0."""
    g, y = spread(g, x, axis, keepdims), spread(y, x, axis, keepdims)
    return g * quotient(conjugate_of(x), y)


length = primitive(_length, _length_rule, name="norm")


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return a norm of vectors (one axis) or matrices (two), of any order that NumPy takes; at 0, slope 0."""
    x, axes = _floating(x), normalized(axis, x.ndim)
    if len(axes) not in (1, 2) and not (ord is None and axis is None):
        raise ValueError(
            f"np.linalg.norm with ord={ord} takes one axis or two; got {axes} of shape {x.shape}"
        )
    if ord is None or (axis is None and x.ndim == 1 and ord == 2) or (len(axes) == 1 and ord == 2):
        return length(x, axis=axes, keepdims=keepdims)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"ord={ord!r} is a norm of matrices, and there is one axis")
    size = np.absolute(x)
    if ord in (np.inf, -np.inf):
        return _extreme(size, ord, axis, keepdims)
    if ord == 0:
        return np.sum(np.not_equal(x, 0).astype(size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    total = np.sum(size**ord, axis=axis, keepdims=keepdims)
    nothing = total == 0
    return np.where(nothing, 0 if ord > 0 else np.inf, np.where(nothing, 1, total) ** (1 / ord))


def _extreme(sizes: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    """Return the largest of sizes, 0 of none, or for a negative ord the smallest."""
    if ord > 0:
        return np.max(sizes, axis=axis, keepdims=keepdims, initial=0)
    return np.min(sizes, axis=axis, keepdims=keepdims)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if ord in ("fro", "f"):
        return length(x, axis=axes, keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = np.sum(np.absolute(x), axis=summed, keepdims=True)
        result = _extreme(sums, ord, compared, True)
    elif ord in (2, -2, "nuc"):
        values = np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1)))
        reduced = np.sum(values, axis=-1) if ord == "nuc" else _extreme(values, ord, -1, False)
        result = np.expand_dims(reduced, tuple(sorted(axes)))
    else:
        raise ValueError(
            f"np.linalg.norm of matrices has no order {ord!r}: 1, 2, inf, -1, -2, -inf, 'fro', 'nuc'"
        )
    return result if keepdims else np.squeeze(result, axes)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return a norm of the matrices of the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return a norm of vectors, of which several axes are one."""
    x = _floating(x)
    if ord is None or ord == 2:
        return length(x, axis=normalized(axis, x.ndim), keepdims=keepdims)
    return _vector_norm(x, ord, normalized(axis, x.ndim), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number of matrices in a norm, by default that of the singular values."""
    if p in (None, 2, -2):
        values = np.linalg.svdvals(x)
        first, last = values[..., 0], values[..., -1]
        numerator, denominator = (last, first) if p == -2 else (first, last)
        nothing = denominator == 0
        return np.where(nothing, np.inf, numerator / np.where(nothing, 1, denominator))
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))
