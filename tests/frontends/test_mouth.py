"""Mouth signals of cartoon faces whose mouths open as asked."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avmatch.core.features import VideoFrames
from avmatch.frontends.faces import HaarDetector
from avmatch.frontends.mouth import (
    BLUR_PIXELS,
    LIPS,
    MOUTH_CHANNELS,
    UPPER_FACE,
    MouthFrontEnd,
    MouthTrack,
    mouth_signals,
    shift,
)

RATE_HZ = 25
SHAPE = (200, 360)
SIDE = 90
GRID = Path(__file__).parents[3] / "shared/data/talk/grid"


class OutlineDetector:
    """Finds whatever is brighter than the background, with boxes that jitter by some pixels."""

    def __init__(self, jitter_pixels=0.0):
        self.jitter_pixels = jitter_pixels
        self.rng = np.random.default_rng(1)

    def detect(self, image):
        bright = cv2.morphologyEx((image > 135).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
        left, top, width = stats[1:, :3][stats[1:, cv2.CC_STAT_AREA] > 100].T.astype(np.float32)
        side = width / 0.84
        boxes = np.stack([left - 0.08 * side, top + 0.01 * side, side, side], axis=1)
        return (boxes + self.rng.normal(0, 1, boxes.shape) * self.jitter_pixels).astype(np.float32)


def draw_face(image, x, y, opening):
    """Draw a face into the box (x, y, SIDE, SIDE), the lower lip 8·opening pixels down."""

    def oval(cx, cy, width, height, level):
        centre = (round(16 * (x + cx * SIDE)), round(16 * (y + cy * SIDE)))
        axes = (round(16 * width * SIDE), round(16 * height * SIDE))
        cv2.ellipse(image, centre, axes, 0, 0, 360, level, -1, cv2.LINE_AA, 4)

    oval(0.5, 0.55, 0.42, 0.56, 185)
    for cx in (0.32, 0.68):
        oval(cx, 0.36, 0.12, 0.08, 120)
        oval(cx, 0.38, 0.04, 0.04, 30)
        oval(cx, 0.27, 0.13, 0.03, 60)
    oval(0.5, 0.66, 0.09, 0.025, 110)
    gap = 4 * opening / SIDE
    oval(0.5, 0.80 + gap, 0.17, 0.05 + gap, 150)
    oval(0.5, 0.80 + gap, 0.14, 0.01 + gap, 40)


def video(*faces, num_frames=75, level=60):
    """Frames with faces (x, y, opening), each a number or an array (T,)."""
    images = np.full((num_frames, *SHAPE), level, np.uint8)
    for face in faces:
        for image, x, y, opening in zip(images, *(np.broadcast_to(part, num_frames) for part in face), strict=True):
            draw_face(image, x, y, opening)
    images = np.stack([cv2.GaussianBlur(image, (0, 0), 1) for image in images])
    return VideoFrames(images, np.arange(num_frames) / RATE_HZ)


def mouth_tracks(frames, detector=None):
    front_end = MouthFrontEnd(detector or OutlineDetector())
    front_end.push(frames)
    return tuple(front_end.finish().values())


def channel(track, name):
    return track.signals[:, MOUTH_CHANNELS.index(name)]


def speech(rate_hz=4.0):
    """An opening between 0 and 1 that goes up and down at about this rate, (75,)."""
    rng = np.random.default_rng(0)
    phase = np.cumsum(rng.uniform(0.5, 1.5, 75)) * 2 * np.pi * rate_hz / RATE_HZ
    return 0.5 - 0.5 * np.cos(phase)


def correlation(x, y):
    return np.corrcoef(x, y)[0, 1]


@pytest.mark.parametrize("detector", [OutlineDetector(), OutlineDetector(jitter_pixels=2), HaarDetector()])
def test_signals_follow_a_known_mouth(detector):
    opening = speech()
    (track,) = mouth_tracks(video((130.0, 50.0, opening)), detector)
    assert len(track) == 75
    assert correlation(channel(track, "openness"), opening) > 0.8
    assert correlation(channel(track, "lip_drop")[1:], np.diff(opening)) > 0.9
    assert correlation(channel(track, "motion")[1:], np.abs(np.diff(opening))) > 0.8


def texture(seed=0):
    """A patch as `face_patch` makes them, of random blobs, and larger by 8 pixels all around."""
    noise = np.random.default_rng(seed).uniform(0, 255, (96, 80)).astype(np.float32)
    return 4 * cv2.GaussianBlur(noise, (0, 0), 2.5) - 3 * 127


def moved(patch, right, down):
    return cv2.warpAffine(patch, np.float32([[1, 0, right], [0, 1, down]]), patch.shape[::-1])[8:-8, 8:-8]


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (0, -1), (0.5, 0.75), (-1.5, 1)])
def test_shift_is_measured_in_pixels(right, down):
    before, now = moved(texture(), 0, 0), moved(texture(), right, down)
    mean = (before + now) / 2
    across, along = (cv2.Sobel(mean, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (1, 0))
    assert shift(across, along, now - before) == pytest.approx((right, down), abs=0.2)


def test_lip_drop_is_against_the_head_and_in_face_widths():
    before, head = moved(texture(), 0, 0), moved(texture(), 0, 0.5)
    lower = moved(texture(), 0, 1.5)
    now = np.concatenate([head[:42], lower[42:]])
    _, lip_drop, _ = mouth_signals(before, now)
    assert lip_drop == pytest.approx(1 / 64, rel=0.2)
    _, lip_drop, _ = mouth_signals(before, lower)
    assert lip_drop == pytest.approx(0, abs=0.15 / 64)


def test_jittering_boxes_are_no_motion():
    (track,) = mouth_tracks(video((130.0, 50.0, 0.4)), OutlineDetector(jitter_pixels=3))
    assert np.abs(channel(track, "motion")).max() < 0.01
    assert np.abs(channel(track, "lip_drop")).max() < 1e-4


def test_a_moving_head_is_not_a_talking_mouth():
    sway = 4 * np.sin(np.arange(75) / 5)
    (still,) = mouth_tracks(video((130.0 + sway, 50.0 + sway, 0.4)))
    (talking,) = mouth_tracks(video((130.0, 50.0, speech())))
    for name in ("motion", "lip_drop"):
        assert np.std(channel(still, name)) < 0.3 * np.std(channel(talking, name))


def test_two_faces_give_two_tracks_with_their_own_signals():
    left, right = speech(), speech(rate_hz=2.5)
    tracks = mouth_tracks(video((40.0, 50.0, left), (220.0, 60.0, right)))
    assert len(tracks) == 2
    by_place = sorted(tracks, key=lambda track: track.boxes[0, 0])
    for track, own, other in zip(by_place, (left, right), (right, left), strict=True):
        assert correlation(channel(track, "lip_drop")[1:], np.diff(own)) > 0.9
        assert abs(correlation(channel(track, "lip_drop")[1:], np.diff(other))) < 0.5


def test_boxes_are_shares_of_the_picture():
    (track,) = mouth_tracks(video((130.0, 50.0, 0.5)))
    expected = np.array([130 / 360, 50 / 200, SIDE / 360, SIDE / 200])
    np.testing.assert_allclose(track.boxes, np.broadcast_to(expected, (75, 4)), atol=0.03)


def test_a_shot_cut_ends_the_track():
    first, second = video((130.0, 50.0, 0.5), num_frames=30), video((150.0, 60.0, 0.5), num_frames=30, level=120)
    frames = VideoFrames(np.concatenate([first.data, second.data]), np.arange(60) / RATE_HZ)
    before, after = mouth_tracks(frames, HaarDetector())
    assert before.pts_seconds[-1] == pytest.approx(29 / RATE_HZ)
    assert after.pts_seconds[0] == pytest.approx(30 / RATE_HZ)
    assert np.abs(channel(after, "motion")).max() < 0.05


def test_a_face_that_leaves_ends_its_track():
    x = np.where(np.arange(100) < 50, 130.0, 1000.0)
    (track,) = mouth_tracks(video((x, 50.0, 0.5), num_frames=100))
    assert 1.9 <= track.pts_seconds[-1] <= 2.4


def test_a_short_glimpse_is_dropped():
    assert mouth_tracks(video((130.0, 50.0, 0.5), num_frames=9)) == ()


def test_a_detection_that_is_not_confirmed_is_dropped():
    class Once:
        was_found = False

        def detect(self, image):
            found = np.array([[130, 50, SIDE, SIDE]], np.float32)[: not self.was_found]
            self.was_found = True
            return found

    assert mouth_tracks(video((130.0, 50.0, 0.5)), Once()) == ()


def test_no_frames_give_no_tracks():
    assert MouthFrontEnd(OutlineDetector()).finish() == {}


def test_blocks_make_no_difference():
    frames = video((130.0, 50.0, speech()))
    (whole,) = mouth_tracks(frames)
    front_end = MouthFrontEnd(OutlineDetector())
    for start, end in ((0, 1), (1, 20), (20, 75)):
        front_end.push(VideoFrames(frames.data[start:end], frames.pts_seconds[start:end]))
    (pieces,) = front_end.finish().values()
    np.testing.assert_array_equal(pieces.signals, whole.signals)
    np.testing.assert_array_equal(pieces.boxes, whole.boxes)


def test_a_track_checks_its_shapes():
    with pytest.raises((ValueError, TypeError), match="signals"):
        MouthTrack(np.zeros(5), np.zeros((5, 4), np.float32), np.zeros((4, 3), np.float32))


@pytest.mark.shared
def test_a_real_face_is_followed_throughout():
    if not GRID.is_dir():
        pytest.skip("no ../shared/data/talk/grid")
    with av.open(str(GRID / "g0000.mp4")) as container:
        images = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
    (track,) = mouth_tracks(VideoFrames(images, np.arange(len(images)) / RATE_HZ), HaarDetector())
    assert len(track) == len(images)
    drop = channel(track, "lip_drop")
    talking = slice(20, 45)  # g0000 says "bin green …" from 0.8 s on
    assert np.std(drop[talking]) > 2 * np.std(drop[:12])


def test_openness_compares_the_darkest_tenth_of_the_lips_with_the_middle_of_the_upper_face():
    now = np.random.default_rng(0).uniform(0, 255, (80, 64)).astype(np.float32)
    seen = cv2.GaussianBlur(now, (0, 0), BLUR_PIXELS)
    expected = np.log((np.median(seen[UPPER_FACE]) + 10) / (np.percentile(seen[LIPS], 10) + 10))
    assert mouth_signals(now, now)[2] == pytest.approx(expected, rel=1e-5)
