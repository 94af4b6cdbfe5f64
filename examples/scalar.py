"""Draw a small expression with its values and gradients: python examples/scalar.py"""

from pathlib import Path

import numpy as np

from autograd import Tensor, draw_graph

a = Tensor(2.0, requires_grad=True, name="a")
b = Tensor(-3.0, requires_grad=True, name="b")
c = np.tanh(a * b + a**2) / 2
c.backward(retain_graph=True)
picture = draw_graph(c, direction="LR")
for kind in ("svg", "html"):
    print(picture.render(outfile=Path(__file__).with_suffix(f".{kind}"), cleanup=True))
