"""Fusion: pieces give the same answer as the whole, peaks are refined, priors are probabilities."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import logsumexp

from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves
from avmatch.matching import fusion
from avmatch.matching.fusion import any_offset, fused_scores, refined_peaks, usual_offsets, with_evidence

LAGS = np.arange(-25, 26) * 0.02
PLAIN = Calibration()


def video(number):
    """A video that a fake cue recognises by its duration."""
    return VideoFeatures(0.0, np.zeros((1, 1, 1)), (), 25.0, float(number))


def audio(number):
    return AudioFeatures(0.0, np.zeros((1, 1)), np.zeros((1, 1)), float(number), 1.0)


@dataclass(frozen=True)
class BumpCue:
    """A bump of evidence for each pair: `heights` (N, M) nats, `seconds` (N, M) where."""

    heights: np.ndarray
    seconds: np.ndarray
    name: str = "bump"
    calibration: Calibration = PLAIN

    def curves(self, videos, audios, lags_seconds):
        pick = np.ix_([int(item.duration_seconds) for item in videos], [int(item.duration_seconds) for item in audios])
        gaps = (lags_seconds - self.seconds[pick][..., None]) / 0.05
        nats = (self.heights[pick][..., None] * (1.0 - 0.5 * gaps**2)).clip(-1.0).astype(np.float32)
        return Curves(nats, (None,) * len(videos), (None,) * len(audios))


def bumps(num_videos, num_audio, *, seed=0, name="bump", weight=1.0):
    rng = np.random.default_rng(seed)
    shape = (num_videos, num_audio)
    return BumpCue(rng.uniform(1, 9, shape), rng.uniform(-0.4, 0.4, shape), name, Calibration(weight=weight))


def fused(cues, num_videos, num_audio, lags=LAGS, prior=any_offset, **options):
    videos, audios = [video(n) for n in range(num_videos)], [audio(n) for n in range(num_audio)]
    return fused_scores(cues, videos, audios, lags, prior(lags), **options)


@pytest.mark.parametrize("prior", [usual_offsets, any_offset])
@pytest.mark.parametrize("lags", [LAGS, np.arange(-25, 2500) / 25, np.zeros(1)])
def test_priors_are_probabilities(prior, lags):
    assert logsumexp(prior(lags)) == pytest.approx(0.0, abs=1e-9)


def test_half_of_the_usual_prior_lies_around_zero_and_the_rest_anywhere():
    prior = np.exp(usual_offsets(LAGS))
    assert 0.5 < prior[np.abs(LAGS) <= 0.1].sum() < 0.7
    assert prior.min() > 0.4 / len(LAGS)
    np.testing.assert_allclose(prior, prior[::-1])


@pytest.mark.parametrize("prior", [usual_offsets, any_offset])
@pytest.mark.parametrize(("block_values", "chunk_lags"), [(1, 51), (10**9, 7), (300, 16), (1, 1)])
def test_blocks_and_chunks_give_the_answer_of_one_piece(monkeypatch, prior, block_values, chunk_lags):
    cues = [bumps(5, 4), bumps(5, 4, seed=1, name="other", weight=0.5)]
    whole = fused(cues, 5, 4, prior=prior)
    monkeypatch.setattr(fusion, "BLOCK_VALUES", block_values)
    monkeypatch.setattr(fusion, "CHUNK_LAGS", chunk_lags)
    pieces = fused(cues, 5, 4, prior=prior)
    np.testing.assert_allclose(pieces.nats, whole.nats, rtol=1e-5)
    np.testing.assert_array_equal(pieces.deciding, whole.deciding)
    # The parabola has no neighbours across the edge of a chunk: up to half a step is lost there.
    np.testing.assert_allclose(pieces.offset_seconds, whole.offset_seconds, atol=0.0101)


def test_a_score_is_the_evidence_with_the_offset_averaged_out():
    cue = bumps(3, 2)
    curves = cue.curves([video(n) for n in range(3)], [audio(n) for n in range(2)], LAGS).nats
    expected = np.log((np.exp(curves) * np.exp(usual_offsets(LAGS))).sum(axis=2))
    np.testing.assert_allclose(fused([cue], 3, 2, prior=usual_offsets).nats, expected, rtol=1e-5)


def test_offsets_are_found_between_the_steps():
    cue = BumpCue(np.full((2, 2), 8.0), np.array([[0.123, -0.087], [0.0, 0.309]]))
    np.testing.assert_allclose(fused([cue], 2, 2).offset_seconds, cue.seconds, atol=1e-3)


@pytest.mark.parametrize(("seconds", "share"), [((0.5, 0.52), 1.0), ((-2.0, 2.0), 0.5)])
@pytest.mark.parametrize("chunk_lags", [40, 10_000])
def test_how_much_of_the_probability_lies_around_the_offset(monkeypatch, chunk_lags, seconds, share):
    monkeypatch.setattr(fusion, "CHUNK_LAGS", chunk_lags)
    cues = [BumpCue(np.array([[12.0]]), np.array([[second]])) for second in seconds]

    @dataclass(frozen=True)
    class Either(BumpCue):
        def curves(self, videos, audios, lags_seconds):
            first, second = (cue.curves(videos, audios, lags_seconds) for cue in cues)
            return Curves(np.maximum(first.nats, second.nats), first.video_reasons, first.audio_reasons)

    scores = fused([Either(cues[0].heights, cues[0].seconds)], 1, 1, lags=np.arange(-150, 151) * 0.02)
    assert scores.place_share[0, 0] == pytest.approx(share, abs=0.02)


def test_cues_must_agree_on_when():
    """Two cues that peak together beat two higher ones that peak apart."""
    first = BumpCue(np.array([[4.0, 5.0]]), np.array([[0.1, 0.3]]))
    second = BumpCue(np.array([[4.0, 5.0]]), np.array([[0.1, -0.3]]), "second")
    nats = fused([first, second], 1, 2).nats[0]
    assert nats[0] > nats[1] + 1.0


def test_a_weight_multiplies_nats():
    cue = bumps(2, 2, weight=0.5)
    halved = BumpCue(cue.heights, cue.seconds)
    curves = 0.5 * halved.curves([video(n) for n in range(2)], [audio(n) for n in range(2)], LAGS).nats
    expected = logsumexp(curves + any_offset(LAGS), axis=2)
    np.testing.assert_allclose(fused([cue], 2, 2).nats, expected, rtol=1e-5)


def test_the_deciding_cue_is_the_one_that_contributed_most_at_the_offset():
    where = np.full((1, 3), 0.1)
    first = BumpCue(np.array([[6.0, 2.0, 0.0]]), where, "first")
    second = BumpCue(np.array([[2.0, 6.0, 0.0]]), where, "second")
    scores = fused([first, second], 1, 3)
    np.testing.assert_array_equal(scores.deciding, [[0, 1, -1]])
    assert scores.cue_names == ("first", "second")
    assert scores.nats[0, 2] == pytest.approx(0.0, abs=1e-5)  # where no cue can tell, the score is zero


def test_evidence_of_whole_clips_is_added_and_decides_where_it_says_most():
    before = fused([bumps(2, 2)], 2, 2)
    nats = np.array([[50.0, 0.5], [-50.0, 0.0]], np.float32)
    after = with_evidence(before, "kind", nats)
    np.testing.assert_allclose(after.nats, before.nats + nats)
    np.testing.assert_array_equal(after.parts, [*before.parts, nats])
    assert after.cue_names == ("bump", "kind")
    assert after.deciding.tolist() == [[1, 0], [0, 0]]
    np.testing.assert_array_equal(after.offset_seconds, before.offset_seconds)


@pytest.mark.parametrize(("num_videos", "num_audio"), [(0, 0), (0, 3), (3, 0)])
def test_an_empty_side_has_no_scores(num_videos, num_audio):
    scores = fused([bumps(3, 3)], num_videos, num_audio)
    assert scores.nats.shape == scores.offset_seconds.shape == scores.deciding.shape == (num_videos, num_audio)


def test_progress_counts_videos(monkeypatch):
    monkeypatch.setattr(fusion, "BLOCK_VALUES", 2 * 4 * len(LAGS))
    calls = []
    fused([bumps(5, 4)], 5, 4, progress=lambda _, done, total: calls.append((done, total)))
    assert calls == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("top", [-0.2, 0.003, 0.4789])
def test_the_parabola_finds_the_top_of_a_parabola(top):
    curves = (-((LAGS - top) ** 2) * 100).astype(np.float32)[None, None]
    assert refined_peaks(curves, curves.argmax(axis=2), LAGS)[0, 0] == pytest.approx(top, abs=1e-4)


@pytest.mark.parametrize("peak", [0, 30, len(LAGS) - 1])
def test_peaks_at_the_edge_and_flat_curves_aren_t_refined(peak):
    curves = (10 * LAGS if peak == len(LAGS) - 1 else -10 * LAGS if peak == 0 else 0 * LAGS).astype(np.float32)
    assert refined_peaks(curves[None, None], np.array([[peak]]), LAGS)[0, 0] == pytest.approx(LAGS[peak])
