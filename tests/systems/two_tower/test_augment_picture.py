"""Clips are changed alike in all frames, by as much as was asked for."""

import cv2
import numpy as np
import pytest

from avmatch.systems.two_tower.augmentation import blur, jpeg, lower_rate, mirror, tone, warp

CHANGES = {"warp": warp, "tone": tone, "blur": blur, "jpeg": jpeg, "lower_rate": lower_rate}


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
    np.testing.assert_array_equal(mirror(clip())[3, 7], clip()[3, 7, ::-1])
    np.testing.assert_array_equal(mirror(mirror(clip())), clip())


def dot(row, column):
    frames = np.zeros((1, 101, 201), np.uint8)
    frames[0, row - 1 : row + 2, column - 1 : column + 2] = 255
    return frames


def place(frames):
    rows, columns = np.indices(frames.shape[1:])
    weights = frames[0] / frames[0].sum()
    return np.array([(rows * weights).sum(), (columns * weights).sum()])


def test_shifts_are_a_share_of_the_sides():
    moves = np.array([place(warp(generator(s), dot(50, 100), 0.1, (1.0, 1.0), 0.0)) - (50, 100) for s in range(60)])
    assert (np.abs(moves) <= (10.2, 20.2)).all()
    assert (np.abs(moves).max(axis=0) > (8, 16)).all()
    assert np.sign(moves).min() < 0 < np.sign(moves).max()


def test_scale_and_turn_leave_the_middle():
    assert place(warp(generator(), dot(50, 100), 0.0, (1.2, 1.2), 5.0)) == pytest.approx([50, 100], abs=0.1)
    assert place(warp(generator(), dot(50, 150), 0.0, (1.2, 1.2), 0.0)) == pytest.approx([50, 160], abs=0.2)
    turns = np.array([place(warp(generator(s), dot(50, 150), 0.0, (1.0, 1.0), 5.0)) for s in range(40)]) - (50, 100)
    degrees = np.degrees(np.arctan2(turns[:, 0], turns[:, 1]))
    assert 4 < np.abs(degrees).max() < 5.1
    assert degrees.min() < 0 < degrees.max()


def test_tones_move_grey_as_asked():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(tone(generator(), ramp, 0.0, (1.0, 1.0), (1.0, 1.0)), ramp)
    gamma = tone(generator(), ramp, 0.0, (1.0, 1.0), (2.0, 2.0)).ravel()
    assert gamma[[0, 128, 255]].tolist() == [0, 64, 255]
    contrast = tone(generator(), ramp, 0.0, (0.5, 0.5), (1.0, 1.0)).ravel()
    assert contrast[[0, 255]].tolist() == [64, 191]
    brightness = [int(tone(generator(s), ramp, 0.1, (1.0, 1.0), (1.0, 1.0)).ravel()[128]) - 128 for s in range(100)]
    assert -26 <= min(brightness) < -20
    assert 20 < max(brightness) <= 26


def test_blur_and_jpeg_lose_more_where_more_is_asked():
    def loss(changed):
        return np.abs(changed.astype(float) - clip()).mean()

    assert 0 < loss(blur(generator(), clip(), (0.5, 0.5))) < loss(blur(generator(), clip(), (2.0, 2.0)))
    assert 0 < loss(jpeg(generator(), clip(), (95, 95))) < loss(jpeg(generator(), clip(), (20, 20))) < 20


@pytest.mark.parametrize(("share", "num_kept"), [(0.5, 50), (0.6, 60), (0.25, 25), (1.0, 100)])
def test_a_lower_rate_holds_frames_and_shows_none_early(share, num_kept):
    frames = np.arange(100, dtype=np.uint8).reshape(100, 1, 1)
    for seed in range(10):
        shown = lower_rate(generator(seed), frames, (share, share)).ravel().astype(int)
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
