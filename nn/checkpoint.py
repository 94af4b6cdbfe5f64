"""Checkpoints: nested arrays and numbers in one file, written whole or not at all, and never pickled.

A file is an .npz, which NumPy opens, too. Its comment is the SHA-256 of all bytes before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGEST = 64  # characters of a SHA-256
HEADER = "header.json"
NAME, PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"
WAITING = NAME + ".new"  # whole, but what it replaces is not out of its way yet


class CheckpointError(Exception):
    """Say which file cannot be used, and why."""


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file, replacing one of that name only once the new one is complete and on the disk."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def save_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays to an .npz file, replacing it only once the new one is complete."""
    write_file(path, _packed({f"{name}.npy": np.asarray(array) for name, array in arrays.items()}))


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file, by name. Raises CheckpointError for one that is damaged."""
    members = _unpacked(Path(path))
    return {name.removesuffix(".npy"): array for name, array in members.items() if name.endswith(".npy")}


def save_checkpoint(folder: str | Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint into a folder, and keep the one before it.

    The state is of dicts with names as keys, lists, arrays, numbers, strings and None.
    """
    members: dict[str, Any] = {}
    header = _without_arrays(state, (), members)
    latest = Path(folder) / NAME
    waiting = latest.with_name(WAITING)
    write_file(waiting, _packed({**members, HEADER: json.dumps(header).encode()}))
    if latest.exists():
        os.replace(latest, latest.with_name(PREVIOUS))
    os.replace(waiting, latest)


def load_checkpoint(folder: str | Path) -> tuple[Any, list[str]]:
    """Return the latest state saved in a folder that is whole, and what is wrong with later ones.

    Without any, raises CheckpointError that says what is wrong with each, or FileNotFoundError.
    """
    wrong: list[str] = []
    for name in (WAITING, NAME, PREVIOUS):
        path = Path(folder) / name
        try:
            return _with_arrays(_unpacked(path, with_checksum=True)), wrong
        except FileNotFoundError:
            continue
        except CheckpointError as error:
            wrong.append(str(error))
        except OSError as error:
            wrong.append(f"{path} cannot be read: {error.strerror or error}")
        except (ValueError, LookupError, TypeError, RecursionError):
            wrong.append(f"{path} is an .npz file, but not a checkpoint")
    if wrong:
        raise CheckpointError("; ".join(wrong))
    raise FileNotFoundError(f"{folder} holds no checkpoint")


def _without_arrays(tree: Any, path: tuple[str, ...], members: dict[str, Any]) -> Any:
    """Return a tree for JSON, and put its arrays among the members of a file, named by where they were.

    Such a name is a JSON Pointer (RFC 6901) without the first slash: keys may have slashes, too.
    """
    if isinstance(tree, Mapping):
        if wrong := [key for key in tree if not isinstance(key, str)]:
            raise TypeError(f"keys in a checkpoint are strings; got {wrong[0]!r}")
        return {key: _without_arrays(part, (*path, key), members) for key, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_without_arrays(part, (*path, str(n)), members) for n, part in enumerate(tree)]
    if isinstance(tree, np.ndarray):
        members["/".join(key.replace("~", "~0").replace("/", "~1") for key in path) + ".npy"] = tree
        return None
    return tree


def _with_arrays(members: dict[str, Any]) -> Any:
    """Return the tree in the header of a file with its arrays in their places."""
    tree = json.loads(members.pop(HEADER, b""))
    for name, array in members.items():
        path = [key.replace("~1", "/").replace("~0", "~") for key in name.removesuffix(".npy").split("/")]
        place = tree
        for key in path[:-1]:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(path[-1]) if isinstance(place, list) else path[-1]] = array
    return tree


def _packed(members: Mapping[str, Any]) -> bytes:
    """Return the bytes of a ZIP archive of arrays and of bytes, by name, with its checksum at the end."""
    buffer = BytesIO()
    # np.savez would take some names, such as "file", for parameters of its own.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(name)
            if info.filename != name:
                raise ValueError(f"{name!r} cannot be a name in a ZIP archive")
            with archive.open(info, "w", force_zip64=True) as file:
                if isinstance(member, bytes):
                    file.write(member)
                else:
                    np.lib.format.write_array(file, member, allow_pickle=False)
        archive.comment = b"0" * DIGEST
    content = buffer.getbuffer()
    content[-DIGEST:] = hashlib.sha256(content[:-DIGEST]).hexdigest().encode()
    return bytes(content)


def _unpacked(path: Path, with_checksum: bool = False) -> dict[str, Any]:
    """Return the arrays in a file, and what else is in it as bytes, by name; compare the checksum."""
    content = path.read_bytes()
    problem = "is damaged: its checksum is wrong"
    try:
        # np.load would take the members a and a.npy for one.
        with zipfile.ZipFile(BytesIO(content)) as archive:
            checksum = hashlib.sha256(content[:-DIGEST]).hexdigest().encode()
            # Archives of other programs end without one: with the 22 bytes of a directory's end.
            foreign = content[-22:-18] == b"PK\x05\x06" and content.endswith(b"\0\0")
            if checksum == content[-DIGEST:] or (foreign and not with_checksum):
                return {name: _member(name, archive.read(name)) for name in archive.namelist()}
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds for what is no whole archive
        problem = f"is damaged or not an .npz file ({str(error) or type(error).__name__})"
    raise CheckpointError(f"{path} {problem}")


def _member(name: str, content: bytes) -> Any:
    if not name.endswith(".npy"):
        return content
    return np.lib.format.read_array(BytesIO(content), allow_pickle=False)
