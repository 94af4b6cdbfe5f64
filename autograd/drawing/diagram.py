"""What is drawn, before it is laid out: shapes with words and colours, frames around them, and arrows."""

from __future__ import annotations

from dataclasses import dataclass, field

FONT = "Arial"  # a font of its widths is at hand nearly everywhere, also where none is called Helvetica

BORDER = "#8a8f98"
# Okabe and Ito's palette, which the colour-blind can tell apart: fill and border of each kind of shape.
COLORS = {
    "parameter": ("#fff3d9", "#e69f00"),
    "data": ("#e6f3fb", "#56b4e9"),
    "op": ("#ffffff", BORDER),
    "output": ("#dff3ea", "#009e73"),
    "constant": ("#f3f3f4", "#b5b9c0"),
    "module": ("#f0f1f4", "#4b5563"),
    "gradient": ("#faeaf3", "#cc79a7"),
    "failed": ("#fde3d5", "#d55e00"),
}
TEXT, QUIET, GRADIENT = "#111827", "#6b7280", "#a8480b"
PLAIN, FLOWING, BACKWARD = "#9aa0a8", "#4b5563", "#b0508a"
"""Of arrows in general, of those that gradients flow back along, and of those between gradients."""
FRAME, GRADIENT_FRAME = "#d5d8dd", "#e7c6da"

Line = list[tuple[str, str]]
"""A small line of text in a shape: one or two cells side by side, each a text and its colour."""


@dataclass(eq=False, slots=True)
class Frame:
    """A box around shapes: a call of a module, a block that repeats, a half of the graph."""

    label: str
    parent: Frame | None = None
    tooltip: str = ""
    color: str = FRAME


@dataclass(eq=False, slots=True)
class Shape:
    """A box with text: a tensor, a constant, or a module that is folded into one."""

    name: str
    """Unique in its diagram, letters, digits and underscores."""
    kind: str
    """A key of COLORS."""
    title: str
    lines: list[Line]
    tooltip: str = ""
    frame: Frame | None = None
    fill: str | None = None
    """In place of the kind's own, where colours show a quantity."""

    @property
    def colors(self) -> tuple[str, str]:
        """Its fill and border."""
        fill, border = COLORS[self.kind]
        return self.fill or fill, border


@dataclass(eq=False, slots=True)
class Arrow:
    """A use of what `tail` has computed by `head`."""

    tail: Shape
    head: Shape
    gradient: bool = False
    """Whether gradients flow back along it."""
    main: bool = False
    """Whether it lies on the line of computation, and should be straight."""
    again: bool = False
    """Whether it leads from one repetition of a block to the next: from the end of it to its beginning."""
    upward: bool = False
    """Whether its tail is to be laid out below its head, so that gradients stand beside what they are of."""
    room: bool = False
    """Whether it enters a frame above whose shape others stand, and needs to be longer."""

    @property
    def color(self) -> str:
        if self.upward:
            return BACKWARD
        return FLOWING if self.gradient and self.head.kind != "gradient" else PLAIN

    @property
    def thickness(self) -> float:
        return 1.0 if self.color == PLAIN else 1.3


@dataclass(eq=False, slots=True)
class Legend:
    """What the fills mean where they show a quantity: its name, the least and the largest."""

    quantity: str
    least: str
    largest: str
    colors: list[str]


@dataclass(eq=False, slots=True)
class Diagram:
    """A whole picture; shapes from the oldest to the youngest, frames from outside in."""

    shapes: list[Shape] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    direction: str = "TB"
    """TB: from top to bottom; LR: from left to right."""
    caption: str = ""
    legend: Legend | None = None


def printable(text: str) -> str:
    """Replace control characters, which no format takes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
