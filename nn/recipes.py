"""Recipes: the options of a training run, by which it can be done again, and what they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from re import fullmatch
from textwrap import shorten
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from autograd import Tensor
from nn.data import DataError, Dataset, load_digits, load_fashion_mnist, load_mnist
from nn.layers import MLP, Dropout, Linear
from nn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, clip_weight_norm_
from nn.schedules import Schedule, constant, cosine, exponential, one_cycle, step_decay, warm_up

LEARNING_RATES = {
    "sgd": 0.5,
    "momentum": 0.12,
    "nesterov": 0.12,
    "adam": 0.002,
    "adamw": 0.002,
    "rmsprop": 0.001,
    "adagrad": 0.02,
}

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "one-cycle": one_cycle,
    "cosine": cosine,
    "step": lambda lr, steps: step_decay(lr, max(steps // 3, 1)),
    "exponential": lambda lr, steps: exponential(lr, 0.01 ** (1 / steps)),
    "warm-up": lambda lr, steps: warm_up(constant(lr), max(steps // 10, 1)),
    "constant": lambda lr, steps: constant(lr),
}
"""Schedules by name, from the (peak) learning rate and the number of steps."""

FORMATS = ("svg", "html", "png", "pdf", "dot")
BYTES = 12  # per parameter at least: itself, its gradient and the optimizer's state
LARGEST = 10**9  # of what is counted; so that products of it fit into NumPy's integers
Check = tuple[Callable[[Any], bool], str]
COUNT: Check = (lambda n: n is None or 0 < n <= LARGEST, f"a whole number from 1 to {LARGEST:,}")
PROBABILITY: Check = (lambda p: 0 <= p <= 1, "a number between 0 and 1")
FRACTION: Check = (lambda part: 0 <= part < 1, "a number of at least 0 and less than 1")


def _one_of(*names: str | None) -> Check:
    return lambda name: name in names, ", ".join(filter(None, names))


CHECKS: dict[str, Check] = {
    "dataset": _one_of(None, "mnist", "fashion-mnist", "digits"),
    "data_dir": (lambda path: path is None or (path != "" and "\0" not in path), "a path"),
    "validation": FRACTION,
    "hidden": (lambda sizes: all(type(n) is int and 0 < n <= LARGEST for n in sizes), COUNT[1]),
    "activation": _one_of("relu", "sigmoid", "tanh"),
    "dropout": PROBABILITY,
    "input_dropout": PROBABILITY,
    "max_norm": (lambda norm: norm is None or 0 < norm < inf, "a number above 0"),
    "optimizer": _one_of(*LEARNING_RATES),
    "lr": (lambda lr: lr is None or 0 <= lr < inf, "a number of at least 0"),
    "momentum": FRACTION,
    "weight_decay": (lambda strength: 0 <= strength < inf, "a number of at least 0"),
    "schedule": _one_of(*SCHEDULES),
    "batch_size": COUNT,
    "epochs": COUNT,
    "early_stopping": COUNT,
    "seed": (lambda seed: seed >= 0, "a whole number of at least 0"),
    "threads": COUNT,
    "device": (lambda name: bool(fullmatch(r"cpu|cuda(:\d+)?", name)), "cpu, cuda or cuda:1"),
    "graph": (lambda kinds: all(kind in FORMATS for kind in kinds), ", ".join(FORMATS)),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The options of a run, named as those of train.py; None is for what suits the others.

    Raises ValueError for what no option can be, and for options that do not go together.
    """

    dataset: str | None = None
    data_dir: str | None = None
    validation: float = 0.0
    hidden: tuple[int, ...] = (256, 128)
    activation: str = "relu"
    dropout: float = 0.15
    input_dropout: float = 0.0
    max_norm: float | None = None
    optimizer: str = "momentum"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    batch_size: int | None = None
    epochs: int = 11
    early_stopping: int | None = None
    seed: int = 0
    threads: int | None = None
    device: str = "cpu"
    graph: tuple[str, ...] = ("svg",)
    no_plots: bool = False

    def __post_init__(self) -> None:
        for name, (accept, words) in CHECKS.items():
            if not accept(value := getattr(self, name)):
                raise ValueError(
                    f"--{name.replace('_', '-')} cannot be {shorten(repr(value), 80)}: give {words}"
                )
        if self.early_stopping and not self.validation:
            raise ValueError("--early-stopping needs --validation, e.g. --validation 0.1")
        if self.optimizer == "nesterov" and not self.momentum:
            raise ValueError("--optimizer nesterov needs a --momentum of more than 0")
        if self.dataset == "digits" and self.data_dir:
            raise ValueError("--data-dir is for mnist and fashion-mnist; digits come with the program")


def recipe_of(options: Mapping[str, Any]) -> Recipe:
    """Return the recipe of options that were read from a file. Raises ValueError for what is none."""
    kinds = get_type_hints(Recipe)
    wrong = [f"{name} is unknown" for name in options if name not in kinds]
    values: dict[str, Any] = {}
    for name, value in options.items():
        values[name] = value = tuple(value) if isinstance(value, list) else value
        if name in kinds and type(value) not in _types(kinds[name]):
            wrong.append(f"{name} cannot be {value!r}")
    if wrong:
        raise ValueError(f"its options are not those of train.py: {'; '.join(wrong)}")
    return Recipe(**values)


def _types(hint: Any) -> set[Any]:
    """Return the types that values of a type hint have, in JSON too, where 1.0 may be 1."""
    found = set(get_args(hint)) if isinstance(hint, UnionType) else {get_origin(hint) or hint}
    return found | ({int} if float in found else set())


PRESETS = {
    # The program that this one took the place of: 92.68 % after 200 epochs.
    "sigmoid": Recipe(hidden=(64,), activation="sigmoid", dropout=0.0, optimizer="sgd"),
    # Srivastava et al., Dropout (JMLR 15, 2014), table 2: "Dropout NN + max-norm constraint", 3 layers, 1024
    # units, ReLU: 1.06 % error. Rates, momentum and norm as in their appendix B.1.
    "dropout-2014": Recipe(
        dataset="mnist",
        hidden=(1024, 1024, 1024),
        dropout=0.5,
        input_dropout=0.2,
        max_norm=2.0,
        momentum=0.95,
        lr=0.04,
        epochs=300,
    ),
    "fashion-mnist": Recipe(dataset="fashion-mnist", hidden=(512, 256), dropout=0.1, epochs=20),
}


def load_data(recipe: Recipe) -> Dataset:
    """Load the data set of a recipe; without one MNIST. Raises DataError."""
    if recipe.dataset == "digits":
        return load_digits()
    try:
        if recipe.dataset == "fashion-mnist":
            return load_fashion_mnist(recipe.data_dir)
        return load_mnist(recipe.data_dir)
    except OSError as error:
        raise DataError(str(error)) from error


def make_network(recipe: Recipe, inputs: int, classes: int, generator: np.random.Generator) -> MLP:
    """Make the network of a recipe. Raises MemoryError for one that cannot be trained on this machine."""
    sizes = [inputs, *recipe.hidden, classes]
    count = sum((before + 1) * after for before, after in pairwise(sizes))
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        # Systems promise more memory than they have, and end the process that takes them at their word.
        if (needed := count * BYTES) > memory:
            raise MemoryError(
                f"{count:,} parameters need about {needed / 1e9:,.1f} GB, and there are {memory / 1e9:,.1f}"
            )
    return MLP(sizes, recipe.activation, recipe.dropout, recipe.input_dropout, generator=generator)


def make_optimizer(recipe: Recipe, parameters: list[Any]) -> Optimizer:
    """Make the optimizer of a recipe."""
    lr = LEARNING_RATES[recipe.optimizer] if recipe.lr is None else recipe.lr
    decay = recipe.weight_decay
    if recipe.optimizer in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if recipe.optimizer == "sgd" else recipe.momentum
        return SGD(parameters, lr, momentum, recipe.optimizer == "nesterov", decay)
    kinds: dict[str, Callable[..., Optimizer]] = {
        "adam": Adam,
        "adamw": AdamW,
        "rmsprop": RMSprop,
        "adagrad": Adagrad,
    }
    return kinds[recipe.optimizer](parameters, lr, weight_decay=decay)


def make_constraint(recipe: Recipe, model: MLP) -> Callable[[], None]:
    """Return what a recipe has done to the weights after each step: their norm into a unit is limited.

    `max_norm` is meant as in the paper on dropout, which does not scale units up in training as we do: its
    weights are larger, by 1 / (1 - p) where inputs are dropped with probability p.
    """
    limits: list[tuple[Tensor, float]] = []
    if recipe.max_norm is not None:
        kept = 1.0
        for layer in model.layers:
            if isinstance(layer, Dropout):
                kept = 1 - layer.p
            elif isinstance(layer, Linear):
                limits.append((layer.weight, recipe.max_norm * kept))
                kept = 1.0

    def constrain() -> None:
        for weight, limit in limits:
            clip_weight_norm_(weight, limit)

    return constrain
