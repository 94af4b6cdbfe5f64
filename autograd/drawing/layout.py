"""From a diagram to SVG without the program `dot`: the package graphlay places it, this file writes it."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from math import hypot
from typing import Any

from autograd.drawing.diagram import BORDER, FONT, QUIET, TEXT, Arrow, Diagram, Frame, Line, Shape, printable

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, width and height, in points

TITLE, SMALL = 11.0, 9.0
TITLE_ROW, SMALL_ROW = 15.0, 12.0
SIDE, TOP, COLUMN_GAP = 8.0, 4.0, 8.0
MARGIN, ROUNDING, TURN, HEAD = 6.0, 8.0, 8.0, 7.0

# How far the printable characters of ASCII advance in Helvetica and Arial, in thousandths of the font's size:
# Adobe's font metrics (Core 14 AFM). Other characters are taken to be as wide as high.
ADVANCES = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278
278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722
667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556
556 333 500 278 556 500 722 500 500 500 334 260 334 584"""
BOLD_ADVANCES = """
278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333
333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722
667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611
611 389 556 333 611 556 778 556 556 500 389 280 389 584"""
REGULAR, BOLD = (dict(enumerate(map(int, table.split()), ord(" "))) for table in (ADVANCES, BOLD_ADVANCES))


def svg(diagram: Diagram) -> str:
    """Return the text of an SVG file, the same in every run.

    Raises ModuleNotFoundError where graphlay is not installed.
    """
    boxes, routes, (left, top, width, height) = _place(diagram)
    frames, labels = _frames(diagram, boxes)
    arrows = map(_arrow, diagram.arrows, routes)
    shapes = [_shape(shape, boxes[shape]) for shape in diagram.shapes]
    below, needed = _below(diagram, left + width / 2, top + height)
    left -= max(0, needed[0] - width) / 2 + MARGIN
    width, height = max(needed[0], width) + 2 * MARGIN, height + needed[1] + 2 * MARGIN
    page = left, top - MARGIN, width, height
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_length(width)}pt" height="{_length(height)}pt" '
        f'viewBox="{" ".join(map(_length, page))}" font-family="{FONT},Helvetica,sans-serif">\n'
        f"{_rectangle(page, 'white', 'none', 0)}\n"
        + "".join(f"{part}\n" for part in (*frames, *arrows, *labels, *shapes, *below))
        + "</svg>\n"
    )


# ------------------------------------------------------------------------------------------- places


def _place(diagram: Diagram) -> tuple[dict[Shape | Frame, Bounds], list[list[Point]], Bounds]:
    """Return where each shape and frame stands, the way of each arrow, and the box around all of them."""
    import graphlay

    frames: dict[Frame, None] = {}  # those that have something in them
    for shape in diagram.shapes:
        frame = shape.frame
        while frame is not None and frame not in frames:
            frames[frame] = None
            frame = frame.parent
    items: list[Shape | Frame] = [*diagram.shapes, *frames]
    numbers = {item: number for number, item in enumerate(items)}
    nodes: list[dict[str, Any]] = []
    for item in items:
        width, height = _size(item)
        node = {"size": {"width": width, "height": height}}
        outer = item.frame if isinstance(item, Shape) else item.parent
        nodes.append(node if outer is None else node | {"parent": numbers[outer]})
    edges = []
    for arrow in diagram.arrows:
        first, last = (arrow.head, arrow.tail) if _turned(arrow) else (arrow.tail, arrow.head)
        edges.append({"source": numbers[first], "target": numbers[last], "weight": 8 if arrow.main else 1})
    layout = graphlay.layout(
        {"nodes": nodes, "edges": edges},
        options={
            "direction": "leftright" if diagram.direction == "LR" else "topbottom",
            # Diagonal lines run through shapes, and take minutes for thousands of them.
            "routing": {"style": "orthogonal", "lane_gap": 6.0},
            "spacing": {
                "layer_gap": 18.0,
                "node_gap": 18.0,
                "dummy_gap": 12.0,
                "isolated_gap": 18.0,
                "compound_padding": 14.0,
                "compound_header": 3.0,
            },
            # The cost of it grows with the cube of the lines between two layers.
            "tuning": {"routing": {"port_relax_rounds": 0}},
        },
    )
    boxes, routes = {}, []
    for item, node in zip(items, layout.nodes, strict=True):
        center, width, height = node["center"], node["size"]["width"], node["size"]["height"]
        boxes[item] = center["x"] - width / 2, center["y"] - height / 2, width, height
    for arrow, edge in zip(diagram.arrows, layout.edges, strict=True):
        points = [(point["x"], point["y"]) for point in edge["points"]]
        routes.append(points[::-1] if _turned(arrow) else points)
    least, most = layout.bounds["min"], layout.bounds["max"]
    return boxes, routes, (least["x"], least["y"], most["x"] - least["x"], most["y"] - least["y"])


def _turned(arrow: Arrow) -> bool:
    """Tell whether an arrow points against the direction of the layout."""
    return arrow.again or arrow.upward


def _size(item: Shape | Frame) -> Point:
    """Return the width and height that an item's words need."""
    if isinstance(item, Frame):
        return _width(item.label, SMALL) + 2 * SIDE, SMALL_ROW
    widths = [_width(item.title, TITLE, bold=True), *map(_line_width, item.lines)]
    return max(widths) + 2 * SIDE, TITLE_ROW + SMALL_ROW * len(item.lines) + 2 * TOP


def _line_width(line: Line) -> float:
    return sum(_width(text, SMALL) for text, _ in line) + COLUMN_GAP * (len(line) - 1)


def _width(text: str, size: float, bold: bool = False) -> float:
    advances = BOLD if bold else REGULAR
    return sum(advances.get(ord(letter), 1000) for letter in printable(text)) * size / 1000


# -------------------------------------------------------------------------------------------- marks


def _frames(diagram: Diagram, boxes: dict[Shape | Frame, Bounds]) -> tuple[list[str], list[str]]:
    """Return the frames that have something in them, and their labels, which stand on the arrows."""
    rectangles, labels = [], []
    depth: dict[Frame | None, int] = {None: 0}
    for frame in diagram.frames:
        depth[frame] = depth[frame.parent] + 1
        if frame in boxes:
            ground = f"#{3 * f'{round(255 * 0.96 ** min(depth[frame], 6)):02x}'}"
            rectangle = _rectangle(boxes[frame], ground, frame.color)
            rectangles.append(f'<g class="frame">{_tooltip(frame.tooltip)}{rectangle}</g>')
            x, y = boxes[frame][0] + SIDE, boxes[frame][1] + SMALL_ROW - 1
            halo = f'stroke="{ground}" stroke-width="3" paint-order="stroke"'
            labels.append(_words(x, y, frame.label, SMALL, QUIET, halo))
    return rectangles, labels


def _shape(shape: Shape, box: Bounds) -> str:
    left, top, width, _ = box
    fill, border = shape.colors
    y = top + TOP + TITLE_ROW
    parts = [_words(left + width / 2, y - 4, shape.title, TITLE, TEXT, bold=True)]
    for line in shape.lines:
        x, y = left + (width - _line_width(line)) / 2, y + SMALL_ROW
        for text, color in line:
            parts.append(_words(x + _width(text, SMALL) / 2, y - 3, text, SMALL, color))
            x += _width(text, SMALL) + COLUMN_GAP
    parts.insert(0, _tooltip(shape.tooltip) + _rectangle(box, fill, border))
    return f'<g class="shape" id="{escape(shape.name)}" text-anchor="middle">{"".join(parts)}</g>'


def _arrow(arrow: Arrow, route: list[Point]) -> str:
    """Draw a line with rounded turns, and its head."""
    points = route[:1] + [after for before, after in pairwise(route) if before != after]
    (x, y), (u, v) = points[-1], _toward(points[-1], points[-2])
    neck, wing = (x + HEAD * u, y + HEAD * v), 0.4 * HEAD
    path = f"M{_point(points[0])}"
    for (before, corner), (_, after) in pairwise(pairwise(points)):
        path += f"L{_point(_turn(corner, before))}Q{_point(corner)} {_point(_turn(corner, after))}"
    head = [(x, y), (neck[0] - wing * v, neck[1] + wing * u), (neck[0] + wing * v, neck[1] - wing * u)]
    dashes = 'stroke-dasharray="4 3"' if arrow.again else ""
    return (
        f'<g class="arrow"><path d="{path}L{_point(neck)}" fill="none" stroke="{arrow.color}" '
        f'stroke-width="{arrow.thickness}" {dashes}/>'
        f'<polygon points="{" ".join(map(_point, head))}" fill="{arrow.color}"/></g>'
    )


def _turn(corner: Point, end: Point) -> Point:
    """Return the point towards an end at which a corner begins to be round."""
    far = min(TURN, hypot(end[0] - corner[0], end[1] - corner[1]) / 2)
    u, v = _toward(corner, end)
    return corner[0] + far * u, corner[1] + far * v


def _toward(start: Point, end: Point) -> Point:
    x, y = end[0] - start[0], end[1] - start[1]
    return x / hypot(x, y), y / hypot(x, y)


def _below(diagram: Diagram, center: float, top: float) -> tuple[list[str], Point]:
    """Return the caption and the legend, and how much room they take."""
    parts, width, y = [], 0.0, top
    if diagram.caption:
        width, y = _width(diagram.caption, SMALL), y + 2 * SMALL_ROW
        parts.append(_words(center, y - 3, diagram.caption, SMALL, QUIET, 'text-anchor="middle"'))
    if (legend := diagram.legend) is not None:
        words = f"{legend.quantity}: {legend.least}"
        first, last, bar = _width(words, SMALL), _width(legend.largest, SMALL), 28.0 * len(legend.colors)
        total = first + bar + last + 2 * COLUMN_GAP
        x, y, width = center - total / 2 + first + COLUMN_GAP, y + 2 * SMALL_ROW, max(width, total)
        parts.append(_words(x - first - COLUMN_GAP, y - 3, words, SMALL, QUIET))
        for number, color in enumerate(legend.colors):
            parts.append(_rectangle((x + 28 * number, y - 11, 28.0, 10.0), color, BORDER, 0))
        parts.append(_words(x + bar + COLUMN_GAP, y - 3, legend.largest, SMALL, QUIET))
    return parts, (width, y - top)


def _rectangle(box: Bounds, fill: str, border: str, rounding: float = ROUNDING) -> str:
    x, y, width, height = map(_length, box)
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{_length(rounding)}" '
        f'fill="{escape(fill)}" stroke="{escape(border)}"/>'
    )


def _words(x: float, y: float, text: str, size: float, color: str, more: str = "", bold: bool = False) -> str:
    text = printable(text)
    if text and text.isascii():  # other fonts may stand in for Arial, and be wider
        more += f' textLength="{_length(_width(text, size, bold))}" lengthAdjust="spacingAndGlyphs"'
    if bold:
        more += ' font-weight="bold"'
    return (
        f'<text x="{_length(x)}" y="{_length(y)}" font-size="{_length(size)}" fill="{escape(color)}" {more}>'
        f"{escape(text).replace('  ', ' &#160;')}</text>"
    )


def _tooltip(text: str) -> str:
    words = "\n".join(escape(printable(line)) for line in text.split("\n"))
    return f"<title>{words}</title>" if words else ""


def _point(point: Point) -> str:
    return f"{_length(point[0])},{_length(point[1])}"


def _length(number: float) -> str:
    """Write a length in hundredths of a point, without zeros at the end."""
    return f"{round(number, 2) + 0.0:.12g}"
