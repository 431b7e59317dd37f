"""The face finder: landmarks on maps made by hand, boxes by the definition, and what the shipped one finds."""

import cv2
import numpy as np
import pytest

from avmatch.artifacts.finder import (
    BOX_DOWN,
    BOX_SIDE,
    MAP_CHANNELS,
    MULTIPLE_PX,
    STRIDE_PX,
    WORKING_PIXELS,
    boxes_of,
    peaks_of,
    shipped_finder,
)
from avmatch.artifacts.model import Graph
from avmatch.core.features import VideoFrames
from avmatch.frontends.faces import HaarDetector, overlap
from avmatch.frontends.mouth import mouth_crop
from avmatch.media.decode import decode
from avmatch.synth import SynthConfig, synthesise

#: Eyes, nose and mouth of a level face, from between the eyes, in pixels.
FACE = np.array([(-20, 0), (20, 0), (0, 22), (-15, 40), (15, 40)], np.float32)


def turned(degrees):
    angle = np.radians(degrees)
    return FACE @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)


@pytest.mark.parametrize("degrees", [-40, 0, 25])
def test_boxes_turn_with_the_face_and_keep_their_size(degrees):
    x, y, width, height, roll = boxes_of(turned(degrees)[None] + 100)[0]
    assert width == height == pytest.approx(BOX_SIDE * np.hypot(40, 40), rel=1e-5)
    assert np.degrees(roll) == pytest.approx(degrees, abs=1e-3)
    down = BOX_DOWN * 40 * np.array([-np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    np.testing.assert_allclose([x + width / 2, y + height / 2], 100 + down, atol=1e-3)


def hand_made(*faces):
    """A map with faces (row, column, probability, size in cells), whose landmarks lie as in FACE."""
    found = np.zeros((MAP_CHANNELS, 28, 48), np.float32)
    for row, column, probability, size in faces:
        found[:2, row, column] = probability, np.log(size)
        found[2:, row, column] = (FACE / np.hypot(40, 40)).ravel()
    return found


def test_peaks_become_landmarks():
    found = peaks_of(hand_made((10, 20, 0.9, 5.0), (10, 21, 0.8, 5.0), (20, 40, 0.7, 2.0), (5, 5, 0.2, 3.0)))
    np.testing.assert_allclose(found.probabilities, [0.9, 0.7])
    expected = np.array([20.5, 10.5]) * STRIDE_PX + 5.0 * STRIDE_PX * FACE / np.hypot(40, 40)
    np.testing.assert_allclose(found.landmarks[0], expected, atol=1e-3)


def test_of_two_peaks_on_one_face_the_surer_stays():
    found = peaks_of(hand_made((10, 20, 0.7, 6.0), (12, 22, 0.9, 6.0)))
    np.testing.assert_allclose(found.probabilities, [0.9])


def test_a_map_without_peaks_has_no_faces():
    assert peaks_of(hand_made()).landmarks.shape == (0, 5, 2)
    assert boxes_of(np.zeros((0, 5, 2), np.float32)).shape == (0, 5)


@pytest.mark.parametrize("shape", [(360, 640), (640, 360), (96, 90), (1, 30), (8, 8)])
def test_pictures_of_any_size_fit_the_network(shape, monkeypatch):
    given = []

    def run(graph, who, levels):
        given.append(levels)
        return np.zeros((1, MAP_CHANNELS, levels.shape[2] // STRIDE_PX, levels.shape[3] // STRIDE_PX), np.float32)

    monkeypatch.setattr(Graph, "run", run)
    assert shipped_finder().detect(np.zeros(shape, np.uint8)).shape == (0, 5)
    assert given[0].dtype == np.float32
    assert not any(side % MULTIPLE_PX for side in given[0].shape[2:])
    assert given[0].size <= 1.35 * WORKING_PIXELS


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    """Frames of a drawn face that talks."""
    folder = tmp_path_factory.mktemp("face")
    synthesise(folder, SynthConfig(1, seed=3, duration_seconds=1.0, sizes=((640, 360),), kinds=("face",)))
    blocks = decode(next(folder.glob("videos/*")), audio=False)
    return [image for block in blocks if isinstance(block, VideoFrames) for image in block.data]


def test_the_finder_that_ships_finds_a_drawn_face_where_the_cascade_does(talking):
    finder, cascade = shipped_finder(), HaarDetector()
    for image in talking[::8]:
        (ours,), (theirs,) = finder.detect(image), cascade.detect(image)
        assert overlap(ours[:4], theirs) > 0.6


@pytest.mark.parametrize("degrees", [-35, 35])
def test_a_turned_face_is_found_turned_and_its_mouth_cut_out_level(talking, degrees):
    image = talking[0]
    finder = shipped_finder()
    (upright,) = finder.detect(image)
    middle = tuple(map(float, upright[:2] + upright[2:4] / 2))
    turn = cv2.getRotationMatrix2D(middle, -degrees, 1.0)
    rotated = cv2.warpAffine(image, turn, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    (found,) = finder.detect(rotated)
    assert np.degrees(found[4] - upright[4]) == pytest.approx(degrees, abs=8)
    crops = [mouth_crop(picture, box, 80).astype(float) for picture, box in ((image, upright), (rotated, found))]
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.7


@pytest.mark.parametrize("level", [0, 90, 255])
def test_the_finder_that_ships_finds_nobody_in_an_empty_picture(level):
    assert len(shipped_finder().detect(np.full((360, 640), level, np.uint8))) == 0
