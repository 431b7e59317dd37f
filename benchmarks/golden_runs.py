"""One short run of every recipe on tiny data, for `golden.py`: which data, and which settings make it small.

Widths are multiples of 8: some CPUs write out of bounds in odd ones (torch 2.13, AVX2).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """`avmatch train RECIPE data/DATA` with these settings."""

    recipe: str
    data: str
    settings: tuple[str, ...] = ()
    epochs: int = 1


def _settings(prefix: str, text: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{setting}" for setting in text.split())


_FEATURES = _settings(
    "task.",
    "video.num_features=16 audio.num_features=12 video.widths=[24] audio.widths=[24] video.dim=16 audio.dim=16",
)
_TCN = "tcn.width=16 tcn.dilations=[1]"
_LIP_CNN = _settings("task.video.", f"first=8 widths=[8,16] {_TCN}")
_LIPS = (*_LIP_CNN, *_settings("task.audio.", f"widths=[8,8,16,16] {_TCN}"), "passes=1", "batch_size=4")
_STREAMS = (
    *_settings("task.", "streams.side_px=56 streams.width=0.0625 streams.dim=16 window_ticks=8"),
    "batch_size=4",
)
_WORDS = ("task.selection.min_tokens=2", "batch_size=8")
_AVTS_SIZES = (
    *_settings("task.", "video.width=0.125 video.hidden=64 video.dim=16"),
    *_settings("task.", "audio.width=0.125 audio.num_stretches=2 audio.hidden=64 audio.dim=16"),
    *_settings("task.", "side_px=32 spare_px=8"),
    "batch_size=4",
)
_AVTS = (*_AVTS_SIZES, "task.video.num_stretches=2")
_CLIP_CLASSES = (
    *_settings("task.", "video.width=0.125 audio.width=0.125 video.num_stretches=2 audio.num_stretches=2"),
    *_settings("task.", "side_px=32 spare_px=8 window_seconds=0.6"),
    "batch_size=6",
)
_MEDIA = (
    *_settings("task.packing.", "height_px=24 width_px=24"),
    *_settings("task.", "video.widths=[8,16] video.head.widths=[32] audio.widths=[32,32] audio.head.widths=[32]"),
    *_settings("", "task.crop_seconds=2 batch_size=6 validation_share=0.2"),
)
_MIXED = (
    *_settings("task.", "num_networks=2 num_folds=4 attention.width=16 attention.num_components=[4,5]"),
    "batch_size=16",
)
_IMPACT_SOUND = "bands.bins=64 bands.ticks=28 num_folds=2 sound.widths=[8,8,8,16] sound.first_kernel=3"
_HALF = ("validation_share=0.5", "batch_size=10")
_CLASSIFY = (*_settings("task.", _IMPACT_SOUND), *_HALF)
_PICTURE = (*_CLASSIFY, "task.picture.widths=[8,16]")
_CENTROID = (*_CLASSIFY, "task.film.hidden=[8]", "task.dim=8")
_FRAMES = (*_CLASSIFY, "task.film.widths=[8,8,8,8]", "task.dim=8")

RUNS: dict[str, Run] = {
    "two_tower": Run("two_tower", "pairs", _FEATURES, epochs=2),
    "two_tower_kmeans": Run("two_tower_kmeans", "pairs", (*_FEATURES, "task.clusters.num_clusters=4")),
    "two_tower_sampled": Run("two_tower", "pairs", (*_FEATURES, "task.loss=sampled", "seed=1"), epochs=2),
    "two_tower_best": Run("two_tower_best", "pairs", ("task.networks.count=2",)),
    "two_tower_cca": Run("two_tower_cca", "pairs", epochs=0),
    "two_tower_media": Run("two_tower_media", "learn", _MEDIA, epochs=2),
    "events": Run("events", "learn/list.csv", ("batch_size=6",)),
    "avts": Run("avts", "learn", _AVTS),
    "l3_net": Run("l3_net", "learn", _AVTS_SIZES),
    "avts_finetune": Run("avts_finetune", "actions", (*_CLIP_CLASSES, "task.rate_hz=10")),
    "sound_classes": Run("sound_classes", "sounds", _CLIP_CLASSES),
    "lips": Run("lips", "faces/clips", _LIPS),
    "syncnet": Run("syncnet", "mouths", _STREAMS),
    "ave_net": Run("ave_net", "mouths", _STREAMS),
    "perfect_match": Run("perfect_match", "mouths", (*_STREAMS, "task.criterion.num_candidates=4")),
    "words": Run("words", "mouths", (*_WORDS, *_LIP_CNN, *_settings("task.back_end.", _TCN))),
    "words_tc_5": Run("words_tc_5", "mouths", (*_WORDS, *_LIP_CNN, "task.back_end.width=16")),
    "scene_audio": Run("scene_audio", "classes/train"),
    "scene_video": Run("scene_video", "classes/train"),
    "scene_early": Run("scene_early", "classes/train"),
    "scene_middle": Run("scene_middle", "classes/train"),
    "scene_late": Run("scene_late", "classes/train"),
    "scene_hybrid": Run("scene_hybrid", "classes/train"),
    "scene_best": Run("scene_best", "classes/train", _MIXED),
    "collision_classify": Run("collision_classify", "collisions", _CLASSIFY),
    "collision_classify_picture": Run("collision_classify_picture", "collisions", _PICTURE),
    "collision_centroid": Run("collision_centroid", "collisions", _CENTROID),
    "collision_3dcnn": Run("collision_3dcnn", "collisions", _FRAMES),
    "collision": Run(
        "collision",
        "collisions",
        (
            *(f"sound.{setting}" for setting in _CLASSIFY),
            *(f"picture.{setting}" for setting in _PICTURE),
            *(f"metric.{setting}" for setting in _CENTROID),
        ),
    ),
}

#: Killed after two of these epochs, and kept as it lay.
INTERRUPTED = Run("two_tower", "pairs", (*_FEATURES, "checkpoint_seconds=0", "patience=0"), epochs=60)
