"""Picture and sound in the review's page are together: flashes and beeps, recorded from it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from review_sync import make_flash_clip, measure

pytestmark = pytest.mark.slow
#: The bar of the issue; half a frame at 25 fps.
TOLERANCE_SECONDS = 0.020


@pytest.mark.parametrize(
    ("fps", "offset_seconds"), [(Fraction(25), 0.137), (Fraction(30000, 1001), 31.4), (Fraction(50), -0.08)]
)
def test_flashes_and_beeps_are_together(tmp_path, reviewing, chromium, fps, offset_seconds) -> None:
    clip = make_flash_clip(tmp_path, seconds=14, fps=fps, offset_seconds=offset_seconds)
    sync = measure(chromium, reviewing(clip.result), clip, seconds=12)
    assert len(sync.errors_seconds) >= 8
    assert sync.num_silent <= 1
    # The median: on a busy machine a single frame comes late, and a single flash with it.
    assert abs(np.median(sync.errors_seconds)) < TOLERANCE_SECONDS
