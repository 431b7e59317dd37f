"""Towers that look at mouths: stretches of a long track give what the whole gives, and lost tracks wait for nothing."""

import numpy as np
import pytest

from avmatch.artifacts.tower import CONTEXT_SECONDS, STRETCH_SECONDS, FaceEncoder, Tower, TowerDescription
from avmatch.frontends.faces import LocatedFrame, Sighting

RATE_HZ = 25.0
BOX = np.array([20.0, 10.0, 40.0, 40.0], np.float32)


class BlurringTower(Tower):
    """Each vector is the mean level of the crops within two ticks, and 1; remembers how much it was shown at once."""

    def __init__(self):
        description = TowerDescription(
            kind="towers",
            model="lips",
            side="video",
            input="frames",
            rate_hz=RATE_HZ,
            height_px=8,
            width_px=8,
            crop="mouth",
        )
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "shown", [])

    def encode(self, inputs, num_ticks):
        self.shown.append(num_ticks)
        levels = np.pad(inputs.mean(axis=(1, 2)), 2, mode="edge")
        means = np.convolve(levels, np.full(5, 0.2), "valid")
        return np.stack([means, np.ones(num_ticks)], axis=1).astype(np.float32)


def frames(levels, number=0, begin_seconds=0.0):
    return [
        LocatedFrame(np.full((60, 80), level, np.uint8), begin_seconds + place / RATE_HZ, {number: BOX})
        for place, level in enumerate(levels)
    ]


def sighting(num, begin_seconds=0.0):
    return Sighting(begin_seconds, begin_seconds + (num - 1) / RATE_HZ, num)


@pytest.mark.parametrize("num", [1, 20, 135, 136, 700])
def test_stretches_give_what_the_whole_gives(num):
    levels = np.random.default_rng(num).integers(0, 256, num)
    tower = BlurringTower()
    encoder = FaceEncoder(tower)
    for frame in frames(levels):
        encoder.take(frame)
    found = encoder.finish({0: sighting(num)})[0]
    expected = BlurringTower().encode(np.broadcast_to(levels[:, None, None] / 255, (num, 8, 8)), num)
    np.testing.assert_allclose(found.data, expected, atol=2e-3)
    assert max(tower.shown) <= (STRETCH_SECONDS + 2 * CONTEXT_SECONDS) * RATE_HZ


def test_crops_of_a_lost_track_are_not_kept():
    tower = BlurringTower()
    encoder = FaceEncoder(tower)
    for frame in frames([9] * 30) + frames([200] * 30, 1, 1.2):
        encoder.take(frame)
    assert tower.shown == [30]
    found = encoder.finish({0: sighting(30), 1: sighting(30, 1.2)})
    assert [len(found[number].data) for number in (0, 1)] == [30, 30]
    assert found[1].start_seconds == pytest.approx(1.2)
