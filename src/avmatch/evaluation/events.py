"""The model for any sound over pairs of media: the same evidence as in `match`, for galleries of which all is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import UsageError
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.core.signals import AudioSamples, VideoFrames
from avmatch.cues.events import EventCue, KindCue
from avmatch.datasets.augment.sound import mix_at_snr
from avmatch.datasets.items import Pairs
from avmatch.datasets.packing import MediaFiles, check_packed, common_part
from avmatch.datasets.tracks import MOTION_AND_BANDS, Sides, band_track, motion_track, split_bands
from avmatch.encoders.events import EventModel
from avmatch.evaluation.media import MediaList, noise_of
from avmatch.frontends.motion import MotionFrontEnd
from avmatch.frontends.sound import SAMPLE_RATE_HZ, SoundFrontEnd
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.media.decode import decode

#: Offsets that partners may have, as `match` has them.
LAGS_SECONDS = np.arange(-TICK_RATE_HZ, TICK_RATE_HZ + 1) / TICK_RATE_HZ

#: A clip's motion, and its bands in each condition.
Clip = tuple[np.ndarray, Sequence[np.ndarray]]


def event_similarities(
    model: EventModel, pairs: MediaList | Pairs, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence in nats of every video with every audio, in each condition.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    clips = list(_packed(pairs, conditions) if isinstance(pairs, Pairs) else _decoded(pairs, conditions, seed))
    videos = [seen_motion(motion) for motion, _ in clips]
    matrices = []
    for place in range(len(conditions)):
        audios = [heard_bands(sounds[place]) for _, sounds in clips]
        cues = (EventCue(model), KindCue(model))
        matrices.append(fused_scores(cues, videos, audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS)).nats)
    return matrices


def seen_motion(motion: np.ndarray) -> VideoFeatures:
    """As the analysis of a file has it."""
    return VideoFeatures(0.5 / TICK_RATE_HZ, motion, (), float(TICK_RATE_HZ), len(motion) / TICK_RATE_HZ)


def heard_bands(bands: np.ndarray, start_seconds: float = 0.0) -> AudioFeatures:
    """The same of a sound that begins then."""
    flux, level, spectrum = split_bands(bands)
    seconds = len(bands) / BAND_RATE_HZ
    return AudioFeatures(start_seconds + 0.5 / BAND_RATE_HZ, flux, level, seconds, peak=1.0, spectrum=spectrum)


def _packed(pairs: Pairs, conditions: Sequence[float | None]) -> Iterable[Clip]:
    if any(snr_db is not None for snr_db in conditions):
        raise UsageError("noise is mixed into waveforms, which shards don't hold; give the media files")
    check_packed(pairs, MOTION_AND_BANDS, "the data")
    return (
        (np.asarray(pairs.video[row]), [np.asarray(pairs.audio[row])] * len(conditions)) for row in range(len(pairs))
    )


def _decoded(media: MediaList, conditions: Sequence[float | None], seed: int) -> Iterator[Clip]:
    files = MediaFiles(media.pairs, partial(read_in_noise, conditions, seed, None))
    for pair in media.pairs:
        video, sounds = files.tracks(pair)
        parts = [common_part(pair, video, sound, MOTION_AND_BANDS) for sound in sounds]
        yield parts[0][0], [bands for _, bands in parts]


def read_in_noise(
    conditions: Sequence[float | None], seed: int, kind: str | None, path: str, video: bool, audio: bool
) -> Sides:
    """Both sides of a file, its sound in each condition."""
    picture, blocks = MotionFrontEnd(), []
    for block in decode(path, video=video, audio=audio):
        if isinstance(block, VideoFrames):
            picture.push(block)
        else:
            blocks.append(block)
    seen = motion_track(picture) if video else None
    if not blocks:
        return Sides(seen, (None,) * len(conditions))
    sound = np.concatenate([block.data[0] for block in blocks])
    noise = noise_of(path, len(sound), seed, kind) if set(conditions) - {None} else sound
    tracks = []
    for snr_db in conditions:
        heard = SoundFrontEnd()
        mixed = sound if snr_db is None else mix_at_snr(sound, noise, snr_db)
        heard.push(AudioSamples(mixed[None], SAMPLE_RATE_HZ, blocks[0].pts_seconds))
        tracks.append(band_track(heard))
    return Sides(seen, tuple(tracks))
