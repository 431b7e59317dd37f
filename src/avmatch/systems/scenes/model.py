"""The networks: the published fusions, and the mixture of `scene_best`. Missing steps are NaN, and masked.

**Published fusions.** Features are averaged over time first. A block is Linear – BatchNorm – ReLU – Dropout 0.2.

    embed    block 512, Linear 128                                    of one side
    head     Linear 128, Linear C                                     no activation between
    early    both averages side by side, blocks 1024, 512, 256, then a head
    middle   embed each, side by side 256, then a head
    late     embed each, each a head, mean of the logits (or of the probabilities: logs of the mean come out)
    hybrid   0.8 · the mean of late's logits + 0.2 · a head on both embeddings side by side
    audio, video    embed and head of one side alone

A side without a step is the training set's mean, which standardised is 0.

**Attention.** A small network that learns which steps count:

    steps ─ standard ─ whiten ─ dropout ─ Linear – GELU – LayerNorm ─ attention over time → a vector of each side
    audio vector → logits ┐
    video vector → logits ├ sum
    both side by side ─ Linear – GELU – LayerNorm → logits ┘

A missing step has no weight in the attention; a missing side adds nothing. Attention starts as the mean over time, and
has several heads, each over its own part of the vector.

**Discriminants** of a clip's statistics, mean and deviation over time of both sides. In each class they are taken for
normal, with one covariance for all, shrunk (training/closed_forms.py); any part of a normal distribution is normal too,
so each side alone has discriminants of its own, and a missing side is left out exactly: logits = statistics · weights
+ bias.

**The mixture** weighs both, by the case: both sides there, audio alone, video alone, neither.

    networks ─ mean over them of: audio logits, video logits, logits of both ┐
    discriminants ─ logits                                                   ┴ weighted sum → logits

Its weights are fitted to items that the networks weren't trained on, so they are fusion and calibration at once: a
temperature is their common scale. Without either side the answer is the classes' shares.

Letters in shapes: B clips, T and U steps, F and G features, C classes, D width or statistics, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from avmatch.core.errors import UsageError

KINDS = ("audio", "video", "early", "middle", "late", "hybrid")
AVERAGES = ("logits", "probabilities")
EMBEDDING = 128
#: Of the joint head in the hybrid.
JOINT_SHARE = 0.2
_DROPOUT = 0.2
#: Added to the attention of missing steps.
_NEVER = -1e4
#: The cases: the rows of weights and biases.
BOTH, AUDIO_ONLY, VIDEO_ONLY, NOTHING = range(4)


#: Features of both sides over time; missing steps are NaN.
AudioSteps = Float[Tensor, "B T F"]
VideoSteps = Float[Tensor, "B U G"]


class Standard(nn.Module):
    """Steps less the training set's mean, by its deviation, 0 where there is no step; and which there are.

    `mean` and `deviation` are fitted to the training steps and stay as they are.
    """

    def __init__(self, mean: Float[Tensor, " F"], deviation: Float[Tensor, " F"]) -> None:
        super().__init__()
        self.mean, self.deviation = nn.Buffer(mean), nn.Buffer(deviation)

    def forward(self, features: Float[Tensor, "B T F"]) -> tuple[Float[Tensor, "B T F"], Bool[Tensor, "B T"]]:
        """Standard steps, and whether each is there."""
        there = ~features.isnan().any(dim=2)
        steps = (features - self.mean) / self.deviation
        return torch.where(there[..., None], steps, torch.zeros_like(steps)), there


def masked_mean(steps: Float[Tensor, "B T F"], there: Bool[Tensor, "B T"]) -> Float[Tensor, "B F"]:
    """The mean over the steps that are there; 0 where none is."""
    weight = there.to(steps.dtype)[..., None]
    return (steps * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)


def masked_deviation(steps: Float[Tensor, "B T F"], there: Bool[Tensor, "B T"]) -> Float[Tensor, "B F"]:
    """The standard deviation over the steps that are there; about 0 where none is."""
    apart = (steps - masked_mean(steps, there)[:, None]).square()
    return masked_mean(apart, there).clamp_min(1e-12).sqrt()


def block(num_in: int, num_out: int) -> nn.Sequential:
    """Linear – BatchNorm – ReLU – Dropout."""
    return nn.Sequential(nn.Linear(num_in, num_out), nn.BatchNorm1d(num_out), nn.ReLU(), nn.Dropout(_DROPOUT))


def embed(num_in: int) -> nn.Sequential:
    """One side's embedding."""
    return nn.Sequential(*block(num_in, 512), nn.Linear(512, EMBEDDING))


def head(num_in: int, num_classes: int) -> nn.Sequential:
    """Two linear layers, nothing between them."""
    return nn.Sequential(nn.Linear(num_in, 128), nn.Linear(128, num_classes))


class Fusion(nn.Module):
    """One of the published fusions.

    Args:
        audio, video: the training set's mean and deviation of each feature.
        average: for late: of logits or probabilities.
    """

    def __init__(self, kind: str, audio: Standard, video: Standard, num_classes: int, average: str = "logits") -> None:
        super().__init__()
        self.kind, self.average = kind, average
        self.audio, self.video = audio, video
        sizes = [len(audio.mean), len(video.mean)]
        if kind == "early":
            blocks = [block(sum(sizes), 1024), block(1024, 512), block(512, 256)]
            self.joint = nn.Sequential(*blocks, *head(256, num_classes))
            return
        self.sides = [place for place, name in enumerate(("audio", "video")) if kind not in KINDS[:2] or kind == name]
        self.embeds = nn.ModuleList(embed(sizes[place]) for place in self.sides)
        if kind != "middle":
            self.heads = nn.ModuleList(head(EMBEDDING, num_classes) for _ in self.sides)
        if kind in ("middle", "hybrid"):
            self.joint = head(2 * EMBEDDING, num_classes)

    def forward(self, audio: AudioSteps, video: VideoSteps) -> Float[Tensor, "B C"]:
        """Logits; NaN in the features is no step."""
        averages = [masked_mean(*self.audio(audio)), masked_mean(*self.video(video))]
        if self.kind == "early":
            return self.joint(torch.cat(averages, dim=1))
        embedded = [own(averages[place]) for own, place in zip(self.embeds, self.sides, strict=True)]
        if self.kind == "middle":
            return self.joint(torch.cat(embedded, dim=1))
        logits = torch.stack([own(vector) for own, vector in zip(self.heads, embedded, strict=True)])
        late = logits.mean(dim=0)
        if self.average == "probabilities":
            late = functional.softmax(logits, dim=2).mean(dim=0).clamp_min(1e-12).log()
        if self.kind == "hybrid":
            return (1 - JOINT_SHARE) * late + JOINT_SHARE * self.joint(torch.cat(embedded, dim=1))
        return late


@dataclass(frozen=True)
class AttentionConfig:
    """Sizes.

    Attributes:
        num_components: principal ones of the steps that go in, audio and video.
        whitening_power: each is divided by its deviation to this power: 0 leaves them as they are, 1 makes them alike.
        sharpness: what attention's scores are multiplied by: how fast it leaves the mean over time.
        input_dropout, dropout: of the components, and between the layers.
    """

    width: int = 256
    num_heads: int = 4
    num_components: tuple[int, int] = (128, 256)
    whitening_power: float = 0.1
    sharpness: float = 20.0
    input_dropout: float = 0.2
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise UsageError(f"width must be a multiple of num_heads, got {self.width} and {self.num_heads}")


class AttentionPool(nn.Module):
    """A weighted mean over time, the weights computed from the steps themselves."""

    def __init__(self, width: int, num_heads: int, sharpness: float) -> None:
        super().__init__()
        self.num_heads, self.sharpness, self.query = num_heads, sharpness, nn.Linear(width, num_heads)
        nn.init.zeros_(self.query.weight)

    def forward(self, steps: Float[Tensor, "B T D"], there: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
        """The mean; 0 where no step is there."""
        scores = (self.sharpness * self.query(steps)).masked_fill(~there[..., None], _NEVER)
        weights = scores.softmax(dim=1) * there[..., None]
        parts = steps.reshape(*weights.shape, steps.shape[2] // self.num_heads)
        return (weights[..., None] * parts).sum(dim=1).flatten(1)


class Side(nn.Module):
    """One side's steps → a vector.

    Args:
        whiten: (F, d) directions of the standard steps, fitted and fixed.
    """

    def __init__(self, config: AttentionConfig, standard: Standard, whiten: Float[Tensor, "F d"]) -> None:
        super().__init__()
        self.standard, self.whiten = standard, nn.Buffer(whiten)
        self.enter = nn.Linear(whiten.shape[1], config.width)
        self.norm = nn.LayerNorm(config.width)
        self.pool = AttentionPool(config.width, config.num_heads, config.sharpness)
        self.dropout = nn.Dropout(config.input_dropout)

    def forward(self, features: Float[Tensor, "B T F"]) -> tuple[Float[Tensor, "B D"], Bool[Tensor, " B"]]:
        """The vector, 0 without a step, and whether there is one."""
        steps, there = self.standard(features)
        steps = self.norm(functional.gelu(self.enter(self.dropout(steps @ self.whiten))))
        return self.pool(steps, there), there.any(dim=1)


class SceneAttention(nn.Module):
    """The attentive network."""

    def __init__(self, config: AttentionConfig, audio: Side, video: Side, num_classes: int) -> None:
        super().__init__()
        self.audio, self.video = audio, video
        self.joint = nn.Linear(2 * config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleList(nn.Linear(config.width, num_classes) for _ in range(3))

    def forward(self, audio: AudioSteps, video: VideoSteps) -> Float[Tensor, "3 B C"]:
        """Logits of audio, video, and both together, whose sum is the answer; 0 for a side without a step."""
        (audio_vector, has_audio), (video_vector, has_video) = self.audio(audio), self.video(video)
        side_by_side = self.dropout(torch.cat((audio_vector, video_vector), dim=1))
        both = self.norm(functional.gelu(self.joint(side_by_side)))
        vectors, there = (audio_vector, video_vector, both), (has_audio, has_video, has_audio | has_video)
        parts = [head(self.dropout(vector)) for head, vector in zip(self.heads, vectors, strict=True)]
        return torch.stack([part * real[:, None] for part, real in zip(parts, there, strict=True)])


class SceneStatistics(nn.Module):
    """Mean and deviation over time of both sides, 0 for a missing side; and the case."""

    def __init__(self, audio: Standard, video: Standard) -> None:
        super().__init__()
        self.audio, self.video = audio, video

    def forward(self, audio: AudioSteps, video: VideoSteps) -> tuple[Float[Tensor, "B D"], Int[Tensor, " B"]]:
        """Statistics, and one of the four cases."""
        statistics, there = [], []
        for standard, features in ((self.audio, audio), (self.video, video)):
            steps, real = standard(features)
            statistics += [masked_mean(steps, real), masked_deviation(steps, real) * real.any(dim=1, keepdim=True)]
            there.append(real.any(dim=1).long())
        return torch.cat(statistics, dim=1), NOTHING - 2 * there[0] - there[1]


class Discriminant(nn.Module):
    """Logits by the discriminants of the case; in the last, the logarithms of the classes' shares."""

    def __init__(self, weights: Float[Tensor, "4 D C"], biases: Float[Tensor, "4 C"]) -> None:
        super().__init__()
        self.weights, self.biases = nn.Buffer(weights), nn.Buffer(biases)

    def forward(self, statistics: Float[Tensor, "B D"], case: Int[Tensor, " B"]) -> Float[Tensor, "B C"]:
        """Logits."""
        every = torch.einsum("bd,kdc->bkc", statistics, self.weights) + self.biases
        index = case[:, None, None].expand(-1, 1, every.shape[2])
        return every.gather(1, index)[:, 0]


class SceneMixture(nn.Module):
    """The mixture; until weights are fitted, it is the mean of the networks."""

    def __init__(
        self, networks: Sequence[SceneAttention], statistics: SceneStatistics, discriminant: Discriminant
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.statistics, self.discriminant = statistics, discriminant
        weights = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(NOTHING + 1, 1)
        weights[NOTHING] = torch.tensor([0.0, 0.0, 0.0, 1.0])
        self.weights = nn.Buffer(weights)

    def forward(self, audio: AudioSteps, video: VideoSteps) -> Float[Tensor, "B C"]:
        """Logits; NaN in the features is no step."""
        parts, case = self.parts(audio, video)
        return torch.einsum("bp,pbc->bc", self.weights[case], parts)

    def parts(self, audio: AudioSteps, video: VideoSteps) -> tuple[Float[Tensor, "4 B C"], Int[Tensor, " B"]]:
        """Logits of audio, video and both of the networks, and of the discriminants; and the case."""
        networks = torch.stack([network(audio, video) for network in self.networks]).mean(dim=0)
        statistics, case = self.statistics(audio, video)
        return torch.cat((networks, self.discriminant(statistics, case)[None])), case
