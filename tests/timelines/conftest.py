"""A shoot of every rate, in files, with what is true of it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from avmatch.media.timecode import can_drop
from shoots import Shoot, make_shoot

RATES = tuple(
    Fraction(text) for text in "24000/1001 24 25 30000/1001 30000/1001 30 50 60000/1001 60000/1001 60".split()
)


@pytest.fixture(
    scope="session",
    params=[(rate, can_drop(rate) and number in (3, 7)) for number, rate in enumerate(RATES)],
    ids=lambda item: f"{float(item[0]):.5g}{'DF' if item[1] else ''}",
)
def shoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shoot:
    """A shoot of one rate."""
    rate, is_drop = request.param
    return make_shoot(tmp_path_factory.mktemp("shoot"), rate, is_drop)
