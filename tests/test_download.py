"""Tests of nn.download: a real server on 127.0.0.1 that fails in every way, and what becomes of the cache."""

import contextlib
import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from samples import COMPRESSED, PROJECT, REAL_MNIST, check_loaded, write_folder

from nn import data, download
from nn.layouts import IDX_NAMES


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


PLACES = {"moved": "/good/", "broken": "http://[broken/", "circle": "/circle/"}


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
        elif folder in PLACES:
            self.send_response(302)
            self.send_header("Location", PLACES[folder] + name)
            self.end_headers()
        elif folder == "drops":
            self.answer(b"", len(content))
            self.drip(content[:1])
        elif folder == "header":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Patience: ")
            self.drip(b"x")
        else:
            if folder == "together":
                self.server.meeting.wait(10)
            self.answer(content)

    def answer(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def drip(self, drop: bytes) -> None:
        """Send something so often that the connection is never silent for long."""
        while not self.server.finished.wait(0.02):
            self.wfile.write(drop)
            self.wfile.flush()

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
    monkeypatch.setattr(download, "MNIST_FILES", files)
    monkeypatch.setattr(download, "FASHION_FILES", files)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "mnist"


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setattr(download, "MNIST_MIRRORS", mirrors)
    monkeypatch.setattr(download, "FASHION_MIRRORS", mirrors)


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
    "truncated": r"only \d+ of \d+ bytes came",
    "short": r"only \d+ of \d+ bytes came",
    "stall": "timed out",
    "html": "a web page came in place of the data",
    "wrong": r"\d+ bytes came, as many as there should be, with the wrong sha256",
    "endless": r"more than \d+ bytes came",
    "garbled": "no HTTP at all",
    "broken": "IPv6",
    "circle": "redirect error that would lead to an infinite loop",
    "drops": r"timed out: \d+ of \d+ bytes came in \d+ seconds",
    "header": r"timed out: no answer within 0\.6 seconds",
}
SLOW = ("stall", "drops", "header")


@pytest.fixture(params=FAILURES)
def failure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return each of the failures in turn; slow ones are waited for a short time."""
    if request.param in SLOW:
        monkeypatch.setattr(download, "TIMEOUT", 0.2)
    return str(request.param)


def test_download_goes_on_to_the_next_mirror(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    use_mirrors(monkeypatch, server.mirror(failure), server.mirror("good"))
    start = time.monotonic()
    check_loaded(data.load_mnist())
    assert time.monotonic() - start < 60
    good = [request for request in server.requests if request.startswith("/good/")]
    assert len(good) == 4 and len(server.requests) >= 8
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED


def test_download_says_why_it_failed_and_leaves_nothing(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
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
    kept: list[int] = []
    read_in_time = download._read_in_time

    def read(response: HTTPResponse, size: int) -> bytearray:
        content = read_in_time(response, size)
        kept.append(len(content) - size)
        return content

    monkeypatch.setattr(download, "_read_in_time", read)
    with pytest.raises(data.DataError, match="more than"):
        data.load_mnist()
    assert 0 < kept[0] <= download.CHUNK


def test_download_follows_where_a_mirror_points(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mirrors(monkeypatch, server.mirror("moved"))
    check_loaded(data.load_mnist())
    assert len(server.requests) == 8


def check_unwritable(cache: Path, server: Server) -> None:
    with pytest.raises(data.DataError) as caught:
        data.load_mnist()
    message = str(caught.value)
    assert message.startswith(f"{cache / 'train-images-idx3-ubyte.gz'} cannot be written: [Errno ")
    assert "HOME" in message and "--data-dir" in message and "\n" not in message
    assert server.requests == []


def test_download_into_a_folder_that_cannot_be_made(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.write_text("a file where the folder belongs")
    use_mirrors(monkeypatch, server.mirror("good"))
    check_unwritable(cache, server)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is where even root cannot write")
def test_download_to_a_home_that_cannot_be_written(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "cache_folder", lambda: Path("/proc/self"))
    use_mirrors(monkeypatch, server.mirror("good"))
    check_unwritable(Path("/proc/self/mnist"), server)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_download_into_a_folder_that_is_read_only(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    use_mirrors(monkeypatch, server.mirror("good"))
    check_unwritable(cache, server)


def test_a_full_disk_is_no_failure_of_the_mirror(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    use_mirrors(monkeypatch, server.mirror("good"), server.mirror("good"))
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(data.DataError, match=r"cannot be written: .*No space left"):
        data.load_mnist()
    assert len(server.requests) == 1 and list(cache.iterdir()) == []


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", fail)
    with pytest.raises(data.DataError, match=r"There is no cache .* set HOME .*--data-dir\.$"):
        data.load_mnist()


def test_a_complete_cache_is_never_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(cache)
    monkeypatch.setattr(download, "_download", None)
    check_loaded(data.load_mnist())


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


@pytest.mark.parametrize("others", [(), ("truncated",)])
def test_two_processes_download_at_once(cache: Path, server: Server, others: tuple[str, ...]) -> None:
    mirrors = tuple(server.mirror(folder) for folder in (*others, "together"))
    program = (
        "import sys; from pathlib import Path; from nn import data, download;"
        f"download.MNIST_FILES = {download.MNIST_FILES!r};"
        f"download.MNIST_MIRRORS = {mirrors!r};"
        "download.cache_folder = lambda: Path(sys.argv[1]);"
        "print(data.load_mnist().train_labels.tolist())"
    )
    command = [sys.executable, "-c", program, str(cache.parent)]
    processes = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["[7, 0, 9]\n"] * 2
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == COMPRESSED


def test_a_killed_download_leaves_nothing_that_is_taken(cache: Path, server: Server) -> None:
    program = (
        "import sys; from pathlib import Path; from nn import data, download;"
        f"download.MNIST_FILES = {download.MNIST_FILES!r};"
        f"download.MNIST_MIRRORS = ({server.mirror('stall')!r},);"
        "download.cache_folder = lambda: Path(sys.argv[1]); data.load_mnist()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(cache.parent)], cwd=PROJECT) as process:
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert server.requests
    assert {path.suffix for path in cache.iterdir()} <= {".part"}


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
    with pytest.raises(data.DataError, match="holds nothing"):
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
    assert download.cache_folder() == tmp_path / expected


def test_known_files_and_mirrors_are_well_formed() -> None:
    for files in (download.MNIST_FILES, download.FASHION_FILES):
        assert len(files) == 4
        assert all(size > 0 and len(bytes.fromhex(sha256)) == 32 for size, sha256 in files)
    assert all(mirror.endswith("/") for mirror in download.MNIST_MIRRORS + download.FASHION_MIRRORS)


@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="MNIST is not in ../shared/data/mnist")
def test_known_checksums_are_those_of_the_real_files() -> None:
    # The first file is left out: a rebuilt copy of the training images is as good for these tests.
    for name, (size, sha256) in list(zip(IDX_NAMES, download.MNIST_FILES, strict=True))[1:]:
        content = (REAL_MNIST / f"{name}.gz").read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
