"""Sums of products at every lag, against the sum written out."""

import numpy as np
import pytest

from avmatch.cues import synchrony as sliding
from avmatch.cues.synchrony import Stream, sliding_products


def streams(rng, num, shortest, longest):
    lengths = rng.integers(shortest, longest, num)
    return [
        Stream(rng.normal(size=(length, 5)).astype(np.float32), int(begin))
        for length, begin in zip(lengths, rng.integers(-20, 20, num), strict=True)
    ]


def written_out(video, audio, lag):
    begin, end = max(video.begin, audio.begin - lag), min(video.end, audio.end - lag)
    if end <= begin:
        return 0.0
    seen = video.vectors[begin - video.begin : end - video.begin]
    return float((seen * audio.vectors[begin + lag - audio.begin : end + lag - audio.begin]).sum())


@pytest.mark.parametrize(("shortest", "longest"), [(1, 12), (60, 200)])
@pytest.mark.parametrize("lags", [(-30, 40), (0, 0), (25, 60), (-300, -290)])
def test_every_lag_of_every_pair(monkeypatch, shortest, longest, lags):
    monkeypatch.setattr(sliding, "BLOCK_TICKS", 32)
    monkeypatch.setattr(sliding, "STREAMS", 2)
    rng = np.random.default_rng(longest)
    videos, audios = streams(rng, 5, shortest, longest), streams(rng, 3, shortest, longest)
    found = sliding_products(videos, audios, *lags)
    wanted = [
        [[written_out(video, audio, lag) for lag in range(lags[0], lags[1] + 1)] for audio in audios]
        for video in videos
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_nothing_gives_nothing():
    assert sliding_products([], [], -1, 1).shape == (0, 0, 3)
    some = streams(np.random.default_rng(0), 2, 3, 9)
    assert sliding_products(some, [], -1, 1).shape == (2, 0, 3)
