"""What a trained run is good for: its network is evaluated, and asked about images."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from nn.data import DataError
from nn.evaluation import as_text, assess, describe_prediction
from nn.evaluation import predict as chances_of
from nn.folders import RunError, read_accuracy, read_config, read_parameters, with_data_in
from nn.images import read_image
from nn.layers import MLP
from nn.recipes import Recipe, load_data, make_network
from nn.terminal import Terminal


def evaluate(folder: Path, terminal: Terminal, data_dir: str | None = None) -> int:
    """Say what the network of a run is worth on the test set; return the exit status, 1 if that is lost.

    The data are where they were in training, or in `data_dir`.
    """
    model, data, recipe = _network(folder, terminal)
    found = load_data(with_data_in(recipe, data_dir))
    shape = list(found.test_images.shape[1:])
    if shape != data["shape"]:
        raise RunError(f"the test images are {shape}, and those that {folder} was trained on {data['shape']}")
    if found.checksum() != data["checksum"]:
        terminal.warn(f"these are not the data that {folder} was trained and tested on")
    if read_accuracy(folder) is None:
        terminal.warn(f"{folder} has not come to its end: --resume {folder} goes on with it")
    assessment = assess(model, found.test_images, found.test_labels, found.levels, found.classes, found.name)
    terminal.say("evaluation", as_text(assessment), run=str(folder), **assessment)
    return int(terminal.lost)


def predict(folder: Path, images: Sequence[str], terminal: Terminal) -> int:
    """Say what the network of a run sees in image files; return the exit status, 1 if one was unusable."""
    model, data, _ = _network(folder, terminal)
    shape = tuple(data["shape"])
    box = min(shape) if data["name"] == "Fashion-MNIST" else None  # whose clothes fill their images
    status = 0
    for name in images:
        try:
            pixels = read_image(name, shape, data["levels"], box)
        except DataError as error:
            terminal.warn(str(error))
            status = 1
            continue
        with np.errstate(all="ignore"):
            chances = chances_of(model, pixels, data["levels"], data["classes"])
        if any(map(isnan, chances.values())):
            raise RunError(f"the network of {folder} gives no numbers, but NaN: its training had diverged")
        terminal.say("prediction", describe_prediction(name, chances), image=name, probabilities=chances)
    return status or int(terminal.lost)


def _network(folder: Path, terminal: Terminal) -> tuple[MLP, dict[str, Any], Recipe]:
    """Return the trained network of a run, what its data are, and its recipe."""
    recipe, config = read_config(folder, terminal)
    if "seeds" in config:
        one = folder / f"seed-{recipe.seed}"
        raise RunError(f"{folder} holds a run for each of several seeds; name one, e.g. {one}")
    if "data" not in config:
        raise RunError(f"{folder} holds a run that ended before training began; --resume {folder} starts it")
    parameters = read_parameters(folder)
    try:
        data = config["data"]
        height, width = data["shape"]
        if not all(type(number) is int and number > 0 for number in (height, width, data["levels"])):
            raise ValueError("images have a height, a width and levels, and all are positive")
        if kinds := {str(array.dtype) for array in parameters.values() if array.dtype.kind != "f"}:
            raise ValueError(f"they are {', '.join(kinds)}")
        data["classes"] = [str(name) for name in data["classes"]]
        model = make_network(recipe, height * width, len(data["classes"]), np.random.default_rng(0))
        model.load_state_dict(parameters)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"the parameters in {folder} do not fit its options: {error}") from error
    return model, data, recipe
