"""Evidence from the clocks of cameras and recorders, as far as they turn out to run side by side.

No clock is believed. What is used is that the difference between the clock of one camera and that of one recorder stays
the same, or drifts steadily, whatever they show. It is learned from pairs that the content is sure of: for each camera
with each recorder, and for each two of their clocks, the line (a difference, and a drift of up to 500 ppm) that most of
them lie on, by exhaustive RANSAC (Fischler and Bolles 1981). Those left over may lie on another line: a clock that was
set in between, another camera of the same name. Of several clocks the one that says most is used, since they are not
independent.

A pair's evidence is the log-likelihood ratio of its difference: q · Laplace about the line, and 1 - q anywhere, against
the density of the differences among files that don't match. Where clocks are frozen that density is as high, where they
are random no line is found: both say nothing.

The difference counts from where the sound lies in the picture. Of a pair whose content doesn't know that, it had better
count from the beginnings of both files, as far as the devices were started together. So lines are fitted to both, and a
pair is as likely as their mean.

Letters in shapes: N videos, M audio files, S sure pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from avmatch.core.origins import SECONDS_PER_DAY, Origin, TimeSource

#: Fewer pairs than this, or a smaller share of the sure ones, are no line; and so many lines are looked for.
LEAST_PAIRS, LEAST_SHARE, MOST_LINES = 4, 0.1, 4
#: Pairs lie on a line when they are no further off than this; it drifts by no more than this.
NEAR_SECONDS, MOST_DRIFT = 2.0, 500e-6
#: Takes follow one another at least this far apart on average, in seconds; else a clock stood still, or these are the
#: times of a copy.
LEAST_APART = 2.0
#: Clocks are read to about this: offsets of weak pairs are anywhere within half a second, headers count whole ones.
LEAST_SCALE_SECONDS = 0.3
#: A line says at least this much of the pairs that it was learned from, on average; and no more than this of any.
LEAST_MEAN_NATS, MAX_NATS = 1.0, 6.0
#: Lines are drawn through any two of so many pairs.
_MOST_ANCHORS = 60
#: Half a second of noise, against a usual drift of 100 ppm.
_DRIFT_RIDGE = (0.5 / 100e-6) ** 2
_SOURCES: tuple[TimeSource, ...] = get_args(TimeSource)


@dataclass(frozen=True)
class ClockLine:
    """How far one clock is ahead of another.

    Attributes:
        ahead_seconds: the recorder's time less the camera's, where the camera's clock shows `at_seconds`.
        drift: how that grows, in seconds a second.
        at_seconds: see above.
        scale_seconds: mean distance of pairs from the line.
        share: of the sure pairs that lie on it.
        density: of the differences among files that don't match, smoothed as those on the line are, a second.
    """

    ahead_seconds: float
    drift: float
    at_seconds: float
    scale_seconds: float
    share: float
    density: float


@dataclass(frozen=True)
class ClockFit:
    """Two clocks of a camera and a recorder that run side by side.

    Attributes:
        camera, recorder: the devices.
        sources: the clock of the camera and that of the recorder.
        lines: how they differ, the usual way first.
        num_sure: pairs that this was learned from.
    """

    camera: str
    recorder: str
    sources: tuple[TimeSource, TimeSource]
    lines: tuple[ClockLine, ...]
    num_sure: int

    def nats(
        self, times_seconds: Float[np.ndarray, "*shape"], differences_seconds: Float[np.ndarray, "*shape"]
    ) -> Float64[np.ndarray, "*shape"]:
        """What it says of pairs with such differences, where the camera's clock shows these times."""
        likelihood = np.full(differences_seconds.shape, 1.0 - sum(line.share for line in self.lines))
        for line in self.lines:
            away = np.abs(self.away_seconds(line, times_seconds, differences_seconds)) / line.scale_seconds
            likelihood += line.share * np.exp(-away) / (2.0 * line.scale_seconds * line.density)
        return np.minimum(np.log(likelihood), MAX_NATS)

    def away_seconds(
        self,
        line: ClockLine,
        times_seconds: Float[np.ndarray, "*shape"],
        differences_seconds: Float[np.ndarray, "*shape"],
    ) -> Float64[np.ndarray, "*shape"]:
        """How far differences are off a line."""
        away = differences_seconds - line.ahead_seconds - line.drift * (times_seconds - line.at_seconds)
        return around_midnight(away) if self.sources == ("timecode", "timecode") else away


def around_midnight(seconds: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """The same difference between times of day, in ±12 h."""
    return (seconds + SECONDS_PER_DAY / 2) % SECONDS_PER_DAY - SECONDS_PER_DAY / 2


def clock_nats(
    videos: Sequence[Origin],
    audios: Sequence[Origin],
    offset_seconds: Float[np.ndarray, "N M"],
    sure: Int[np.ndarray, "S 2"],
) -> tuple[Float32[np.ndarray, "N M"], tuple[ClockFit, ...]]:
    """Evidence for every pair, 0 where clocks say nothing; and what was learned.

    Args:
        offset_seconds: how late the sound would come in each pair, by its content.
        sure: rows and columns of pairs that the content is sure of.
    """
    nats = np.zeros(offset_seconds.shape, np.float32)
    fits = []
    for camera, rows, recorder, columns in device_pairs(videos, audios):
        own = sure[np.isin(sure[:, 0], rows) & np.isin(sure[:, 1], columns)]
        blocks = [
            _Block(videos, audios, offsets, rows, columns, own) for offsets in (offset_seconds, np.zeros_like(nats))
        ]
        found = [(block, fit) for block in blocks if (fit := block.best(camera, recorder)) is not None]
        if found:
            said = np.stack([block.nats(fit) for block, fit in found])
            nats[np.ix_(rows, columns)] = np.logaddexp.reduce(said) - np.log(len(found))
            fits.append(found[0][1])
    return nats, tuple(fits)


def device_pairs(
    videos: Sequence[Origin], audios: Sequence[Origin]
) -> Iterator[tuple[str, Int[np.ndarray, " n"], str, Int[np.ndarray, " m"]]]:
    """Each camera with its rows, and each recorder with its columns."""
    cameras, recorders = ([origin.device for origin in origins] for origins in (videos, audios))
    for camera, recorder in product(dict.fromkeys(cameras), dict.fromkeys(recorders)):
        rows = np.array([row for row, name in enumerate(cameras) if name == camera])
        columns = np.array([column for column, name in enumerate(recorders) if name == recorder])
        yield camera, rows, recorder, columns


@dataclass(frozen=True, eq=False)
class _Block:
    """The files of one camera and one recorder, and the pairs that are sure among them."""

    videos: Sequence[Origin]
    audios: Sequence[Origin]
    offset_seconds: Float[np.ndarray, "N M"]
    rows: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, " m"]
    sure: Int[np.ndarray, "s 2"]

    def best(self, camera: str, recorder: str) -> ClockFit | None:
        """The two clocks that say most; None where all say too little."""
        found = [fit for sources in product(_SOURCES, _SOURCES) if (fit := self.fit(camera, recorder, sources))]
        best = max(found, key=self.mean_nats, default=None)
        return None if best is None or self.mean_nats(best) < LEAST_MEAN_NATS else best

    def fit(self, camera: str, recorder: str, sources: tuple[TimeSource, TimeSource]) -> ClockFit | None:
        """The lines that sure pairs lie on; None where there are none."""
        times, differences = self._known(sources, *self.sure.T)
        there = np.isfinite(differences)
        times, differences = times[there], differences[there]
        num_sure = len(differences)
        if num_sure < LEAST_PAIRS or min(np.ptp(times), np.ptp(times + differences)) < LEAST_APART * (num_sure - 1):
            return None
        empty = ClockFit(camera, recorder, sources, (), num_sure)
        least = max(LEAST_PAIRS, LEAST_SHARE * num_sure)
        lines: list[ClockLine] = []
        left = np.ones(num_sure, bool)
        while left.sum() >= least and len(lines) < MOST_LINES:
            on_line, line = _best_line(empty, times, differences, left)
            if line is None or on_line.sum() < least:
                break
            lines.append(self._measured(empty, line, times[on_line], differences[on_line], num_sure))
            left &= ~on_line
        return ClockFit(camera, recorder, sources, tuple(lines), num_sure) if lines else None

    def _measured(
        self,
        fit: ClockFit,
        line: ClockLine,
        times: Float64[np.ndarray, " k"],
        differences: Float64[np.ndarray, " k"],
        num_sure: int,
    ) -> ClockLine:
        """The line with its scale, its share, and how dense other differences are about it."""
        away = np.abs(fit.away_seconds(line, times, differences))
        scale = max(LEAST_SCALE_SECONDS, float(away.mean()))
        rows, columns = self.sure.T
        others = fit.away_seconds(line, *self._known(fit.sources, rows[:, None], columns[None]))
        np.fill_diagonal(others, np.nan)
        likely = np.exp(-np.abs(others[np.isfinite(others)]) / scale) / (2.0 * scale)
        density = (float(likely.sum()) + 0.25 / scale) / (len(likely) + 1)
        share = len(times) / (num_sure + 2)
        return ClockLine(line.ahead_seconds, line.drift, line.at_seconds, scale, share, density)

    def mean_nats(self, fit: ClockFit) -> float:
        """What it says of the sure pairs; those that it says nothing of count."""
        times, differences = self._known(fit.sources, *self.sure.T)
        there = np.isfinite(differences)
        return float(fit.nats(times[there], differences[there]).sum() / max(1, len(there)))

    def nats(self, fit: ClockFit) -> Float64[np.ndarray, "n m"]:
        """What it says of all pairs; 0 where a file has no such time."""
        times, differences = self._known(fit.sources, self.rows[:, None], self.columns[None])
        there = np.isfinite(differences)
        return np.where(there, fit.nats(np.where(there, times, 0.0), np.where(there, differences, 0.0)), 0.0)

    def _known(
        self,
        sources: tuple[TimeSource, TimeSource],
        rows: Int[np.ndarray, "*rows"],
        columns: Int[np.ndarray, "*columns"],
    ) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
        """The camera's time and the difference of these pairs; NaN where a file has none.

        What is seen at t is heard at t + offset, so the recording began by the offset before the picture.
        """
        video_times = np.array([origin.times_seconds.get(sources[0], np.nan) for origin in self.videos])[rows]
        audio_times = np.array([origin.times_seconds.get(sources[1], np.nan) for origin in self.audios])[columns]
        times, differences = np.broadcast_arrays(
            video_times, audio_times - video_times + self.offset_seconds[rows, columns]
        )
        return times, differences


def _best_line(
    fit: ClockFit,
    times: Float64[np.ndarray, " s"],
    differences: Float64[np.ndarray, " s"],
    left: Bool[np.ndarray, " s"],
) -> tuple[Bool[np.ndarray, " s"], ClockLine | None]:
    """The line that most of those left lie on, and which they are."""
    (places,) = np.nonzero(left)
    anchors = places[np.linspace(0, len(places) - 1, min(len(places), _MOST_ANCHORS)).astype(int)]
    best, chosen = np.zeros(len(left), bool), None
    for first in anchors:
        flat = _through(float(differences[first]), 0.0, float(times[first]))
        away = fit.away_seconds(flat, times, differences)
        apart, rise = times[anchors] - times[first], away[anchors]
        drifts = np.append(rise[apart > 0] / apart[apart > 0], 0.0)
        drifts = drifts[np.abs(drifts) <= MOST_DRIFT]
        on_lines = left & (np.abs(away - drifts[:, None] * (times - times[first])) <= NEAR_SECONDS)
        most = int(on_lines.sum(axis=1).argmax())
        if on_lines[most].sum() > best.sum():
            best, chosen = on_lines[most], replace(flat, drift=float(drifts[most]))
    return (best, None) if chosen is None else (best, _through_all(fit, chosen, times[best], differences[best]))


def _through(difference: float, drift: float, at: float) -> ClockLine:
    return ClockLine(difference, drift, at, 1.0, 0.0, 1.0)


def _through_all(
    fit: ClockFit, line: ClockLine, times: Float64[np.ndarray, " k"], differences: Float64[np.ndarray, " k"]
) -> ClockLine:
    """The line through all that lie near it, by least squares; steep only where they speak for it."""
    away = fit.away_seconds(line, times, differences)
    middle = float(times.mean())
    apart = times - middle
    steeper = float(apart @ (away - away.mean())) / (float(apart @ apart) + _DRIFT_RIDGE)
    ahead = line.ahead_seconds + line.drift * (middle - line.at_seconds) + float(np.median(away - steeper * apart))
    return _through(ahead, line.drift + steeper, middle)
