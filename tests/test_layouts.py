"""Tests of nn.layouts: what is recognised in a folder, and what is said of anything else."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from samples import (
    ARRAYS,
    CONTENTS,
    HEADER,
    IMAGES,
    IMAGES_IDX,
    LABELS,
    check_loaded,
    encode_csv,
    encode_idx,
    encode_npz,
    write_folder,
)

from nn import data, formats

TRAIN_CSV = HEADER.encode() + encode_csv(IMAGES, LABELS)
TEST_CSV = encode_csv(IMAGES[:2], LABELS[:2])
ACCEPTED = (
    "four IDX files",
    "mnist.npz",
    "mnist_train.csv and mnist_test.csv",
    ".gz",
    "the .npz file itself",
)


def problem_of(place: Path) -> str:
    with pytest.raises(data.DataError) as caught:
        data.load_mnist(place)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(place)) and message.endswith(".")
    return message


def refused(place: Path) -> str:
    """Return what is said of a place where nothing is recognised; what is accepted is listed in any case."""
    message = problem_of(place)
    assert all(words in message for words in ACCEPTED)
    return message.removeprefix(str(place)).split(";")[0]


# --- IDX -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_load_every_spelling(tmp_path: Path, dotted: bool, packed: bool) -> None:
    for name, content in CONTENTS.items():
        spelling = name.replace("-idx", ".idx") if dotted else name
        path = tmp_path / f"{spelling}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    check_loaded(data.load_mnist(tmp_path))
    fashion = data.load_fashion_mnist(str(tmp_path))
    check_loaded(fashion, "Fashion-MNIST")
    assert fashion.classes[0] == "T-shirt/top" and fashion.classes[9] == "Ankle boot"


def test_load_lists_the_missing_files(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(data.DataError) as caught:
        data.load_mnist(tmp_path)
    message = str(caught.value)
    assert "lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte;" in message
    assert str(tmp_path) in message and all(words in message for words in ACCEPTED)


def test_load_images_and_labels_that_disagree(tmp_path: Path) -> None:
    write_folder(tmp_path, train_labels=encode_idx(LABELS[:2]))
    with pytest.raises(data.DataError, match=r"has 3 images, .*train-labels-idx1-ubyte 2 labels"):
        data.load_mnist(tmp_path)


def test_load_labels_beyond_nine(tmp_path: Path) -> None:
    write_folder(tmp_path, t10k_labels=encode_idx(np.array([3, 10])))
    with pytest.raises(data.DataError, match="t10k-labels-idx1-ubyte has the label 10"):
        data.load_mnist(tmp_path)


def test_load_images_that_are_not_three_dimensional(tmp_path: Path) -> None:
    write_folder(tmp_path, train_images=encode_idx(IMAGES.reshape(3, 25)))
    with pytest.raises(data.DataError, match=r"train-images-idx3-ubyte has shape \(3, 25\), not"):
        data.load_mnist(tmp_path)


def test_load_labels_that_are_not_one_dimensional(tmp_path: Path) -> None:
    write_folder(tmp_path, train_labels=encode_idx(LABELS.reshape(3, 1)))
    with pytest.raises(data.DataError, match=r"train-labels-idx1-ubyte has shape \(3, 1\), not"):
        data.load_mnist(tmp_path)


def test_load_empty_set(tmp_path: Path) -> None:
    write_folder(tmp_path, train_images=encode_idx(IMAGES[:0]), train_labels=encode_idx(LABELS[:0]))
    with pytest.raises(data.DataError, match=r"train-images-idx3-ubyte claims .* \(0, 5, 5\)"):
        data.load_mnist(tmp_path)


def test_load_names_the_broken_file(tmp_path: Path) -> None:
    write_folder(tmp_path, t10k_images=IMAGES_IDX[:-1])
    with pytest.raises(data.DataError, match="t10k-images-idx3-ubyte is truncated"):
        data.load_mnist(tmp_path)


@pytest.mark.parametrize("part", CONTENTS)
def test_load_with_every_file_mapped(tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    monkeypatch.setattr(formats, "MAPPED", 1)
    dataset = data.load_mnist(tmp_path)
    check_loaded(dataset)
    assert isinstance(dataset.train_images, np.memmap) and type(dataset.train_labels) is np.ndarray
    (tmp_path / part).write_bytes(CONTENTS[part][:-1])
    del dataset
    assert f"{part} is truncated" in problem_of(tmp_path)


# --- npz -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist.npz", "fashion.npz"])
def test_load_npz(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encode_npz(**ARRAYS))
    (tmp_path / "notes.txt").touch()
    check_loaded(data.load_mnist(tmp_path))
    check_loaded(data.load_fashion_mnist(tmp_path / name), "Fashion-MNIST")
    (tmp_path / name).rename(tmp_path / "download")
    check_loaded(data.load_mnist(str(tmp_path / "download")))


def test_load_one_npz_of_several(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        (tmp_path / name).write_bytes(encode_npz(**ARRAYS))
    assert problem_of(tmp_path) == f"{tmp_path} holds a.npz, b.npz; name one of them."
    (tmp_path / "a.npz").rename(tmp_path / "mnist.npz")
    check_loaded(data.load_mnist(tmp_path))


def test_load_npz_whose_images_and_labels_disagree(tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").write_bytes(encode_npz(**{**ARRAYS, "y_test": LABELS}))
    message = problem_of(tmp_path)
    assert "mnist.npz has 2 images in x_test and 3 labels in y_test; give" in message


# --- CSV -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "mnist_", "fashion-mnist_"])
@pytest.mark.parametrize("packed", [False, True])
def test_load_csv(tmp_path: Path, prefix: str, packed: bool) -> None:
    for part, content in (("train", TRAIN_CSV), ("test", TEST_CSV)):
        path = tmp_path / f"{prefix}{part}.csv{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    check_loaded(data.load_mnist(tmp_path))


def test_load_kaggles_csv(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(TRAIN_CSV)
    unlabelled = [line.split(b",", 1)[1] for line in (HEADER.encode() + TEST_CSV).splitlines()]
    (tmp_path / "test.csv").write_bytes(b"\n".join(unlabelled))
    message = problem_of(tmp_path)
    assert (
        "test.csv has 25 columns" in message and "it lacks the labels: Kaggle's test.csv has none" in message
    )


@pytest.mark.parametrize(("there", "lacking"), [("train", "test"), ("test", "train")])
def test_load_half_of_the_tables(tmp_path: Path, there: str, lacking: str) -> None:
    (tmp_path / f"mnist_{there}.csv").write_bytes(TRAIN_CSV)
    assert refused(tmp_path) == f" lacks mnist_{lacking}.csv"


# --- anything else ---------------------------------------------------------------------------


def test_images_of_different_sizes(tmp_path: Path) -> None:
    write_folder(tmp_path, t10k_images=encode_idx(IMAGES[:2, :4]))
    words = "has test images of (4, 5) pixels, and training images of (5, 5); give"
    assert words in problem_of(tmp_path)


def test_idx_goes_before_npz_and_npz_before_csv(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"broken")
    (tmp_path / "test.csv").write_bytes(b"broken")
    (tmp_path / "mnist.npz").write_bytes(encode_npz(**ARRAYS))
    check_loaded(data.load_mnist(tmp_path))
    (tmp_path / "mnist.npz").write_bytes(b"broken")
    write_folder(tmp_path)
    check_loaded(data.load_mnist(tmp_path))


def test_a_place_that_does_not_exist(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere") == " does not exist"
    assert refused(tmp_path / "file" / "n") == " does not exist"
    assert "cannot be read: [Errno 36]" in refused(tmp_path / ("x" * 300))


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    assert refused(tmp_path) == " holds nothing"
    for number in range(8):
        (tmp_path / f"{number}.png").touch()
    (tmp_path / "0\n.png").touch()
    assert refused(tmp_path) == r" holds '0\n.png', 0.png, 1.png, 2.png, 3.png, 4.png and 3 more"


@pytest.mark.parametrize("content", [IMAGES_IDX, TRAIN_CSV, b"", gzip.compress(IMAGES_IDX)])
def test_a_single_file_of_a_set(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert refused(tmp_path / "file") == " is a single file, not an .npz"


def test_folders_in_place_of_files(tmp_path: Path) -> None:
    for name in CONTENTS:
        (tmp_path / name).mkdir()
    assert refused(tmp_path).startswith(" holds t10k-images-idx3-ubyte, ")
    (tmp_path / "mnist.npz").mkdir()
    assert "mnist.npz cannot be read: [Errno 21] Is a directory" in problem_of(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "cannot be read: [Errno 13] Permission denied" in refused(tmp_path / "closed")
