"""Pictures without the program dot: words in their shapes, shapes in their frames, arrows between borders."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from autograd.drawing.diagram import BACKWARD, COLORS, GRADIENT, QUIET, Arrow, Diagram, Frame, Legend, Shape
from autograd.drawing.layout import BOLD, REGULAR, svg

pytest.importorskip("graphlay", reason="the package graphlay (pip install '.[layout]') is not installed")

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</text><script>alert(1)</script>",
    "\"><&amp;'",
    "\0\x1b\ud800\n\ufffe",
    "\\N \\G %s {}",
    "nan",
    " ",
    "",
]

# ----------------------------------------------------------------------------------- reading pictures


@dataclass
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: "Box", slack: float = 0.1) -> bool:
        return (
            self.left - slack <= other.left
            and self.top - slack <= other.top
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def has_on_border(self, point: tuple[float, float], slack: float = 1.0) -> bool:
        x, y = point
        outer = Box(self.left - slack, self.top - slack, self.right + slack, self.bottom + slack)
        inner = Box(self.left + slack, self.top + slack, self.right - slack, self.bottom - slack)
        return outer.holds(Box(x, y, x, y), 0) and not inner.holds(Box(x, y, x, y), -1e-6)


@dataclass
class Picture:
    page: Box
    shapes: dict[str, Box] = field(default_factory=dict)
    frames: list[Box] = field(default_factory=list)
    words: dict[str, list[tuple[str, Box]]] = field(default_factory=dict)
    """Of each shape; under "" what stands outside of shapes."""
    arrows: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)
    tooltips: list[str] = field(default_factory=list)


def read(text: str) -> Picture:
    root = ElementTree.fromstring(text.encode())
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    picture = Picture(Box(left, top, left + width, top + height))
    for child in root:
        kind = child.get("class", "")
        if kind == "shape":
            name = child.attrib["id"]
            picture.shapes[name] = _rectangle(child)
            picture.words[name] = [_words(text, -0.5) for text in child.iter(f"{SVG}text")]
        elif kind == "frame":
            picture.frames.append(_rectangle(child))
        elif kind == "arrow":
            line, head = child.find(f"{SVG}path"), child.find(f"{SVG}polygon")
            assert line is not None and head is not None
            start = re.match(r"M([-\d.]+),([-\d.]+)", line.attrib["d"])
            assert start is not None
            tip = head.attrib["points"].split()[0].split(",")
            picture.arrows.append(((float(start[1]), float(start[2])), (float(tip[0]), float(tip[1]))))
        elif child.tag == f"{SVG}text":
            shift = -0.5 if child.get("text-anchor") == "middle" else 0
            picture.words.setdefault("", []).append(_words(child, shift))
        picture.tooltips += [title.text or "" for title in child.iter(f"{SVG}title")]
    return picture


def _rectangle(group: ElementTree.Element) -> Box:
    element = group.find(f"{SVG}rect")
    assert element is not None
    x, y, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
    return Box(x, y, x + width, y + height)


def _words(element: ElementTree.Element, shift: float) -> tuple[str, Box]:
    text, size = element.text or "", float(element.attrib["font-size"])
    width = float(element.get("textLength", size * len(text)))
    left, baseline = float(element.attrib["x"]) + shift * width, float(element.attrib["y"])
    return text, Box(left, baseline - 0.75 * size, left + width, baseline + 0.22 * size)


def shapes(count: int, frame: Frame | None = None) -> list[Shape]:
    kinds = list(COLORS)
    return [
        Shape(f"n{i}", kinds[i % len(kinds)], f"op {i}", [[("(3, 4)", QUIET)]], f"tip {i}", frame)
        for i in range(count)
    ]


def chain(count: int) -> Diagram:
    diagram = Diagram(shapes(count))
    diagram.arrows = [Arrow(tail, head, True, True) for tail, head in pairwise(diagram.shapes)]
    return diagram


def network() -> Diagram:
    """Three blocks in a module, the first two with a shortcut around them, as an engine would record them."""
    outer = Frame("Network", tooltip="all of it")
    diagram = Diagram([Shape("x", "data", "x", [[("(8, 16)", QUIET)]])], [outer])
    x = diagram.shapes[0]
    for number in range(3):
        block = Frame(f"blocks.{number}  Block with a long name", outer)
        inner = Frame("linear  Linear", block)
        diagram.frames += [block, inner]
        weight = Shape(f"w{number}", "parameter", "weight", [[("(16, 16)", QUIET)]], frame=inner)
        product = Shape(
            f"p{number}", "op", "matmul", [[("rms 0.5", QUIET), ("grad rms 0.01", GRADIENT)]], frame=inner
        )
        total = Shape(f"t{number}", "op", "add", [], frame=block)
        diagram.shapes += [weight, product, total]
        diagram.arrows += [
            Arrow(x, product, True, True, room=True),
            Arrow(weight, product, True),
            Arrow(product, total, True, True),
            Arrow(x, total, number > 0),
        ]
        x = total
    diagram.arrows.append(Arrow(diagram.shapes[6], diagram.shapes[2], True, again=True))
    return diagram


# ----------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize("advances, font", [(REGULAR, "Helvetica"), (BOLD, "Helvetica-Bold")])
def test_widths_are_those_of_the_font(advances: dict[int, int], font: str) -> None:
    path = Path(matplotlib.get_data_path(), "fonts", "pdfcorefonts", f"{font}.afm")
    metrics = re.findall(r"^C (\d+) ; WX (\d+) ; N (\w+)", path.read_text("latin-1"), re.MULTILINE)
    known = {int(code): int(width) for code, width, _ in metrics}
    typed = {name: int(width) for _, width, name in metrics}
    known |= {ord("'"): typed["quotesingle"], ord("`"): typed["grave"]}  # their codes mean other signs in AFM
    assert advances == {code: known[code] for code in range(32, 127)}


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_words_stay_in_their_shape_and_do_not_meet(direction: str) -> None:
    diagram = network()
    diagram.direction = direction
    diagram.shapes[1].title = "W" * 60
    diagram.shapes[2].lines += [
        [("i" * 90, QUIET)],
        [("重み" * 30, QUIET), ("αβγ", QUIET)],
        [("\x1b" * 9, QUIET)],
    ]
    picture = read(svg(diagram))
    for shape in diagram.shapes:
        words = picture.words[shape.name]
        assert len(words) == 1 + sum(map(len, shape.lines))
        for number, (_, box) in enumerate(words):
            assert picture.shapes[shape.name].holds(box)
            assert not any(box.meets(other) for _, other in words[:number])


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_shown_and_nothing_else(text: str) -> None:
    frame = Frame(text, None, text)
    shape = Shape("n0", "op", text, [[(text, QUIET), (text, QUIET)]], text, frame)
    legend = Legend(text, text, text, ["#ffffff", "#000000"])
    drawn = svg(Diagram([shape], [frame], [], "TB", text, legend))
    expected = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    assert [words for words, _ in read(drawn).words["n0"]] == [expected] * 3
    assert {element.tag for element in ElementTree.fromstring(drawn.encode()).iter()} <= {
        f"{SVG}{name}" for name in ("svg", "g", "rect", "text", "title")
    }


def test_spaces_in_a_row_are_kept() -> None:
    frame = Frame("layers.0  Linear")
    ((label, _),) = read(svg(Diagram(shapes(1, frame), [frame]))).words[""]
    assert label == "layers.0 \N{NO-BREAK SPACE}Linear"


def test_lines_of_tooltips_are_kept() -> None:
    diagram = network()
    diagram.shapes[1].tooltip = "weight\n<least> 0.1\n\tlargest nan"
    assert read(svg(diagram)).tooltips == ["all of it", "weight\n<least> 0.1\n\ufffdlargest nan"]


# --------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_frames_hold_what_is_in_them_and_nothing_else(direction: str) -> None:
    diagram = network()
    diagram.direction = direction
    picture = read(svg(diagram))
    for frame, box in zip(diagram.frames, picture.frames, strict=True):
        for shape in diagram.shapes:
            around, inside = shape.frame, False
            while around is not None and not inside:
                around, inside = around.parent, around is frame
            other = picture.shapes[shape.name]
            assert box.holds(other) if inside else not box.meets(other)
    for number, (_, label) in enumerate(picture.words[""]):
        assert picture.frames[number].holds(label)
        assert not any(label.meets(box) for box in picture.shapes.values())
        assert not any(label.meets(other) for _, other in picture.words[""][:number])


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_arrows_lead_from_border_to_border_and_shapes_do_not_meet(direction: str) -> None:
    diagram = network()
    diagram.direction = direction
    # Twice the same, to itself, back, up along the side, and between parts that nothing else joins.
    extra = shapes(9)
    ends = [(0, 1), (0, 1), (1, 1), (1, 2), (3, 4)]
    diagram.shapes += extra
    diagram.arrows += [Arrow(extra[tail], extra[head]) for tail, head in ends]
    diagram.arrows += [Arrow(extra[2], extra[0], again=True), Arrow(extra[5], extra[2], upward=True)]
    picture = read(svg(diagram))
    assert len(picture.arrows) == len(diagram.arrows)
    for arrow, (start, end) in zip(diagram.arrows, picture.arrows, strict=True):
        assert picture.shapes[arrow.tail.name].has_on_border(start)
        assert picture.shapes[arrow.head.name].has_on_border(end)
    assert picture.arrows[-6] != picture.arrows[-7]  # of the two, none hides the other
    boxes = list(picture.shapes.values())
    assert not any(box.meets(other) for number, box in enumerate(boxes) for other in boxes[:number])
    assert all(map(picture.page.holds, [*boxes, *picture.frames]))


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_what_is_computed_later_stands_further_down_or_right(direction: str) -> None:
    diagram = network()
    diagram.direction = direction
    picture = read(svg(diagram))
    for arrow in diagram.arrows:
        tail, head = picture.shapes[arrow.tail.name], picture.shapes[arrow.head.name]
        first, last = (head, tail) if arrow.again else (tail, head)
        assert first.bottom < last.top if direction == "TB" else first.right < last.left


def test_a_gradient_stands_above_what_it_is_computed_from() -> None:
    diagram = Diagram(shapes(2))
    diagram.arrows = [Arrow(*diagram.shapes, upward=True)]
    drawn = svg(diagram)
    tail, head = read(drawn).shapes.values()
    assert head.bottom < tail.top
    assert BACKWARD in drawn


def test_shapes_of_no_arrow_do_not_meet() -> None:
    boxes = list(read(svg(Diagram(shapes(50)))).shapes.values())
    assert len(boxes) == 50
    assert not any(box.meets(other) for number, box in enumerate(boxes) for other in boxes[:number])


def test_a_thousand_shapes_in_a_row() -> None:
    boxes = list(read(svg(chain(1000))).shapes.values())
    assert all(upper.bottom < lower.top for upper, lower in pairwise(boxes))


def test_a_tensor_that_hundreds_use() -> None:
    diagram = Diagram(shapes(400))
    diagram.arrows = [Arrow(diagram.shapes[0], shape) for shape in diagram.shapes[1:]]
    picture = read(svg(diagram))
    assert len({start for start, _ in picture.arrows}) == 399


def test_frames_deeper_than_the_stack_of_python() -> None:
    frames: list[Frame] = []
    for number in range(2000):
        frames.append(Frame(f"level {number}", frames[-1] if frames else None))
    diagram = Diagram(shapes(2), frames)
    diagram.shapes[1].frame = frames[-1]
    diagram.arrows = [Arrow(*diagram.shapes)]
    picture = read(svg(diagram))
    assert all(outer.holds(inner) for outer, inner in pairwise(picture.frames))
    assert picture.frames[-1].holds(picture.shapes["n1"])


# ----------------------------------------------------------------------------------------------- marks


def test_an_empty_diagram_is_an_empty_picture() -> None:
    assert read(svg(Diagram())) == Picture(Box(-6, -6, 6, 6))


def test_an_empty_frame_is_not_drawn() -> None:
    assert read(svg(Diagram(shapes(1), [Frame("nothing")]))).frames == []


def test_one_shape_has_its_colours_and_fills_the_picture() -> None:
    shape = Shape("n0", "parameter", "weight", [])
    drawn = svg(Diagram([shape]))
    fill, border = COLORS["parameter"]
    assert f'fill="{fill}" stroke="{border}"' in drawn
    (box,) = read(drawn).shapes.values()
    assert Box(box.left - 6, box.top - 6, box.right + 6, box.bottom + 6) == read(drawn).page
    shape.fill = "#123456"
    assert f'fill="#123456" stroke="{border}"' in svg(Diagram([shape]))


def test_arrows_of_gradients_are_darker_and_those_between_repetitions_dashed() -> None:
    diagram = Diagram(shapes(2))
    plain, gradient, again = (
        svg(Diagram(diagram.shapes, [], [Arrow(*diagram.shapes, **options)]))
        for options in ({}, {"gradient": True}, {"again": True})
    )
    assert 'stroke="#9aa0a8" stroke-width="1.0"' in plain
    assert 'stroke="#4b5563" stroke-width="1.3"' in gradient
    assert "dasharray" in again and "dasharray" not in plain + gradient


@pytest.mark.parametrize("caption", ["", "folded to 3 shapes, which takes more room than they do"])
def test_caption_and_legend_stand_below_and_in_the_picture(caption: str) -> None:
    legend = Legend("gradient (rms)", "1e-05", "0.25", ["#ffffff", "#a0c0e0", "#4080c0"])
    diagram = Diagram(shapes(1), [], [], "TB", caption, legend)
    drawn = svg(diagram)
    picture = read(drawn)
    (shape,) = picture.shapes.values()
    words = dict(picture.words[""])
    assert list(words) == [*([caption] if caption else []), "gradient (rms): 1e-05", "0.25"]
    for box in words.values():
        assert picture.page.holds(box) and box.top > shape.bottom
    bar = [
        _rectangle_of(element) for element in ElementTree.fromstring(drawn.encode()).findall(f"{SVG}rect")
    ][1:]
    assert len(bar) == 3
    assert words["gradient (rms): 1e-05"].right < bar[0].left < bar[-1].right < words["0.25"].left


def _rectangle_of(element: ElementTree.Element) -> Box:
    group = ElementTree.Element("g")
    group.append(element)
    return _rectangle(group)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        svg(Diagram())
    assert caught.value.name == "graphlay"


def test_the_text_is_the_same_each_time() -> None:
    program = "import sys; from tests.test_layout import network, svg; sys.stdout.write(svg(network()))"
    options = {"cwd": ROOT, "env": os.environ | {"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}}
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, **options)
    assert svg(network()) == svg(network()) == other.stdout.decode().replace("\r\n", "\n")
