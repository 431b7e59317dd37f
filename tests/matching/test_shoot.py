"""What the whole shoot knows: made shoots with truth (benchmarks/made_shoots.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_shoots import CUES, WITHOUT, made_shoot, right_pairs

from avmatch.matching.fusion import no_scores, with_evidence
from avmatch.matching.settings import MatchSettings
from avmatch.matching.shoot import ORDER, TIME_CONFIDENCE, at_most_by_time, with_shoot


def test_right_clocks_find_more_pairs():
    shoot = made_shoot(0, "hours wrong", "shuffled")[:4]
    without, found = (right_pairs(*shoot, CUES[name]) for name in ("content", "clock"))
    assert found[0] >= without[0] + 20
    assert found[1] <= without[1]


def test_names_in_order_find_more_pairs():
    shoots = [made_shoot(seed, "none", "in order")[:4] for seed in (0, 1, 2)]
    gains = [right_pairs(*shoot, CUES["order"])[0] - right_pairs(*shoot, WITHOUT)[0] for shoot in shoots]
    assert min(gains) >= -1
    assert sum(gains) > 3


@pytest.mark.parametrize("clocks", ["frozen", "random", "none"])
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_changes_where_nothing_is_consistent(clocks, seed):
    scores, videos, audios, _, _ = made_shoot(seed, clocks, "shuffled")
    found, notes = with_shoot(scores, np.zeros(scores.nats.shape, bool), videos, audios, MatchSettings())
    assert found is scores
    assert notes == ()


def test_no_pair_that_rests_on_time_alone_is_sure():
    content = with_evidence(no_scores((), (1, 3)), "events", np.array([[0.5, 2.0, 0.5]], np.float32))
    content = replace(content, nats=content.parts.sum(axis=0))
    scores = with_evidence(content, ORDER, np.array([[3.0, 3.0, -2.0]], np.float32))
    sure = np.full((1, 3), 0.99)
    np.testing.assert_array_equal(at_most_by_time(sure, scores), [[TIME_CONFIDENCE, 0.99, 0.99]])
    assert at_most_by_time(sure, content) is sure
