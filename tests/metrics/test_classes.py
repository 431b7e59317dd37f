"""Top-k, its mean over classes, confusions."""

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.metrics.classes import Mistake, commonest_mistakes, macro_mean, top_k_hits

SCORES = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 2.0, 0.0], [3.0, 2.0, 1.0]])
LABEL = np.array([0, 0, 0, 1])


def test_top_k_by_hand_ties_against_the_system():
    assert top_k_hits(SCORES, LABEL, 1).tolist() == [True, False, False, False]
    assert top_k_hits(SCORES, LABEL, 2).tolist() == [True, False, True, True]
    assert top_k_hits(SCORES, LABEL, 3).all()


def test_scores_that_are_no_numbers_are_wrong():
    assert not top_k_hits(np.full((3, 4), np.nan), np.array([0, 1, 2]), 1).any()
    assert not top_k_hits(np.full((3, 4), np.nan), np.array([0, 1, 2]), 3).any()


def test_labels_beyond_the_scores_are_refused():
    with pytest.raises(UsageError, match=r"labels must lie in 0…2, got 0…3"):
        top_k_hits(SCORES, np.array([0, 1, 2, 3]), 1)


def test_a_rare_class_weighs_like_the_others():
    assert macro_mean(np.array([True, True, True, False]), np.array([4, 4, 4, 7])) == 0.5


def test_the_commonest_mistakes_come_first():
    scores = np.eye(3)[[1, 1, 2, 0]]
    label = np.array([0, 0, 0, 2])
    found = commonest_mistakes(scores, label, "abc", 2)
    assert found == (Mistake("a", "b", 2, 3), Mistake("a", "c", 1, 3))
    assert commonest_mistakes(np.eye(3)[label], label, "abc", 5) == ()
