"""Tests of nn.data: broken files, downloads from a local server, batches and splits."""

import contextlib
import gzip
import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn import data

PROJECT = Path(__file__).resolve().parents[1]
REAL_MNIST = PROJECT.parent / "shared" / "data" / "mnist"


def encode_idx(array: np.ndarray[Any, Any], type_code: int = 0x08) -> bytes:
    header = bytes([0, 0, type_code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(np.uint8)
LABELS = np.array([7, 0, 9], np.uint8)
IMAGES_IDX = encode_idx(IMAGES)
LABELS_IDX = encode_idx(LABELS)
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


def problem_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(data.DataError) as caught:
        data.read_idx(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and "replace it" in message
    return message


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "plain.gz"])
def test_read_idx_plain_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(IMAGES_IDX)
    read = data.read_idx(tmp_path / name)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, IMAGES)


@pytest.mark.parametrize("name", ["packed", "packed.gz"])
def test_read_idx_gzip_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(LABELS_IDX))
    np.testing.assert_array_equal(data.read_idx(str(tmp_path / name)), LABELS)


def test_read_idx_larger_than_a_chunk(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (2 * data.CHUNK // 100 + 3, 10, 10), np.uint8)
    for content in (encode_idx(array), gzip.compress(encode_idx(array), 1)):
        (tmp_path / "file").write_bytes(content)
        np.testing.assert_array_equal(data.read_idx(tmp_path / "file"), array)


def test_read_idx_missing_file_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("length", range(len(IMAGES_IDX)))
def test_read_idx_truncated_anywhere(tmp_path: Path, length: int) -> None:
    part = "magic number" if length < 4 else "header" if length < 16 else "shape (3, 4, 5)"
    assert f"is truncated: its {part}" in problem_of(tmp_path / "file", IMAGES_IDX[:length])


@pytest.mark.parametrize("kept", [11, 25, -12, -8, -4, -1])
def test_read_idx_gzip_cut_short(tmp_path: Path, kept: int) -> None:
    message = problem_of(tmp_path / "file.gz", gzip.compress(IMAGES_IDX, mtime=0)[:kept])
    assert "is truncated: its gzip data stop early" in message


@pytest.mark.parametrize("kept", range(2, 10))
def test_read_idx_gzip_header_cut_short(tmp_path: Path, kept: int) -> None:
    assert "is truncated" in problem_of(tmp_path / "file.gz", gzip.compress(IMAGES_IDX)[:kept])


def test_read_idx_gzip_checksum_wrong(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(IMAGES_IDX))
    packed[-8] ^= 0xFF
    assert "cannot be read: CRC check failed" in problem_of(tmp_path / "file.gz", bytes(packed))


def test_read_idx_gzip_length_wrong(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(IMAGES_IDX))
    packed[-1] ^= 0xFF
    assert "cannot be read: Incorrect length" in problem_of(tmp_path / "file.gz", bytes(packed))


def test_read_idx_gzip_stream_damaged(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(IMAGES_IDX))
    packed[10] = 0xFF
    assert "cannot be read: Error -3" in problem_of(tmp_path / "file.gz", bytes(packed))


def test_read_idx_gzip_followed_by_garbage(tmp_path: Path) -> None:
    packed = gzip.compress(IMAGES_IDX) + b"garbage"
    assert "cannot be read: Not a gzipped file" in problem_of(tmp_path / "file.gz", packed)


@pytest.mark.parametrize("magic", [b"\x01\0\x08\x03", b"\0\x01\x08\x03", b"\0\0\x08\0", b"PK\3\4"])
def test_read_idx_wrong_magic(tmp_path: Path, magic: bytes) -> None:
    message = problem_of(tmp_path / "file", magic + IMAGES_IDX[4:])
    assert f"is not an IDX file: its magic number is wrong ({magic.hex(' ')})" in message


@pytest.mark.parametrize("type_code", [0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0xFF])
def test_read_idx_other_element_type(tmp_path: Path, type_code: int) -> None:
    message = problem_of(tmp_path / "file", encode_idx(IMAGES, type_code))
    assert f"has elements of type 0x{type_code:02x}, not unsigned bytes (0x08)" in message


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html>404</html>",
        b"\xef\xbb\xbf\r\n  <html>",
        b'<?xml version="1.0"?><Error/>',
        gzip.compress(b"<html></html>"),
    ],
)
def test_read_idx_web_page(tmp_path: Path, page: bytes) -> None:
    assert "looks like a web page" in problem_of(tmp_path / "file.gz", page)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_idx_longer_than_its_header(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    message = problem_of(tmp_path / "file", pack(IMAGES_IDX + b"\0"))
    assert "is longer than the 60 bytes that its shape (3, 4, 5) needs" in message


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0, 5), (0, *[2**32 - 1] * 4)])
def test_read_idx_empty(tmp_path: Path, shape: tuple[int, ...]) -> None:
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    assert f"claims the shape {shape}; 1 to" in problem_of(tmp_path / "file", content)


def test_read_idx_more_dimensions_than_numpy_has(tmp_path: Path) -> None:
    content = bytes([0, 0, 8, 65]) + struct.pack(">65I", *[1] * 65) + b"\0"
    assert "dimension" in problem_of(tmp_path / "file", content)


def test_read_idx_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="cannot be read"):
        data.read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_read_idx_without_permission(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(IMAGES_IDX)
    (tmp_path / "file").chmod(0)
    with pytest.raises(data.DataError, match=r"cannot be read: .*Permission denied"):
        data.read_idx(tmp_path / "file")


def peak_memory(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("count", [2**31, 2**20])
def test_read_idx_allocates_nothing_on_a_claim(
    tmp_path: Path, pack: Callable[[bytes], bytes], count: int
) -> None:
    content = pack(b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28) + bytes(100))
    messages = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "file", content))) < 2**21
    assert ("claims the shape" if count == 2**31 else "is truncated") in messages[0]


def test_read_idx_stops_unpacking_a_gzip_bomb(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 100) + bytes(2**26), 1)
    messages = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "bomb", bomb))) < 2**22
    assert "is longer than the 100 bytes" in messages[0]


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from([IMAGES_IDX, LABELS_IDX])))
    packed = draw(st.booleans())
    if packed and draw(st.booleans()):
        content = bytearray(gzip.compress(bytes(content), mtime=0))
        packed = False
    for _ in range(draw(st.integers(0, 4))):
        position = draw(st.integers(0, max(len(content) - 1, 0)))
        change = draw(st.sampled_from(["set", "delete", "insert", "cut"]))
        if change == "set":
            content[position : position + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "delete":
            del content[position : position + draw(st.integers(1, 8))]
        elif change == "insert":
            content[position:position] = draw(st.binary(max_size=8))
        else:
            del content[position:]
    return gzip.compress(bytes(content)) if packed else bytes(content)


@given(mutated_files() | st.binary(max_size=64))
def test_read_idx_gives_an_array_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(content)
    try:
        read = data.read_idx(path)
    except data.DataError:
        return
    assert read.dtype == np.uint8 and read.size > 0


# --- folders ---------------------------------------------------------------------------------


def check_loaded(dataset: data.Dataset, name: str = "MNIST") -> None:
    np.testing.assert_array_equal(dataset.train_images, IMAGES)
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    np.testing.assert_array_equal(dataset.test_images, IMAGES[:2])
    np.testing.assert_array_equal(dataset.test_labels, LABELS[:2])
    assert (dataset.name, dataset.levels, len(dataset.classes)) == (name, 255, 10)


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
    assert "with or without .gz" in message and "train-images.idx3-ubyte" in message
    assert str(tmp_path) in message and "--data-dir" in message


def test_load_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="nowhere lacks train-images"):
        data.load_mnist(tmp_path / "nowhere")


def test_load_images_and_labels_that_disagree(tmp_path: Path) -> None:
    write_folder(tmp_path, train_labels=encode_idx(LABELS[:2]))
    with pytest.raises(data.DataError, match=r"has 3 images, .*train-labels-idx1-ubyte 2 labels"):
        data.load_mnist(tmp_path)


def test_load_labels_beyond_nine(tmp_path: Path) -> None:
    write_folder(tmp_path, t10k_labels=encode_idx(np.array([3, 10])))
    with pytest.raises(data.DataError, match="t10k-labels-idx1-ubyte has the label 10"):
        data.load_mnist(tmp_path)


def test_load_images_that_are_not_three_dimensional(tmp_path: Path) -> None:
    write_folder(tmp_path, train_images=encode_idx(IMAGES.reshape(3, 20)))
    with pytest.raises(data.DataError, match=r"train-images-idx3-ubyte has shape \(3, 20\), not"):
        data.load_mnist(tmp_path)


def test_load_labels_that_are_not_one_dimensional(tmp_path: Path) -> None:
    write_folder(tmp_path, train_labels=encode_idx(LABELS.reshape(3, 1)))
    with pytest.raises(data.DataError, match=r"train-labels-idx1-ubyte has shape \(3, 1\), not"):
        data.load_mnist(tmp_path)


def test_load_empty_set(tmp_path: Path) -> None:
    write_folder(tmp_path, train_images=encode_idx(IMAGES[:0]), train_labels=encode_idx(LABELS[:0]))
    with pytest.raises(data.DataError, match=r"train-images-idx3-ubyte claims .* \(0, 4, 5\)"):
        data.load_mnist(tmp_path)


def test_load_names_the_broken_file(tmp_path: Path) -> None:
    write_folder(tmp_path, t10k_images=IMAGES_IDX[:-1])
    with pytest.raises(data.DataError, match="t10k-images-idx3-ubyte is truncated"):
        data.load_mnist(tmp_path)


# --- downloads -------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Serve COMPRESSED under /good/, and failures under the other folders; note the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.finished = threading.Event()
        self.meeting = threading.Barrier(2)

    def mirror(self, folder: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{folder}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        _, folder, name = self.path.split("/")
        content = COMPRESSED[name]
        if folder.isdigit():
            self.send_error(int(folder))
        elif folder == "truncated":
            self.answer(content[:-5], len(content))
        elif folder == "short":
            self.answer(content[:-5], len(content) - 5)
        elif folder == "stall":
            self.answer(content[:5], len(content))
            self.wfile.flush()
            self.server.finished.wait(10)
        elif folder == "html":
            self.answer(b"<!doctype html><title>Sign in</title>".ljust(len(content)))
        elif folder == "wrong":
            self.answer(content[:-1] + b"!")
        elif folder == "endless":
            self.answer(content + bytes(2**24))
        elif folder == "garbled":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
        elif folder == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://[broken")
            self.end_headers()
        else:
            if folder == "together":
                self.server.meeting.wait(10)
            self.answer(content)

    def answer(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.finished.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache to an empty folder, and the checksums to the small files."""
    files = tuple((len(raw), hashlib.sha256(raw).hexdigest()) for raw in COMPRESSED.values())
    monkeypatch.setattr(data, "MNIST_FILES", files)
    monkeypatch.setattr(data, "FASHION_FILES", files)
    monkeypatch.setattr(data, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "mnist"


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setattr(data, "MNIST_MIRRORS", mirrors)
    monkeypatch.setattr(data, "FASHION_MIRRORS", mirrors)


def unused_mirror() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/closed/"


def test_download_fills_the_cache(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirrors(monkeypatch, server.mirror("good"))
    check_loaded(data.load_mnist())
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED
    check_loaded(data.load_fashion_mnist(), "Fashion-MNIST")
    assert len(list((cache.parent / "fashion-mnist").iterdir())) == 4


def test_download_is_not_repeated(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirrors(monkeypatch, server.mirror("good"))
    data.load_mnist()
    assert len(server.requests) == 4
    use_mirrors(monkeypatch, unused_mirror())
    check_loaded(data.load_mnist())
    assert len(server.requests) == 4


FAILURES = {
    "403": "HTTP Error 403",
    "404": "HTTP Error 404",
    "503": "HTTP Error 503",
    "truncated": "bytes came, with the wrong sha256|IncompleteRead",
    "short": "bytes came, with the wrong sha256",
    "stall": "timed out",
    "html": "a web page came in place of the data",
    "wrong": "bytes came, with the wrong sha256",
    "endless": "bytes came, with the wrong sha256",
    "garbled": "no HTTP at all",
    "redirect": "IPv6",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_download_goes_on_to_the_next_mirror(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(data, "TIMEOUT", 0.1)
    use_mirrors(monkeypatch, server.mirror(failure), server.mirror("good"))
    check_loaded(data.load_mnist())
    assert len(server.requests) == 8
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED


@pytest.mark.parametrize("failure", FAILURES)
def test_download_says_why_it_failed_and_leaves_nothing(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(data, "TIMEOUT", 0.1)
    use_mirrors(monkeypatch, server.mirror(failure))
    with pytest.raises(data.DataError, match=FAILURES[failure]):
        data.load_mnist()
    assert list(cache.iterdir()) == []


def test_download_error_lists_every_mirror(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = (server.mirror("404"), server.mirror("html"), unused_mirror())
    use_mirrors(monkeypatch, *mirrors)
    with pytest.raises(data.DataError) as caught:
        data.load_mnist()
    first, *tried, cure = str(caught.value).split("\n")
    assert str(cache / "train-images-idx3-ubyte.gz") in first
    reasons = ("HTTP Error 404", "a web page", "refused")
    for line, mirror, reason in zip(tried, mirrors, reasons, strict=True):
        assert f"{mirror}train-images-idx3-ubyte.gz: " in line and reason in line
    assert "--data-dir" in cure


def test_download_of_too_much_is_cut_off(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mirrors(monkeypatch, server.mirror("endless"))
    with pytest.raises(data.DataError) as caught:
        data.load_mnist()
    came = int(str(caught.value).split(" bytes came")[0].split()[-3])
    assert came <= len(COMPRESSED["train-images-idx3-ubyte.gz"]) + data.CHUNK


def test_download_into_a_folder_that_cannot_be_made(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.write_text("a file where the folder belongs")
    use_mirrors(monkeypatch, server.mirror("good"))
    with pytest.raises(data.DataError, match="could not be downloaded"):
        data.load_mnist()
    assert server.requests == []


def test_a_partial_file_is_never_taken(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    left_over = cache / "train-images-idx3-ubyte.gz.abandoned.part"
    left_over.write_bytes(b"half a download")
    use_mirrors(monkeypatch, server.mirror("good"))
    check_loaded(data.load_mnist())
    assert left_over.read_bytes() == b"half a download"


def test_interrupted_download_leaves_nothing(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[str] = []

    def interrupt(*_: object) -> None:
        during.extend(path.name for path in cache.iterdir())
        raise KeyboardInterrupt

    use_mirrors(monkeypatch, server.mirror("good"))
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data.load_mnist()
    assert list(cache.iterdir()) == []
    assert [name.endswith(".part") for name in during] == [True]


def test_two_threads_download_at_once(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirrors(monkeypatch, server.mirror("together"))
    loaded: list[data.Dataset] = []
    threads = [threading.Thread(target=lambda: loaded.append(data.load_mnist())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 2 and len(server.requests) == 8
    for dataset in loaded:
        check_loaded(dataset)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED


def test_two_processes_download_at_once(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys; from pathlib import Path; from nn import data;"
        f"data.MNIST_FILES = {data.MNIST_FILES!r};"
        f"data.MNIST_MIRRORS = ({server.mirror('together')!r},);"
        "data._cache_folder = lambda: Path(sys.argv[1]);"
        "print(data.load_mnist().train_labels.tolist())"
    )
    command = [sys.executable, "-c", program, str(cache.parent)]
    processes = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=30)[0] for process in processes] == ["[7, 0, 9]\n"] * 2
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED


def test_failed_download_takes_what_another_process_finished(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish_elsewhere_and_fail(source: str, target: Path) -> None:
        target.write_bytes(Path(source).read_bytes())
        raise PermissionError("the target is open")

    use_mirrors(monkeypatch, server.mirror("good"))
    monkeypatch.setattr(os, "replace", finish_elsewhere_and_fail)
    check_loaded(data.load_mnist())


def test_unreadable_cached_file_is_to_be_deleted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(cache, train_labels=b"")
    use_mirrors(monkeypatch, unused_mirror())
    with pytest.raises(data.DataError, match=r"train-labels-idx1-ubyte is truncated.* delete it"):
        data.load_mnist()


def test_a_given_folder_is_never_completed_by_downloads(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_mirrors(monkeypatch, server.mirror("good"))
    with pytest.raises(data.DataError, match="lacks"):
        data.load_mnist(tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "set/graphgrad"),
        ("linux", None, "home/.cache/graphgrad"),
        ("darwin", None, "home/Library/Caches/graphgrad"),
        ("win32", "LOCALAPPDATA", "set/graphgrad"),
        ("win32", None, "home/AppData/Local/graphgrad"),
    ],
)
def test_cache_folder_of_each_system(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    variable: str | None,
    expected: str,
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "set"))
    monkeypatch.setattr(sys, "platform", platform)
    assert data._cache_folder() == tmp_path / expected


def test_known_files_and_mirrors_are_well_formed() -> None:
    for files in (data.MNIST_FILES, data.FASHION_FILES):
        assert len(files) == 4
        assert all(size > 0 and len(bytes.fromhex(sha256)) == 32 for size, sha256 in files)
    assert all(mirror.endswith("/") for mirror in data.MNIST_MIRRORS + data.FASHION_MIRRORS)


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


@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="MNIST is not in ../shared/data/mnist")
def test_known_checksums_are_those_of_the_real_files() -> None:
    # The first file is left out: a rebuilt copy of the training images is as good for these tests.
    for name, (size, sha256) in list(zip(data.FILE_NAMES, data.MNIST_FILES, strict=True))[1:]:
        content = (REAL_MNIST / f"{name}.gz").read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)


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
