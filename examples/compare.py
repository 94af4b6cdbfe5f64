"""Draw one network with graphgrad, and with torchviz and torchview if they are installed, side by side.

    pip install torch torchviz torchview && python examples/compare.py

writes compare.html beside this file, a page without scripts. The network is 784-256-128-10 with ReLU, its
loss the cross-entropy of 32 images; torchviz and torchview are asked for all that they can show.
"""

from html import escape
from pathlib import Path

import numpy as np

from autograd import Tensor, draw_graph
from nn import MLP, cross_entropy

SIZES = [784, 256, 128, 10]
IMAGES = np.random.default_rng(0).random((32, 784), np.float32)
LABELS = np.arange(32) % 10

# What a picture shows (graphgrad, torchviz, torchview): in the picture, in its tooltips (t), or not.
SHOWN = {
    "every op, in the order of computation": ("yes", "backward ops only", "modules and functions"),
    "names of parameters": ("yes", "if given", "no"),
    "shapes": ("yes", "of parameters and saved tensors", "of inputs and outputs"),
    "dtypes": ("yes", "no", "no"),
    "values, and their statistics": ("yes; t", "no", "no"),
    "gradients, and their statistics": ("yes; t", "no", "no"),
    "memory layout": ("t, if it is unusual", "strides", "no"),
    "what the ops' rules use (saved tensors)": (
        "inputs and results are nodes; rule: t",
        "show_saved=True",
        "no",
    ),
    "arguments of ops": ("yes", "show_attrs=True", "no"),
    "modules as nested boxes, with names": ("yes, with parameter counts", "no", "yes, without names"),
    "folding by depth": ("yes; by name, too", "no", "yes"),
    "equal blocks once, with their number": ("yes", "no", "recursive calls"),
    "the graph of the gradients": ("backward=True", "create_graph=True", "no"),
    "memory and time of ops": ("yes", "no", "no"),
    "the line of the program": ("t, in debug()", "no", "no"),
    "a computation that has failed": ("yes", "no", "no"),
    "page to explore, step by step": ("html", "no", "no"),
}


def ours() -> str:
    """Return the SVG of graphgrad."""
    model = MLP(SIZES, generator=np.random.default_rng(0))
    loss = cross_entropy(model(Tensor(IMAGES, name="images")), LABELS)
    loss.backward(retain_graph=True)
    return str(draw_graph(loss).pipe(format="svg", encoding="utf-8"))


def theirs() -> dict[str, str]:
    """Return the SVGs of those that are installed."""
    try:
        import torch
        from torch.nn import Linear, ReLU, Sequential
    except ModuleNotFoundError:
        return {}
    layers = [Linear(784, 256), ReLU(), Linear(256, 128), ReLU(), Linear(128, 10)]
    model = Sequential(*layers)
    images, labels = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    pictures = {}
    try:
        from torchviz import make_dot

        loss = torch.nn.functional.cross_entropy(model(images), labels)
        picture = make_dot(loss, params=dict(model.named_parameters()), show_attrs=True, show_saved=True)
        del picture.graph_attr["size"]  # which cuts off what is beyond it
        pictures["torchviz"] = picture.pipe(format="svg", encoding="utf-8")
    except ModuleNotFoundError:
        pass
    try:
        import torchview

        graph = torchview.draw_graph(model, images, expand_nested=True, roll=True).visual_graph
        pictures["torchview"] = graph.pipe(format="svg", encoding="utf-8")
    except ModuleNotFoundError:
        pass
    return pictures


STYLE = """
body { font: 14px/1.45 Arial, sans-serif; margin: 24px; color: #111827; background: #ffffff }
main { display: flex; gap: 32px; align-items: flex-start; flex-wrap: wrap }
section { max-width: 46% }
section svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin: 24px 0 }
td, th { border-bottom: 1px solid #d5d8dd; padding: 4px 16px 4px 0; text-align: left }
"""


def page(pictures: dict[str, str]) -> str:
    """Put the pictures and the table into one page."""
    sections = [
        f"<section><h2>{name}</h2>{svg[svg.index('<svg') :]}</section>" for name, svg in pictures.items()
    ]
    rows = [["", "graphgrad", "torchviz", "torchview"], *([what, *words] for what, words in SHOWN.items())]
    table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>One network, drawn by three</title>
<style>{STYLE}</style></head><body><h1>784-256-128-10, drawn by three</h1>
<main>{"".join(sections)}</main>
<table>{table}</table>
<p>t: in the tooltip, in a browser.</p></body></html>
"""


if __name__ == "__main__":
    path = Path(__file__).with_suffix(".html")
    path.write_text(page({"graphgrad": ours(), **theirs()}), encoding="utf-8")
    print(path)
