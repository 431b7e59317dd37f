"""Waveforms → the log-mel of other rooms, microphones and voices, on the device of the network.

    samples ─ room ─ other voices, noise ─ mel power ─ microphone, level ─ logarithm ─ voice tract ─ masks → log-mel

In evaluation it is the log-mel of frontends/sound.py and nothing else. Chance comes from torch's own generator, which
the loop seeds before each step. Letters in shapes: B clips, S samples, U log-mel ticks, M = 64 mels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from avmatch.frontends.sound import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    LOG_FLOOR,
    NUM_MELS,
    SAMPLE_RATE_HZ,
    analysis_window,
    mel_filters,
)

#: What a window of U ticks needs before its first and after its last centre, together.
MARGIN_SAMPLES = FFT_SAMPLES
_ROOM_SAMPLES = round(0.4 * SAMPLE_RATE_HZ)
#: A pause counts as this loud beside the batch when noise is mixed into it.
_LEAST_SHARE = 0.1
_BABBLE_VOICES = 4


@dataclass(frozen=True)
class VoiceAugmentation:
    """How often, and how far. Levels in dB, ranges from low to high.

    Attributes:
        voice_probability, babble_probability, noise_probability: another voice of the batch, several of them, noise of
            a random colour.
        equaliser_db: largest gain or loss of the microphone's curve.
        warp: the mel axis is stretched by up to this share, as a longer or shorter vocal tract does.
        mask_probability: of two masks of up to `max_mels` mels, and one of up to `max_ticks` ticks.
    """

    room_probability: float = 0.2
    room_rt60_seconds: tuple[float, float] = (0.1, 0.7)
    room_direct_db: tuple[float, float] = (-2.0, 12.0)
    voice_probability: float = 0.2
    babble_probability: float = 0.1
    noise_probability: float = 0.3
    snr_db: tuple[float, float] = (-3.0, 20.0)
    equaliser_probability: float = 0.6
    equaliser_db: float = 10.0
    band_probability: float = 0.25
    gain_db: tuple[float, float] = (-25.0, 10.0)
    warp: float = 0.12
    mask_probability: float = 0.4
    max_mels: int = 10
    max_ticks: int = 12


class VoiceFrontEnd(nn.Module):
    """(B, S) samples in −1…1 → (B, U, 64) log-mel, U = (S − MARGIN_SAMPLES) / HOP_SAMPLES, augmented in training."""

    window: Tensor
    filters: Tensor

    def __init__(self, config: VoiceAugmentation) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.from_numpy(analysis_window()), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)

    @torch.no_grad()
    def forward(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B U 64"]:
        """The log-mel."""
        with torch.autocast(sound.device.type, enabled=False):
            if not self.training:
                return torch.log(self._power(sound) + LOG_FLOOR)
            sound = self._noised(self._in_a_room(sound))
            power = self._power(sound) * self._microphone(sound)
            return self._masked(self._warped(torch.log(power + LOG_FLOOR)))

    def _power(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B U 64"]:
        frames = sound.unfold(1, FFT_SAMPLES, HOP_SAMPLES)[:, : (sound.shape[1] - MARGIN_SAMPLES) // HOP_SAMPLES]
        spectrum = torch.fft.rfft(frames * self.window)
        power: Tensor = (spectrum.real.square() + spectrum.imag.square()) @ self.filters
        return power

    def _in_a_room(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """Convolved with noise that dies away, beside the direct sound (Polack's model of late reverberation)."""
        config, num = self.config, len(sound)
        chosen = _chance(config.room_probability, sound)
        rt60 = _uniform(config.room_rt60_seconds, sound)[:, None]
        seconds = torch.arange(1, _ROOM_SAMPLES, device=sound.device) / SAMPLE_RATE_HZ
        tail = torch.randn(num, _ROOM_SAMPLES - 1, device=sound.device) * torch.exp(-6.9 * seconds / rt60)
        energy = 10 ** (-_uniform(config.room_direct_db, sound) / 10)
        tail = tail * (energy / tail.square().sum(dim=1)).sqrt()[:, None] * chosen[:, None]
        size = sound.shape[1] + _ROOM_SAMPLES
        response = torch.fft.rfft(functional.pad(tail, (1, 0)), size)
        late = torch.fft.irfft(torch.fft.rfft(sound, size) * response, size)[:, : sound.shape[1]]
        return sound + late

    def _noised(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        config = self.config
        own = sound.square().mean(dim=1)
        own = torch.maximum(own, _LEAST_SHARE * own.mean())
        others = [_of_others(sound, number) for number in range(1, _BABBLE_VOICES + 1)]
        kinds = (
            (config.voice_probability, others[0]),
            (config.babble_probability, torch.stack(others).sum(dim=0)),
            (config.noise_probability, _coloured(sound)),
        )
        for probability, noise in kinds:
            level = noise.square().mean(dim=1).clamp(min=1e-9)
            factor = (own / level * 10 ** (-_uniform(config.snr_db, sound) / 10)).sqrt()
            sound = sound + noise * (factor * _chance(probability, sound))[:, None]
        return sound

    def _microphone(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B 1 64"]:
        """A gain for each mel: level, a smooth curve, and what is cut off at either end."""
        config, num, device = self.config, len(sound), sound.device
        points = (2 * torch.rand(num, 1, 6, device=device) - 1) * config.equaliser_db
        curve = functional.interpolate(points, NUM_MELS, mode="linear", align_corners=True)
        curve = curve * _chance(config.equaliser_probability, sound)[:, None, None]
        mels = torch.arange(NUM_MELS, device=device).expand(num, NUM_MELS)
        above = mels - _uniform((0.45 * NUM_MELS, 0.95 * NUM_MELS), sound)[:, None]
        below = _uniform((0.0, 0.2 * NUM_MELS), sound)[:, None] - mels
        cut = _chance(config.band_probability, sound)[:, None] * above.clamp(min=0)
        cut = cut + _chance(config.band_probability, sound)[:, None] * below.clamp(min=0)
        gain = _uniform(config.gain_db, sound)[:, None] - (6 * cut).clamp(max=50)
        return 10 ** ((gain[:, None] + curve) / 10)

    def _warped(self, mel: Float[Tensor, "B U 64"]) -> Float[Tensor, "B U 64"]:
        """The mel axis stretched: vocal tract length perturbation (Jaitly & Hinton 2013)."""
        factor = 1 + _uniform((-self.config.warp, self.config.warp), mel)[:, None]
        place = (torch.arange(NUM_MELS, device=mel.device) * factor).clamp(max=NUM_MELS - 1.001)
        lower = place.floor().long()[:, None].expand_as(mel)
        share = (place - place.floor())[:, None]
        return mel.gather(2, lower) * (1 - share) + mel.gather(2, lower + 1) * share

    def _masked(self, mel: Float[Tensor, "B U 64"]) -> Float[Tensor, "B U 64"]:
        """SpecAugment (Park et al. 2019), filled with the clip's mean."""
        config = self.config
        hidden = torch.zeros_like(mel, dtype=torch.bool)
        for axis, largest, number in ((2, config.max_mels, 2), (1, config.max_ticks, 1)):
            places = torch.arange(mel.shape[axis], device=mel.device)[None]
            for _ in range(number):
                length = _uniform((0.0, float(largest)), mel)[:, None] * _chance(config.mask_probability, mel)[:, None]
                begin = _uniform((0.0, 1.0), mel)[:, None] * (mel.shape[axis] - length)
                inside: Bool[Tensor, "B _"] = (places >= begin) & (places < begin + length.round())
                hidden |= inside[:, None, :] if axis == 2 else inside[:, :, None]
        return torch.where(hidden, mel.mean(dim=(1, 2), keepdim=True), mel)


def _of_others(sound: Float[Tensor, "B S"], number: int) -> Float[Tensor, "B S"]:
    """Each clip gets the sound of another one, from another moment on."""
    shift = int(torch.randint(sound.shape[1], ()))
    return sound.roll(number, dims=0).roll(shift, dims=1)


def _coloured(sound: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    """Noise whose amplitude falls as f^−a, a in 0…1.5."""
    spectrum = torch.fft.rfft(torch.randn_like(sound))
    steps = torch.arange(1, spectrum.shape[1] + 1, device=sound.device)
    return torch.fft.irfft(spectrum * steps ** -_uniform((0.0, 1.5), sound)[:, None], sound.shape[1])


def _uniform(span: tuple[float, float], like: Tensor) -> Float[Tensor, " B"]:
    return span[0] + (span[1] - span[0]) * torch.rand(len(like), device=like.device)


def _chance(probability: float, like: Tensor) -> Float[Tensor, " B"]:
    return (torch.rand(len(like), device=like.device) < probability).float()
