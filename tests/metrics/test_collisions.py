"""Scores of the three tasks, against scikit-learn."""

import numpy as np
import pytest
from collision_scores import AloneScore, alone_score, hits
from sklearn.metrics import f1_score, precision_score, recall_score


def test_hits_count_in_the_truths_order_and_missing_answers_are_wrong():
    assert hits({"a": 1, "c": 3}, {"c": 3, "b": 2, "a": 0}).tolist() == [True, False, False]


def test_alone_is_scored_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    truth = {str(one): int(number) for one, number in enumerate(rng.integers(-1, 2, 200))}
    said = {str(one): int(number) for one, number in enumerate(rng.integers(-1, 2, 200))}
    expected, got = (np.array(list(side.values())) == -1 for side in (truth, said))
    found = alone_score(said, truth)
    assert found.f1 == pytest.approx(f1_score(expected, got))
    assert found.precision == pytest.approx(precision_score(expected, got))
    assert found.recall == pytest.approx(recall_score(expected, got))


def test_nobody_alone_gives_numbers():
    assert alone_score({"a": 0}, {"a": 0}) == AloneScore(0.0, 0.0, 0.0)
