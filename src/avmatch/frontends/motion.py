"""Picture → where and when something strikes, bounces or turns, streaming.

Sound is made where motion *changes*: a stick that stops, a ball that turns round. So the signal is not how much
moves but how the optical flow (Kroeger et al., "Fast optical flow using dense inverse search", 2016) changes from
one frame to the next. Four channels, each pooled over a grid of 8×8 cells, so that one moving thing in a corner
counts:

- acceleration: |v₁ − v₀|
- bounce: the upward part of v₁ − v₀ (things fall down and are thrown up)
- reversal: −v₁·v₀ where that is positive
- change: |grey difference|, to show where anything moves at all (flow is noise where there is no texture)

In a cell most of which stands still, a small thing is lost in the mean. So two more take the largest value instead:

- jerk: |v₁ − v₀|
- flicker: |grey difference|, of 3×3 pixels

The last two are what the picture looks like: light, the mean grey of a cell, and texture, its deviation.

v in pixels of a picture 160 wide per thirtieth of a second. The value belongs to the frame between the two flows and
holds from half a frame before it to half a frame after it; averaging this step function over the ticks of a regular
clock makes every frame rate, also a varying one, look the same.
"""

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from avmatch.core.features import TICK_RATE_HZ, VideoFrames

MOTION_CHANNELS = ("acceleration", "bounce", "reversal", "change", "jerk", "flicker", "light", "texture")
CHANGE = MOTION_CHANNELS.index("change")
GRID = 8
SIDE_PX = 160
REFERENCE_INTERVAL_SECONDS = 1 / 30
#: Frames that follow sooner are passed over: faster than this, flow per frame drowns in its own noise.
MIN_INTERVAL_SECONDS = 1 / 33
#: Mean grey difference below which a frame repeats the one before (pulldown, screen recordings).
REPEAT_DIFFERENCE = 0.02
MIN_SIDE_PX = 32
#: Flow is refined down to half of the picture's size (1; OpenCV's preset stops at 2, a quarter): small things count.
FINEST_SCALE = 1
_COLUMNS = 16
STEPS_WAITING = 1024


class MotionFrontEnd:
    """Collects VideoFrames blocks (in order of time) and answers with the motion signals."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(FINEST_SCALE)
        self._picture: UInt8[np.ndarray, "h w"] | None = None
        self._velocity: Float32[np.ndarray, "h w 2"] | None = None
        self._times: list[float] = []  # of the last two frames
        self._ticks = TickAverages(TICK_RATE_HZ)

    def push(self, frames: VideoFrames) -> None:
        """Take the next block."""
        for picture, time_seconds in zip(frames.data, frames.pts_seconds.tolist(), strict=True):
            self._take(picture, time_seconds)

    def finish(self) -> tuple[float, Float[np.ndarray, "T C 64"]]:
        """(time of the first tick, levels per tick). No tick if there were fewer than three frames."""
        found = self._ticks.finish()
        return found or (0.0, np.zeros((0, len(MOTION_CHANNELS), GRID * GRID), np.float16))

    def _take(self, picture: UInt8[np.ndarray, "H W"], time_seconds: float) -> None:
        small = _shrunk(picture)
        if self._picture is not None:
            if small.shape != self._picture.shape:  # the stream changes its size: go on in the first one
                small = cv2.resize(small, self._picture.shape[::-1], interpolation=cv2.INTER_AREA)
            interval = time_seconds - self._times[-1]
            is_repeat = float(cv2.norm(small, self._picture, cv2.NORM_L1)) < REPEAT_DIFFERENCE * small.size
            if interval < MIN_INTERVAL_SECONDS or is_repeat:
                return
            flow = self._flow.calc(self._picture, small, None)  # type: ignore[call-overload]
            velocity = flow * (REFERENCE_INTERVAL_SECONDS / interval)
            previous = velocity if self._velocity is None else self._velocity
            if len(self._times) == 2:  # from half a frame before the frame between the two flows to half a frame after
                before, between = self._times
                levels = _cells(previous, velocity, self._picture, small)
                self._ticks.push((before + between) / 2, (between + time_seconds) / 2, levels)
            self._velocity = velocity
        self._picture = small
        self._times = [*self._times[-1:], time_seconds]


class TickAverages:
    """`resample_steps` for steps that come one after the other: no more than STEPS_WAITING of them are kept."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._edges: list[float] = []
        self._levels: list[np.ndarray] = []
        self._start_seconds: float | None = None
        self._done: list[np.ndarray] = []
        self._num_done = 0

    def push(self, begin_seconds: float, end_seconds: float, level: Float[np.ndarray, "*rest"]) -> None:
        """Take the next step, which begins where the one before it ended."""
        self._edges = self._edges or [begin_seconds]
        self._edges.append(end_seconds)
        self._levels.append(level)
        if len(self._levels) >= STEPS_WAITING:
            self._average(to_the_end=False)

    def finish(self) -> tuple[float, Float[np.ndarray, " T *rest"]] | None:
        """What `resample_steps` gives for all steps; None if there was none."""
        if self._levels:
            self._average(to_the_end=True)
        if self._start_seconds is None:
            return None
        return self._start_seconds, np.concatenate(self._done)

    def _average(self, *, to_the_end: bool) -> None:
        """Settle the ticks that no later step can change; keep the steps that reach into others."""
        edges = np.array(self._edges)
        start_seconds, ticks = resample_steps(edges, np.stack(self._levels), self._rate_hz)
        if self._start_seconds is None:
            self._start_seconds = start_seconds
        first = round((start_seconds - self._start_seconds) * self._rate_hz)
        end = len(ticks)
        if not to_the_end:
            end = int(np.floor(edges[-1] * self._rate_hz - start_seconds * self._rate_hz + 0.5))
        self._done.append(ticks[self._num_done - first : end])
        self._num_done = first + end
        settled_seconds = self._start_seconds + (self._num_done - 0.5) / self._rate_hz
        keep = max(int(np.searchsorted(edges, settled_seconds, side="right")) - 1, 0)
        self._edges, self._levels = self._edges[keep:], self._levels[keep:]


def resample_steps(
    edges_seconds: Float[np.ndarray, " E"], levels: Float[np.ndarray, " S *rest"], rate_hz: float
) -> tuple[float, Float[np.ndarray, " T *rest"]]:
    """Average a step function over the ticks of a regular clock.

    Args:
        edges_seconds: (S+1,) where the steps begin, and where the last one ends.
        levels: (S, …) value of each step.
        rate_hz: ticks a second; tick k of the clock covers k/rate … (k+1)/rate.

    Returns:
        (middle of the first tick in seconds, (T, …) averages as float16).
    """
    first = int(np.floor(edges_seconds[0] * rate_hz))
    count = max(1, int(np.ceil(edges_seconds[-1] * rate_hz)) - first)
    ticks = (first + np.arange(count + 1)) / rate_hz
    step = np.clip(np.searchsorted(edges_seconds, ticks, side="right") - 1, 0, len(levels) - 1)
    width = np.diff(edges_seconds)
    share = np.clip(ticks - edges_seconds[step], 0.0, width[step])[:, None]
    flat = levels.reshape(len(levels), -1)
    out = np.empty((count, flat.shape[1]), np.float16)
    for begin in range(0, flat.shape[1], _COLUMNS):  # a few at a time: long files have many steps
        columns = flat[:, begin : begin + _COLUMNS].astype(np.float64)
        total = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(columns * width[:, None], axis=0)])
        integral = total[step] + share * columns[step]
        out[:, begin : begin + _COLUMNS] = np.diff(integral, axis=0) * rate_hz
    return (first + 0.5) / rate_hz, out.reshape((count, *levels.shape[1:]))


def _shrunk(picture: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w"]:
    height, width = picture.shape
    scale = SIDE_PX / max(height, width)
    size = (max(MIN_SIDE_PX, round(width * scale)), max(MIN_SIDE_PX, round(height * scale)))
    shrunk: UInt8[np.ndarray, "h w"] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _cells(
    v0: Float32[np.ndarray, "h w 2"],
    v1: Float32[np.ndarray, "h w 2"],
    before: UInt8[np.ndarray, "h w"],
    after: UInt8[np.ndarray, "h w"],
) -> Float[np.ndarray, "C 64"]:
    change_x, change_y = cv2.split(cv2.subtract(v1, v0))
    acceleration = cv2.magnitude(change_x, change_y)
    difference = cv2.absdiff(before, after).astype(np.float32)
    bounce = np.maximum(np.negative(change_y, out=change_y), 0.0, out=change_y)
    along_x, along_y = cv2.split(cv2.multiply(v0, v1))
    along = np.add(along_x, along_y, out=along_x)
    reversal = np.maximum(np.negative(along, out=along), 0.0, out=along)
    grey = after.astype(np.float32)
    light, power = _pooled(grey), _pooled(np.multiply(grey, grey, out=grey))
    levels = (
        _pooled(acceleration),
        _pooled(bounce),
        _pooled(reversal),
        _pooled(difference),
        _largest(acceleration),
        _largest(cv2.blur(difference, (3, 3))),
        light,
        np.sqrt(np.maximum(power - light * light, 0.0)),
    )
    return np.stack(levels).reshape(len(levels), GRID * GRID).astype(np.float16)


def _pooled(values: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "8 8"]:
    found: Float32[np.ndarray, "8 8"] = cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return found


def _largest(values: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "8 8"]:
    """Row by row first, as these lie together in memory."""
    rows, columns = (_borders(side) for side in values.shape)
    of_rows = [cv2.reduce(values[begin:end], 0, cv2.REDUCE_MAX) for begin, end in pairwise((*rows, values.shape[0]))]
    found: Float32[np.ndarray, "8 8"] = np.maximum.reduceat(np.concatenate(of_rows), columns, axis=1)
    return found


@lru_cache(maxsize=8)
def _borders(side_px: int) -> tuple[int, ...]:
    """Where the cells begin."""
    return tuple(np.linspace(0, side_px, GRID + 1).astype(int)[:-1].tolist())
