"""A part of a file's features, on its own clock; parts put together again; and the same on another clock."""

from collections.abc import Mapping, Sequence
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
    embeddings = _moved(audio.embeddings, seconds)
    return replace(audio, start_seconds=audio.start_seconds + seconds, embeddings=embeddings)


def moved_video(video: VideoFeatures, seconds: float) -> VideoFeatures:
    """The picture's features on a clock that is ahead by so much."""
    tracks = (
        replace(track, pts_seconds=track.pts_seconds + seconds, embeddings=_moved(track.embeddings, seconds))
        for track in video.mouths
    )
    return replace(
        video,
        start_seconds=video.start_seconds + seconds,
        mouths=tuple(tracks),
        embeddings=_moved(video.embeddings, seconds),
    )


def _moved(embeddings: Mapping[str, Embeddings], seconds: float) -> dict[str, Embeddings]:
    return {name: replace(one, start_seconds=one.start_seconds + seconds) for name, one in embeddings.items()}


def joined_audio(parts: Sequence[AudioFeatures]) -> AudioFeatures:
    """Parts that follow one another, as one; vectors that some of them lack are zero there."""
    first = parts[0]
    if len(parts) == 1:
        return first
    flux, level, spectrum = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("flux", "level", "spectrum")
    )
    return replace(
        first,
        flux=flux,
        level=level,
        spectrum=spectrum,
        duration_seconds=len(flux) / BAND_RATE_HZ,
        embeddings=_joined([part.embeddings for part in parts]),
    )


def joined_video(parts: Sequence[VideoFeatures]) -> VideoFeatures:
    """The same of pictures; a face that goes on is there once a part."""
    first = parts[0]
    if len(parts) == 1:
        return first
    motion = np.concatenate([part.motion for part in parts])
    return replace(
        first,
        motion=motion,
        mouths=tuple(track for part in parts for track in part.mouths),
        duration_seconds=len(motion) / TICK_RATE_HZ,
        embeddings=_joined([part.embeddings for part in parts]),
    )


def _joined(parts: Sequence[Mapping[str, Embeddings]]) -> dict[str, Embeddings]:
    found = {}
    for name in {name for part in parts for name in part}:
        known = [part[name] for part in parts if name in part]
        start, rate = known[0].start_seconds, known[0].rate_hz
        places = [round((one.start_seconds - start) * rate) for one in known]
        data = np.zeros((places[-1] + len(known[-1].data), known[0].data.shape[1]), known[0].data.dtype)
        for place, one in zip(places, known, strict=True):
            data[place : place + len(one.data)] = one.data
        found[name] = Embeddings(data, rate, start)
    return found


def padded_audio(audio: AudioFeatures, seconds: float) -> AudioFeatures:
    """The sound with so much silence on either side."""
    num = round(seconds * BAND_RATE_HZ)
    around = ((num, num), (0, 0))
    quiet = {name: float(getattr(audio, name).min(initial=0.0)) for name in ("level", "spectrum")}
    return replace(
        audio,
        start_seconds=audio.start_seconds - num / BAND_RATE_HZ,
        flux=np.pad(audio.flux, around),
        level=np.pad(audio.level, around, constant_values=quiet["level"]),
        spectrum=np.pad(audio.spectrum, around, constant_values=quiet["spectrum"])
        if len(audio.spectrum)
        else audio.spectrum,
        duration_seconds=audio.duration_seconds + 2 * num / BAND_RATE_HZ,
        embeddings={name: _padded(one, num / BAND_RATE_HZ) for name, one in audio.embeddings.items()},
    )


def _padded(vectors: Embeddings, seconds: float) -> Embeddings:
    num = round(seconds * vectors.rate_hz)
    data = np.pad(vectors.data, ((num, num), (0, 0)))
    return Embeddings(data, vectors.rate_hz, vectors.start_seconds - num / vectors.rate_hz)


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
