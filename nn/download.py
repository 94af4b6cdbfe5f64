"""Download files whose sizes and checksums are known, from the first mirror that delivers them."""

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from nn.formats import WEB_PAGE, DataError
from nn.layouts import IDX_NAMES, find_idx

if TYPE_CHECKING:
    from http.client import HTTPResponse

Files = tuple[tuple[int, str], ...]
Strings = tuple[str, ...]

# Size and sha256 of each compressed file, in the order of IDX_NAMES.
MNIST_FILES = (
    (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
FASHION_FILES = (
    (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# The authors' own server speaks only plain http; the checksum makes up for that.
FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
TIMEOUT = 10.0  # seconds of silence
SLOWEST = 2**13  # bytes per second, on average once TIMEOUT is over
CHUNK = 2**18


def complete(name: str, files: Files, mirrors: Strings) -> Path:
    """Return the folder of a data set in the user's cache, when the files that it lacks are downloaded.

    Raises DataError when the cache cannot be written, or no mirror delivers a file.
    """
    folder = cache_folder() / name.lower()
    for file, (size, sha256) in zip(IDX_NAMES, files, strict=True):
        if find_idx(folder, file) is None:
            _download(folder / f"{file}.gz", size, sha256, mirrors)
    return folder


def cache_folder() -> Path:
    """Return the folder in which the system keeps what programs can fetch again."""
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(caches).expanduser() / "graphgrad"
    except RuntimeError as error:
        raise DataError(f"There is no cache to download to: {error}; {_elsewhere()}") from None


def _elsewhere() -> str:
    return (
        "set HOME (or XDG_CACHE_HOME, on Windows LOCALAPPDATA) to a folder that can be written, "
        "or name one that holds the files with --data-dir."
    )


def _download(target: Path, size: int, sha256: str, mirrors: Strings) -> None:
    # Made before anything is asked for. Each download has a file of its own, which takes the target's
    # name only when it is verified and on the disk: others find a whole file or none.
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
        with open(handle, "wb") as file:
            file.write(_fetch(target, size, sha256, mirrors))
            file.flush()
            os.fsync(handle)
        os.replace(part, target)
    except (OSError, DataError) as error:
        # Another process may have finished the same download.
        if target.is_file():
            return
        if isinstance(error, DataError):
            raise
        raise DataError(f"{target} cannot be written: {error}; {_elsewhere()}") from None
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def _fetch(target: Path, size: int, sha256: str, mirrors: Strings) -> bytearray:
    """Return the content of a file, verified, from the first mirror that has it."""
    from http.client import HTTPException  # which takes as long to import as this package

    failures = []
    for mirror in mirrors:
        url = mirror + target.name
        try:
            with _ask(url) as response:
                content = _read_in_time(response, size)
            if len(content) != size:
                came = f"more than {size}" if len(content) > size else f"only {len(content)} of {size}"
                raise ValueError(f"{came} bytes came")
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError(f"{size} bytes came, as many as there should be, with the wrong sha256")
            return content
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"\n  {url}: {' '.join(str(error).split()) or type(error).__name__}")
    raise DataError(
        f"{target} could not be downloaded:{''.join(failures)}\n"
        "Try again, or fetch the four files by other means and name their folder with --data-dir."
    )


def _ask(url: str) -> "HTTPResponse":
    """Open a URL, in bounded time."""
    # A timeout ends silence alone, not the look-up of a name, nor a header in drops: so a thread waits.
    import urllib.error
    import urllib.request

    answers: SimpleQueue[HTTPResponse | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=TIMEOUT))
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=3 * TIMEOUT)
    except Empty:
        raise TimeoutError(f"timed out: no answer within {3 * TIMEOUT:g} seconds") from None
    try:
        if isinstance(answer, Exception):
            raise answer
        return answer
    finally:
        del answer  # an error that its own frame holds would keep its connection open


def _read_in_time(response: "HTTPResponse", size: int) -> bytearray:
    content = bytearray()
    start = time.monotonic()
    # read1 returns with what is there: read would wait for a whole chunk, however slowly it comes.
    while len(content) <= size and (chunk := response.read1(CHUNK)):
        content += chunk
        if WEB_PAGE.match(content):
            raise ValueError("a web page came in place of the data")
        seconds = time.monotonic() - start
        if seconds > TIMEOUT + len(content) / SLOWEST:
            raise TimeoutError(f"timed out: {len(content)} of {size} bytes came in {seconds:.0f} seconds")
    return content
