"""The task: what a pair of encoders says of pictures and sounds, fitted to pairs of media files.

    frames in colour ─ encoder of pictures ┐ means over pieces of 5 s ─ principal components ┬ canonical correlations
    log-mel          ─ encoder of sounds   ┘                                                 └ named classes

Everything is closed form (training/kinds.py); the encoders stay as they are. Any pair of ONNX graphs will do that take
what artifacts/encoder.py describes: the students that ship, EfficientNet-Lite0, or what a user has.

Of statistics that are standardised one by one, as those of `events` are, the rare would count as much as the usual; a
network's outputs are alike in kind, and count as they are: 43 instead of 39 % of the development pieces are assigned
with the teachers' (docs/experiments/semantic.md).

Letters in shapes: N pieces, D dimensions, F statistics, K components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from scipy.signal import resample_poly
from torch import nn

from avmatch.artifacts.encoder import Encoder, Encoders, as_input, fitted, open_encoder, windows_of
from avmatch.artifacts.model import CLIP_TOWERS, SEMANTIC
from avmatch.artifacts.tower import CLIP_INPUT
from avmatch.artifacts.windows import FrameWindows, SampleWindows, takes_stretches
from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples, ColourFrames, Embeddings
from avmatch.core.files import write_bytes_atomically
from avmatch.core.results import Progress
from avmatch.data.items import Pairs
from avmatch.data.tracks import PackSettings
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.metrics.classes import top_k_hits
from avmatch.systems.semantic.runtime import CLASSES, KIND
from avmatch.training.batches import read_packed
from avmatch.training.closed_forms import Classes, Linear, Projection, whitening
from avmatch.training.export import Exported, described_anew, export_model, normal
from avmatch.training.kinds import KindConfig, Statistics, class_names, fitted_classes, fitted_kinds, tensor, together
from avmatch.training.task import Batch, Source

PIECE_SECONDS = 5
_LOUDEST = 32767  # int16 of a sample of 1
#: Frames are kept at this size; encoders that take larger ones see them enlarged.
FRAME_PX = 224
PACKING = PackSettings(rate_hz=1.0, height_px=FRAME_PX, width_px=FRAME_PX, sound="samples", colours=3)


@dataclass(frozen=True)
class SemanticPairs:
    """The task.

    Attributes:
        video_encoder, audio_encoder: models that have them, or single .onnx files.
        num_components: of each side's vectors.
        kinds: of the fit.
        scale: nats a unit of cosine.
        class_share: of the nats of named classes.
        without_cosine: classes in which the cosine doesn't count. None by default: left out of blows of a drumstick, it
            costs these four points among themselves, and all two (docs/experiments/semantic.md).
    """

    metrics: ClassVar[tuple[str, ...]] = ("kind_recall@5",)

    video_encoder: str = "semantic"
    audio_encoder: str = "semantic"
    num_components: int = 128
    kinds: KindConfig = field(default_factory=lambda: KindConfig(ridge=0.3, class_ridge=0.01, standardise=False))
    scale: float = 2.0
    class_share: float = 0.5
    without_cosine: tuple[str, ...] = ()

    def read(self, data: str | Path, cache: Path, progress: Progress | None = None) -> Pairs:
        """Shards as they are; a list of media files (data/layouts.py) is packed into `cache` first."""
        return read_packed(data, cache, PACKING, progress)

    def learner(self, pairs: Pairs, seed: int) -> SemanticMap:
        """Fit everything."""
        clips = self._clips(pairs)
        return SemanticMap(self, clips, class_names(pairs), pairs.group)

    def source(self, pairs: Pairs, learner: nn.Module, device: torch.device) -> Source:
        """Nothing is trained by gradients."""
        raise UsageError("this recipe is fitted in closed form: leave epochs at 0")

    def validate(self, learner: nn.Module, pairs: Pairs, device: torch.device) -> Mapping[str, float]:
        """How often a held-back clip's sound is among the five whose cosine is highest; empty without clips."""
        assert isinstance(learner, SemanticMap)
        clips = [clip for clip in self._clips(pairs) if len(clip[0]) and len(clip[1])]
        if not clips:
            return {}
        with torch.no_grad():
            looks, sounds = (
                torch.cat([tower(tensor(clip[side])[None]) for clip in clips]).numpy()
                for side, tower in enumerate(learner.kind)
            )
        return {"kind_recall@5": float(top_k_hits(looks @ sounds.T, np.arange(len(clips)), 5).mean())}

    def export(self, learner: nn.Module, pairs: Pairs, folder: Path, description: Mapping[str, object]) -> None:
        """The encoders, kind/, classes/ where labels name some, and card.md."""
        assert isinstance(learner, SemanticMap)
        export_map(self, learner, folder, description)
        shares = [float(name not in self.without_cosine) for name in learner.class_names]
        said = {
            "kind": SEMANTIC,
            "model": description["recipe"],
            "is_common": False,
            "class_share": self.class_share if shares else 0.0,
            "cosine_shares": shares if not all(shares) else [],
        }
        for encoder in (self._encoders().video, self._encoders().audio):
            path = folder / f"{encoder.description.side}.onnx"
            write_bytes_atomically(path, encoder.graph.path.read_bytes())
            described_anew(path, asdict(encoder.description) | said)

    def _encoders(self) -> Encoders:
        video, audio = open_encoder(self.video_encoder, "video"), open_encoder(self.audio_encoder, "audio")
        whole = replace(video.description, short_px=0)  # packed pictures are squares already
        return Encoders(Encoder(whole, video.graph), audio)

    def _clips(self, pairs: Pairs) -> list[Statistics]:
        encoders = self._encoders()
        return [vectors_of(pairs, row, encoders) for row in range(len(pairs))]


class SemanticMap(nn.Module):
    """What is fitted: kinds, and classes where labels name some."""

    def __init__(
        self, task: SemanticPairs, clips: Sequence[Statistics], names: Sequence[str], group: Int[np.ndarray, " C"]
    ) -> None:
        super().__init__()
        whole = together(clips)
        if len(whole[0]) < 2:
            raise UsageError(
                f"{len(clips)} pairs have {len(whole[0])} pieces with both sides; give more, or longer ones"
            )
        axes = [whitening(side.astype(np.float64), task.num_components, power=0.0) for side in whole]
        reduced = [(_reduced(video, axes[0]), _reduced(audio, axes[1])) for video, audio in clips]
        kinds = fitted_kinds(reduced, group, task.kinds)
        classes = fitted_classes(reduced, names, group, task.kinds)
        self.baseline = kinds.baseline
        self.kind = nn.ModuleList(
            Linear(*_of_all(own, tower), False) for own, tower in zip(axes, kinds.towers, strict=True)
        )
        self.class_names = () if classes is None else classes.names
        self.classes = nn.ModuleList(
            Classes(*_of_all(own, tower), tower.bias, tower.gains)
            for own, tower in zip(axes, () if classes is None else classes.towers, strict=False)
        )

    def forward(self, batch: Batch, epoch: int) -> dict[str, torch.Tensor]:
        """Nothing is trained by gradients."""
        raise NotImplementedError


def _reduced(side: Float32[np.ndarray, "N F"], axes: Projection) -> Float32[np.ndarray, "N K"]:
    """Components; a side without vectors stays so."""
    return ((side - axes.mean) @ axes.directions).astype(np.float32) if len(side) else side


def _of_all(axes: Projection, tower: Linear | Classes) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean and directions of a tower over components, as those of one over what the components are of."""
    directions = axes.directions @ tower.directions.double().numpy()
    mean = axes.mean + np.linalg.lstsq(axes.directions.T, tower.mean.double().numpy(), rcond=None)[0]
    return tensor(mean), tensor(directions)


def vectors_of(pairs: Pairs, row: int, encoders: Encoders) -> Statistics:
    """The mean vectors of a clip's pieces, both sides of the same time."""
    frames, samples = np.asarray(pairs.video[row]), np.asarray(pairs.audio[row], np.float32) / _LOUDEST
    num = max(1, len(frames) // PIECE_SECONDS)
    length = PIECE_SECONDS * SAMPLE_RATE_HZ
    found = [
        (
            _looks(frames[n * PIECE_SECONDS :][:PIECE_SECONDS], encoders.video),
            _sounds(samples[n * length :][:length], encoders.audio),
        )
        for n in range(num)
    ]
    whole = [(look, sound) for look, sound in found if len(look) and len(sound)]
    return together([(look.mean(axis=0, keepdims=True), sound.mean(axis=0, keepdims=True)) for look, sound in whole])


def _sounds(samples: Float32[np.ndarray, " S"], encoder: Encoder) -> Float32[np.ndarray, "T D"]:
    described = encoder.description
    if not takes_stretches(described):
        return encoder.encode(windows_of(samples, encoder))
    stream = SampleWindows(encoder)
    rate_hz = described.sample_rate_hz
    heard = resample_poly(samples, rate_hz, SAMPLE_RATE_HZ) if rate_hz != SAMPLE_RATE_HZ else samples
    stream.push(AudioSamples(heard.astype(np.float32)[None], rate_hz))
    return _vectors(stream.finish(), encoder)


def _vectors(found: Embeddings | None, encoder: Encoder) -> Float32[np.ndarray, "T D"]:
    return np.zeros((0, encoder.description.dim), np.float32) if found is None else found.data.astype(np.float32)


def _looks(frames: UInt8[np.ndarray, "T H W 3"], encoder: Encoder) -> Float32[np.ndarray, "T D"]:
    if takes_stretches(encoder.description):
        stream = FrameWindows(encoder)
        stream.push(ColourFrames(frames, (np.arange(len(frames)) + 0.5) / PACKING.rate_hz))
        return _vectors(stream.finish(), encoder)
    pictures = [fitted(frame, encoder.description) for frame in frames]
    return (
        encoder.encode(as_input(np.stack(pictures))) if pictures else np.zeros((0, encoder.description.dim), np.float32)
    )


def export_map(task: SemanticPairs, learner: SemanticMap, folder: Path, description: Mapping[str, object]) -> None:
    """kind/, and classes/ where labels name some."""
    towers: dict[str, nn.Module] = dict(zip((f"{KIND}/video", f"{KIND}/audio"), learner.kind, strict=True))
    towers |= dict(zip((f"{CLASSES}/video", f"{CLASSES}/audio"), learner.classes, strict=False))
    worth = {"scale": task.scale, "baseline": round(learner.baseline, 5)}
    export_model(
        CLIP_TOWERS,
        {name: _statistics_tower(name, tower, worth, learner.class_names) for name, tower in towers.items()},
        folder,
        description,
        is_half=True,
    )


def _statistics_tower(name: str, tower: nn.Module, worth: Mapping[str, float], class_names: Sequence[str]) -> Exported:
    part, _, side = name.partition("/")
    num_features, dim = tower.get_buffer("directions").shape
    described = {"side": side, "input": CLIP_INPUT, "num_features": num_features, "dim": dim}
    described |= worth if part == KIND else {"names": class_names}
    return Exported(tower, normal((num, windows, num_features) for num, windows in ((2, 2), (1, 5), (3, 1))), described)
