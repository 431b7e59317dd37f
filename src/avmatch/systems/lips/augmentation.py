"""Mouths and voices as other cameras, lamps, codecs, rooms and microphones would give them, computed on the device.

    crops (B, T, 112, 112) ─ camera, tracker ─ resolution ─ light ─ compression ─ sensor ─ something in front
        → frames (B, T, 80, 80) in 0…1
    samples (B, S) ─ room ─ other voices, noise ─ mel power ─ microphone, level ─ logarithm ─ vocal tract ─ masks
        → log-mel (B, U, 64)

In evaluation a front end returns the middle of the crop, or the log-mel of frontends/sound.py, and nothing else. All
frames of a clip change alike, except for the jitter of the tracker. Chance comes from torch's own generator, which the
training loop seeds before each step.

Letters in shapes: B clips, T frames, S side of a crop or samples, R side of a frame, U log-mel steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
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

#: The face tracker looks every so many frames; between them its boxes move in a straight line.
_KEY_TICKS = 6
_BLOCK = 8
#: Samples that a window needs before its first and after its last log-mel step, together.
MARGIN_SAMPLES = FFT_SAMPLES
_ROOM_SAMPLES = round(0.4 * SAMPLE_RATE_HZ)
#: A pause counts as this loud beside the batch when noise is mixed into it.
_LEAST_SHARE = 0.1
_BABBLE_VOICES = 4


@dataclass(frozen=True)
class MouthAugmentation:
    """How often mouths change, and by how much. Shifts are shares of the frame's side; ranges go from low to high.

    Attributes:
        scales: how much larger the mouth is.
        aspect, shear: by up to these shares: heads that look aside or down.
        jitter, jitter_scale: standard deviations of the tracker's position and size.
        coarse_probability, coarse_sides: scaled down to so few pixels a side, and up again.
        ramp: light that grows over the crop by up to this share.
        compression_probability, compression_steps: quantisation of the discrete cosines of 8×8 blocks, in grey levels.
        cover_probability: of a rectangle, up to 0.4 of a side, that hides part of the mouth.
    """

    mirror_probability: float = 0.5
    rotation_degrees: float = 12.0
    scales: tuple[float, float] = (0.8, 1.25)
    aspect: float = 0.1
    shear: float = 0.12
    shift: float = 0.1
    jitter: float = 0.015
    jitter_scale: float = 0.015
    coarse_probability: float = 0.25
    coarse_sides: tuple[int, int] = (20, 60)
    gammas: tuple[float, float] = (0.6, 1.7)
    contrasts: tuple[float, float] = (0.6, 1.4)
    brightness: float = 0.15
    ramp: float = 0.35
    compression_probability: float = 0.3
    compression_steps: tuple[float, float] = (4.0, 60.0)
    noise: float = 0.02
    cover_probability: float = 0.1


class MouthFrontEnd(nn.Module):
    """(B, T, S, S) crops of 0…255 → (B, T, R, R) frames in 0…1, augmented in training."""

    cosines: Tensor

    def __init__(self, config: MouthAugmentation, side_px: int) -> None:
        super().__init__()
        self.config, self.side_px = config, side_px
        self.register_buffer("cosines", _cosines(), persistent=False)

    @torch.no_grad()
    def forward(self, crops: UInt8[Tensor, "B T S S"]) -> Float[Tensor, "B T R R"]:
        """The frames."""
        with torch.autocast(crops.device.type, enabled=False):
            if not self.training:
                margin = (crops.shape[2] - self.side_px) // 2
                inner = slice(margin, margin + self.side_px)
                return crops[:, :, inner, inner].float() / 255
            frames = self._coarser(self._moved(crops.float() / 255))
            frames = _changed(self._lit(frames), self.config.compression_probability, self._quantised)
            frames = frames + torch.randn_like(frames) * _of_clips(_uniform((0.0, self.config.noise), frames))
            return self._covered(frames).clamp(0, 1)

    def _moved(self, crops: Float[Tensor, "B T S S"]) -> Float[Tensor, "B T R R"]:
        """One affine map a clip, and the tracker's errors on top."""
        config, (num, ticks, side), device = self.config, crops.shape[:3], crops.device
        angle = _spread(math.radians(config.rotation_degrees), crops)
        low, high = (math.log(scale) for scale in config.scales)
        size = torch.exp(-_uniform((low, high), crops)) * self.side_px / side
        across, shear = 1 + _spread(config.aspect, crops), _spread(config.shear, crops)
        mirror = 1 - 2 * _chance(config.mirror_probability, crops)
        turn = torch.stack([angle.cos() * across * mirror, shear - angle.sin(), angle.sin() * mirror, angle.cos()], -1)
        turn = turn.reshape(num, 1, 2, 2) * size.reshape(num, 1, 1, 1)
        turn = turn * (1 + _walk(num, 1, ticks, config.jitter_scale, device)[..., None])
        shift = _spread(config.shift, crops, 2).reshape(num, 1, 2) + _walk(num, 2, ticks, config.jitter, device)
        shift = 2 * self.side_px / side * shift
        grid = _grid(turn.flatten(0, 1), shift.flatten(0, 1), self.side_px)
        images = crops.reshape(num * ticks, 1, side, side)
        moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return moved.reshape(num, ticks, self.side_px, self.side_px)

    def _coarser(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        """Some clips at fewer pixels, all clips of a batch at the same number."""
        low, high = self.config.coarse_sides
        side = int(torch.randint(low, high + 1, ()))

        def rescaled(some: Tensor) -> Tensor:
            small = functional.interpolate(some, (side, side), mode="bilinear", antialias=True)
            return functional.interpolate(small, frames.shape[2:], mode="bilinear")

        return _changed(frames, self.config.coarse_probability, rescaled)

    def _lit(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        config = self.config
        places = torch.linspace(-1, 1, frames.shape[2], device=frames.device)
        across, down = (_spread(config.ramp, frames)[:, None, None] for _ in range(2))
        ramp = (1 + across * places[None, None]) * (1 + down * places[None, :, None])
        lit = (frames * ramp[:, None]).clamp(0, 1) ** _of_clips(_uniform(config.gammas, frames))
        contrasted = (lit - 0.5) * _of_clips(_uniform(config.contrasts, frames)) + 0.5
        return contrasted + _of_clips(_spread(config.brightness, frames))

    def _quantised(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        """Discrete cosines of 8×8 blocks, rounded to steps that grow with the frequency, as in JPEG."""
        num, ticks, side = frames.shape[:3]
        blocks = frames.reshape(num, ticks, side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK).transpose(3, 4)
        cosines = self.cosines @ blocks @ self.cosines.T
        order = torch.arange(_BLOCK, device=frames.device)
        growth = 1 + 0.6 * (order[:, None] + order[None])
        low, high = (math.log(step / 255) for step in self.config.compression_steps)
        step = torch.exp(_uniform((low, high), frames)).reshape(-1, 1, 1, 1, 1, 1) * growth
        back = self.cosines.T @ (torch.round(cosines / step) * step) @ self.cosines
        return back.transpose(3, 4).reshape(frames.shape)

    def _covered(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        chosen = _chance(self.config.cover_probability, frames).bool()
        inside = []
        for _ in range(2):
            length = _uniform((0.0, 1.0), frames) * 0.4 * self.side_px
            inside.append(_stretch(_uniform((0.0, 1.0), frames) * (self.side_px - length), length, self.side_px))
        hidden = (inside[0][:, :, None] & inside[1][:, None] & chosen[:, None, None])[:, None]
        return torch.where(hidden, _of_clips(_uniform((0.0, 1.0), frames)), frames)


def _cosines() -> Float[Tensor, "8 8"]:
    """The orthonormal discrete cosine transform (type II)."""
    steps = torch.arange(_BLOCK)
    rows = torch.cos(math.pi / _BLOCK * (steps[None] + 0.5) * steps[:, None]) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows


def _grid(turn: Float[Tensor, "N 2 2"], shift: Float[Tensor, "N 2"], side_px: int) -> Float[Tensor, "N R R 2"]:
    """The same as `affine_grid` without `align_corners`, in a fifth of its time on a CPU."""
    places = (torch.arange(side_px, device=turn.device) * 2 + 1) / side_px - 1
    matrix = turn[:, None, None]
    across, down = places[None, None, :, None], places[None, :, None, None]
    return matrix[..., 0] * across + matrix[..., 1] * down + shift[:, None, None]


def _walk(num: int, dims: int, ticks: int, deviation: float, device: torch.device) -> Float[Tensor, "B T d"]:
    """Errors that are drawn every `_KEY_TICKS` frames and interpolated between them."""
    keys = deviation * torch.randn(num, dims, ticks // _KEY_TICKS + 2, device=device)
    fine = functional.interpolate(keys, (keys.shape[2] - 1) * _KEY_TICKS + 1, mode="linear", align_corners=True)
    begin = int(torch.randint(fine.shape[2] - ticks + 1, ()))
    return fine[:, :, begin : begin + ticks].transpose(1, 2)


@dataclass(frozen=True)
class VoiceAugmentation:
    """How often voices change, and by how much. Levels in dB; ranges go from low to high.

    Attributes:
        voice_probability, babble_probability, noise_probability: another voice of the batch, several of them, noise of
            a random colour.
        equaliser_db: largest gain or loss of the microphone's curve.
        warp: the mel axis is stretched by up to this share, as a longer or shorter vocal tract does.
        mask_probability: of two masks of up to `max_mels` mels, and one of up to `max_ticks` steps.
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
        return (spectrum.real.square() + spectrum.imag.square()) @ self.filters

    def _in_a_room(self, sound: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """The direct sound, and behind it decaying noise (Polack's model of late reverberation)."""
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
        """A gain for each mel: level, a smooth curve, and a cut at either end."""
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
        for axis, largest in ((2, config.max_mels), (2, config.max_mels), (1, config.max_ticks)):
            length = _uniform((0.0, float(largest)), mel) * _chance(config.mask_probability, mel)
            begin = _uniform((0.0, 1.0), mel) * (mel.shape[axis] - length)
            inside = _stretch(begin, length.round(), mel.shape[axis])
            hidden |= inside[:, None, :] if axis == 2 else inside[:, :, None]
        return torch.where(hidden, mel.mean(dim=(1, 2), keepdim=True), mel)


def _of_others(sound: Float[Tensor, "B S"], number: int) -> Float[Tensor, "B S"]:
    """The sound of another clip for each, starting at another moment."""
    shift = int(torch.randint(sound.shape[1], ()))
    return sound.roll(number, dims=0).roll(shift, dims=1)


def _coloured(sound: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    """Noise whose amplitude falls as f^−a, a in 0…1.5."""
    spectrum = torch.fft.rfft(torch.randn_like(sound))
    steps = torch.arange(1, spectrum.shape[1] + 1, device=sound.device)
    return torch.fft.irfft(spectrum * steps ** -_uniform((0.0, 1.5), sound)[:, None], sound.shape[1])


def _changed(frames: Tensor, probability: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The frames of some clips changed."""
    chosen = torch.rand(len(frames)) < probability
    if not chosen.any():
        return frames
    where, frames = chosen.to(frames.device), frames.clone()
    frames[where] = change(frames[where])
    return frames


def _stretch(begin: Float[Tensor, " B"], length: Float[Tensor, " B"], size: int) -> Bool[Tensor, "B size"]:
    """Which of `size` places lie in a stretch."""
    places = torch.arange(size, device=begin.device)[None]
    return (places >= begin[:, None]) & (places < (begin + length)[:, None])


def _of_clips(numbers: Float[Tensor, " B"]) -> Float[Tensor, "B 1 1 1"]:
    return numbers.reshape(-1, 1, 1, 1)


def _uniform(span: tuple[float, float], like: Tensor) -> Float[Tensor, " B"]:
    low, high = span
    return low + (high - low) * torch.rand(len(like), device=like.device)


def _spread(largest: float, like: Tensor, dims: int = 1) -> Float[Tensor, " _"]:
    return largest * (2 * torch.rand(len(like) * dims, device=like.device) - 1)


def _chance(probability: float, like: Tensor) -> Float[Tensor, " B"]:
    return (torch.rand(len(like), device=like.device) < probability).float()
