"""Read labelled images from files that nobody vouches for: IDX, NumPy's .npz, and CSV."""

import gzip
import io
import itertools
import math
import os
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

LARGEST_BODY = 2**30  # elements that are read into memory
MAPPED = 2**26  # bytes from which on a plain IDX file stays on disk
CHUNK = 2**18
LONGEST_LINE = 2**22
LONGEST_DIRECTORY = 2**20  # bytes of an archive's list of its members
CLASSES = 10
WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<")
NPY_FIELD = re.compile(rb"'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d,\s]*\))\s*[,}]")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LABEL_NAMES = (b"label", b"class", b"target", b"y")


class DataError(Exception):
    """Say which file is unusable, why, and what to do about it."""


def read_idx(path: str | Path) -> Bytes:
    """Read an IDX file of unsigned bytes, gzip-compressed or plain.

    Layout: 0, 0, type code, number of dimensions, each dimension as big-endian uint32, elements.
    A plain file of 64 MiB and more is not read but mapped: the result is a read-only numpy.memmap.
    Raises FileNotFoundError, or DataError for anything but a whole, nonempty file of that kind.
    """
    with _opened(path) as file:
        return _parse_idx(_unpacked(file), os.fstat(file.fileno()).st_size)


def read_npz(path: str | Path) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Read x_train, y_train, x_test and y_test of an .npz file, such as Keras' mnist.npz.

    Images are (number, height, width), or square and flat: (number, height * width); pixels are whole
    numbers from 0 to 255, labels from 0 to 9, of any dtype of numbers. Nothing in the file is run or
    unpacked to disk. Raises FileNotFoundError, or DataError for anything else.
    """
    with _opened(path) as file:
        _refuse_web_page(file)
        with zipfile.ZipFile(_ShortReads(file.fileno(), closefd=False)) as archive:
            members = archive.namelist()
            wanted = ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy")
            if missing := [name for name in wanted if name not in members]:
                raise ValueError(
                    f"lacks {listed(missing)}: it holds {listed(members) or 'nothing'}, "
                    f"and {listed(wanted)} are read"
                )
            x_train, y_train, x_test, y_test = (_read_member(archive, name) for name in wanted)
            return x_train, y_train, x_test, y_test


def read_csv(path: str | Path) -> tuple[Bytes, Bytes]:
    """Read images (number, side, side) and labels (number,) from a CSV file, gzip-compressed or plain.

    A line holds the label, 0 to 9, and the pixels of a square image, 0 to 255; a header is passed over.
    Raises FileNotFoundError, or DataError for anything else, with the line.
    """
    with _opened(path) as file:
        return _parse_csv(_unpacked(file))


@contextmanager
def _opened(path: str | Path) -> Iterator[BufferedReader]:
    """Open a file; whatever is wrong with what is read from it becomes a DataError of one line."""
    try:
        with open(path, "rb") as file:
            yield file
        return
    except FileNotFoundError:
        raise
    except EOFError:
        problem = "is truncated: its compressed data stop early"
    except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, struct.error, OverflowError) as error:
        problem = f"cannot be read: {error}"
    except ValueError as error:
        problem = str(error)
    # Some quote what they met, of any length.
    problem = " ".join(problem.split()) if len(problem) < 500 else f"{problem[:500]!r}..."
    raise DataError(
        f"{path} {problem}; give an intact file of that layout (a cached one: delete it)."
    ) from None


def _unpacked(file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    # Browsers unpack downloads and keep the name, so the name decides nothing.
    stream = gzip.GzipFile(fileobj=file) if file.peek(2).startswith(b"\x1f\x8b") else file
    _refuse_web_page(stream)
    return stream


def _refuse_web_page(stream: BufferedReader | gzip.GzipFile) -> None:
    if WEB_PAGE.match(stream.peek(64)):
        raise ValueError("looks like a web page that was saved in place of the data")


def _parse_idx(stream: BufferedReader | gzip.GzipFile, file_size: int) -> Bytes:
    magic = _read_exactly(stream, 4, "magic number")
    type_code, dimensions = magic[2:]
    if magic[:2] != b"\0\0" or dimensions == 0:
        raise ValueError(f"is not an IDX file: its magic number is wrong ({magic.hex(' ')})")
    if type_code != 0x08:
        raise ValueError(f"has elements of type 0x{type_code:02x}, not unsigned bytes (0x08)")
    header = _read_exactly(stream, 4 * dimensions, f"header of {dimensions} dimensions")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    size = math.prod(shape)
    too_long = f"is longer than the {size} bytes that its shape {shape} needs"
    if size >= MAPPED and isinstance(stream, BufferedReader):
        start = len(magic) + len(header)
        if file_size - start < size:
            raise ValueError(_truncated(f"shape {shape}", size, file_size - start))
        if file_size - start > size:
            raise ValueError(too_long)
        return np.memmap(stream, np.uint8, "r", start, shape)
    if not 1 <= size <= LARGEST_BODY:
        raise ValueError(f"claims the shape {shape}; 1 to {LARGEST_BODY} elements are accepted")
    body = _read_exactly(stream, size, f"shape {shape}")
    # Reading on to the end of the file is also what makes gzip compare its checksum.
    if stream.read(1):
        raise ValueError(too_long)
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_exactly(stream: BufferedReader | gzip.GzipFile | IO[bytes], size: int, part: str) -> bytearray:
    # Memory grows with the bytes that are there, never with the bytes that a header claims.
    content = bytearray()
    while chunk := stream.read(min(CHUNK, size - len(content))):
        content += chunk
    if len(content) < size:
        raise ValueError(_truncated(part, size, len(content)))
    return content


def _truncated(part: str, needed: int, there: int) -> str:
    return f"is truncated: its {part} needs {needed} bytes, it has {there}"


class _ShortReads(io.FileIO):
    """A file for an archive, in which a list of members may be no longer than is accepted."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LONGEST_DIRECTORY:
            raise ValueError(f"has a list of members of {size} bytes; {LONGEST_DIRECTORY} are accepted")
        return super().read(-1 if size is None else size) or b""

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and place < 0:
            raise ValueError("is damaged: its list of members does not lie where it says")
        return super().seek(place, whence)


def _read_member(archive: zipfile.ZipFile, name: str) -> Bytes:
    """Read an array of whole numbers as bytes, images or labels after its name."""
    member = archive.getinfo(name)
    # Other compressions need memory that the file chooses; NumPy writes these two.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"has {name} compressed by method {member.compress_type}; save it with np.savez")
    with archive.open(member) as stream:
        array_type, fortran, shape = _parse_npy_header(stream, name)
        images = name.startswith("x")
        if len(shape) not in ((2, 3) if images else (1,)):
            raise ValueError(
                f"has {name} of shape {shape}, not {'(number, height, width)' if images else '(number,)'}"
            )
        size = math.prod(shape)
        if not 1 <= size <= LARGEST_BODY:
            raise ValueError(f"claims the shape {shape} of {name}; 1 to {LARGEST_BODY} elements are accepted")
        body = bytearray()
        for start in range(0, size, CHUNK):
            part = min(CHUNK, size - start) * array_type.itemsize
            numbers = np.frombuffer(_read_exactly(stream, part, f"part of {name}"), array_type)
            body += _as_bytes(numbers, CLASSES - 1 if not images else 255, name, start)
        if stream.read(1):
            raise ValueError(f"has {name} longer than its shape {shape} needs")
    array = np.frombuffer(body, np.uint8).reshape(shape, order="F" if fortran else "C")
    if array.ndim == 2:
        side = _side(shape[1])
        array = array.reshape(len(array), side, side)
    return np.ascontiguousarray(array)


def _parse_npy_header(stream: IO[bytes], name: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    # NumPy hands the header to Python's parser, which does not survive every text; this needs no parser.
    version = _read_exactly(stream, 8, f"header of {name}")
    if version[:6] != b"\x93NUMPY" or version[6] not in (1, 2, 3):
        raise ValueError(f"has {name}, which is no array in NumPy's format")
    width = 2 if version[6] == 1 else 4
    length = int.from_bytes(_read_exactly(stream, width, f"header of {name}"), "little")
    header = _read_exactly(stream, min(length, 10_000), f"header of {name}")
    fields = {key: value.decode("latin-1") for key, value in NPY_FIELD.findall(header)}
    if len(fields) < 3 or length > 10_000:
        raise ValueError(f"has {name} with a header that cannot be read")
    descr = fields[b"descr"][1:-1]
    if not re.fullmatch(r"[<>|=]?([iu][1248]|f[248])", descr):
        raise ValueError(f"has {name} of type {descr[:40]!r}, not numbers")
    if not re.fullmatch(r"\((\s*\d{1,12}\s*(,\s*\d{1,12}\s*)*,?)?\s*\)", fields[b"shape"]):
        raise ValueError(f"has {name} with a header that cannot be read")
    shape = tuple(int(number) for number in re.findall(r"\d+", fields[b"shape"]))
    return np.dtype(descr), fields[b"fortran_order"] == "True", shape


def _as_bytes(numbers: npt.NDArray[Any], largest: int, name: str, start: int) -> bytes:
    # Compared before it is cast: a cast would wrap around, or warn of what is no number.
    with np.errstate(invalid="ignore"):
        wrong = ~((numbers >= 0) & (numbers <= largest) & (numbers == np.floor(numbers)))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"has {numbers[first]} in {name}, at element {start + first}, "
            f"where {_whole_number(largest)} belongs"
        )
    return numbers.astype(np.uint8).tobytes()


def _whole_number(largest: int) -> str:
    return f"a whole number from 0 to {largest}"


def _side(pixels: int) -> int:
    side = math.isqrt(pixels)
    if side < 1 or side**2 != pixels:
        raise ValueError(f"has images of {pixels} pixels in a row, which make no square")
    return side


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Return names with commas between; of many, the first and their number."""
    shown = ", ".join(
        name if name.isprintable() and len(name) < 60 else repr(name[:60]) for name in names[:6]
    )
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def _parse_csv(stream: BufferedReader | gzip.GzipFile) -> tuple[Bytes, Bytes]:
    labels, pixels = bytearray(), bytearray()
    columns = 0
    numbered = _lines(stream)
    while block := _block(numbered):
        if columns == 0:
            columns = _columns(block[0][1])
            if _is_header(block[0][1]):
                del block[0]
        for number, line in block:
            if (found := line.count(b",") + 1) != columns:
                raise ValueError(f"has {found} columns in line {number}, and {columns} in the first")
        if not block:
            continue
        rows = _numbers(block)
        labels += rows[:, 0].tobytes()
        pixels += rows[:, 1:].tobytes()
        if len(pixels) > LARGEST_BODY:
            raise ValueError(f"has more than the {LARGEST_BODY} pixels that are accepted")
    if not labels:
        raise ValueError("has no images: it holds no lines of numbers")
    if len(set(labels)) == 1 and len(labels) > 1:
        raise ValueError(f"has {labels[0]} in its whole first column, and that is where the labels belong")
    side = _side(columns - 1)
    images = np.frombuffer(pixels, np.uint8).reshape(len(labels), side, side)
    return images, np.frombuffer(labels, np.uint8)


def _lines(stream: BufferedReader | gzip.GzipFile) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, and their numbers."""
    for number in itertools.count(1):
        line = stream.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise ValueError(f"has more than {LONGEST_LINE} bytes in line {number}")
        if b"\0" in line:
            raise ValueError(f"has a zero byte in line {number}, so it is no plain text (UTF-8)")
        line = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
        if line:
            yield number, line


def _block(numbered: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    block = []
    size = 0
    for number, line in numbered:
        block.append((number, line))
        size += len(line) + 32  # of a short line, most is Python's own
        if size > 4 * CHUNK:
            break
    return block


def _columns(line: bytes) -> int:
    """Return the number of columns, if they can be a label and a square image."""
    names = [name.strip(b' "').lower() for name in line.split(b",")]
    count = len(names)
    if names[-1] in LABEL_NAMES and names[0] not in LABEL_NAMES:
        raise ValueError("has the labels in its last column, and they are read from the first")
    if count == 1:
        raise ValueError("is no table of numbers with commas between: its first line has one column")
    if math.isqrt(count) ** 2 == count:
        raise ValueError(
            f"has {count} columns, as many as a square image has pixels, so it lacks the labels: "
            "Kaggle's test.csv has none, and a test set needs them in its first column"
        )
    if math.isqrt(count - 1) ** 2 != count - 1:
        raise ValueError(f"has {count} columns, not a label and the pixels of a square image")
    return count


def _is_header(line: bytes) -> bool:
    # Tables that pandas wrote without names are headed by 0, 1, 2, ...
    names = [name.strip(b' "') for name in line.split(b",")]
    return not re.fullmatch(rb"[-+]?[\d.]+", names[0]) or names == [b"%d" % i for i in range(len(names))]


def _numbers(block: list[tuple[int, bytes]]) -> Bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy would read 1.5 as 1, and warn
        try:
            text = [line.decode("ascii") for _, line in block]
            rows = np.loadtxt(text, np.uint8, comments=None, delimiter=",", ndmin=2)
        except (ValueError, Warning):
            rows = None
    if rows is not None and rows[:, 0].max() < CLASSES:
        return rows
    for number, line in block:
        for column, field in enumerate(line.split(b",")):
            largest = 255 if column else CLASSES - 1
            if not re.fullmatch(rb"\s*\d{1,9}\s*", field) or int(field) > largest:
                raise ValueError(
                    f"has {field[:20].decode('latin-1')!r} in line {number}, column {column + 1}, "
                    f"where {_whole_number(largest)} belongs"
                )
    raise ValueError(f"has numbers that cannot be read in lines {block[0][0]} to {block[-1][0]}")
