"""Match clips by features computed elsewhere: folders of `.npy`, one clip a file.

    load → encode → similarity → decide

No decoder and no front end: towers over clip features take the arrays as they are.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from avmatch.artifacts.model import Model
from avmatch.artifacts.tower import ClipTower, load_clip_towers
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.results import Failure, MatchResult
from avmatch.data.std2022 import list_features, load_feature
from avmatch.matching.decision import MatchSettings, decide
from avmatch.matching.fusion import Scores
from avmatch.matching.galleries import sinkhorn

Paths = str | Path | Sequence[str | Path]


def match_features(videos: Paths, audios: Paths, settings: MatchSettings, model: str | Path | Model) -> MatchResult:
    """Say which audio clip belongs to which video clip.

    Args:
        videos, audios: folders of `.npy` files (T, F), or lists of such files.
        model: of towers over clip features.

    Raises:
        UsageError: a folder without features, or an option that features can't serve.
    """
    if settings.many or settings.use_scratch:
        raise UsageError(
            "features of whole clips have no place in time and no scratch sound: leave out --many and --use-scratch, "
            "or match the media files themselves"
        )
    towers = load_clip_towers(model)
    video_paths, audio_paths = _listed(videos), _listed(audios)
    usable_videos, video_vectors, video_failures = _encoded(towers.video, video_paths)
    usable_audio, audio_vectors, audio_failures = _encoded(towers.audio, audio_paths)
    description = towers.video.description
    nats = np.float32(description.scale) * (video_vectors @ audio_vectors.T - np.float32(description.baseline))
    unknown = np.full(nats.shape, np.nan, np.float32)
    scores = Scores(nats, unknown, np.zeros(nats.shape, np.int64), (towers.name,))
    result = decide(video_paths, usable_videos, usable_audio, scores, posterior(nats), settings)
    return replace(result, failures=(*video_failures, *audio_failures))


def posterior(nats: Float32[np.ndarray, "N M"]) -> Float64[np.ndarray, "N M"]:
    """How probable each pair is if every clip on the smaller side has exactly one match (matching/galleries.py).

    The nats of clip towers are calibrated on held-back pairs, so this is a frequency; where some clips have no match it
    is too high.
    """
    if not nats.size:
        return np.zeros(nats.shape)
    return np.exp(np.minimum(sinkhorn(nats, temperature=1.0), 0.0))


def _listed(argument: Paths) -> tuple[str, ...]:
    if isinstance(argument, str | Path):
        return list_features(argument)
    if not argument:
        raise UsageError("an empty list of files was given")
    return tuple(dict.fromkeys(os.fspath(path) for path in argument))


def _encoded(
    tower: ClipTower, paths: Sequence[str]
) -> tuple[tuple[str, ...], Float32[np.ndarray, "N D"], tuple[Failure, ...]]:
    """The usable files, their vectors, and the failures."""
    usable, clips, failures = [], [], []
    for path in paths:
        try:
            clip = load_feature(path)
            tower.check(path, clip)
        except MediaError as error:
            failures.append(Failure.from_error(error))
        else:
            usable.append(path)
            clips.append(clip)
    return tuple(usable), tower.encode(clips), tuple(failures)
