"""What the whole shoot knows: made shoots with truth (benchmarks/made_shoots.py)."""

from __future__ import annotations

import numpy as np
import pytest
from made_shoots import CUES, WITHOUT, made_shoot, right_pairs

from avmatch.matching.settings import MatchSettings
from avmatch.matching.shoot import with_shoot


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
