"""Talking clips as vectors, cut into pieces, clean and in noise: what `avmatch evaluate sync` and `match` measure on.

    clips → decode each file once → towers → vectors on one clock → pieces of some seconds

The vectors of a piece are cut out of those of its file, not computed from a cut file: each depends on a little of what
lies before and behind the piece. Files that are really cut are left to the benchmarks.

Noise is mixed into the waveform, over the whole sound, as in evaluation/galleries.py.

Letters in shapes: T ticks of a clip or piece, U ticks of the sound, D dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.model import TOWERS, Model, open_model
from avmatch.artifacts.tower import AudioEncoder, TowerPair, load_pair
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.core.results import Failure, Progress
from avmatch.data.layouts import read_speech
from avmatch.data.manifest import Clip
from avmatch.evaluation.galleries import noise_of
from avmatch.evaluation.pieces import TalkProtocol, piece_places
from avmatch.media.decode import read_audio
from avmatch.synth.sound import mix_at_snr

Vectors = Float32[np.ndarray, "T D"]


@dataclass(frozen=True, eq=False)
class ClipVectors:
    """A clip's unit vectors: of its picture, and of its sound in each condition on the same ticks.

    Attributes:
        video: (T, D); rows of NaN where no face is in sight.
        audio: (T, D) each; rows of NaN where there is no sound.
    """

    clip: Clip
    video: Vectors
    audio: tuple[Vectors, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """Ticks `begin` … `end` − 1 of a clip."""

    vectors: ClipVectors
    begin: int
    end: int

    @property
    def clip(self) -> Clip:
        """What it was cut out of."""
        return self.vectors.clip

    @property
    def video(self) -> Vectors:
        """(T, D) of the picture."""
        return self.vectors.video[self.begin : self.end]

    def audio(self, condition: int, late_ticks: int = 0, around: int = 0) -> Vectors:
        """(T + 2 · `around`, D) of the sound of that time, and around it, when the clip's sound comes so late."""
        begin = self.begin - late_ticks - around
        return ticks_of(self.vectors.audio[condition], begin, self.end - self.begin + 2 * around)


@dataclass(frozen=True, eq=False)
class TalkVectors:
    """Every usable clip of some data.

    Attributes:
        model, data: their names.
        conditions: signal-to-noise ratios of the sounds in dB; None = as it is.
        notes: which files can't be used, and why.
    """

    model: str
    data: str
    protocol: TalkProtocol
    towers: TowerPair
    clips: tuple[ClipVectors, ...]
    conditions: tuple[float | None, ...]
    notes: tuple[str, ...]

    @property
    def rate_hz(self) -> float:
        """Ticks a second."""
        return self.towers.video.description.rate_hz

    def pieces(self, seconds: float) -> list[Piece]:
        """All disjoint pieces of this length, from each clip's beginning; whole clips for 0."""
        return [
            Piece(clip, *place) for clip in self.clips for place in piece_places(len(clip.video), seconds, self.rate_hz)
        ]


def talk_vectors(
    model: str | Path | Model,
    data: str | Path,
    protocol: TalkProtocol,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    any_distance: bool = False,
) -> TalkVectors:
    """The vectors of every clip of `data`; the picture of each file is decoded once.

    Args:
        any_distance: also of models whose vectors aren't of length 1.

    Raises:
        UsageError: no clip is there or can be used.
        ModelError: the model can't be used, or has no vectors over time.
    """
    opened = open_model(model, TOWERS)
    towers = load_pair(opened, any_distance=any_distance)
    clips = [clip for clip in read_speech(data) if protocol.split in (None, clip.split)]
    if not clips:
        raise UsageError(f"{data}: has no clip with the split {protocol.split!r}")
    paths = list(dict.fromkeys(clip.path for clip in clips))
    analyse = partial(_features, Analyser(cache_dir, (towers,), num_threads=1), towers, protocol)
    files = dict(zip(paths, analyse_all(analyse, paths, "clips", progress), strict=True))
    usable: list[ClipVectors] = []
    notes: dict[str, None] = {}
    for clip in clips:
        file = files[clip.path]
        try:
            if isinstance(file, Failure):
                notes[f"{clip.path}: {file.message}; left out"] = None
            else:
                usable.append(clip_vectors(towers.name, clip, *file))
        except MediaError as error:
            notes[f"{error}; left out"] = None
    if not usable:
        raise UsageError(f"{data}: none of its {len(clips)} clips can be used; {next(iter(notes))}")
    conditions = (None, *protocol.noise_snr_db)
    return TalkVectors(opened.name, str(data), protocol, towers, tuple(usable), conditions, tuple(notes))


def clip_vectors(model: str, clip: Clip, picture: VideoFeatures, sounds: Sequence[AudioFeatures]) -> ClipVectors:
    """The vectors of a clip from those of its file, the sound moved earlier by as much as it is known to be late.

    Only this and `_video_vectors` know where features keep the vectors of a model.

    Args:
        model: the name of the model.
        sounds: the file's sound in each condition.

    Raises:
        MediaError: the model found nothing in the file, or nothing in the part that the clip is.
    """
    of_video = _video_vectors(model, picture)
    of_audio = [sound.embeddings[model] for sound in sounds if model in sound.embeddings]
    if of_video is None or len(of_audio) < len(sounds):
        raise MediaError(clip.path, f"{model} finds nothing to compare in it", stage="features", reason="too_short")
    rate_hz = of_video.rate_hz
    place = round(((clip.start_seconds or 0.0) - of_video.start_seconds) * rate_hz)
    begin, end = max(place, 0), len(of_video.data)
    if clip.duration_seconds is not None:
        end = max(place + round(clip.duration_seconds * rate_hz), begin)
    video = of_video.data[begin:end].astype(np.float32)
    first_seconds = of_video.start_seconds + begin / rate_hz + clip.offset_seconds
    audio = tuple(
        ticks_of(vectors.data, round((first_seconds - vectors.start_seconds) * rate_hz), len(video))
        for vectors in of_audio
    )
    if not (np.isfinite(video) & np.isfinite(audio[0])).any():
        raise MediaError(
            clip.path, "picture and sound have no time in common there", stage="features", reason="too_short"
        )
    return ClipVectors(clip, video, audio)


def ticks_of(vectors: Float[np.ndarray, "U D"], begin: int, num_ticks: int) -> Float32[np.ndarray, "T D"]:
    """Ticks `begin` … `begin` + `num_ticks` − 1; NaN where there are none."""
    taken = np.full((num_ticks, vectors.shape[1]), np.nan, np.float32)
    first, last = max(begin, 0), min(begin + num_ticks, len(vectors))
    if last > first:
        taken[first - begin : last - begin] = vectors[first:last]
    return taken


def _video_vectors(model: str, picture: VideoFeatures) -> Embeddings | None:
    """Those of the whole picture; or, at each tick, of the face that is longest in sight, NaN where there is none."""
    tracks = [track.embeddings[model] for track in picture.mouths if model in track.embeddings]
    if not tracks:
        return picture.embeddings.get(model)
    rate_hz, start_seconds = tracks[0].rate_hz, min(track.start_seconds for track in tracks)
    places = [round((track.start_seconds - start_seconds) * rate_hz) for track in tracks]
    num_ticks = max(place + len(track.data) for place, track in zip(places, tracks, strict=True))
    data = np.full((num_ticks, tracks[0].data.shape[1]), np.nan, np.float32)
    for place, track in sorted(zip(places, tracks, strict=True), key=lambda item: len(item[1].data)):
        data[place : place + len(track.data)] = track.data  # the longest comes last
    return Embeddings(data, rate_hz, start_seconds)


def _features(
    analyser: Analyser, towers: TowerPair, protocol: TalkProtocol, path: str
) -> tuple[VideoFeatures, tuple[AudioFeatures, ...]]:
    """Of a file's picture, and of its sound in each condition. Raises MediaError."""
    picture, sound = analyser.both(path)
    if not protocol.noise_snr_db:
        return picture, (sound,)
    samples = read_audio(path)
    noise = noise_of(path, samples.data.shape[1], protocol.seed, protocol.noise_kind)
    noisy = []
    for snr_db in protocol.noise_snr_db:
        encoder = AudioEncoder(towers.audio)
        encoder.push(replace(samples, data=mix_at_snr(samples.data[0], noise, snr_db)[None]))
        vectors = encoder.finish()
        noisy.append(replace(sound, embeddings={} if vectors is None else {towers.name: vectors}))
    return picture, (sound, *noisy)
