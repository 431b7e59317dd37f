"""What picture and sound are of: evidence from encoders' vectors, the same at every offset.

    video.onnx, audio.onnx   encoders of frames in colour and of windows of sound   (artifacts/encoder.py)
    kind/                    two towers over their vectors (1, N, D) → a unit vector each, and scale and baseline
                             (none where both encoders' vectors share a space: then the mean of their directions)
    classes/                 two more → probabilities of G named classes, the picture's divided by the classes' shares

    nats = scale · share · (cosine − baseline) + class_share · log Σ_g picture_g · sound_g

`share` says how much of the cosine counts in this pair: the cosine_shares of the classes, weighted by how probably both
are of one. Recordings of some classes, such as blows of a drumstick, look and sound so alike that cosines are noise.
In close-ups of faces all of it counts for less, as other cues know more there.

Letters in shapes: N videos, M audio files, L offsets, D dimensions, G classes, P numbers of a pooled
vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from avmatch.artifacts.encoder import EncoderDescription, Encoders, load_encoders
from avmatch.artifacts.model import CLIP_TOWERS, SEMANTIC, Model, open_model
from avmatch.artifacts.tower import CLIP_INPUT, ClipDescription, ClipTower, ClipTowers, load_clip_towers
from avmatch.core.errors import ModelError, Reason
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import Calibration, Cue, Curves, Lags
from avmatch.cues.motion import audio_reason, close_up_worth
from avmatch.cues.pooled import Term

KIND, CLASSES = "kind", "classes"
#: Least chance of one class, so that its logarithm is finite.
_LEAST_CHANCE = float(np.finfo(np.float32).tiny)
_AS_THEY_ARE = Calibration()


@dataclass(frozen=True, eq=False)
class MeanTower:
    """Of vectors in a space that both sides share: the direction of the mean of their directions."""

    description: ClipDescription

    def encode(self, clips: Sequence[Float32[np.ndarray, "_ D"]]) -> Float32[np.ndarray, "N D"]:
        """A unit vector for each clip."""
        means = [_directions(clip).mean(axis=0) for clip in clips]
        return _directions(np.stack(means) if means else np.zeros((0, self.description.dim), np.float32))


def _directions(vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


@dataclass(frozen=True, eq=False)
class CommonSpace:
    """The towers of both sides where they share a space."""

    video: MeanTower
    audio: MeanTower


@dataclass(frozen=True, eq=False)
class SemanticModel:
    """Loaded graphs and what they say of themselves.

    Attributes:
        classes: None where labels named none.
    """

    description: EncoderDescription
    encoders: Encoders
    kinds: ClipTowers | CommonSpace
    classes: ClipTowers | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.description.model


def load_semantic_model(model: str | Model) -> SemanticModel:
    """Raises ModelError if it is another model, or a graph isn't what it should be."""
    opened = open_model(model, SEMANTIC)
    encoders = load_encoders(opened)
    described = encoders.video.description
    if described.model != encoders.audio.description.model:
        raise ModelError(f"{opened.folder}: the encoders are of two models; export the model again")
    classes = load_clip_towers(opened.part(CLASSES)) if described.class_share else None
    num = 0 if classes is None else classes.video.description.dim
    if len(described.cosine_shares) not in (0, num):
        raise ModelError(f"{opened.folder}: {len(described.cosine_shares)} cosine_shares for {num} classes")
    kinds = _common(encoders) if described.is_common else load_clip_towers(opened.part(KIND))
    return SemanticModel(described, encoders, kinds, classes)


def _common(encoders: Encoders) -> CommonSpace:
    """Raises ModelError if the spaces can't be one."""
    ours, theirs = encoders.video.description, encoders.audio.description
    if (ours.dim, ours.is_common) != (theirs.dim, theirs.is_common):
        raise ModelError(
            f"{ours.model}: vectors of {ours.dim} and {theirs.dim} numbers share no space; export it again"
        )
    described = ClipDescription(
        kind=CLIP_TOWERS,
        model=ours.model,
        side="video",
        input=CLIP_INPUT,
        num_features=ours.dim,
        dim=ours.dim,
        scale=ours.scale,
        baseline=ours.baseline,
    )
    return CommonSpace(MeanTower(described), MeanTower(described))


def cues(model: Model) -> Sequence[Cue]:
    """See systems/registry.py."""
    return (SemanticCue(load_semantic_model(model)),)


@dataclass(frozen=True, eq=False)
class SemanticCue:
    """The evidence. A file without vectors abstains: one that is shorter than a window, or has no frame."""

    model: SemanticModel
    calibration: Calibration = _AS_THEY_ARE
    is_timeless: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def encoders(self) -> Encoders:
        """That the features' vectors must come from (see EncodedCue)."""
        return self.model.encoders

    @property
    def terms(self) -> tuple[Term, ...]:
        """See PooledCue; `cosine_shares` of pairs aren't in it."""
        kinds, classes = self.model.kinds.video.description, self.model.classes
        cosine = Term(kinds.dim, kinds.scale, kinds.baseline)
        if classes is None:
            return (cosine,)
        named = classes.audio.description
        return cosine, Term(named.dim, self.model.description.class_share, is_log=True, names=named.names)

    def video_vector(self, video: VideoFeatures) -> Float32[np.ndarray, " P"] | None:
        """See PooledCue."""
        return self._vector("video", video.embeddings.get(self.name))

    def audio_vector(self, audio: AudioFeatures) -> Float32[np.ndarray, " P"] | None:
        """See PooledCue."""
        return None if audio_reason(audio) else self._vector("audio", audio.embeddings.get(self.name))

    def _vector(self, side: str, vectors: Embeddings | None) -> Float32[np.ndarray, " P"] | None:
        if vectors is None or not len(vectors.data):
            return None
        known = [towers for towers in (self.model.kinds, self.model.classes) if towers is not None]
        return np.concatenate([_encoded(getattr(towers, side), [vectors])[0] for towers in known])

    def curves(self, videos: Sequence[VideoFeatures], audios: Sequence[AudioFeatures], lags_seconds: Lags) -> Curves:
        """Evidence for every pair, the same at every offset (see Cue)."""
        looks = [video.embeddings.get(self.name) for video in videos]
        sounds = [None if audio_reason(audio) else audio.embeddings.get(self.name) for audio in audios]
        nats = np.zeros((len(videos), len(audios)), np.float32)
        rows, columns = ([place for place, one in enumerate(side) if one is not None] for side in (looks, sounds))
        if rows and columns:
            worth = np.array([close_up_worth(videos[row]) for row in rows], np.float32)
            known = self._nats([one for one in looks if one is not None], [one for one in sounds if one is not None])
            nats[np.ix_(rows, columns)] = worth[:, None] * known
        video_reasons: list[Reason | None] = ["too_short" if one is None else None for one in looks]
        audio_reasons = [audio_reason(audio) or _without(one) for audio, one in zip(audios, sounds, strict=True)]
        return Curves(np.repeat(nats[..., None], len(lags_seconds), axis=2), tuple(video_reasons), tuple(audio_reasons))

    def _nats(self, looks: Sequence[Embeddings], sounds: Sequence[Embeddings]) -> Float32[np.ndarray, "N M"]:
        described, kinds, classes = self.model.description, self.model.kinds, self.model.classes
        cosines = _encoded(kinds.video, looks) @ _encoded(kinds.audio, sounds).T
        nats = np.float32(kinds.video.description.scale) * (cosines - np.float32(kinds.video.description.baseline))
        if classes is None:
            return nats
        of_looks, of_sounds = _encoded(classes.video, looks), _encoded(classes.audio, sounds)
        together = np.maximum(of_looks @ of_sounds.T, _LEAST_CHANCE)
        if described.cosine_shares:
            shares = np.array(described.cosine_shares, np.float32)
            nats *= (of_looks * shares) @ of_sounds.T / together
        return nats + described.class_share * np.log(together)


def _encoded(tower: ClipTower | MeanTower, files: Sequence[Embeddings]) -> Float32[np.ndarray, "N D"]:
    return tower.encode([one.data.astype(np.float32) for one in files])


def _without(vectors: Embeddings | None) -> Reason | None:
    return "too_short" if vectors is None else None
