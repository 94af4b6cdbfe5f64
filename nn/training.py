"""The training loop: it yields what happened in each epoch, and neither prints nor plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, jit, no_grad
from nn.data import batches, scale_pixels
from nn.functional import cross_entropy, softmax
from nn.module import Module
from nn.optim import Optimizer
from nn.schedules import Schedule

Images = NDArray[Any]
Labels = NDArray[Any]
Labelled = tuple[Images, Labels]
"""Images, bytes (N, height, width), and their labels (N,)."""

AT_ONCE = 1000  # images per forward pass where no gradients are needed


def fit(
    model: Module,
    optimizer: Optimizer,
    parts: dict[str, Labelled],
    levels: int,
    *,
    epochs: int,
    batch_size: int,
    schedule: Schedule,
    generator: np.random.Generator,
    patience: int | None = None,
    replay: bool = False,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda steps, count: steps,
) -> Iterator[dict[str, float]]:
    """Train a classifier of images; after each epoch yield its number, losses, accuracies and time.

    `parts["train"]` is trained on, in an order that `generator` shuffles; every part is evaluated, out
    of training mode: a record has `epoch`, `loss` and `train_accuracy`, and `test_loss` and
    `test_accuracy` for a part named "test", then `learning_rate` and `seconds`. With `patience`,
    training stops when the loss on `parts["validation"]` has not improved for that many epochs,
    and the best epoch's parameters are put back. With `replay` a step is recorded once, by `jit`, which
    the model must allow. `progress(steps, count)` wraps the steps of an epoch.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give 1 or more")
    if patience is not None and "validation" not in parts:
        raise ValueError('patience needs a part named "validation" to be patient about')

    def step(pixels: Any, targets: Labels) -> None:
        loss = training_loss(model, pixels, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    train_step = jit(step) if replay else step
    images, labels = parts["train"]
    steps = -(-len(images) // batch_size)
    best = np.inf
    best_state: dict[str, Any] | None = None
    waited = 0
    for epoch in range(1, epochs + 1):
        start = perf_counter()
        model.train()
        shuffled = batches(images, labels, batch_size, levels, generator)
        for pixels, targets in progress(shuffled, steps):
            optimizer.lr = schedule(optimizer.steps)
            train_step(pixels, targets)
        record = {"epoch": float(epoch)}
        for name, part in parts.items():
            average, accuracy = evaluate(model, *part, levels)
            record["loss" if name == "train" else f"{name}_loss"] = average
            record[f"{name}_accuracy"] = accuracy
        record["learning_rate"] = optimizer.lr
        record["seconds"] = perf_counter() - start
        yield record
        if patience is not None:
            if record["validation_loss"] < best:
                best, best_state, waited = record["validation_loss"], model.state_dict(), 0
            else:
                waited += 1
            if waited >= patience:
                break
    if best_state is not None:
        model.load_state_dict(best_state)


def training_loss(model: Module, pixels: Any, labels: Labels) -> Tensor:
    """Return the loss of one batch, pixels (B, inputs), and the graph of its computation."""
    return cross_entropy(model(Tensor(pixels, name="images")), labels)  # type: ignore[no-any-return]


def probabilities(model: Module, images: Images, levels: int) -> NDArray[np.float64]:
    """Return the probability of each class for each image, (N, classes), out of training mode."""
    return np.asarray(softmax(logits(model, images, levels).astype(np.float64)))


def logits(model: Module, images: Images, levels: int) -> NDArray[Any]:
    """Return the model's outputs for all images, (N, classes), out of training mode."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            outputs = [
                model(Tensor(scale_pixels(images[start : start + AT_ONCE], levels))).data
                for start in range(0, len(images), AT_ONCE)
            ]
    finally:
        for module, mode in modes:
            module.training = mode
    return np.concatenate(outputs)


def evaluate(model: Module, images: Images, labels: Labels, levels: int) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy over all images, out of training mode."""
    outputs = logits(model, images, levels).astype(np.float64)
    loss = float(cross_entropy(outputs, labels.astype(np.int64)))
    return loss, float(np.mean(np.argmax(outputs, axis=1) == labels))


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Count how often each class (rows) was taken for each (columns)."""
    if len(labels) != len(predicted):
        raise ValueError(f"{len(labels)} labels and {len(predicted)} predictions; give as many of each")
    for name, numbers in (("labels", labels), ("predictions", predicted)):
        if len(numbers) and (np.min(numbers) < 0 or np.max(numbers) >= classes):
            raise ValueError(f"{name} of {classes} classes must lie between 0 and {classes - 1}")
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix
