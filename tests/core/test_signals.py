"""Decoded sound and picture, and features, check what they are given and print shapes."""

import jaxtyping
import numpy as np
import pytest

from avmatch.core.features import AudioFeatures, AudioSamples, Embeddings, MouthTrack, VideoFeatures, VideoFrames


@pytest.fixture
def unchecked_types():
    """As outside the tests, where nothing but the nouns themselves looks at shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_sound_knows_how_long_it_lasts():
    samples = AudioSamples(zeros(2, 24000), 48000, pts_seconds=1.5)
    assert samples.duration_seconds == 0.5
    assert repr(samples) == "AudioSamples(data: (2, 24000) float32, sample_rate_hz: 48000, pts_seconds: 1.500)"


def test_frames_are_counted_and_printed():
    frames = VideoFrames(np.zeros((3, 4, 6), np.uint8), np.arange(3) / 25)
    assert len(frames) == 3
    assert repr(frames) == "VideoFrames(data: (3, 4, 6) uint8)"


def test_features_print_their_shapes():
    audio = AudioFeatures(0.0, zeros(100, 8), zeros(100, 8), duration_seconds=1.0, peak=0.5)
    assert repr(audio) == "AudioFeatures(bands: (100, 8), duration_seconds: 1.00)"
    track = MouthTrack(np.arange(5) / 25, zeros(5, 4), zeros(5, 3))
    assert len(track) == 5
    video = VideoFeatures(0.02, zeros(25, 4, 64), (track,), fps=25.0, duration_seconds=1.0)
    assert repr(video) == "VideoFeatures(motion: (25, 4, 64), 1 mouths, fps: 25.00, duration_seconds: 1.00)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AudioSamples(zeros(5), 16000), r"must be \(channels, samples\), got shape \(5,\)"),
        (lambda: AudioSamples(zeros(1, 5), 0), r"sample_rate_hz must be positive, got 0"),
        (
            lambda: VideoFrames(np.zeros((4, 4), np.uint8), np.zeros(4)),
            r"must be \(frames, height, width\), got shape \(4, 4\)",
        ),
        (lambda: VideoFrames(np.zeros((3, 4, 4), np.uint8), np.zeros(2)), r"3 frames but \(2,\) times"),
        (
            lambda: MouthTrack(np.zeros(3), zeros(3, 2), zeros(3, 3)),
            r"3 times, but boxes \(3, 2\) and signals \(3, 3\)",
        ),
        (
            lambda: MouthTrack(np.zeros(3), zeros(3, 4), zeros(2, 3)),
            r"3 times, but boxes \(3, 4\) and signals \(2, 3\)",
        ),
        (lambda: Embeddings(zeros(3), 25.0), r"must be \(ticks, dimensions\), got shape \(3,\)"),
        (
            lambda: AudioFeatures(0.0, zeros(3, 8), zeros(2, 8), 0.1, 0.0),
            r"flux \(3, 8\) and level \(2, 8\) must be equal \(ticks, bands\)",
        ),
        (
            lambda: AudioFeatures(0.0, zeros(3, 8), zeros(3, 8), 0.1, 0.0, spectrum=zeros(2, 16)),
            r"3 ticks, but spectrum \(2, 16\)",
        ),
        (
            lambda: VideoFeatures(0.0, zeros(3, 64), (), 25.0, 0.1),
            r"motion must be \(ticks, channels, cells\), got shape \(3, 64\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(unchecked_types, build, message):
    with pytest.raises(ValueError, match=message):
        build()
