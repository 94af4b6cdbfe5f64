"""Runs: training in a folder that tells the whole story, and that can go on after any end."""

from __future__ import annotations

import platform
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from nn.checkpoint import CheckpointError, load_checkpoint, save_arrays, save_checkpoint
from nn.data import DataError, Dataset, load_digits, split_validation
from nn.distributed import RankError, Ranks
from nn.divergence import find_divergence
from nn.evaluation import accuracy_text, assess, best_epoch, summarize
from nn.folders import (
    CONFIG,
    EVALUATION,
    LOG,
    PARAMETERS,
    TABLE,
    RunError,
    check_room,
    check_same,
    discard_folder,
    held,
    make_folder,
    read_accuracy,
    read_config,
    with_data_in,
    write_json,
    write_table,
)
from nn.layers import MLP
from nn.pictures import Curves, draw
from nn.recipes import SCHEDULES, Recipe, load_data, make_constraint, make_network, make_optimizer
from nn.signals import stop_signals
from nn.terminal import Terminal
from nn.training import NonFiniteLoss, Record, Training

SAVE_EVERY = 30.0  # seconds between checkpoints: what a killed run loses at most
DIVERGED = 1_000  # a cross-entropy hundreds of times that of guessing


def start(
    recipe: Recipe,
    folder: Path,
    terminal: Terminal,
    seeds: int = 1,
    show: bool = False,
    ranks: Ranks | None = None,
) -> int:
    """Train in a new folder, or with several seeds in folders within it; return the exit status.

    With `show` the curves are in a window, which is left at the end until somebody closes it. With `ranks`
    this is the first, and the others `follow`.
    """
    several = {"seeds": seeds} if seeds > 1 else {}
    _check_shown(show, several)
    made = make_folder(folder, {"options": asdict(recipe), **several})
    try:
        if several:
            with held(folder):
                return _train_seeds(recipe, folder, seeds, terminal, ranks)
        run = Run(recipe, folder, terminal, ranks)
    except BaseException:
        terminal.log = None
        discard_folder(folder, made)
        raise
    with held(folder):
        return run.train(show)


def resume(
    folder: Path,
    terminal: Terminal,
    data_dir: str | None = None,
    show: bool = False,
    ranks: Ranks | None = None,
    device: str | None = None,
) -> int:
    """Go on with the run in a folder where it ended, bit for bit; return the exit status.

    The data are where they were, or in `data_dir`, on that device or another; `show` and `ranks` are as in
    `start`. With another number of ranks the rest differs by how sums are rounded and what dropout draws.
    """
    recipe, config = read_config(folder, terminal)
    recipe = with_data_in(recipe, data_dir)
    recipe = replace(recipe, device=device or recipe.device)
    _check_shown(show, config)
    with held(folder):
        if "seeds" in config:
            return _train_seeds(recipe, folder, config["seeds"], terminal, ranks)
        run = Run(recipe, folder, terminal, ranks)
        run.restore()
        return run.train(show)


def follow(ranks: Ranks) -> int:
    """Train along with rank 0, run after run, until it has told that there is no other; return 0."""
    terminal = Terminal(quiet=True)
    with stop_signals() as signals, np.errstate(over="ignore", invalid="ignore"):
        while (recipe := ranks.tell()) is not None:
            checksum = problem = ""
            try:
                _, data, *_, training = _prepare(recipe, terminal, ranks)
                checksum = data.checksum()
            except (RunError, DataError, ValueError, OSError, MemoryError) as error:
                problem = str(error) or type(error).__name__
            with suppress(RankError):  # which rank 0 raises, too, and says
                ranks.check_ready(checksum, problem)
                if (state := ranks.tell()) is None:
                    break
                training.load_state_dict(state)
                with suppress(NonFiniteLoss):
                    for _ in _events(training, signals):
                        pass
    return 0


def _events(training: Training, signals: list[int]) -> Iterator[Record | None]:
    """Yield what a training does, until its end, a signal, or a loss beyond hope: the same on all ranks."""
    for record in training:
        yield record
        if record is not None and record["loss"] >= DIVERGED:
            return
        if signals:
            training.stop()


def _check_shown(show: bool, config: Mapping[str, Any]) -> None:
    if show and "seeds" in config:
        raise RunError("--show shows the curves of one run, and these are several; leave it out")


def _train_seeds(recipe: Recipe, folder: Path, seeds: int, terminal: Terminal, ranks: Ranks | None) -> int:
    """Train with each seed what is not trained yet, and tell the mean and the standard deviation."""
    accuracies: dict[int, float] = {}
    for seed in range(recipe.seed, recipe.seed + seeds):
        place = folder / f"seed-{seed}"
        accuracy = read_accuracy(place)
        if accuracy is None:
            started = place.exists() and any(place.iterdir())
            terminal.log = None
            terminal.say("seed", f"Seed {seed}", seed=seed)
            if started:
                status = resume(place, terminal, recipe.data_dir, ranks=ranks)
            else:
                status = start(replace(recipe, seed=seed), place, terminal, ranks=ranks)
            if status:
                if status > 128:
                    terminal.say("stop", f"All seeds go on with --resume {folder}")
                return status
            accuracy = read_accuracy(place)
        if accuracy is None:
            raise RunError(f"{place / EVALUATION} tells no accuracy; remove it, and --resume {folder}")
        accuracies[seed] = accuracy
    values = list(accuracies.values())
    summary = {
        "accuracies": accuracies,
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
    }
    write_json(folder / "summary.json", summary)
    terminal.log = None
    terminal.say("seeds", summarize(values), **summary)
    return 0


class Run:
    """A training run and its folder."""

    def __init__(self, recipe: Recipe, folder: Path, terminal: Terminal, ranks: Ranks | None) -> None:
        self.folder = folder
        self.terminal = terminal
        self.ranks = ranks
        terminal.log = folder / LOG
        self.recipe, self.data, self.parts, model, self.training = _prepare(recipe, terminal, ranks)
        self.model: MLP = model
        self.description = self._describe()
        parameters = [tensor.data for _, tensor in self.model.named_state()]
        arrays = chain(parameters, *self.training.optimizer.state.values())
        check_room(folder, sum(array.nbytes for array in arrays))
        if ranks is not None:
            ranks.tell(self.recipe)
            ranks.check_ready(self.description["data"]["checksum"])

    def _describe(self) -> dict[str, Any]:
        """Return what it takes to do this again: options, what the data are, versions."""
        data = self.data
        packages = {name: version(name) for name in ("numpy", "matplotlib", "graphviz", "tqdm")}
        return {
            "options": asdict(self.recipe),
            "data": {
                "name": data.name,
                "shape": list(data.train_images.shape[1:]),
                "levels": data.levels,
                "classes": list(data.classes),
                "training": len(data.train_images),
                "test": len(data.test_images),
                "checksum": data.checksum(),
            },
            "versions": {"python": platform.python_version(), **packages},
        }

    def restore(self) -> None:
        """Go on from the latest checkpoint in the folder that is whole; from the start without any."""
        try:
            state, wrong = load_checkpoint(self.folder)
        except FileNotFoundError:
            self.terminal.warn(f"{self.folder} holds no checkpoint yet, so the run starts again")
            return
        except CheckpointError as error:
            raise RunError(f"{error}; the run cannot go on, start it anew with another --out") from error
        for words in wrong:
            self.terminal.warn(f"{words}; the one before it is used")
        try:
            check_same(state, self.description, self.folder)
            then, now = (each["versions"]["numpy"] for each in (state, self.description))
            if then != now:
                words = f"the run was begun with NumPy {then}, and this is {now}: it may round differently"
                self.terminal.warn(words)
            self.training.load_state_dict(state["training"])
        except (LookupError, ValueError, TypeError) as error:
            raise RunError(f"the checkpoint in {self.folder} does not fit its options: {error}") from error

    def train(self, show: bool = False) -> int:
        """Train to the end, to a signal, or until the loss is no number; return the exit status."""
        self._announce()
        if self.ranks is not None:
            self.ranks.tell(self.training.state_dict())
            self.ranks.others_wait = False
        status = 0
        with stop_signals() as signals, np.errstate(over="ignore", invalid="ignore"):
            self.save()
            for name in (PARAMETERS, EVALUATION):  # of an earlier end, which is not the latest any more
                (self.folder / name).unlink(missing_ok=True)
            curves = Curves(self, show)
            try:
                self._loop(signals, curves)
                self.save()
                status = self._judge(signals)
            except NonFiniteLoss as error:
                status = 1
                self._explain(error)
            if self.ranks is not None:
                self.ranks.others_wait = True
            self._finish(ended=status == 0)
        if signals:
            return status or 128 + signals[0]
        curves.wait()
        return status

    def save(self) -> None:
        """Write a checkpoint. Raises NonFiniteLoss rather than to replace a good one by a spoilt one."""
        if self.ranks is None:
            self.training.check_finite()
        elif self.training.spoilt_parameters():
            return  # all ranks find out in the next step, and none is left waiting
        try:
            save_checkpoint(self.folder, {**self.description, "training": self.training.state_dict()})
        except OSError as error:
            raise RunError(
                f"the checkpoint in {self.folder} cannot be written: {error.strerror or error}; make room, "
                f"and --resume {self.folder} goes on from the one before"
            ) from error

    def _announce(self) -> None:
        training, parts, say = self.training, self.parts, self.terminal.say
        write_json(self.folder / CONFIG, self.description)
        counts = {name: len(labels) for name, (_, labels) in parts.items()}
        sizes = [self.data.train_images[0].size, *self.recipe.hidden, len(self.data.classes)]
        validation = f", {counts['validation']:,} validation" if "validation" in counts else ""
        images = f"{counts['train']:,} training{validation} and {counts['test']:,} test images"
        say("data", f"{self.data.name}: {images}", dataset=self.data.name, **counts)
        network = "-".join(map(str, sizes))
        say("start", f"Network {network}, results in {self.folder}", sizes=sizes, folder=str(self.folder))
        if training.finished:
            epochs = len(training.history)
            say(
                "resume",
                f"Training has ended after epoch {epochs}; its results are written anew",
                epoch=epochs,
            )
        elif training.history or training.position:
            epoch, step = len(training.history) + 1, training.position + 1
            say(
                "resume",
                f"Going on at epoch {epoch}, step {step} of {training.steps}",
                epoch=epoch,
                step=step,
            )

    def _loop(self, signals: list[int], curves: Curves) -> None:
        """Train, tell of it and save, until the end, a signal, or a loss beyond hope."""
        training, terminal, epochs = self.training, self.terminal, self.recipe.epochs
        samples, batch_size = len(self.parts["train"][0]), training.batch_size
        done = len(training.history) * samples + min(training.position * batch_size, samples)
        terminal.begin(epochs * samples, done)
        saved = monotonic()
        try:
            for record in _events(training, signals):
                if record is None:
                    count = min(batch_size, samples - (training.position - 1) * batch_size)
                    epoch = len(training.history) + 1
                    terminal.step(count, epoch, epochs, training.batch_measures)
                else:
                    terminal.epoch(record, best=best_epoch(training.history) is record)
                    write_table(self.folder / TABLE, training.history)
                    curves.update()
                curves.respond()
                if monotonic() - saved > SAVE_EVERY:
                    self.save()
                    saved = monotonic()
        finally:
            terminal.end()

    def _judge(self, signals: list[int]) -> int:
        """Say why the loop has ended, if not because all is done; return the exit status."""
        training = self.training
        if training.stopping and not training.finished:
            number = signals[0] if signals else signal.SIGTERM  # another rank's
            name = signal.Signals(number).name
            place = f"after epoch {len(training.history)}"
            if training.position:
                place = (
                    f"in epoch {len(training.history) + 1} after step {training.position} of {training.steps}"
                )
            message = f"Stopped by {name} {place}; all is saved: go on with --resume {self.folder}"
            self.terminal.say("stop", message, reason=name, message=message)
            return 128 + number
        if training.history and training.history[-1]["loss"] >= DIVERGED:
            message = f"training diverges: the loss is {training.history[-1]['loss']:.3g}; try a lower --lr"
            self.terminal.warn(message)
            words = f"Stopped after epoch {len(training.history)}"
            self.terminal.say("stop", words, reason="diverged", message=message)
            return 1
        if self.recipe.early_stopping:
            best = best_epoch(training.history)
            epoch = 0 if best is None else int(best["epoch"])
            words = f"The parameters kept are those of epoch {epoch}, the best by validation loss."
            if len(training.history) < self.recipe.epochs:
                words = f"Stopped early, after epoch {len(training.history)}. {words}"
            self.terminal.say("best", words, best_epoch=epoch)
        return 0

    def _explain(self, error: NonFiniteLoss) -> None:
        """Say where a loss that is no number began, and leave the training before that."""
        state, _ = load_checkpoint(self.folder)
        self.training.load_state_dict(state["training"])
        found = f": {find_divergence(self.training)}" if self.ranks is None else ""
        advice = (
            "start a new run with a lower --lr, or with --schedule warm-up; "
            f"the checkpoint in {self.folder} is from before that"
        )
        self.terminal.warn(f"{error}{found}; {advice}")
        epoch, step = len(self.training.history) + 1, self.training.position
        words = f"Stopped in epoch {epoch}: what is kept is the network after step {step} of it"
        self.terminal.say("stop", words, reason="nan", message=str(error))

    def _finish(self, ended: bool) -> None:
        """Leave the parameters, the table, what the network is worth, and the pictures."""
        write_table(self.folder / TABLE, self.training.history)
        try:
            save_arrays(self.folder / PARAMETERS, self.model.state_dict())
        except OSError as error:
            raise RunError(f"{self.folder / PARAMETERS} cannot be written: {error}") from error
        data = self.data
        images, labels = self.parts["test"]
        assessment = assess(self.model, images, labels, data.levels, data.classes, data.name)
        write_json(self.folder / EVALUATION, {**assessment, "finished": ended})
        words = f"Test accuracy {accuracy_text(assessment)}"
        facts = {name: assessment[name] for name in ("accuracy", "interval")}
        self.terminal.say("end" if ended else "result", words, **facts)
        draw(self)


def _prepare(
    recipe: Recipe, terminal: Terminal, ranks: Ranks | None
) -> tuple[Recipe, Dataset, dict[str, Any], MLP, Training]:
    """Return a recipe without anything left open, its data, whole and in parts, its network and training."""
    data = _load(recipe, terminal)
    order, weights = (np.random.default_rng([recipe.seed, stream]) for stream in range(2))
    parts = _split(data, recipe.validation, order)
    model = make_network(recipe, data.train_images[0].size, len(data.classes), weights)
    _move(model, recipe.device)
    optimizer = make_optimizer(recipe, model.parameters())
    batch_size = recipe.batch_size or (32 if data.name == "digits" else 128)
    steps = recipe.epochs * -(-len(parts["train"][0]) // batch_size)
    training = Training(
        model,
        optimizer,
        parts,
        data.levels,
        epochs=recipe.epochs,
        batch_size=batch_size,
        schedule=SCHEDULES[recipe.schedule](optimizer.lr, steps),
        generator=order,
        patience=recipe.early_stopping,
        after_step=make_constraint(recipe, model),
        replay=True,
        ranks=ranks,
    )
    recipe = replace(recipe, dataset=data.name.lower(), batch_size=batch_size, lr=optimizer.lr)
    return recipe, data, parts, model, training


def _move(model: MLP, device: str) -> None:
    """Move a network to a device. Raises RunError where there is none."""
    try:
        model.to(device)
    except Exception as error:  # of the library of that device
        raise RunError(
            f"the device {device} cannot be used: {error}; train, or --resume, with --device cpu"
        ) from error


def _load(recipe: Recipe, terminal: Terminal) -> Dataset:
    """Load the data set that was asked for; without any MNIST, or digits where it cannot be had."""
    try:
        return load_data(recipe)
    except DataError as error:
        if recipe.dataset or recipe.data_dir:
            raise
        reason = str(error).splitlines()[0].rstrip(":.")
    terminal.warn(f"no MNIST ({reason}): training on the 1,797 small digits that come with the program")
    return load_digits()


def _split(data: Dataset, validation: float, generator: np.random.Generator) -> dict[str, Any]:
    """Return the images and labels to train on, to validate on if wished, and to test on."""
    parts: dict[str, Any] = {"train": (data.train_images, data.train_labels)}
    if validation:
        try:
            images, labels, *held_out = split_validation(
                data.train_images, data.train_labels, validation, generator
            )
        except ValueError as error:
            raise RunError(f"--validation: {error}") from error
        parts = {"train": (images, labels), "validation": tuple(held_out)}
    return {**parts, "test": (data.test_images, data.test_labels)}
