"""Means over a few stretches of time: where in the window something happens stays known, roughly."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from avmatch.core.errors import UsageError


def time_means(ticks: Float[Tensor, "B C T"], num_stretches: int) -> Float[Tensor, "B C*{num_stretches}"]:
    """The means over `num_stretches` stretches of T, as equal as they can be, end to end.

    Raises:
        UsageError: there are fewer ticks than stretches.
    """
    num_ticks = ticks.shape[2]
    if num_ticks < num_stretches:
        raise UsageError(
            f"{num_ticks} ticks or bands can't be cut into {num_stretches} stretches; "
            "set longer windows, more filters or fewer num_stretches"
        )
    edges = [round(place * num_ticks / num_stretches) for place in range(num_stretches + 1)]
    means = [ticks[:, :, begin:end].mean(dim=2) for begin, end in itertools.pairwise(edges)]
    return torch.stack(means, dim=2).flatten(1)
