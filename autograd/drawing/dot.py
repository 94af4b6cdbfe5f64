"""From a diagram to DOT text, and with the program `dot` to pictures of all formats."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from graphviz import CalledProcessError, Digraph, ExecutableNotFound, pipe

from autograd.drawing.diagram import (
    BORDER,
    FONT,
    FRAME,
    PLAIN,
    QUIET,
    Arrow,
    Diagram,
    Frame,
    Legend,
    Shape,
    printable,
)

ADVICE = (
    "the program dot is not installed: install Graphviz (apt install graphviz, brew install graphviz), "
    "or for SVG alone, pip install graphlay"
)
OWN_FORMATS = ("html", "dot")


class Picture(Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that can also be a page to explore, `html()`, and that needs no `dot` to be drawn.

    Formats of `render` and `pipe` are those of Graphviz, `html`, and `dot` for the text of this picture.
    """

    def __init__(
        self,
        *args: Any,
        diagram: Diagram | None = None,
        page_data: Callable[[], dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.diagram = diagram
        self.page_data = page_data

    def copy(self) -> Picture:
        """Return a copy that can be changed by itself."""
        copied: Picture = super().copy()
        copied.diagram, copied.page_data = self.diagram, self.page_data
        return copied

    def html(self) -> Page:
        """Return a page to explore the graph in a browser, in one file; a notebook shows it.

        It has the values, gradients and rules of all nodes, and goes through backpropagation step by step.
        Values are those of the moment when it is called.
        """
        from autograd.drawing.page import page

        if self.page_data is None:
            raise ValueError("this is a part of a picture; call html() on what draw_graph has returned")
        return Page(page(self.page_data()))

    def render(self, filename: Any = None, directory: Any = None, **options: Any) -> str:
        """Write a picture and return its path, as `graphviz.Digraph.render` does.

        The `format`, or the end of `outfile`, says of which kind. Without the program dot an SVG is written
        where graphlay is installed, else the DOT text, with a warning.
        """
        outfile = options.get("outfile")
        kind = options.get("format") or (Path(outfile).suffix[1:] if outfile else "") or self.format
        failure = "" if kind in OWN_FORMATS or shutil.which("dot") else ADVICE
        if kind not in OWN_FORMATS and not failure:
            try:
                return str(super().render(filename, directory=directory, **options))
            except CalledProcessError as error:
                failure = f"dot could not draw the graph: {error}"
                if options.get("cleanup"):
                    Path(self.filepath).unlink(missing_ok=True)
        if filename is not None:
            self.filename = filename
        if not failure:
            written, text = kind, self.pipe(kind, encoding="utf-8")
        elif drawn := self._drawn_without_dot():
            written, text = "svg", drawn
        else:
            written, text = "dot", self.source
        path = Path(directory or self.directory, outfile or f"{self.filename}.{kind}").with_suffix(
            f".{written}"
        )
        if written != kind:
            warnings.warn(f"{path} is written instead of a {kind}: {failure}", stacklevel=2)
        elif failure not in ("", ADVICE):
            warnings.warn(f"{path} is drawn without dot: {failure}", stacklevel=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if options.get("view") or options.get("quiet_view"):
            self._view(str(path), format=written, quiet=bool(options.get("quiet_view")))
        return str(path)

    def _drawn_without_dot(self) -> str:
        """Return SVG; nothing where graphlay is not installed, or the graph is too much for it."""
        from autograd.drawing.layout import svg

        try:
            return svg(self.diagram or Diagram())
        except (ModuleNotFoundError, ValueError):
            return ""

    def pipe(self, format: Any = None, *, encoding: Any = None, **options: Any) -> Any:
        """Return a picture as bytes, or as text in an encoding."""
        kind = format or self.format
        if kind in OWN_FORMATS:
            text = str(self.html()) if kind == "html" else self.source
        elif kind == "svg" and not shutil.which("dot") and (drawn := self._drawn_without_dot()):
            text = drawn
        else:
            # Digraph.pipe writes line by line, into a broken pipe where dot ends before it has read.
            engine = options.pop("engine", None) or self.engine
            options = {"renderer": self.renderer, "formatter": self.formatter} | options
            image = pipe(engine, kind, self.source.encode(self.encoding), **options)
            return image if encoding is None else image.decode(encoding)
        return text if encoding is not None else text.encode()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, Any]:
        """Show the picture in a notebook; where it cannot be drawn, the page, which draws itself."""
        try:
            return dict(super()._repr_mimebundle_(include, exclude, **options))
        except (CalledProcessError, ExecutableNotFound):
            return {"text/html": self.html()._repr_html_(), "text/plain": self.source}


class Page(str):
    """The text of a page, shown in a frame by a notebook."""

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self)}" style="width: 100%; height: 640px; border: 1px solid {FRAME}" '
            'title="computation graph"></iframe>'
        )


def picture_of(diagram: Diagram, page_data: Callable[[], dict[str, Any]]) -> Picture:
    """Return a diagram as DOT text."""
    picture = Picture(
        "graph",
        graph_attr={
            "rankdir": diagram.direction,
            "nodesep": "0.25",
            "ranksep": "0.3",
            "fontname": FONT,
            **_below(diagram),
        },
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": FONT,
            "fontsize": "11",
            "margin": "0.08,0.05",
            "height": "0.3",
        },
        edge_attr={"arrowsize": "0.6", "color": PLAIN},
        diagram=diagram,
        page_data=page_data,
    )
    picture.body += _shapes(diagram)
    picture.body += map(_arrow, diagram.arrows)
    return picture


def _below(diagram: Diagram) -> dict[str, str]:
    """Return what makes the caption and the legend stand below the picture."""
    rows = [f"<tr><td>{_small(diagram.caption)}</td></tr>"] if diagram.caption else []
    if diagram.legend:
        rows.append(f"<tr><td>{_legend(diagram.legend)}</td></tr>")
    if not rows:
        return {}
    return {"label": f"<<table border='0'>{''.join(rows)}</table>>", "labelloc": "b"}


def _legend(legend: Legend) -> str:
    steps = "".join(f'<td bgcolor="{color}" width="28" height="10"></td>' for color in legend.colors)
    return (
        f'<table border="0" cellborder="1" cellspacing="0" color="{BORDER}"><tr>'
        f'<td border="0">{_small(f"{legend.quantity}: {legend.least} ")}</td>{steps}'
        f'<td border="0">{_small(f" {legend.largest}")}</td></tr></table>'
    )


def _shapes(diagram: Diagram) -> Iterator[str]:
    """Write the shapes, each inside the boxes of its frames."""
    contents: dict[Frame | None, list[Shape]] = {}
    for shape in diagram.shapes:
        contents.setdefault(shape.frame, []).append(shape)
    inner: dict[Frame | None, list[Frame]] = {}
    for frame in diagram.frames:
        inner.setdefault(frame.parent, []).append(frame)
    yield from map(_shape, contents.get(None, []))
    number = 0
    # Nested boxes are written with a stack: module trees may be deeper than Python's.
    stack: list[Frame | None] = list(reversed(inner.get(None, [])))
    while stack:
        open_frame = stack.pop()
        if open_frame is None:
            yield "\t}\n"
            continue
        yield (
            f"\tsubgraph cluster_{number} {{\n\t\tlabel=<{_small(open_frame.label)}> labeljust=l labelloc=t "
            f'style="filled,rounded" color="{open_frame.color}" fillcolor="#0000000a" '
            f"tooltip={_quoted(open_frame.tooltip)}\n"
        )
        number += 1
        yield from map(_shape, contents.get(open_frame, []))
        stack.append(None)
        stack.extend(reversed(inner.get(open_frame, [])))


def _shape(shape: Shape) -> str:
    fill, border = shape.colors
    rows = [f"<b>{_text(shape.title)}</b>"]
    for line in shape.lines:
        if len(line) == 1:
            rows.append(_small(*line[0]))
        else:
            cells = "".join(f"<td>{_small(*cell)}</td>" for cell in line)
            rows.append(f'<table border="0" cellspacing="0" cellpadding="2"><tr>{cells}</tr></table>')
    table = "".join(f"<tr><td>{row}</td></tr>" for row in rows)
    return (
        f'\t{shape.name} [label=<<table border="0" cellspacing="0" cellpadding="1">{table}</table>> '
        f'color="{border}" fillcolor="{fill}" tooltip={_quoted(shape.tooltip)}]\n'
    )


def _arrow(arrow: Arrow) -> str:
    attributes = []
    if arrow.color != PLAIN:
        attributes.append(f'color="{arrow.color}" penwidth={arrow.thickness}')
    if arrow.again:
        attributes.append("style=dashed constraint=false")
    elif arrow.main:
        attributes.append("weight=8")
    if arrow.room:
        # With room for what stands above an op in its box, boxes stand below one another, not in a staircase.
        attributes.append("minlen=2")
    tail, head = arrow.tail.name, arrow.head.name
    if arrow.upward:
        tail, head = head, tail
        attributes.append("dir=back")
    words = f" [{' '.join(attributes)}]" if attributes else ""
    return f"\t{tail} -> {head}{words}\n"


def _small(text: str, color: str = QUIET) -> str:
    return f'<font point-size="9" color="{color}">{_text(text)}</font>'


@lru_cache(10_000)
def _text(text: str) -> str:
    """Escape text for a label of Graphviz's HTML kind, which refuses control characters."""
    # Graphviz replaces \\N and the like even here; a space of no width keeps the letter apart.
    return escape(printable(text)).replace("\\", "\\\N{ZERO WIDTH SPACE}")


def _quoted(text: str) -> str:
    """Write a tooltip: lines of text in quotes, in which nothing has a meaning."""
    return '"' + "\\n".join(map(_tooltip_line, text.split("\n"))) + '"'


@lru_cache(10_000)
def _tooltip_line(text: str) -> str:
    # Graphviz takes backslashes away more than once, and replaces \\N and the like after that.
    return escape(printable(text)).replace("\\", "\\\\\N{ZERO WIDTH SPACE}")
