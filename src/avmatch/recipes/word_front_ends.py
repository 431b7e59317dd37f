"""Visual front ends of word recognition: mouths (B, T, R, R) in 0…1 → features (B, T, C), a vector a frame.

    lips, or from scratch        LipCnn up to its layers over time; C is thousands
    syncnet, ave_net,            the picture's stream, whole: "we use the learnt embeddings" (Perfect match, abstract);
    perfect_match                the ends of what is seen are held

A run of one of those recipes is named by its folder; kind and sizes are read from its config.json, weights from
best.safetensors, so that a run of no epochs is that architecture from scratch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from avmatch.core.errors import ModelError, UsageError
from avmatch.export.sync_towers import EveryTick
from avmatch.models.lip_towers import LipCnn, LipCnnConfig
from avmatch.models.vgg_m import WINDOW_TICKS, VggMConfig, VggMPicture
from avmatch.training.config import override
from avmatch.training.run import RunFolder

#: Frames before and after its own that a vector of any of them has seen.
REACH_TICKS = WINDOW_TICKS // 2
#: Where a learner keeps the picture's tower (training/checkpoint.py).
_TOWER = "learner/video."


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """`network` takes frames of `side_px` and gives `num_channels`."""

    network: nn.Module
    num_channels: int
    side_px: int


def lip_front_end(config: LipCnnConfig) -> FrontEnd:
    """That of the recipe `lips`, untrained."""
    return _of_lips(LipCnn(config), config)


def read_front_end(run: str | Path) -> FrontEnd:
    """That of a run, trained.

    Raises:
        UsageError: it is no run of a recipe that has such a front end.
        ModelError: its weights can't be read, or aren't those of its configuration.
    """
    path = RunFolder(Path(run))
    try:
        task = json.loads((path.path / "config.json").read_text(encoding="utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{run}: not the folder of a run ({error}); name what `avmatch train -o` wrote") from error
    if "streams" in task:
        streams = override(VggMConfig(), list(_settings(task["streams"])))
        stream = VggMPicture(streams)
        _load(stream, path.best)
        return FrontEnd(EveryTick(stream, 1), streams.dim, streams.side_px)
    if "first" in task.get("video", {}):
        config = override(LipCnnConfig(), list(_settings(task["video"])))
        tower = LipCnn(config)
        _load(tower, path.best)
        return _of_lips(tower, config)
    raise UsageError(f"{run}: its recipe has no front end for words; lips, syncnet, ave_net and perfect_match have")


def _of_lips(tower: LipCnn, config: LipCnnConfig) -> FrontEnd:
    first_over_time = tower.get_submodule("tcn.enter.0")
    assert isinstance(first_over_time, nn.Linear)
    tower.set_submodule("tcn", nn.Identity())  # the words' own layers over time come instead
    return FrontEnd(tower, first_over_time.in_features, config.side_px)


def _load(tower: nn.Module, weights: Path) -> None:
    try:
        tensors = load_file(weights)
        tower.load_state_dict({name[len(_TOWER) :]: tensors[name] for name in tensors if name.startswith(_TOWER)})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{weights}: not the weights of its own configuration ({error})") from error


def _settings(told: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """`tcn.width=192`, as `override` takes it."""
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={json.dumps(value)}"
