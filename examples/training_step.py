"""Draw a training step of a network with its backward half: python examples/training_step.py"""

from pathlib import Path

import numpy as np

from autograd import Tensor, draw_graph
from nn import MLP, cross_entropy
from nn.data import load_digits, scale_pixels

digits = load_digits()
model = MLP([64, 32, 10], generator=np.random.default_rng(0))
pixels = Tensor(scale_pixels(digits.train_images[:32], digits.levels), name="pixels")
loss = cross_entropy(model(pixels), digits.train_labels[:32])
picture = draw_graph(loss, backward=True)
for kind in ("svg", "html"):
    print(picture.render(outfile=Path(__file__).with_suffix(f".{kind}"), cleanup=True))
