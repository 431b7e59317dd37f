"""How far degraded clips are still matched and measured: one trial a clip, seven figures a cell of the grid.

Of each clip `match` says which recording is its own, out of all; `sync` says by how much its sound is late, where that
is known. What a program must not do is be sure and wrong, so both have a figure for that alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avmatch.core.results import Status
from avmatch.metrics.intervals import Middle, Share, exact_share_of, median_of

#: A pair or an offset with this confidence, or more, is taken for granted by who reads it.
SURE_CONFIDENCE = 0.9
#: A shift between two copies of a clip counts as right when it is at most this far off, …
SHIFT_TOLERANCE_SECONDS = 0.08
#: … and an offset of files as they are, whose sources have zeros of their own, when it is at most this far off.
TOLERANCE_SECONDS = 0.125


@dataclass(frozen=True)
class Trial:
    """What was said of one clip in one cell.

    Attributes:
        video: its picture.
        group: trials of one recording share it.
        audio: the recording that it was given, or None.
        is_right: whether that is its own; None where its own is missing.
        confidence: of that pair; 0 without one.
        status, sync_confidence, belongs: what `sync` says of its sound.
        offset_seconds: what was measured; None when failed.
        error_seconds: how far that is off; None when failed, and of a foreign sound.
        is_shift: whether that is the error of the shift between two copies of the clip, or of files as they are.
    """

    video: str
    group: str
    audio: str | None
    is_right: bool | None
    confidence: float
    status: Status
    sync_confidence: float
    belongs: float | None
    offset_seconds: float | None
    error_seconds: float | None
    is_shift: bool = False

    @property
    def is_wrong_and_sure(self) -> bool:
        """Whether a recording was given that isn't its own, for sure."""
        return self.audio is not None and not self.is_right and self.confidence >= SURE_CONFIDENCE

    @property
    def is_off(self) -> bool:
        """Whether acting on the offset would be wrong."""
        tolerance = SHIFT_TOLERANCE_SECONDS if self.is_shift else TOLERANCE_SECONDS
        return self.error_seconds is None or abs(self.error_seconds) > tolerance

    @property
    def is_off_and_sure(self) -> bool:
        """Whether `sync` is sure of an offset that is wrong, or that there is none of."""
        return self.status == "ok" and self.sync_confidence >= SURE_CONFIDENCE and self.is_off


@dataclass(frozen=True)
class Figures:
    """Of one cell; None where it has no trial that could tell.

    Attributes:
        num_trials: clips.
        pairs_right: that were given their own recording.
        pairs_wrong_sure: that were given another with a confidence of SURE_CONFIDENCE or more.
        ok: whose offset `sync` calls ok.
        right_of_ok: of those, the right ones.
        offsets_wrong_sure: ok, with a confidence of SURE_CONFIDENCE or more, and wrong.
        unrelated: whose sound `sync` calls foreign.
        offset_error_seconds: median distance of all offsets, ok or not, from the truth.
    """

    num_trials: int
    pairs_right: Share | None
    pairs_wrong_sure: Share
    ok: Share
    right_of_ok: Share | None
    offsets_wrong_sure: Share
    unrelated: Share
    offset_error_seconds: Middle | None


@dataclass(frozen=True)
class CellFigures:
    """The figures of a condition at one level; `is_step`: one of several, from mild to harsh."""

    condition: str
    level: str
    figures: Figures
    is_step: bool = True


def figures(trials: Sequence[Trial], seed: int = 0) -> Figures:
    """The figures of one or more trials; intervals are over groups."""
    ok = [trial for trial in trials if trial.status == "ok"]
    errors = [(abs(trial.error_seconds), trial.group) for trial in trials if trial.error_seconds is not None]
    return Figures(
        len(trials),
        _share([(trial.is_right, trial.group) for trial in trials if trial.is_right is not None]),
        _certain([(trial.is_wrong_and_sure, trial.group) for trial in trials]),
        _certain([(trial.status == "ok", trial.group) for trial in trials]),
        _share([(not trial.is_off, trial.group) for trial in ok]),
        _certain([(trial.is_off_and_sure, trial.group) for trial in trials]),
        _certain([(trial.status == "unrelated", trial.group) for trial in trials]),
        median_of(np.array([error for error, _ in errors]), [group for _, group in errors], seed) if errors else None,
    )


def _share(hits: Sequence[tuple[bool, str]]) -> Share | None:
    return _certain(hits) if hits else None


def _certain(hits: Sequence[tuple[bool, str]]) -> Share:
    return exact_share_of(np.array([hit for hit, _ in hits]), [group for _, group in hits])
