"""The page on which a graph is explored: one file of HTML that needs nothing else, and no network."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any


def page(data: dict[str, Any]) -> str:
    """Return the HTML of a page that shows a graph: its picture, values and gradients, and the steps back.

    `data` is what page.js reads, of dicts, lists, strings, finite numbers, booleans and None; a NaN must be
    written as a string, or a ValueError says so. It is written as UTF-8.
    """
    folder = Path(__file__).parent
    parts = {part: (folder / name).read_text("utf-8") for part, name in PARTS.items()}
    title = html.escape(str(data.get("title") or "Graph")).encode("ascii", "xmlcharrefreplace").decode()
    parts |= {"title": title, "data": _in_script(json.dumps(data, allow_nan=False, separators=(",", ":")))}
    # In one pass: what is put in is not searched for further places.
    return re.sub(r"<!--(\w+)-->", lambda place: parts[place[1]], (folder / "page.html").read_text("utf-8"))


PARTS = {"style": "page.css", "layout": "page.layout.js", "script": "page.js"}


def _in_script(text: str) -> str:
    """Escape JSON so that no name in it can end the script element that it stands in."""
    return re.sub(r"[<>&\u2028\u2029]", lambda letter: f"\\u{ord(letter[0]):04x}", text)
