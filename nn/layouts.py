"""Recognise the layouts in which MNIST and its kin lie on disks, and read the images of one."""

import os
import zipfile
from pathlib import Path

import numpy as np

from nn.formats import CHUNK, CLASSES, Bytes, DataError, listed, read_csv, read_idx, read_npz
from nn.rows import give_back

Pair = tuple[Bytes, Bytes]
"""Images, (number, height, width), and their labels, (number,)."""

IDX_NAMES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
CSV_PREFIXES = ("mnist_", "fashion-mnist_", "")
ACCEPTED = (
    "give a folder with four IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, "
    "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte), with mnist.npz, or with two CSV files that have "
    "the label first (mnist_train.csv and mnist_test.csv, or train.csv and test.csv), "
    "IDX and CSV also as .gz, or give the .npz file itself"
)


def read_layout(place: Path) -> tuple[Pair, Pair]:
    """Read training and test images with their labels from a folder in a known layout, or an .npz file.

    Where a folder has several, IDX goes before .npz, and .npz before CSV.
    Raises DataError when there is no layout that is known and whole, or what is read does not fit together.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(place)) if place.is_dir() else []
        train, test = _read(place, names)
    except OSError as error:  # a folder that may not be read, or a file that has gone since
        raise DataError(f"{place} cannot be read: {error}; {ACCEPTED}.") from None
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"{place} has test images of {test[0].shape[1:]} pixels, and training images of "
            f"{train[0].shape[1:]}; give the training and test images that belong together."
        )
    return train, test


def _read(place: Path, names: list[str]) -> tuple[Pair, Pair]:
    if not place.exists():
        raise DataError(f"{place} does not exist; {ACCEPTED}.")
    if not place.is_dir():
        if place.suffix == ".npz" or (place.is_file() and zipfile.is_zipfile(place)):
            return _read_npz(place)
        raise DataError(f"{place} is a single file, not an .npz; {ACCEPTED}.")
    idx = [find_idx(place, name) for name in IDX_NAMES]
    images, labels, test_images, test_labels = idx
    if images and labels and test_images and test_labels:
        return read_pair(images, labels), read_pair(test_images, test_labels)
    archives = [name for name in names if name.endswith(".npz")]
    if "mnist.npz" in archives or len(archives) == 1:
        return _read_npz(place / ("mnist.npz" if "mnist.npz" in archives else archives[0]))
    lacking = [name for name, path in zip(IDX_NAMES, idx, strict=True) if path is None]
    for prefix in CSV_PREFIXES:
        train, test = (_find(place, [f"{prefix}{part}.csv"]) for part in ("train", "test"))
        if train and test:
            test_pair = read_csv(test)  # first: of the two it is the quick one, and Kaggle's has no labels
            return read_csv(train), test_pair
        if train or test:
            lacking = [f"{prefix}{'test' if train else 'train'}.csv"]
    if len(lacking) < len(IDX_NAMES):
        raise DataError(f"{place} lacks {', '.join(lacking)}; {ACCEPTED}.")
    if len(archives) > 1:
        raise DataError(f"{place} holds {listed(archives)}; name one of them.")
    raise DataError(f"{place} holds {listed(names) or 'nothing'}; {ACCEPTED}.")


def _read_npz(path: Path) -> tuple[Pair, Pair]:
    images, labels, test_images, test_labels = read_npz(path)
    for part, some, answers in (("train", images, labels), ("test", test_images, test_labels)):
        if len(some) != len(answers):
            raise DataError(
                f"{path} has {len(some)} images in x_{part} and {len(answers)} labels in y_{part}; "
                "give the images and labels that belong together."
            )
    return (images, labels), (test_images, test_labels)


def read_pair(images_path: Path, labels_path: Path) -> Pair:
    """Read images and their labels from two IDX files; the labels are in memory in any case."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        problem = f"{images_path} has shape {images.shape}, not (number, height, width)"
    elif labels.ndim != 1:
        problem = f"{labels_path} has shape {labels.shape}, not (number,)"
    elif len(images) != len(labels):
        problem = f"{images_path} has {len(images)} images, {labels_path} {len(labels)} labels"
    elif (labels := _in_memory(labels)).max() >= CLASSES:
        problem = f"{labels_path} has the label {labels.max()}, and labels go from 0 to {CLASSES - 1}"
    else:
        return images, labels
    raise DataError(f"{problem}; give the images and labels that belong together.")


def _in_memory(labels: Bytes) -> Bytes:
    if not isinstance(labels, np.memmap):
        return labels
    copy = np.empty(len(labels), np.uint8)
    for start in range(0, len(labels), 64 * CHUNK):
        part = labels[start : start + 64 * CHUNK]
        copy[start : start + len(part)] = part
        give_back(part)
    return copy


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the path of an IDX file in either of its spellings, compressed or plain; None without one."""
    return _find(folder, [name, name.replace("-idx", ".idx")])


def _find(folder: Path, spellings: list[str]) -> Path | None:
    candidates = (folder / f"{spelling}{end}" for spelling in spellings for end in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)
