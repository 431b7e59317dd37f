"""Clips are changed alike in all frames, by as much as was asked for."""

import cv2
import numpy as np
import pytest

from avmatch.systems.two_tower.augmentation import PictureAugmentation

USUAL = PictureAugmentation()
CHANGES = {step.__name__: step for step in (USUAL.warp, USUAL.tone, USUAL.blur, USUAL.jpeg, USUAL.lower_rate)}


def generator(seed=0):
    return np.random.default_rng(seed)


def clip(num_frames=12, height=48, width=64):
    """Soft blobs, different in each frame."""
    noise = generator(4).uniform(0, 255, (num_frames, height, width)).astype(np.float32)
    soft = [cv2.normalize(cv2.GaussianBlur(frame, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX) for frame in noise]
    return np.array(soft).reshape(noise.shape).astype(np.uint8)


@pytest.mark.parametrize("name", ["warp", "tone", "blur", "jpeg"])
@pytest.mark.parametrize("seed", range(5))
def test_a_still_picture_stays_still(name, seed):
    still = np.repeat(clip(1), 6, axis=0)
    changed = CHANGES[name](generator(seed), still)
    assert (changed == changed[:1]).all()


def test_a_mirror_exchanges_left_and_right():
    mirrored = USUAL.mirror(generator(), clip())
    np.testing.assert_array_equal(mirrored[3, 7], clip()[3, 7, ::-1])
    np.testing.assert_array_equal(USUAL.mirror(generator(), mirrored), clip())


def dot(row, column):
    frames = np.zeros((1, 101, 201), np.uint8)
    frames[0, row - 1 : row + 2, column - 1 : column + 2] = 255
    return frames


def place(frames):
    rows, columns = np.indices(frames.shape[1:])
    weights = frames[0] / frames[0].sum()
    return np.array([(rows * weights).sum(), (columns * weights).sum()])


def warped(frames, max_shift, scale, max_rotation_degrees, seed=0):
    return PictureAugmentation(
        max_shift=max_shift, scales=(scale, scale), max_rotation_degrees=max_rotation_degrees
    ).warp(generator(seed), frames)


def test_shifts_are_a_share_of_the_sides():
    moves = np.array([place(warped(dot(50, 100), 0.1, 1.0, 0.0, seed)) - (50, 100) for seed in range(60)])
    assert (np.abs(moves) <= (10.2, 20.2)).all()
    assert (np.abs(moves).max(axis=0) > (8, 16)).all()
    assert np.sign(moves).min() < 0 < np.sign(moves).max()


def test_scale_and_turn_leave_the_middle():
    assert place(warped(dot(50, 100), 0.0, 1.2, 5.0)) == pytest.approx([50, 100], abs=0.1)
    assert place(warped(dot(50, 150), 0.0, 1.2, 0.0)) == pytest.approx([50, 160], abs=0.2)
    turns = np.array([place(warped(dot(50, 150), 0.0, 1.0, 5.0, seed)) for seed in range(40)]) - (50, 100)
    degrees = np.degrees(np.arctan2(turns[:, 0], turns[:, 1]))
    assert 4 < np.abs(degrees).max() < 5.1
    assert degrees.min() < 0 < degrees.max()


def toned(frames, max_brightness, contrast, gamma, seed=0):
    return PictureAugmentation(
        max_brightness=max_brightness, contrasts=(contrast, contrast), gammas=(gamma, gamma)
    ).tone(generator(seed), frames)


def test_tones_move_grey_as_asked():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(toned(ramp, 0.0, 1.0, 1.0), ramp)
    gamma = toned(ramp, 0.0, 1.0, 2.0).ravel()
    assert gamma[[0, 128, 255]].tolist() == [0, 64, 255]
    contrast = toned(ramp, 0.0, 0.5, 1.0).ravel()
    assert contrast[[0, 255]].tolist() == [64, 191]
    brightness = [int(toned(ramp, 0.1, 1.0, 1.0, seed).ravel()[128]) - 128 for seed in range(100)]
    assert -26 <= min(brightness) < -20
    assert 20 < max(brightness) <= 26


def test_blur_and_jpeg_lose_more_where_more_is_asked():
    def loss(changed):
        return np.abs(changed.astype(float) - clip()).mean()

    little, much = (PictureAugmentation(blur_sigma_px=(sigma, sigma)) for sigma in (0.5, 2.0))
    assert 0 < loss(little.blur(generator(), clip())) < loss(much.blur(generator(), clip()))
    good, bad = (PictureAugmentation(jpeg_qualities=(quality, quality)) for quality in (95, 20))
    assert 0 < loss(good.jpeg(generator(), clip())) < loss(bad.jpeg(generator(), clip())) < 20


@pytest.mark.parametrize(("share", "num_kept"), [(0.5, 50), (0.6, 60), (0.25, 25), (1.0, 100)])
def test_a_lower_rate_holds_frames_and_shows_none_early(share, num_kept):
    frames = np.arange(100, dtype=np.uint8).reshape(100, 1, 1)
    for seed in range(10):
        shown = PictureAugmentation(rate_kept_share=(share, share)).lower_rate(generator(seed), frames)
        shown = shown.ravel().astype(int)
        assert abs(len(set(shown)) - num_kept) <= 1
        late = np.arange(100) - shown
        assert late.min() == 0
        assert late.max() < 1 / share
        np.testing.assert_array_equal(shown, np.sort(shown))


@pytest.mark.parametrize("name", CHANGES)
def test_seeds_reproduce_and_the_input_is_left(name):
    frames = clip()
    first, again, other = (CHANGES[name](generator(seed), frames) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (frames.shape, np.uint8)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(frames, clip())


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(0, 48, 64), (1, 1, 1), (2, 1, 64)])
def test_the_smallest_clips(name, shape):
    assert CHANGES[name](generator(), np.zeros(shape, np.uint8)).shape == shape
