"""Tests of nn.rows: images that stay in their file, read in the order that is asked for."""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import PROJECT

from nn import rows
from nn.data import batches, scale_pixels, split_validation
from nn.rows import Rows, give_back

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 3, 4), np.uint8)
LABELS = (np.arange(50) % 10).astype(np.uint8)


@pytest.fixture
def mapped(tmp_path: Path) -> Any:
    (tmp_path / "images").write_bytes(b"header" + IMAGES.tobytes())
    return np.memmap(tmp_path / "images", np.uint8, "r", 6, IMAGES.shape)


def test_rows_are_those_of_the_array(mapped: Any) -> None:
    every = Rows(mapped)
    assert (len(every), every.shape, every.dtype) == (50, (50, 3, 4), np.uint8)
    for index in (
        slice(None),
        slice(3, 9),
        slice(-2, None),
        slice(9, 2, -3),
        slice(4, 4),
        np.array([5, 5, -1]),
    ):
        read = every[index]
        assert type(read) is np.ndarray
        np.testing.assert_array_equal(read, IMAGES[index])
    np.testing.assert_array_equal(every.take(np.array([7, 2]), axis=0), IMAGES[[7, 2]])
    with pytest.raises(IndexError):
        every.take(np.array([50]))
    with pytest.raises(ValueError, match="axis is 1; rows are taken along axis 0"):
        every.take(np.array([0]), axis=1)


def test_some_rows_in_an_order_of_their_own(mapped: Any) -> None:
    order = np.random.default_rng(1).permutation(50)
    some = Rows(mapped).select(order[:20])
    assert some.shape == (20, 3, 4) and len(some) == 20
    np.testing.assert_array_equal(some[:], IMAGES[order[:20]])
    np.testing.assert_array_equal(some[5:9], IMAGES[order[5:9]])
    fewer = some.select(np.array([3, 1]))
    np.testing.assert_array_equal(fewer[:], IMAGES[order[[3, 1]]])


def test_more_rows_than_are_read_at_once(mapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "AT_ONCE", 3 * (12 + rows.AROUND))
    given_back = []
    monkeypatch.setattr(rows, "give_back", given_back.append)
    every = Rows(mapped)
    np.testing.assert_array_equal(every[:10], IMAGES[:10])
    assert len(given_back) == 3
    for number in (10, 11, 12):
        every.take(np.array([number]))
    assert len(given_back) == 4


def test_give_back_leaves_the_array_as_it_is(mapped: Any) -> None:
    for part in (mapped, mapped[10:20], mapped[:0], mapped[::-1], mapped + 0, np.zeros(3)):
        give_back(part)
    np.testing.assert_array_equal(mapped, IMAGES)


def test_training_reads_the_same_from_a_file_as_from_memory(mapped: Any) -> None:
    in_memory, in_a_file = (
        split_validation(images, LABELS, 0.3, np.random.default_rng(3)) for images in (IMAGES, mapped)
    )
    assert isinstance(in_a_file[0], Rows) and isinstance(in_a_file[2], Rows)
    for side in (0, 2):
        sides = [split[side : side + 2] for split in (in_memory, in_a_file)]
        for generator_of in (lambda: None, lambda: np.random.default_rng(4)):
            pairs = zip(*(list(batches(*part, 8, 255, generator_of())) for part in sides), strict=True)
            for (pixels, labels), (file_pixels, file_labels) in pairs:
                assert type(file_pixels) is type(file_labels) is np.ndarray
                np.testing.assert_array_equal(pixels, file_pixels)
                np.testing.assert_array_equal(labels, file_labels)
        twice = split_validation(*sides[1], 0.5, np.random.default_rng(5))
        again = split_validation(*sides[0], 0.5, np.random.default_rng(5))
        np.testing.assert_array_equal(twice[0][:], again[0])


def test_batches_and_scaling_of_a_mapped_array_are_plain_arrays(mapped: Any) -> None:
    labels = np.memmap(mapped.filename, np.uint8, "r", 6, (50,)) % 10
    for pixels, chosen in batches(mapped, labels, 8, 255, np.random.default_rng(0)):
        assert type(pixels) is type(chosen) is np.ndarray
    pixels = scale_pixels(mapped[5:9], 255)
    assert type(pixels) is np.ndarray
    np.testing.assert_array_equal(pixels, scale_pixels(IMAGES[5:9], 255))


# Not ru_maxrss, which a program takes over from the one that started it.
TRAIN = r"""
import re, sys
from pathlib import Path
import numpy as np
from nn import MLP, SGD
from nn.data import load_mnist, split_validation
from nn.schedules import constant
from nn.training import Training

data = load_mnist(sys.argv[1])
order = np.random.default_rng(0)
parts = {"train": (data.train_images, data.train_labels), "test": (data.test_images, data.test_labels)}
if fraction := float(sys.argv[2]):
    split = split_validation(*parts["train"], fraction, order)
    parts |= {"train": split[:2], "validation": split[2:]}
model = MLP([data.train_images[0].size, 10], generator=np.random.default_rng(1))
options = dict(epochs=1, batch_size=128, schedule=constant(0.1), generator=order, replay=True)
for record in Training(model, SGD(model.parameters()), parts, data.levels, **options):
    if record:
        print({name: round(value, 4) for name, value in record.items()}, file=sys.stderr)
print(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def write_sparse(path: Path, *shape: int) -> None:
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + int(np.prod(shape)))


def resident_memory_of_training(folder: Path, number: int, side: int, validation: float) -> int:
    """Train over so many images of zeros, which are sparse files; return the peak, in bytes."""
    folder.mkdir(exist_ok=True)
    for part, count in (("train", number), ("t10k", 1000)):
        write_sparse(folder / f"{part}-images-idx3-ubyte", count, side, side)
        write_sparse(folder / f"{part}-labels-idx1-ubyte", count)
    command = [sys.executable, "-c", TRAIN, str(folder), str(validation)]
    result = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return int(result.stdout) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone says how much was in memory")
@pytest.mark.parametrize("validation", [0, 0.2])
def test_training_over_a_large_set_stays_small(tmp_path: Path, validation: float) -> None:
    assert resident_memory_of_training(tmp_path / "large", 32 * 1024, 128, validation) < 350 * 2**20


if __name__ == "__main__":
    folder, number, side, validation = sys.argv[1:]
    peak = resident_memory_of_training(Path(folder), int(number), int(side), float(validation))
    print(peak / 2**20, "MiB")
