"""Many channels → one that holds what there is to hear.

A plain mean fails where one channel is of opposite polarity, hums, hisses or carries timecode beside a good one. So
each channel is judged by how far it rises above its own floor: the power of 20 ms frames, in the mean over that of the
quietest tenth, of the difference of neighbouring samples, which leaves the bands of voices and onsets, and little of
hum; up to 3 kHz or in all, where it rises more. Speech and clicks rise tenfold or more, hum and hiss hardly. Channels
that rise are averaged, those that run against the strongest turned over; the others are left out. Channels that are
equally alive, as in ordinary stereo, give their plain mean.

It is decided anew every five seconds by all that came so far; a change is faded in. A single channel stays as it is; it
is only looked at, second by second, until it holds something else than timecode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from avmatch.media.ltc import read_ltc

CHUNK_SECONDS = 5.0
#: What is said of a sound that holds nothing else.
TIMECODE_ALONE = "timecode alone"
#: So many numbers wait at most, where there are very many channels.
_MOST_WAITING = 1 << 22
_FRAME_SECONDS = 0.02
#: Of the lower of the two bands, where thuds are heard beneath hiss.
_LOW_RATE_HZ = 6000
_FADE_SECONDS = 0.5
#: A single channel that held something else for so many seconds isn't looked at any more.
_PLAIN_STRETCHES = 3
_FLOOR_SHARE = 0.1
#: Powers are counted by decibels from here on; a sample of 1 has 0 dB.
_LOWEST_DB, _HIGHEST_DB, _STEPS_PER_DB = -200.0, 120.0, 4
#: A floor that lies further below the mean than this says no more.
_MOST_RISE = 1e4
#: A channel that rises by this share of the best, or by this much, is alive.
_ALIVE_SHARE, _ALIVE_RISE = 0.3, 0.9
#: From this correlation on a channel runs against another.
_AGAINST = -0.3
_LTC_SECONDS = 1.0
#: The least power of a frame with timecode, by that of the strongest; and what is none any more, where it has ended.
_LTC_STEADINESS, _LTC_SILENCE = 0.25, 0.01
#: So many of the frames that sound have the power of timecode.
_LTC_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class ChannelMix:
    """What becomes of the channels.

    Attributes:
        weights: of each channel in the mix.
        has_timecode: whether it carries linear timecode.
    """

    weights: Float32[np.ndarray, " C"]
    has_timecode: Bool[np.ndarray, " C"]

    def words(self) -> str:
        """Which channels are used, from 1 on; "" where all are."""
        if self.has_timecode.all():
            return TIMECODE_ALONE
        used = np.flatnonzero(self.weights) + 1
        if len(used) == len(self.weights):
            return ""
        text = f"channel{'s' if len(used) > 1 else ''} {_listed(used)} of {len(self.weights)}"
        timecode = np.flatnonzero(self.has_timecode) + 1
        return f"{text} ({_listed(timecode)} carries timecode)" if len(timecode) else text


def _listed(numbers: Int[np.ndarray, " N"]) -> str:
    return ", ".join(map(str, numbers.tolist()))


def mix_of(
    rises: Float[np.ndarray, " C"], products: Float[np.ndarray, "C C"], has_timecode: Bool[np.ndarray, " C"]
) -> ChannelMix:
    """How channels are mixed.

    Args:
        rises: how far each rises above its floor (mean power / floor − 1); 0 for silence.
        products: sums of the products of each two channels.
        has_timecode: whether it carries linear timecode.
    """
    heard = np.where(has_timecode, 0.0, rises)
    alive = (heard > 0.0) & (heard >= min(_ALIVE_RISE, _ALIVE_SHARE * float(heard.max())))
    if not alive.any():
        alive = ~has_timecode if not has_timecode.all() else np.ones(len(rises), np.bool_)
    energies = np.maximum(np.diag(products), 1e-30)
    strongest = int(np.argmax(np.where(alive, energies, 0.0)))
    correlation = products[strongest] / np.sqrt(energies * energies[strongest])
    signs = np.where(correlation < _AGAINST, -1.0, 1.0)
    return ChannelMix((alive * signs / alive.sum()).astype(np.float32), has_timecode)


@dataclass
class _Powers:
    """How often each power came, of one band of all channels."""

    counts: Float64[np.ndarray, "C _"]
    sums: Float64[np.ndarray, " C"]
    num_frames: int = 0

    @classmethod
    def none(cls, num_channels: int) -> _Powers:
        """Of nothing."""
        num_steps = round((_HIGHEST_DB - _LOWEST_DB) * _STEPS_PER_DB)
        return cls(np.zeros((num_channels, num_steps)), np.zeros(num_channels))

    def add(self, powers: Float32[np.ndarray, "C F"]) -> None:
        """Those of the next frames."""
        powers = powers[:, powers.any(axis=0)]  # gaps are filled with silence
        places = (10.0 * np.log10(powers + 1e-20) - _LOWEST_DB) * _STEPS_PER_DB
        places = np.clip(places, 0, self.counts.shape[1] - 1).astype(np.int64)
        for counts, found in zip(self.counts, places, strict=True):
            counts += np.bincount(found, minlength=len(counts))
        self.sums += powers.sum(axis=1)
        self.num_frames += powers.shape[1]

    def rises(self) -> Float64[np.ndarray, " C"]:
        """How far each channel rises above its floor; 0 for silence."""
        means = self.sums / max(self.num_frames, 1)
        place = (self.counts.cumsum(axis=1) >= _FLOOR_SHARE * self.num_frames).argmax(axis=1)
        floors = 10.0 ** ((place / _STEPS_PER_DB + _LOWEST_DB) / 10.0)
        floors = np.maximum(floors, means / _MOST_RISE)
        rises = np.divide(means, floors, out=np.ones(len(means)), where=means > 0) - 1.0
        return np.where(means > 0, np.maximum(rises, 1e-9), 0.0)


def _frame_powers(data: Float32[np.ndarray, "C S"], sample_rate_hz: float) -> Float32[np.ndarray, "C F"]:
    """Of the differences of neighbouring samples, in frames of 20 ms."""
    steps = np.diff(data, axis=1)
    size = max(1, round(_FRAME_SECONDS * sample_rate_hz))
    num = steps.shape[1] // size
    frames = steps[:, : num * size].reshape(len(data), num, size)
    powers: Float32[np.ndarray, "C F"] = np.einsum("cfs,cfs->cf", frames, frames) / np.float32(size)
    return powers


@dataclass
class _Statistics:
    """What is known of the channels so far."""

    sample_rate_hz: int
    whole: _Powers
    low: _Powers
    products: Float64[np.ndarray, "C C"]
    has_timecode: Bool[np.ndarray, " C"]

    @classmethod
    def none(cls, num_channels: int, sample_rate_hz: int) -> _Statistics:
        """Of nothing."""
        return cls(
            sample_rate_hz,
            _Powers.none(num_channels),
            _Powers.none(num_channels),
            np.zeros((num_channels, num_channels)),
            np.zeros(num_channels, np.bool_),
        )

    def rises(self) -> Float64[np.ndarray, " C"]:
        """How far each channel rises above its floor, in the band where it does most; little for hum and hiss."""
        return np.maximum(self.whole.rises(), self.low.rises())

    def add(self, data: Float32[np.ndarray, "C S"]) -> None:
        """The next stretch."""
        steps = np.diff(data, axis=1)
        self.products += np.inner(steps, steps)
        powers = _frame_powers(data, self.sample_rate_hz)
        self.look_for_timecode(data, powers)
        self.whole.add(powers)
        num = max(1, round(self.sample_rate_hz / _LOW_RATE_HZ))
        whole = data[:, : data.shape[1] // num * num].reshape(len(data), -1, num)
        self.low.add(_frame_powers(whole.mean(axis=2), self.sample_rate_hz / num))

    def look_for_timecode(
        self, data: Float32[np.ndarray, "C S"], powers: Float32[np.ndarray, "C F"]
    ) -> Bool[np.ndarray, " C"]:
        """In the last second; only where the power stays the same, as that of timecode does.

        Where all channels have it, something else may follow.
        """
        last = powers[:, -round(_LTC_SECONDS / _FRAME_SECONDS) :]
        steady = last.min(axis=1, initial=np.inf) > _LTC_STEADINESS * last.max(axis=1, initial=0.0)
        if self.has_timecode.all():
            loudest = last.max(axis=1, keepdims=True, initial=0.0)
            sounding = last > _LTC_SILENCE * loudest
            self.has_timecode &= (last > _LTC_STEADINESS * loudest).sum(axis=1) >= _LTC_SHARE * sounding.sum(axis=1)
        for number in np.flatnonzero(steady & ~self.has_timecode):
            end = data[number, -round(_LTC_SECONDS * self.sample_rate_hz) :]
            self.has_timecode[number] = read_ltc(end, self.sample_rate_hz) is not None
        return self.has_timecode

    def mix(self) -> ChannelMix:
        """What is best by all that is known."""
        return mix_of(self.rises(), self.products, self.has_timecode)


def rise(data: Float32[np.ndarray, "C S"], sample_rate_hz: int) -> float:
    """How far a sound rises above its floor, by its liveliest channel that carries no timecode; 0 where there is none.

    Hum and hiss give up to 0.25, speech and clicks 3 and more.
    """
    statistics = _Statistics.none(len(data), sample_rate_hz)
    statistics.add(data)
    return float(np.where(statistics.has_timecode, 0.0, statistics.rises()).max(initial=0.0))


@dataclass
class Downmix:
    """Stretches of all channels → stretches of one.

    Args:
        num_channels, sample_rate_hz: of the samples.
        channel: the one that is wanted, from 1 on; None = those that are alive.
    """

    num_channels: int
    sample_rate_hz: int
    channel: int | None = None
    mix: ChannelMix | None = None
    _statistics: _Statistics = field(init=False, repr=False)
    _waiting: list[np.ndarray] = field(default_factory=list, repr=False)
    _num_waiting: int = 0
    _is_plain: bool = False
    _num_plain: int = 0

    def __post_init__(self) -> None:
        self._is_plain = self.num_channels == 1 and self.channel is not None
        self._statistics = _Statistics.none(self.num_channels, self.sample_rate_hz)
        if self.channel is not None:
            weights = np.zeros(self.num_channels, np.float32)
            weights[self.channel - 1] = 1.0
            self.mix = ChannelMix(weights, np.zeros(self.num_channels, np.bool_))

    def push(self, data: Float32[np.ndarray, "C S"]) -> Iterator[Float32[np.ndarray, "1 S"]]:
        """Take the next samples; what is decided by now."""
        if self._is_plain:
            yield data
        elif self.channel is not None:
            yield data[self.channel - 1 : self.channel]
        else:
            self._waiting.append(data)
            self._num_waiting += data.shape[1]
            seconds = CHUNK_SECONDS if self.num_channels > 1 else _LTC_SECONDS
            if self._num_waiting >= min(seconds * self.sample_rate_hz, _MOST_WAITING / self.num_channels):
                yield self._mixed()

    def flush(self) -> Iterator[Float32[np.ndarray, "1 S"]]:
        """Nothing more comes."""
        if self._num_waiting:
            yield self._mixed()

    def _mixed(self) -> Float32[np.ndarray, "1 S"]:
        data = np.concatenate(self._waiting, axis=1)
        self._waiting, self._num_waiting = [], 0
        if self.num_channels == 1:
            self._look_at(data)
            return data
        self._statistics.add(data)
        before, self.mix = self.mix, self._statistics.mix()
        mixed: Float32[np.ndarray, " S"] = self.mix.weights @ data
        if before is not None and (before.weights != self.mix.weights).any():
            num = min(round(_FADE_SECONDS * self.sample_rate_hz), data.shape[1])
            share = np.linspace(0.0, 1.0, num, dtype=np.float32)
            mixed[:num] = share * mixed[:num] + (1.0 - share) * (before.weights @ data[:, :num])
        return mixed[None]

    def _look_at(self, data: Float32[np.ndarray, "1 S"]) -> None:
        """Whether a single channel holds timecode so far; what sounds and is none passes from then on."""
        powers = _frame_powers(data, self.sample_rate_hz)
        has_timecode = self._statistics.look_for_timecode(data, powers)
        self.mix = ChannelMix(np.ones(1, np.float32), has_timecode) if has_timecode.any() else None
        self._num_plain += bool(data.any()) and self.mix is None
        self._is_plain = self._num_plain >= _PLAIN_STRETCHES
