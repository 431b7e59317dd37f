"""The cue of learned towers: unit vectors of picture and sound, compared at every offset.

    vectors of the picture, or of each face in it ┐
    vectors of the sound                          ┴ sum of cosines at every lag → nats → faces put together

A model is a pair of ONNX towers (artifacts/tower.py) that give (T, D) unit vectors at one stated rate. The mean cosine
similarity over the overlap, times a scale stated in the model's description, is its evidence per independent step. Of
faces that are there at the same time one speaks, nobody knows which, and every ten seconds it may be another; those
after one another add up.

Letters in shapes: K faces of all videos (or the N videos themselves), M audio files, L offsets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32

from avmatch.core.errors import Reason
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves, Lags
from avmatch.cues.motion import audio_reason
from avmatch.cues.synchrony import Stream, log_mean_exp, sliding_products

CALIBRATION = Calibration(weight=1.0)
#: Tracks that share no more than this follow one another: a track is held a little longer than its face is visible.
SHARED_SECONDS = 0.3
#: Who speaks among several may change this often.
TURN_SECONDS = 10.0
#: Sums of cosines that are held at once.
BLOCK_VALUES = 2_000_000


@dataclass(frozen=True)
class EmbeddingCue:
    """Evidence from a model's towers.

    Attributes:
        model: the name under which the towers' vectors are kept in the features.
        scale: nats per independent step and unit of (similarity − baseline).
        baseline: the mean similarity of pairs that don't match.
        independent_seconds: how far apart steps must be to count as independent.
        looks_at: "picture", or "mouth" of each face.
    """

    model: str
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2
    looks_at: str = "picture"
    calibration: Calibration = CALIBRATION

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue). A file without vectors abstains."""
        turns = [in_turns(self._tracks(video)) for video in videos]
        silent = [audio_reason(audio) for audio in audios]
        voices = [
            audio.embeddings.get(self.model) if reason is None else None
            for audio, reason in zip(audios, silent, strict=True)
        ]
        columns = [number for number, sound in enumerate(voices) if sound is not None]
        tracks = [track for faces in turns for track in faces]
        of_tracks = self._nats(tracks, [sound for sound in voices if sound is not None], lags_seconds)
        nats = np.zeros((len(videos), len(audios), len(lags_seconds)), np.float32)
        first = 0
        for row, faces in enumerate(turns):
            for together in at_once(faces):
                of_faces = of_tracks[[first + number for number in together]]
                nats[row, columns] += log_mean_exp(of_faces, np.ones(len(together)))
            first += len(faces)
        nothing: Reason = "no_face" if self.looks_at == "mouth" else "too_short"
        return Curves(
            nats,
            tuple(None if faces else nothing for faces in turns),
            tuple(
                reason or ("too_short" if sound is None else None) for sound, reason in zip(voices, silent, strict=True)
            ),
        )

    def face_nats(
        self, faces: Sequence[Embeddings], sound: Embeddings, offset_seconds: float
    ) -> Float32[np.ndarray, " K"]:
        """Evidence (K,) of each face alone at one offset."""
        found: Float32[np.ndarray, " K"] = self._nats(faces, [sound], np.array([offset_seconds]))[:, 0, 0]
        return found

    def _tracks(self, video: VideoFeatures) -> list[Embeddings]:
        """The vectors of its faces, or those of the whole picture as the only ones."""
        sources = video.mouths if self.looks_at == "mouth" else (video,)
        return [source.embeddings[self.model] for source in sources if self.model in source.embeddings]

    def _nats(
        self, tracks: Sequence[Embeddings], sounds: Sequence[Embeddings], lags_seconds: Float[np.ndarray, " L"]
    ) -> Float32[np.ndarray, "K M L"]:
        """Sums of cosines above the baseline, between whole ticks by a cubic through the four next to it."""
        if not (tracks and sounds):
            return np.zeros((len(tracks), len(sounds), len(lags_seconds)), np.float32)
        step = max(1, BLOCK_VALUES // (len(sounds) * len(lags_seconds)))
        parts = [
            self._some_nats(tracks[first : first + step], sounds, lags_seconds) for first in range(0, len(tracks), step)
        ]
        return np.concatenate(parts)

    def _some_nats(
        self, tracks: Sequence[Embeddings], sounds: Sequence[Embeddings], lags_seconds: Float[np.ndarray, " L"]
    ) -> Float32[np.ndarray, "K M L"]:
        rate_hz = tracks[0].rate_hz
        moving, sounding = [_stream(item) for item in tracks], [_stream(item) for item in sounds]
        first = int(np.floor(lags_seconds.min() * rate_hz)) - 3
        last = int(np.ceil(lags_seconds.max() * rate_hz)) + 3
        overlaps = _overlaps(moving, sounding, first, last)
        cosines = np.where(overlaps > 0, sliding_products(moving, sounding, first, last), 0.0)
        excess = cosines - self.baseline * overlaps
        # A stream begins up to half a tick before or after the tick that it is put on.
        early, late = (
            np.array([item.start_seconds * rate_hz - round(item.start_seconds * rate_hz) for item in items])
            for items in (tracks, sounds)
        )
        places = (lags_seconds * rate_hz - first)[None, None] + (early[:, None] - late[None])[..., None]
        per_tick = self.scale / (self.independent_seconds * rate_hz)
        nats: Float32[np.ndarray, "K M L"] = (per_tick * _between(excess, places)).astype(np.float32)
        return nats


def at_once(tracks: Sequence[Embeddings]) -> Iterator[list[int]]:
    """The numbers of tracks that are there at the same time; groups follow one another."""
    group: list[int] = []
    end_seconds = -np.inf
    for number in sorted(range(len(tracks)), key=lambda number: tracks[number].start_seconds):
        track = tracks[number]
        if group and track.start_seconds >= end_seconds - SHARED_SECONDS:
            yield group
            group = []
        group.append(number)
        end_seconds = max(end_seconds, _end_seconds(track))
    if group:
        yield group


def in_turns(tracks: Sequence[Embeddings]) -> list[Embeddings]:
    """Tracks that share time with others are cut every TURN_SECONDS of the file, in whole ticks; others stay whole."""
    found = []
    for group in at_once(tracks):
        for track in (tracks[number] for number in group):
            found += [track] if len(group) == 1 else _turns(track)
    return found


def _turns(track: Embeddings) -> list[Embeddings]:
    first = int(track.start_seconds // TURN_SECONDS) + 1
    borders = np.arange(first, _end_seconds(track) / TURN_SECONDS) * TURN_SECONDS - track.start_seconds
    places = [0, *np.round(borders * track.rate_hz).astype(int).tolist(), len(track.data)]
    return [
        Embeddings(track.data[begin:end], track.rate_hz, track.start_seconds + begin / track.rate_hz)
        for begin, end in pairwise(places)
        if end > begin
    ]


def _end_seconds(track: Embeddings) -> float:
    return track.start_seconds + len(track.data) / track.rate_hz


def _stream(item: Embeddings) -> Stream:
    return Stream(item.data, round(item.start_seconds * item.rate_hz))


def _overlaps(
    videos: Sequence[Stream], audios: Sequence[Stream], first_lag: int, last_lag: int
) -> Float32[np.ndarray, "K M L"]:
    """How many ticks both have at each lag."""
    lags = np.arange(first_lag, last_lag + 1)
    begin, end = (np.array([getattr(video, name) for video in videos])[:, None, None] for name in ("begin", "end"))
    other, until = (np.array([getattr(audio, name) for audio in audios])[None, :, None] for name in ("begin", "end"))
    ticks = np.minimum(end, until - lags) - np.maximum(begin, other - lags)
    return np.maximum(ticks, 0).astype(np.float32)


def _between(values: Float32[np.ndarray, "K M L"], places: Float[np.ndarray, "K M l"]) -> Float[np.ndarray, "K M l"]:
    """`values` at fractional places along the last axis (Catmull and Rom, 1974)."""
    whole = np.floor(places).astype(int)
    x = places - whole
    weights = (
        ((2 - x) * x - 1) * x / 2,
        ((3 * x - 5) * x * x + 2) / 2,
        ((4 - 3 * x) * x + 1) * x / 2,
        (x - 1) * x * x / 2,
    )
    taps = (np.take_along_axis(values, whole + step, axis=2) for step in (-1, 0, 1, 2))
    return np.sum([weight * tap for weight, tap in zip(weights, taps, strict=True)], axis=0)
