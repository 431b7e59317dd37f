"""The door of the cues: curves fit their sides, calibration gives probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from avmatch.cues.evidence import Calibration, Curves, PeakFigures


def test_curves_must_fit_their_sides():
    with pytest.raises(ValueError, match=r"nats must begin with shape \(2, 1\), got \(1, 2, 5\)"):
        Curves(np.zeros((1, 2, 5), np.float32), (None, None), (None,))


@pytest.mark.parametrize(
    ("video_reason", "audio_reason", "expected"),
    [(None, None, None), ("no_face", "silence", "no_face"), (None, "silence", "silence")],
)
def test_the_reason_of_a_pair_is_the_first(video_reason, audio_reason, expected):
    assert Curves(np.zeros((1, 1, 3), np.float32), (video_reason,), (audio_reason,)).reason() == expected


@given(mass=st.floats(0.0, 1.0), contrast=st.floats(0.0, 1000.0), half=st.floats(0.0, 1.0), strokes=st.floats(0.0, 9.0))
def test_probabilities_are_probabilities(mass, contrast, half, strokes):
    calibration = Calibration(mass_slope=0.5, contrast_slope=0.2, intercept=-1.0, half_slope=0.3, strokes_slope=1.0)
    assert 0.0 < calibration.probability(PeakFigures(mass, contrast, half, strokes)) <= 1.0


def test_some_classes_are_believed_more():
    calibration = Calibration(intercept=-1.0, class_slopes=(2.0, -1.0))
    hits, water, unknown = (
        calibration.probability(PeakFigures(0.5, 5.0, classes=classes)) for classes in ((0.9, 0.1), (0.1, 0.9), ())
    )
    assert hits > unknown > water
    assert logit(hits) == pytest.approx(-1.0 + 2.0 * 0.9 - 0.1)
    assert Calibration(intercept=-1.0).probability(PeakFigures(0.5, 5.0, classes=(0.9, 0.1))) == unknown


def test_a_plain_calibration_believes_the_mass():
    assert Calibration().probability(PeakFigures(0.8, 12.0, 0.1, 3.0)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (PeakFigures(0.9, 5.0), PeakFigures(0.5, 5.0)),
        (PeakFigures(0.5, 5.0), PeakFigures(0.5, 1.0)),
        (PeakFigures(0.5, 5.0, 0.9), PeakFigures(0.5, 5.0, 0.1)),
        (PeakFigures(0.5, 5.0, 0.5, 2.0), PeakFigures(0.5, 5.0, 0.5, 1.0)),
    ],
)
def test_more_is_believed_more(more, less):
    calibration = Calibration(mass_slope=0.3, contrast_slope=0.2, intercept=-1.4, half_slope=0.2, strokes_slope=1.0)
    assert calibration.probability(more) > calibration.probability(less)
