"""Accents: a few signals of picture and sound, made by short learned filters, that rise and fall together.

    sources (B, S, C, T) ─ filters C → K ─→ (B, S, K, T)      25 a second, each source alike
    bands   (B, H, U)    ─ filters H → K ─→ (B, K, U)         100 a second, taps one tick of the picture from the next

    filters = Conv1d + (Conv1d – ReLU – Dropout – Conv1d of one tick)

They are compared by correlation, the k-th with the k-th, so that neither gain nor trend matters. What is learned are
a few thousand numbers: two hours of clips carry no more (docs/experiments/events.md). They start as the accents of the
untrained cue (cues/motion.py): each of its channels with the sound's onset.

How probable it is that accents belong together is the arithmetic of cues/synchrony.py with gradients:

    nats_k(source) = −T_eff / 2 · log(1 − R²),  R > 0 the correlation of the k-th accents
    nats           = Σ_k weight_k · log Σ_source prior · exp(temper · nats_k(source))

One source is tied to the sound, which one isn't known; sources are copies of their neighbours, so their nats are
tempered before they are summed out. T_eff is that of Bartlett (1946), by the accents' autocorrelations. It carries no
gradient: otherwise slow accents would pass for quick ones.

Letters in shapes: B clips, M sounds, S sources, C channels, H inputs, K accents, T ticks, U band ticks, L lags,
A autocorrelation lags.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avmatch.core.errors import UsageError
from avmatch.cues.synchrony import AUTOCORRELATION_LAGS, LOST_TICKS, MAX_CORRELATION, MIN_INFLATION
from avmatch.frontends.event_signals import BANDS_PER_TICK, NUM_CHANNELS, NUM_SOUND_INPUTS

#: How large the other weights are at first, so that accents of one kind aren't copies.
_NOVELTY = 0.1
#: What the weights are at first: what the untrained cue's nats are worth, in all, and its temper.
_WORTH, _TEMPER = 6.8, 0.3
_LEAST_NORM = 1e-3


@dataclass(frozen=True)
class AccentConfig:
    """Sizes, and what the inputs are.

    Attributes:
        num_channels, num_inputs: C and H.
        num_known: the first channels, those of the untrained cue.
        onset: the input that is the sound's onset.
        bands_per_tick: U / T.
        num_accents: K.
        taps: ticks that a filter spans, an odd number.
        hidden, dropout: of the network beside the linear filter.
    """

    num_channels: int = NUM_CHANNELS
    num_inputs: int = NUM_SOUND_INPUTS
    num_known: int = 4
    onset: int = NUM_SOUND_INPUTS - 2
    bands_per_tick: int = BANDS_PER_TICK
    num_accents: int = 4
    taps: int = 5
    hidden: int = 32
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.taps % 2 == 0:
            raise UsageError(f"taps must be odd, so that a filter has a middle, got {self.taps}")


class _Filters(nn.Module):
    """A linear filter, and beside it a small network that gives zeros at first.

    Args:
        first: the input that each accent is at first.
    """

    def __init__(self, num_inputs: int, config: AccentConfig, spacing: int, first: Sequence[int]) -> None:
        super().__init__()
        reach = spacing * (config.taps // 2)

        def convolution(num_outputs: int, bias: bool) -> nn.Conv1d:
            return nn.Conv1d(num_inputs, num_outputs, config.taps, padding=reach, dilation=spacing, bias=bias)

        self.linear = convolution(config.num_accents, bias=False)
        last = nn.Conv1d(config.hidden, config.num_accents, 1)
        self.network = nn.Sequential(convolution(config.hidden, bias=True), nn.ReLU(), nn.Dropout(config.dropout), last)
        with torch.no_grad():
            self.linear.weight.mul_(_NOVELTY)
            last.weight.zero_()
            last.bias.zero_()  # type: ignore[union-attr]
            for accent, number in enumerate(first):
                self.linear.weight[accent, number, config.taps // 2] += 1.0

    def forward(self, signals: Float[Tensor, "B n T"]) -> Float[Tensor, "B K T"]:
        accents: Tensor = self.linear(signals) + self.network(signals)
        return accents


class PictureAccents(nn.Module):
    """The picture's filters; its first channels are those of the untrained cue."""

    def __init__(self, config: AccentConfig) -> None:
        super().__init__()
        first = [accent % config.num_known for accent in range(config.num_accents)]
        self.filters = _Filters(config.num_channels, config, 1, first)

    def forward(self, sources: Float[Tensor, "B S C T"]) -> Float[Tensor, "B S K T"]:
        """The accents of each source."""
        accents: Tensor = self.filters(sources.flatten(0, 1))
        return accents.reshape(*sources.shape[:2], *accents.shape[1:])


class SoundAccents(nn.Module):
    """The sound's filters."""

    def __init__(self, config: AccentConfig) -> None:
        super().__init__()
        first = [config.onset] * config.num_accents
        self.filters = _Filters(config.num_inputs, config, config.bands_per_tick, first)

    def forward(self, bands: Float[Tensor, "B H U"]) -> Float[Tensor, "B K U"]:
        """The accents."""
        accents: Tensor = self.filters(bands)
        return accents


class AccentEvidence(nn.Module):
    """Nats of pairs of clips at every lag; what is learned are the accents' weights and the temper."""

    def __init__(self, num_accents: int) -> None:
        super().__init__()
        self.log_weights = nn.Parameter(torch.full((num_accents,), math.log(_WORTH / num_accents)))
        self.log_temper = nn.Parameter(torch.tensor(math.log(_TEMPER)))

    def forward(
        self, video: Float[Tensor, "B S K T"], audio: Float[Tensor, "M K W"], log_prior: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B M L"]:
        """Of each picture with each sound, which is longer by L − 1 ticks: the first lag begins with its first."""
        num_ticks = video.shape[3]
        video, audio = _unit(video), _unit(audio.unfold(2, num_ticks, 1))
        correlation = torch.einsum("bskt,mklt->bmlks", video, audio)
        middle = _autocorrelation(audio[:, :, audio.shape[2] // 2])
        inflation = 1 + 2 * torch.einsum("bska,mka->bmks", _autocorrelation(video), middle)[:, :, None]
        unexplained = 1 - correlation.clamp(0, MAX_CORRELATION).square()
        nats = 0.5 * (num_ticks - LOST_TICKS) * -torch.log(unexplained) / inflation.clamp_min(MIN_INFLATION)
        per_accent = torch.logsumexp(self.log_temper.exp() * nats + log_prior[:, None, None, None], dim=4)
        total: Tensor = (per_accent * self.log_weights.exp()).sum(dim=3)
        return total


def _unit(signals: Float[Tensor, "*rest T"]) -> Float[Tensor, "*rest T"]:
    centred = signals - signals.mean(dim=-1, keepdim=True)
    return centred / (torch.linalg.vector_norm(centred, dim=-1, keepdim=True) + _LEAST_NORM)


@torch.no_grad()
def _autocorrelation(signals: Float[Tensor, "*rest T"]) -> Float[Tensor, "*rest A"]:
    """At lags 1 … AUTOCORRELATION_LAGS."""
    num_ticks = signals.shape[-1]
    spectrum = torch.fft.rfft(signals, 2 * num_ticks)
    full = torch.fft.irfft(spectrum.abs().square(), 2 * num_ticks)[..., : AUTOCORRELATION_LAGS + 1]
    return full[..., 1:] / (full[..., :1] + 1e-9)
