"""The derivative table of indexing: reading from places, and adding to them."""

from __future__ import annotations

from typing import Any

from autograd.backend import scatter_add
from autograd.primitives import primitive
from autograd.tensor import Tensor


def _plain(index: Any) -> Any:
    """Return an index with the Tensors in it replaced by their values."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    return index.__array__() if type(index) is Tensor else index


# Each is the other's gradient.
scatter = primitive(scatter_add, lambda g, y, x, *, shape, index: g[index], name="scatter")
_getitem = primitive(
    lambda x, *, index: x[index],
    lambda g, y, x, *, index: scatter(g, shape=x.shape, index=index),
    name="getitem",
)


def getitem(x: Any, index: Any) -> Any:
    """Return `x[index]` for any index that NumPy takes; what is read twice adds up in the gradient."""
    return _getitem(x, index=_plain(index))
