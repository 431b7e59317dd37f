"""Mouths as other cameras, distances, lamps and codecs would have given them, on the device of the network.

    crops (B, T, 112, 112) ─ camera, tracker ─ resolution ─ light ─ compression ─ sensor ─ something before it
        → frames (B, T, 80, 80) in 0…1

In evaluation it is the middle of the crop and nothing else. All frames of a clip are changed alike, but for the jitter
of the tracker. Chance comes from torch's own generator, which the loop seeds before each step. Letters in shapes:
B clips, T frames, S the side of what goes in, R the side of what comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

#: Ticks between two looks of the face tracker, between which its boxes run straight.
_KEY_TICKS = 6
_BLOCK = 8


@dataclass(frozen=True)
class MouthAugmentation:
    """How often, and how far. Shifts as a share of the side that comes out; ranges from low to high.

    Attributes:
        scales: how much larger the mouth is.
        aspect, shear: by up to these shares: heads that look aside or down.
        jitter, jitter_scale: deviations of the tracker's place and size.
        coarse_probability, coarse_sides: seen through so few pixels a side.
        ramp: light that grows over the crop by up to this share.
        compression_probability, compression_steps: quantisation of the discrete cosines of 8×8 blocks, in grey levels.
        cover_probability: of a rectangle, up to 0.4 of a side, that hides something.
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
            frames = self._compressed(self._lit(frames))
            frames = frames + torch.randn_like(frames) * _of_clips(_uniform((0.0, self.config.noise), frames))
            return self._covered(frames).clamp(0, 1)

    def _moved(self, crops: Float[Tensor, "B T S S"]) -> Float[Tensor, "B T R R"]:
        """By one affine map, and the tracker's errors on top."""
        config, (num, ticks, side) = self.config, crops.shape[:3]
        device = crops.device
        angle = _spread(math.radians(config.rotation_degrees), crops)
        low, high = (math.log(scale) for scale in config.scales)
        size = torch.exp(-_uniform((low, high), crops)) * self.side_px / side
        across, shear = 1 + _spread(config.aspect, crops), _spread(config.shear, crops)
        mirror = 1 - 2 * (torch.rand_like(size) < config.mirror_probability).float()
        turn = torch.stack([angle.cos() * across * mirror, shear - angle.sin(), angle.sin() * mirror, angle.cos()], -1)
        turn = turn.reshape(num, 1, 2, 2) * size.reshape(num, 1, 1, 1)
        turn = turn * (1 + _walk(num, 1, ticks, config.jitter_scale, device)[..., None])
        reach = 2 * self.side_px / side
        shift = reach * (
            _spread(config.shift, crops, 2).reshape(num, 1, 2) + _walk(num, 2, ticks, config.jitter, device)
        )
        grid = _grid(turn.flatten(0, 1), shift.flatten(0, 1), self.side_px)
        moved = functional.grid_sample(
            crops.reshape(num * ticks, 1, side, side), grid, padding_mode="border", align_corners=False
        )
        return moved.reshape(num, ticks, self.side_px, self.side_px)

    def _coarser(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        """Some clips through fewer pixels, all of a batch through the same number."""
        low, high = self.config.coarse_sides
        side = int(torch.randint(low, high + 1, ()))
        chosen = torch.rand(len(frames)) < self.config.coarse_probability
        if chosen.any():
            some = frames[chosen.to(frames.device)]
            small = functional.interpolate(some, (side, side), mode="bilinear", antialias=True)
            frames = frames.clone()
            frames[chosen.to(frames.device)] = functional.interpolate(small, frames.shape[2:], mode="bilinear")
        return frames

    def _lit(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        config = self.config
        places = torch.linspace(-1, 1, frames.shape[2], device=frames.device)
        across, down = (_spread(config.ramp, frames)[:, None, None] for _ in range(2))
        ramp = (1 + across * places[None, None]) * (1 + down * places[None, :, None])
        lit = (frames * ramp[:, None]).clamp(0, 1) ** _of_clips(_uniform(config.gammas, frames))
        contrasted = (lit - 0.5) * _of_clips(_uniform(config.contrasts, frames)) + 0.5
        return contrasted + _of_clips(_spread(config.brightness, frames))

    def _compressed(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        """Discrete cosines of 8×8 blocks, rounded to steps that grow with the frequency, as in JPEG."""
        config, (num, ticks, side) = self.config, frames.shape[:3]
        chosen = torch.rand(num) < config.compression_probability
        if not chosen.any():
            return frames
        where = chosen.to(frames.device)
        some = frames[where]
        blocks = some.reshape(len(some), ticks, side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK).transpose(3, 4)
        cosines = self.cosines @ blocks @ self.cosines.T
        order = torch.arange(_BLOCK, device=frames.device)
        growth = 1 + 0.6 * (order[:, None] + order[None])
        low, high = (math.log(step / 255) for step in config.compression_steps)
        step = torch.exp(_uniform((low, high), some)).reshape(-1, 1, 1, 1, 1, 1) * growth
        back = self.cosines.T @ (torch.round(cosines / step) * step) @ self.cosines
        frames = frames.clone()
        frames[where] = back.transpose(3, 4).reshape(some.shape)
        return frames

    def _covered(self, frames: Float[Tensor, "B T R R"]) -> Float[Tensor, "B T R R"]:
        places = torch.arange(frames.shape[2], device=frames.device)[None]
        chosen = torch.rand(len(frames), 1, device=frames.device) < self.config.cover_probability
        inside = []
        for _ in range(2):
            length = torch.rand(len(frames), 1, device=frames.device) * 0.4 * self.side_px
            begin = torch.rand_like(length) * (self.side_px - length)
            inside.append((places >= begin) & (places < begin + length))
        hidden = (inside[0][:, :, None] & inside[1][:, None] & chosen[:, :, None])[:, None]
        return torch.where(hidden, torch.rand(len(frames), 1, 1, 1, device=frames.device), frames)


def _cosines() -> Float[Tensor, "8 8"]:
    """The orthonormal discrete cosine transform (type II)."""
    steps = torch.arange(_BLOCK)
    rows = torch.cos(math.pi / _BLOCK * (steps[None] + 0.5) * steps[:, None]) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows


def _grid(turn: Float[Tensor, "N 2 2"], shift: Float[Tensor, "N 2"], side_px: int) -> Float[Tensor, "N R R 2"]:
    """What `affine_grid` gives without `align_corners`, in a fifth of its time on a CPU."""
    places = (torch.arange(side_px, device=turn.device) * 2 + 1) / side_px - 1
    matrix = turn[:, None, None]
    across, down = places[None, None, :, None], places[None, :, None, None]
    return matrix[..., 0] * across + matrix[..., 1] * down + shift[:, None, None]


def _walk(num: int, dims: int, ticks: int, deviation: float, device: torch.device) -> Float[Tensor, "B T d"]:
    """Errors that are drawn every `_KEY_TICKS` and run straight between."""
    keys = deviation * torch.randn(num, dims, ticks // _KEY_TICKS + 2, device=device)
    fine = functional.interpolate(keys, (keys.shape[2] - 1) * _KEY_TICKS + 1, mode="linear", align_corners=True)
    begin = int(torch.randint(fine.shape[2] - ticks + 1, ()))
    return fine[:, :, begin : begin + ticks].transpose(1, 2)


def _of_clips(numbers: Float[Tensor, " B"]) -> Float[Tensor, "B 1 1 1"]:
    return numbers.reshape(-1, 1, 1, 1)


def _uniform(span: tuple[float, float], like: Tensor) -> Float[Tensor, " B"]:
    low, high = span
    return low + (high - low) * torch.rand(len(like), device=like.device)


def _spread(largest: float, like: Tensor, dims: int = 1) -> Float[Tensor, " _"]:
    return largest * (2 * torch.rand(len(like) * dims, device=like.device) - 1)
