"""Saved arrays and checkpoints: whole or not at all, and never pickled."""

import contextlib
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd import Tensor
from nn import MLP, Adam, cross_entropy
from nn.checkpoint import CheckpointError, load_arrays, load_checkpoint, save_arrays, save_checkpoint

ROOT = Path(__file__).parent.parent
NAME, PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"


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


def test_names_that_differ_by_the_ending_are_two(tmp_path: Path) -> None:
    save_arrays(tmp_path / "saved.npz", {"x": np.array(1), "x.npy": np.array(2), "header.json": np.array(3)})
    assert load_arrays(tmp_path / "saved.npz") == {"x": 1, "x.npy": 2, "header.json": 3}


def test_a_name_that_would_come_back_as_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'a\\x00b.npy' cannot be a name"):
        save_arrays(tmp_path / "saved.npz", {"a\0b": np.ones(1)})
    assert files(tmp_path) == []


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
    with pytest.raises(CheckpointError, match=r"saved\.npz .*Object arrays cannot be loaded"):
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


# --------------------------------------------------------------------------------------- checkpoints


def same(first: Any, second: Any) -> bool:
    """Tell whether two states are alike to the last bit."""
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, np.ndarray):
        alike = first.dtype == second.dtype and first.shape == second.shape
        return alike and first.tobytes() == second.tobytes()
    return type(first) is type(second) and repr(first) == repr(second)


SHAPES: list[tuple[int, tuple[int, ...]]] = [(1, ()), (0, (0,)), (0, (3, 0)), (12, (3, 4))]
STATES: list[Any] = [
    {},
    {"none": None, "yes": True, "no": False, "zero": 0, "minus": -0.0, "text": "ümlaut \ud800 \0 \n"},
    {"big": 2**128 - 1, "tenth": 0.1, "sum": 0.1 + 0.2, "tiny": 5e-324, "largest": 1.7976931348623157e308},
    {"numbers": [np.nan, np.inf, -np.inf, 1 / 3], "empty": [], "nested": [[], [{}], {"a": []}]},
    {"array": "x", "user": {"array": "x"}, "other": {"array": np.arange(3)}, "list": [{"array": "x/y"}]},
    {"a": {"b/c": np.array(1)}, "a/b": {"c": np.array(2)}, "a/b/c": np.array(3), "a~1b": {"c": np.array(4)}},
    {"": np.array(1), "..": {"..": np.array(2)}, "/": {"": np.array(3)}, "~": np.array(4)},
    {"x": {"": {"": [np.array(5)]}}},
    {"x": np.array(1), "x.npy": np.array(2), "header.json": np.array(3), "header": {"json": np.array(4)}},
    {"list": [np.arange(n) for n in range(12)], "0": {"1": np.array(1)}},
    {"päth": [[np.ones(2)], {"0": np.zeros(1)}]},
    {
        dtype: [np.arange(12).astype(dtype)[:count].reshape(shape) for count, shape in SHAPES]
        for dtype in ["?", "u1", "i1", "<i2", ">i4", "u8", "e", "f", ">d", "F", "D", "S3", "U5", "m8[s]"]
    },
    {"order": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "every other": np.arange(10)[::-2]},
    {"payload": np.array([0x7FF8000000000001, 0xFFF0000000000000, 1], np.uint64).view(np.float64)},
    {"record": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])},
    {"generator": np.random.PCG64(1).state, "mersenne": np.random.MT19937(1).state},
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: ", ".join(state)[:30])
def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path, state: Any) -> None:
    save_checkpoint(tmp_path, state)
    loaded, wrong = load_checkpoint(tmp_path)
    assert wrong == []
    assert same(loaded, state)
    assert files(tmp_path) == [NAME]


def test_tuples_come_back_as_lists(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"hidden": (1, (2, np.arange(2)))})
    assert same(load_checkpoint(tmp_path)[0], {"hidden": [1, [2, np.arange(2)]]})


def test_numpy_opens_a_checkpoint_too(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"training": {"parameters": {"layers.0.weight": np.arange(3)}, "epoch": 1}})
    with np.load(tmp_path / NAME, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["training/parameters/layers.0.weight"], [0, 1, 2])


@pytest.mark.parametrize(
    "state",
    [
        {"object": object()},
        {"set": {1}},
        {"bytes": b"x"},
        {"array": np.array([None])},
        {"number": np.float32(1)},
        {"deep": [{1: "a"}]},
        {None: 1},
    ],
    ids=str,
)
def test_what_would_not_come_back_is_refused_and_the_earlier_one_stays(tmp_path: Path, state: Any) -> None:
    save_checkpoint(tmp_path, {"good": 1})
    with pytest.raises((TypeError, ValueError)):
        save_checkpoint(tmp_path, state)
    assert load_checkpoint(tmp_path) == ({"good": 1}, [])
    assert files(tmp_path) == [NAME]


def test_two_checkpoints_are_kept_and_the_later_one_is_used(tmp_path: Path) -> None:
    for number in range(4):
        save_checkpoint(tmp_path, {"number": number})
        assert load_checkpoint(tmp_path) == ({"number": number}, [])
    assert files(tmp_path) == [NAME, PREVIOUS]
    (tmp_path / NAME).unlink()
    assert load_checkpoint(tmp_path) == ({"number": 2}, [])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two checkpoints, of which the later one is 2."""
    save_checkpoint(tmp_path, {"number": 1, "array": np.arange(2)})
    save_checkpoint(tmp_path, {"number": 2, "array": np.arange(2)})
    return tmp_path


def damages(content: bytes) -> Iterator[bytes]:
    """Every byte changed in turn, and the end cut off or lost at many places."""
    for place in range(len(content)):
        change = 0xFF if place % 9 == 0 else 1 << place % 9 - 1
        yield content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
    for place in [*range(0, len(content), 13), *range(len(content) - 90, len(content))]:
        yield content[:place]
        yield content[:place] + b"\0" * (len(content) - place)  # blocks that never came to the disk
    yield content + b"x"
    yield content + content
    yield b"x" + content


def test_any_damage_is_found_and_named_and_the_one_before_is_used(two: Path) -> None:
    content = (two / NAME).read_bytes()
    count = 0
    for damaged in damages(content):
        if damaged == content:
            continue
        (two / NAME).write_bytes(damaged)
        state, (words,) = load_checkpoint(two)
        assert state["number"] == 1
        assert words.startswith(f"{two / NAME} is damaged")
        assert "\n" not in words
        count += 1
    assert count > len(content)


def test_damaged_arrays_are_never_taken_for_whole(tmp_path: Path) -> None:
    path = tmp_path / "saved.npz"
    save_arrays(path, {"a": np.arange(9), "b": np.ones(3)})
    content = path.read_bytes()
    found = 0
    for damaged in damages(content):
        path.write_bytes(damaged)
        if damaged != content:
            with pytest.raises(CheckpointError, match=r"saved\.npz is damaged"):
                load_arrays(path)
            found += 1
    assert found > len(content)


def test_two_damaged_checkpoints_are_both_named(two: Path) -> None:
    for name in (NAME, PREVIOUS):
        (two / name).write_bytes((two / name).read_bytes()[:-1])
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(two)
    assert str(caught.value).count("\n") == 0
    assert all(f"{two / name} is damaged" in str(caught.value) for name in (NAME, PREVIOUS))


def archive(**members: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def claiming(shape: str, dtype: str = "<f8") -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"x" * 64


HUGE = [claiming(shape) for shape in ("(1152921504606846976,)", "(10000000000,)", "(-1,)", f"(1{'0' * 30},)")]
FOREIGN = {
    "empty": b"",
    "text": b"weights: 1, 2, 3",
    "npy": claiming("(8,)"),
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93.",
    "zip": archive(note=b"hello"),
    "npz": archive(a_npy=claiming("(8,)")),
    "pickled": archive(a_npy=claiming("(8,)", "|O"), header_json=b"{}"),
    "short": archive(a_npy=claiming("(9,)")),
    "no npy": archive(a_npy=b"hello"),
    **{f"huge {number}": archive(a_npy=content) for number, content in enumerate(HUGE)},
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_named_and_the_one_before_is_used(two: Path, content: bytes) -> None:
    (two / NAME).write_bytes(content)
    state, (words,) = load_checkpoint(two)
    assert state["number"] == 1
    assert words.startswith(f"{two / NAME} is damaged")


@pytest.mark.parametrize("name", FOREIGN.keys() - {"zip", "npz"})
def test_a_file_of_another_kind_gives_no_arrays(tmp_path: Path, name: str) -> None:
    (tmp_path / "saved.npz").write_bytes(FOREIGN[name])
    with pytest.raises(CheckpointError, match=r"saved\.npz is damaged or not an \.npz file"):
        load_arrays(tmp_path / "saved.npz")


def test_saved_arrays_are_no_checkpoint(two: Path) -> None:
    save_arrays(two / NAME, {"a/b": np.ones(1)})
    state, (words,) = load_checkpoint(two)
    assert state["number"] == 1
    assert words == f"{two / NAME} is an .npz file, but not a checkpoint"


def test_a_folder_in_the_place_of_a_checkpoint_is_named(two: Path) -> None:
    (two / NAME).unlink()
    (two / NAME).mkdir()
    state, (words,) = load_checkpoint(two)
    assert state["number"] == 1
    assert words.startswith(f"{two / NAME} cannot be read")


def test_without_a_checkpoint_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds no checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("existing", [0, 1, 2])
@pytest.mark.parametrize("kills", [0, 1, 2])
def test_a_kill_before_any_rename_leaves_the_latest_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: int, kills: int
) -> None:
    class Killed(BaseException):
        pass

    for number in range(existing):
        save_checkpoint(tmp_path, {"number": number})
    done, replace = 0, os.replace

    def last(*arguments: Any) -> None:
        nonlocal done
        if done == kills:
            raise Killed
        done += 1
        replace(*arguments)

    renames = 2 + (existing > 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", last)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process does not tidy up
        if kills < renames:
            with pytest.raises(Killed):
                save_checkpoint(tmp_path, {"number": existing})
        else:
            save_checkpoint(tmp_path, {"number": existing})
    latest = existing if kills else existing - 1
    if latest < 0:
        with pytest.raises(FileNotFoundError):
            load_checkpoint(tmp_path)
    else:
        assert load_checkpoint(tmp_path) == ({"number": latest}, [])
    save_checkpoint(tmp_path, {"number": 9})
    assert load_checkpoint(tmp_path) == ({"number": 9}, [])
    assert set(files(tmp_path)) <= {NAME, PREVIOUS}


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failure_leaves_the_earlier_checkpoints(
    two: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError("no space left on device")

    before = {path.name: path.read_bytes() for path in two.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="no space left"):
            save_checkpoint(two, {"number": 3})
    assert {path.name: path.read_bytes() for path in two.iterdir()} == before


def test_a_full_disk_leaves_the_earlier_checkpoints(two: Path) -> None:
    pytest.importorskip("resource", reason="this system has no limits to the size of files")
    program = (
        "import resource, sys, numpy as np\n"
        "from nn.checkpoint import save_checkpoint\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "save_checkpoint(sys.argv[1], {'number': 3, 'array': np.zeros(5000)})"
    )
    command = [sys.executable, "-c", program, str(two)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("OSError: [Errno 27]")
    assert files(two) == [NAME, PREVIOUS]
    assert load_checkpoint(two)[0]["number"] == 2


def test_random_files_give_a_checkpoint_or_our_error(two: Path) -> None:
    generator = random.Random(0)
    content = (two / NAME).read_bytes()
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(generator.randrange(1, 9)):
            start = generator.randrange(len(mutated))
            mutated[start : start + generator.choice([1, 1, 4, 40])] = generator.randbytes(
                generator.choice([0, 1, 4, 40])
            )
        (two / NAME).write_bytes(mutated)
        if bytes(mutated) != content:
            assert load_checkpoint(two)[0]["number"] == 1
            with contextlib.suppress(CheckpointError):
                load_arrays(two / NAME)


@pytest.mark.parametrize("header", [b"[", b"\xff", json.dumps([]).encode(), b"null", b"{}", b"[" * 100_000])
def test_a_header_that_does_not_fit_is_told(two: Path, header: bytes) -> None:
    from nn.checkpoint import _packed

    (two / NAME).write_bytes(_packed({"a/b.npy": np.ones(1), "header.json": header}))
    state, (words,) = load_checkpoint(two)
    assert state["number"] == 1
    assert "not a checkpoint" in words
