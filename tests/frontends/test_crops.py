"""Mouths cut out of pictures: the same place of the face and the same scale, whatever the face's size."""

import cv2
import numpy as np
import pytest

from avmatch.frontends.faces import KEY_SECONDS, LocatedFrame, Sighting
from avmatch.frontends.mouth import CROP_FACE_PIXELS as FACE_PIXELS
from avmatch.frontends.mouth import MOUTH_HEIGHT, MouthCrops, mouth_crop


def picture(box, shape=(400, 600)):
    """A white spot where the mouth of the box lies, a tenth of the face's width wide."""
    image = np.full(shape, 40, np.uint8)
    centre = (round(box[0] + box[2] / 2), round(box[1] + MOUTH_HEIGHT * box[2]))
    return cv2.circle(image, centre, round(box[2] / 20), 255, -1)


@pytest.mark.parametrize("width", [50, 96, 250])
def test_the_mouth_is_in_the_middle_at_one_scale(width):
    box = np.array([200.0, 60.0, width, width], np.float32)
    crop = mouth_crop(picture(box), box, 80)
    assert crop.shape == (80, 80)
    rows, columns = np.nonzero(crop > 150)
    assert abs(rows.mean() - 39.5) < 1.5
    assert abs(columns.mean() - 39.5) < 1.5
    assert np.ptp(columns) == pytest.approx(FACE_PIXELS / 10, abs=3)


def test_a_larger_crop_shows_more_at_the_same_scale():
    box = np.array([200.0, 60.0, 150.0, 150.0], np.float32)
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 600)).astype(np.uint8), (0, 0), 8)
    small, large = mouth_crop(image, box, 80), mouth_crop(image, box, 112)
    np.testing.assert_allclose(large[16:96, 16:96].astype(int), small, atol=6)


def test_beyond_the_picture_its_border_goes_on():
    box = np.array([560.0, 300.0, 100.0, 100.0], np.float32)
    crop = mouth_crop(np.full((400, 600), 77, np.uint8), box, 80)
    assert (crop == 77).all()


def located(seconds, *numbers):
    box = np.array([10.0, 10.0, 50.0, 50.0], np.float32)
    return LocatedFrame(np.full((100, 100), 9, np.uint8), seconds, dict.fromkeys(numbers, box))


def test_every_face_has_a_clock_of_its_own():
    crops = MouthCrops(25.0, 8)
    frames = [[number for number, _ in crops.take(located(t / 50, *((0, 1) if t >= 20 else (0,))))] for t in range(50)]
    numbers = [number for frame in frames for number in frame]
    assert (numbers.count(0), numbers.count(1)) == (25, 15)
    extents = crops.extents({0: Sighting(0.0, 0.98, hits=5), 1: Sighting(0.4, 0.98, hits=3)})
    assert extents == {0: (0.0, 25), 1: (0.4, 15)}


def test_a_track_ends_where_its_face_was_last_seen():
    crops = MouthCrops(25.0, 8)
    for tick in range(50):
        list(crops.take(located(tick / 25, 0)))
    ((start_seconds, num_ticks),) = crops.extents({0: Sighting(0.0, 1.0, hits=5)}).values()
    assert (start_seconds, num_ticks) == (0.0, round((1.0 + KEY_SECONDS) * 25))


def test_what_was_hardly_seen_is_no_track():
    crops = MouthCrops(25.0, 8)
    for tick in range(50):
        list(crops.take(located(tick / 25, 0)))
    assert crops.extents({0: Sighting(0.0, 2.0, hits=1)}) == {}


@pytest.mark.parametrize("side", [40, 96, 300])
def test_a_level_crop_of_an_upright_face_is_the_crop_of_its_box(side):
    noise = np.random.default_rng(0).uniform(0, 255, (400, 600)).astype(np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 6.0)
    box = np.array([120, 40, side, side], np.float32)
    upright, level = mouth_crop(image, box, 80), mouth_crop(image, np.append(box, np.float32(0)), 80)
    assert np.abs(upright.astype(int) - level).mean() < 1.5
