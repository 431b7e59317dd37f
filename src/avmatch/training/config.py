"""What a run is: one frozen dataclass that a recipe builds whole, kept as config.json and inside the exported model.

TrainConfig
├── task: what is learned (data → batches → loss → files); a frozen dataclass of its own, see task.py
└── the rest: how it is learned, the same for every recipe; `Optimisation` says what torch's optimiser is made of
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from avmatch.core.errors import UsageError
from avmatch.training.task import Task

Config = TypeVar("Config")

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")


@dataclass(frozen=True)
class Optimisation:
    """How weights follow gradients.

    Attributes:
        optimiser: "adam" (Kingma & Ba 2015), "adamw" (Loshchilov & Hutter 2019) or "sgd" with momentum.
        learning_rate: the largest.
        schedule: "constant"; "cosine" to zero at the end of the run; "plateau", times `plateau_factor` after
            `plateau_epochs` epochs without improvement of `TrainConfig.best_by`.
        warmup_steps: steps of linear rise from zero before that.
        gradient_clip: largest norm of the whole gradient; 0 = any.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"
    warmup_steps: int = 0
    plateau_epochs: int = 5
    plateau_factor: float = 0.1
    gradient_clip: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if not self.learning_rate > 0 or self.weight_decay < 0 or self.warmup_steps < 0 or self.gradient_clip < 0:
            raise UsageError(f"learning_rate must be positive and nothing negative, got {self}")


@dataclass(frozen=True)
class TrainConfig:
    """A complete run.

    Attributes:
        recipe: the name of the recipe that built this.
        task: what is learned.
        epochs: rounds of training, each followed by validation.
        passes: over the training pairs, in each epoch; more than one where pairs are few and each pass sees others of
            their windows.
        batch_size: pairs of a global batch, over all processes; one optimiser step.
        accumulate: parts into which a process cuts its share of the batch, to save memory. Losses that compare the
            pairs of a batch then compare within a part.
        validation_share: pairs held back, whole recordings; 0 holds none back, and the last weights are the best. Where
            the data have lists of their own of what is held back, those count.
        best_by: the metric of validation that chooses the best weights; higher is better. Of several, separated by
            blanks, the first that is measured: a small set has no recall@50. Empty: the last weights are exported.
        patience: stop after this many epochs without improvement; 0 = never.
        ema_decay: exponential moving average of the weights, which is validated and exported; 0 = off.
        bf16: forward passes in bfloat16 where it is safe (autocast).
        seed: of everything random in the run; `split_seed` of what is held back.
        num_workers: processes that prepare batches; 0 = the training process itself.
        checkpoint_seconds: a checkpoint about this often, within epochs too, and one at the end; 0 = after every step.
    """

    recipe: str
    task: Task[Any]
    epochs: int = 20
    passes: int = 1
    batch_size: int = 64
    accumulate: int = 1
    optimisation: Optimisation = field(default_factory=Optimisation)
    validation_share: float = 0.1
    split_seed: int = 0
    best_by: str = "recall@1"
    patience: int = 0
    ema_decay: float = 0.0
    bf16: bool = False
    seed: int = 0
    num_workers: int = 0
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("passes", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("epochs", "patience", "num_workers", "seed", "split_seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} can't be negative, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise UsageError(f"ema_decay must lie in 0…1 and below 1, got {self.ema_decay}")


def override(config: Config, settings: Sequence[str]) -> Config:
    """`config` with fields replaced: each setting is `field=value` or `task.audio.width=64`, the value in JSON.

    Raises:
        UsageError: no such field (the message lists what there is), or a value of another type.
    """
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign:
            raise UsageError(f"--set {setting}: expected field=value, for example optimisation.learning_rate=0.001")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text.strip()
        config = _replaced(config, path.strip().split("."), value, setting)
    return config


def _replaced(config: Config, path: Sequence[str], value: object, setting: str) -> Config:
    return cast("Config", replace(cast("Any", config), **{path[0]: _value(config, path, value, setting)}))


def _value(config: object, path: Sequence[str], value: object, setting: str) -> object:
    """What the field path[0] becomes."""
    names = [item.name for item in fields(cast("Any", config))]
    if path[0] not in names:
        raise UsageError(
            f"--set {setting}: {type(config).__name__} has no field {path[0]!r}; it has {', '.join(names)}"
        )
    old = getattr(config, path[0])
    if len(path) > 1:
        if not is_dataclass(old):
            raise UsageError(f"--set {setting}: {path[0]} is {old!r}, which has no fields")
        return _replaced(old, path[1:], value, setting)
    if is_dataclass(old):
        inner = ", ".join(f"{path[0]}.{item.name}" for item in fields(old))
        raise UsageError(f"--set {setting}: {path[0]} has fields of its own: {inner}")
    return _like(old, value, setting)


def _like(old: object, value: object, setting: str) -> object:
    """What JSON gave, in the type of the old value: lists are tuples, objects the dataclasses that stood there."""
    if isinstance(old, float) and type(value) is int:
        return float(value)
    if isinstance(old, tuple) and isinstance(value, list):
        patterns = [*old, *(old[-1:] * len(value))] or value
        return tuple(_like(pattern, item, setting) for pattern, item in zip(patterns, value, strict=False))
    if is_dataclass(old) and isinstance(value, dict):
        return replace(cast("Any", old), **{name: _value(old, [name], item, setting) for name, item in value.items()})
    if type(value) is not type(old):
        raise UsageError(f"--set {setting}: expected a value like {old!r}, got {value!r}")
    return value


def to_json(config: object) -> dict[str, Any]:
    """Plain values, for config.json: what a task is follows from the recipe's name."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(cast("Any", config))))
    return plain


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
