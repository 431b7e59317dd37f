"""From `Optimisation` to torch: the optimiser, the learning rate of a step, the moving average of the weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from avmatch.training.config import Optimisation


def build_optimiser(settings: Optimisation, learner: nn.Module) -> Optimizer:
    """The optimiser over all trainable parameters; biases, norms and single numbers aren't decayed."""
    wanted = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in wanted if parameter.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [parameter for parameter in wanted if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]] or [{"params": [nn.Parameter(torch.zeros(1))]}]
    if settings.optimiser == "sgd":
        return SGD(groups, settings.learning_rate, momentum=settings.momentum, fused=True)
    kind = AdamW if settings.optimiser == "adamw" else Adam
    return kind(groups, settings.learning_rate, fused=True)


def learning_rate(settings: Optimisation, step: int, num_steps: int, plateau_scale: float) -> float:
    """Of step `step` of the `num_steps` of the whole run."""
    rate = settings.learning_rate
    if step < settings.warmup_steps:
        return rate * (step + 1) / settings.warmup_steps
    if settings.schedule == "cosine":
        share = (step - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
        return rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
    return rate * plateau_scale


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """For all groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def started_average(learner: nn.Module, decay: float) -> dict[str, Tensor]:
    """A copy of the parameters to average from; nothing without a decay."""
    if decay == 0:
        return {}
    return {name: value.detach().clone() for name, value in learner.named_parameters() if value.requires_grad}


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], learner: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the weights; faster in the first steps, when the weights are far from good."""
    if not average:
        return
    decay = min(decay, (1.0 + step) / (10.0 + step))
    weights = dict(learner.named_parameters())
    torch._foreach_lerp_(list(average.values()), [weights[name] for name in average], 1.0 - decay)
