"""What the offsets of one camera with one recorder have in common."""

from __future__ import annotations

import numpy as np
import pytest

from avmatch.alignment.latency import PairOffset, shared_offsets
from avmatch.core.origins import Origin


def measured(seconds, deviation=0.02, confidence=0.9):
    half = 1.96 * deviation
    return PairOffset(seconds, (seconds - half, seconds + half), confidence)


def files(num):
    return [Origin(str(number)) for number in range(num)]


def test_offsets_about_one_latency_are_drawn_together():
    rng = np.random.default_rng(1)
    true = 0.06 + rng.normal(0, 0.005, 20)
    items = [measured(seconds) for seconds in (true + rng.normal(0, 0.02, 20)).tolist()]
    found, latency = shared_offsets(items, files(20), files(20))
    assert latency is not None
    assert latency.seconds == pytest.approx(0.06, abs=0.01)
    before, after = (np.abs([item.seconds for item in each] - true).mean() for each in (items, found))
    assert after < 0.6 * before


def test_a_wrong_offset_takes_the_latency():
    items = [measured(0.06 + 0.001 * number) for number in range(10)] + [measured(-0.4, confidence=0.4)]
    found, _ = shared_offsets(items, files(11), files(11))
    assert found[-1].seconds == pytest.approx(0.064, abs=0.005)
    assert found[-1].confidence > 0.8


def test_a_sure_offset_elsewhere_stays():
    items = [measured(0.06 + 0.001 * number) for number in range(10)] + [measured(-0.4, confidence=0.995)]
    found, _ = shared_offsets(items, files(11), files(11))
    assert found[-1].seconds == pytest.approx(-0.4, abs=0.01)


def test_devices_started_by_hand_share_nothing():
    items = [measured(seconds) for seconds in np.random.default_rng(2).uniform(-0.4, 0.4, 20).tolist()]
    assert shared_offsets(items, files(20), files(20)) == (tuple(items), None)


def test_timecode_is_taken_away_first():
    rng = np.random.default_rng(3)
    began, apart = rng.uniform(0, 80_000, 12), rng.uniform(-0.4, 0.4, 12)
    videos = [Origin("C", "C", {"timecode": time}) for time in began.tolist()]
    audios = [Origin("Z", "Z", {"timecode": time}) for time in (began - apart + 3600).tolist()]
    items = [measured(seconds) for seconds in (apart + 0.03).tolist()]
    _, latency = shared_offsets(items, videos, audios)
    assert latency is not None
    assert latency.by_timecode
    assert latency.seconds == pytest.approx(3600.03, abs=0.01)


def test_few_pairs_share_nothing():
    items = [measured(0.06)] * 4
    assert shared_offsets(items, files(4), files(4))[1] is None
