"""The recordings that stand out for a camera, in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from avmatch.alignment import onset_shortlist
from avmatch.alignment.onset_shortlist import COARSE_TICKS, coarse, heights
from avmatch.alignment.sounds import Onsets, first_look


def looks(rng, lengths):
    return [Onsets(rng.normal(size=(length, 8)).astype(np.float32), 0.0) for length in lengths]


@pytest.mark.parametrize("block_values", [1 << 21, 20_000])
def test_blocks_say_what_the_first_look_says(block_values, monkeypatch):
    monkeypatch.setattr(onset_shortlist, "_BLOCK_VALUES", block_values)
    rng = np.random.default_rng(0)
    cameras = [coarse(look) for look in looks(rng, [400, 30, 900, 410, 0, 4000])]
    recordings = [coarse(look) for look in looks(rng, [500, 3000, 510, 1, 20_000, 700, 49])]
    one_by_one = [first_look(camera, recordings)[0] for camera in cameras]
    np.testing.assert_allclose(heights(cameras, recordings), one_by_one, rtol=1e-3, atol=1e-4)


def test_of_many_recordings_that_with_the_same_onsets_stands_out():
    rng = np.random.default_rng(1)
    recordings = looks(rng, rng.integers(500, 3000, 200))
    cameras = [
        Onsets(look.bands[37:437] + 2.0 * rng.normal(size=(400, 8)).astype(np.float32), 0.0) for look in recordings
    ]
    found = heights([coarse(look) for look in cameras], [coarse(look) for look in recordings])
    np.testing.assert_array_equal(found.argmax(axis=1), np.arange(200))


def test_coarse_onsets_are_centred_sums():
    bands = np.arange(10 * 8, dtype=np.float32).reshape(10, 8)
    found = coarse(Onsets(bands, 1.5))
    assert (found.start_seconds, found.rate_hz) == (1.5, 50.0 / COARSE_TICKS)
    np.testing.assert_allclose(found.bands.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(np.diff(found.bands, axis=0), 8.0 * COARSE_TICKS**2)
