"""The scratch cue: the camera's own sound is found in a recording."""

import numpy as np
import pytest

from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.cues.recording import ScratchCue

LAGS = np.arange(-50, 51) * 0.02


def world(seed, seconds=40.0):
    """What there is to hear: (T, 8) flux with events of different colours."""
    rng = np.random.default_rng(seed)
    flux = rng.uniform(0.0, 0.1, (round(seconds * BAND_RATE_HZ), 8))
    for time in np.cumsum(rng.uniform(0.2, 0.6, round(1.5 * seconds))):
        at = round(time * BAND_RATE_HZ)
        flux[at : at + 2] += rng.uniform(0.2, 2.0) * rng.uniform(0.3, 1.0, 8)
    return flux


def heard(flux, begin_seconds, seconds, *, noise=0.0, start_seconds=0.0, seed=0, peak=0.5):
    """A microphone that runs from `begin_seconds` of the world, on a clock that begins at `start_seconds`."""
    begin = round(begin_seconds * BAND_RATE_HZ)
    part = flux[begin : begin + round(seconds * BAND_RATE_HZ)]
    part = part + noise * np.random.default_rng(seed).exponential(1.0, part.shape)
    part = part.astype(np.float16)
    return AudioFeatures(start_seconds, part, np.zeros_like(part), seconds, peak)


def camera(scratch):
    return VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), (), 25.0, 5.0, scratch=scratch)


def curve(scratch, recording, lags=LAGS):
    return ScratchCue().curves([camera(scratch)], [recording], lags).nats[0, 0]


def test_it_is_a_cue():
    assert isinstance(ScratchCue(), Cue)
    assert ScratchCue().name == "scratch"


@pytest.mark.parametrize("lag_seconds", [-0.8, 0.0, 0.46])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_shifted_copy_is_found_in_noise(lag_seconds, noise):
    """A recorder that began earlier than the camera hears everything later on its clock."""
    flux = world(1)
    scratch = heard(flux, 10.0, 5.0, noise=noise, seed=1)
    nats = curve(scratch, heard(flux, 10.0 - lag_seconds, 5.0, noise=noise, seed=2))
    assert LAGS[nats.argmax()] == pytest.approx(lag_seconds, abs=0.011)
    assert nats.max() > 10.0
    assert nats[np.abs(LAGS - lag_seconds) > 0.1].max() < 0.3 * nats.max()


def test_a_short_shot_is_found_far_inside_a_long_recording():
    flux = world(2)
    lags = np.arange(0.0, 36.0, 0.02)
    nats = curve(heard(flux, 23.4, 5.0), heard(flux, 0.0, 40.0, noise=0.1), lags)
    assert lags[nats.argmax()] == pytest.approx(23.4, abs=0.011)


def test_the_clocks_of_both_sides_count():
    flux = world(3)
    nats = curve(heard(flux, 10.0, 5.0, start_seconds=1.0), heard(flux, 10.0, 5.0, start_seconds=1.3))
    assert LAGS[nats.argmax()] == pytest.approx(0.3, abs=0.011)


def test_every_camera_prefers_its_own_recording():
    worlds = [world(seed) for seed in range(5)]
    videos = [camera(heard(flux, 10.0, 5.0, noise=0.1)) for flux in worlds]
    audios = [heard(flux, 9.7, 6.0, noise=0.1, seed=9) for flux in worlds]
    best = ScratchCue().curves(videos, audios, LAGS).nats.max(axis=2)
    assert best.diagonal().min() > 3.0 * best[~np.eye(5, dtype=bool)].max()


def test_beyond_the_overlap_there_is_no_evidence():
    flux = world(4)
    lags = np.array([-20.0, -4.6, 0.0, 4.6, 20.0])
    nats = curve(heard(flux, 10.0, 5.0), heard(flux, 10.0, 5.0), lags)
    assert nats[2] > 15.0
    assert not nats[[0, 1, 3, 4]].any()


def test_it_abstains_and_says_why():
    flux = world(5)
    good = heard(flux, 10.0, 5.0)
    silent, brief = heard(flux, 10.0, 5.0, peak=0.0), heard(flux, 10.0, 0.4)
    curves = ScratchCue().curves([camera(None), camera(silent), camera(brief), camera(good)], [good, silent], LAGS)
    assert curves.video_reasons == ("no_audio", "silence", "too_short", None)
    assert curves.audio_reasons == (None, "silence")
    speaking = np.abs(curves.nats).sum(axis=2) > 0
    np.testing.assert_array_equal(speaking, [[False, False]] * 3 + [[True, False]])
