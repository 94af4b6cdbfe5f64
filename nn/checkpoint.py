"""Arrays by name on disk: written whole or not at all, and never pickled."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def save_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays to an .npz file, replacing it only once the new one is complete."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        with open(unfinished, "wb") as file:
            # np.savez would take some names, such as "file", for parameters of its own.
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file, by name."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
