"""Pictures at another size, against Pillow."""

import numpy as np
import pytest
from PIL import Image

from avmatch.frontends import resizing


@pytest.mark.parametrize("size", [(90, 160), (48, 36), (61, 97), (224, 224)])
@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_filters_are_pillows(size, name):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)
    found = resizing.resized(picture, *size, name)
    wanted = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling[name.upper()]))
    assert found.shape == (*size, 3)
    assert np.abs(found.astype(int) - wanted).max() <= 1  # Pillow's weights are whole numbers of 22 bits
    assert np.abs(found.astype(int) - wanted).mean() < 0.03  # and so fall halves on either side


def test_the_shorter_side_and_the_middle():
    picture = np.arange(60 * 90 * 3, dtype=np.uint32).astype(np.uint8).reshape(60, 90, 3)
    assert resizing.shorter_side(picture, 30) == (30, 45)
    assert resizing.shorter_side(picture.transpose(1, 0, 2), 30) == (45, 30)
    np.testing.assert_array_equal(resizing.cropped(picture, 40), picture[10:50, 25:65])
