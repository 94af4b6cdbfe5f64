"""Break files of images in every way that a transfer, an editor or an enemy might.

`PYTHONPATH=. python tests/fuzzing.py 10000` loads as many broken sets, and prints what became of them.
"""

import contextlib
import gzip
import io
import struct
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from samples import encode_csv, encode_idx, encode_npz

from nn import formats
from nn.data import DataError, Dataset, batches, load_mnist

Files = dict[str, bytes]
Mutation = Callable[[bytes, Random], bytes]

EXTREMES = (0, 1, 2, 3, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
TEXTS = (
    b"-1", b"256", b"1e3", b"0x1F", b"nan", b"1_0", b"1.5", b"+3", b"\xd9\xa3", b'"4"', b"", b" ", b"9" * 30,
    b"9" * 5000, b"\0", b"\r", b"\n", b",", b"," * 300, b"\n" * 300, b"label", b"#", b"\xef\xbb\xbf", b"=1+1",
)  # fmt: skip
HEADERS = (
    "'descr': '|O'", "'descr': '<M8[ns]'", "'descr': '|V0'", "'descr': '<U8'", "'descr': '<c16'",
    "'descr': '<f2'", "'descr': '>i8'", "'descr': '|b1'", "'descr': [('a', '<i4')]",
    "'descr': __import__('os')",
    "'fortran_order': True", "'fortran_order': 3", "'shape': ()", "'shape': (0,)", "'shape': (-1, 5, 5)",
    "'shape': (3, 25)", "'shape': (3, 5, 5, 1)", "'shape': (2147483648, 28, 28)", "'shape': (3, 1.5)",
    "'shape': (99999999999999999999, 1)", "'shape': (3L, 5L, 5L)", "'shape': " + "(" * 5000,
    "'shape': " + "-" * 5000 + "1", "'shape': 1 is 1",
)  # fmt: skip


def healthy_sets() -> dict[str, Files]:
    """Return whole sets by layout; noise and stripes, so that compression has something to do."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 6, 6), np.uint8)
    images[:, ::2] = 0
    labels = (np.arange(40) % 10).astype(np.uint8)
    idx = {
        "train-images-idx3-ubyte": encode_idx(images),
        "train-labels-idx1-ubyte": encode_idx(labels),
        "t10k-images-idx3-ubyte": encode_idx(images[:9]),
        "t10k-labels-idx1-ubyte": encode_idx(labels[:9]),
    }
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]}
    header = "label," + ",".join(f"pixel{i}" for i in range(36)) + "\n"
    tables = {"train.csv": encode_csv(images, labels, header), "test.csv": encode_csv(images[:9], labels[:9])}
    floats = {name: array.astype(float if name[0] == "x" else np.int64) for name, array in arrays.items()}
    return {
        "IDX": idx,
        "IDX, gz": {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in idx.items()},
        "npz, stored": {"mnist.npz": encode_npz(False, **arrays)},
        "npz, compressed": {"mnist.npz": encode_npz(**arrays)},
        "npz of floats": {"mnist.npz": encode_npz(**floats)},
        "CSV": tables,
        "CSV, gz": {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in tables.items()},
    }


def flip(content: bytes, random: Random) -> bytes:
    broken = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        # Headers are short, and where the meaning is.
        place = random.randrange(min(len(broken), random.choice((16, 128, len(broken)))))
        broken[place] = random.choice((broken[place] ^ 1 << random.randrange(8), random.randrange(256)))
    return bytes(broken)


def truncate(content: bytes, random: Random) -> bytes:
    return content[: random.choice((random.randrange(len(content)), random.randrange(min(len(content), 40))))]


def insert(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    some = random.choice((random.randbytes(random.randrange(1, 40)), bytes(random.randrange(1, 4000))))
    return content[:place] + some + content[place:]


def delete(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + content[place + random.randrange(1, 40) :]


def repeat(content: bytes, random: Random) -> bytes:
    return content + random.choice((content, content[random.randrange(len(content)) :], b"\0" * 100))


def extreme(content: bytes, random: Random) -> bytes:
    """Put an extreme number where a header may have one."""
    form = random.choice((">I", "<I", "<H", "<Q", "B"))
    number = random.choice(EXTREMES) % 2 ** (8 * struct.calcsize(form))
    place = random.randrange(min(len(content), random.choice((16, 128, len(content)))))
    if random.random() < 0.5:
        place -= place % 4  # as IDX has them
    return content[:place] + struct.pack(form, number) + content[place + struct.calcsize(form) :]


def extreme_end(content: bytes, random: Random) -> bytes:
    """Put an extreme number into the last bytes, where zip and gzip say how long things are."""
    cut = min(len(content), random.choice((8, 22, 300)))
    return content[:-cut] + extreme(content[-cut:], random)


def splice(content: bytes, random: Random) -> bytes:
    text = random.choice(TEXTS)
    separators = [place for place in range(len(content)) if content[place] in b",\n"] or [0]
    place = random.choice(separators)
    return (
        content[:place] + random.choice((b"", b",", b"\n")) + text + content[place + random.choice((0, 1)) :]
    )


def recode(content: bytes, random: Random) -> bytes:
    """Save a text anew, as some editors would."""
    text = content.decode("latin-1")
    return random.choice(
        (
            lambda: text.encode("utf-16"),
            lambda: b"\xef\xbb\xbf" + content,
            lambda: text.replace("\n", "\r").encode("latin-1"),
            lambda: text.replace(",", random.choice(";\t |")).encode("latin-1"),
            lambda: text.replace("\r\n", "\n\n").encode("latin-1"),
            lambda: b"<!doctype html>" + content,
        )
    )()


BYTES: tuple[Mutation, ...] = (flip, truncate, insert, delete, repeat, extreme, extreme_end)
TEXT: tuple[Mutation, ...] = (*BYTES, splice, splice, recode)


def inside_gzip(mutations: tuple[Mutation, ...]) -> Mutation:
    """Return a mutation of what is compressed, so that the checksums hold; or a bomb."""

    def mutate(content: bytes, random: Random) -> bytes:
        raw = gzip.decompress(content)
        if random.random() < 0.03:
            return gzip.compress(raw + bytes(2**25), 1)
        return gzip.compress(random.choice(mutations)(raw, random), mtime=0)

    return mutate


def inside_zip(content: bytes, random: Random) -> bytes:
    """Mutate an archive's members, or their names, compressions and flags, with the checksums right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    victim = random.choice(list(members))
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    kind = random.randrange(10)
    if kind < 3:
        members[victim] = random.choice(BYTES)(members[victim], random)
    elif kind < 6:
        members[victim] = other_header(members[victim], random)
    elif kind == 6:
        members[random.choice(("../" + victim, "/tmp/" + victim, "x\n\0y.npy", "ü.npy"))] = members[victim]
        if random.random() < 0.5:
            del members[victim]
    elif kind == 7:
        other = random.choice(list(members))
        members[victim], members[other] = members[other], members[victim]
    elif kind == 8:
        members[victim] += bytes(2**25 if random.random() < 0.3 else 100)
        method = zipfile.ZIP_DEFLATED
    else:
        method = random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return file.getvalue()


def other_header(array: bytes, random: Random) -> bytes:
    """Give an array in NumPy's format another description of itself."""
    if random.random() < 0.3:
        return array[:6] + bytes([random.randrange(4), 0]) + array[8:]
    length = int.from_bytes(array[8:10], "little")
    text, line = array[10 : 10 + length].decode("latin-1"), random.choice(HEADERS)
    key = line.split(":")[0]
    start = text.index(key)
    end = text.index("), }" if "shape" in key else ", '", start) + ("shape" in key)
    changed = (text[:start] + line + text[end:]).encode("latin-1")
    return array[:8] + struct.pack("<H", len(changed)) + changed + array[10 + length :]


def deflated_badly(content: bytes, random: Random) -> bytes:
    """Break the compressed stream of a gzip file, and give it the checksum of what was in it."""
    raw = gzip.decompress(content)
    packed = random.choice(BYTES)(zlib.compress(raw, 9, -15), random)
    return content[:10] + packed + struct.pack("<II", zlib.crc32(raw), len(raw))


MUTATIONS: dict[str, tuple[Mutation, ...]] = {
    "IDX": BYTES,
    "IDX, gz": (*BYTES, inside_gzip(BYTES), inside_gzip((extreme, flip, repeat)), deflated_badly),
    "npz, stored": (*BYTES, inside_zip, inside_zip),
    "npz, compressed": (*BYTES, inside_zip, inside_zip),
    "npz of floats": (*BYTES, inside_zip, inside_zip),
    "CSV": TEXT,
    "CSV, gz": (*BYTES, inside_gzip(TEXT), inside_gzip((splice, recode, extreme)), deflated_badly),
}


def mutated(files: Files, mutations: tuple[Mutation, ...], random: Random) -> Files:
    """Break one file or more of a set, or mix the files up."""
    broken = dict(files)
    names = list(files)
    if random.random() < 0.05 and len(names) > 1:
        one, other = random.sample(names, 2)
        broken[one], broken[other] = broken[other], broken[one]
    for _ in range(random.choice((1, 1, 1, 2))):
        victim = random.choice(names)
        # A second mutation may meet what is no archive any more.
        with contextlib.suppress(Exception):
            broken[victim] = random.choice(mutations)(broken[victim], random)
    return broken


def check(dataset: Dataset) -> None:
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert images.dtype == labels.dtype == np.uint8
        assert images.ndim == 3 and images.size and labels.shape == (len(images),) and labels.max() <= 9
        assert sum(len(chosen) for _, chosen in batches(images, labels, 32, 255)) == len(labels)


def fuzz(count: int, folder: Path, seed: int = 0) -> tuple[Counter[str], int]:
    """Load `count` broken sets; return how they ended, by layout, and the peak of memory for any, in bytes.

    Anything but a whole set or a DataError of one line is raised, with the files left in the folder.
    """
    random = Random(seed)
    healthy = healthy_sets()
    tally: Counter[str] = Counter()
    peak = 0
    mapped = formats.MAPPED
    tracemalloc.start()
    try:
        for number in range(count):
            layout = list(healthy)[number % len(healthy)]
            formats.MAPPED = random.choice((1, mapped))
            for left in folder.iterdir():
                left.unlink()
            for name, content in mutated(healthy[layout], MUTATIONS[layout], random).items():
                (folder / name).write_bytes(content)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    check(load_mnist(folder))
                    tally[f"{layout}: arrays"] += 1
                except DataError as error:
                    assert "\n" not in str(error) and len(str(error)) < 5000, error
                    assert str(folder) in str(error)
                    tally[f"{layout}: DataErrors"] += 1
                except BaseException as error:
                    error.add_note(f"{layout}, number {number} of seed {seed}: see {folder}")
                    raise
            peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
        formats.MAPPED = mapped
    return tally, peak


def report(count: int, folder: Path, seed: int) -> None:
    """Print what became of broken sets."""
    import resource

    tally, peak = fuzz(count, folder, seed)
    for ending, number in sorted(tally.items()):
        print(f"{number:8,}  {ending}")
    for kind in ("arrays", "DataErrors"):
        print(f"{sum(number for ending, number in tally.items() if ending.endswith(kind)):8,}  {kind}")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{count:,} sets; at most {peak / 2**20:.1f} MiB for one, {resident} MiB resident")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        report(int(sys.argv[1]), Path(temporary), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
