"""Saved arrays: whole or not at all, and never pickled."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd import Tensor
from nn import MLP, Adam, cross_entropy
from nn.checkpoint import load_arrays, save_arrays


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.array([1.5, np.nan, -np.inf, -0.0], np.float16),
        np.array(7),
        np.array([True, False]),
        np.arange(3, dtype=np.uint8),
        np.zeros((0, 3), np.int16),
        np.array([1 + 2j]),
        np.array(["one", "three"]),
        np.arange(3, dtype=">i4"),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray) -> None:
    save_arrays(tmp_path / "saved.npz", {"array": array})
    loaded = load_arrays(tmp_path / "saved.npz")
    assert list(loaded) == ["array"]
    assert loaded["array"].dtype == array.dtype
    assert loaded["array"].shape == array.shape
    np.testing.assert_array_equal(loaded["array"], array)


def test_names_and_their_order_come_back(tmp_path: Path) -> None:
    names = ["layers.1.weight", "layers.0.bias", "b", "a", "with space", "a/b", "ümlaut", "x.npy"]
    save_arrays(tmp_path / "saved.npz", {name: np.array(n) for n, name in enumerate(names)})
    assert list(load_arrays(tmp_path / "saved.npz").items()) == [(name, n) for n, name in enumerate(names)]
    with zipfile.ZipFile(tmp_path / "saved.npz") as archive:
        assert archive.namelist() == [f"{name}.npy" for name in names]


@pytest.mark.parametrize("name", ["file", "allow_pickle"])
def test_any_name_can_be_saved(tmp_path: Path, name: str) -> None:
    save_arrays(tmp_path / "saved.npz", {name: np.ones(2)})
    assert list(load_arrays(tmp_path / "saved.npz")) == [name]


def test_what_is_not_yet_an_array_becomes_one(tmp_path: Path) -> None:
    save_arrays(str(tmp_path / "saved.npz"), {"number": 3, "list": [1.0, 2.0], "tensor": Tensor([1.0])})
    loaded = load_arrays(str(tmp_path / "saved.npz"))
    assert loaded["number"].shape == ()
    np.testing.assert_array_equal(loaded["list"], [1, 2])
    np.testing.assert_array_equal(loaded["tensor"], [1])


def test_nothing_can_be_saved_too(tmp_path: Path) -> None:
    save_arrays(tmp_path / "saved.npz", {})
    assert load_arrays(tmp_path / "saved.npz") == {}


def test_the_file_has_the_name_that_was_asked_for(tmp_path: Path) -> None:
    save_arrays(tmp_path / "parameters", {"a": 1})
    save_arrays(tmp_path / "parameters.best", {"a": 1})
    assert files(tmp_path) == ["parameters", "parameters.best"]


def test_a_new_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "saved.npz"
    save_arrays(path, {"old": np.ones(1000)})
    save_arrays(path, {"new": np.zeros(1)})
    assert list(load_arrays(path)) == ["new"]
    assert files(tmp_path) == ["saved.npz"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, existing: bool
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "saved.npz"
    if existing:
        save_arrays(path, {"old": np.arange(3)})
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="no space left"):
            save_arrays(path, {"new": np.arange(1000)})
    assert files(tmp_path) == (["saved.npz"] if existing else [])
    if existing:
        np.testing.assert_array_equal(load_arrays(path)["old"], [0, 1, 2])


@pytest.mark.parametrize(
    "value", [np.array([None]), np.array([{}, 1], object), object(), "x" * 3 and [print]]
)
def test_objects_are_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "saved.npz"
    save_arrays(path, {"old": np.arange(3)})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save_arrays(path, {"new": np.arange(3), "wrong": value})
    assert files(tmp_path) == ["saved.npz"]
    assert list(load_arrays(path)) == ["old"]


def test_tracked_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"t\.detach\(\)"):
        save_arrays(tmp_path / "saved.npz", {"weight": Tensor([1.0], requires_grad=True)})
    assert files(tmp_path) == []


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "trapped"),)

    with open(tmp_path / "saved.npz", "wb") as file:
        np.savez(file, trap=np.array([Trap()]))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_arrays(tmp_path / "saved.npz")
    assert files(tmp_path) == ["saved.npz"]


def test_a_missing_file_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        load_arrays(tmp_path / "absent.npz")
    with pytest.raises(FileNotFoundError, match="absent"):
        save_arrays(tmp_path / "absent" / "saved.npz", {"a": 1})


def test_loaded_arrays_are_in_memory_and_may_be_written(tmp_path: Path) -> None:
    path = tmp_path / "saved.npz"
    save_arrays(path, {"a": np.ones(3)})
    loaded = load_arrays(path)
    path.unlink()
    loaded["a"][0] = 5
    np.testing.assert_array_equal(loaded["a"], [5, 1, 1])


def test_training_goes_on_from_a_file_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    labels = [0, 1, 0, 1, 0, 1, 0, 1]

    def start() -> tuple[MLP, Adam]:
        model = MLP((3, 4, 2), generator=np.random.default_rng(0))
        return model, Adam(model.parameters(), lr=0.1)

    def train(model: MLP, optimizer: Adam, steps: int) -> dict[str, np.ndarray]:
        for _ in range(steps):
            optimizer.zero_grad()
            cross_entropy(model(x), labels).backward()
            optimizer.step()
        return model.state_dict()

    expected = train(*start(), 6)
    model, optimizer = start()
    train(model, optimizer, 3)
    save_arrays(tmp_path / "model.npz", model.state_dict())
    save_arrays(tmp_path / "optimizer.npz", optimizer.state_dict())
    model, optimizer = start()
    model.load_state_dict(load_arrays(tmp_path / "model.npz"))
    optimizer.load_state_dict(load_arrays(tmp_path / "optimizer.npz"))
    resumed = train(model, optimizer, 3)
    assert all(np.array_equal(resumed[name], expected[name]) for name in expected)
