"""The derivative table of np.fft.

A discrete Fourier transform is a symmetric matrix, so it is its own rule. Along real data only half of it is
computed, and what is left out is put back by symmetry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd.backend import array_or_tensor
from autograd.ops.indexing import along, getitem, laid_along, scatter
from autograd.ops.reductions import normalized
from autograd.ops.shaping import roll
from autograd.primitives import implements, primitive

# The same scale, of the transform in the other direction.
_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _opposite(norm: Any) -> str:
    if norm not in _OPPOSITE:
        raise ValueError(f"norm={norm!r}; a Fourier transform takes 'backward', 'ortho' or 'forward'")
    return _OPPOSITE[norm]


def _fitted(x: Any, n: int, axis: int) -> Any:
    """Return x cut off at, or filled up with zeros to, n elements along an axis."""
    size = x.shape[axis]
    if size >= n:
        return x if size == n else getitem(x, along(slice(n), axis, x.ndim))
    shape = list(x.shape)
    shape[axis] = n
    return scatter(x, shape=tuple(shape), index=along(slice(size), axis, x.ndim))


def _checked(n: int) -> int:
    if n < 1:
        raise ValueError(f"a Fourier transform takes at least one element along its axis, not {n}")
    return n


_fft: Any = primitive(
    lambda a, *, axis, norm: np.fft.fft(a, axis=axis, norm=norm),
    lambda g, y, a, *, axis, norm: _fft(g, axis=axis, norm=norm),
    name="fft",
)
_ifft: Any = primitive(
    lambda a, *, axis, norm: np.fft.ifft(a, axis=axis, norm=norm),
    lambda g, y, a, *, axis, norm: _ifft(g, axis=axis, norm=norm),
    name="ifft",
)


def _irfft_rule(g: Any, y: Any, a: Any, *, n: int, axis: int, norm: Any) -> Any:
    """The transform of g; elements that stand for their mirror image, too, count twice."""
    half = np.conjugate(_rfft(g, axis=axis, norm=_OPPOSITE[norm]))
    places = np.arange(a.shape[axis], like=a)
    twice = np.where((places > 0) & (2 * places < n), 2, 1).astype(g.dtype)
    return half * laid_along(twice, axis, a.ndim)


_rfft: Any = primitive(
    lambda a, *, axis, norm: np.fft.rfft(a, axis=axis, norm=norm),
    lambda g, y, a, *, axis, norm: _fft(_fitted(g, a.shape[axis], axis), axis=axis, norm=norm),
    name="rfft",
)
_irfft: Any = primitive(
    lambda a, *, n, axis, norm: np.fft.irfft(a, n, axis=axis, norm=norm), _irfft_rule, name="irfft"
)


def _length(a: Any, n: int | None, axis: int) -> int:
    return _checked(a.shape[axis] if n is None else n)


@implements(np.fft.fft)
def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the discrete Fourier transform of n elements along an axis."""
    a = array_or_tensor(a)
    return _fft(_fitted(a, _length(a, n, axis), axis), axis=axis, norm=norm)


@implements(np.fft.ifft)
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the inverse discrete Fourier transform."""
    a = array_or_tensor(a)
    return _ifft(_fitted(a, _length(a, n, axis), axis), axis=axis, norm=norm)


@implements(np.fft.rfft)
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the first half of the transform of real elements."""
    a = array_or_tensor(a)
    if a.dtype.kind == "c":
        raise TypeError(f"np.fft.rfft takes real arrays, not {a.dtype}; use np.fft.fft, or take its .real")
    return _rfft(_fitted(a, _length(a, n, axis), axis), axis=axis, norm=norm)


@implements(np.fft.irfft)
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return n real elements from the first half of their transform."""
    a = array_or_tensor(a)
    n = _checked(2 * (a.shape[axis] - 1) if n is None else n)
    return _irfft(_fitted(a, n // 2 + 1, axis), n=n, axis=axis, norm=norm)


@implements(np.fft.hfft)
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the real transform of a signal of which the first half is given: it has Hermitian symmetry."""
    return irfft(np.conjugate(a), n, axis, _opposite(norm))


@implements(np.fft.ihfft)
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the inverse of `hfft`."""
    return np.conjugate(rfft(a, n, axis, _opposite(norm)))


# ------------------------------------------------------------------------------------- several axes


def _sizes_and_axes(a: Any, s: Any, axes: Any) -> tuple[list[int | None], list[int]]:
    if axes is None:
        axes = range(a.ndim) if s is None else range(-len(s), 0)
    axes = [normalize_axis_index(axis, a.ndim) for axis in axes]
    sizes = [a.shape[axis] for axis in axes] if s is None else list(s)
    if len(sizes) != len(axes):
        raise ValueError(f"a Fourier transform of axes {axes} takes a size for each, not s={s}")
    sizes = [a.shape[axis] if n == -1 else n for n, axis in zip(sizes, axes, strict=True)]
    return sizes, axes


def _along_all(one: Callable[..., Any], a: Any, s: Any, axes: Any, norm: str | None) -> Any:
    a = array_or_tensor(a)
    for n, axis in reversed(list(zip(*_sizes_and_axes(a, s, axes), strict=True))):
        a = one(a, n, axis, norm)
    return a


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Return the discrete Fourier transform along several axes, or all."""
    return _along_all(fft, a, s, axes, norm)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Return the inverse discrete Fourier transform along several axes, or all."""
    return _along_all(ifft, a, s, axes, norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Return the discrete Fourier transform along two axes."""
    return fftn(a, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Return the inverse discrete Fourier transform along two axes."""
    return ifftn(a, s, axes, norm)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Return the transform of real elements along several axes, of the last one the first half."""
    a = array_or_tensor(a)
    sizes, axes = _sizes_and_axes(a, s, axes)
    a = rfft(a, sizes[-1], axes[-1], norm)
    return _along_all(fft, a, sizes[:-1], axes[:-1], norm)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """Return real elements from their transform along several axes."""
    a = array_or_tensor(a)
    sizes, axes = _sizes_and_axes(a, s, axes)
    for n, axis in zip(sizes[:-1], axes[:-1], strict=True):
        a = ifft(a, n, axis, norm)
    return irfft(a, None if s is None else sizes[-1], axes[-1], norm)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Return the transform of real elements along two axes, of the last one the first half."""
    return rfftn(a, s, axes, norm)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """Return real elements from their transform along two axes."""
    return irfftn(a, s, axes, norm)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the middle of axes, or of all."""
    axes = normalized(axes, x.ndim)
    return roll(x, [x.shape[axis] // 2 for axis in axes], axes)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """Undo `fftshift`."""
    axes = normalized(axes, x.ndim)
    return roll(x, [-(x.shape[axis] // 2) for axis in axes], axes)
