"""Signs of sounds: a bit a sample, cut out anywhere."""

import numpy as np
import pytest

from avmatch.core.features import SoundSigns

BITS = np.random.default_rng(0).integers(0, 2, 21)
SIGNS = SoundSigns(np.packbits(BITS.astype(np.uint8)), len(BITS), 16_000)


@pytest.mark.parametrize("first", [-5, -3, 0, 1, 7, 8, 13, 20, 21, 30])
@pytest.mark.parametrize("num", [1, 3, 8, 40])
def test_samples_are_plus_or_minus_one_and_nothing_where_there_are_none(first, num):
    wanted = np.zeros(num)
    for place in range(num):
        if 0 <= first + place < len(BITS):
            wanted[place] = 1.0 if BITS[first + place] else -1.0
    np.testing.assert_array_equal(SIGNS.samples(first, num), wanted)


def test_bytes_are_as_many_as_the_samples_need():
    assert len(SIGNS) == 21
    with pytest.raises(ValueError, match="25 samples, but 3 bytes"):
        SoundSigns(SIGNS.data, 25, 16_000)
