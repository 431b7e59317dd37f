"""Losses count in float32 at least, whatever the towers give.

float16 ends at 65504 and bfloat16 keeps eight bits, too few for the sum of a softmax's hundreds of terms. float64 stays
float64, for gradient checks. Autocast would take matrix products back to sixteen bits, so losses that have any compute
them under `without_autocast`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """`tensor` in float32, or in float64 if it comes so."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A block in which operations on the device of `tensor` keep their precision."""
    return torch.autocast(tensor.device.type, enabled=False)
