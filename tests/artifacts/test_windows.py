"""Encoders of stretches: frames by their times, samples at a rate of their own, what is left at the end."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avmatch.artifacts.encoder import Encoder, EncoderDescription
from avmatch.artifacts.model import Graph
from avmatch.artifacts.windows import FrameWindows, SampleWindows, reflected, spread, takes_stretches
from avmatch.core.features import AudioSamples, ColourFrames
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.media.decode import decode, decode_with_colour

RATE_HZ = 8000


class Means:
    """Stands for a session: the mean of each frame, or of the samples and their number; keeps what it was given."""

    def __init__(self, shape):
        self.shape, self.given = shape, []

    def get_inputs(self):
        return [SimpleNamespace(name="input", shape=self.shape)]

    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map={})

    def run(self, _, inputs):
        items = inputs["input"]
        self.given.append(items.shape)
        if items.ndim == 5:
            return [items.mean(axis=(2, 3, 4))]
        return [np.stack([items.mean(axis=1), np.full(len(items), items.shape[1])], axis=1).astype(np.float32)]


VIDEO = EncoderDescription(
    kind="semantic",
    model="m",
    side="video",
    input="colour",
    dim=4,
    side_px=6,
    fit="bilinear",
    num_frames=4,
    frame_seconds=0.5,
)
AUDIO = EncoderDescription(
    kind="semantic", model="m", side="audio", input="samples", dim=2, window=RATE_HZ, sample_rate_hz=RATE_HZ
)


def of(described):
    shape = ["n", described.num_frames, 3, 6, 6] if described.side == "video" else ["n", "s"]
    return Encoder(described, Graph(Path("video.onnx"), Means(shape), "0"))


def shown(windows, times):
    """Frames whose shade is ten times the number of seconds, as decode_with_colour picks them."""
    for seconds in times:
        windows.push(ColourFrames(np.full((1, 5, 8, 3), round(10 * seconds), np.uint8), np.array([seconds])))
    return windows.finish()


def test_frames_of_a_window_are_those_on_display():
    found = shown(FrameWindows(of(VIDEO)), [0.25, 0.76, 1.3, 1.75, 2.25, 4.3, 4.8])
    assert found.rate_hz == 0.5
    assert found.start_seconds == 1.0
    seconds = found.data.astype(np.float32) * 25.5
    np.testing.assert_allclose(seconds[0], [0.2, 0.8, 1.3, 1.8], atol=0.02)
    np.testing.assert_allclose(seconds[1], [2.2, 2.2, 2.2, 2.2], atol=0.02)  # it stays until the next comes
    np.testing.assert_allclose(seconds[2], [4.3, 4.3, 4.3, 4.8], atol=0.02)  # two of four, spread over the window
    assert len(found.data) == 3


def test_a_short_film_is_one_window_and_the_little_rest_of_a_long_one_none():
    assert shown(FrameWindows(of(VIDEO)), [0.3]).data.shape == (1, 4)
    assert shown(FrameWindows(of(VIDEO)), [0.3, 0.8, 1.3, 1.8, 2.3]).data.shape == (1, 4)
    assert FrameWindows(of(VIDEO)).finish() is None
    assert spread(7, 16) == [int(place * 6 / 15) for place in range(16)]


def pushed(described, num_samples):
    windows = SampleWindows(of(described))
    samples = np.linspace(-1, 1, num_samples, dtype=np.float32)[None]
    for begin in range(0, num_samples, 777):
        windows.push(AudioSamples(samples[:, begin : begin + 777], RATE_HZ, 1.0 + begin / RATE_HZ))
        windows.push(AudioSamples(np.ones((1, 50), np.float32), SAMPLE_RATE_HZ))  # everybody else's
    return windows.finish(), samples[0]


def test_windows_of_samples_follow_one_another_in_batches():
    found, samples = pushed(AUDIO, 40 * RATE_HZ + 100)
    assert found.start_seconds == 1.5
    assert found.rate_hz == 1.0
    wanted = samples[: 40 * RATE_HZ].reshape(40, RATE_HZ).mean(axis=1)
    np.testing.assert_allclose(found.data[:, 0], wanted, atol=1e-3)


def test_what_is_left_of_a_sound():
    assert pushed(AUDIO, RATE_HZ - 1)[0] is None
    short, samples = pushed(replace(AUDIO, hop_samples=100), 250)
    assert short.data[0, 1] == 300
    np.testing.assert_array_equal(reflected(samples, 100)[250:], samples[199:249][::-1])
    repeated, samples = pushed(replace(AUDIO, repeats=True), 3000)
    assert repeated.data.shape == (1, 2)
    assert repeated.data[0, 0] == pytest.approx(2 * samples.sum() / RATE_HZ, abs=1e-3)  # twice, and silence
    assert len(pushed(replace(AUDIO, repeats=True), 2 * RATE_HZ + 3000)[0].data) == 2
    assert len(pushed(replace(AUDIO, repeats=True), 2 * RATE_HZ + 5000)[0].data) == 3


def test_the_fingerprint_follows_the_preparation_and_stays_as_it_was():
    plain = replace(VIDEO, num_frames=1, frame_seconds=1.0, fit="area")
    assert of(plain).fingerprint == "0/colour/6/0"
    assert not takes_stretches(plain)
    assert takes_stretches(VIDEO)
    marks = {of(one).fingerprint for one in (plain, VIDEO, replace(VIDEO, frame_seconds=0.25), AUDIO)}
    assert len(marks) == 4


def test_a_preparation_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="fit is one of area, bilinear, bicubic"):
        replace(VIDEO, fit="lanczos")
    with pytest.raises(ValueError, match="log-mel is of 16000 Hz"):
        replace(AUDIO, input="logmel")


def test_one_pass_gives_a_sound_at_two_rates(media):
    """The first as ever, the second as if it were asked for alone."""
    path = media / "good.mp4"
    both = list(decode_with_colour(path, 0.5, also_hz=48000, colour_side_px=64))
    sounds = [block for block in both if isinstance(block, AudioSamples)]
    for rate_hz in (SAMPLE_RATE_HZ, 48000):
        alone = [one for one in decode(path, video=False, sample_rate_hz=rate_hz) if isinstance(one, AudioSamples)]
        mine = [one for one in sounds if one.sample_rate_hz == rate_hz]
        np.testing.assert_array_equal(*(np.concatenate([one.data for one in few], axis=1) for few in (mine, alone)))
        assert mine[0].pts_seconds == alone[0].pts_seconds
    frames = [block for block in both if isinstance(block, ColourFrames)]
    assert max(frames[0].data.shape) == 64
