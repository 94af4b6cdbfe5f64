"""Labelled images: MNIST, Fashion-MNIST and digits, kept as bytes and handed out as floats."""

import gzip
import hashlib
import importlib.resources
import math
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer[Any]]
Files = tuple[tuple[int, str], ...]
Strings = tuple[str, ...]

FILE_NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
# Size and sha256 of each compressed file, in the order of FILE_NAMES.
MNIST_FILES = (
    (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
FASHION_FILES = (
    (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# The authors' own server speaks only plain http; the checksum makes up for that.
FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
DIGIT_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
TIMEOUT = 10.0  # seconds
LARGEST_BODY = 2**30
CHUNK = 2**18
WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<")


class DataError(Exception):
    """Say which file is unusable, why, and what to do about it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold images, uint8 (N, height, width) up to `levels`, and their labels, uint8 (N,)."""

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    levels: int
    classes: Strings


def load_mnist(folder: str | Path | None = None) -> Dataset:
    """Load MNIST from a folder or, without one, from the user's cache, downloading what it lacks.

    Raises DataError when files are missing, broken or disagree, or no mirror delivers them.
    """
    return _load("MNIST", folder, MNIST_FILES, MNIST_MIRRORS, DIGIT_CLASSES)


def load_fashion_mnist(folder: str | Path | None = None) -> Dataset:
    """Load Fashion-MNIST (https://arxiv.org/abs/1708.07747) as `load_mnist` loads MNIST."""
    return _load("Fashion-MNIST", folder, FASHION_FILES, FASHION_MIRRORS, FASHION_CLASSES)


def load_digits() -> Dataset:
    """Load the 8x8 digits of the package (see datasets/README.md): 1,437 to train, 360 to test."""
    folder = importlib.resources.files("nn") / "datasets"
    with (
        importlib.resources.as_file(folder / "digits-images-idx3-ubyte.gz") as images_path,
        importlib.resources.as_file(folder / "digits-labels-idx1-ubyte.gz") as labels_path,
    ):
        images, labels = _read_pair(images_path, labels_path)
    # The file is ordered by writer: a plain cut would test on hands never seen in training.
    train, test = np.split(np.random.default_rng(0).permutation(len(images)), [1437])
    arrays = images[train], labels[train], images[test], labels[test]
    return Dataset("digits", *arrays, 16, DIGIT_CLASSES)


def read_idx(path: str | Path) -> Bytes:
    """Read an IDX file of unsigned bytes, gzip-compressed or plain.

    Layout: 0, 0, type code, number of dimensions, each dimension as big-endian uint32, elements.
    Raises FileNotFoundError, or DataError for anything but a whole, nonempty file of that kind.
    """
    try:
        with open(path, "rb") as file:
            # Browsers unpack downloads and keep the name, so the name decides nothing.
            compressed = file.peek(2).startswith(b"\x1f\x8b")
            return _parse_idx(gzip.GzipFile(fileobj=file) if compressed else file)
    except FileNotFoundError:
        raise
    except EOFError:
        problem = "is truncated: its gzip data stop early"
    except (OSError, zlib.error) as error:
        problem = f"cannot be read: {error}"
    except ValueError as error:
        problem = str(error)
    raise DataError(f"{path} {problem}; replace it with an intact file (a cached one: delete it).")


def _parse_idx(stream: BufferedReader | gzip.GzipFile) -> Bytes:
    if WEB_PAGE.match(stream.peek(64)):
        raise ValueError("looks like a web page that was saved in place of the data")
    magic = _read_exactly(stream, 4, "magic number")
    type_code, dimensions = magic[2:]
    if magic[:2] != b"\0\0" or dimensions == 0:
        raise ValueError(f"is not an IDX file: its magic number is wrong ({magic.hex(' ')})")
    if type_code != 0x08:
        raise ValueError(f"has elements of type 0x{type_code:02x}, not unsigned bytes (0x08)")
    header = _read_exactly(stream, 4 * dimensions, f"header of {dimensions} dimensions")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    size = math.prod(shape)
    if not 1 <= size <= LARGEST_BODY:
        raise ValueError(f"claims the shape {shape}; 1 to {LARGEST_BODY} elements are accepted")
    body = _read_exactly(stream, size, f"shape {shape}")
    # Reading on to the end of the file is also what makes gzip compare its checksum.
    if stream.read(1):
        raise ValueError(f"is longer than the {size} bytes that its shape {shape} needs")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_exactly(stream: BufferedReader | gzip.GzipFile, size: int, part: str) -> bytearray:
    # Memory grows with the bytes that are there, never with the bytes that a header claims.
    content = bytearray()
    while chunk := stream.read(min(CHUNK, size - len(content))):
        content += chunk
    if len(content) < size:
        raise ValueError(f"is truncated: its {part} needs {size} bytes, it has {len(content)}")
    return content


def _load(
    name: str, folder: str | Path | None, expected: Files, mirrors: Strings, classes: Strings
) -> Dataset:
    place = _cache_folder() / name.lower() if folder is None else Path(folder)
    found = [_find(place, file) for file in FILE_NAMES]
    missing = [file for file, path in zip(FILE_NAMES, found, strict=True) if path is None]
    if missing and folder is not None:
        raise DataError(
            f"{place} lacks {', '.join(missing)}; add the {name} files, with or without .gz, named "
            "like train-images-idx3-ubyte or train-images.idx3-ubyte, or name another --data-dir."
        )
    paths = [
        path or _download(place / f"{file}.gz", size, sha256, mirrors)
        for path, file, (size, sha256) in zip(found, FILE_NAMES, expected, strict=True)
    ]
    train, test = _read_pair(*paths[:2]), _read_pair(*paths[2:])
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"{paths[2]} has images of {test[0].shape[1:]} pixels, and {paths[0]} of {train[0].shape[1:]}; "
            "give the training and test images that belong together."
        )
    return Dataset(name, *train, *test, 255, classes)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        problem = f"{images_path} has shape {images.shape}, not (number, height, width)"
    elif labels.ndim != 1:
        problem = f"{labels_path} has shape {labels.shape}, not (number,)"
    elif len(images) != len(labels):
        problem = f"{images_path} has {len(images)} images, {labels_path} {len(labels)} labels"
    elif labels.max() > 9:
        problem = f"{labels_path} has the label {labels.max()}, and labels go from 0 to 9"
    else:
        return images, labels
    raise DataError(f"{problem}; give the images and labels that belong together.")


def _find(folder: Path, name: str) -> Path | None:
    spellings = (name, name.replace("-idx", ".idx"))
    candidates = (folder / f"{spelling}{end}" for spelling in spellings for end in (".gz", ""))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _cache_folder() -> Path:
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "graphgrad"


def _download(target: Path, size: int, sha256: str, mirrors: Strings) -> Path:
    from http.client import HTTPException  # which takes as long to import as this package

    failures = []
    for mirror in mirrors:
        url = mirror + target.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, target, size, sha256)
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"\n  {url}: {str(error) or type(error).__name__}")
        # Even after a failure: another process may have finished the same download.
        if os.path.isfile(target):
            return target
    raise DataError(
        f"{target} could not be downloaded:{''.join(failures)}\n"
        "Try again, or fetch the four files by other means and name their folder with --data-dir."
    )


def _fetch(url: str, target: Path, size: int, sha256: str) -> None:
    import urllib.request

    # Each download has a file of its own, which takes the target's name only when it is verified.
    handle, part = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    try:
        with open(handle, "wb") as file, urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            checksum = hashlib.sha256()
            while file.tell() <= size and (chunk := response.read(CHUNK)):
                if file.tell() == 0 and WEB_PAGE.match(chunk):
                    raise ValueError("a web page came in place of the data")
                file.write(chunk)
                checksum.update(chunk)
            if checksum.hexdigest() != sha256:
                raise ValueError(f"{file.tell()} of {size} bytes came, with the wrong sha256")
            file.flush()
            os.fsync(handle)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)


def one_hot(labels: Labels, classes: int, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Encode integer labels (N,) from 0 to classes - 1 as rows (N, classes) with a single one."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels are {labels.dtype} {labels.shape}; give integers of shape (N,)")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}; give 0 to {classes - 1}")
    encoded = np.zeros((len(labels), classes), dtype)
    encoded[np.arange(len(labels)), labels] = 1
    return encoded


def scale_pixels(images: Bytes, levels: int) -> npt.NDArray[np.float32]:
    """Scale bytes (N, height, width) from 0..levels to float32 (N, height * width) in [0, 1]."""
    # The fastest spelling: no second array, and no buffered casting as in np.multiply(dtype=).
    pixels = images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)
    pixels *= 1 / levels
    return pixels


def batches(
    images: Bytes, labels: Labels, batch_size: int, levels: int, generator: Generator | None = None
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Yield every sample once, as pixels float32 (B, height * width) and labels int64 (B,).

    The generator shuffles; without one they come in order. The last batch may be smaller.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give 1 or more")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels; give as many of each")
    order = np.arange(len(images)) if generator is None else generator.permutation(len(images))
    parts = (order[start : start + batch_size] for start in range(0, len(order), batch_size))
    # take copies whole rows, in half the time of images[part].
    taken = ((images.take(part, axis=0), labels[part]) for part in parts)
    return ((scale_pixels(some, levels), answers.astype(np.int64)) for some, answers in taken)


def split_validation(
    images: Bytes, labels: Labels, fraction: float, generator: Generator
) -> tuple[Bytes, Labels, Bytes, Labels]:
    """Split at random: training images and labels, then the fraction for validation likewise."""
    number = len(images)
    if number != len(labels):
        raise ValueError(f"{number} images and {len(labels)} labels; give as many of each")
    count = round(number * fraction) if 0 < fraction < 1 else 0
    if not 1 <= count < number:
        raise ValueError(f"fraction {fraction} of {number} leaves a side empty; give one in (0, 1)")
    validation, train = np.split(generator.permutation(number), [count])
    return images[train], labels[train], images[validation], labels[validation]
