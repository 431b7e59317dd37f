"""The evidence of towers over frames and log-mel on pairs of media, clean and in noise.

gallery → (frames, log-mel in each condition) of the common time → towers → similarity at each tick
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.tower import TowerPair
from avmatch.data.tracks import PackSettings
from avmatch.evaluation.galleries import Gallery, Signals, gallery_clips
from avmatch.frontends.mouth import shades
from avmatch.frontends.sound import CHUNK_SECONDS
from avmatch.matching.galleries import aligned_similarity


def media_similarities(
    towers: TowerPair, gallery: Gallery, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence in nats of every video with every audio, in each condition.

    A clip is what a pair has in common, at most CHUNK_SECONDS of it.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    description = towers.video.description
    settings = PackSettings(description.rate_hz, description.height_px, description.width_px, description.crop)
    clips = gallery_clips(gallery, settings, conditions, seed)
    pictures, sounds_in = _vectors(towers, clips, settings, len(conditions))
    matrices = []
    for sounds in sounds_in:
        similarity, num_ticks = aligned_similarity(pictures, sounds)
        steps = (num_ticks / (description.rate_hz * description.independent_seconds)).astype(np.float32)
        matrices.append(np.float32(description.scale) * steps * (similarity - np.float32(description.baseline)))
    return matrices


def _vectors(
    towers: TowerPair, clips: Iterable[Signals], settings: PackSettings, num_conditions: int
) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Of each clip's picture, and of its sound in each condition."""
    pictures: list[np.ndarray] = []
    sounds: list[list[np.ndarray]] = [[] for _ in range(num_conditions)]
    for frames, mels in clips:
        num_ticks = min(len(frames), round(CHUNK_SECONDS * settings.rate_hz))
        pictures.append(towers.video.encode(shades(frames[:num_ticks]), num_ticks))
        for place, mel in zip(sounds, mels, strict=True):
            place.append(towers.audio.encode(mel[: num_ticks * settings.mels_per_tick], num_ticks))
    return pictures, sounds
