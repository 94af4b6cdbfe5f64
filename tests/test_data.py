"""Tests of nn.data: the real sets, batches and splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import REAL_MNIST

from nn import data

# --- the real data ---------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="MNIST is not in ../shared/data/mnist")
def test_real_mnist() -> None:
    mnist = data.load_mnist(REAL_MNIST)
    assert mnist.train_images.shape == (60000, 28, 28)
    assert mnist.test_images.shape == (10000, 28, 28)
    assert mnist.train_images.max() == mnist.test_images.max() == mnist.levels == 255
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.train_labels).tolist() == train
    assert np.bincount(mnist.test_labels).tolist() == test


def test_digits() -> None:
    digits = data.load_digits()
    assert digits.train_images.shape == (1437, 8, 8) and digits.test_images.shape == (360, 8, 8)
    assert digits.train_labels.shape == (1437,) and digits.test_labels.shape == (360,)
    assert (digits.name, digits.levels, digits.classes) == ("digits", 16, tuple("0123456789"))
    images = np.concatenate([digits.train_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    assert images.dtype == labels.dtype == np.uint8 and images.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_split_is_the_same_every_time_and_has_every_class() -> None:
    first, second = data.load_digits(), data.load_digits()
    np.testing.assert_array_equal(first.test_images, second.test_images)
    assert np.bincount(first.test_labels).min() > 20
    # The sum changes if NumPy ever changes the permutation that default_rng(0) gives.
    assert int(first.test_labels[:100] @ np.arange(100)) == 22514


def test_digits_are_written_reproducibly_and_attributed() -> None:
    folder = Path(data.__file__).parent / "datasets"
    for path in folder.glob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4), "gzip's time stamp is to be 0"
    attribution = (folder / "README.md").read_text(encoding="utf-8")
    assert "https://doi.org/10.24432/C50P49" in attribution and "Alpaydin" in attribution


# --- arrays ----------------------------------------------------------------------------------


def test_one_hot() -> None:
    encoded = data.one_hot(np.array([2, 0, 1], np.uint8), 3)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert data.one_hot(np.array([1]), 4, np.float64).dtype == np.float64
    assert data.one_hot(np.zeros(0, np.int64), 4).shape == (0, 4)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (np.array([0, 3]), "labels are 0 to 3; give 0 to 2"),
        (np.array([-1, 2]), "labels are -1 to 2; give 0 to 2"),
        (np.array([0.0, 1.0]), r"labels are float64 \(2,\); give integers of shape \(N,\)"),
        (np.array([True]), "labels are bool"),
        (np.array([[1]]), r"labels are int64 \(1, 1\)"),
    ],
)
def test_one_hot_refuses(labels: np.ndarray[Any, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        data.one_hot(labels, 3)


@pytest.mark.parametrize("levels", [255, 16, 1, 3])
def test_scale_pixels(levels: int) -> None:
    images = np.arange(levels + 1, dtype=np.uint8).reshape(-1, 1, 1).repeat(6, 1).reshape(-1, 2, 3)
    before = images.copy()
    pixels = data.scale_pixels(images, levels)
    assert pixels.dtype == np.float32 and pixels.shape == (levels + 1, 6)
    assert pixels.min() == 0 and pixels.max() == 1
    np.testing.assert_allclose(pixels, images.reshape(-1, 6) / levels, rtol=1e-6)
    np.testing.assert_array_equal(images, before)


def test_scale_pixels_of_a_view_and_of_nothing() -> None:
    images = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 6)[:, ::2, ::-1]
    np.testing.assert_allclose(data.scale_pixels(images, 255), images.reshape(2, -1) / 255, 1e-6)
    assert data.scale_pixels(images[:0], 255).shape == (0, 12)


def numbered_samples(number: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give images whose first pixel is their label, which is their number."""
    images = np.zeros((number, 2, 3), np.uint8)
    images[:, 0, 0] = np.arange(number)
    return images, np.arange(number, dtype=np.uint8)


def test_batches_in_order() -> None:
    images, labels = numbered_samples(10)
    given_out = list(data.batches(images, labels, 4, 255))
    assert [pixels.shape for pixels, _ in given_out] == [(4, 6), (4, 6), (2, 6)]
    for pixels, chosen in given_out:
        assert pixels.dtype == np.float32 and chosen.dtype == np.int64
        np.testing.assert_allclose(pixels[:, 0] * 255, chosen, rtol=1e-6)
    assert np.concatenate([chosen for _, chosen in given_out]).tolist() == list(range(10))


@given(st.integers(0, 50), st.integers(1, 60), st.booleans(), st.integers(0, 2**32))
def test_batches_give_every_sample_once(number: int, batch_size: int, shuffled: bool, seed: int) -> None:
    images, labels = numbered_samples(number)
    generator = np.random.default_rng(seed) if shuffled else None
    seen: list[int] = []
    for pixels, chosen in data.batches(images, labels, batch_size, 255, generator):
        assert len(pixels) == len(chosen) <= batch_size
        np.testing.assert_allclose(pixels[:, 0] * 255, chosen, rtol=1e-6)
        seen += chosen.tolist()
    assert sorted(seen) == list(range(number))


def test_batches_are_shuffled_by_the_generator_alone() -> None:
    images, labels = numbered_samples(200)

    def order(generator: np.random.Generator) -> list[int]:
        given_out = data.batches(images, labels, 7, 255, generator)
        return [int(label) for _, chosen in given_out for label in chosen]

    first = order(np.random.default_rng(1))
    assert first == order(np.random.default_rng(1)) != order(np.random.default_rng(2))
    assert first != sorted(first)
    generator = np.random.default_rng(1)
    assert order(generator) != order(generator), "each epoch has its own order"


@given(st.integers(0, 50), st.integers(1, 60), st.integers(0, 60), st.booleans(), st.integers(0, 2**32))
def test_batches_that_are_left_out_change_nothing_in_the_others(
    number: int, batch_size: int, start: int, shuffled: bool, seed: int
) -> None:
    images, labels = numbered_samples(number)
    whole, resumed = (np.random.default_rng(seed) if shuffled else None for _ in range(2))
    expected = list(data.batches(images, labels, batch_size, 255, whole))[start:]
    got = list(data.batches(images, labels, batch_size, 255, resumed, start))
    for (pixels, chosen), (other_pixels, other) in zip(expected, got, strict=True):
        np.testing.assert_array_equal(pixels, other_pixels)
        np.testing.assert_array_equal(chosen, other)
    if whole is not None and resumed is not None:
        assert whole.bit_generator.state == resumed.bit_generator.state


def test_batches_that_are_left_out_are_not_read() -> None:
    class Witness(np.ndarray[Any, Any]):
        def take(self, *arguments: Any, **options: Any) -> Any:
            taken.append(arguments[0].tolist())
            return np.asarray(self).take(*arguments, **options)

    taken: list[list[int]] = []
    images, labels = numbered_samples(10)
    assert len(list(data.batches(images.view(Witness), labels, 4, 255, start=1))) == 2
    assert taken == [[4, 5, 6, 7], [8, 9]]


def test_batches_refuse_to_leave_out_fewer_than_none() -> None:
    with pytest.raises(ValueError, match="start is -1; give the number of batches to leave out"):
        data.batches(*numbered_samples(3), 2, 255, start=-1)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_refuse_a_size_below_one(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; give 1 or more"):
        data.batches(*numbered_samples(3), batch_size, 255)


def test_batches_refuse_what_does_not_belong_together() -> None:
    images, labels = numbered_samples(3)
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        data.batches(images, labels[:2], 1, 255)


@given(st.integers(2, 60), st.floats(0.02, 0.98), st.integers(0, 2**32))
def test_split_validation_is_disjoint_and_complete(number: int, fraction: float, seed: int) -> None:
    images, labels = numbered_samples(number)
    expected = round(number * fraction)
    if not 1 <= expected < number:
        return
    train_images, train_labels, validation_images, validation_labels = data.split_validation(
        images, labels, fraction, np.random.default_rng(seed)
    )
    assert len(validation_labels) == expected
    assert sorted([*train_labels, *validation_labels]) == list(range(number))
    np.testing.assert_array_equal(train_images[:, 0, 0], train_labels)
    np.testing.assert_array_equal(validation_images[:, 0, 0], validation_labels)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, 0.01, 0.99, float("nan"), float("inf")])
def test_split_validation_refuses_an_empty_side(fraction: float) -> None:
    with pytest.raises(ValueError, match=f"fraction {fraction} of 10 leaves a side empty"):
        data.split_validation(*numbered_samples(10), fraction, np.random.default_rng(0))


def test_split_validation_refuses_what_does_not_belong_together() -> None:
    images, labels = numbered_samples(3)
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        data.split_validation(images, labels[:2], 0.5, np.random.default_rng(0))


def test_dataset_is_frozen() -> None:
    digits = data.load_digits()
    with pytest.raises(AttributeError):
        digits.levels = 255  # type: ignore[misc]
