"""Draw a small expression with its values and gradients: python examples/scalar.py"""

from pathlib import Path

import numpy as np

from autograd import Tensor, draw_graph

a = Tensor(2.0, requires_grad=True, name="a")
b = Tensor(-3.0, requires_grad=True, name="b")
c = np.tanh(a * b + a**2) / 2
c.backward(retain_graph=True)
draw_graph(c).render(outfile=Path(__file__).with_suffix(".svg"), cleanup=True)
