"""Write what a contest found: tables, a picture, and JSON, from which `report.py FILE` makes them again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

US = ("graphgrad", "graphgrad jit")

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = {
    US[0]: "#D55E00",
    US[1]: "#E69F00",
    "NumPy by hand": "#009E73",
    "NumPy in place": "#009E73",
    "matrix products": "#BBBBBB",
}
PEER = "#56B4E9"

TITLES = {
    "steps": "Training steps",
    "ops": "Single ops",
    "chains": "Long graphs",
    "programs": "Scientific programs",
    "import": "Import",
    "memory": "Memory of a training step",
    "mnist": "MNIST",
}

NOTES = {
    "steps": "Seconds of a whole step: forward, backward and update, float32; the losses after 5 steps from "
    "the same weights agree to 1e-4 (with dropout, whose masks are random, to a quarter). PyTorch has its "
    "fused optimizers; HIPS autograd and MyGrad have the update of NumPy in place.",
    "ops": "Seconds per op of a chain, alternately tanh and + 1.0, float64. Forward is recorded, except by "
    "NumPy and the compilers. The compilers fuse the chain into one loop. PyTorch has one thread.",
    "chains": "A chain of y + 1.0 on one element. Bytes are the growth of the process per op: with the op's "
    "array, and without what an array takes that is kept in a list (PyTorch's graph keeps none here). "
    "PyTorch has one thread.",
    "programs": "float64; all derivatives agree to 1e-4 of the largest. PyTorch has one thread.",
    "import": "A new process that imports the package, over one that imports NumPy; ratios of the medians.",
    "memory": "What stays between steps (weights, momentum, batch, buffers, compiled code) + what one step "
    "adds at its peak, in resident memory that is no file, after what was freed has been given back to the "
    "system. In brackets: both together over those of NumPy by hand.",
    "mnist": "784-256-128-10, SGD with momentum, batches of 128 and a one-cycle schedule, from the start of "
    "the process to its end; all images are looked at after every epoch. Ours is `python train.py`.",
}

PANELS = (
    ("steps", "784-256-128-10, batch 128, SGD", "Step of 784-256-128-10, batch 128"),
    ("steps", "784-1024-1024-1024-10, batch 256, SGD", "Step of 784-1024-1024-1024-10, batch 256"),
    ("ops", "1 element, forward and backward", "One op on 1 element, forward and backward"),
    ("chains", "100,000 ops", "100,000 ops: build, backward, free"),
    ("programs", "gradient of a 10-body simulation", "Gradient of a 10-body simulation"),
    ("programs", "Hessian-vector product, 100 variables", "Hessian-vector product, 100 variables"),
    ("memory", "784-256-128-10, batch 128, SGD", "Memory of a training step, batch 128"),
    ("mnist", None, "MNIST, 3 epochs, from process start"),
)

Entry = dict[str, Any]


def number(value: float, units: dict[str, float]) -> str:
    """Return a value with three digits, in the largest unit that it fills."""
    unit = next((unit for unit, size in units.items() if abs(value) >= size), list(units)[-1])
    scaled = value / units[unit]
    return f"{scaled:.{0 if abs(scaled) >= 99.95 else 1 if abs(scaled) >= 9.995 else 2}f} {unit}"


def seconds(value: float) -> str:
    return number(value, {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9})


def size(value: float) -> str:
    return number(value, {"GB": 1e9, "MB": 1e6, "kB": 1e3})


def cell(entry: Entry | None) -> str:
    """Return what a table says of an entry."""
    if entry is None:
        return "–"
    if "note" in entry:
        return ": ".join(entry["note"].split(": ")[:2])
    if "kept" in entry:
        words = f"{size(entry['kept'])} + {size(entry['added'])}"
    else:
        words = seconds(entry["seconds"])
    return f"{words} ({entry['ratio']:.2f})" if "ratio" in entry else words


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def grid(tasks: dict[str, dict[str, Entry]], names: list[str]) -> str:
    """Return a table of tasks (rows) and contestants (columns)."""
    there = [name for name in names if any(name in entries for entries in tasks.values())]
    rows = [[task, *(cell(entries.get(name)) for name in there)] for task, entries in tasks.items()]
    return table(["", *there], rows)


def chains(tasks: dict[str, dict[str, Entry]], names: list[str]) -> str:
    """Return a table with the parts of each chain's time and its size."""
    rows = []
    for task, entries in tasks.items():
        for name, entry in entries.items():
            parts = ["", "", "", "", ""]
            if "note" not in entry:
                parts = [seconds(entry[part]) for part in ("build", "backward", "free")]
                # Memory comes in pages, too large for the shortest chains.
                weighed = "bytes" in entry and int(task.split()[0].replace(",", "")) >= 100_000
                words = ("bytes", "beside_arrays")
                parts += [f"{entry[word]:.0f}" if weighed and word in entry else "" for word in words]
            rows.append([task, name, cell(entry), *parts])
    head = ["", "contestant", "together", "build", "backward", "free", "bytes per op", "without its array"]
    return table(head, rows)


def accuracies(tasks: dict[str, dict[str, Entry]], names: list[str]) -> str:
    """Return a table of times and accuracies by contestant."""
    rows = [
        [name, cell(entry), f"{entry['accuracy']:.2%}" if "accuracy" in entry else ""]
        for entries in tasks.values()
        for name, entry in entries.items()
    ]
    return table([*tasks, "time", "test accuracy"], rows)


FORMATS: dict[str, Callable[[dict[str, dict[str, Entry]], list[str]], str]] = {
    "chains": chains,
    "mnist": accuracies,
}


def markdown(results: dict[str, Any]) -> str:
    """Return all results as a page."""
    everyone = results["contestants"]
    parts = [
        "# graphgrad and its peers",
        "Medians; in brackets the median over the rounds of the time over graphgrad's: above 1 is slower "
        "than graphgrad, below 1 faster. – is for what a contestant does not do.",
        summary(results),
        "![The results as bars](results.png)",
        "\n".join(f"- {fact}: {value}" for fact, value in results["machine"].items()),
        "\n".join(f"- {name}: {entry.get('version') or entry['note']}" for name, entry in everyone.items()),
    ]
    for group, tasks in results["groups"].items():
        parts.append(f"## {TITLES[group]}")
        if isinstance(tasks, str):
            parts.append(tasks)
        else:
            parts += [NOTES[group], FORMATS.get(group, grid)(tasks, list(everyone))]
    return "\n\n".join(parts) + "\n"


def chosen(results: dict[str, Any]) -> dict[str, dict[str, Entry]]:
    """Return the most telling tasks, as far as they were done, by their titles."""
    panels = {}
    for group, task, title in PANELS:
        tasks = results["groups"].get(group, {})
        if isinstance(tasks, dict) and (task in tasks or (task is None and tasks)):
            panels[title] = tasks[task or next(iter(tasks))]
    return panels


def summary(results: dict[str, Any]) -> str:
    """Return a table of the most telling tasks, without ratios: the one in the README."""
    names = [name for name in results["contestants"] if name not in ("NumPy in place", "matrix products")]
    rows = []
    for title, entries in chosen(results).items():
        found = [entries.get(name) for name in names]
        rows.append([title, *(cell(entry).split(" (")[0] for entry in found)])
    return table(["", *names], rows)


def picture(results: dict[str, Any], path: Path) -> None:
    """Draw the most telling tasks as bars."""
    from matplotlib.figure import Figure

    panels = chosen(results)
    if not panels:
        return
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(9, 0.7 + 2.3 * rows), layout="constrained", facecolor="white")
    for place, (title, entries) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, 2, place)
        bars(axes, entries)
        axes.set_title(title, fontsize=9.5, loc="left", fontweight="bold")
    figure.suptitle("graphgrad and its peers: shorter is better", fontsize=11)
    figure.savefig(path, dpi=150)


def bars(axes: Any, entries: dict[str, Entry]) -> None:
    """Draw one task: a bar per contestant, labelled with its value; ours stand out."""
    for row, (name, entry) in enumerate(entries.items()):
        value = entry.get("seconds", 0.0)
        label = "fails" if "note" in entry else seconds(value)
        if "kept" in entry:
            value = entry["kept"] + entry["added"]
            label = size(value)
        weight = "bold" if name in US else "normal"
        axes.barh(row, value, color=COLOURS.get(name, PEER), height=0.72)
        style = {"va": "center", "fontsize": 9, "fontweight": weight}
        axes.annotate(label, (value, row), (4, 0), textcoords="offset points", **style)
    axes.set_yticks(range(len(entries)), list(entries), fontsize=9)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in US else "normal")
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def write(results: dict[str, Any], folder: Path) -> None:
    """Leave results.json, results.md and results.png in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results))
    picture(results, folder / "results.png")


if __name__ == "__main__":
    found = Path(sys.argv[1])
    write(json.loads(found.read_text()), found.parent)
