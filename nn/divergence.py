"""Where a loss that has become NaN or Inf comes from."""

from __future__ import annotations

import re

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
            if spoilt := training.spoilt_parameters():
                break
            before = training.state_dict()
    except NonFiniteLoss:
        pass
    training.load_state_dict(before)
    try:
        with debug():
            next(iter(training))
    except FloatingPointError as error:
        what, made, *_ = str(error).splitlines()
        module = re.search(r", in ((?:[\w.]+: )?\w+)$", made)  # at the end of the line that debug() names
        return f"{what}, in {module[1]}" if module else what
    finally:
        training.load_state_dict(before)
    return (
        f"all gradients are finite, and the step of {type(training.optimizer).__name__} made NaN or Inf of "
        f"{', '.join(spoilt) or 'nothing that can be named'}"
    )
