"""Class, distance and cues in one score: doubtful classes, one assignment against two stages, thresholds."""

import numpy as np
import pytest

from avmatch.systems.collisions.cue import Fusion, ImpactCue
from avmatch.systems.collisions.matching import (
    Certainty,
    Impacts,
    ImpactScorer,
    KnownImpacts,
    fit_certainty,
    fit_scorer,
    fit_threshold,
    partners,
)

SURE = Certainty(1.0, 0.01)
NO_CUE = ImpactCue(np.zeros((2, 1)), np.zeros((2, 1)), np.ones((1, 1)), np.ones((1, 1)), np.zeros(1))
BY_DISTANCE = ImpactScorer(SURE, SURE, NO_CUE, (Fusion(0.0, -1.0, 0.0),))


def impacts_of(film_logits, sound_logits, distance, is_seen=None):
    film, sound = np.array(film_logits, float), np.array(sound_logits, float)
    shown = np.ones(len(film), bool) if is_seen is None else np.array(is_seen)
    cues = np.zeros((len(film), 1)), np.zeros((len(sound), 1))
    return Impacts(film, sound, *cues, shown, np.array(distance, float)[None])


def test_posteriors_are_tempered_and_never_quite_sure():
    posterior = np.exp(Certainty(2.0, 0.02).log_posterior(np.array([[8.0, 0.0]])))
    assert posterior.sum() == pytest.approx(1)
    assert posterior[0, 1] == pytest.approx(0.98 / (1 + np.exp(4)) + 0.01)


def test_the_score_is_the_sum_over_the_classes():
    impacts = impacts_of([[2.0, 0.0]], [[0.0, 1.0]], [[0.7]])
    film, sound = (np.exp(SURE.log_posterior(np.array([row]))) for row in ([2.0, 0.0], [0.0, 1.0]))
    expected = np.log((film * sound * 2).sum() * np.exp(-0.7))
    assert BY_DISTANCE.scores(impacts)[0, 0] == pytest.approx(expected)


def test_metrics_of_classes_are_weighed_by_the_class():
    impacts = impacts_of([[9.0, 0.0]], [[9.0, 0.0]], [[0.0]])
    impacts = Impacts(*(list(vars(impacts).values())[:5]), np.array([[[1.0]], [[50.0]]]))
    scorer = ImpactScorer(SURE, SURE, NO_CUE, (Fusion(0.0, -1.0, 0.0), Fusion(0.0, -1.0, 0.0)))
    assert scorer.scores(impacts)[0, 0] == pytest.approx(np.log(2) - 1, abs=0.05)


def test_one_assignment_corrects_a_first_stage_mistake():
    """Video 1 looks a little more like class 0, but its sound is of class 1, and near."""
    impacts = impacts_of([[9, 0], [0.4, 0], [9, 0]], [[9, 0], [0, 9], [9, 0]], [[0, 4, 5], [3.8, 0, 3.9], [5, 4, 0.0]])
    assert partners(BY_DISTANCE.scores(impacts), complete=True).tolist() == [0, 1, 2]
    two = BY_DISTANCE.two_stage(impacts, complete=True).tolist()
    assert sorted(two) == [0, 1, 2]
    crowded = impacts_of([[9, 0], [0.4, 0]], [[0, 9], [9, 0]], [[9, 1.0], [0, 0.5]])
    assert BY_DISTANCE.two_stage(crowded, complete=True).tolist() == [0, 1]
    assert partners(BY_DISTANCE.scores(crowded), complete=True).tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3), (3, 2)])
def test_sides_of_any_size(shape):
    videos, sounds = shape
    impacts = impacts_of(np.zeros((videos, 2)), np.zeros((sounds, 2)), np.ones(shape))
    scores = BY_DISTANCE.scores(impacts)
    for found in (partners(scores, complete=True), BY_DISTANCE.two_stage(impacts, complete=True)):
        assert len(found) == videos
        assert len(set(found[found >= 0])) == (found >= 0).sum() == min(shape)


def test_what_scores_too_little_stays_alone():
    nats = np.array([[5.0, -1.0, 0.0], [-2.0, 1.9, 0.5]])
    assert partners(nats, complete=False, threshold_nats=2.0).tolist() == [0, -1]
    assert partners(nats, complete=False, threshold_nats=1.0).tolist() == [0, 1]
    assert partners(nats, complete=True, threshold_nats=9.0).tolist() == [0, 1]


def test_scores_far_above_the_threshold_still_differ():
    assert partners(np.array([[60.0, 80.0], [30.0, 40.0]]), complete=False).tolist() == [1, 0]


def test_films_without_masks_go_by_their_class_alone():
    impacts = impacts_of([[9, 0], [9, 0]], [[9, 0], [0, 9]], [[100.0, 100.0], [1, 1]], [False, True])
    scores = BY_DISTANCE.scores(impacts)
    assert scores[0, 0] == pytest.approx(np.log(2), abs=0.05)
    assert scores[0, 1] < -3


def test_the_floor_is_how_often_a_classifier_errs():
    label = np.arange(100) % 2
    logits = np.eye(2)[label] * 6
    assert fit_certainty(logits, label).floor == pytest.approx(0.5 / 101)
    logits[:10] = logits[:10, ::-1]
    found = fit_certainty(logits, label)
    assert found.floor == pytest.approx(10.5 / 101)
    assert found.temperature > 2  # 6 nats are too sure for a tenth of errors


def test_the_threshold_lies_between_pairs_and_negatives():
    rng = np.random.default_rng(0)
    nats = rng.normal(-3, 0.5, (60, 60))
    nats[np.eye(60, dtype=bool)] = rng.normal(6, 0.5, 60)
    assert -2 < fit_threshold([nats], 0.3) < 5
    closer = np.where(np.eye(60, dtype=bool), nats - 6, nats)
    assert -2 < fit_threshold([nats, closer], 0.3) < 0


def test_cues_that_noise_takes_away_are_not_relied_on():
    """Two of the three shared numbers are lost in noise; who knows that goes by the third."""
    rng = np.random.default_rng(0)
    label, held = np.zeros(300, int), np.arange(300) % 3 == 0
    film = rng.normal(0, 1, (300, 3))
    sound = film + rng.normal(0, 0.1, (300, 3))
    noisy = np.concatenate([rng.normal(0, 2, (300, 2)), sound[:, 2:]], axis=1)
    none = np.zeros((100, 1))
    impacts = Impacts(none, none, film[held], sound[held], np.ones(100, bool), np.zeros((1, 100, 100)))
    right = {}
    for name, copies in (("clean", sound), ("both", noisy)):
        scorer = fit_scorer(KnownImpacts(label, film, sound, copies, held, impacts, impacts), alone_share=0.3)
        found = partners(scorer.cue.nats(film[held][:20], noisy[held][:20], 0), complete=True)
        right[name] = (found == np.arange(20)).mean()
    assert right["both"] > 2 * right["clean"]


def test_everything_is_fitted_on_what_was_held_back():
    """Videos and sounds share a number inside each class; towers and classifiers are right, too, but less."""
    rng = np.random.default_rng(0)
    label = np.arange(400) % 4
    shared = rng.normal(0, 1, (400, 3))
    film, sound = (np.concatenate([shared, rng.normal(0, 1, (400, 2))], 1) + rng.normal(0, 0.1, (400, 5)) for _ in "ab")
    held = np.arange(400) % 5 < 1
    rows = np.flatnonzero(held)
    logits = 6 * np.eye(4)[label[rows]]
    distance = np.abs(shared[rows, None, 0] - shared[None, rows, 0]) + rng.normal(0, 0.3, (80, 80))
    impacts = Impacts(logits, logits, film[rows], sound[rows], np.ones(80, bool), np.abs(distance)[None])
    known = KnownImpacts(label, film, sound, sound, held, impacts, impacts)
    right = {}
    for use in ((True, True), (True, False), (False, True)):
        scorer = fit_scorer(known, alone_share=0.3, use_distance=use[0], use_cue=use[1])
        right[use] = (partners(scorer.scores(impacts), complete=True) == np.arange(80)).mean()
        again = ImpactScorer.from_json(scorer.to_json())
        np.testing.assert_allclose(again.scores(impacts), scorer.scores(impacts))
    assert right[True, True] > 0.95
    assert right[True, False] < right[False, True] <= right[True, True] + 0.03
    with pytest.raises(KeyError, match="film_class"):
        ImpactScorer.from_json({})
