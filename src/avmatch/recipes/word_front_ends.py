"""Visual front ends of word recognition: mouths (B, T, R, R) in 0…1 → features (B, T, C), a vector a frame.

    lips, or from scratch        LipCnn up to its layers over time; C is thousands
    syncnet, ave_net,            the picture's stream, whole: "we use the learnt embeddings" (Perfect match, abstract);
    perfect_match                the ends of what is seen are held

A run of one of those recipes is named by its folder; kind and sizes are read from its config.json, weights from
best.safetensors, so that a run of no epochs is that architecture from scratch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from avmatch.core.errors import UsageError
from avmatch.models.lip_towers import LipCnn, LipCnnConfig
from avmatch.models.vgg_m import WINDOW_TICKS, EveryTick, VggMConfig, VggMPicture
from avmatch.recipes.runs import load_tower, run_task, settings_of
from avmatch.training.config import override

#: Frames before and after its own that a vector of any of them has seen.
REACH_TICKS = WINDOW_TICKS // 2


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
    task = run_task(run)
    if "streams" in task:
        streams = override(VggMConfig(), list(settings_of(task["streams"])))
        stream = VggMPicture(streams)
        load_tower(stream, run, "video")
        return FrontEnd(EveryTick(stream, 1), streams.dim, streams.side_px)
    if "first" in task.get("video", {}):
        config = override(LipCnnConfig(), list(settings_of(task["video"])))
        tower = LipCnn(config)
        load_tower(tower, run, "video")
        return _of_lips(tower, config)
    raise UsageError(f"{run}: its recipe has no front end for words; lips, syncnet, ave_net and perfect_match have")


def _of_lips(tower: LipCnn, config: LipCnnConfig) -> FrontEnd:
    first_over_time = tower.get_submodule("tcn.enter.0")
    assert isinstance(first_over_time, nn.Linear)
    tower.set_submodule("tcn", nn.Identity())  # the words' own layers over time come instead
    return FrontEnd(tower, first_over_time.in_features, config.side_px)
