"""Pictures of a training run: curves, confusion matrix, worst mistakes, first-layer filters.

Every plot function returns a Figure that belongs to no window and needs no display:
``figure.savefig(path)`` writes it.
"""

from collections.abc import Mapping, Sequence
from math import ceil, inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nn.evaluation import best_epoch

# Okabe and Ito's palette, which stays distinct with every common kind of colour blindness.
BLUE, GREEN, VERMILION = "#0072b2", "#009e73", "#d55e00"
INK, QUIET, FAINT, CORRECT = "#1a1a1a", "#666666", "#e4e4e4", "#dbe9f4"
ERRORS = LinearSegmentedColormap.from_list("errors", ["white", VERMILION])
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "#f4f4f4", VERMILION])

COLORS = {"train": BLUE, "validation": GREEN, "test": VERMILION}
LOSSES = ("loss", "validation_loss", "test_loss")
ACCURACIES = ("train_accuracy", "validation_accuracy", "test_accuracy")


def plot_curves(history: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Draw loss and accuracy after each epoch, and the learning rate under them.

    history: one record an epoch with epoch, loss, train_accuracy, test_loss, test_accuracy and
    perhaps validation_loss, validation_accuracy, learning_rate; accuracies from 0 to 1. The epoch of
    the lowest validation_loss is marked as the best. Values that are not finite are skipped.
    """
    figure = Figure(figsize=(9, 4.4), facecolor="white", layout="constrained")
    draw_curves(figure, history, title)
    return figure


def draw_curves(figure: Figure, history: Sequence[Mapping[str, float]], title: str) -> None:
    """Draw what `plot_curves` draws into a figure, in place of what it holds."""
    if not history:
        raise ValueError("the history holds no epoch to plot")
    figure.clear()
    _title(figure, title)
    epochs = np.array([record["epoch"] for record in history], dtype=np.float64)
    rates = np.array([record.get("learning_rate", nan) for record in history], dtype=np.float64)
    rated = bool(np.isfinite(rates).any())
    heights = [5, 1] if rated else [1]
    panels = figure.subplots(len(heights), 2, sharex=True, squeeze=False, height_ratios=heights)

    side = 0.03 * (epochs[-1] - epochs[0]) or 0.5
    panels[0, 0].set_xlim(epochs[0] - side, epochs[-1] + side)
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    _draw_curves(panels[0, 0], epochs, history, LOSSES, 1, inf, "{} {:.3g}")
    _caption(panels[0, 0], "loss")
    _draw_curves(panels[0, 1], epochs, history, ACCURACIES, 100, 100, "{} {:.2f} %")
    _caption(panels[0, 1], "accuracy in %")
    if rated:
        for axes in panels[1]:
            _draw_rates(axes, epochs, rates)
            _caption(axes, "learning rate at the end of the epoch")
    for axes in panels[-1]:
        axes.set_xlabel("epoch", color=QUIET)
    best = best_epoch(history)
    if best is not None:
        for axes in panels.flat:
            axes.axvline(best["epoch"], color=QUIET, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        _mark_best(panels[0, 0], best, "validation_loss", 1, "{:.3g}")
        _mark_best(panels[0, 1], best, "validation_accuracy", 100, "{:.2f} %")


def plot_confusion(matrix: NDArray[np.integer], classes: Sequence[str], title: str) -> Figure:
    """Draw how often each true class (row) was taken for each class (column).

    matrix: (classes, classes) counts. The right margin states the recall of each true class.
    """
    count = len(classes)
    totals = matrix.sum(axis=1)
    shares = matrix / np.maximum(totals, 1)[:, np.newaxis]
    # The diagonal is left out of the colour scale: it would drown the errors.
    errors = np.ma.masked_array(shares, np.eye(count, dtype=bool))

    cell = max(0.45, 0.1 * len(str(matrix.max())), 3 / count)
    figure = _figure(count * cell + 2, count * cell + 1.7, title)
    axes = figure.subplots()
    axes.set_facecolor(CORRECT)
    limit = errors.max() or 1
    axes.pcolormesh(errors, cmap=ERRORS, vmin=0, vmax=limit, edgecolors=FAINT, linewidth=0.5)
    axes.set_aspect("equal", anchor="NW")
    axes.invert_yaxis()
    _caption(axes, "colour: share of the true class")

    centers = np.arange(count) + 0.5
    names = [_shorten(name) for name in classes]
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(centers, names, **slanted if 0.1 * max(map(len, names)) > cell else {})
    axes.set_yticks(centers, names)
    axes.set_xlabel("predicted class", color=QUIET)
    axes.set_ylabel("true class", color=QUIET)
    for row, column in np.argwhere(matrix):
        number = str(matrix[row, column])
        axes.text(column + 0.5, row + 0.5, number, ha="center", va="center", fontsize=8, color=INK)
    margin: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": QUIET}
    axes.annotate("recall", (count, 0), (8, 6), **margin)
    for row in np.flatnonzero(totals):
        recall = f"{100 * shares[row, row]:.1f} %"
        axes.annotate(recall, (count, row + 0.5), (8, 0), va="center", **margin)
    return figure


def plot_mistakes(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Draw the misclassified samples the model was surest of, at most 25.

    images: (N, height, width) uint8, labels: (N,), probabilities: (N, classes).
    """
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    confidences = probabilities[wrong, predictions[wrong]]
    worst = wrong[np.argsort(-confidences, kind="stable")][:25]
    height, width = images.shape[1:]
    side = max(height, width)
    # Captions take as much room whatever the images measure.
    cell_height, cell_width = height + ceil(0.42 * side), ceil(1.6 * side)
    figure = _figure(8.5, 1.7 * ceil(len(worst) / 5) * cell_height / cell_width + 0.6, title)
    axes = figure.subplots()
    axes.set_axis_off()
    if not len(worst):
        _caption(axes, f"no mistakes in {len(labels):,} samples")
        return figure
    _caption(axes, f"the surest {len(worst)} of {len(wrong):,} mistakes in {len(labels):,} samples")
    brightest = max(images.max(), 1)
    axes.imshow(_mosaic(images[worst], 5, cell_height, cell_width), cmap="gray", vmin=0, vmax=brightest)
    axes.set_anchor("NW")
    for position, sample in enumerate(worst):
        row, column = divmod(position, 5)
        left, top = column * cell_width - 0.5, row * cell_height + height + 0.04 * side - 0.5
        said = predictions[sample]
        percent = 100 * probabilities[sample, said]
        text = f"true {_shorten(classes[labels[sample]])}\n"
        text += f"said {_shorten(classes[said])} ({percent:.0f} %)"
        axes.text(left, top, text, va="top", fontsize=8, color=INK)
    return figure


def plot_weights(weights: NDArray[np.floating], image_shape: tuple[int, int], title: str) -> Figure:
    """Draw the weights into each of the first 64 units as an image, on one colour scale.

    weights: (inputs, units), where image_shape (height, width) has as many pixels as inputs.
    """
    height, width = image_shape
    inputs, units = weights.shape
    if inputs != height * width:
        raise ValueError(f"{inputs} inputs do not make an image of {height} x {width} pixels")
    shown = min(units, 64)
    columns = ceil(sqrt(shown))
    gap = max(1, max(image_shape) // 14)
    tiles = weights.T[:shown].reshape(shown, height, width)
    mosaic = _mosaic(tiles, columns, height + gap, width + gap)
    magnitudes = np.abs(np.where(np.isfinite(weights), weights, 0))
    # A few extreme weights would leave all the others pale.
    limit = np.percentile(magnitudes, 99.5) or magnitudes.max() or 1

    inches = max(0.8, 3 / columns) / max(image_shape)
    figure = _figure(inches * mosaic.shape[1] + 1, inches * mosaic.shape[0] + 0.8, title)
    axes = figure.subplots()
    axes.set_axis_off()
    _caption(axes, f"units 1 to {shown} of {units}")
    image = axes.imshow(mosaic, cmap=SIGNED, vmin=-limit, vmax=limit)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, extend="both", label="weight")
    axes.set_anchor("NW")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    return figure


def _figure(width: float, height: float, title: str) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    _title(figure, title)
    return figure


def _title(figure: Figure, title: str) -> None:
    left = 0.04 / figure.get_figwidth()
    figure.suptitle(_plain(title), x=left, ha="left", fontsize=12, wrap=True)


def _caption(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9, color=QUIET)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    axes.spines[:].set_visible(False)


def _plain(text: str) -> str:
    # A bare $ would switch to mathematical notation.
    return text.replace("$", r"\$")


def _shorten(name: str) -> str:
    return _plain(name if len(name) <= 11 else name[:10] + "…")


def _draw_curves(
    axes: Axes,
    epochs: NDArray[np.float64],
    history: Sequence[Mapping[str, float]],
    keys: Sequence[str],
    scale: float,
    ceiling: float,
    label: str,
) -> None:
    rows = [[record.get(key, nan) for record in history] for key in keys]
    values = scale * np.array(rows, dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    margin = max(0.05 * (high - low), 0.005 * abs(high)) or 1
    bottom, top = max(low - margin, min(low, 0)), min(high + margin, ceiling)
    axes.set_ylim(bottom, top)
    axes.grid(axis="y", color=FAINT)

    marker = "o" if len(history) <= 30 else ""
    ends = []
    for (name, color), key, curve in zip(COLORS.items(), keys, values, strict=True):
        if not any(key in record for record in history):
            continue
        end = bottom
        drawn = np.isfinite(curve)
        # The layout cannot measure a line without points.
        if drawn.any():
            axes.plot(epochs[drawn], curve[drawn], color=color, marker=marker, ms=4, clip_on=False)
            end = curve[drawn][-1]
        ends.append((end, label.format(name, curve[-1]), color))
    height = -inf
    for end, text, color in sorted(ends):
        height = max(end, height + 0.06 * (top - bottom))
        place = axes.get_yaxis_transform()
        axes.text(1.02, height, text, color=color, va="center", fontsize=9, transform=place)


def _mark_best(axes: Axes, best: Mapping[str, float], key: str, scale: float, label: str) -> None:
    value = scale * best.get(key, nan)
    if isfinite(value):
        text = f"best epoch {best['epoch']:.0f}: {label.format(value)}"
        axes.set_title(text, loc="right", fontsize=9, color=GREEN)
        axes.plot(best["epoch"], value, "o", ms=9, mfc="none", mec=INK, mew=1.2, zorder=4, clip_on=False)


def _draw_rates(axes: Axes, epochs: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    drawn = np.isfinite(rates)
    top = rates[drawn].max() or 1
    axes.set_ylim(0, 1.1 * top)
    axes.set_yticks([0, top], ["0", f"{top:.3g}"])
    axes.grid(axis="y", color=FAINT)
    marker = "o" if len(epochs) <= 30 else ""
    axes.plot(epochs[drawn], rates[drawn], color=QUIET, marker=marker, ms=3, linewidth=1.2, clip_on=False)
    axes.fill_between(epochs[drawn], rates[drawn], color=FAINT, linewidth=0)


def _mosaic(
    tiles: NDArray[np.generic], columns: int, cell_height: int, cell_width: int
) -> NDArray[np.float64]:
    """Lay (N, height, width) tiles out in rows of cells; the space between them is NaN."""
    count, height, width = tiles.shape
    mosaic = np.full((ceil(count / columns) * cell_height, columns * cell_width), nan)
    for position, tile in enumerate(tiles):
        row, column = position // columns * cell_height, position % columns * cell_width
        mosaic[row : row + height, column : column + width] = tile
    return mosaic
