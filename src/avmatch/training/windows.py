"""Windows of ticks, frames or samples, cut out of clips.

Letters in shapes: L length of a clip, W length of a window, T frames, H rows, W columns.
"""

import numpy as np
from jaxtyping import Float32, Shaped


def random_begin(length: int, window: int, rng: np.random.Generator) -> int:
    """Where a window begins that lies inside the clip; 0 in clips that are shorter."""
    return int(rng.integers(max(length - window, 0) + 1))


def spread_begins(length: int, window: int, num: int) -> list[int]:
    """Where up to `num` windows begin that are spread evenly over the clip."""
    begins: list[int] = np.unique(np.linspace(0, max(length - window, 0), num).astype(np.int64)).tolist()
    return begins


def held(clip: Shaped[np.ndarray, " L *rest"], begin: int, window: int) -> Shaped[np.ndarray, " W *rest"]:
    """A window; beyond the ends of the clip, its first or last entry is held."""
    return clip[np.clip(begin + np.arange(window), 0, len(clip) - 1)]


def wrapped(clip: Shaped[np.ndarray, " L *rest"], begin: int, window: int) -> Shaped[np.ndarray, " W *rest"]:
    """A window; after its end, the clip goes on from its beginning."""
    return clip.take(begin + np.arange(window), axis=0, mode="wrap")


def waveform(packed: Shaped[np.ndarray, " S"]) -> Float32[np.ndarray, " S"]:
    """Samples that were packed as 16-bit integers, in −1…1."""
    return np.asarray(packed, np.float32) / np.float32(32767)


def cropped(
    frames: Shaped[np.ndarray, "T _ _ 3"],
    side_px: int,
    spare_px: int,
    mirror_probability: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Shaped[np.ndarray, "T side_px side_px 3"]:
    """A square of frames that are `spare_px` wider: anywhere and sometimes mirrored; without `rng` the middle."""
    top, left = [spare_px // 2] * 2 if rng is None else rng.integers(spare_px + 1, size=2).tolist()
    is_mirrored = rng is not None and rng.random() < mirror_probability
    square = frames[:, top : top + side_px, left : left + side_px]
    return np.ascontiguousarray(square[:, :, ::-1] if is_mirrored else square)
