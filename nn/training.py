"""The training loop: left after any step and saved, it goes on bit for bit; it neither prints nor plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from autograd import Tensor, jit
from nn.data import Images, Labels, batches
from nn.distributed import Ranks, SharedStep
from nn.evaluation import evaluate
from nn.functional import cross_entropy
from nn.module import Module
from nn.optim import Optimizer
from nn.schedules import Schedule

Labelled = tuple[Images, Labels]
"""Images, bytes (N, height, width), and their labels (N,)."""
Record = dict[str, float]


class NonFiniteLoss(FloatingPointError):
    """A training step whose loss is NaN or Inf."""


class Training:
    """The training of a classifier of images; iterate over it to train.

    It gives None after each step, and after each epoch its record, which then is in `history`, too: `epoch`,
    `loss` and `train_accuracy`, `test_loss` and `test_accuracy` for a part named "test", `learning_rate` and
    `seconds`. `parts["train"]` is trained on, in an order that `generator` shuffles; every part is evaluated
    after each epoch, out of training mode. With `patience`, training stops when the loss on
    `parts["validation"]` has not improved for that many epochs, and the best epoch's parameters are put back.
    `after_step()` is called after each step, e.g. to constrain the weights. With `replay` a step is recorded
    once, by `jit`, which the model and `after_step` must allow. Whoever puts the model out of training mode
    between two steps has to put it back. With `ranks`, on all of which the same Training is made, each trains
    on its share of every batch, and all have the same parameters after each step, and the loss of the whole
    batch; the model draws from other generators than the one that shuffles.

    What `state_dict()` gives between two steps lets a Training that was made in the same way continue as if
    nothing had happened, bit for bit: it has the parameters, the optimizer's state and that of every random
    generator. A loss that is no number raises NonFiniteLoss.
    """

    def __init__(
        self,
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
        after_step: Callable[[], None] = lambda: None,
        replay: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; give 1 or more")
        if patience is not None and "validation" not in parts:
            raise ValueError('patience needs a part named "validation" to be patient about')
        self.model = model
        self.optimizer = optimizer
        self.parts = parts
        self.levels = levels
        self.epochs = epochs
        self.batch_size = batch_size
        self.schedule = schedule
        self.generator = generator
        self.patience = patience
        self.history: list[Record] = []
        self.position = 0
        """Steps taken in this epoch."""
        self._loss: Any = np.nan
        self.ranks = ranks
        self._stop_asked = self.stopping = False
        self.device = model.device
        if ranks is not None and any(own is generator for _, own in model.named_generators()):
            raise ValueError(
                "the model draws from the generator that shuffles, which would differ between ranks; give it "
                "a generator of its own"
            )
        self._shared = None if ranks is None else SharedStep(ranks, model, optimizer)
        self._outputs: tuple[Any, Labels] = np.zeros((0, 1)), np.zeros(0, int)
        self._shuffle = generator.bit_generator.state
        self._seconds = 0.0
        self._best: dict[str, Any] = {"loss": np.inf, "epoch": 0, "parameters": None}

        def step(pixels: Any, targets: Labels) -> tuple[Tensor, Tensor]:
            loss, outputs = training_loss(model, pixels, targets)
            if self._shared is not None:
                loss = self._shared.part_of(loss)
            optimizer.zero_grad()
            loss.backward()
            if self._shared is not None:
                self._shared.sum_gradients()
            optimizer.step()
            after_step()
            return loss, outputs.detach()

        self._step = jit(step) if replay else step

    @property
    def steps(self) -> int:
        """Return the number of steps in an epoch."""
        return -(-len(self.parts["train"][0]) // self.batch_size)

    @property
    def finished(self) -> bool:
        """Tell whether all epochs are over, or the patience."""
        waited = len(self.history) - self._best["epoch"]
        return len(self.history) >= self.epochs or (self.patience is not None and waited >= self.patience)

    @property
    def loss(self) -> float:
        """Return the loss of the latest step, on its batch, when it has been computed."""
        return float(self._loss)

    def batch_measures(self) -> tuple[float, float]:
        """Return the loss of the latest step, and the share of its batch that was right before the step."""
        outputs, targets = self._outputs
        right = np.argmax(Tensor(outputs).numpy(), axis=1) == targets
        return self.loss, float(np.mean(right)) if len(right) else np.nan

    def stop(self) -> None:
        """End the iteration after the step at hand; of several ranks, all after the next one."""
        self._stop_asked = True
        if self.ranks is None:
            self.stopping = True

    def __iter__(self) -> Iterator[Record | None]:
        self._stop_asked = self.stopping = False
        while not self.finished:
            yield from self._epoch()
            if self.stopping:
                return
            record = self._record()
            self.history.append(record)
            if self.patience is not None and record["validation_loss"] < self._best["loss"]:
                self._best = {
                    "loss": record["validation_loss"],
                    "epoch": len(self.history),
                    "parameters": self.model.state_dict(),
                }
            yield record
            if self.stopping and not self.finished:
                return
        if self._best["parameters"] is not None:
            self.model.load_state_dict(self._best["parameters"])

    def _epoch(self) -> Iterator[None]:
        """Take the steps that are left of an epoch; yield after each."""
        self.generator.bit_generator.state = self._shuffle
        images, labels = self.parts["train"]
        start = perf_counter() - self._seconds
        self.model.train()
        share = slice if self._shared is None else self._shared.share
        for pixels, targets in batches(
            images, labels, self.batch_size, self.levels, self.generator, self.position, share
        ):
            self.step(pixels, targets)
            self.position += 1
            self._seconds = perf_counter() - start
            yield
            if self.stopping:
                return
        self._shuffle = self.generator.bit_generator.state

    def step(self, pixels: Any, targets: Labels) -> None:
        """Take one step on a batch."""
        lr = self.optimizer.lr = self.schedule(self.optimizer.steps)
        if self._shared is not None:
            self._shared.prepare(self.optimizer.steps, self._stop_asked)
        loss, outputs = self._step(Tensor(pixels).to(self.device).data, targets)
        self._loss = loss.data
        self._outputs = outputs.data, targets
        if self._shared is not None:
            self._loss, self.stopping = self._shared.outcome()
        # Another device is not waited for: there it is found out at the latest where the epoch is evaluated.
        if (self.device == "cpu" or self.ranks is not None) and not np.isfinite(self.loss):
            raise NonFiniteLoss(
                f"the loss became {self.loss} in step {self.position + 1} of epoch "
                f"{len(self.history) + 1}, at a learning rate of {lr:.3g}"
            )

    def spoilt_parameters(self) -> list[str]:
        """Return the names of the parameters that hold a NaN or Inf."""
        return [name for name, p in self.model.named_parameters() if not np.isfinite(p.data).all()]

    def check_finite(self) -> None:
        """Raise NonFiniteLoss where a parameter has become NaN or Inf, whatever the latest loss was."""
        if names := self.spoilt_parameters():
            raise NonFiniteLoss(
                f"{', '.join(names)} became NaN or Inf by step {self.position} of epoch "
                f"{len(self.history) + 1}, at a learning rate of {self.optimizer.lr:.3g}"
            )

    def _record(self) -> Record:
        """Evaluate after an epoch, and return its record."""
        start = perf_counter()
        if self.ranks is not None:
            self.ranks.check_alike([p.to("cpu").data for p in self.optimizer.parameters])
        record = {"epoch": float(len(self.history) + 1)}
        for name, part in self.parts.items():
            average, accuracy = evaluate(self.model, *part, self.levels, self.ranks)
            record["loss" if name == "train" else f"{name}_loss"] = average
            record[f"{name}_accuracy"] = accuracy
            if name == "train" and not np.isfinite(average):
                raise NonFiniteLoss(
                    f"the loss became {average} at the end of epoch {len(self.history) + 1}, at a learning "
                    f"rate of {self.optimizer.lr:.3g}"
                )
        record["learning_rate"] = self.optimizer.lr
        record["seconds"] = self._seconds + perf_counter() - start
        self._seconds = 0.0
        self.position = 0
        return record

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later Training needs to go on from here, as `nn.checkpoint` saves it."""
        return {
            **self.step_state(),
            "shuffle": self._shuffle,
            "position": self.position,
            "seconds": self._seconds,
            "history": [dict(record) for record in self.history],
            "best": dict(self._best),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises KeyError or ValueError where it is of another kind of training."""
        self.load_step_state(state)
        self._shuffle = state["shuffle"]
        self.position = state["position"]
        self._seconds = state["seconds"]
        self.history = [dict(record) for record in state["history"]]
        self._best = dict(state["best"])

    def step_state(self) -> dict[str, Any]:
        """Return what a step changes, or depends on, as copies."""
        return {
            "parameters": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lr": self.optimizer.lr,
            "generators": {name: g.bit_generator.state for name, g in self.model.named_generators()},
        }

    def load_step_state(self, state: Mapping[str, Any]) -> None:
        """Put back what a step changes, or depends on."""
        self.model.load_state_dict(state["parameters"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.lr = state["lr"]
        for name, generator in self.model.named_generators():
            generator.bit_generator.state = state["generators"][name]


def training_loss(model: Module, pixels: Any, labels: Labels) -> tuple[Tensor, Tensor]:
    """Return the loss of one batch, pixels (B, inputs), and the model's outputs, (B, classes)."""
    outputs = model(Tensor(pixels, name="images"))
    return cross_entropy(outputs, labels), outputs
