"""Tests of nn.formats: whole files, and broken ones, which are named in one line."""

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import fuzz
from samples import (
    ARRAYS,
    HEADER,
    IMAGES,
    IMAGES_IDX,
    LABELS,
    LABELS_IDX,
    encode_csv,
    encode_idx,
    encode_npz,
    peak_memory,
)  # fmt: skip

from nn import formats


def problem_of(path: Path, content: bytes, read: Callable[[Path], object] = formats.read_idx) -> str:
    path.write_bytes(content)
    with pytest.raises(formats.DataError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and "give an intact file" in message
    return message


# --- IDX -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "plain.gz"])
def test_read_idx_plain_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(IMAGES_IDX)
    read = formats.read_idx(tmp_path / name)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, IMAGES)


@pytest.mark.parametrize("name", ["packed", "packed.gz"])
def test_read_idx_gzip_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(LABELS_IDX))
    np.testing.assert_array_equal(formats.read_idx(str(tmp_path / name)), LABELS)


def test_read_idx_larger_than_a_chunk(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (2 * formats.CHUNK // 100 + 3, 10, 10), np.uint8)
    for content in (encode_idx(array), gzip.compress(encode_idx(array), 1)):
        (tmp_path / "file").write_bytes(content)
        np.testing.assert_array_equal(formats.read_idx(tmp_path / "file"), array)


def test_read_idx_missing_file_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        formats.read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("length", range(len(IMAGES_IDX)))
def test_read_idx_truncated_anywhere(tmp_path: Path, length: int) -> None:
    part = "magic number" if length < 4 else "header" if length < 16 else "shape (3, 5, 5)"
    assert f"is truncated: its {part}" in problem_of(tmp_path / "file", IMAGES_IDX[:length])


@pytest.mark.parametrize("kept", [11, 25, -12, -8, -4, -1])
def test_read_idx_gzip_cut_short(tmp_path: Path, kept: int) -> None:
    message = problem_of(tmp_path / "file.gz", gzip.compress(IMAGES_IDX, mtime=0)[:kept])
    assert "is truncated: its compressed data stop early" in message


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
    assert "is longer than the 75 bytes that its shape (3, 5, 5) needs" in message


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0, 5), (0, *[2**32 - 1] * 4)])
def test_read_idx_empty(tmp_path: Path, shape: tuple[int, ...]) -> None:
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    assert f"claims the shape {shape}; 1 to" in problem_of(tmp_path / "file", content)


def test_read_idx_more_dimensions_than_numpy_has(tmp_path: Path) -> None:
    content = bytes([0, 0, 8, 65]) + struct.pack(">65I", *[1] * 65) + b"\0"
    assert "dimension" in problem_of(tmp_path / "file", content)


def test_read_idx_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(formats.DataError, match="cannot be read"):
        formats.read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_read_idx_without_permission(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(IMAGES_IDX)
    (tmp_path / "file").chmod(0)
    with pytest.raises(formats.DataError, match=r"cannot be read: .*Permission denied"):
        formats.read_idx(tmp_path / "file")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("count", [2**31, 2**20])
def test_read_idx_allocates_nothing_on_a_claim(
    tmp_path: Path, pack: Callable[[bytes], bytes], count: int
) -> None:
    content = pack(b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28) + bytes(100))
    messages = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "file", content))) < 2**21
    assert ("claims the shape" if count == 2**31 and pack is gzip.compress else "is truncated") in messages[0]


def test_read_idx_stops_unpacking_a_gzip_bomb(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 100) + bytes(2**26), 1)
    messages = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "bomb", bomb))) < 2**22
    assert "is longer than the 100 bytes" in messages[0]


@pytest.fixture
def all_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAPPED", 1)


@pytest.mark.usefixtures("all_mapped")
def test_read_idx_maps_a_large_plain_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(IMAGES_IDX)
    read = formats.read_idx(tmp_path / "file")
    assert isinstance(read, np.memmap) and read.dtype == np.uint8 and not read.flags.writeable
    np.testing.assert_array_equal(read, IMAGES)


@pytest.mark.usefixtures("all_mapped")
def test_read_idx_maps_nothing_that_is_compressed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(gzip.compress(IMAGES_IDX))
    assert type(formats.read_idx(tmp_path / "file")) is np.ndarray


@pytest.mark.usefixtures("all_mapped")
@pytest.mark.parametrize("length", [16, 17, len(IMAGES_IDX) - 1])
def test_read_idx_maps_nothing_that_is_truncated(tmp_path: Path, length: int) -> None:
    message = problem_of(tmp_path / "file", IMAGES_IDX[:length])
    assert f"is truncated: its shape (3, 5, 5) needs 75 bytes, it has {length - 16}" in message


@pytest.mark.usefixtures("all_mapped")
def test_read_idx_maps_nothing_that_is_too_long(tmp_path: Path) -> None:
    message = problem_of(tmp_path / "file", IMAGES_IDX + b"\0")
    assert "is longer than the 75 bytes that its shape (3, 5, 5) needs" in message


def test_read_idx_has_no_limit_where_nothing_is_read(tmp_path: Path) -> None:
    shape = 3 * 2**20, 32, 32
    with open(tmp_path / "file", "wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", *shape))
        file.truncate(16 + 3 * 2**30)  # sparse: it takes no place on the disk
    assert peak_memory(lambda: formats.read_idx(tmp_path / "file")) < 2**20
    assert formats.read_idx(tmp_path / "file").shape == shape
    with open(tmp_path / "file", "r+b") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(formats.DataError, match="is truncated"):
        formats.read_idx(tmp_path / "file")


# --- npz -------------------------------------------------------------------------------------


def check_npz(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for read, expected in zip(formats.read_npz(path), ARRAYS.values(), strict=True):
        assert read.dtype == np.uint8 and read.flags.c_contiguous and type(read) is np.ndarray
        np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_read_npz(tmp_path: Path, compressed: bool) -> None:
    check_npz(tmp_path / "mnist.npz", encode_npz(compressed, **ARRAYS, more=np.arange(3)))


@pytest.mark.parametrize("dtype", ["i1", "<i8", ">i2", "u4", "f2", "<f4", ">f8"])
def test_read_npz_of_any_numbers(tmp_path: Path, dtype: str) -> None:
    check_npz(tmp_path / "file", encode_npz(**{name: array.astype(dtype) for name, array in ARRAYS.items()}))


def test_read_npz_of_flat_images_and_of_fortran_order(tmp_path: Path) -> None:
    check_npz(tmp_path / "file", encode_npz(**{**ARRAYS, "x_train": IMAGES.reshape(3, 25)}))
    check_npz(tmp_path / "file", encode_npz(**{**ARRAYS, "x_train": np.asfortranarray(IMAGES)}))
    check_npz(
        tmp_path / "file", encode_npz(**{**ARRAYS, "x_train": np.asfortranarray(IMAGES.reshape(3, 25))})
    )


def test_read_npz_larger_than_a_chunk(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2 * formats.CHUNK // 100 + 3, 10, 10), np.uint8)
    labels = (np.arange(len(images)) % 10).astype(np.uint8)
    for dtype in (np.uint8, np.float64):
        content = encode_npz(**{**ARRAYS, "x_train": images.astype(dtype), "y_train": labels.astype(dtype)})
        (tmp_path / "file").write_bytes(content)
        read = formats.read_npz(tmp_path / "file")
        np.testing.assert_array_equal(read[0], images)
        np.testing.assert_array_equal(read[1], labels)


def test_read_npz_missing_file_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        formats.read_npz(tmp_path / "nowhere")


WRONG_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "objects": ({"x_train": np.array([print], object)}, "has x_train.npy of type '|O', not numbers"),
    "texts": ({"y_test": np.array(["7", "0"])}, "has y_test.npy of type '<U1', not numbers"),
    "booleans": ({"y_test": np.array([True, False])}, "has y_test.npy of type '|b1', not numbers"),
    "complex": ({"y_test": LABELS[:2] + 0j}, "has y_test.npy of type '<c16', not numbers"),
    "records": ({"y_test": np.zeros(2, "u1,u1")}, "has y_test.npy with a header that cannot be read"),
    "columns": ({"y_train": LABELS[:, None]}, r"has y_train.npy of shape (3, 1), not (number,)"),
    "channels": ({"x_train": IMAGES[..., None]}, "of shape (3, 5, 5, 1), not (number, height, width)"),
    "no square": ({"x_train": IMAGES.reshape(3, 25)[:, :24]}, "has images of 24 pixels in a row"),
    "empty": ({"x_test": IMAGES[:0]}, "claims the shape (0, 5, 5) of x_test.npy"),
    "label": ({"y_train": np.array([7, 10, 9])}, "has 10 in y_train.npy, at element 1, where a whole number"),
    "negative": ({"x_train": IMAGES - 1.0}, "has -1.0 in x_train.npy, at element 0, where a whole"),
    "fraction": ({"x_train": IMAGES / 255}, "has 0.00392156862745098 in x_train.npy, at element 1"),
    "large": ({"x_train": IMAGES.astype(int) * 256}, "has 256 in x_train.npy, at element 1"),
    "no number": ({"x_train": IMAGES * np.nan}, "has nan in x_train.npy, at element 0"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
def test_read_npz_of_wrong_arrays(tmp_path: Path, wrong: str) -> None:
    arrays, problem = WRONG_ARRAYS[wrong]
    assert problem in problem_of(tmp_path / "file", encode_npz(**{**ARRAYS, **arrays}), formats.read_npz)


def test_read_npz_lists_what_is_there(tmp_path: Path) -> None:
    content = encode_npz(images=IMAGES, labels=LABELS, **{f"more{i}": LABELS for i in range(9)})
    message = problem_of(tmp_path / "file", content, formats.read_npz)
    assert (
        "lacks x_train.npy, y_train.npy, x_test.npy, y_test.npy: it holds images.npy, labels.npy," in message
    )
    assert "and 5 more" in message


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(text: str, version: int = 1) -> dict[str, bytes]:
    """Return the members of an archive whose first array has this header."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    array = b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + IMAGES.tobytes()
    return {**members_of(encode_npz(**ARRAYS)), "x_train.npy": array}


def test_read_npz_of_what_other_writers_write(tmp_path: Path) -> None:
    for text in (
        "{'shape':(3,5,5),'fortran_order':False,'descr':'|u1'}\n",
        "{ 'fortran_order' : False , 'shape' : ( 3 , 5 , 5 , ), 'descr' : '<u1' , }",
    ):
        for version in (1, 2, 3):
            check_npz(tmp_path / "file", zip_of(described(text, version)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (3, 5, 5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, -5, 5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 5 5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 5, 5" + "9" * 5000 + ")}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 9000 + ")" * 900,
        "{'descr': '|u1', 'fortran_order': False, 'shape': " + "-" * 9000 + "1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 5, 5)}" + " " * 10_000,
    ],
)
def test_read_npz_parses_no_python(tmp_path: Path, text: str) -> None:
    message = problem_of(tmp_path / "file", zip_of(described(text)), formats.read_npz)
    assert "has x_train.npy with a header that cannot be read" in message


@pytest.mark.parametrize(("count", "words"), [(2**31, "claims the shape"), (2**20, "is truncated")])
def test_read_npz_allocates_nothing_on_a_claim(tmp_path: Path, count: int, words: str) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 28, 28)}}"
    content = zip_of(described(text))
    messages: list[str] = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "f", content, formats.read_npz))) < 2**21
    assert words in messages[0]


def test_read_npz_stops_unpacking_a_zip_bomb(tmp_path: Path) -> None:
    members = members_of(encode_npz(**ARRAYS))
    bomb = zip_of({**members, "x_train.npy": members["x_train.npy"] + bytes(2**26)}, zipfile.ZIP_DEFLATED)
    messages: list[str] = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "f", bomb, formats.read_npz))) < 2**22
    assert "has x_train.npy longer than its shape (3, 5, 5) needs" in messages[0]


def test_read_npz_of_more_members_than_anyone_has(tmp_path: Path) -> None:
    content = zip_of({f"{i:05}" + 60 * "x": b"" for i in range(10_000)})
    message = problem_of(tmp_path / "file", content, formats.read_npz)
    assert "has a list of members of 1110000 bytes; 1048576 are accepted" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_read_npz_of_another_compression(tmp_path: Path, method: int) -> None:
    content = zip_of(members_of(encode_npz(**ARRAYS)), method)
    message = problem_of(tmp_path / "file", content, formats.read_npz)
    assert f"has x_train.npy compressed by method {method}; save it with np.savez" in message


def test_read_npz_encrypted(tmp_path: Path) -> None:
    content = encode_npz(**ARRAYS)
    places = [content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8]
    encrypted = bytearray(content)
    for place in places:
        encrypted[place] |= 1
    message = problem_of(tmp_path / "file", bytes(encrypted), formats.read_npz)
    assert "is encrypted" in message


def test_read_npz_writes_no_file(tmp_path: Path) -> None:
    members = members_of(encode_npz(**ARRAYS))
    folder = tmp_path / "inner"
    folder.mkdir()
    check_npz(
        folder / "file", zip_of({"../evil.npy": members["x_train.npy"], "/tmp/evil.npy": b"", **members})
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "inner"]


def test_read_npz_damaged(tmp_path: Path) -> None:
    whole = encode_npz(False, **ARRAYS)
    broken = bytearray(whole)
    broken[whole.index(IMAGES.tobytes())] ^= 1
    cases = [
        (bytes(broken), "Bad CRC-32 for file 'x_train.npy'"),
        (whole[:-1], "cannot be read: File is not a zip file"),
        (whole[200:], "is damaged: its list of members"),
        (b"", "cannot be read"),
        (b"<html>", "looks like a web page"),
    ]
    for content, problem in cases:
        assert problem in problem_of(tmp_path / "file", content, formats.read_npz)


# --- CSV -------------------------------------------------------------------------------------

TABLE = encode_csv(IMAGES, LABELS)


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        HEADER.encode() + TABLE,
        HEADER.upper().replace("LABEL", '"Label"').encode() + TABLE,
        ",".join(map(str, range(26))).encode() + b"\n" + TABLE,
        b"\xef\xbb\xbf" + TABLE,
        TABLE.replace(b"\r\n", b"\n"),
        TABLE.removesuffix(b"\r\n"),
        b"\n\n" + TABLE.replace(b"\r\n", b"\n\n") + b"\n \n",
        TABLE.replace(b",", b" , "),
        gzip.compress(HEADER.encode() + TABLE),
    ],
)  # fmt: skip
def test_read_csv(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    images, labels = formats.read_csv(tmp_path / "file")
    assert images.dtype == labels.dtype == np.uint8 and images.flags.writeable
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_read_csv_larger_than_a_block(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4000, 28, 28), np.uint8)
    labels = (np.arange(4000) % 10).astype(np.uint8)
    content = encode_csv(images, labels)
    (tmp_path / "file").write_bytes(content)
    read = formats.read_csv(tmp_path / "file")
    np.testing.assert_array_equal(read[0], images)
    np.testing.assert_array_equal(read[1], labels)
    lines = content.split(b"\r\n")
    lines[3500] = lines[3500].replace(b",", b",x", 1)
    value = lines[3500].split(b",")[1].decode()
    message = problem_of(tmp_path / "file", b"\r\n".join(lines), formats.read_csv)
    assert f"has '{value}' in line 3501, column 2, where a whole number from 0 to 255 belongs" in message


def test_read_csv_missing_file_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        formats.read_csv(tmp_path / "nowhere")


ROW = b"3" + b",0" * 25 + b"\n"


@pytest.mark.parametrize(
    "value", ["256", "-1", "1.5", "1e2", "", "nan", "0x1F", "1_0", "a", '"4"', "٣", "9" * 5000]
)
def test_read_csv_names_what_is_no_pixel(tmp_path: Path, value: str) -> None:
    content = (
        ROW + ROW + ROW.replace(b",0", b"," + value.encode(), 7).replace(b"," + value.encode(), b",0", 6)
    )
    message = problem_of(tmp_path / "file", content, formats.read_csv)
    assert "in line 3, column 8, where a whole number from 0 to 255 belongs" in message
    assert len(message) < 300


@pytest.mark.parametrize("label", [b"10", b"-1", b"0.5", b""])
def test_read_csv_names_what_is_no_label(tmp_path: Path, label: bytes) -> None:
    message = problem_of(tmp_path / "file", ROW + b"\n" + label + ROW[1:], formats.read_csv)
    assert f"has '{label.decode()}' in line 3, column 1, where a whole number from 0 to 9 belongs" in message


WRONG_TABLES = {
    "no labels": (ROW[2:], "has 25 columns, as many as a square image has pixels, so it lacks the labels"),
    "Kaggle": (b",".join(b"pixel%d" % i for i in range(25)) + b"\n" + ROW[2:], "Kaggle's test.csv has none"),
    "labels last, without names": (
        b"0,9,2,3,4\n0,5,6,7,1\n",
        "has 0 in its whole first column, and that is where the labels belong",
    ),
    "labels last": (
        HEADER.replace("label,", "").encode().strip() + b",class\n",
        "has the labels in its last column",
    ),
    "no square": (ROW.replace(b",0", b"", 1), "has 25 columns"),
    "no square either": (
        ROW.replace(b",0", b"", 2),
        "has 24 columns, not a label and the pixels of a square",
    ),
    "shorter line": (ROW + b"3,0\n", "has 2 columns in line 2, and 26 in the first"),
    "longer line": (ROW + ROW[:-1] + b",0\n", "has 27 columns in line 2, and 26 in the first"),
    "semicolons": (ROW.replace(b",", b";"), "is no table of numbers with commas between"),
    "nothing": (b"", "has no images"),
    "blank": (b" \n\n", "has no images"),
    "header alone": (HEADER.encode(), "has no images"),
    "old Mac": (ROW.replace(b"\n", b"\r") * 3, "has 76 columns"),
    "UTF-16": (ROW.decode().encode("utf-16"), "has a zero byte in line 1, so it is no plain text"),
    "long line": (b"3," * 2**22, "has more than 4194304 bytes in line 1"),
    "web page": (b"<html>", "looks like a web page"),
    "cut short": (gzip.compress(ROW)[:-3], "is truncated: its compressed data stop early"),
}


@pytest.mark.parametrize("wrong", WRONG_TABLES)
def test_read_csv_of_wrong_tables(tmp_path: Path, wrong: str) -> None:
    content, problem = WRONG_TABLES[wrong]
    assert problem in problem_of(tmp_path / "file", content, formats.read_csv)


def test_read_csv_stops_unpacking_a_bomb(tmp_path: Path) -> None:
    bomb = gzip.compress(ROW + bytes(2**26), 1)
    messages: list[str] = []
    assert peak_memory(lambda: messages.append(problem_of(tmp_path / "f", bomb, formats.read_csv))) < 2**25
    assert "has more than 4194304 bytes in line 2" in messages[0]


def test_read_csv_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST_BODY", 74)
    message = problem_of(tmp_path / "file", TABLE, formats.read_csv)
    assert "has more than the 74 pixels that are accepted" in message


# --- anything --------------------------------------------------------------------------------


def test_broken_sets_give_arrays_or_data_errors(tmp_path: Path) -> None:
    tally, peak = fuzz(700, tmp_path)
    assert sum(tally.values()) == 700
    for layout in {ending.split(":")[0] for ending in tally}:
        assert tally[f"{layout}: arrays"] and tally[f"{layout}: DataErrors"]
    assert peak < 2**24
