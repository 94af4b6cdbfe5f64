"""Run folders: what is written into them, and read back."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nn.checkpoint import CheckpointError, load_arrays, load_checkpoint, write_file
from nn.recipes import Recipe, recipe_of
from nn.terminal import Terminal

ROOM = 20_000_000  # bytes for the files of a run besides its checkpoints, rounded up
CONFIG, TABLE, LOG = "config.json", "metrics.csv", "log.jsonl"
PARAMETERS, EVALUATION = "parameters.npz", "evaluation.json"


class RunError(Exception):
    """Say why a run cannot start, or go on, and what to do about it."""


def make_folder(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    """Make a folder for a run, and return those that were made for it, the innermost first.

    Raises RunError where there is one that is not empty, or where it cannot be written to.
    """
    made: list[Path] = []
    try:
        if not (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            # "x": of two runs that start at the same time, one has the folder.
            with open(folder / CONFIG, "x", encoding="utf-8") as file:
                json.dump(config, file, indent=2)
            return made
    except FileExistsError:
        pass
    except OSError as error:
        discard_folder(folder, made)
        raise RunError(
            f"the run folder {folder} cannot be made, or written to: {error.strerror or error}"
        ) from error
    other = f", or go on with --resume {folder}" if (folder / CONFIG).is_file() else ""
    raise RunError(f"--out: {folder} exists already; name a new folder{other}")


def discard_folder(folder: Path, made: Sequence[Path]) -> None:
    """Remove what a run that could not start has left, and the folders that were made for it."""
    with suppress(OSError):
        if {path.name for path in folder.iterdir()} <= {CONFIG, LOG}:
            (folder / CONFIG).unlink(missing_ok=True)
            (folder / LOG).unlink(missing_ok=True)
    for path in made:
        with suppress(OSError):  # it was not made after all, or somebody has put something into it
            path.rmdir()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder, if the system can. Raises RunError if one does."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # of Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        flock(handle, LOCK_EX | LOCK_NB)  # until it is closed, or the process ends in whatever way
    except BlockingIOError as error:
        raise RunError(f"{folder} is being trained in by another process; wait for it, or stop it") from error
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(handle)


def check_room(folder: Path, checkpoint: int) -> None:
    """Raise RunError where the disk is too full for a run with checkpoints of so many bytes."""
    needed = ROOM + 4 * checkpoint  # two checkpoints, one that is being written, and the parameters
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"the disk of {folder} has {free / 1e6:,.0f} MB left, and the run needs about "
            f"{needed / 1e6:,.0f} MB; make room, or name another folder with --out"
        )


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises RunError where it cannot be written."""
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}; the checkpoints stay, for --resume"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all. Raises RunError where it cannot be written."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, history: Sequence[dict[str, float]]) -> None:
    """Write a row per epoch, without the seconds: the table is the same in each run of the same recipe."""
    rows = [{**record, "epoch": int(record["epoch"])} for record in history]
    text = io.StringIO()
    if rows:
        columns = [name for name in rows[0] if name != "seconds"]
        table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    write_text(path, text.getvalue())


def read_config(folder: Path, terminal: Terminal) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe of the run in a folder, and all that stands in its config.json.

    Where that is damaged, a checkpoint has the same, too. Raises RunError where there is none, or another
    program's.
    """
    path = folder / CONFIG
    try:
        return _understood(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        problem = f"{folder} has no {CONFIG}" if folder.is_dir() else f"{folder} is not a folder"
        problem += ", so it holds no run; name a folder that train.py has made"
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror or error}"
    except (ValueError, RecursionError) as error:
        problem = f"{path} cannot be used: {error}"
    try:
        state, _ = load_checkpoint(folder)
        found = _understood({name: state[name] for name in ("options", "data", "versions")})
    except (OSError, CheckpointError, ValueError, LookupError, TypeError):
        raise RunError(problem) from None
    terminal.warn(f"{path} is missing or damaged; the options are taken from the checkpoint")
    return found


def with_data_in(recipe: Recipe, data_dir: str | None) -> Recipe:
    """Return a recipe whose data lie in `data_dir`, if it is given. Raises RunError where there are none."""
    try:
        return replace(recipe, data_dir=data_dir or recipe.data_dir)
    except ValueError as error:
        raise RunError(str(error)) from error


def _understood(config: Any) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe in a configuration, and it. Raises ValueError for one of another program."""
    if not isinstance(config, dict) or not isinstance(config.get("options"), dict):
        raise ValueError("it is not of a run of train.py")
    if "seeds" in config and not (type(config["seeds"]) is int and 1 < config["seeds"] <= 1000):
        raise ValueError(f"seeds cannot be {config['seeds']!r}")
    return recipe_of(config["options"]), config


def check_same(then: Any, now: Any, folder: Path) -> None:
    """Raise RunError where the data, or options that matter, are others than in the checkpoint."""
    now = json.loads(json.dumps(now))
    for part, words in (
        ("data", f"the data have changed since {folder} was begun ({{}}); put the old ones back"),
        ("options", f"{folder / CONFIG} has been changed since the run was begun ({{}}); undo that"),
    ):
        names = now[part].keys() - {"data_dir", "graph", "no_plots", "device"}
        changed = [
            f"{name} was {then[part].get(name)}, is {now[part][name]}"
            for name in sorted(names)
            if then[part].get(name) != now[part][name]
        ]
        if changed:
            raise RunError(words.format(", ".join(changed)))


def read_accuracy(folder: Path) -> float | None:
    """Return the test accuracy of a run that has come to its end, and None of any other."""
    try:
        evaluation = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        return float(evaluation["accuracy"]) if evaluation["finished"] is True else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def read_parameters(folder: Path) -> dict[str, Any]:
    """Return the parameters of the run in a folder: the final ones, or of the latest checkpoint.

    Raises RunError where there are none.
    """
    try:
        if os.path.exists(folder / PARAMETERS):
            return load_arrays(folder / PARAMETERS)
        state, _ = load_checkpoint(folder)
        return dict(state["training"]["parameters"])
    except (OSError, CheckpointError, LookupError, TypeError) as error:
        raise RunError(f"no parameters can be read: {error}; --resume {folder} writes them anew") from error
