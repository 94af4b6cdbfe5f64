"""Draw a second derivative, computed from the graph of the first: python examples/second_derivative.py"""

from pathlib import Path

import numpy as np

from autograd import Tensor, draw_graph

x = Tensor(0.5, requires_grad=True, name="x")
y = np.sin(x) * x
y.backward(create_graph=True)  # the gradient is recorded, too: it can be differentiated in its turn
picture = draw_graph(x.grad, backward=True)
for kind in ("svg", "html"):
    print(picture.render(outfile=Path(__file__).with_suffix(f".{kind}"), cleanup=True))
