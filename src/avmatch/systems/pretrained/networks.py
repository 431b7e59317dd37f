"""Models of transformers as networks that take what an encoder takes (artifacts/encoder.py), so that they can be run
and exported alike: pictures with red, green and blue in 0…1, at their size; samples in −1…1, at their rate.

Letters in shapes: N pictures or windows, T frames of one, S samples, D dimensions, M mel bands.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class Normalised(nn.Module):
    """Pictures as a processor normalises them."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, pictures: Float[Tensor, "*N 3 H W"]) -> Float[Tensor, "*N 3 H W"]:
        """Of red, green and blue in 0…1."""
        found: Tensor = (pictures - self.get_buffer("mean")) / self.get_buffer("std")
        return found


class StretchPictures(nn.Module):
    """PE-AV's vectors of stretches of a picture."""

    def __init__(self, model: Any, normalised: Normalised) -> None:
        super().__init__()
        self.normalised, self.encoder, self.head = normalised, model.video_encoder, model.video_head

    def forward(self, frames: Float[Tensor, "N T 3 H W"]) -> Float[Tensor, "N D"]:
        """One vector for T frames."""
        found: Tensor = self.head(self.encoder(self.normalised(frames)).pooler_output)
        return found


class StretchSounds(nn.Module):
    """PE-AV's vectors of stretches of a sound."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.head = model.audio_encoder, model.audio_head

    def forward(self, samples: Float[Tensor, "N S"]) -> Float[Tensor, "N D"]:
        """S is a multiple of the codec's hop."""
        found: Tensor = self.head(self.encoder(samples[:, None]).pooler_output)
        return found


class SinglePictures(nn.Module):
    """CLIP's vectors of single pictures."""

    def __init__(self, model: Any, normalised: Normalised) -> None:
        super().__init__()
        self.normalised, self.encoder, self.head = normalised, model.vision_model, model.visual_projection

    def forward(self, pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
        """Of length 1."""
        found = self.head(self.encoder(self.normalised(pictures)).pooler_output)
        return nn.functional.normalize(found, dim=-1)


class Decibels(nn.Module):
    """Log-mel as CLAP's feature extractor has it, in decibels: a short-time Fourier transform as a convolution with
    windowed sines and cosines, the first frame centred on the first sample.

    Args:
        filters: (F, M) the mel bands.
    """

    def __init__(self, fft_samples: int, hop_samples: int, filters: np.ndarray) -> None:
        super().__init__()
        times, bins = np.arange(fft_samples), np.arange(fft_samples // 2 + 1)
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * times / fft_samples)
        phases = 2.0 * np.pi * np.outer(bins, times) / fft_samples
        waves = np.concatenate([np.cos(phases), np.sin(phases)]) * window
        self.hop_samples, self.num_bins = hop_samples, len(bins)
        self.register_buffer("waves", torch.tensor(waves[:, None], dtype=torch.float32))
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32))

    def forward(self, samples: Float[Tensor, "N S"]) -> Float[Tensor, "N T M"]:
        """Ten times the decimal logarithm of the power in each band."""
        waves = self.get_buffer("waves")
        margin = waves.shape[-1] // 2
        padded = nn.functional.pad(samples[:, None], (margin, margin), mode="reflect")
        parts = nn.functional.conv1d(padded, waves, stride=self.hop_samples)
        power = parts[:, : self.num_bins].square() + parts[:, self.num_bins :].square()
        bands = power.transpose(1, 2) @ self.get_buffer("filters")
        return 10.0 * torch.log10(bands.clamp(min=1e-10))


class WindowSounds(nn.Module):
    """CLAP's vectors of windows of a sound."""

    def __init__(self, model: Any, decibels: Decibels) -> None:
        super().__init__()
        self.decibels, self.encoder, self.head = decibels, model.audio_model, model.audio_projection

    def forward(self, samples: Float[Tensor, "N S"]) -> Float[Tensor, "N D"]:
        """Of length 1; S is the window's."""
        found = self.encoder(input_features=self.decibels(samples)[:, None]).pooler_output
        return nn.functional.normalize(self.head(found), dim=-1)
