"""Read the DOT text of a picture line by line, draw it with `dot`, and make what tests draw."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest

from autograd import Tensor, draw_graph
from autograd.drawing.diagram import COLORS

ROOT = Path(__file__).parent.parent

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program dot (Graphviz) is not installed"
)

NAME = r"n\d+(?:_\d+)?(?:_folded)?"
QUOTED = r'"((?:[^"\\]|\\.)*)"'


@dataclass
class Drawn:
    """What a DOT text declares: the lines of text in each node, edges, and boxes from outside in.

    Cells that stand side by side are one line, with " | " between them.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    fills: dict[str, str] = field(default_factory=dict)
    borders: dict[str, str] = field(default_factory=dict)
    tooltips: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    styles: dict[tuple[str, str], str] = field(default_factory=dict)
    all_boxes: list[tuple[str, ...]] = field(default_factory=list)
    box_tooltips: dict[tuple[str, ...], str] = field(default_factory=dict)
    direction: str = ""
    below: list[str] = field(default_factory=list)
    """The caption, and the words of the legend."""

    def named(self, title: str) -> list[str]:
        return [name for name, lines in self.texts.items() if lines[0] == title]

    def node(self, title: str) -> str:
        (name,) = self.named(title)
        return name

    def lines(self, title: str) -> list[str]:
        return self.texts[self.node(title)][1:]

    def tooltip(self, title: str) -> list[str]:
        return self.tooltips[self.node(title)].split("\n")

    def titles(self) -> list[str]:
        """Return what is drawn, from the oldest to the youngest."""
        return [self.texts[name][0] for name in sorted(self.texts, key=age)]

    def outputs(self) -> list[str]:
        return self.of_kind("output")

    def of_kind(self, kind: str) -> list[str]:
        return [name for name, border in self.borders.items() if border == COLORS[kind][1]]

    def inputs(self, name: str) -> list[str]:
        return [tail for tail, head in self.edges if head == name]

    def uses(self) -> list[tuple[str, str]]:
        """Return the edges by the titles of what they connect."""
        return [(self.texts[tail][0], self.texts[head][0]) for tail, head in self.edges]


def age(name: str) -> tuple[int, bool, str]:
    """Return what the names of nodes are sorted by: n7_1 is an input of n7."""
    number, _, rest = name[1:].partition("_")
    return int(number), not rest.isdigit(), rest


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).replace("\u200b", "")


def rows(table: str) -> list[str]:
    """Return the lines of a label, which is XML."""
    found = []
    for row in ElementTree.fromstring(table):
        (cell,) = row
        cells = cell.findall("./table/tr/td") or [cell]
        found.append(" | ".join("".join(part.itertext()) for part in cells).replace("\u200b", ""))
    return found


def tooltip_text(quoted: str) -> str:
    unescaped = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], quoted)
    return html.unescape(unescaped).replace("\u200b", "")


def read(digraph: graphviz.Digraph) -> Drawn:
    """Read a picture's DOT text line by line; whatever is not expected fails."""
    drawn = Drawn()
    first, *lines, last = digraph.source.rstrip("\n").split("\n")
    assert (first, last) == ('digraph "graph" {', "}")
    open_boxes: list[str] = []
    cluster_names = []
    for line in lines:
        line = line.strip()
        if match := re.fullmatch(r"subgraph (cluster_\d+) \{", line):
            cluster_names.append(match[1])
            open_boxes.append("")
        elif match := re.fullmatch(rf"label=<(<font.*</font>)> labeljust=l .* tooltip={QUOTED}", line):
            open_boxes[-1] = plain(match[1])
            drawn.all_boxes.append(tuple(open_boxes))
            drawn.box_tooltips[tuple(open_boxes)] = tooltip_text(match[2])
        elif line == "}":
            open_boxes.pop()
        elif match := re.fullmatch(rf"({NAME}) -> ({NAME})(?: \[(.*)\])?", line):
            drawn.edges.append((match[1], match[2]))
            drawn.styles[match[1], match[2]] = match[3] or ""
        elif match := re.fullmatch(
            rf'({NAME}) \[label=<(<table.*</table>)> color="(.*?)" fillcolor="(.*?)" tooltip={QUOTED}\]', line
        ):
            name, table, border, fill, tooltip = match.groups()
            assert name not in drawn.texts
            drawn.texts[name] = rows(table)
            drawn.borders[name] = border
            drawn.fills[name] = fill
            drawn.tooltips[name] = tooltip_text(tooltip)
            drawn.boxes[name] = tuple(open_boxes)
        elif match := re.fullmatch(r"graph \[(.*)\]", line):
            (drawn.direction,) = re.findall(r"rankdir=(\w+)", line)
            drawn.below = [plain(text) for text in re.findall(r"<font.*?</font>", line)]
        else:
            assert re.fullmatch(r"(node|edge) \[.*\]", line), line
    assert not open_boxes
    assert len(set(cluster_names)) == len(cluster_names)
    assert all(tail in drawn.texts and head in drawn.texts for tail, head in drawn.edges)
    return drawn


def ancestors(*outputs: Tensor) -> tuple[int, int, int]:
    """Count the tensors, the array constants and the uses of both that lead to `outputs`."""
    seen = set(outputs)
    stack = list(outputs)
    constants = uses = 0
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor):
                uses += 1
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
            elif isinstance(x, np.ndarray):
                uses += 1
                constants += 1
    return len(seen), constants, uses


def draw(*outputs: Tensor, **options: Any) -> Drawn:
    """Draw tensors, all of them, and compare the picture with the graph itself."""
    drawn = read(draw_graph(*outputs, max_nodes=None, **options))
    tensors, constants, uses = ancestors(*outputs)
    assert len(drawn.texts) == tensors + constants
    assert len(drawn.edges) == uses
    assert {name for name in drawn.texts if "_" not in name} == {f"n{number}" for number in range(tensors)}
    return drawn


def render(digraph: graphviz.Digraph) -> list[str]:
    """Draw with dot as SVG, which must go without a warning, and return the texts that it shows."""
    command = ["dot", "-Tsvg"]
    result = subprocess.run(command, input=digraph.source.encode(), capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stderr == b""
    image = ElementTree.fromstring(result.stdout)
    texts = image.iter("{http://www.w3.org/2000/svg}text")
    return [(text.text or "").replace("\u200b", "").replace("\xa0", " ") for text in texts]


def run_python(program: str, *options: str, hash_seed: str = "0") -> bytes:
    """Return what a program writes in a process of its own, in which warnings are errors."""
    command = [sys.executable, "-W", "error", *options, "-c", program]
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def variable(data: Any, name: str | None = None, dtype: Any = float) -> Tensor:
    return Tensor(np.asarray(data, dtype), requires_grad=True, name=name)


HOSTILE = [
    'a<b>|{"x"}',
    "</td><b>",
    "</table>>",
    "\\N",
    "\\n\\l\\r\\G\\E\\T\\H\\L\\\\",
    "ends with \\",
    "\"double\" and 'single'",
    "&amp; &lt; &#65; &nbsp; & ;",
    "<!-- no comment -->",
    "]]>",
    "%s {0} ${x}",
    "🙂 naïve 重み שלום é",
    " ",
    "  two  spaces  ",
    "n0 -> n1 [label=x]; }",
    "weight:sw",
]
