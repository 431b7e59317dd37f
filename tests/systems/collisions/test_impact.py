"""Canonical correlation as evidence: against the Gaussian it comes from; what it does with negatives and classes."""

import json

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from avmatch.systems.collisions.cue import Fusion, ImpactCue, damped, fit_fusion, fit_impact_cue
from avmatch.systems.collisions.matching import Certainty, ImpactScorer


def impacts(num=1500, seed=0, classes=3):
    """Videos (5 cues) and sounds (4) that share two numbers, around means that differ by class."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=num)
    shared = rng.normal(0, 1, (num, 2))
    film = np.concatenate([shared, rng.normal(0, 1, (num, 3))], axis=1) + 5 * label[:, None]
    turned = shared @ np.array([[1.0, 0.5], [-0.5, 1.0]])
    sound = np.concatenate([turned + rng.normal(0, 0.3, (num, 2)), rng.normal(0, 9, (num, 2))], axis=1) - label[:, None]
    return film, sound, label


def fitted(seed=0, **settings):
    film, sound, label = impacts(seed=seed)
    held = np.arange(len(label)) % 5 == 0
    return fit_impact_cue(film, sound, label, held, 3, **settings)


def test_the_evidence_is_the_gaussian_likelihood_ratio():
    one, rho = np.eye(1), 0.8
    cue = ImpactCue(np.zeros((1, 1)), np.zeros((1, 1)), one, one, np.array([rho]))
    x, y = np.array([[0.3], [-1.2]]), np.array([[0.5], [1.0], [-2.0]])
    joint = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    expected = [[joint.logpdf([a, b]) - norm.logpdf(a) - norm.logpdf(b) for (b,) in y] for (a,) in x]
    np.testing.assert_allclose(cue.nats(x, y, 0), expected)


def test_what_is_shared_is_found_and_what_is_not_counts_nothing():
    cue = fitted(num_pairs=4, ridge=0.01)
    # cov(s, t) / √(var s · var t) with t = s·R + noise: √(1.25 / (1.25 + 0.09))
    np.testing.assert_allclose(cue.correlation[:2], np.sqrt(1.25 / 1.34), atol=0.02)
    assert cue.correlation[2:].max() < 0.15


def test_positives_score_and_negatives_lose_whatever_their_class():
    cue = fitted()
    film, sound, label = impacts(num=300, seed=1)
    for one in range(3):
        rows = np.flatnonzero(label == one)
        nats = cue.nats(film[rows], sound[rows], one)
        own, others = np.diagonal(nats), nats[~np.eye(len(rows), dtype=bool)]
        assert np.median(own) > 1.5
        assert np.median(others) < -5
        # E[likelihood ratio] over negatives is 1.
        assert np.exp(others).mean() == pytest.approx(1, abs=0.4)


def test_a_fit_is_kept_as_json():
    cue = fitted()
    film, sound, _ = impacts(num=4, seed=2)
    sure = Certainty(1.0, 0.0)
    again = ImpactScorer.from_json(json.loads(json.dumps(ImpactScorer(sure, sure, cue, ()).to_json()))).cue
    np.testing.assert_array_equal(again.nats(film, sound, 1), cue.nats(film, sound, 1))


def test_a_class_without_impacts_takes_the_mean_of_all():
    film, sound, label = impacts()
    cue = fit_impact_cue(film, sound, label, np.arange(len(label)) % 2 == 0, 5)
    np.testing.assert_allclose(cue.film_mean[4], film[1::2].mean(axis=0))


def test_fusion_is_a_likelihood_ratio_and_knows_what_helps():
    rng = np.random.default_rng(0)
    is_pair = np.arange(6000) < 1000  # few pairs: their number mustn't matter
    distance = np.where(is_pair, rng.normal(1, 1, 6000), rng.normal(3, 1, 6000))
    fusion = fit_fusion(distance, rng.normal(0, 1, 6000), is_pair)
    # log N(d; 1, 1) / N(d; 3, 1) = 4 − 2 d
    assert (fusion.constant, fusion.by_distance) == pytest.approx((4, -2), abs=0.35)
    assert fusion.by_cue == pytest.approx(0, abs=0.1)


def test_distance_never_speaks_for_a_pair():
    rng = np.random.default_rng(0)
    is_pair = np.arange(400) < 200
    assert fit_fusion(np.where(is_pair, 3.0, 1.0) + rng.normal(0, 1, 400), np.zeros(400), is_pair).by_distance == 0


@pytest.mark.parametrize("is_pair", [True, False])
def test_positives_alone_and_negatives_alone_count_nothing(is_pair):
    """No mask anywhere, or one held-back impact a class."""
    assert fit_fusion(np.ones(3), np.ones(3), np.full(3, is_pair)) == Fusion(0.0, 0.0, 0.0)


def test_outliers_are_damped_below_and_left_above():
    assert damped(np.array([-1000.0, -0.1, 0.0, 7.0])) == pytest.approx([-10, -0.1, 0, 7], abs=1e-4)
    assert Fusion(1.0, -2.0, 0.5).nats(np.array([0.5]), np.array([4.0])) == pytest.approx([2.0])
