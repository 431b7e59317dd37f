"""Linear timecode: the time of day as a sound on a track of its own (SMPTE ST 12-1, "LTC").

A picture's frame is a codeword of 80 bits, which begins with the frame. Bits are biphase mark: the level changes at the
beginning of each bit, and in the middle of a 1 as well. So polarity and level don't matter, and between two changes
there is a bit or half of one: 0.21…0.26 ms or 0.42…0.52 ms at 24 to 30 frames a second, whatever the rate.
Bits 64…79 are the sync word; digits are stored in BCD, the least significant bit first.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int

_SYNC = np.array([0, 0, *[1] * 12, 0, 1])  # 0x3FFD
_NUM_BITS = 80
#: (first bit, number of bits, worth) of each digit, for frames, seconds, minutes and hours.
_DIGITS = (
    ((0, 4, 1), (8, 2, 10)),
    ((16, 4, 1), (24, 3, 10)),
    ((32, 4, 1), (40, 3, 10)),
    ((48, 4, 1), (56, 2, 10)),
)
_LIMITS = (30, 60, 60, 24)
_DROP_FRAME_BIT = 10
#: What lies between two changes of level: half a bit, or a bit.
_SHORTEST_SECONDS, _BORDER_SECONDS, _LONGEST_SECONDS = 0.14e-3, 0.335e-3, 0.65e-3
#: A change counts once the level is this share of the usual one on the other side.
_HYSTERESIS = 0.4
#: Of the times between changes of a track with timecode, at least so many are those of bits.
_LEAST_SHARE = 0.8
_LEAST_FRAMES = 3
_RATES = (Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))
#: A recorder's clock is no worse; more is a tape at another speed, whose rate isn't known.
_MAX_SPEED_ERROR = 0.02
_DAY_SECONDS = 24 * 3600
_SILENT_PEAK = 1e-4


@dataclass(frozen=True)
class Ltc:
    """The timecode of a sound.

    Attributes:
        seconds: since midnight at the sound's first sample, of a clock that counts frames: frames since midnight / fps.
            01:00:00:00 is 3600 s at 25, and 3603.6 s at 23.976 without drop-frame, as editors and BWF count it.
        fps: 24000/1001, 24, 25, 30000/1001 or 30.
        drop_frame: numbers of frames are left out, so that at 29.97 the timecode stays with the clock on the wall.
    """

    seconds: float
    fps: Fraction
    drop_frame: bool

    @property
    def timecode(self) -> str:
        """The first sample's, hh:mm:ss:ff; with a semicolon if it is drop-frame."""
        number, per_second = int(self.seconds * self.fps + 1e-3), round(self.fps)
        if self.drop_frame:
            tens, rest = divmod(number, 600 * per_second - 18)
            number += 18 * tens + 2 * max(0, (rest - 2) // (60 * per_second - 2))
        seconds, frames = divmod(number, per_second)
        mark = ";" if self.drop_frame else ":"
        return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frames:02}"


def read_ltc(samples: Float[np.ndarray, " S"], sample_rate_hz: int) -> Ltc | None:
    """The timecode of one channel; None if it carries none.

    Three whole frames that follow one another are enough, so 0.2 s; give a second or more, because 23.976 and 24 are
    distinguished by how long frames last, to 0.05 %. Noise 20 dB below does no harm.

    Args:
        samples: one channel, at any level and polarity, played forward.
        sample_rate_hz: 32 kHz or more; below that half a bit is too short.
    """
    bits, begins = _bits(_changes(samples, sample_rate_hz), sample_rate_hz)
    frames, starts = [], []
    for begin in _word_begins(bits):
        if (frame := _frame(bits[begin : begin + _NUM_BITS])) is not None:
            frames.append(frame)
            starts.append(begins[begin])
    return _fitted(frames, np.array(starts), sample_rate_hz)


def _changes(samples: Float[np.ndarray, " S"], sample_rate_hz: int) -> Float[np.ndarray, " N"]:
    """Where the level changes its sign, in samples."""
    if len(samples) < sample_rate_hz // 10 or np.abs(samples).max() < _SILENT_PEAK:
        return np.zeros(0)
    centred = samples - np.float32(samples.mean())
    least = _HYSTERESIS * float(np.median(np.abs(centred)))
    clear = np.flatnonzero(np.abs(centred) > least)
    positive = centred[clear] > 0
    ends = np.flatnonzero(positive[1:] != positive[:-1])
    before, after = clear[ends], clear[ends + 1]
    low, high = np.abs(centred[before]), np.abs(centred[after])
    return before + (after - before) * low / (low + high)


def _bits(
    places: Float[np.ndarray, " N"], sample_rate_hz: int
) -> tuple[Int[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """The bits, and where each begins; −1 stands for what is none."""
    lengths = np.diff(places) / sample_rate_hz
    valid = (lengths > _SHORTEST_SECONDS) & (lengths < _LONGEST_SECONDS)
    if not len(lengths) or valid.mean() < _LEAST_SHARE:
        return np.zeros(0, np.int64), np.zeros(0)
    kinds = np.where(valid, np.where(lengths < _BORDER_SECONDS, 1, 2), 0).tolist()  # halves of a bit
    bits, begins, number = [], [], 0
    while number < len(kinds):
        is_one = kinds[number : number + 2] == [1, 1]
        bits.append(1 if is_one else 0 if kinds[number] == 2 else -1)
        begins.append(number)
        number += 2 if is_one else 1
    return np.array(bits), places[begins]


def _word_begins(bits: Int[np.ndarray, " B"]) -> Int[np.ndarray, " N"]:
    """The places of whole codewords, by the sync words at their ends."""
    if len(bits) < _NUM_BITS:
        return np.zeros(0, np.int64)
    words = np.lib.stride_tricks.sliding_window_view(bits, len(_SYNC))
    begins = np.flatnonzero((words == _SYNC).all(axis=1)) + len(_SYNC) - _NUM_BITS
    return begins[begins >= 0]


@dataclass(frozen=True)
class _Address:
    """What one codeword says."""

    frames: int
    seconds: int
    minutes: int
    hours: int
    drop_frame: bool

    def number(self, per_second: int) -> int:
        """Frames since midnight."""
        minutes = 60 * self.hours + self.minutes
        dropped = 2 * (minutes - minutes // 10) if self.drop_frame else 0
        return (60 * minutes + self.seconds) * per_second + self.frames - dropped


def _frame(word: Int[np.ndarray, " 80"]) -> _Address | None:
    """The address in a codeword; None if it isn't whole, or no time of day."""
    if (word < 0).any():
        return None
    values = [
        sum(worth * int(word[begin : begin + num] @ (1 << np.arange(num))) for begin, num, worth in digits)
        for digits in _DIGITS
    ]
    if any(value >= limit for value, limit in zip(values, _LIMITS, strict=True)):
        return None
    frames, seconds, minutes, hours = values
    return _Address(frames, seconds, minutes, hours, bool(word[_DROP_FRAME_BIT]))


def _fitted(frames: list[_Address], starts: Float[np.ndarray, " N"], sample_rate_hz: int) -> Ltc | None:
    """A straight line through the frames that follow one another."""
    if len(frames) < _LEAST_FRAMES:
        return None
    length = float(np.median(np.diff(starts)))
    measured = sample_rate_hz / length
    fps = min(_RATES, key=lambda rate: abs(float(rate) - measured))
    if abs(measured / float(fps) - 1.0) > _MAX_SPEED_ERROR or max(frame.frames for frame in frames) >= round(fps):
        return None
    numbers = np.array([frame.number(round(fps)) for frame in frames])
    day = frames_a_day(fps, drop_frame=frames[0].drop_frame)
    # When the first sample's frame began, by each frame; those that were misread disagree.
    firsts = (numbers - starts / length - numbers[0] + day / 2) % day + numbers[0] - day / 2
    agreeing = np.abs(firsts - np.median(firsts)) < 0.5
    if agreeing.sum() < max(_LEAST_FRAMES, len(frames) // 2):
        return None
    exact = float(np.polyfit(starts[agreeing], firsts[agreeing] + starts[agreeing] / length, 1)[1])
    return Ltc(exact % day / float(fps), fps, frames[0].drop_frame)


def frames_a_day(fps: Fraction, *, drop_frame: bool) -> int:
    """How many numbers there are before they start over."""
    return _Address(0, 0, 0, 24, drop_frame).number(round(fps))
