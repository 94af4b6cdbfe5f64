"""Pictures of digits from anywhere: sizes, colours, papers, kinds of files, and what is refused."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nn.data import DataError, load_digits
from nn.images import read_image

SHAPE = (28, 28)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def seven(side: int = 200) -> np.ndarray:
    """Return the ink, 0 to 1, of a drawn seven that fills half of a square."""
    y, x = np.mgrid[:1000, :1000] / 1000
    bar = (abs(y - 0.29) < 0.04) & (abs(x - 0.5) < 0.19)
    leg = (abs(x - 0.69 + (y - 0.25) * 0.5) < 0.045) & (y > 0.25) & (y < 0.75)
    drawn = Image.fromarray((bar | leg).astype(np.float32))
    return np.asarray(drawn.resize((side, side), Image.Resampling.BOX), np.float64)


def page(ink: np.ndarray, colour: Any = BLACK, paper: Any = WHITE) -> np.ndarray:
    return np.asarray(paper) * (1 - ink[..., np.newaxis]) + np.asarray(colour) * ink[..., np.newaxis]


def save(path: Path, pixels: Any, **options: Any) -> Path:
    Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(path, **options)
    return path


def plain(tmp_path: Path) -> np.ndarray:
    return read_image(save(tmp_path / "plain.png", page(seven())), SHAPE, 255)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Compare as a network would: most of the ink is in the same places."""
    assert one.shape == other.shape
    return bool(np.abs(one.astype(float) - other).sum() < 0.25 * other.sum())


# -------------------------------------------------------------------------------------- as they are


def test_an_image_of_the_network_is_taken_as_it_is(tmp_path: Path) -> None:
    digit = np.zeros(SHAPE, np.uint8)
    digit[10:20, 3:9] = np.arange(60).reshape(10, 6) * 4
    read = read_image(save(tmp_path / "x.png", digit), SHAPE, 255)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, digit)


def test_the_packaged_digits_are_read_back_in_both_scales(tmp_path: Path) -> None:
    for digit in load_digits().test_images[:20]:
        np.testing.assert_array_equal(read_image(save(tmp_path / "x.png", digit), (8, 8), 16), digit)
        bright = save(tmp_path / "x.png", digit * (255 / 16))
        np.testing.assert_array_equal(read_image(bright, (8, 8), 16), digit)


# ------------------------------------------------------------------------------- as MNIST was made


def test_the_ink_fits_a_box_with_its_mass_in_the_middle(tmp_path: Path) -> None:
    read = plain(tmp_path)
    rows, columns = np.flatnonzero(read.any(axis=1)), np.flatnonzero(read.any(axis=0))
    assert rows[-1] - rows[0] + 1 == 20
    assert columns[-1] - columns[0] + 1 == 17  # its proportions are kept
    weights = read / read.sum()
    assert weights.sum(axis=1) @ (np.arange(28) + 0.5) == pytest.approx(14, abs=0.6)
    assert weights.sum(axis=0) @ (np.arange(28) + 0.5) == pytest.approx(14, abs=0.6)
    assert read.max() == 255


@pytest.mark.parametrize("side", [28, 40, 100, 333, 1000])
def test_the_size_of_the_picture_does_not_matter(tmp_path: Path, side: int) -> None:
    assert alike(read_image(save(tmp_path / "x.png", page(seven(side))), SHAPE, 255), plain(tmp_path))


@pytest.mark.parametrize("size", [(400, 250), (90, 500), (250, 250)], ids=str)
def test_the_place_in_the_picture_does_not_matter(tmp_path: Path, size: tuple[int, int]) -> None:
    for corner in (0, 1):
        ink = np.zeros(size)
        part = seven(160)[40:125, 40:125]
        y, x = (corner * (side - len(part) - 6) + 3 for side in size)
        ink[y : y + len(part), x : x + len(part)] = part
        assert alike(read_image(save(tmp_path / "x.png", page(ink)), SHAPE, 255), plain(tmp_path))


def test_a_picture_cut_to_its_ink_is_read(tmp_path: Path) -> None:
    ink = seven()
    ink = ink[ink.any(axis=1)][:, ink.any(axis=0)]
    assert alike(read_image(save(tmp_path / "x.png", page(ink)), SHAPE, 255), plain(tmp_path))


@pytest.mark.parametrize(
    ("colour", "paper"),
    [
        (WHITE, BLACK),
        ((200, 40, 40), (40, 80, 220)),  # of the same lightness
        ((255, 240, 60), WHITE),
        ((150, 150, 150), (215, 210, 205)),
        ((90, 90, 90), (40, 40, 40)),
    ],
    ids=str,
)
def test_the_colours_do_not_matter(tmp_path: Path, colour: Any, paper: Any) -> None:
    assert alike(
        read_image(save(tmp_path / "x.png", page(seven(), colour, paper)), SHAPE, 255), plain(tmp_path)
    )


def photograph(light: float, noise: float) -> np.ndarray:
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    ink = np.zeros((300, 300))
    ink[30:230, 80:280] = seven()
    shade = 1 - light * (0.4 * x + 0.25 * y + 0.1 * x * x)
    pixels = page(ink, (40, 40, 70), (220, 215, 200)) * shade[..., np.newaxis]
    return pixels + np.random.default_rng(0).normal(0, noise, pixels.shape)


@pytest.mark.parametrize(("light", "noise"), [(0, 25), (0.5, 10), (1, 10), (-1, 20)])
def test_a_photograph_of_uneven_paper(tmp_path: Path, light: float, noise: float) -> None:
    path = save(tmp_path / "x.jpg", photograph(light, noise), quality=80)
    assert alike(read_image(path, SHAPE, 255), plain(tmp_path))


def test_dust_and_a_table_beside_the_paper_are_left_out(tmp_path: Path) -> None:
    pixels = photograph(0.3, 5)
    pixels[20:23, 20:23] = 30
    pixels[-25:, :] = 20
    assert alike(read_image(save(tmp_path / "x.png", pixels), SHAPE, 255), plain(tmp_path))


def test_the_box_may_be_given(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", page(seven()))
    assert np.ptp(np.flatnonzero(read_image(path, SHAPE, 255, box=28).any(axis=1))) == 27
    assert np.ptp(np.flatnonzero(read_image(path, (8, 8), 16).any(axis=1))) == 7
    assert read_image(path, (8, 8), 16).max() == 16


def test_packaged_digits_on_paper_stay_what_they_are(tmp_path: Path) -> None:
    # The nearest of the training images tells how well: no network is needed.
    data = load_digits()
    known = data.train_images.reshape(-1, 64).astype(float)
    generator = np.random.default_rng(0)
    right = 0
    for digit, label in zip(data.test_images[:60], data.test_labels[:60], strict=True):
        big = Image.fromarray((digit * (255 / 16)).astype(np.uint8)).resize(
            (96, 96), Image.Resampling.BICUBIC
        )
        ink = np.pad(np.asarray(big) / 255, ((10, 70), (60, 20)))
        pixels = page(ink, (40, 40, 70), (220, 215, 200)) * np.linspace(1, 0.7, 176)[:, np.newaxis]
        read = read_image(save(tmp_path / "x.png", pixels + generator.normal(0, 8, pixels.shape)), (8, 8), 16)
        right += data.train_labels[np.square(known - read.ravel()).sum(axis=1).argmin()] == label
    assert right >= 55


# ------------------------------------------------------------------------------------ kinds of files


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"]
)
@pytest.mark.parametrize("ending", ["png", "tif", "gif", "jpg", "bmp", "webp"])
def test_every_mode_of_every_kind(tmp_path: Path, mode: str, ending: str) -> None:
    image = Image.fromarray(np.uint8(255 - 255 * seven()))
    if mode == "I;16":
        image = Image.fromarray((60000 - 50000 * seven()).astype(np.uint16))
    else:
        image = image.convert("RGB").convert(mode) if mode not in "IF" else image.convert(mode)
    if mode in ("I", "F", "I;16") and ending not in ("png", "tif"):
        pytest.skip(f"{ending} has no more than 8 bits")
    try:
        image.save(tmp_path / f"x.{ending}")
    except (OSError, ValueError):
        pytest.skip(f"{ending} has no mode {mode}")
    assert alike(read_image(tmp_path / f"x.{ending}", SHAPE, 255), plain(tmp_path))


@pytest.mark.parametrize("colour", [BLACK, WHITE], ids=str)
def test_ink_on_nothing(tmp_path: Path, colour: Any) -> None:
    pixels = np.dstack([np.broadcast_to(np.array(colour), (200, 200, 3)), 255 * seven()])
    assert alike(read_image(save(tmp_path / "x.png", pixels), SHAPE, 255), plain(tmp_path))


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter when it is shown
    path = save(tmp_path / "x.jpg", np.rot90(page(seven())), exif=exif)
    assert alike(read_image(path, SHAPE, 255), plain(tmp_path))


def test_the_first_frame_of_several_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.uint8(page(ink))) for ink in (seven(), np.flipud(seven()))]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert alike(read_image(tmp_path / "x.gif", SHAPE, 255), plain(tmp_path))


# ------------------------------------------------------------------------------------------ refused


def refused(path: Path) -> str:
    with warnings.catch_warnings(), pytest.raises(DataError) as caught:
        warnings.simplefilter("error")
        read_image(path, SHAPE, 255)
    words = str(caught.value)
    assert words.startswith(f"{path} ")
    assert words.endswith(".")
    assert "\n" not in words
    return words


def test_what_is_missing_or_no_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "no.png")
    assert "is not a file" in refused(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"words", b"<html>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%!PS-Adobe-3.0 EPSF\n"]
)
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert "image" in refused(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_a_broken_file_is_an_image_or_refused(tmp_path: Path, ending: str) -> None:
    whole = save(tmp_path / f"x.{ending}", page(seven(60))).read_bytes()
    generator = np.random.default_rng(0)
    broken = tmp_path / f"broken.{ending}"
    for number in range(60):
        content = bytearray(whole[: generator.integers(1, len(whole))] if number % 2 else whole)
        for place in generator.integers(0, len(content), 3):
            content[place] = generator.integers(256)
        broken.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                assert read_image(broken, SHAPE, 255).shape == SHAPE
            except DataError as error:
                assert str(broken) in str(error)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((50, 50, 3), 255),
        np.zeros((28, 28)),
        np.full((1, 1), 90),
        200 + np.linspace(0, 50, 100) * np.ones((60, 1)),
        np.random.default_rng(0).normal(200, 10, (150, 150)),
        page(seven(), (250, 250, 250)),
    ],
    ids=["white", "black", "one pixel", "gradient", "noise", "too faint"],
)
def test_what_is_blank(tmp_path: Path, pixels: np.ndarray) -> None:
    assert "is blank, or too faint" in refused(save(tmp_path / "x.png", pixels))


def test_what_is_too_large(tmp_path: Path) -> None:
    small = io.BytesIO()
    Image.new("1", (8, 8)).save(small, "PNG")
    content = bytearray(small.getvalue())
    for side in (12_000, 60_000):  # for which Pillow warns, and refuses
        content[16:24] = struct.pack(">II", side, side)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        (tmp_path / "x.png").write_bytes(content)
        assert "more than 100,000,000 pixels" in refused(tmp_path / "x.png")


def test_no_other_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.uint8(page(seven()))).save(tmp_path / "x.eps")
    monkeypatch.setattr("subprocess.Popen", lambda *given, **options: pytest.fail("a program was started"))
    assert "not an image of a known kind" in refused(tmp_path / "x.eps")
