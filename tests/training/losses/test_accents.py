"""Evidence of accents: the same as the cue's own arithmetic, highest at the right lag, with finite slopes."""

import numpy as np
import pytest
import torch

from avmatch.cues.synchrony import Series, audio_windows, correlation_nats, log_mean_exp, video_windows
from avmatch.systems.events.model import AccentEvidence

TICKS, SOURCES = 250, 3


def signals(seed, *shape):
    return np.random.default_rng(seed).normal(size=(*shape, TICKS)).astype(np.float32)


def test_it_is_what_the_cue_computes():
    sound = signals(1)
    video = 0.6 * sound + signals(2, SOURCES)
    priors = np.array([0.5, 0.3, 0.2])
    (window,) = video_windows(Series(0.02, 25.0, np.ascontiguousarray(video.T)))
    windows = audio_windows([Series(0.02, 25.0, sound[:, None])], 0, np.zeros(1))
    wanted = log_mean_exp(np.float32(0.3) * correlation_nats(window, windows), priors)[0, 0]
    evidence = AccentEvidence(1)
    with torch.no_grad():
        evidence.log_weights.zero_()
        found = evidence(
            torch.from_numpy(video)[None, :, None],
            torch.from_numpy(sound)[None, None],
            torch.from_numpy(np.log(priors)).float()[None],
        )
    assert found.shape == (1, 1, 1)
    assert float(found) == pytest.approx(float(wanted), rel=0.02)
    assert float(found) > 3.0


@pytest.mark.parametrize("lag", [-20, 0, 7])
def test_lags_are_distinguished(lag):
    sound = signals(3)
    begin = 25 + lag
    video = np.repeat(sound[None, begin : begin + 200], SOURCES, axis=0) + signals(4, SOURCES)[:, :200]
    prior = torch.full((1, SOURCES), -np.log(SOURCES)).float()
    found = AccentEvidence(2)(
        torch.from_numpy(video)[None, :, None].expand(1, SOURCES, 2, 200),
        torch.from_numpy(sound)[None, None].expand(1, 2, TICKS),
        prior,
    )
    assert found.shape == (1, 1, 51)
    # The first lag begins with the sound's first tick, 25 ticks early.
    assert int(found.argmax()) - 25 == lag


def test_matching_pairs_have_more_than_others_and_slopes_are_finite():
    sounds = signals(5, 4)
    videos = sounds[:, None] + 0.5 * signals(6, 4, SOURCES)
    pictures = torch.from_numpy(videos)[:, :, None].clone().requires_grad_()
    prior = torch.full((4, SOURCES), -np.log(SOURCES)).float()
    nats = AccentEvidence(1)(pictures, torch.from_numpy(sounds)[:, None], prior)[:, :, 0]
    assert (nats.argmax(dim=1) == torch.arange(4)).all()
    nats.sum().backward()
    assert torch.isfinite(pictures.grad).all()
    assert pictures.grad.abs().max() > 0


def test_silence_says_nothing():
    prior = torch.zeros(1, 1)
    nats = AccentEvidence(2)(torch.zeros(1, 1, 2, 100), torch.zeros(3, 2, 100), prior)
    torch.testing.assert_close(nats, torch.zeros(1, 3, 1))
