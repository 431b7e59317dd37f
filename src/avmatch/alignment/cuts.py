"""A part of a file's features, on its own clock, and the same on another clock."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, MouthTrack, VideoFeatures


def halves(video: VideoFeatures) -> tuple[VideoFeatures, VideoFeatures]:
    """Its first and its second half."""
    begin, length = video.start_seconds, len(video.motion) / TICK_RATE_HZ
    return between(video, begin, begin + 0.5 * length), between(video, begin + 0.5 * length, begin + length)


def between(video: VideoFeatures, begin_seconds: float, end_seconds: float) -> VideoFeatures:
    """The features from `begin_seconds` on and before `end_seconds`, on the file's clock."""
    ticks = _ticks(video.start_seconds, TICK_RATE_HZ, begin_seconds, end_seconds)
    motion = video.motion[ticks]
    tracks = (_track_between(track, begin_seconds, end_seconds) for track in video.mouths)
    return replace(
        video,
        start_seconds=video.start_seconds + ticks.start / TICK_RATE_HZ,
        motion=motion,
        mouths=tuple(track for track in tracks if len(track)),
        duration_seconds=len(motion) / TICK_RATE_HZ,
        embeddings=_vectors_between(video.embeddings, begin_seconds, end_seconds),
    )


def audio_between(audio: AudioFeatures, begin_seconds: float, end_seconds: float) -> AudioFeatures:
    """The same of a sound."""
    ticks = _ticks(audio.start_seconds, BAND_RATE_HZ, begin_seconds, end_seconds)
    flux = audio.flux[ticks]
    return replace(
        audio,
        start_seconds=audio.start_seconds + ticks.start / BAND_RATE_HZ,
        flux=flux,
        level=audio.level[ticks],
        spectrum=audio.spectrum[ticks] if len(audio.spectrum) else audio.spectrum,
        duration_seconds=len(flux) / BAND_RATE_HZ,
        embeddings=_vectors_between(audio.embeddings, begin_seconds, end_seconds),
    )


def moved_audio(audio: AudioFeatures, seconds: float) -> AudioFeatures:
    """The sound's features on a clock that is ahead by so much: it comes that much later."""
    embeddings = {
        name: replace(vectors, start_seconds=vectors.start_seconds + seconds)
        for name, vectors in audio.embeddings.items()
    }
    return replace(audio, start_seconds=audio.start_seconds + seconds, embeddings=embeddings)


def _track_between(track: MouthTrack, begin_seconds: float, end_seconds: float) -> MouthTrack:
    inside = (track.pts_seconds >= begin_seconds) & (track.pts_seconds < end_seconds)
    vectors = _vectors_between(track.embeddings, begin_seconds, end_seconds)
    return MouthTrack(track.pts_seconds[inside], track.boxes[inside], track.signals[inside], vectors)


def _vectors_between(
    embeddings: Mapping[str, Embeddings], begin_seconds: float, end_seconds: float
) -> dict[str, Embeddings]:
    cut = {}
    for name, vectors in embeddings.items():
        ticks = _ticks(vectors.start_seconds, vectors.rate_hz, begin_seconds, end_seconds)
        start = vectors.start_seconds + ticks.start / vectors.rate_hz
        cut[name] = Embeddings(vectors.data[ticks], vectors.rate_hz, start)
    return cut


def _ticks(start_seconds: float, rate_hz: float, begin_seconds: float, end_seconds: float) -> slice:
    """The ticks from `begin_seconds` on and before `end_seconds`."""
    return slice(*(max(0, int(np.ceil((at - start_seconds) * rate_hz - 1e-6))) for at in (begin_seconds, end_seconds)))
