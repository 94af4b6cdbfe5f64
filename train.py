"""Train a multilayer perceptron on handwritten digits, every gradient coming from the recorded graph."""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nn.data import Dataset
    from nn.optim import Optimizer
    from nn.schedules import Schedule

# NumPy and what is built on it are imported when the options are known: --threads has to be set before.

LEARNING_RATES = {
    "sgd": 0.5,
    "momentum": 0.12,
    "nesterov": 0.12,
    "adam": 0.002,
    "adamw": 0.002,
    "rmsprop": 0.001,
    "adagrad": 0.02,
}

DIVERGED = 1_000  # a cross-entropy hundreds of times that of guessing, or NaN


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument_group("data").add_argument
    add(
        "--dataset",
        choices=("mnist", "fashion-mnist", "digits"),
        help="default: mnist, or digits where MNIST cannot be had",
    )
    add("--data-dir", type=Path, help="folder with the four IDX files, gzipped or not")
    add(
        "--validation",
        type=fraction,
        default=0.0,
        help="part of the training set to validate on (default: 0)",
    )
    add = parser.add_argument_group("network").add_argument
    add(
        "--hidden",
        type=positive,
        nargs="*",
        default=[256, 128],
        help="widths of the hidden layers (default: 256 128)",
    )
    add(
        "--activation",
        choices=("relu", "sigmoid", "tanh"),
        default="relu",
        help="between layers (default: %(default)s)",
    )
    add(
        "--dropout",
        type=probability,
        default=0.15,
        help="probability of dropping a hidden unit (default: %(default)s)",
    )
    add = parser.add_argument_group("training").add_argument
    add(
        "--optimizer", choices=tuple(LEARNING_RATES), default="momentum", help="method (default: %(default)s)"
    )
    add("--lr", type=at_least_zero, help="(peak) learning rate; default: one that suits the optimizer")
    add(
        "--momentum",
        type=fraction,
        default=0.9,
        help="of the optimizers momentum and nesterov (default: %(default)s)",
    )
    add("--weight-decay", type=at_least_zero, default=0.0, help="strength (default: 0)")
    schedules = ("constant", "step", "exponential", "cosine", "warm-up", "one-cycle")
    add(
        "--schedule",
        choices=schedules,
        default="one-cycle",
        help="of the learning rate (default: %(default)s)",
    )
    add("--batch-size", type=positive, help="default: 128, or 32 for digits")
    add("--epochs", type=positive, default=11, help="passes over the training set (default: %(default)s)")
    add("--early-stopping", type=positive, metavar="PATIENCE", help="epochs without a better validation loss")
    add("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
    add("--threads", type=positive, help="processor threads; default: all")
    add = parser.add_argument_group("results").add_argument
    add("--out", type=Path, help="run folder; default: runs/ and the time")
    add("--show", action="store_true", help="show the curves in a window at the end")
    add("--no-plots", action="store_true", help="write no pictures")
    add(
        "--graph",
        choices=("svg", "html", "png", "pdf", "dot"),
        nargs="*",
        default=["svg"],
        help="picture of one training step, and page to explore it (default: svg; --graph alone: svg html)",
    )
    options = parser.parse_args(arguments)
    options.graph = options.graph or ["svg", "html"]
    if options.early_stopping and not options.validation:
        parser.error("--early-stopping needs --validation, e.g. --validation 0.1")
    if options.optimizer == "nesterov" and not options.momentum:
        parser.error("argument --momentum: nesterov needs more than 0")
    if options.no_plots and options.show:
        parser.error("--show shows a picture, and --no-plots asks for none")
    if options.seed < 0:
        parser.error("argument --seed: must not be negative")
    if options.dataset == "digits" and options.data_dir:
        parser.error("--data-dir is for mnist and fashion-mnist; digits come with the program")
    options.out = options.out or Path("runs") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        parser.error(f"argument --out: {options.out} exists already; name a new folder")
    return options


def number(kind: type, accept: Callable[[Any], bool], words: str) -> Callable[[str], Any]:
    """Return a converter of an option's text to a number that is `words`."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accept(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}")
        return value

    return convert


positive = number(int, lambda n: n > 0, "a positive whole number")
at_least_zero = number(float, lambda x: 0 <= x < float("inf"), "a number of at least 0")
fraction = number(float, lambda x: 0 <= x < 1, "a number of at least 0 and less than 1")
probability = number(float, lambda x: 0 <= x <= 1, "a number between 0 and 1")


def load(options: argparse.Namespace) -> Dataset:
    """Load the data set: the one that was asked for, or MNIST, or digits where MNIST cannot be had."""
    from nn.data import DataError, load_digits, load_fashion_mnist, load_mnist

    try:
        if options.dataset == "digits":
            return load_digits()
        if options.dataset == "fashion-mnist":
            return load_fashion_mnist(options.data_dir)
        return load_mnist(options.data_dir)
    except (DataError, OSError) as error:
        if options.dataset or options.data_dir:
            sys.exit(f"train.py: {error}")
        reason = str(error).splitlines()[0].rstrip(":.")
        print(f"No MNIST ({reason}): training on the 1,797 small digits that come with the program.")
        return load_digits()


def make_optimizer(options: argparse.Namespace, parameters: list[Any]) -> Optimizer:
    """Make the optimizer that the options name."""
    from nn import SGD, Adagrad, Adam, AdamW, RMSprop

    lr = LEARNING_RATES[options.optimizer] if options.lr is None else options.lr
    decay = options.weight_decay
    if options.optimizer in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if options.optimizer == "sgd" else options.momentum
        return SGD(parameters, lr, momentum, options.optimizer == "nesterov", decay)
    kinds: dict[str, Callable[..., Optimizer]] = {
        "adam": Adam,
        "adamw": AdamW,
        "rmsprop": RMSprop,
        "adagrad": Adagrad,
    }
    return kinds[options.optimizer](parameters, lr, weight_decay=decay)


def make_schedule(options: argparse.Namespace, lr: float, steps: int) -> Schedule:
    """Make the schedule that the options name, over `steps` steps."""
    from nn import schedules

    return {
        "constant": schedules.constant(lr),
        "step": schedules.step_decay(lr, max(steps // 3, 1)),
        "exponential": schedules.exponential(lr, 0.01 ** (1 / steps)),
        "cosine": schedules.cosine(lr, steps),
        "warm-up": schedules.warm_up(schedules.constant(lr), max(steps // 10, 1)),
        "one-cycle": schedules.one_cycle(lr, steps),
    }[options.schedule]


def progress(steps: Iterable[Any], count: int) -> Iterable[Any]:
    """Show a bar while an epoch runs, where somebody is watching."""
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(steps, total=count, leave=False, unit="step", disable=not sys.stderr.isatty())
    return bar


def prepare(threads: int | None) -> None:
    """Set what BLAS libraries read when NumPy is imported: the number of threads, and the kernels."""
    if threads:
        for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
            os.environ[f"{library}_NUM_THREADS"] = str(threads)
    try:
        processor = Path("/proc/cpuinfo").read_text()
    except OSError:
        return
    # OpenBLAS takes its AVX2 kernels on some of AMD's processors that have AVX-512 (Zen 5): half the speed.
    needed = ("AuthenticAMD", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
    if all(word in processor for word in needed):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def main(arguments: list[str] | None = None) -> None:
    """Train, and leave a run folder."""
    options = parse_arguments(arguments)
    prepare(options.threads)

    import numpy as np

    from nn import MLP
    from nn.checkpoint import save_arrays
    from nn.data import split_validation
    from nn.training import Labelled, fit

    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"train.py: the run folder {options.out} cannot be made: {error}")
    try:
        data = load(options)
    except SystemExit:
        options.out.rmdir()
        raise
    options.dataset = data.name
    options.batch_size = options.batch_size or (32 if data.name == "digits" else 128)
    order, weights = (np.random.default_rng([options.seed, stream]) for stream in range(2))
    parts: dict[str, Labelled] = {"train": (data.train_images, data.train_labels)}
    if options.validation:
        try:
            images, labels, *held_out = split_validation(*parts["train"], options.validation, order)
        except ValueError as error:
            sys.exit(f"train.py: --validation: {error}")
        parts = {"train": (images, labels), "validation": (held_out[0], held_out[1])}
    parts["test"] = (data.test_images, data.test_labels)
    sizes = [data.train_images[0].size, *options.hidden, len(data.classes)]
    model = MLP(sizes, options.activation, options.dropout, generator=weights)
    optimizer = make_optimizer(options, model.parameters())
    steps = options.epochs * -(-len(parts["train"][0]) // options.batch_size)
    options.lr = optimizer.lr
    (options.out / "config.json").write_text(json.dumps(describe(options), indent=2) + "\n")
    print(f"{data.name}: {len(parts['train'][0]):,} training and {len(parts['test'][0]):,} test images")
    print(f"Network {'-'.join(map(str, sizes))}, results in {options.out}")
    records = fit(
        model,
        optimizer,
        parts,
        data.levels,
        epochs=options.epochs,
        batch_size=options.batch_size,
        schedule=make_schedule(options, optimizer.lr, steps),
        generator=order,
        patience=options.early_stopping,
        replay=True,
        progress=progress,
    )
    history: list[dict[str, float]] = []
    interrupted = False
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a loss that is no number is told in words
            report(records, options.out / "metrics.csv", history)
    except KeyboardInterrupt:
        interrupted = True
        print(f"Interrupted after epoch {len(history)}: its results are kept.", file=sys.stderr)
    if options.early_stopping and not interrupted:
        best = min(history, key=lambda record: record["validation_loss"])
        print(f"The parameters kept are those of epoch {best['epoch']:.0f}, the best by validation loss.")
    save_arrays(options.out / "parameters.npz", model.state_dict())
    if history and not options.no_plots:
        draw(options, model, data, history)
    if interrupted:
        sys.exit(130)  # the status of a program that Ctrl-C has ended


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Return what it takes to run this again: options and versions."""
    chosen = {name: str(v) if isinstance(v, Path) else v for name, v in vars(options).items()}
    packages = {name: version(name) for name in ("numpy", "matplotlib", "graphviz", "tqdm")}
    return {"options": chosen, "versions": {"python": platform.python_version(), **packages}}


def report(records: Iterable[dict[str, float]], path: Path, history: list[dict[str, float]]) -> None:
    """Print a line per epoch, add it to the table at `path` and to `history`; stop where it diverges."""
    with open(path, "w", newline="") as file:
        for record in records:
            if not history:
                table = csv.DictWriter(file, record)
                table.writeheader()
            table.writerow({**record, "epoch": int(record["epoch"])})
            file.flush()
            history.append(record)
            print(
                f"Epoch {record['epoch']:.0f}: Loss = {record['loss']:.4f}, "
                f"Train Acc = {record['train_accuracy']:.4f}, Test Acc = {record['test_accuracy']:.4f} "
                f"({record['seconds']:.1f} s)",
                flush=True,
            )
            if not record["loss"] < DIVERGED:
                words = f"training diverges: the loss is {record['loss']:.3g}; try a lower --lr"
                print(f"train.py: {words}", file=sys.stderr)
                return


def draw(options: argparse.Namespace, model: Any, data: Dataset, history: list[dict[str, float]]) -> None:
    """Write the pictures of the run; what cannot be drawn is warned about, never an error."""
    from nn import plots, training

    probabilities = training.probabilities(model, data.test_images, data.levels)
    guesses = probabilities.argmax(axis=1)
    matrix = training.confusion_matrix(data.test_labels, guesses, len(data.classes))
    sample = data.test_images, data.test_labels, probabilities, data.classes
    weights, shape = model.layers[0].weight.data, data.train_images.shape[1:]
    test = f"{data.name}, {len(guesses):,} test images"
    figures: dict[str, Callable[[], Any]] = {
        "curves.png": lambda: plots.plot_curves(history, f"{data.name}: loss and accuracy"),
        "confusion.png": lambda: plots.plot_confusion(matrix, data.classes, test),
        "mistakes.png": lambda: plots.plot_mistakes(*sample, f"{test}: the worst mistakes"),
        "weights.png": lambda: plots.plot_weights(weights, shape, f"{data.name}: first-layer filters"),
    }
    for name, figure in figures.items():
        attempt(f"draw {name}", lambda: figure().savefig(options.out / name, dpi=150))  # noqa: B023
    attempt("draw the graph", lambda: draw_step(options, model, data))
    if options.show:
        attempt("show the curves", lambda: plots.show(figures["curves.png"]()))


def draw_step(options: argparse.Namespace, model: Any, data: Dataset) -> None:
    """Write the graph of one training step."""
    from autograd import draw_graph
    from nn.data import scale_pixels
    from nn.training import training_loss

    pixels = scale_pixels(data.train_images[: options.batch_size], data.levels)
    model.zero_grad()
    loss = training_loss(model.train(), pixels, data.train_labels[: options.batch_size])
    loss.backward(retain_graph=True)
    picture = draw_graph(loss)
    for kind in options.graph:
        with warnings.catch_warnings(record=True) as advice:
            warnings.simplefilter("always")
            picture.render(outfile=options.out / f"graph.{kind}", cleanup=True)
        for warning in advice:
            print(f"train.py: {warning.message}", file=sys.stderr)


def attempt(what: str, action: Callable[[], Any]) -> None:
    """Do what a training run must not fail for; say what went wrong."""
    try:
        action()
    except Exception as error:
        print(f"train.py: could not {what}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
