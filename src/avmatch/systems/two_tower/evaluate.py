"""The evidence of towers over features of whole clips; noise is added to the features.

The noise has a stated ratio to their own deviation, the same for all models.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.model import Model
from avmatch.artifacts.tower import ClipTowers, load_clip_towers
from avmatch.data.items import Pairs
from avmatch.systems.two_tower.augmentation import feature_noise


def similarities(
    model: Model, pairs: Pairs, conditions: Sequence[float | None], seed: int
) -> Iterator[Float32[np.ndarray, "N N"]]:
    """The matrix of each condition."""
    towers = load_clip_towers(model)
    return (similarity_of(towers, pairs, snr_db, seed) for snr_db in conditions)


def similarity_of(
    towers: ClipTowers, pairs: Pairs, snr_db: float | None = None, seed: int = 0
) -> Float32[np.ndarray, "N N"]:
    """The evidence in nats of every video with every audio, the audio's features in noise if asked."""
    video, audio = (
        [np.asarray(items[row], np.float32) for row in range(len(pairs))] for items in (pairs.video, pairs.audio)
    )
    if snr_db is not None:
        deviation = np.concatenate(audio).std(axis=0)
        rng = np.random.default_rng(seed)
        audio = [feature_noise(rng, clip, snr_db, deviation) for clip in audio]
    for tower, clips in ((towers.video, video), (towers.audio, audio)):
        for name, clip in zip(pairs.names, clips, strict=True):
            tower.check(name, clip)
    products = towers.video.encode(video) @ towers.audio.encode(audio).T
    description = towers.video.description
    return np.float32(description.scale) * (products - np.float32(description.baseline))
