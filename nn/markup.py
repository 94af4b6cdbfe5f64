"""Pieces of a page of HTML, in which every text that is given is escaped: sections, tables, pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from html import escape
from math import sqrt
from pathlib import Path


def section(title: str, *parts: str) -> str:
    """Return parts under a heading; nothing where all of them are empty."""
    body = "\n".join(filter(None, parts))
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def fold(summary: str, body: str, opened: bool = False) -> str:
    """Return what unfolds under a summary."""
    mark = " open" if opened else ""
    return f"<details{mark}>\n<summary>{escape(summary)}</summary>\n{body}\n</details>" if body else ""


def table(
    caption: str,
    header: Iterable[str],
    rows: Iterable[Sequence[str]],
    kind: str,
    marked: Collection[int] = (),
) -> str:
    """Return a table that scrolls by itself where it is wide; the first cell of a row is its header."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = []
    for position, (name, *cells) in enumerate(rows):
        mark = ' class="best"' if position in marked else ""
        data = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr{mark}><th scope="row">{escape(name)}</th>{data}</tr>\n')
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>"
    table = f'<table class="{kind}">\n<caption>{escape(caption)}</caption>\n{body}\n</table>'
    return scrolling(caption, table)


def scrolling(label: str, body: str) -> str:
    """Return what scrolls by itself where it is wider than the page."""
    return f'<div class="scroll" role="group" aria-label="{escape(label)}" tabindex="0">\n{body}\n</div>'


def picture(path: Path, alt: str) -> str:
    """Return a PNG or SVG with its bytes in the page; nothing where the file is missing.

    As an image, an SVG runs no script and loads nothing.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ""
    data = b64encode(content).decode()
    if path.suffix == ".svg":
        image = f'<img class="graph" src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
        return scrolling(alt, image)
    # The size in which it was drawn, at 150 pixels an inch, from the header of the PNG.
    width, height = (round(int.from_bytes(content[at : at + 4], "big") * 96 / 150) for at in (16, 20))
    kind = ' class="wide"' if width > 700 else ""
    size = f'width="{width}" height="{height}"'
    image = f'<img{kind} src="data:image/png;base64,{data}" {size} alt="{escape(alt)}">'
    return scrolling(alt, image) if kind else image


def reliability_diagram(points: Sequence[tuple[float, float, int]], alt: str) -> str:
    """Return a picture of accuracy over confidence, each (confidence, accuracy, images) a dot."""
    most = max(images for *_, images in points)
    dots = "".join(
        f'<circle cx="{24 + 160 * confidence:.1f}" cy="{168 - 160 * accuracy:.1f}" '
        f'r="{2 + 8 * sqrt(images / most):.1f}"/>'
        for confidence, accuracy, images in points
    )
    return (
        f'<svg viewBox="0 0 192 192" role="img" aria-label="{escape(alt)}">'
        f'<path d="M24 8V168H184"/><path class="ideal" d="M24 168L184 8"/>{dots}'
        '<text x="24" y="180">0</text><text x="184" y="180" text-anchor="end">1</text>'
        '<text x="104" y="180" text-anchor="middle">confidence</text>'
        '<text x="20" y="14" text-anchor="end">1</text>'
        '<text transform="translate(16 88) rotate(-90)" text-anchor="middle">accuracy</text></svg>'
    )
