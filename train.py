"""Train a multilayer perceptron on images, by gradients from a recorded graph."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

# NumPy and what is built on it are imported when the options are known: --threads has to be set before. So
# the defaults of nn/recipes.py are repeated here in words; a test compares them.

OPTIMIZERS = ("momentum", "nesterov", "sgd", "adam", "adamw", "rmsprop", "adagrad")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
SCHEDULES = ("one-cycle", "cosine", "step", "exponential", "warm-up", "constant")
PRESETS = ("dropout-2014", "sigmoid", "fashion-mnist")
FORMATS = ("svg", "html", "png", "pdf", "dot")


def number(kind: type, words: str) -> Callable[[str], Any]:
    """Return a converter of an option's text to a number; nn/recipes.py knows which of them can be."""

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            shown = text if len(text) <= 60 else f"{text[:60]}..."
            raise argparse.ArgumentTypeError(f"{shown!r} is not {words}") from None

    return convert


def path(text: str) -> Path:
    """Return the path of a file or folder that need not be there."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a path")
    return Path(text)


whole = number(int, "a whole number")
real = number(float, "a number")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; options that are not given are not in its result."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        usage="train.py [options]",
        description=__doc__,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=24, width=80),
    )
    add = parser.add_argument_group("data").add_argument
    datasets = ("mnist", "fashion-mnist", "digits")
    add("--dataset", choices=datasets, metavar="NAME", help=", ".join(datasets) + " (mnist, if it is there)")
    add("--data-dir", type=path, metavar="PATH", help="folder of IDX (or .gz) or CSV files, or an npz file")
    add("--validation", type=real, metavar="PART", help="of the training set, to validate on (0)")
    add = parser.add_argument_group("network").add_argument
    add("--preset", choices=PRESETS, metavar="NAME", help=", ".join(PRESETS))
    add("--hidden", type=whole, nargs="*", metavar="N", help="widths of the hidden layers (256 128)")
    add("--activation", choices=ACTIVATIONS, metavar="NAME", help=f"{', '.join(ACTIVATIONS)} (relu)")
    add("--dropout", type=real, metavar="P", help="probability of dropping a hidden unit (0.15)")
    add("--input-dropout", type=real, metavar="P", help="probability of dropping an input (0)")
    add("--max-norm", type=real, metavar="C", help="limit to the norm of a unit's weights (none)")
    add = parser.add_argument_group("training").add_argument
    add("--optimizer", choices=OPTIMIZERS, metavar="NAME", help=", ".join(OPTIMIZERS))
    add("--lr", type=real, metavar="RATE", help="(peak) learning rate (by optimizer)")
    add("--momentum", type=real, metavar="M", help="of the optimizers momentum and nesterov (0.9)")
    add("--weight-decay", type=real, metavar="D", help="strength (0)")
    add("--schedule", choices=SCHEDULES, metavar="NAME", help=", ".join(SCHEDULES))
    add("--batch-size", type=whole, metavar="N", help="images per step (128, or 32 for digits)")
    add("--epochs", type=whole, metavar="N", help="passes over the training set (11)")
    add("--early-stopping", type=whole, metavar="N", help="end N epochs after the best validation loss")
    add("--seed", type=whole, metavar="N", help="of all randomness (0)")
    add("--seeds", type=whole, metavar="N", help="train N times, give mean and deviation (1)")
    add("--threads", type=whole, metavar="N", help="processor threads (all, or 1 a rank)")
    add("--device", metavar="NAME", help="cpu, or cuda for a GPU, cuda:1 for the second (cpu)")
    add("--distributed", action="store_true", help="share the work with the ranks of mpiexec")
    add = parser.add_argument_group("results").add_argument
    add("--out", type=path, metavar="FOLDER", help="run folder (runs/ and the time)")
    graph = f"step's graph: {' '.join(FORMATS)} (svg)"
    add("--graph", choices=FORMATS, nargs="*", metavar="KIND", help=graph)
    add("--no-plots", action="store_true", help="write no pictures, and no report")
    add("--show", action="store_true", help="show the curves in a window while it trains")
    add("--quiet", action="store_true", help="print warnings only")
    add("--json", action="store_true", help="print one JSON object a line, for other programs")
    add = parser.add_argument_group("with the folder of a run").add_argument
    add("--resume", type=path, metavar="RUN", help="go on where it ended, bit for bit")
    add("--evaluate", type=path, metavar="RUN", help="print what its network is worth on the test set")
    add(
        "--predict",
        type=path,
        nargs="+",
        metavar=("RUN", "IMAGE"),
        help="print what its network sees in images",
    )
    return parser


MODES = {
    "resume": {"data_dir", "show", "quiet", "json", "device", "distributed"},
    "evaluate": {"json", "data_dir"},
    "predict": {"json"},
}
"""What goes on with a run that there is, and the options that may stand beside it."""


def parse_arguments(arguments: list[str] | None = None) -> dict[str, Any]:
    """Return the options that the command line gives."""
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    for mode, others in MODES.items():
        extra = sorted(options.keys() - others - {mode})
        if mode in options and extra:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
            parser.error(f"--{mode} takes a run with the options it has; leave out {names}")
    if len(options.get("predict", [0, 0])) < 2:
        parser.error("--predict needs a run and an image, e.g. --predict runs/mnist digit.png")
    if "data_dir" in options:
        options["data_dir"] = os.path.abspath(options["data_dir"])  # a run may go on from another folder
    if "graph" in options:
        options["graph"] = tuple(options["graph"] or ("svg", "html"))
    if "hidden" in options:
        options["hidden"] = tuple(options["hidden"])
    if "no_plots" in options and options.keys() & {"show", "graph"}:
        parser.error("--no-plots asks for no pictures, and --show and --graph for some")
    if not 0 < options.get("seeds", 1) <= 1000:
        parser.error("--seeds needs a whole number from 1 to 1,000")
    if "quiet" in options and "json" in options:
        parser.error("--quiet asks for no lines, and --json for some")
    return options


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


def threads_of(options: dict[str, Any]) -> int | None:
    """Return the number of threads that was asked for, now or when the run to go on with was begun."""
    if "resume" not in options:
        return options.get("threads")
    try:
        threads = json.loads((options["resume"] / "config.json").read_text("utf-8"))["options"]["threads"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None  # what is wrong with the folder is told when it is read in earnest
    return threads if isinstance(threads, int) and threads > 0 else None


def begin(options: dict[str, Any], terminal: Any, show: bool, ranks: Any) -> int:
    """Train anew, as the options say; return the exit status."""
    from dataclasses import replace

    from nn.recipes import PRESETS, Recipe
    from nn.runs import start

    out = options.pop("out", Path("runs") / datetime.now().strftime("%Y-%m-%d-%H%M%S"))
    seeds = options.pop("seeds", 1)
    preset = options.pop("preset", None)
    try:
        recipe = replace(PRESETS[preset] if preset else Recipe(), **options)
    except ValueError as error:
        make_parser().error(str(error))
    return start(recipe, out, terminal, seeds, show, ranks)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = parse_arguments(arguments)
    # The ranks of a machine would take each other's processors.
    prepare(threads_of(options) or (1 if "distributed" in options else None))
    try:
        return together(options) if options.pop("distributed", False) else act(options)
    except KeyboardInterrupt:
        return 130  # the status of a program that Ctrl-C has ended


def together(options: dict[str, Any]) -> int:
    """Do what the options say on all ranks of MPI, of which the first leads; return the exit status."""
    from nn.distributed import Ranks
    from nn.runs import follow

    try:
        ranks = Ranks()
    except ImportError as error:
        print(f"train.py: --distributed: {error}", file=sys.stderr)
        return 1
    return ranks.run(lambda: act(options, ranks), lambda: follow(ranks))


def act(options: dict[str, Any], ranks: Any = None) -> int:
    """Do what the options say; say in a sentence what cannot be done, and return the exit status."""
    from nn.checkpoint import CheckpointError
    from nn.data import DataError
    from nn.distributed import RankError
    from nn.folders import RunError
    from nn.runs import resume
    from nn.terminal import Terminal
    from nn.trained import evaluate, predict

    show = options.pop("show", False)
    terminal = Terminal(options.pop("quiet", False), options.pop("json", False))
    try:
        if "resume" in options:
            return resume(
                options["resume"], terminal, options.get("data_dir"), show, ranks, options.get("device")
            )
        if "evaluate" in options:
            return evaluate(options["evaluate"], terminal, options.get("data_dir"))
        if "predict" in options:
            folder, *images = options["predict"]
            return predict(folder, [str(image) for image in images], terminal)
        return begin(options, terminal, show, ranks)
    except (RunError, DataError, CheckpointError, RankError, OSError) as error:
        terminal.warn(str(error))
    except MemoryError as error:
        terminal.warn(f"there is too little memory for this network and these data: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
