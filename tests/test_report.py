"""write_report: one page that tells a run, that nothing can break out of, and that a browser shows well."""

import html.parser
import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nn import plots
from nn.report import write_report

HOSTILE = "<script>alert(1)</script>\"'&amp;$body<!--"
CLASSES = ["cat", "dog", "owl"]
CONFUSION = np.array([[40, 2, 0], [5, 30, 1], [0, 0, 22]])


def history(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "loss": 0.5 / epoch,
            "train_accuracy": 0.9,
            "validation_loss": abs(epoch - 2) + 0.1,
            "validation_accuracy": 0.8,
            "test_loss": 0.3,
            "test_accuracy": 0.92,
            "learning_rate": 0.1,
        }
        for epoch in range(1, epochs + 1)
    ]


def evaluation(classes: list[str], confusion: Any) -> dict[str, Any]:
    correct, samples = int(np.trace(confusion)), int(np.sum(confusion))
    return {
        "dataset": "Animals",
        "samples": samples,
        "correct": correct,
        "accuracy": correct / samples,
        "interval": [0.85, 0.9567],
        "loss": 0.2,
        "classes": classes,
        "confusion": np.array(confusion).tolist(),
        "precision": [0.9] * (len(classes) - 1) + [None],
        "recall": [0.8] * len(classes),
        "f1": [0.85] * len(classes),
        "support": np.sum(confusion, axis=1).tolist(),
        "calibration_error": 0.0123,
        "calibration_bins": [[0.0, 0.5, 0, None, None], [0.5, 1.0, samples, 0.9, correct / samples]],
    }


def events(epochs: int) -> list[dict[str, Any]]:
    epoch = [
        {"event": "epoch", "time": f"2026-11-25T22:1{n}:00", "epoch": n, "seconds": 50} for n in (1, 2, 3)
    ]
    start = {"event": "start", "time": "2026-11-25T22:10:03"}
    return [start, *epoch[:epochs], {"event": "end", "time": "2026-11-25T22:19:00"}]


def fill(folder: Path, epochs: int = 3, **changes: Any) -> Path:
    """Make the folder of a run; a change of None leaves a file out."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"dataset": "animals", "hidden": [256, 128], "activation": "relu", "epochs": 3, "seed": 0}
    records = history(epochs)
    rows = [",".join(records[0]), *(",".join(map(str, record.values())) for record in records)]
    files = {
        "config.json": {
            "options": options | {"dropout": 0.0, "data_dir": None},
            "versions": {"numpy": "2.4"},
        },
        "metrics.csv": "\n".join(rows) + "\n",
        "log.jsonl": events(epochs),
        "evaluation.json": evaluation(CLASSES, CONFUSION),
    } | {name.replace("_", ".", 1): value for name, value in changes.items()}
    for path, content in files.items():
        if path == "log.jsonl" and isinstance(content, list):
            content = "".join(json.dumps(event) + "\n" for event in content)
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / path).write_text(text, encoding="utf-8", errors="surrogatepass")
    return folder


def draw(folder: Path) -> Path:
    """Add the pictures of a run."""
    plots.plot_curves(history(3), "Animals").savefig(folder / "curves.png", dpi=150)
    plots.plot_confusion(CONFUSION, CLASSES, "Animals").savefig(folder / "confusion.png", dpi=150)
    plots.plot_weights(np.eye(4), (2, 2), "Filters").savefig(folder / "weights.png", dpi=150)
    images = np.zeros((30, 4, 4), np.uint8)
    wrong = np.tile([0.1, 0.9], (30, 1))
    figure = plots.plot_mistakes(images, np.zeros(30, int), wrong, ["a", "b"], "Mistakes")
    figure.savefig(folder / "mistakes.png", dpi=150)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="50"><script>alert(1)</script></svg>'
    (folder / "graph.svg").write_text(svg)
    return folder


class Reader(html.parser.HTMLParser):
    """Collects text and elements of a page, each of which must be closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & {*self.open}:
            self.words.append(data)

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report(folder: Path) -> Reader:
    write_report(folder)
    return Reader((folder / "report.html").read_text("utf-8"))


# --------------------------------------------------------------------------------- without a browser


def test_the_top_tells_how_it_went(tmp_path: Path) -> None:
    text = report(fill(tmp_path / "run-7")).text
    assert text.startswith("Animals A network with 2 hidden layers of 256 and 128 units (relu).")
    for words in (
        "Test accuracy 92.00 %",
        "95 % interval 85.00 to 95.67 %",
        "Error rate 8.00 %",
        "Wrong 8 of 100",
        "Epochs 3 of 3",
        "Best epoch 2",
        "Training time 2 min 30 s",
        "It ran to its end. Started 2026-11-25 22:10:03, last entry 2026-11-25 22:19:00. Run run-7.",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.31, "0.9 s"), (20, "1 min 00 s"), (1200, "1 h 00 min"), (1219.9, "1 h 00 min")]
)
def test_training_times_have_fitting_units(tmp_path: Path, seconds: float, words: str) -> None:
    timed = [event | {"seconds": seconds} if "epoch" in event else event for event in events(3)]
    assert f"Training time {words}" in report(fill(tmp_path, log_jsonl=timed)).text


START = {"event": "start", "time": "2026-11-25T22:10:03"}
RESUME = {"event": "resume", "time": "2026-11-25T22:20:00"}
END = {"event": "end"}


@pytest.mark.parametrize(
    ("course", "options", "words"),
    [
        ([START], {}, "No end is recorded: it still runs, or was cut off."),
        ([START, END], {}, "It ended."),
        ([START, END], {"early_stopping": 2}, "It was ended early, by early stopping."),
        ([START, {"event": "stop", "reason": "SIGINT"}], {}, "It was interrupted."),
        (
            [START, RESUME, {"event": "stop", "reason": "SIGTERM", "message": "the step was finished"}],
            {},
            "It was told to end (SIGTERM): the step was finished. It was resumed once.",
        ),
        ([START, {"event": "stop", "reason": "nan"}], {}, "It stopped at a loss that is no number."),
        ([START, {"event": "stop", "reason": "full disk"}], {}, "It stopped (full disk)."),
        ([START, RESUME, RESUME, RESUME, END], {"epochs": 2}, "It ran to its end. It was resumed 3 times."),
    ],
)
def test_the_top_tells_how_it_ended(
    tmp_path: Path, course: list[dict[str, str]], options: dict[str, int], words: str
) -> None:
    config = {"options": {"epochs": 5} | options}
    assert f" {words} " in report(fill(tmp_path, 2, config_json=config, log_jsonl=course)).text


def test_settings_and_versions_are_there(tmp_path: Path) -> None:
    text = report(fill(tmp_path)).text
    assert "Hidden layers 256, 128 Activation relu Epochs 3 Seed 0 All options and versions" in text
    assert "Options Name Value" in text and "data_dir none" in text and "numpy 2.4" in text


def test_the_numbers_of_each_epoch_are_there_with_the_best_marked(tmp_path: Path) -> None:
    page = report(fill(tmp_path))
    assert "Epoch Train loss Train accuracy Validation loss Validation accuracy Test loss" in page.text
    assert "2 0.25 90.00 % 0.1 80.00 % 0.3 92.00 % 0.1 50.0" in page.text
    assert [attributes.get("class") for attributes in page.having("tr")].count("best") == 1


def test_nothing_is_marked_where_nothing_was_validated(tmp_path: Path) -> None:
    rows = "epoch,loss,train_accuracy,test_loss,test_accuracy,learning_rate\n1,nan,0.5,inf,0.5,0.1\n2,0.5,0.5"
    text = report(fill(tmp_path, metrics_csv=rows)).text
    assert "Best" not in text and "best" not in text
    assert "1 nan 50.00 % inf 50.00 % 0.1 50.0" in text
    assert "2 0.5 50.00 % – – – 50.0" in text  # a row that was cut off


def test_classes_confusions_and_calibration_are_there(tmp_path: Path) -> None:
    text = report(fill(tmp_path)).text
    assert (
        "Most often: dog taken for cat (5 times), cat taken for dog (twice), dog taken for owl (once)."
        in text
    )
    assert "True class cat dog owl cat 40 2 0 dog 5 30 1 owl 0 0 22" in text
    assert "Class Precision Recall F1 Images cat 90.00 % 80.00 % 85.00 % 42" in text
    assert "owl – 80.00 % 85.00 % 22" in text
    assert "Calibration error 1.23 %" in text
    assert "50.00 to 100.00 % 100 90.00 % 92.00 %" in text and "0.00 to 50.00 %" not in text


def test_the_log_leaves_no_event_out_but_epochs(tmp_path: Path) -> None:
    told = [*events(3), {"event": "warning", "time": "2026-11-25T23:00:00", "message": "no dot", "seed": 1}]
    lines = "".join(json.dumps(event) + "\n" for event in told) + '[1]\n{"event": "wa'
    text = report(fill(tmp_path, log_jsonl=lines)).text
    assert text.endswith("2026-11-25 23:00:00 warning message: no dot; seed: 1")
    assert "3 entries" in text


PICTURES = ("curves.png", "confusion.png", "mistakes.png", "weights.png", "graph.svg")


def test_pictures_are_in_the_page_and_are_described(tmp_path: Path) -> None:
    folder = draw(fill(tmp_path))
    images = report(folder).having("img")
    assert len(images) == len(PICTURES)
    for image in images:
        assert (image["src"] or "").startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
        assert len(image["alt"] or "") > 30
    assert (images[0]["width"], images[0]["height"]) == ("864", "422")


@pytest.mark.parametrize("missing", ["config.json", "metrics.csv", "log.jsonl", "evaluation.json", *PICTURES])
def test_whatever_is_missing_is_left_out(tmp_path: Path, missing: str) -> None:
    folder = draw(fill(tmp_path))
    whole = len(report(folder).elements)
    (folder / missing).unlink()
    assert len(report(folder).elements) < whole


def test_an_empty_folder_has_a_page_that_says_little(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert report(folder).text == "Training run Run empty."


def test_a_run_that_was_stopped_before_it_was_tested_has_its_last_accuracy(tmp_path: Path) -> None:
    assert "Test accuracy, last epoch 92.00 %" in report(fill(tmp_path, evaluation_json=None)).text


def test_a_network_whose_confidence_is_no_number_has_no_calibration(tmp_path: Path) -> None:
    bins = [[0.0, 0.5, 0, None, None], [0.5, 1.0, 4, None, 0.25]]
    broken = evaluation(["a", "b"], [[1, 0], [3, 0]]) | {"calibration_error": None, "calibration_bins": bins}
    text = report(fill(tmp_path, evaluation_json=broken)).text
    assert "Test accuracy 25.00 %" in text
    assert "Calibration" not in text


@pytest.mark.parametrize("text", ['{"samples": 1', "[]"])
def test_json_that_is_torn_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"evaluation\.json (is not JSON|holds no object)"):
        write_report(fill(tmp_path, evaluation_json=text))


def hostile(folder: Path) -> Path:
    names = [HOSTILE, "‮שלום", "x" * 500]
    config = {
        "options": {HOSTILE: HOSTILE, "dataset": HOSTILE, "hidden": [HOSTILE], "out": "\ud800", "lr": HOSTILE}
    }
    told = [{"event": HOSTILE, "time": HOSTILE, HOSTILE: [HOSTILE]}, {"event": "stop", "reason": HOSTILE}]
    return fill(
        folder,
        config_json=config | {"versions": {HOSTILE: HOSTILE}},
        evaluation_json=evaluation(names, CONFUSION) | {"dataset": HOSTILE},
        log_jsonl=told,
        metrics_csv=f"epoch,{HOSTILE}\n1,2\n",
    )


def test_no_name_is_taken_for_html(tmp_path: Path) -> None:
    page = report(hostile(tmp_path / "a$title<b onclick=alert(2)>"))
    plain = {tag for tag, _ in report(fill(tmp_path / "plain")).elements}
    assert {tag for tag, _ in page.elements} <= plain
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "Run a$title<b onclick=alert(2)>." in page.text
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_the_page_loads_nothing_and_may_not(tmp_path: Path) -> None:
    page = report(draw(hostile(tmp_path)))
    text = re.sub(r"base64,[^\"]*", "", (tmp_path / "report.html").read_text("utf-8"))
    assert re.findall(r"""url\(|@import|https?:|<link|<script""", text) == []
    assert not any("href" in attributes for _, attributes in page.elements)
    policy = next(meta["content"] for meta in page.having("meta") if "http-equiv" in meta)
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")


def test_headings_are_in_order_and_tables_have_headers(tmp_path: Path) -> None:
    page = report(draw(fill(tmp_path)))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {header.get("scope") for header in page.having("th")} == {"col", "row"}
    assert len(page.having("caption")) == len(page.having("table")) > 5


def test_a_report_is_whole_or_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path)
    write_report(folder)
    before = (folder / "report.html").read_bytes()
    (folder / "evaluation.json").unlink()

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before
    assert not list(folder.glob("*.part"))


# ------------------------------------------------------------------------------------ in a browser


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("make", [fill, hostile])
def test_a_browser_shows_it_without_errors_requests_or_sideways_scrolling(
    driver: Any, tmp_path: Path, make: Any, width: int
) -> None:
    folder = draw(make(tmp_path))
    write_report(folder)
    driver.get_log("performance")
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get((folder / "report.html").as_uri())
    driver.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    loaded = "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert driver.execute_script(loaded)
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    requests = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in requests if not url.startswith("data:")} == {(folder / "report.html").as_uri()}


def contrast(driver: Any, selector: str) -> float:
    """Return the contrast of an element's text with the page, as WCAG defines it."""
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    lights = []
    for place, name in ((selector, "color"), ("body", "backgroundColor")):
        numbers = re.findall(r"\d+", driver.execute_script(style, place, name))
        channels = np.array([int(number) for number in numbers[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_the_light_and_in_the_dark(driver: Any, tmp_path: Path, scheme: str) -> None:
    write_report(fill(tmp_path))
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get((tmp_path / "report.html").as_uri())
    background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert all(contrast(driver, selector) > 4.5 for selector in ("h1", "dt", "dd", "th", "td", "summary"))
