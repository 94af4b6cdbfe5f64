"""Rows of an array that lies in a file: read when they are asked for, and not kept in memory."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

AT_ONCE = 2**26  # bytes of the file in memory before they are given back
AROUND = 2**16  # bytes that a system maps around a place where one is read


class Rows:
    """Stand for some rows of a mapped array, in an order of their own; reading gives plain arrays.

    Of the file, 128 MiB at most are kept in memory, or what is read at once.
    """

    def __init__(self, array: npt.NDArray[Any], order: npt.NDArray[np.integer[Any]] | None = None) -> None:
        self._array = array
        self._plain = np.asarray(array)
        self._order = order
        self._piece = max(AT_ONCE // (array[:1].nbytes + AROUND), 1)
        self._read = 0
        self.shape = (len(array) if order is None else len(order), *array.shape[1:])
        self.dtype = array.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: slice | npt.NDArray[np.integer[Any]]) -> npt.NDArray[Any]:
        """Read the rows of a slice, or of an array of their numbers."""
        return self.take(np.arange(*index.indices(len(self))) if isinstance(index, slice) else index)

    def take(self, rows: npt.NDArray[np.integer[Any]], axis: int = 0) -> npt.NDArray[Any]:
        """Read the rows of these numbers, (n, ...), along the first axis."""
        if axis != 0:
            raise ValueError(f"axis is {axis}; rows are taken along axis 0")
        places = rows if self._order is None else self._order[rows]
        taken = np.empty((len(places), *self.shape[1:]), self.dtype)
        for start in range(0, len(places), self._piece):
            piece = places[start : start + self._piece]
            taken[start : start + len(piece)] = self._plain[piece]
            self._read += len(piece)
            if self._read >= self._piece:
                give_back(self._array)
                self._read = 0
        return taken

    def select(self, rows: npt.NDArray[np.integer[Any]]) -> "Rows":
        """Return the rows of these numbers, without reading them."""
        return Rows(self._array, rows if self._order is None else self._order[rows])


def give_back(array: npt.NDArray[Any]) -> None:
    """Free the memory of a mapped array, or of a part of one; what is read again comes from the file."""
    mapping = getattr(array, "_mmap", None)  # none where an array was computed from a mapped one
    if mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    whole = np.frombuffer(mapping, np.uint8)
    low, high = (place - whole.ctypes.data for place in np.lib.array_utils.byte_bounds(array))
    start = low // AROUND * AROUND
    mapping.madvise(mmap.MADV_DONTNEED, start, min(high + AROUND, len(whole)) - start)
