"""The scripts of examples/ run, and write pictures beside themselves."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / "examples").glob("*.py"))


def run(script: Path, folder: Path) -> None:
    copy = shutil.copy(script, folder)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", copy]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(path) for path in written(folder)]


def written(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.suffix != ".py"), reverse=True)


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot (Graphviz) is not installed")
@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.with_suffix(".svg").exists()], ids=lambda path: path.stem
)
def test_a_picture_and_a_page(script: Path, tmp_path: Path) -> None:
    run(script, tmp_path)
    picture, page = written(tmp_path)
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert words(picture) == words(script.with_suffix(".svg"))  # the committed picture is that of the script


def words(path: Path) -> list[str]:
    """Return the texts of a picture, less numbers, which processors round differently."""
    texts = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    return sorted(re.sub(r"-?\d[\d.e-]*", "#", text.text or "") for text in texts)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot (Graphviz) is not installed")
def test_the_page_that_compares(tmp_path: Path) -> None:
    script = ROOT / "examples" / "compare.py"
    copy = shutil.copy(script, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, copy], env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<h2>graphgrad</h2><svg" in page
    for word in ("linear_relu", "784, 256", "layers.0", "235,146 parameters"):
        assert word in page


def test_the_table_is_reproduced_in_a_small_run(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    script = shutil.copy(ROOT / "examples" / "dropout_2014.py", tmp_path / "examples")
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    small = ["--dataset", "digits", "--hidden", "16", "--epochs", "2", "--graph", "dot"]
    for arguments in (small, []):  # the second time it goes on, and finds all done
        result = subprocess.run(
            [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr
        last = result.stdout.splitlines()[-1]
        assert re.fullmatch(r"Mean error \d+\.\d{3} %, paper 1\.06 %, after 0 minutes", last)
    kept = tmp_path / "examples" / "dropout-2014"
    assert {path.name for path in kept.iterdir()} == {
        "summary.json",
        *(f"seed-{seed}.{kind}" for seed in range(3) for kind in ("csv", "png")),
    }
