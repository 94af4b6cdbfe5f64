"""Where a loss that has become NaN or Inf comes from."""

from __future__ import annotations

import re

import numpy as np

from autograd import debug
from nn.training import NonFiniteLoss, Training


def find_divergence(training: Training) -> str:
    """Go on from a good state to the first step that makes a NaN or Inf; say which op, in which layer, did.

    Steps can be taken again bit for bit, so training itself need not look at every array. The training is
    left before that step.
    """
    before = training.state_dict()
    spoilt: list[str] = []
    try:
        for _ in training:
            spoilt = [n for n, p in training.model.named_parameters() if not np.isfinite(p.data).all()]
            if spoilt:
                break
            before = training.state_dict()
    except NonFiniteLoss:
        pass
    training.load_state_dict(before)
    try:
        with debug():
            next(iter(training))
    except FloatingPointError as error:
        training.load_state_dict(before)
        what, made, *_ = str(error).splitlines()
        module = re.search(r", in ((?:[\w.]+: )?\w+)$", made)  # at the end of the line that debug() names
        return f"{what}, in {module[1]}" if module else what
    training.load_state_dict(before)
    return (
        f"all gradients are finite, and the step of {type(training.optimizer).__name__} made NaN or Inf of "
        f"{', '.join(spoilt) or 'nothing that can be named'}"
    )
