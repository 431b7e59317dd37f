"""Centroids, the vector of 35 places, the alignment of rgb and mask, where a path breaks."""

import cv2
import numpy as np
import pytest

from avmatch.systems.collisions.frontends import (
    AROUND,
    FRAME_RATE_HZ,
    MASK_PX,
    aligned,
    centroid,
    centroid_vector,
    impact_path,
    object_crop,
    small_masks,
    whole_path,
)


def test_the_centroid_is_the_mean_place():
    mask = np.zeros((MASK_PX, MASK_PX), np.uint8)
    cv2.ellipse(mask, (300, 120), (40, 20), 30, 0, 360, 255, -1)
    rows, columns = np.nonzero(mask)
    assert centroid(mask) == pytest.approx((columns.mean(), rows.mean()))
    assert np.isnan(centroid(np.zeros_like(mask))).all()


def test_a_short_sequence_is_repeated_from_its_start():
    places = np.arange(20, dtype=float).reshape(10, 2)
    vector = centroid_vector(places)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector[:4], [0, 1, 2, 3])
    np.testing.assert_array_equal(vector.reshape(35, 2), places[np.arange(35) % 10])


def test_gaps_are_lines_and_nothing_is_the_middle():
    places = np.array([[np.nan, np.nan], [10.0, 20.0], [np.nan, np.nan], [30.0, 60.0]])
    np.testing.assert_allclose(whole_path(places), [[10, 20], [10, 20], [20, 40], [30, 60]])
    np.testing.assert_array_equal(whole_path(np.full((3, 2), np.nan)), np.full((3, 2), 220.0))


def test_the_impact_is_where_the_path_breaks():
    """Faster and faster to the right wall, then slowly back."""
    x = np.concatenate([np.full(6, 50.0), 50 + 8 * np.arange(1, 7) ** 2.0, 338 - 10 * np.arange(1, 9)])
    found = impact_path(np.stack([x, np.full(len(x), 220.0)], axis=1))
    assert found.impact_frame == 11
    assert found.impact_seconds == pytest.approx(11 / FRAME_RATE_HZ)
    assert found.moving_seconds == pytest.approx(6 / FRAME_RATE_HZ)
    np.testing.assert_allclose(found.places[-AROUND[0]], [338 / 220 - 1, 0])


@pytest.mark.parametrize("num_frames", [1, 2, 3, 50])
def test_paths_of_any_length_give_one_kind_of_vector(num_frames):
    vector = impact_path(np.full((num_frames, 2), 100.0)).vector()
    assert vector.shape == impact_path(np.random.default_rng(0).uniform(0, 440, (20, 2))).vector().shape
    assert np.isfinite(vector).all()


def test_rgb_less_its_margins_aligns_with_the_mask():
    picture = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(picture, (100 + 250, 20 + 90), 15, (10, 200, 30), -1)
    mask = np.zeros((MASK_PX, MASK_PX), np.uint8)
    cv2.circle(mask, (250, 90), 15, 255, -1)
    assert aligned(picture).shape == (440, 440, 3)
    np.testing.assert_array_equal(aligned(picture)[..., 1] > 0, mask > 0)
    crop = object_crop(picture, mask, 250.0, 90.0)
    assert crop.shape == (48, 48, 4)
    np.testing.assert_array_equal(crop[24, 24], [10, 200, 30, 255])
    assert not crop[:8].any()


def test_without_a_picture_or_with_one_of_another_size_the_mask_is_shown():
    mask = np.full((MASK_PX, MASK_PX), 255, np.uint8)
    for picture in (None, np.full((200, 300, 3), 9, np.uint8)):
        crop = object_crop(picture, mask, 220.0, 220.0)
        assert (crop[..., :3].max(), crop[..., 3].min()) == (0, 255)


def test_small_masks_are_shares_of_blocks():
    masks = np.zeros((2, MASK_PX, MASK_PX), np.uint8)
    masks[1, 100:110, 200:205] = 255
    small = small_masks(masks).astype(int)
    assert small.shape == (35, 44, 44)
    assert small[1, 10, 20] == pytest.approx(127, abs=1)
    assert small[3].sum() == small[1].sum() == small[1, 10, 20]
    assert not small[::2].any()
