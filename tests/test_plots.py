import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from nn import plots
from nn.evaluation import best_epoch

DIGITS = [str(digit) for digit in range(10)]
FASHION = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip
LONG_NAMES = ["AMERICAN MAMMOTH $_{"] * 10
HOSTILE_TITLE = r"a$b_{ \$ $x^2$ 100 %"


@pytest.fixture(autouse=True)
def fail_on_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def save(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer)
    content = buffer.getvalue()
    assert content.startswith(b"\x89PNG")
    return content


def mosaic(figure: Figure) -> NDArray[np.float64]:
    pixels = figure.axes[0].images[0].get_array()
    assert pixels is not None
    return np.ma.filled(pixels, nan)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def assert_apart_and_inside(figure: Figure, drawn: Sequence[Text]) -> None:
    save(figure)
    boxes = [text.get_window_extent() for text in drawn]
    for position, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        for other in boxes[:position]:
            assert not box.overlaps(other)


def history(epochs: int, **constant: float) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "loss": 0.5 / epoch,
            "train_accuracy": 0.99 - 0.04 / epoch,
            "test_loss": 0.1 + 0.5 / epoch,
            "test_accuracy": 0.9731 - 0.04 / epoch,
            "seconds": 1.5,
            "learning_rate": 0.1,
            **constant,
        }
        for epoch in range(1, epochs + 1)
    ]


def mistakes(
    count: int, wrong: int, shape: tuple[int, int] = (28, 28)
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]]:
    """Samples of which the first `wrong` are misclassified, each a little surer than the last."""
    generator = np.random.default_rng(0)
    images = generator.integers(1, 256, (count, *shape), dtype=np.uint8)
    labels = np.arange(count) % 10
    predictions = np.where(np.arange(count) < wrong, (labels + 1) % 10, labels)
    confidences = np.linspace(0.5, 0.99, count)
    probabilities = np.tile((1 - confidences)[:, np.newaxis] / 9, (1, 10))
    probabilities[np.arange(count), predictions] = confidences
    return images, labels, probabilities


def curve_texts(figure: Figure) -> list[Text]:
    """Return what must not stand on one another: title, captions, labels at the curves, ticks in view."""
    save(figure)
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    drawn = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [text for text in drawn if text not in hidden]


def test_curves_state_the_final_values_and_zoom_in_on_the_accuracy() -> None:
    figure = plots.plot_curves(history(10), "MNIST")
    loss, accuracy = figure.axes[:2]
    expected = {"MNIST", "loss", "test 0.15", "train 0.05", "test 96.91 %", "train 98.60 %"}
    assert expected <= set(texts(figure))
    assert len(loss.lines) == len(accuracy.lines) == 2
    low, high = accuracy.get_ylim()
    assert 92 < low < 93.31 and 98.6 < high < 100
    assert_apart_and_inside(figure, [*loss.texts, *accuracy.texts])


def test_curves_show_validation_where_there_is_one() -> None:
    figure = plots.plot_curves(history(3, validation_loss=0.2, validation_accuracy=0.95), "")
    assert {"validation 0.2", "validation 95.00 %"} <= set(texts(figure))


def test_the_best_epoch_is_the_first_with_the_lowest_validation_loss() -> None:
    records = history(5, validation_accuracy=0.95)
    for record, value in zip(records, (nan, 0.3, 0.2, 0.2, 0.25), strict=True):
        record["validation_loss"] = value
    assert best_epoch(records) is records[2]
    figure = plots.plot_curves(records, "")
    assert {"best epoch 3: 0.2", "best epoch 3: 95.00 %"} <= set(texts(figure))
    dashed = [line for axes in figure.axes for line in axes.lines if line.get_linestyle() != "-"]
    assert [list(line.get_xdata()) for line in dashed if len(line.get_xdata()) == 2] == [[3, 3]] * 4


@pytest.mark.parametrize("validation", [{}, {"validation_loss": nan, "validation_accuracy": nan}])
def test_the_test_set_chooses_no_epoch(validation: dict[str, float]) -> None:
    records = history(5, **validation)
    assert best_epoch(records) is None
    assert not any("best" in text for text in texts(plots.plot_curves(records, "")))


def test_the_learning_rate_stands_under_the_curves_on_their_epochs() -> None:
    records = history(5)
    for record, rate in zip(records, (0.01, 0.12, nan, 0.05, 0.0), strict=True):
        record["learning_rate"] = rate
    figure = plots.plot_curves(records, "")
    loss, accuracy, *strips = figure.axes
    assert len(strips) == 2
    for above, strip in zip((loss, accuracy), strips, strict=True):
        assert strip.get_xlim() == above.get_xlim()
        assert strip.get_position().y1 < above.get_position().y0
        assert np.array_equal(strip.lines[0].get_xydata(), [[1, 0.01], [2, 0.12], [4, 0.05], [5, 0]])
        assert [label.get_text() for label in strip.get_yticklabels()] == ["0", "0.12"]


@pytest.mark.parametrize("rates", [{"learning_rate": nan}, None])
def test_curves_without_learning_rates_have_no_strip(rates: dict[str, float] | None) -> None:
    records = history(3, **rates or {})
    if rates is None:
        for record in records:
            del record["learning_rate"]
    figure = plots.plot_curves(records, "")
    assert len(figure.axes) == 2
    save(figure)


@pytest.mark.parametrize("epochs", [1, 2, 11, 200, 2000])
@pytest.mark.parametrize("best", [0, -1])
def test_nothing_in_the_curves_stands_on_anything(epochs: int, best: int) -> None:
    records = history(epochs, validation_loss=0.2, validation_accuracy=0.9731)
    records[best]["validation_loss"] = 0.1234
    figure = plots.plot_curves(records, HOSTILE_TITLE)
    assert_apart_and_inside(figure, curve_texts(figure))


@pytest.mark.parametrize("epochs", [1, 200])
def test_curves_tick_whole_epochs(epochs: int) -> None:
    figure = plots.plot_curves(history(epochs), HOSTILE_TITLE)
    save(figure)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == round(tick) for tick in ticks)
        assert (axes.lines[0].get_marker() == "o") == (epochs <= 30)


def test_curves_skip_what_is_not_finite() -> None:
    records = history(5)
    records[1]["loss"] = inf
    records[3]["loss"] = records[4]["loss"] = nan
    figure = plots.plot_curves(records, "")
    assert np.array_equal(figure.axes[0].lines[0].get_xdata(), [1, 3])
    assert "train nan" in texts(figure)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    save(figure)


@pytest.mark.parametrize("value", [nan, 0.0, 1.0])
def test_curves_of_one_constant(value: float) -> None:
    keys = ("loss", "test_loss", "train_accuracy", "test_accuracy", "learning_rate")
    figure = plots.plot_curves(history(4, **dict.fromkeys(keys, value)), "")
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low < high
    assert_apart_and_inside(figure, [text for axes in figure.axes for text in axes.texts])
    assert figure.axes[1].get_ylim()[1] <= 100


def test_curves_are_drawn_in_place_of_what_a_figure_holds() -> None:
    figure = plots.plot_curves(history(2), "first")
    plots.draw_curves(figure, history(3), "second")
    assert len(figure.axes) == 4
    assert "second" in texts(figure) and "first" not in texts(figure)
    assert len(figure.axes[0].lines[0].get_xdata()) == 3


def test_curves_need_an_epoch() -> None:
    with pytest.raises(ValueError, match="no epoch"):
        plots.plot_curves([], "")


def test_confusion_writes_counts_and_recalls() -> None:
    matrix = np.array([[90, 10, 0], [1, 49, 0], [0, 0, 0]])
    figure = plots.plot_confusion(matrix, ["a", "b", "empty"], "Three")
    drawn = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(drawn) == sorted(["90", "10", "1", "49", "recall", "90.0 %", "98.0 %"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b", "empty"]
    save(figure)


def test_confusion_colours_errors_and_leaves_the_diagonal_neutral() -> None:
    matrix = np.full((10, 10), 2) + np.diag(np.full(10, 900))
    matrix[4, 9] = 30
    figure = plots.plot_confusion(matrix, DIGITS, "")
    save(figure)
    axes = figure.axes[0]
    colors = np.array(axes.collections[0].get_facecolor()).reshape(10, 10, 4)
    assert np.allclose(colors[4, 9, :3], to_rgb(plots.VERMILION))
    assert not colors[np.diag_indices(10)][:, 3].any()
    assert axes.get_facecolor()[:3] == to_rgb(plots.CORRECT)
    assert axes.yaxis_inverted()


def test_confusion_text_is_readable_on_the_darkest_cell() -> None:
    def luminance(color: str) -> float:
        channels = np.array(to_rgb(color))
        curved = ((channels + 0.055) / 1.055) ** 2.4
        linear = np.where(channels <= 0.04045, channels / 12.92, curved)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert (luminance(plots.VERMILION) + 0.05) / (luminance(plots.INK) + 0.05) > 4.5


@pytest.mark.parametrize(
    ("classes", "largest"),
    [(FASHION, 1000), (LONG_NAMES[:5], 10_000_000), (LONG_NAMES[:5], 0), (["x"], 1)],
)
def test_confusion_texts_keep_apart(classes: list[str], largest: int) -> None:
    matrix = np.full((len(classes), len(classes)), largest)
    figure = plots.plot_confusion(matrix, classes, HOSTILE_TITLE)
    axes = figure.axes[0]
    names = [*axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    assert_apart_and_inside(figure, [*axes.texts, *names])


def test_mistakes_put_the_surest_first() -> None:
    images, labels, probabilities = mistakes(1000, 40)
    figure = plots.plot_mistakes(images, labels, probabilities, DIGITS, "MNIST")
    axes = figure.axes[0]
    assert len(axes.texts) == 25
    assert axes.texts[0].get_text() == "true 9\nsaid 0 (52 %)"
    assert axes.texts[24].get_text() == "true 5\nsaid 6 (51 %)"
    assert "the surest 25 of 40 mistakes in 1,000 samples" in texts(figure)
    assert np.isfinite(mosaic(figure)).sum() == 25 * 28 * 28
    assert np.array_equal(mosaic(figure)[:28, :28], images[39])
    save(figure)


@pytest.mark.parametrize(
    ("shape", "classes"),
    [
        ((28, 28), FASHION),
        ((8, 8), DIGITS),
        ((10, 40), LONG_NAMES),
        ((1, 1), LONG_NAMES),
    ],
)
def test_mistake_captions_keep_apart(shape: tuple[int, int], classes: list[str]) -> None:
    figure = plots.plot_mistakes(*mistakes(30, 30, shape), classes, HOSTILE_TITLE)
    assert_apart_and_inside(figure, figure.axes[0].texts)


@pytest.mark.parametrize("wrong", [1, 5, 7])
def test_few_mistakes_leave_no_empty_frames(wrong: int) -> None:
    figure = plots.plot_mistakes(*mistakes(50, wrong), DIGITS, "")
    assert len(figure.axes[0].texts) == wrong
    assert np.isfinite(mosaic(figure)).sum() == wrong * 28 * 28
    save(figure)


@pytest.mark.parametrize("count", [0, 3])
def test_no_mistakes_are_said_to_be_none(count: int) -> None:
    figure = plots.plot_mistakes(*mistakes(count, 0), DIGITS, HOSTILE_TITLE)
    assert f"no mistakes in {count} samples" in texts(figure)
    assert not figure.axes[0].images
    save(figure)


@pytest.mark.parametrize(("units", "tiles"), [(1, 1), (10, 10), (300, 64)])
def test_weights_show_at_most_64_units(units: int, tiles: int) -> None:
    weights = np.random.default_rng(0).standard_normal((784, units)).astype(np.float32)
    figure = plots.plot_weights(weights, (28, 28), "First layer")
    image = figure.axes[0].images[0]
    assert np.isfinite(mosaic(figure)).sum() == tiles * 784
    assert np.array_equal(mosaic(figure)[:28, :28], weights[:, 0].reshape(28, 28))
    low, high = image.get_clim()
    assert low == -high
    assert len(figure.axes) == 2
    assert f"units 1 to {tiles} of {units}" in texts(figure)
    assert len(save(figure)) > 5000


def test_weights_scale_survives_extremes() -> None:
    weights = np.random.default_rng(0).uniform(-1, 1, (784, 16))
    weights[0, 0], weights[1, 0], weights[2, 0] = 1e200, nan, -inf
    figure = plots.plot_weights(weights, (28, 28), "")
    assert 0.9 < figure.axes[0].images[0].get_clim()[1] < 1
    save(figure)


@pytest.mark.parametrize(("largest", "limit"), [(0, 1), (5, 5)])
def test_weights_that_are_nearly_all_zero(largest: float, limit: float) -> None:
    weights = np.zeros((784, 16))
    weights[0, 0] = largest
    figure = plots.plot_weights(weights, (28, 28), HOSTILE_TITLE)
    assert figure.axes[0].images[0].get_clim() == (-limit, limit)
    save(figure)


def test_weights_must_fill_the_image() -> None:
    with pytest.raises(ValueError, match=r"784 inputs .* 8 x 8"):
        plots.plot_weights(np.zeros((784, 4)), (8, 8), "")


def test_titles_are_taken_literally() -> None:
    figure = plots.plot_weights(np.ones((4, 1)), (2, 2), HOSTILE_TITLE * 5)
    save(figure)
    (title,) = figure.texts
    assert title.get_window_extent().x1 <= figure.bbox.width


def test_plots_need_no_pyplot_and_change_no_settings() -> None:
    script = """
import io, sys, matplotlib, numpy
before = dict(dict.items(matplotlib.rcParams))
from nn import plots
plots.plot_weights(numpy.ones((4, 2)), (2, 2), "").savefig(io.BytesIO())
assert dict(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = os.environ | {"PYTHONPATH": str(Path(plots.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
