"""The pictures that a run leaves in its folder: what cannot be drawn is warned about, and ends no run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import Tensor, draw_graph
from nn.data import scale_pixels
from nn.evaluation import confusion_matrix, probabilities
from nn.layers import Linear
from nn.training import training_loss

if TYPE_CHECKING:
    from nn.runs import Run


class Curves:
    """The window with the curves of a run, where one is wished for."""

    def __init__(self, run: Run, show: bool) -> None:
        self.run = run
        self.window: Any = None
        self.answered = 0.0
        if show:
            attempt(run, "show the curves", self._open)

    def _open(self) -> None:
        from nn.window import Window

        self.window = Window(_title(self.run))

    def update(self) -> None:
        """Draw the curves up to the latest epoch."""
        self._do(lambda: self.window.update(self.run.training.history))

    def respond(self) -> None:
        """Let the window answer the mouse, some ten times a second."""
        if self.window is not None and monotonic() - self.answered > 0.1:
            self._do(self.window.respond)
            self.answered = monotonic()

    def wait(self) -> None:
        """Leave the window until somebody closes it."""
        self._do(lambda: self.window.wait())

    def _do(self, action: Callable[[], Any]) -> None:
        if self.window is not None and not attempt(self.run, "show the curves", action):
            self.window = None


def draw(run: Run) -> None:
    """Write the pictures of a run, and its report."""
    if not run.recipe.no_plots:
        attempt(run, "draw the pictures", lambda: _draw(run))


def _draw(run: Run) -> None:
    from nn import plots
    from nn.report import write_report

    data, model = run.data, run.model
    certainty = probabilities(model, data.test_images, data.levels)
    guesses = certainty.argmax(axis=1)
    matrix = confusion_matrix(data.test_labels, guesses, len(data.classes))
    sample = data.test_images, data.test_labels, certainty, data.classes
    weights = next(layer.weight.numpy() for layer in model.layers if isinstance(layer, Linear))
    shape = data.train_images.shape[1:]
    test = f"{data.name}, {len(guesses):,} test images"
    figures: dict[str, Callable[[], Any]] = {
        "curves.png": lambda: plots.plot_curves(run.training.history, _title(run)),
        "confusion.png": lambda: plots.plot_confusion(matrix, data.classes, test),
        "mistakes.png": lambda: plots.plot_mistakes(*sample, f"{test}: the worst mistakes"),
        "weights.png": lambda: plots.plot_weights(weights, shape, f"{data.name}: first-layer filters"),
    }
    if not run.training.history:
        del figures["curves.png"]
    if not np.isfinite(certainty).all():
        del figures["confusion.png"], figures["mistakes.png"]
    for name, figure in figures.items():
        attempt(run, f"draw {name}", lambda: figure().savefig(run.folder / name, dpi=150))  # noqa: B023
    attempt(run, "draw the graph", lambda: _draw_step(run))
    if attempt(run, "write report.html", lambda: write_report(run.folder)):
        run.terminal.say("report", f"All of it on one page: {run.folder / 'report.html'}")


def _title(run: Run) -> str:
    return f"{run.data.name}: loss and accuracy"


def _draw_step(run: Run) -> None:
    """Write the graph of one training step."""
    data, count = run.data, run.training.batch_size
    images, labels = data.train_images[:count], data.train_labels[:count]
    run.model.zero_grad()
    pixels = Tensor(scale_pixels(images, data.levels)).to(run.model.device).data
    loss, _ = training_loss(run.model.train(), pixels, labels)
    loss.backward(retain_graph=True)
    picture = draw_graph(loss)
    for kind in run.recipe.graph:
        with warnings.catch_warnings(record=True) as advice:
            warnings.simplefilter("always")
            picture.render(outfile=run.folder / f"graph.{kind}", cleanup=True)
        for warning in advice:
            run.terminal.warn(str(warning.message))


def attempt(run: Run, what: str, action: Callable[[], Any]) -> bool:
    """Do what a training run must not fail for; say what went wrong, and tell whether nothing did."""
    try:
        action()
    except Exception as error:
        run.terminal.warn(f"could not {what}: {error}")
        return False
    return True
