"""What several tests need: small data sets, also as files in every layout; memory; a terminal."""

import contextlib
import csv
import gzip
import io
import os
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nn.data import Dataset
from nn.training import Labelled

PROJECT = Path(__file__).resolve().parents[1]
REAL_MNIST = PROJECT.parent / "shared" / "data" / "mnist"


def encode_idx(array: np.ndarray[Any, Any], type_code: int = 0x08) -> bytes:
    header = bytes([0, 0, type_code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def encode_npz(compressed: bool = True, **arrays: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def encode_csv(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], header: str = "") -> bytes:
    file = io.StringIO(header)
    file.seek(0, io.SEEK_END)
    csv.writer(file).writerows(np.column_stack([labels, images.reshape(len(images), -1)]).tolist())
    return file.getvalue().encode()


IMAGES = np.arange(3 * 5 * 5).reshape(3, 5, 5).astype(np.uint8)
LABELS = np.array([7, 0, 9], np.uint8)
IMAGES_IDX = encode_idx(IMAGES)
LABELS_IDX = encode_idx(LABELS)
ARRAYS = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}
HEADER = "label," + ",".join(f"pixel{i}" for i in range(25)) + "\n"
CONTENTS = {
    "train-images-idx3-ubyte": IMAGES_IDX,
    "train-labels-idx1-ubyte": LABELS_IDX,
    "t10k-images-idx3-ubyte": encode_idx(IMAGES[:2]),
    "t10k-labels-idx1-ubyte": encode_idx(LABELS[:2]),
}
COMPRESSED = {f"{name}.gz": gzip.compress(raw, mtime=0) for name, raw in CONTENTS.items()}


def write_folder(folder: Path, **replaced: bytes) -> Path:
    """Write the four files, plain; keywords (train_images=...) replace the content of some."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENTS.items():
        keyword = "_".join(name.split("-")[:2])
        (folder / name).write_bytes(replaced.get(keyword, content))
    return folder


def check_loaded(dataset: Dataset, name: str = "MNIST") -> None:
    np.testing.assert_array_equal(dataset.train_images, IMAGES)
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    np.testing.assert_array_equal(dataset.test_images, IMAGES[:2])
    np.testing.assert_array_equal(dataset.test_labels, LABELS[:2])
    assert (dataset.name, dataset.levels, len(dataset.classes)) == (name, 255, 10)


def halves(count: int, seed: int = 0) -> Labelled:
    """Return images of 4 x 4 pixels that are brighter on the left (0) or on the right (1), with noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count).astype(np.uint8)
    images = generator.integers(0, 150, (count, 4, 4))
    images[labels == 0, :, :2] += 100
    images[labels == 1, :, 2:] += 100
    return images.astype(np.uint8), labels


def peak_memory(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def in_a_terminal(command: list[str], columns: int = 80, **options: Any) -> str:
    """Run a program in a terminal of so many columns, as Popen does; return all that it wrote there."""
    fcntl = pytest.importorskip("fcntl", reason="this system has no terminals to open")
    termios = pytest.importorskip("termios", reason="this system has no terminals to open")
    outside, inside = os.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside, **options)
    os.close(inside)
    written = b""
    with contextlib.suppress(OSError), open(outside, "rb", buffering=0) as file:
        while some := file.read(65536):
            written += some
    assert process.wait(timeout=60) == 0
    return written.decode()
