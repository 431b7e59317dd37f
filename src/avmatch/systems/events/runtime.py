"""The model for any sound, over the features that every file has anyway (frontends/event_signals.py).

    video.onnx   sources (1, S, C, T) → accents (1, S, K, T), 25 a second
    audio.onnx   bands (1, H, U) → accents (1, K, U), 100 a second
    kind/        two towers over statistics (1, W, F) → a unit vector each (artifacts/tower.py)
    classes/     two more → probabilities of G named classes, the picture's divided by the classes' shares

The metadata property `avmatch` of the first two is a JSON object:

    {"model": "events", "side": "video", "input": "motion", "weights": [0.9, …], "temper": 0.4, "kind_scale": 3.1,
     "kind_baseline": 0.2, "class_share": 0.5, "weight": 1.0, "mass_slope": 0.5, "contrast_slope": 0.1,
     "intercept": -0.2, "half_slope": 0.2, "strokes_slope": 1.1, "class_slopes": [0.3, …]}

`weights` and `temper` say how the nats of accents are added, kind_scale · (cosine − kind_baseline) are the
nats of the kinds, class_share · log(picture's · sound's probabilities) those of the classes, and the last seven how far
offsets may be believed (cues/evidence.py). Where class_share is 0, there are no classes.

Its two cues: *when* things happen (EventCue), the accents of picture and sound, the k-th with the k-th, by the
arithmetic of cues/synchrony.py, where one source of the picture is tied to the sound; in close-ups of faces it counts
for less, as the untrained motion cue does, which it replaces. *What* they are (KindCue), the cosine of what the picture
looks like and what the sound sounds like, and the probability that both are of one named class; the same at every
offset.

Letters in shapes: N videos, M audio files, L offsets, S sources, C channels, T ticks, H inputs, U band ticks,
K accents, D dimensions, W windows, F statistics, G classes, P numbers of a pooled vector, n sounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Float, Float32

from avmatch.artifacts.model import EVENTS, Description, Graph, Model, open_model
from avmatch.artifacts.tower import ClipTowers, load_clip_towers
from avmatch.core.errors import ModelError, Reason
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.blocks import BlockSynchrony, Window, covered_ticks, in_components
from avmatch.cues.evidence import Calibration, Curves, Lags
from avmatch.cues.motion import Signal, Weighted, audio_reason, close_up_worth, video_reason, windowed_curves
from avmatch.cues.pooled import Term
from avmatch.cues.synchrony import (
    AudioWindows,
    Series,
    VideoWindow,
    correlation_nats,
    log_mean_exp,
    remembered,
    video_windows,
)
from avmatch.frontends import event_signals

File = TypeVar("File")
#: Least chance of one class, so that its logarithm is finite.
_LEAST_CHANCE = float(np.finfo(np.float32).tiny)
#: The kinds' nats are calibrated by the export.
_AS_THEY_ARE = Calibration()
INPUTS = {"video": "motion", "audio": "bands"}
KIND, CLASSES = "kind", "classes"
#: So many windows, of 120 KiB each, are kept between the two looks at a large gallery, of videos of so many ticks.
KEPT_WINDOWS, KEPT_TICKS = 4096, 60 * TICK_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class EventDescription(Description, Calibration):
    """What either side says of itself, and how far its nats may be believed."""

    weights: tuple[float, ...]
    temper: float
    kind_scale: float
    kind_baseline: float
    class_share: float = 0.0

    def __post_init__(self) -> None:
        if INPUTS.get(self.side) != self.input:
            raise ValueError(f"side {self.side!r} with input {self.input!r}; expected one of {INPUTS}")
        if not self.weights or min(*self.weights, self.temper, self.kind_scale, self.class_share) < 0:
            raise ValueError(f"weights, temper, kind_scale and class_share can't be negative, got {self}")


@dataclass(frozen=True, eq=False)
class Kind:
    """What a file looks like, or sounds like.

    Attributes:
        vector: a unit vector.
        classes: of each named class; None where the model knows none.
    """

    vector: Float32[np.ndarray, " D"]
    classes: Float32[np.ndarray, " G"] | None = None


@dataclass(frozen=True, eq=False)
class EventModel:
    """Loaded graphs and what they say of themselves."""

    description: EventDescription
    video: Graph
    audio: Graph
    kinds: ClipTowers
    classes: ClipTowers | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.description.model

    def picture_accents(self, video: VideoFeatures) -> tuple[Float32[np.ndarray, "S K T"], Float[np.ndarray, " S"]]:
        """The accents of each source, and the sources' prior weights."""
        sources, weights = event_signals.picture_signals(video.motion)
        return self._run(self.video, "video", sources), weights

    def picture_windows(self, video: VideoFeatures) -> list[Weighted]:
        """The accents of all sources, accent by accent, in windows; short videos' are kept while they live."""
        return (self._kept_windows if len(video.motion) <= KEPT_TICKS else self._picture_windows)(video)

    @cached_property
    def _kept_windows(self) -> Callable[[VideoFeatures], list[Weighted]]:
        return remembered(self._picture_windows, KEPT_WINDOWS, len)

    def _picture_windows(self, video: VideoFeatures) -> list[Weighted]:
        accents, priors = self.picture_accents(video)
        signals = np.ascontiguousarray(accents.transpose(2, 1, 0).reshape(accents.shape[2], -1))
        return [(window, priors) for window in video_windows(Series(video.start_seconds, TICK_RATE_HZ, signals))]

    def cell_accents(self, video: VideoFeatures) -> Float32[np.ndarray, "64 K T"]:
        """The accents of every cell of the picture."""
        return self._run(self.video, "video", event_signals.cell_signals(video.motion))

    @cached_property
    def sound_series(self) -> Callable[[AudioFeatures], list[Series]]:
        """The accents as series, kept as long as the sound."""
        return remembered(self._sound_series)

    @property
    def accents_name(self) -> str:
        """Under which accents are kept among the vectors of a sound."""
        return f"{self.name} accents"

    def _sound_series(self, audio: AudioFeatures) -> list[Series]:
        if (kept := audio.embeddings.get(self.accents_name)) is not None:
            accents = kept.data.astype(np.float32)
            return [Series(kept.start_seconds, kept.rate_hz, accents[:, [place]]) for place in range(accents.shape[1])]
        start_seconds = audio.start_seconds - event_signals.EARLY_SECONDS
        return [Series(start_seconds, BAND_RATE_HZ, signal[:, None]) for signal in self.sound_accents(audio)]

    def sound_accents(self, audio: AudioFeatures) -> Float32[np.ndarray, "K U"]:
        """The accents, on the clock of `sound_signals`."""
        return self._run(self.audio, "audio", event_signals.sound_signals(audio.flux, audio.level))

    def picture_kind(self, video: VideoFeatures) -> Kind | None:
        """What it looks like; None if it is too short."""
        return self._kind("video", event_signals.picture_statistics(video.motion))

    def sound_kind(self, audio: AudioFeatures) -> Kind | None:
        """What it sounds like; None if it is too short, or its spectrum isn't known."""
        return self._kind("audio", event_signals.sound_statistics(audio.spectrum))

    def _kind(self, side: str, statistics: Float32[np.ndarray, "W F"]) -> Kind | None:
        if not len(statistics):
            return None
        known = [towers for towers in (self.kinds, self.classes) if towers is not None]
        return Kind(*(getattr(towers, side).encode([statistics])[0] for towers in known))

    def _run(self, graph: Graph, side: str, signals: np.ndarray) -> np.ndarray:
        who = f"{self.name}: the {side} tower"
        output = graph.run(who, signals[None]).astype(np.float32, copy=False)
        num, ticks = len(self.description.weights), signals.shape[-1]
        if output.shape[-2:] != (num, ticks) or output.ndim != signals.ndim + 1:
            raise ModelError(f"{who} must give (…, {num}, {ticks}), got {output.shape}; export it again")
        return output[0]


def load_event_model(model: str | Path | Model) -> EventModel:
    """The model for any sound. Raises ModelError if it is another model, or a graph isn't what it should be."""
    opened = open_model(model, EVENTS)
    video, audio = (opened.graph(side) for side in INPUTS)
    ours, theirs = video.description(EventDescription, "video"), audio.description(EventDescription, "audio")
    if (ours.model, ours.weights, ours.class_share) != (theirs.model, theirs.weights, theirs.class_share):
        raise ModelError(f"{opened.folder}: the towers differ: {ours.model} and {theirs.model}; export the model again")
    classes = load_clip_towers(opened.part(CLASSES)) if ours.class_share else None
    num, slopes = 0 if classes is None else classes.audio.description.dim, len(ours.class_slopes)
    if slopes not in (0, num):
        raise ModelError(f"{opened.folder}: {slopes} class_slopes for {num} classes; calibrate the model again")
    return EventModel(ours, video, audio, load_clip_towers(opened.part(KIND)), classes)


@dataclass(frozen=True, eq=False)
class EventCue:
    """Evidence from accents."""

    model: EventModel

    def rough(self, audios: Sequence[AudioFeatures], lags_seconds: Lags) -> BlockSynchrony:
        """See RoughCue."""
        description = self.model.description
        return BlockSynchrony(lags_seconds, self._block_windows, self._sounds, description.weights, description.temper)

    def _block_windows(self, video: VideoFeatures) -> list[Window]:
        if video_reason(video):
            return []
        worth, num = close_up_worth(video), len(self.model.description.weights)
        return [
            Window(
                index=window.index,
                covered=covered_ticks(window),
                signals=list(map(in_components, np.split(window.signals, num), np.split(window.autocorrelation, num))),
                shares=(priors / max(float(priors.sum()), 1e-12)).astype(np.float32),
                worth=worth,
            )
            for window, priors in self._windows(video)
        ]

    def _sounds(self, audio: AudioFeatures) -> list[Series] | None:
        return None if audio_reason(audio) else self.model.sound_series(audio)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def prepared(self, audio: AudioFeatures) -> dict[str, Embeddings]:
        """See PreparedCue."""
        if audio_reason(audio):
            return {}
        start_seconds = audio.start_seconds - event_signals.EARLY_SECONDS
        accents = self.model.sound_accents(audio).T.astype(np.float16)
        return {self.model.accents_name: Embeddings(accents, BAND_RATE_HZ, start_seconds)}

    @property
    def calibration(self) -> Calibration:
        """As the model's description has it."""
        return self.model.description

    def classes(self, video: VideoFeatures, audio: AudioFeatures) -> tuple[float, ...]:
        """Probability of each named class, if both are of one (see NamingCue)."""
        look, sound = self.model.picture_kind(video), self.model.sound_kind(audio)
        if look is None or sound is None or look.classes is None or sound.classes is None:
            return ()
        together = look.classes * sound.classes
        return tuple((together / max(float(together.sum()), _LEAST_CHANCE)).tolist())

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair at every offset (see Cue)."""
        signals = [
            Signal(weight, partial(self._sound_accent, accent), partial(self._nats, accent))
            for accent, weight in enumerate(self.model.description.weights)
        ]
        return windowed_curves(videos, audios, lags_seconds, self._windows, signals)

    def _sound_accent(self, accent: int, audio: AudioFeatures) -> Series:
        return self.model.sound_series(audio)[accent]

    def _windows(self, video: VideoFeatures) -> list[Weighted]:
        return self.model.picture_windows(video)

    def _nats(
        self, accent: int, window: VideoWindow, priors: Float[np.ndarray, " S"], blocks: Sequence[AudioWindows]
    ) -> Float32[np.ndarray, "M L"]:
        """Of one accent, its most probable sources summed out."""
        part = slice(accent * len(priors), (accent + 1) * len(priors))
        own = replace(window, signals=window.signals[part], autocorrelation=window.autocorrelation[part])

        def added(sounds: AudioWindows) -> Float32[np.ndarray, "m L"]:
            nats = correlation_nats(own, sounds)
            nats *= np.float32(self.model.description.temper)
            return log_mean_exp(nats, priors)

        return np.concatenate([added(sounds) for sounds in blocks])


@dataclass(frozen=True, eq=False)
class KindCue:
    """Evidence from what there is."""

    model: EventModel
    calibration: Calibration = _AS_THEY_ARE
    name: str = "kind"
    is_timeless: ClassVar[bool] = True

    @property
    def terms(self) -> tuple[Term, ...]:
        """See PooledCue."""
        description, classes = self.model.description, self.model.classes
        kinds = Term(self.model.kinds.audio.description.dim, description.kind_scale, description.kind_baseline)
        if classes is None:
            return (kinds,)
        named = classes.audio.description
        return kinds, Term(named.dim, description.class_share, is_log=True, names=named.names)

    def video_vector(self, video: VideoFeatures) -> Float32[np.ndarray, " P"] | None:
        """See PooledCue."""
        return None if video_reason(video) else _joined(self.model.picture_kind(video))

    def audio_vector(self, audio: AudioFeatures) -> Float32[np.ndarray, " P"] | None:
        """See PooledCue."""
        return None if audio_reason(audio) else _joined(self.model.sound_kind(audio))

    @cached_property
    def _sound_kind(self) -> Callable[[AudioFeatures], Kind | None]:
        return remembered(self.model.sound_kind)

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair, the same at every offset (see Cue)."""
        looks, video_reasons = _kinds(videos, video_reason, self.model.picture_kind)
        sounds, audio_reasons = _kinds(audios, audio_reason, self._sound_kind)
        nats = np.zeros((len(videos), len(audios)), np.float32)
        known = {column: sound for column, sound in enumerate(sounds) if sound is not None}
        columns, vectors = list(known), np.array([sound.vector for sound in known.values()])
        classes = np.array([sound.classes for sound in known.values() if sound.classes is not None])
        for row, look in enumerate(looks):
            if look is not None and known:
                nats[row, columns] = close_up_worth(videos[row]) * self._nats(look, vectors, classes)
        return Curves(np.repeat(nats[..., None], len(lags_seconds), axis=2), video_reasons, audio_reasons)

    def _nats(
        self, look: Kind, vectors: Float32[np.ndarray, "n D"], classes: Float[np.ndarray, " _ *G"]
    ) -> Float32[np.ndarray, " n"]:
        """Of one picture with n sounds; `classes` is empty where the model knows none."""
        description = self.model.description
        nats = description.kind_scale * (vectors @ look.vector - description.kind_baseline)
        if look.classes is None:
            return nats
        return nats + description.class_share * np.log(np.maximum(classes @ look.classes, _LEAST_CHANCE))


def _joined(kind: Kind | None) -> Float32[np.ndarray, " P"] | None:
    if kind is None:
        return None
    return kind.vector if kind.classes is None else np.concatenate([kind.vector, kind.classes])


def _kinds(
    files: Sequence[File], reason_of: Callable[[File], Reason | None], kind_of: Callable[[File], Kind | None]
) -> tuple[list[Kind | None], tuple[Reason | None, ...]]:
    """What each file is, or why nothing is known of it."""
    known = [reason_of(file) for file in files]
    kinds = [None if reason else kind_of(file) for file, reason in zip(files, known, strict=True)]
    return kinds, tuple(reason or (None if kind else "too_short") for reason, kind in zip(known, kinds, strict=True))
