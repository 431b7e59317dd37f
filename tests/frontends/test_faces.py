"""Face tracks on bright squares, which a stand-in for the detector finds; the cascades on a drawn face."""

from collections import Counter

import cv2
import numpy as np
import pytest

from avmatch.core.errors import ModelError
from avmatch.frontends.faces import (
    MAX_WAITING_FRAMES,
    CutFinder,
    FaceTracker,
    HaarDetector,
    YuNetDetector,
    overlap,
)
from tiny_yunet import write_yunet

SHAPE = (180, 320)


class SquareDetector:
    """Finds bright patches; counts how many pixels it was shown."""

    def __init__(self):
        self.num_pixels = 0

    def detect(self, image):
        self.num_pixels += image.size
        _, _, stats, _ = cv2.connectedComponentsWithStats((image > 128).astype(np.uint8))
        return stats[1:, :4].astype(np.float32)


def picture(*squares, level=40):
    """A grey picture with bright squares (x, y, side)."""
    image = np.full(SHAPE, level, np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 220
    return image


def track(images, rate_hz=25, detector=None):
    tracker = FaceTracker(detector or SquareDetector())
    located = [frame for i, image in enumerate(images) for frame in tracker.push(image, i / rate_hz)]
    return located + tracker.finish(), tracker


def test_overlap_of_boxes():
    box = np.array([0, 0, 10, 10], np.float32)
    assert overlap(box, box) == pytest.approx(1)
    assert overlap(box, np.array([5, 0, 10, 10], np.float32)) == pytest.approx(1 / 3)
    assert overlap(box, np.array([10, 0, 10, 10], np.float32)) == 0


def test_every_frame_comes_out_once_and_in_order():
    images = [picture((100, 60, 40)) for _ in range(57)]
    located, _ = track(images)
    np.testing.assert_allclose([frame.pts_seconds for frame in located], np.arange(57) / 25)
    assert all(frame.boxes.keys() == {0} for frame in located)


@pytest.mark.parametrize("rate_hz", [12, 25, 60, 240])
def test_few_frames_wait(rate_hz):
    tracker, num_out = FaceTracker(SquareDetector()), 0
    for i in range(200):
        num_out += len(tracker.push(picture((100, 60, 40)), i / rate_hz))
        assert i + 1 - num_out < MAX_WAITING_FRAMES


def test_boxes_follow_a_moving_face():
    lefts = [40 + i for i in range(100)]
    located, _ = track([picture((left, 60, 40)) for left in lefts])
    centres = np.array([frame.boxes[0][0] + frame.boxes[0][2] / 2 for frame in located])
    assert np.abs(centres - (np.array(lefts) + 20)).max() < 8
    assert np.abs(np.diff(centres)).max() < 2


def test_two_faces_keep_their_numbers():
    located, _ = track([picture((40 + i, 60, 40), (220 - i // 2, 70, 48)) for i in range(60)])
    for frame in located:
        assert frame.boxes.keys() == {0, 1}
        assert frame.boxes[0][0] < frame.boxes[1][0]


def test_a_new_face_gets_a_track_within_about_a_second():
    located, _ = track([picture((40, 60, 40), *([(200, 60, 40)] if i >= 30 else [])) for i in range(75)])
    first = next(frame.pts_seconds for frame in located if 1 in frame.boxes)
    assert 1.2 <= first <= 2.5


def test_a_face_that_leaves_loses_its_track():
    located, tracker = track([picture(*([(100, 60, 40)] if i < 40 else [])) for i in range(100)])
    assert not located[-1].boxes
    assert tracker.sightings[0].last_seconds == pytest.approx(40 / 25, abs=0.3)


def test_a_cut_ends_tracks():
    shots = [picture((100, 60, 40), level=20)] * 30 + [picture((105, 62, 40), level=100)] * 30
    located, _ = track(shots)
    assert [set(frame.boxes) for frame in located] == [{0}] * 30 + [{1}] * 30


def test_between_scans_only_the_surroundings_are_searched():
    detector = SquareDetector()
    track([picture((100, 60, 40))] * 250, detector=detector)
    assert detector.num_pixels < 15 * SHAPE[0] * SHAPE[1]


def test_an_empty_picture_is_scanned_ever_less():
    detector = SquareDetector()
    track([picture()] * 500, detector=detector)
    assert 8 <= detector.num_pixels / (SHAPE[0] * SHAPE[1]) <= 14


def test_cuts_are_told_from_steady_change():
    rng = np.random.default_rng(0)
    finder = CutFinder()
    fade = [finder.is_cut(picture(level=40 + 2 * i)) for i in range(50)]
    assert not any(fade)
    assert finder.is_cut(picture(level=10))
    noise = Counter(finder.is_cut(rng.integers(0, 256, SHAPE, np.uint8)) for _ in range(20))
    assert noise[True] <= 2


def drawn_face(side):
    """A cartoon face that fills a box of this side."""
    face = np.full((side * 5 // 4, side), 60, np.uint8)

    def oval(x, y, width, height, level):
        centre, axes = (round(x * side), round(y * side)), (round(width * side), round(height * side))
        cv2.ellipse(face, centre, axes, 0, 0, 360, level, -1)

    oval(0.5, 0.55, 0.42, 0.56, 185)
    for x in (0.32, 0.68):
        oval(x, 0.36, 0.12, 0.08, 120)
        oval(x, 0.38, 0.09, 0.045, 210)
        oval(x, 0.38, 0.04, 0.04, 30)
        oval(x, 0.27, 0.13, 0.03, 60)
    oval(0.5, 0.66, 0.09, 0.025, 110)
    oval(0.5, 0.85, 0.17, 0.05, 50)
    return cv2.GaussianBlur(face, (0, 0), side / 60)


@pytest.mark.parametrize("side", [40, 90, 200])
def test_cascades_find_a_drawn_face(side):
    image = np.full((360, 640), 60, np.uint8)
    face = drawn_face(side)
    image[50 : 50 + face.shape[0], 300 : 300 + side] = face
    boxes = HaarDetector().detect(image)
    assert boxes.dtype == np.float32
    assert len(boxes) == 1
    assert overlap(boxes[0], np.array([300, 50, side, side], np.float32)) > 0.5


@pytest.mark.parametrize("shape", [(360, 640), (8, 8), (1, 30)])
def test_cascades_find_nobody_in_an_empty_picture(shape):
    assert HaarDetector().detect(np.full(shape, 90, np.uint8)).shape == (0, 4)


def test_yunet_finds_faces_in_pictures_of_any_size(tmp_path):
    detector = YuNetDetector(write_yunet(tmp_path / "yunet.onnx"))
    for shape in ((128, 192), (130, 250)):
        image = np.full(shape, 20, np.uint8)
        image[64:96, 96:128] = 250
        np.testing.assert_allclose(detector.detect(image), [[80, 48, 32, 32]], atol=0.5)
        assert detector.detect(np.full(shape, 20, np.uint8)).shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file; name a face_detection_yunet"), (b"no graph", "no YuNet that OpenCV")]
)
def test_what_is_no_yunet_is_named(content, message, tmp_path):
    path = tmp_path / "faces.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=f"faces.onnx: {message}"):
        YuNetDetector(path)
