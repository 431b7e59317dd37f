"""Which channel stands at which side shows in the data; turned impacts are impacts."""

import numpy as np
import pytest

from avmatch.data.items import Pairs
from avmatch.systems.collisions.augmentation import channel_sides, once, symmetries, tray_symmetries
from avmatch.systems.collisions.frontends import centroid_vector

SIDES = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)])


def levels_at(places, sides=SIDES):
    """Levels that fall with the distance from each side."""
    distance = np.linalg.norm(1.1 * sides[None] - places[:, None], axis=2)
    levels = -2 * np.log(distance + 0.3)
    return levels - levels.mean(axis=1, keepdims=True)


@pytest.fixture
def places():
    return np.random.default_rng(0).uniform(-1, 1, (200, 2))


def test_sides_are_found_whatever_the_order_of_the_channels(places):
    np.testing.assert_array_equal(channel_sides(places, levels_at(places)), SIDES)
    np.testing.assert_array_equal(channel_sides(places, levels_at(places)[:, ::-1]), SIDES[::-1])


def test_where_they_do_not_show_nothing_is_said(places):
    rng = np.random.default_rng(1)
    assert channel_sides(places, rng.normal(0, 1, (200, 4))) is None
    assert channel_sides(places, levels_at(places, np.array([(0, 1), (-1, 0), (0, -1), (-1, 0.1)]))) is None


def test_there_are_eight_and_each_turns_sound_and_film_alike(places):
    eight = symmetries(SIDES)
    assert len(set(eight)) == 8
    for one in eight:
        assert sorted(one.channels) == [0, 1, 2, 3]
        vector = np.tile(220 + 220 * places[0], 35).astype(np.float32)
        turned = (one.path(vector)[:2] / 220 - 1)[None]
        bands = levels_at(places[:1])[0][:, None, None].astype(np.float32) * np.ones((4, 2, 3), np.float32)
        np.testing.assert_allclose(one.bands(bands)[:, 0, 0], levels_at(turned.astype(np.float64))[0], atol=1e-4)


def test_masks_turn_as_paths_do():
    masks = np.zeros((35, 44, 44), np.float32)
    masks[:, 10, 30] = 255
    vector = np.tile(np.array([305.0, 105.0], np.float32), 35)  # the middle of that block
    for one in symmetries(SIDES):
        _, row, column = np.argwhere(one.masks(masks))[0]
        np.testing.assert_allclose(one.path(vector)[:2], [10 * column + 5, 10 * row + 5])


def test_frames_without_a_mask_do_not_hide_the_sides(places):
    """An object slides from the middle to each place and back; a fifth of its masks is missing."""
    rng, masks = np.random.default_rng(2), np.zeros((len(places), 35, 44, 44), np.uint8)
    way = 1 - np.abs(np.linspace(-1, 1, 35)) ** 0.5
    for film, place in zip(masks, places, strict=True):
        for frame, (x, y) in zip(film, np.rint(21 + 18 * way[:, None] * place).astype(int).tolist(), strict=True):
            frame[y : y + 2, x : x + 2] = 255 * (rng.random() > 0.2)
    sounds = (levels_at(places)[:, :, None, None] * np.ones((1, 1, 2, 3))).astype(np.float32)
    number = np.arange(len(places))
    pairs = Pairs(masks, sounds, tuple(map(str, number)), number, np.zeros_like(number), ("one",))
    assert set(tray_symmetries(pairs)) == set(symmetries(SIDES))


@pytest.mark.parametrize("num_frames", [18, 27, 34, 35])
def test_repetitions_are_found(num_frames):
    places = np.random.default_rng(0).uniform(0, 440, (num_frames, 2))
    places[: num_frames // 2] = places[0]  # at rest at first
    path = centroid_vector(places).reshape(35, 2)
    np.testing.assert_array_equal(once(path), path[:num_frames])
