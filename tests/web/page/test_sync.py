"""Picture and sound in the review's page are together: flashes and beeps, recorded from it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from review_sync import make_flash_clip, measure, write_beeps

pytestmark = pytest.mark.slow
#: The bar of the issue; half a frame at 25 fps.
TOLERANCE_SECONDS = 0.020
#: Share of the frames that must have been on the screen for a measurement.
LEAST_SHOWN = 0.5


@pytest.mark.parametrize(
    ("fps", "offset_seconds"), [(Fraction(25), 0.137), (Fraction(30000, 1001), 31.4), (Fraction(50), -0.08)]
)
def test_flashes_and_beeps_are_together(tmp_path, reviewing, chromium, fps, offset_seconds) -> None:
    clip = make_flash_clip(tmp_path, seconds=14, fps=fps, offset_seconds=offset_seconds)
    for _ in range(3):  # a machine that shows a fraction of the frames can't say whether they are together
        sync = measure(chromium, reviewing(clip.result), seconds=12)
        if sync.num_shown >= LEAST_SHOWN * 12 * fps:
            break
    assert len(sync.errors_seconds) >= 8
    assert sync.num_silent <= 1
    # The median: on a busy machine a single frame comes late, and a single flash with it.
    assert abs(np.median(sync.errors_seconds)) < TOLERANCE_SECONDS


def test_another_recording_takes_over_at_its_own_offset(tmp_path, reviewing, chromium) -> None:
    clip = make_flash_clip(tmp_path, seconds=14)
    middle = 6.0
    first, second = tmp_path / "recording.wav", tmp_path / "second.wav"
    write_beeps(first, [flash for flash in clip.flashes_seconds if flash < middle], clip.offset_seconds)
    write_beeps(second, [flash for flash in clip.flashes_seconds if flash >= middle], 0.9)
    table = clip.result / "candidates.csv"
    line = table.read_text(encoding="utf-8").splitlines()[-1]
    row = line.replace(str(first), str(second)).replace(",1,", ",2,", 1).replace("137.000", "900.000")
    table.write_text(f"{table.read_text(encoding='utf-8')}{row}\n", encoding="utf-8")
    (clip.result / "unmatched_audio.csv").write_text(f"audio\n{second}\n", encoding="utf-8")
    sync = measure(chromium, reviewing(clip.result), seconds=2 * middle, halfway="2")
    assert abs(np.median(sync.errors_seconds)) < TOLERANCE_SECONDS
    # Without the second one, those after the middle would be silent: half of all.
    assert sync.num_silent <= 3
    assert sum(time > middle for time in sync.times_seconds) >= 3
