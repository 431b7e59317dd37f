"""Degraded pictures: worse in the way that was asked for, at their own times, however they come in blocks."""

import numpy as np
import pytest

from avmatch.core.features import MouthTrack, VideoFrames
from avmatch.synth.degraded_picture import at_rate, shrunk, with_gaps, without_faces


def clip(num=50, fps=25.0, size=(48, 64)):
    data = np.random.default_rng(1).integers(0, 256, (num, *size), np.uint8)
    return VideoFrames(data, 0.02 + np.arange(num) / fps)


def degraded(degrade, frames, block=50):
    parts = [
        degrade(VideoFrames(frames.data[begin : begin + block], frames.pts_seconds[begin : begin + block]))
        for begin in range(0, len(frames), block)
    ]
    return VideoFrames(
        np.concatenate([part.data for part in parts]), np.concatenate([part.pts_seconds for part in parts])
    )


def face(num=50):
    boxes = np.tile(np.array([0.25, 0.25, 0.25, 0.5], np.float32), (num, 1))
    return MouthTrack(0.02 + np.arange(num) / 25, boxes, np.zeros((num, 3), np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: shrunk(0.25),
        lambda: with_gaps(np.random.default_rng(5), 0.3),
        lambda: at_rate(15.0),
        lambda: at_rate(50.0),
        lambda: without_faces([face()]),
    ],
    ids=["small", "gaps", "slow", "fast", "no face"],
)
def test_blocks_make_no_difference(make):
    frames = clip()
    whole, pieces = degraded(make(), frames), degraded(make(), frames, 7)
    np.testing.assert_array_equal(whole.data, pieces.data)
    np.testing.assert_array_equal(whole.pts_seconds, pieces.pts_seconds)


def test_a_small_picture_is_the_mean_of_a_large_one():
    frames = clip()
    small = degraded(shrunk(1 / 4), frames)
    assert small.data.shape == (50, 16, 16)  # 12 × 16 would be too few rows
    half = degraded(shrunk(1 / 2), frames).data
    means = frames.data.reshape(50, 24, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(half - means).max() <= 0.75


def test_frames_are_lost_and_the_others_stay():
    frames = clip(1000)
    left = degraded(with_gaps(np.random.default_rng(5), 0.3), frames)
    assert len(left) == pytest.approx(700, abs=60)
    assert left.pts_seconds[0] == frames.pts_seconds[0]
    kept = np.isin(frames.pts_seconds, left.pts_seconds)
    np.testing.assert_array_equal(left.data, frames.data[kept])


def test_something_is_always_left():
    assert len(degraded(with_gaps(np.random.default_rng(5), 1.0), clip())) == 1


@pytest.mark.parametrize("fps", [15.0, 24.0, 50.0])
def test_another_camera_shows_the_last_frame_up_to_its_time(fps):
    frames = clip()
    seen = degraded(at_rate(fps), frames)
    np.testing.assert_allclose(np.diff(seen.pts_seconds), 1 / fps, atol=1e-9)
    assert len(seen) == pytest.approx(50 / 25 * fps, abs=1.5)
    for picture, time_seconds in zip(seen.data, seen.pts_seconds, strict=True):
        last = np.flatnonzero(frames.pts_seconds <= time_seconds + 1e-6)[-1]
        np.testing.assert_array_equal(picture, frames.data[last])


def test_a_face_is_hidden_and_the_rest_stays():
    frames = clip(80)
    hidden = degraded(without_faces([face(50)]), frames)
    there = hidden.data[:50].astype(int)
    box = (slice(None), slice(12, 36), slice(16, 32))  # of 48 × 64 pixels
    assert there[box].std() < 0.5 * frames.data[:50].astype(int)[box].std()
    np.testing.assert_array_equal(hidden.data[:50, :, 44:], frames.data[:50, :, 44:])
    np.testing.assert_array_equal(hidden.data[60:], frames.data[60:])  # it has left
    np.testing.assert_array_equal(frames.data, clip(80).data)
