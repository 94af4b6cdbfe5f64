"""Pictures from DOT text: with the program dot, in notebooks, and what becomes of them without it."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest
from drawn import HOSTILE, ROOT, needs_dot, read, render, variable

from autograd import Tensor, draw_graph
from nn import MLP, cross_entropy


def small(name: str = "x") -> graphviz.Digraph:
    y = np.sum(variable([1.0, 2.0], name) * 3)
    y.backward(retain_graph=True)
    return draw_graph(y)


needs_layout = pytest.mark.skipif(find_spec("graphlay") is None, reason="graphlay is not installed")


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def without_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)


# ------------------------------------------------------------------------------------------- with dot


@needs_dot
def test_render_writes_a_picture(tmp_path: Path) -> None:
    written = small().render(tmp_path / "graph", format="svg", cleanup=True)
    assert Path(written) == tmp_path / "graph.svg"
    assert ElementTree.parse(written).getroot().tag.endswith("svg")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.svg"]


@needs_dot
@pytest.mark.parametrize("kind, begin", [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_formats_of_graphviz(kind: str, begin: bytes, tmp_path: Path) -> None:
    written = small().render(outfile=tmp_path / f"picture.{kind}", cleanup=True)
    assert Path(written) == tmp_path / f"picture.{kind}"
    assert Path(written).read_bytes().startswith(begin)
    assert small().pipe(kind).startswith(begin)


@needs_dot
def test_a_notebook_shows_the_picture() -> None:
    bundle = small()._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]


@needs_dot
@pytest.mark.parametrize("options", [{}, {"backward": True}, {"direction": "LR"}, {"color_by": "memory"}])
def test_pictures_of_training_steps_give_no_warnings(options: Any) -> None:
    model = MLP((3, 4, 4, 2), dropout=0.5, generator=np.random.default_rng(0))
    loss = cross_entropy(model(Tensor(np.ones((5, 3), np.float32), name="x")), np.zeros(5, int))
    loss.backward(retain_graph=True)
    show = ("values", "grads", "shapes", "dtypes", "memory", "time")
    assert "linear_relu" in render(draw_graph(loss, show=show, **options))


@needs_dot
def test_tooltips_are_in_the_picture() -> None:
    image = small().pipe("svg", encoding="utf-8")
    assert "gradient: min 3, mean 3, max 3" in image
    root = ElementTree.fromstring(image.encode())
    titles = {value for element in root.iter() for key, value in element.attrib.items() if "title" in key}
    assert any("gradient by a: g * b" in title for title in titles)


# ------------------------------------------------------------------------------- with dot or without it


@pytest.mark.parametrize("ways", ["outfile", "format", "filename"])
def test_dot_text_and_page_need_no_program(ways: str, tmp_path: Path, without_dot: None) -> None:
    drawn = small()
    for kind in ("dot", "html"):
        path = tmp_path / "sub" / f"picture.{kind}"
        if ways == "outfile":
            written = drawn.render(outfile=path)
        elif ways == "format":
            written = drawn.render("picture", directory=tmp_path / "sub", format=kind)
        else:
            written = drawn.render(filename=path.with_suffix(""), format=kind)
        assert Path(written) == path
        text = path.read_text(encoding="utf-8")
        assert (text == drawn.source) if kind == "dot" else ("<!doctype html>" in text.lower())
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == ["picture.dot", "picture.html"]


def test_pipe_gives_bytes_or_text(without_dot: None) -> None:
    drawn = small()
    assert drawn.pipe("dot") == drawn.source.encode()
    assert drawn.pipe("dot", encoding="utf-8") == drawn.source
    assert drawn.pipe("html", encoding="utf-8") == str(drawn.html())
    assert drawn.pipe("html") == str(drawn.html()).encode()


def test_the_page_of_a_notebook_is_a_frame() -> None:
    frame = small('<b>"').html()._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert frame.endswith("</iframe>")
    assert frame.count('"') % 2 == 0
    ElementTree.fromstring(frame)


def test_without_dot_and_layout_the_text_is_written_with_a_warning(
    tmp_path: Path, without_dot: None, without_layout: None
) -> None:
    for kind in ("svg", "pdf", "png"):
        with pytest.warns(
            UserWarning, match=rf"picture.dot is written instead of a {kind}: .*install Graphviz"
        ):
            written = small().render(outfile=tmp_path / f"picture.{kind}")
        assert Path(written) == tmp_path / "picture.dot"
        assert Path(written).read_text(encoding="utf-8") == small().source


def test_without_dot_and_layout_a_pipe_fails_as_that_of_graphviz(
    without_dot: None, without_layout: None
) -> None:
    for kind in ("svg", "png"):
        with pytest.raises(graphviz.ExecutableNotFound):
            small().pipe(kind)


def test_without_dot_and_layout_a_notebook_shows_the_page(without_dot: None, without_layout: None) -> None:
    bundle = small()._repr_mimebundle_()
    assert bundle["text/html"].startswith("<iframe")
    assert bundle["text/plain"] == small().source


@needs_layout
def test_without_dot_svg_is_drawn_with_graphlay(tmp_path: Path, without_dot: None) -> None:
    written = small().render(outfile=tmp_path / "picture.svg")
    assert Path(written) == tmp_path / "picture.svg"
    assert ElementTree.parse(written).getroot().tag.endswith("svg")
    assert small().pipe("svg", encoding="utf-8") == Path(written).read_text(encoding="utf-8")
    assert "<svg" in small()._repr_mimebundle_()["image/svg+xml"]
    with pytest.warns(UserWarning, match=r"picture.svg is written instead of a png"):
        assert small().render(outfile=tmp_path / "picture.png").endswith("picture.svg")


def test_a_dot_that_fails_is_no_reason_to_lose_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_layout: None
) -> None:
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.warns(UserWarning, match="written instead of a svg: dot could not draw the graph"):
        written = small().render(outfile=tmp_path / "picture.svg")
    assert Path(written).suffix == ".dot"
    chain = variable(1.0)
    for _ in range(3_000):  # more text than a pipe holds: it breaks, since nobody reads it
        chain = chain + 1.0
    long = draw_graph(chain, max_nodes=None)
    with pytest.raises(graphviz.CalledProcessError):
        long.pipe(format="svg")
    assert "text/html" in long._repr_mimebundle_()


# ---------------------------------------------------------------------------------- as a Digraph


def test_a_picture_can_be_changed_as_any_digraph() -> None:
    drawn = small()
    drawn.node("extra", label="mine")
    drawn.edge("n0", "extra")
    drawn.attr(bgcolor="white")
    assert "\textra [label=mine]\n\tn0 -> extra\n" in drawn.source
    with drawn.subgraph(name="cluster_mine") as part:
        part.node("inside")
    assert "subgraph cluster_mine" in drawn.source
    parent = graphviz.Digraph("both")
    parent.subgraph(small())
    assert "n0 -> n1" in parent.source


def test_a_copy_draws_the_same() -> None:
    copied = small().copy()
    assert copied.source == small().source
    assert copied.diagram is not None
    assert str(copied.html()) == str(small().html())


def test_a_part_of_a_picture_is_no_page() -> None:
    drawn = small()
    with drawn.subgraph(name="part") as part:
        part.node("inside")
        with pytest.raises(ValueError, match=r"a part of a picture.*draw_graph"):
            part.html()


def test_saving_the_text(tmp_path: Path) -> None:
    path = small().save(tmp_path / "graph.gv")
    assert Path(path).read_text(encoding="utf-8") == small().source


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_on_the_way_through_quotes_and_labels(name: str) -> None:
    drawn = read(small(name))
    assert drawn.texts["n0"][0] == name
    assert drawn.tooltips["n0"].startswith(f"{name}: (2,)")


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tooltips_show_as_themselves(name: str) -> None:
    image = ElementTree.fromstring(small(name).pipe("svg"))
    key = "{http://www.w3.org/1999/xlink}title"
    titles = [element.attrib[key].replace("\u200b", "") for element in image.iter() if key in element.attrib]
    expected = f"{name}: (2,)"
    assert any(" ".join(title.split()).startswith(" ".join(expected.split())) for title in titles), titles


def test_importing_the_package_needs_no_graphviz() -> None:
    program = (
        "import sys; sys.modules['graphviz'] = None\n"
        "import numpy as np\nfrom autograd import Tensor, draw_graph\n"
        "try: draw_graph(Tensor(1.0))\nexcept ModuleNotFoundError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "graphviz" in result.stdout
