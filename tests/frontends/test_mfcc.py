"""MFCC against sums written out by hand, and against what the released SyncNet's library gives."""

import math
from itertools import pairwise

import numpy as np
import pytest

from avmatch.frontends.sound import filters, mfcc


def by_hand(samples, frame):
    """The definition, one number after another (python_speech_features 0.6: base.py, sigproc.py)."""
    scaled = [32768.0 * float(value) for value in samples]
    emphasised = [scaled[0]] + [now - 0.97 * before for before, now in pairwise(scaled)]
    part = (emphasised + [0.0] * 400)[160 * frame : 160 * frame + 400]
    times = np.arange(400)
    power = [abs(np.sum(part * np.exp(-2j * np.pi * k * times / 512))) ** 2 / 512 for k in range(257)]
    highest = 2595 * math.log10(1 + 8000 / 700)
    corners = [math.floor(513 * 700 * (10 ** (highest * n / 27 / 2595) - 1) / 16000) for n in range(28)]
    bands = []
    for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
        rising = sum(power[k] * (k - low) / (middle - low) for k in range(low, middle))
        bands.append(rising + sum(power[k] * (high - k) / (high - middle) for k in range(middle, high)))
    logs = [math.log(band) for band in bands]
    found = [math.log(sum(power))]
    for order in range(1, 13):
        cosine = sum(log * math.cos(math.pi * order * (2 * n + 1) / 52) for n, log in enumerate(logs))
        found.append(math.sqrt(2 / 26) * cosine * (1 + 11 * math.sin(math.pi * order / 22)))
    return found


@pytest.fixture(scope="module")
def sound():
    return np.random.default_rng(0).normal(0, 0.1, 3200).astype(np.float32)


@pytest.mark.parametrize("frame", [0, 7, 19])
def test_coefficients_are_those_computed_by_hand(sound, frame):
    """The last frame is filled up with silence."""
    np.testing.assert_allclose(mfcc(sound)[frame], by_hand(sound, frame), rtol=1e-4, atol=1e-3)


def test_five_frames_have_twenty_steps(sound):
    assert mfcc(sound).shape == (20, 13)  # 0.2 s
    assert mfcc(sound[:159]).shape == (0, 13)


def test_filters_are_triangles_that_meet_at_their_corners():
    assert filters().shape == (26, 257)
    assert filters().max(axis=1).tolist() == [1.0] * 26
    between = filters()[:, 2:229].sum(axis=0)
    np.testing.assert_allclose(between, 1.0)


def test_loudness_changes_the_first_coefficient_alone(sound):
    quiet, loud = mfcc(sound), mfcc(4 * sound)
    np.testing.assert_allclose(loud[:, 0] - quiet[:, 0], 2 * math.log(4), rtol=1e-4)
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], atol=1e-3)


def test_silence_has_finite_coefficients():
    found = mfcc(np.zeros(1600, np.float32))
    np.testing.assert_allclose(found[:, 0], math.log(2**-52), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], 0, atol=1e-4)
