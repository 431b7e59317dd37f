"""Linear timecode as a sound, for tests: an encoder of our own (SMPTE ST 12-1)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def address(number: int, fps: Fraction, *, drop_frame: bool) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds and frames of a frame's number since midnight, counted one by one where frames drop."""
    per_second = round(fps)
    if drop_frame:
        minute_frames = [60 * per_second - (2 if minute % 10 else 0) for minute in range(24 * 60)]
        number, minute = number % sum(minute_frames), 0
        while number >= minute_frames[minute]:
            number -= minute_frames[minute]
            minute += 1
        number += 2 if minute % 10 else 0
        return minute // 60, minute % 60, number // per_second, number % per_second
    seconds, frames = divmod(number, per_second)
    return seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frames


def codeword(hours: int, minutes: int, seconds: int, frames: int, *, drop_frame: bool, user_bits: int) -> list[int]:
    """The 80 bits of a frame."""
    bits = [0] * 80

    def put(place: int, num: int, value: int) -> None:
        for bit in range(num):
            bits[place + bit] = value >> bit & 1

    for place, value in ((0, frames), (16, seconds), (32, minutes), (48, hours)):
        put(place, 4, value % 10)
        put(place + 8, {0: 2, 16: 3, 32: 3, 48: 2}[place], value // 10)
    bits[10] = int(drop_frame)
    for group in range(8):
        put(4 + 8 * group, 4, user_bits >> 4 * group & 15)
    put(64, 16, 0xBFFC)  # 0x3FFD, sent from its most significant bit on
    return bits


def ltc_sound(
    first_frame: int,
    seconds: float,
    *,
    fps: Fraction,
    drop_frame: bool = False,
    rate_hz: int = 48_000,
    level: float = 0.3,
    speed: float = 1.0,
    user_bits: int = 0x1A2B3C4D,
) -> np.ndarray:
    """(S,) samples, from the beginning of a frame on; flanks last 25 µs or so, as the standard asks for."""
    fine = 4
    changes: list[float] = []
    for frame in range(int(seconds * fps) + 2):
        word = codeword(
            *address(first_frame + frame, fps, drop_frame=drop_frame), drop_frame=drop_frame, user_bits=user_bits
        )
        for place, bit in enumerate(word):
            time = float((frame + Fraction(place, 80)) / fps)
            changes.append(time)
            if bit:
                changes.append(time + float(Fraction(1, 160) / fps))
    times = np.arange(round(seconds * rate_hz * fine)) / (rate_hz * fine) * speed
    square = 1.0 - 2.0 * (np.searchsorted(np.array(changes), times, side="right") % 2)
    smooth = np.convolve(square, np.hanning(fine * 3 + 2) / np.hanning(fine * 3 + 2).sum(), "same")
    return (level * smooth.reshape(-1, fine).mean(axis=1)).astype(np.float32)
