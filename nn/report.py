"""The page of a training run: one file of HTML that needs nothing else, and no network."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from nn.checkpoint import write_file
from nn.evaluation import best_epoch
from nn.markup import fold, picture, reliability_diagram, section, table

Record = Mapping[str, Any]


class Run(NamedTuple):
    """What a run folder tells; what it lacks is empty."""

    name: str
    config: Record
    history: Sequence[Record]
    events: Sequence[Record]
    evaluation: Record


def write_report(folder: Path) -> None:
    """Write report.html into the folder of a run, of what lies there; what is missing is left out.

    Read are config.json, metrics.csv, log.jsonl, evaluation.json and the pictures. Raises ValueError
    where one of the JSON files is none, and OSError where the folder cannot be written.
    """
    template = Template(Path(__file__).with_name("report.html").read_text("utf-8"))
    run = read_run(folder)
    parts = [outcome(run), settings(run), training(run, folder), evaluation(run, folder), log(run)]
    page = template.substitute(title=escape(_title(run)), body="\n".join(filter(None, parts)))
    write_file(folder / "report.html", page.encode("utf-8", "replace"))


def read_run(folder: Path) -> Run:
    """Read what a run folder tells in words and numbers."""
    events = []
    for line in _lines(folder / "log.jsonl"):
        try:
            event = json.loads(line)
        except ValueError:  # the run was ended while it wrote this line
            continue
        if isinstance(event, dict):
            events.append(event)
    timed = [_numbers(event) for event in events if event.get("event") == "epoch"]
    seconds = {event.get("epoch"): event.get("seconds") for event in timed}
    history = []
    for row in csv.DictReader(_lines(folder / "metrics.csv")):
        record = _numbers(row)
        history.append(record | _numbers({"seconds": seconds.get(record.get("epoch"))}))
    name = folder.resolve().name
    return Run(name, _read(folder / "config.json"), history, events, _read(folder / "evaluation.json"))


# ------------------------------------------------------------------------------ the parts of the page


def outcome(run: Run) -> str:
    """Return the top of the page: what was trained, how well it does, how it ended."""
    options, tested = run.config.get("options", {}), run.evaluation
    last = run.history[-1] if run.history else {}
    facts = []
    if tested:
        samples, wrong = tested["samples"], tested["samples"] - tested["correct"]
        low, high = tested["interval"]
        facts += [
            ("Test accuracy", _percent(tested["accuracy"])),
            ("95 % interval", f"{_percent(low, '')} to {_percent(high)}"),
            ("Error rate", _percent(wrong / samples)),
            ("Wrong", f"{wrong:,} of {samples:,}"),
        ]
    elif "test_accuracy" in last:
        facts += [("Test accuracy, last epoch", _percent(last["test_accuracy"]))]
    if run.history:
        asked = options.get("epochs")
        facts.append(("Epochs", f"{len(run.history)} of {asked}" if asked else str(len(run.history))))
    best = best_epoch(run.history)
    if best:
        facts.append(("Best epoch", f"{best['epoch']:.0f}"))
    if seconds := [record["seconds"] for record in run.history if "seconds" in record]:
        facts.append(("Training time", _duration(sum(seconds))))
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>\n" for name, value in facts)
    times = [_moment(event) for event in run.events if "time" in event]
    dates = f"Started {times[0]}, last entry {times[-1]}. " if times else ""
    lines = [
        f"<h1>{escape(_dataset(run))}</h1>",
        f"<p>{escape(_network(options))}</p>" if "hidden" in options else "",
        f'<dl class="outcome">\n{items}</dl>' if facts else "",
        f"<p>{escape(ending(run))}</p>" if run.events else "",
        f'<p class="quiet">{escape(dates)}Run {escape(run.name)}.</p>',
    ]
    return "\n".join(filter(None, lines))


def ending(run: Run) -> str:
    """Return how the run went, in a sentence or two: whether it ended, why, and how often it resumed."""
    course = [event for event in run.events if event.get("event") in ("start", "resume", "stop", "end")]
    last = course[-1] if course else {}
    options = run.config.get("options", {})
    asked, done = options.get("epochs"), len(run.history)
    if last.get("event") == "stop":
        causes = {"SIGINT": "It was interrupted", "SIGTERM": "It was told to end (SIGTERM)"}
        causes["nan"] = "It stopped at a loss that is no number"
        cause = causes.get(str(last.get("reason")), f"It stopped ({last.get('reason')})")
        message = str(last.get("message") or "").rstrip(".")
        words = f"{cause}: {message}." if message else f"{cause}."
    elif isinstance(asked, int) and done >= asked:
        words = "It ran to its end."
    elif last.get("event") == "end":
        words = "It was ended early, by early stopping." if options.get("early_stopping") else "It ended."
    else:
        words = "No end is recorded: it still runs, or was cut off."
    resumed = sum(event.get("event") == "resume" for event in course)
    return words + (f" It was resumed {_times(resumed)}." if resumed else "")


def settings(run: Run) -> str:
    """Return the options that matter most, and all of them and the versions folded away."""
    options, versions = run.config.get("options", {}), run.config.get("versions", {})
    chosen = [name for name in SETTINGS if options.get(name) or (name == "seed" and name in options)]
    items = "".join(
        f"<div><dt>{SETTINGS[name]}</dt><dd>{escape(_value(options[name]))}</dd></div>\n" for name in chosen
    )
    tables = [
        table(caption, ("Name", "Value"), [(name, _value(value)) for name, value in pairs.items()], "names")
        for caption, pairs in (("Options", options), ("Versions", versions))
        if pairs
    ]
    parts = [f"<dl>\n{items}</dl>" if items else "", fold("All options and versions", "\n".join(tables))]
    return section("Settings", *parts)


def training(run: Run, folder: Path) -> str:
    """Return the curves, and the numbers of each epoch."""
    epochs = len(run.history)
    alt = f"Loss and accuracy after each of {epochs} epochs, with the learning rate under them."
    return section("Training", picture(folder / "curves.png", alt), _metrics(run.history))


def evaluation(run: Run, folder: Path) -> str:
    """Return what the trained network does on the test set, and how."""
    tested = run.evaluation
    classes = [str(name) for name in tested.get("classes", [])]
    confusion = [
        picture(folder / "confusion.png", "How often each class was taken for each. " + _mixed(tested))
    ]
    per_class = calibration = ""
    if tested:
        confusion += [f"<p>{escape(_mixed(tested))}</p>" if _mixed(tested) else ""]
        counts = [[name, *map(_count, row)] for name, row in zip(classes, tested["confusion"], strict=True)]
        caption = "True classes in rows, predicted classes in columns"
        grid = table(caption, ["True class", *classes], counts, "numbers dense")
        confusion += [fold("The counts as a table", grid)]
        columns = (tested[name] for name in ("precision", "recall", "f1", "support"))
        rows = [
            [name, *map(_percent, shares), _count(support)]
            for name, *shares, support in zip(classes, *columns, strict=True)
        ]
        per_class = table("Of each class", ["Class", "Precision", "Recall", "F1", "Images"], rows, "numbers")
        calibration = _calibration(tested)
    mistakes = "The wrongly classified test images the network was surest of: true class, and what it said."
    filters = "The weights into each unit of the first hidden layer, drawn as images."
    graph = "The graph of one training step: images, layers, loss."
    sections = [
        section("Confusion", *confusion),
        section("Classes", per_class),
        section("Calibration", calibration),
        section("Worst mistakes", picture(folder / "mistakes.png", mistakes)),
        section("First-layer filters", picture(folder / "weights.png", filters)),
        section("Graph of a training step", picture(folder / "graph.svg", graph)),
    ]
    return "\n".join(filter(None, sections))


def log(run: Run) -> str:
    """Return what happened apart from the epochs."""
    told = [event for event in run.events if event.get("event") != "epoch"]
    rows = [
        [_moment(event), str(event.get("event", "")), _value({**event, "time": None, "event": None})]
        for event in told
    ]
    entries = table("What happened apart from the epochs", ["Time", "Event", "Details"], rows, "names")
    return section("Log", fold(f"{len(rows)} entries", entries, len(rows) <= 8)) if rows else ""


SETTINGS = {
    "dataset": "Data set",
    "hidden": "Hidden layers",
    "activation": "Activation",
    "dropout": "Dropout",
    "input_dropout": "Input dropout",
    "max_norm": "Max-norm",
    "optimizer": "Optimizer",
    "lr": "Learning rate",
    "schedule": "Schedule",
    "weight_decay": "Weight decay",
    "batch_size": "Batch size",
    "epochs": "Epochs",
    "validation": "Validation part",
    "early_stopping": "Early stopping",
    "seed": "Seed",
}


def _metrics(history: Sequence[Record]) -> str:
    if not history:
        return ""
    names = list(dict.fromkeys(name for record in history for name in record))
    header = ["Train loss" if name == "loss" else name.replace("_", " ").capitalize() for name in names]
    rows = [[_metric(name, record.get(name)) for name in names] for record in history]
    best = best_epoch(history)
    marked = [position for position, record in enumerate(history) if record is best]
    caption = "After each epoch" + (", the best by validation loss marked" if marked else "")
    numbers = table(caption, header, rows, "numbers", marked)
    return fold(f"The numbers of {len(history)} epochs", numbers, len(history) <= 20)


def _metric(name: str, value: float | None) -> str:
    if value is None or name.endswith("accuracy"):
        return _percent(value)
    digits = {"epoch": ".0f", "seconds": ".1f"}.get(name, ".4g")
    return format(value, digits)


def _mixed(tested: Record) -> str:
    """Return the three most frequent confusions, in words."""
    classes = tested.get("classes", [])
    counts = [
        (count, classes[true], classes[said])
        for true, row in enumerate(tested.get("confusion", []))
        for said, count in enumerate(row)
        if true != said and count
    ]
    counts.sort(key=lambda item: -item[0])
    words = [f"{true} taken for {said} ({_times(count)})" for count, true, said in counts[:3]]
    return f"Most often: {', '.join(words)}." if words else ""


def _calibration(tested: Record) -> str:
    """Return how well the confidence agrees with the accuracy: a sentence, a diagram, a table."""
    bins = [row for row in tested.get("calibration_bins", []) if None not in row]
    if not bins:
        return ""
    text = (
        f"Calibration error {_percent(tested.get('calibration_error'))}: how far confidence and accuracy lie "
        "apart, on average over the images. Right as often as sure is the dashed line."
    )
    rows = [
        [f"{_percent(low, '')} to {_percent(high)}", _count(count), _percent(confidence), _percent(accuracy)]
        for low, high, count, confidence, accuracy in bins
    ]
    header = ["Confidence", "Images", "Mean confidence", "Accuracy"]
    numbers = table("Images by the confidence of the answer", header, rows, "numbers")
    points = [(confidence, accuracy, count) for _, _, count, confidence, accuracy in bins]
    diagram = reliability_diagram(points, "Accuracy over confidence; the numbers are in the table below.")
    return f"<p>{text}</p>\n{diagram}\n{fold('The numbers', numbers)}"


def _title(run: Run) -> str:
    accuracy = run.evaluation.get("accuracy")
    reached = "" if accuracy is None else f": {_percent(accuracy)}"
    return f"{_dataset(run)}{reached} ({run.name})"


def _dataset(run: Run) -> str:
    asked = run.config.get("options", {}).get("dataset")
    return str(run.evaluation.get("dataset") or asked or "Training run")


def _network(options: Record) -> str:
    widths = options["hidden"]
    if not widths:
        return "A linear classifier: no hidden layer."
    units = " and ".join(map(str, widths)) if len(widths) < 3 else ", ".join(map(str, widths))
    layers = "a hidden layer" if len(widths) == 1 else f"{len(widths)} hidden layers"
    return f"A network with {layers} of {units} units ({options.get('activation', 'activation unknown')})."


# -------------------------------------------------------------------------- files, and values as words


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _read(path: Path) -> Record:
    text = "\n".join(_lines(path))
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no object")
    return content


def _numbers(row: Record) -> dict[str, float]:
    """Return what is a number in a row; one that was cut off lacks some."""
    found = {}
    for name, value in row.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue
    return found


def _percent(value: float | None, unit: str = "\N{NO-BREAK SPACE}%") -> str:
    return "–" if value is None else f"{100 * value:.2f}{unit}"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.1f} s"
    if hours < 1:
        return f"{int(minutes)} min {int(seconds) % 60:02} s"
    return f"{int(hours)} h {int(minutes) % 60:02} min"


def _moment(event: Record) -> str:
    return str(event.get("time", "")).replace("T", " ")


def _value(value: Any) -> str:
    """Return a value of JSON in words."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_value(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
