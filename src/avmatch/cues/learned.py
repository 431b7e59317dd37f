"""The cue of learned towers: unit vectors of picture and sound, compared at every offset.

    vectors of the picture, or of each face in it ┐
    vectors of the sound                          ┴ sum of cosines at every lag → nats → faces put together

A model is a pair of ONNX towers (artifacts/tower.py) that give (T, D) unit vectors at one stated rate. The mean cosine
similarity over the overlap, times a scale stated in the model's description, is its evidence per independent step. A
model finds some pictures and some sounds alike whatever they say, and others unlike: a part of what a pair shows at all
offsets about those in question, its background, is subtracted (z-norm of speaker verification, within the pair). Of
faces that are there at the same time one speaks, nobody knows which, and every ten seconds it may be another; those
after one another add up.

Letters in shapes: K faces of all videos (or the N videos themselves), M audio files, L offsets.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import maximum_filter1d

from avmatch.core.errors import Reason
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.block_vectors import BlockVectors, principal
from avmatch.cues.evidence import Calibration, Curves, Lags
from avmatch.cues.motion import audio_reason, stands_still
from avmatch.cues.synchrony import Stream, log_mean_exp, remembered, sliding_products

CALIBRATION = Calibration(weight=1.0)
#: Tracks that share no more than this follow one another: a track is held a little longer than its face is visible.
SHARED_SECONDS = 0.3
#: Who speaks among several may change this often.
TURN_SECONDS = 10.0
#: A sound with less voice than this has none; pauses up to twice as long as PAUSE_SECONDS belong to what is said.
LEAST_VOICE_SECONDS, PAUSE_SECONDS = 0.12, 0.5
#: The background of a pair is what it shows up to so far beyond the offsets asked for.
BACKGROUND_SECONDS = 1.5
#: A deviation of fewer cosines isn't one.
LEAST_TICKS = 6
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
        background_share: how much of a pair's own background is subtracted, 0…1.
        looks_at: "picture", or "mouth" of each face.
        voice: gives the probability of a voice, TICK_RATE_HZ a second from the first band tick on; where it hears none
            (nor within PAUSE_SECONDS) nothing is compared. None = every sound counts.
    """

    model: str
    scale: float = 1.0
    baseline: float = 0.0
    independent_seconds: float = 0.2
    looks_at: str = "picture"
    calibration: Calibration = CALIBRATION
    voice: Callable[[AudioFeatures], Float32[np.ndarray, " T"]] | None = None
    background_share: float = 0.0

    def rough(self, audios: Sequence[AudioFeatures], lags_seconds: Lags) -> BlockVectors:
        """See RoughCue."""
        known = [audio.embeddings[self.model] for audio in audios if self.model in audio.embeddings]
        rate_hz = known[0].rate_hz if known else float(TICK_RATE_HZ)
        return BlockVectors(
            lags_seconds,
            self._groups,
            self._vectors,
            principal(known),
            rate_hz,
            self.scale / (self.independent_seconds * rate_hz),
            self.baseline,
            self.background_share,
            BACKGROUND_SECONDS,
        )

    def _groups(self, video: VideoFeatures) -> list[list[Embeddings]]:
        """The vectors of a video's faces, those that are there at the same time together."""
        faces = in_turns(self._tracks(video))
        return [[faces[number] for number in group] for group in at_once(faces)]

    def _vectors(self, audio: AudioFeatures) -> Embeddings | None:
        sound = self._sound(audio)
        return sound if isinstance(sound, Embeddings) else None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue). A file without vectors abstains, and so do a picture that
        stands still, and a sound without a voice where one is listened for."""
        turns = [in_turns(self._tracks(video)) for video in videos]
        sounds = [self._sound(audio) for audio in audios]
        columns = [number for number, sound in enumerate(sounds) if isinstance(sound, Embeddings)]
        tracks = [track for faces in turns for track in faces]
        heard = [sound for sound in sounds if isinstance(sound, Embeddings)]
        of_tracks = self._nats(tracks, heard, lags_seconds)
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
            tuple(
                "static_picture" if stands_still(video) else None if faces else nothing
                for video, faces in zip(videos, turns, strict=True)
            ),
            tuple(None if isinstance(sound, Embeddings) else sound for sound in sounds),
        )

    def _sound(self, audio: AudioFeatures) -> Embeddings | Reason:
        """The vectors of a sound, zero where nobody speaks, or why there are none."""
        reason = audio_reason(audio) or (None if self.model in audio.embeddings else "too_short")
        if reason is not None:
            return reason
        vectors = audio.embeddings[self.model]
        if self.voice is None:
            return vectors
        spoken = self._spoken(audio)
        if spoken is None:
            return "no_voice"
        data = vectors.data.copy()
        data[~spoken] = 0.0
        return Embeddings(data, vectors.rate_hz, vectors.start_seconds)

    @cached_property
    def _spoken(self) -> Callable[[AudioFeatures], Bool[np.ndarray, " T"] | None]:
        """At which vectors of a sound somebody speaks, kept as long as the sound; None where it has no voice."""
        return remembered(self._listened)

    def _listened(self, audio: AudioFeatures) -> Bool[np.ndarray, " T"] | None:
        vectors = audio.embeddings[self.model]
        is_voice = np.zeros(0, bool) if self.voice is None else self.voice(audio) > 0.5
        if is_voice.sum() < LEAST_VOICE_SECONDS * TICK_RATE_HZ:
            return None
        near = maximum_filter1d(is_voice, 2 * round(PAUSE_SECONDS * TICK_RATE_HZ) + 1, mode="constant")
        times = vectors.start_seconds + np.arange(len(vectors.data)) / vectors.rate_hz
        ticks = np.rint((times - audio.start_seconds) * TICK_RATE_HZ).astype(int)
        return np.asarray(near[np.clip(ticks, 0, len(near) - 1)], bool)

    def face_nats(
        self, faces: Sequence[Embeddings], sound: Embeddings, offset_seconds: float
    ) -> Float32[np.ndarray, " K"]:
        """Evidence (K,) of each face alone at one offset."""
        found: Float32[np.ndarray, " K"] = self._nats(faces, [sound], np.array([offset_seconds]))[:, 0, 0]
        return found

    def unevenness(self, video: VideoFeatures, audio: AudioFeatures, offset_seconds: float) -> float:
        """Deviation of the cosines at one offset, of the face that is there longest while something is said (see
        SteadyCue)."""
        sound = self._sound(audio)
        if not isinstance(sound, Embeddings):
            return 0.0
        cosines = max((_cosines(track, sound, offset_seconds) for track in self._tracks(video)), key=len, default=())
        return float(np.std(cosines)) if len(cosines) >= LEAST_TICKS else 0.0

    def _tracks(self, video: VideoFeatures) -> list[Embeddings]:
        """The vectors of its faces, or those of the whole picture as the only ones; of a photograph none."""
        if stands_still(video):
            return []
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
        moving, seen = _streams(tracks, 1.0)
        sounding, heard = _streams(sounds, -self.baseline)
        about = BACKGROUND_SECONDS if self.background_share else 0.0
        first = int(np.floor((lags_seconds.min() - about) * rate_hz)) - 3
        last = int(np.ceil((lags_seconds.max() + about) * rate_hz)) + 3
        excess = sliding_products(moving, sounding, first, last)
        excess[~_overlap(moving, sounding, first, last)] = 0.0
        if self.background_share:
            both = sliding_products(seen, heard, first, last)
            background = excess.sum(axis=2) / np.maximum(both.sum(axis=2), 1.0)
            both *= (self.background_share * background)[..., None]
            excess -= both
        # A stream begins up to half a tick before or after the tick that it is put on.
        early, late = (
            np.array([item.start_seconds * rate_hz - round(item.start_seconds * rate_hz) for item in items])
            for items in (tracks, sounds)
        )
        places = (lags_seconds * rate_hz - first)[None, None] + (early[:, None] - late[None])[..., None]
        per_tick = self.scale / (self.independent_seconds * rate_hz)
        nats: Float32[np.ndarray, "K M L"] = (per_tick * _between(excess, places)).astype(np.float32)
        return nats


def _cosines(track: Embeddings, sound: Embeddings, offset_seconds: float) -> Float[np.ndarray, " T"]:
    """Tick by tick of the track, where the sound has a vector."""
    seconds = track.start_seconds + np.arange(len(track.data)) / track.rate_hz + offset_seconds
    at = np.rint((seconds - sound.start_seconds) * sound.rate_hz).astype(int)
    inside = np.flatnonzero((at >= 0) & (at < len(sound.data)))
    vectors = sound.data[at[inside]]
    cosines = (track.data[inside].astype(np.float64) * vectors).sum(axis=1)
    return np.asarray(cosines[np.any(vectors != 0.0, axis=1)])


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


def _streams(items: Sequence[Embeddings], constant: float) -> tuple[list[Stream], list[Stream]]:
    """Vectors with one more dimension, and 1 where there is one.

    The product of the last dimensions of both sides is the baseline, where both have a vector.
    """
    streams, marks = [], []
    for item in items:
        num, dims = item.data.shape
        vectors = np.empty((num, dims + 1), np.float32)
        vectors[:, :dims] = item.data
        there = np.asarray(vectors[:, :dims].any(axis=1), np.float32)
        vectors[:, dims] = constant * there
        begin = round(item.start_seconds * item.rate_hz)
        streams.append(Stream(vectors, begin))
        marks.append(Stream(there[:, None], begin))
    return streams, marks


def _overlap(
    videos: Sequence[Stream], audios: Sequence[Stream], first_lag: int, last_lag: int
) -> Bool[np.ndarray, "K M L"]:
    """Whether both have a tick in common at each lag."""
    lags = np.arange(first_lag, last_lag + 1)
    begin, end = (np.array([getattr(video, name) for video in videos])[:, None, None] for name in ("begin", "end"))
    other, until = (np.array([getattr(audio, name) for audio in audios])[None, :, None] for name in ("begin", "end"))
    # Both last a tick at least: neither ends before the other begins.
    return (end > other - lags) & (until - lags > begin)


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
