"""Pictures from anywhere, made into images like those that a network was trained on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nn.data import DataError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

LARGEST = 100_000_000  # pixels: more than phones take, less than memory holds
WORKING_SIDE = 256  # pixels that are looked at, of the longer side
EDGE = 0.1  # of ink, where a stroke begins
FAINTEST = 12.0  # difference of ink and paper, of 255
CURE = "give a picture of one dark digit on light paper, or of a light one on dark"


def read_image(path: str | Path, shape: tuple[int, int], levels: int, box: int | None = None) -> Bytes:
    """Read a picture of any size and kind as uint8 (height, width) up to `levels`, light on dark.

    A picture of exactly this shape on black is taken as it is. Any other is made as those of
    MNIST were (LeCun et al., "Gradient-based learning applied to document recognition", 1998, III.A):
    its ink is scaled to fit a square of `box` pixels, keeping its proportions, and moved so that its
    centre of mass is that of the image. By default box is 20 for 28 pixels, and the whole of smaller
    images. Ink is what differs from the paper, whose light may vary smoothly over the picture.
    Raises DataError for what is no picture, too large, or blank.
    """
    try:
        # Pillow warns of large pictures and of flaws that it mends.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            on_white, on_black = _open(Path(path), shape)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; name an image file.") from None
    except Exception as error:  # decoders of broken files raise what they will
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as an image ({reason}); {CURE}.") from error
    picture = on_white if np.ptp(on_white) > FAINTEST else on_black
    if picture.shape[:2] == shape:
        grey = picture @ (0.299, 0.587, 0.114)
        if np.median(_border(grey)) < 25 and np.ptp(grey) > FAINTEST:
            return np.rint(grey if grey.max() <= levels else grey * (levels / 255)).astype(np.uint8)
    ink = _ink(picture)
    if ink is None:
        raise DataError(f"{path} is blank, or too faint to tell ink from paper; {CURE}.")
    if box is None:
        box = round(min(shape) * 20 / 28) if min(shape) >= 20 else min(shape)
    return np.rint(_placed(ink, shape, box) * levels).astype(np.uint8)


def _open(path: Path, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the first frame in colours 0 to 255, (height, width, 3), on white and on black."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a file; name an image file.")
    Image.init()
    kinds = [kind for kind in Image.OPEN if kind != "EPS"]  # for which Pillow starts another program
    with open(path, "rb") as file:
        try:
            image: Image.Image = Image.open(file, formats=kinds)
            too_large = image.width * image.height > LARGEST
        except Image.DecompressionBombError:
            too_large = True
        except UnidentifiedImageError:
            raise DataError(f"{path} is not an image of a known kind; give a PNG or JPEG file.") from None
        if too_large:
            raise DataError(f"{path} has more than {LARGEST:,} pixels; give a smaller picture.")
        image.draft("RGB", (2 * WORKING_SIDE, 2 * WORKING_SIDE))  # JPEG can be read at a part of its size
        image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # of more than 8 bits
        values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
        values = (values - values.min()) * (255 / (np.ptp(values) or 1))
        image = Image.fromarray(np.rint(values).astype(np.uint8))
    image = image.convert("RGBA")
    side = max(WORKING_SIDE, *shape)
    image.thumbnail((side, side), Image.Resampling.BOX)
    pixels = np.asarray(image, np.float64)
    colours, opaque = pixels[..., :3], pixels[..., 3:] / 255
    return colours * opaque + 255 * (1 - opaque), colours * opaque


def _border(pixels: Floats) -> Floats:
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def _ink(picture: Floats) -> Floats | None:
    """Return how much ink there is in each pixel, 0 to 1, cut to its bounding box; None of blank paper."""
    difference = np.abs(picture - _paper(picture)).max(axis=2)
    threshold = _otsu(difference)
    mask = difference > threshold
    if not mask.any() or mask.all():
        return None
    inked, clean = difference[mask], difference[~mask]
    full, contrast = np.percentile(inked, 90), inked.mean() - clean.mean()
    explained = mask.mean() * (1 - mask.mean()) * contrast**2 / difference.var()  # two thirds of mere noise
    if contrast < FAINTEST or (contrast < 5 * clean.std() and explained < 0.7):
        return None
    empty = min(clean.mean() + 2 * clean.std(), threshold)
    mask = _main_parts(mask)
    amount = np.clip((difference - empty) / (full - empty), 0, 1) * _grown(mask)
    inside = mask | (amount > EDGE)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return amount[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # type: ignore[no-any-return]


def _paper(picture: Floats) -> Floats:
    """Estimate the light of the paper: a quadratic surface through what is like the border.

    It is fitted by iteratively reweighted least squares with Cauchy's weights.
    """
    height, width = picture.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = max(1, max(height, width) // 64)
    some, colours = terms[::step, ::step].reshape(-1, 6), picture[::step, ::step].reshape(-1, 3)
    surface = np.zeros((6, 3))
    surface[0] = np.median(_border(picture), axis=0)
    for _ in range(20):
        distance = np.abs(colours - some @ surface).max(axis=1)
        spread = max(np.quantile(distance, 0.25), 4.0)
        weights = 1 / (1 + (distance / spread) ** 2)[:, np.newaxis]
        surface = np.linalg.lstsq(
            some.T @ (weights * some) + 1e-6 * np.eye(6), some.T @ (weights * colours), rcond=None
        )[0]
    return np.asarray(terms @ surface)


def _otsu(values: Floats) -> float:
    """Return the threshold between two kinds of values (Otsu, 1979)."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middles)
    means_below, means_above = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * (means_below - means_above) ** 2)])


def _main_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out specks, and what reaches into a corner of the picture: a table beside the paper, a frame."""
    numbers = np.where(mask, np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape), 0)
    while True:  # each pixel takes the largest number around it, and the number that one has by now
        larger = np.where(mask, _largest_around(numbers), 0)
        larger = np.append(np.int32(0), larger)[larger]
        if np.array_equal(larger, numbers):
            break
        numbers = larger
    sizes = np.bincount(numbers.ravel(), minlength=2)
    sizes[0] = 0
    corners = numbers[[0, 0, -1, -1], [0, -1, 0, -1]]
    if np.delete(sizes, corners).any():  # not the digit itself, of which the picture is cut out
        sizes[corners] = 0
    return np.asarray((sizes > 0.05 * sizes.max())[numbers])


def _largest_around(values: NDArray[Any]) -> NDArray[Any]:
    """Return the largest value of each pixel and its eight neighbours."""
    padded = np.pad(values, 1)
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.asarray(np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # The soft edge of a stroke is below the threshold.
    return _largest_around(_largest_around(mask))


def _placed(ink: Floats, shape: tuple[int, int], box: int) -> Floats:
    """Scale ink to fit the box, and place it with its centre of mass in the middle, but wholly inside."""
    from PIL import Image

    scale = box / max(ink.shape)
    height, width = (max(1, round(scale * side)) for side in ink.shape)
    scaled = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    small = np.clip(np.asarray(scaled, np.float64), 0, 1)
    small /= small.max() or 1
    mass = small.sum()
    image = np.zeros(shape)
    place = []
    for axis, side in enumerate(small.shape):
        centre = small.sum(axis=1 - axis) @ (np.arange(side) + 0.5) / mass
        place.append(int(np.clip(round(shape[axis] / 2 - centre), 0, shape[axis] - side)))
    image[place[0] : place[0] + height, place[1] : place[1] + width] = small
    return image
