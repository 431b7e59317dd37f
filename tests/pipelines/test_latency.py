"""The latency of two devices in the answers of `match`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import Match, MatchResult
from avmatch.core.origins import Origin
from avmatch.matching.fusion import no_scores
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.pairs import PairJudge
from avmatch.pipelines.shoot import with_latency


def answered(offsets, intervals):
    """Pairs of one camera and one recorder with these offsets."""
    num = len(offsets)
    videos, audios = (tuple(f"{device}{number}" for number in range(num)) for device in "CZ")
    video = VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), (), 25.0, 10.0)
    audio = AudioFeatures(0.0, np.zeros((0, 8), np.float16), np.zeros((0, 8), np.float16), 4.0, 0.0)
    shape = (num, num)
    judge = PairJudge(
        (), [video] * num, [audio] * num, no_scores((), shape), np.zeros((*shape, 4)), np.zeros(shape), MatchSettings()
    )
    matches = tuple(
        Match(
            *(one, other, 0.9, 5.0, offset, "clock"),
            offset_interval_seconds=interval,
            offset_confidence=0.0 if interval is None else 0.95,
        )
        for one, other, offset, interval in zip(videos, audios, offsets, intervals, strict=True)
    )
    result = MatchResult(matches, (), (), videos, audios, np.zeros(shape, np.float32))
    origins = [[Origin(path, Path(path).name[0], is_known=True) for path in paths] for paths in (videos, audios)]
    return with_latency(result, judge, *origins)[0].matches


def test_a_pair_that_nothing_places_has_the_latency_of_its_devices():
    *known, unknown = answered([1.0] * 6 + [0.0], [(0.999, 1.001)] * 6 + [None])
    assert unknown.offset_seconds == pytest.approx(1.0, abs=0.002)
    low, high = unknown.offset_interval_seconds
    assert low < 1.0 < high
    assert 0.7 < unknown.offset_confidence < min(item.offset_confidence for item in known)


def test_and_keeps_its_own_where_they_have_none():
    *_, unknown = answered([1.0, 0.2, -0.4, 0.7, 1.9, -1.1, 0.0], [(-2.0, 2.0)] * 6 + [None])
    assert (unknown.offset_seconds, unknown.offset_interval_seconds, unknown.offset_confidence) == (0.0, None, 0.0)
