"""Large galleries: what leads is on the shortlist and scored exactly, and the rest nearly."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves, RoughCue, TimelessCue
from avmatch.cues.recording import DurationCue
from avmatch.matching import shortlist
from avmatch.matching.decision import confidences
from avmatch.matching.fusion import any_offset, fused_scores, usual_offsets

LAGS = np.arange(-25, 26) * 0.02
NUM = 40
WEIGHTED = Calibration(weight=0.8)


@dataclass(frozen=True)
class PeakCue:
    """A peak of evidence for each pair, found by durations: `heights` (N, M) nats at `seconds` (N, M).

    Its rough form is off by `error` of the height; what was asked of the exact one is counted in `pairs_asked`.
    """

    heights: np.ndarray
    seconds: np.ndarray
    error: float = 0.0
    is_rough: bool = False
    pairs_asked: list = None
    name: str = "peak"
    calibration: Calibration = WEIGHTED

    def rough(self, audios, lags_seconds):
        return shortlist.WholeCue(replace(self, is_rough=True), lags_seconds)

    def curves(self, videos, audios, lags_seconds):
        pick = np.ix_(
            [round(item.duration_seconds) for item in videos], [round(item.duration_seconds) for item in audios]
        )
        gaps = (lags_seconds - self.seconds[pick][..., None]) / 0.06
        height = self.heights[pick][..., None] * (1.0 - self.error * self.is_rough)
        if not self.is_rough and self.pairs_asked is not None:
            self.pairs_asked.append(len(videos) * len(audios))
        nats = (height * np.exp(-0.5 * gaps**2)).astype(np.float32)
        return Curves(nats, (None,) * len(videos), (None,) * len(audios))


def gallery(num_videos=NUM, num_audio=NUM, seed=0, **options):
    """Cues, and files of which the n-th belongs to the n-th; a few have no match."""
    rng = np.random.default_rng(seed)
    heights = rng.gamma(1.0, 0.5, (num_videos, num_audio))
    both = np.arange(min(num_videos, num_audio))
    heights[both, both] += rng.choice([0.0, 4.0, 9.0], len(both))
    cues = (PeakCue(heights, rng.uniform(-0.4, 0.4, heights.shape), **options), DurationCue())
    videos = [VideoFeatures(0.0, np.zeros((1, 1, 1)), (), 25.0, float(n)) for n in range(num_videos)]
    return (
        cues,
        videos,
        [AudioFeatures(0.0, np.zeros((1, 1)), np.zeros((1, 1)), float(n), 1.0) for n in range(num_audio)],
    )


def both_scores(monkeypatch, prior=usual_offsets, **options):
    files = gallery(**options)
    dense = fused_scores(*files, LAGS, prior(LAGS))
    monkeypatch.setattr(shortlist, "USUAL_FILES", 3)
    monkeypatch.setattr(shortlist, "MOST", 12)
    return dense, shortlist.gallery_scores(*files, LAGS, prior(LAGS))


def test_usual_galleries_are_scored_exactly():
    files = gallery(error=0.5)
    dense, found = (
        fused_scores(*files, LAGS, usual_offsets(LAGS)),
        shortlist.gallery_scores(*files, LAGS, usual_offsets(LAGS)),
    )
    for name in ("nats", "offset_seconds", "deciding", "parts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(dense, name))


@pytest.mark.parametrize("prior", [usual_offsets, any_offset])
@pytest.mark.parametrize(("num_videos", "num_audio"), [(NUM, NUM), (NUM, 17), (9, NUM)])
def test_what_leads_is_scored_exactly(monkeypatch, prior, num_videos, num_audio):
    shape = {"num_videos": num_videos, "num_audio": num_audio}
    dense, found = both_scores(monkeypatch, prior, error=0.2, **shape)
    for rows, columns in (
        (np.arange(num_videos), dense.nats.argmax(axis=1)),
        (dense.nats.argmax(axis=0), np.arange(num_audio)),
    ):
        np.testing.assert_allclose(found.nats[rows, columns], dense.nats[rows, columns], rtol=1e-5)
        np.testing.assert_allclose(found.offset_seconds[rows, columns], dense.offset_seconds[rows, columns], atol=1e-6)
        np.testing.assert_array_equal(found.deciding[rows, columns], dense.deciding[rows, columns])
        np.testing.assert_allclose(found.parts[:, rows, columns], dense.parts[:, rows, columns], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.nats.argmax(axis=1), dense.nats.argmax(axis=1))
    np.testing.assert_array_equal(found.nats.argmax(axis=0), dense.nats.argmax(axis=0))


def test_the_rest_is_nearly_right_and_so_are_confidences(monkeypatch):
    dense, found = both_scores(monkeypatch, error=0.05)
    assert np.abs(found.nats - dense.nats).max() > 1e-4  # else nothing was left out
    np.testing.assert_allclose(np.median(found.nats, axis=1), np.median(dense.nats, axis=1), atol=0.1)
    best = (np.arange(NUM), dense.nats.argmax(axis=1))
    np.testing.assert_allclose(confidences(found.nats)[best], confidences(dense.nats)[best], atol=0.03)


def test_few_pairs_are_asked_for_exactly(monkeypatch):
    asked = []
    files = gallery(pairs_asked=asked)
    monkeypatch.setattr(shortlist, "USUAL_FILES", 3)
    monkeypatch.setattr(shortlist, "MOST", 5)
    shortlist.gallery_scores(*files, LAGS, usual_offsets(LAGS))
    assert shortlist.FEWEST * NUM <= sum(asked) <= 2 * 5 * NUM


def test_progress_ends_at_the_total(monkeypatch):
    reports = []
    monkeypatch.setattr(shortlist, "USUAL_FILES", 3)
    shortlist.gallery_scores(*gallery(), LAGS, usual_offsets(LAGS), progress=lambda *report: reports.append(report))
    for stage in ("sounds", "pictures", "pairs", "leaders"):
        done = [(so_far, total) for name, so_far, total in reports if name == stage]
        assert done
        assert done[-1][0] == done[-1][1]


@given(
    st.integers(1, 200).map(lambda half: np.arange(-half, half + 1) * 0.02),
    st.sampled_from([usual_offsets, any_offset]),
)
def test_thinned_offsets_keep_the_middle_and_all_of_the_prior(lags, prior):
    some, log_prior = shortlist.thinned_offsets(lags, prior(lags))
    assert 0.0 in some
    assert len(some) <= len(lags) // shortlist.STRIDE + 1
    assert logsumexp(log_prior) == pytest.approx(0.0, abs=1e-9)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_best_of_each_row_and_column_is_listed_and_not_too_many_are(num_videos, num_audio, seed):
    nats = np.random.default_rng(seed).normal(size=(num_videos, num_audio)).astype(np.float32)
    listed = shortlist.shortlist(nats)
    assert listed[np.arange(num_videos), nats.argmax(axis=1)].all()
    assert listed[nats.argmax(axis=0), np.arange(num_audio)].all()
    assert (listed.sum(axis=1) >= min(shortlist.FEWEST, num_audio)).all()


def test_where_nothing_leads_no_more_than_the_most_are_listed(monkeypatch):
    monkeypatch.setattr(shortlist, "MOST", 6)
    listed = shortlist.shortlist(np.zeros((50, 80), np.float32))
    assert listed.sum() <= 6 * (50 + 80)


def test_what_is_the_same_at_every_offset_says_so():
    assert isinstance(DurationCue(), TimelessCue)
    assert not isinstance(gallery()[0][0], TimelessCue)
    assert isinstance(gallery()[0][0], RoughCue)
