"""Labelled images: MNIST, Fashion-MNIST and digits, kept as bytes and handed out as floats."""

import hashlib
import importlib.resources
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from nn import download
from nn.formats import Bytes, DataError, read_csv, read_idx, read_npz
from nn.layouts import read_layout, read_pair
from nn.rows import Rows, give_back

__all__ = [
    "DIGIT_CLASSES",
    "FASHION_CLASSES",
    "DataError",
    "Dataset",
    "Images",
    "Labels",
    "batches",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "one_hot",
    "read_csv",
    "read_idx",
    "read_npz",
    "scale_pixels",
    "split_validation",
]

Labels = npt.NDArray[np.integer[Any]]
Images = Bytes | Rows
"""Bytes (N, height, width), in memory, mapped from a file, or some of a file's."""

DIGIT_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold images, uint8 (N, height, width) up to `levels`, and their labels, uint8 (N,)."""

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    levels: int
    classes: tuple[str, ...]

    def checksum(self) -> str:
        """Return a checksum of all labels and of up to 2,000 images, in which other data differ."""
        every = max(len(self.train_images) // 1000, 1)
        digest = hashlib.sha256(self.train_images[::every].tobytes())
        digest.update(self.train_labels.tobytes())
        digest.update(self.test_labels.tobytes())
        return digest.hexdigest()[:16]


def load_mnist(folder: str | Path | None = None) -> Dataset:
    """Load MNIST from a folder or, without one, from the user's cache, downloading what it lacks.

    The folder holds four IDX files, mnist.npz or two CSV files (see `nn.layouts`), or is the .npz file.
    Plain IDX files of 256 MiB and more stay on disk: their images are read-only numpy.memmaps.
    Raises DataError when files are missing, broken or disagree, or no mirror delivers them.
    """
    if folder is None:
        folder = download.complete("MNIST", download.MNIST_FILES, download.MNIST_MIRRORS)
    return _load("MNIST", folder, DIGIT_CLASSES)


def load_fashion_mnist(folder: str | Path | None = None) -> Dataset:
    """Load Fashion-MNIST (https://arxiv.org/abs/1708.07747) as `load_mnist` loads MNIST."""
    if folder is None:
        folder = download.complete("Fashion-MNIST", download.FASHION_FILES, download.FASHION_MIRRORS)
    return _load("Fashion-MNIST", folder, FASHION_CLASSES)


def _load(name: str, folder: str | Path, classes: tuple[str, ...]) -> Dataset:
    train, test = read_layout(Path(folder))
    return Dataset(name, *train, *test, 255, classes)


def load_digits() -> Dataset:
    """Load the 8x8 digits of the package (see datasets/README.md): 1,437 to train, 360 to test."""
    folder = importlib.resources.files("nn") / "datasets"
    with (
        importlib.resources.as_file(folder / "digits-images-idx3-ubyte.gz") as images_path,
        importlib.resources.as_file(folder / "digits-labels-idx1-ubyte.gz") as labels_path,
    ):
        images, labels = read_pair(images_path, labels_path)
    # The file is ordered by writer: a plain cut would test on hands never seen in training.
    train, test = np.split(np.random.default_rng(0).permutation(len(images)), [1437])
    arrays = images[train], labels[train], images[test], labels[test]
    return Dataset("digits", *arrays, 16, DIGIT_CLASSES)


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
    """Scale bytes (N, height, width) from 0..levels to float32 (N, height * width) in [0, 1].

    The memory of images that are mapped from a file is given back.
    """
    # The fastest spelling: no second array, and no buffered casting as in np.multiply(dtype=).
    flat = np.asarray(images).reshape(len(images), math.prod(images.shape[1:]))
    pixels = flat.astype(np.float32)
    pixels *= 1 / levels
    if isinstance(images, np.memmap):
        give_back(images)
    return pixels


def batches(
    images: Images,
    labels: Labels,
    batch_size: int,
    levels: int,
    generator: Generator | None = None,
    start: int = 0,
    share: Callable[[int], slice] = slice,
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Yield every sample once, as pixels float32 (B, height * width) and labels int64 (B,).

    The generator shuffles; without one they come in order. The last batch may be smaller.
    The first `start` batches are left out: those before an interruption, the order being the same. Of a batch
    of n only `share(n)` is yielded.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give 1 or more")
    if start < 0:
        raise ValueError(f"start is {start}; give the number of batches to leave out")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels; give as many of each")
    order = np.arange(len(images)) if generator is None else generator.permutation(len(images))
    firsts = range(start * batch_size, len(order), batch_size)
    whole = (order[first : first + batch_size] for first in firsts)
    parts = (batch[share(len(batch))] for batch in whole)
    images, labels = _rows(images), np.asarray(labels)
    # take copies whole rows, in half the time of images[part].
    taken = ((images.take(part, axis=0), labels[part]) for part in parts)
    return ((scale_pixels(some, levels), answers.astype(np.int64)) for some, answers in taken)


def split_validation(
    images: Images, labels: Labels, fraction: float, generator: Generator
) -> tuple[Images, Labels, Images, Labels]:
    """Split at random: training images and labels, then the fraction for validation likewise.

    Images in memory are copied; of images in a file both sides are `Rows`, read when they are asked for.
    """
    number = len(images)
    if number != len(labels):
        raise ValueError(f"{number} images and {len(labels)} labels; give as many of each")
    count = round(number * fraction) if 0 < fraction < 1 else 0
    if not 1 <= count < number:
        raise ValueError(
            f"fraction {fraction} of {number} leaves a side empty; give a part that is larger, or smaller"
        )
    validation, train = np.split(generator.permutation(number), [count])
    images, labels = _rows(images), np.asarray(labels)
    if isinstance(images, Rows):
        return images.select(train), labels[train], images.select(validation), labels[validation]
    return images[train], labels[train], images[validation], labels[validation]


def _rows(images: Images) -> Images:
    return Rows(images) if isinstance(images, np.memmap) else images
