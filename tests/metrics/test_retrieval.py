"""Ranks and recalls against hand-counted matrices, scipy's and scikit-learn's; ties, subsets, both directions."""

import json
import time
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hypergeom, rankdata
from sklearn.metrics import top_k_accuracy_score

from avmatch.core.errors import UsageError
from avmatch.metrics.retrieval import evaluate, recall_at, subset_recalls, true_ranks, validate

SMALL = np.array(
    [
        [0.9, 0.1, 0.2, 0.3],  # the true one is best: 1
        [0.8, 0.5, 0.5, 0.1],  # one better, one just as good: 3
        [0.1, 0.2, 0.3, 0.4],  # one better: 2
        [0.7, 0.6, 0.5, 0.4],  # all better: 4
    ]
)

# Few values, so that ties are common; -inf is one of them.
square_matrices = st.integers(1, 7).flatmap(
    lambda num: arrays(np.float64, (num, num), elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5, 1.0]))
)


def random_matrix(num, truth=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num, num)) + truth * np.eye(num)


def test_ranks_counted_by_hand():
    ranks = true_ranks(SMALL)
    np.testing.assert_array_equal(ranks, [1, 3, 2, 4])
    assert [recall_at(ranks, k) for k in (1, 2, 3, 4, 9)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    scores = evaluate(SMALL, subset_size=None).video_to_audio
    assert scores.median_rank == 2.5
    assert scores.mean_rank == 2.5
    # down the columns: 0.9 is best; 0.6 beats 0.5; twice 0.5 beats 0.3; another 0.4 ties
    np.testing.assert_array_equal(true_ranks(SMALL.T), [1, 2, 3, 2])


@given(square_matrices)
def test_ranks_are_the_worst_of_tied_ranks(similarity):
    np.testing.assert_array_equal(true_ranks(similarity), np.diagonal(rankdata(-similarity, "max", axis=1)))


@pytest.mark.parametrize("k", [1, 5, 20])
def test_recall_is_top_k_accuracy_where_nothing_ties(k):
    similarity = random_matrix(60)
    expected = top_k_accuracy_score(np.arange(60), similarity, k=k)
    assert 0.0 < expected < 1.0
    assert recall_at(true_ranks(similarity), k) == pytest.approx(expected)


@given(square_matrices, st.randoms(use_true_random=False))
def test_the_order_of_the_items_changes_no_rank(similarity, random):
    order = list(range(len(similarity)))
    random.shuffle(order)
    np.testing.assert_array_equal(true_ranks(similarity[np.ix_(order, order)]), true_ranks(similarity)[order])


@given(square_matrices)
def test_what_keeps_the_order_of_values_keeps_the_ranks(similarity):
    np.testing.assert_array_equal(true_ranks(np.exp(similarity)), true_ranks(similarity))


@pytest.mark.parametrize("value", [-np.inf, -1.0, 0.0, 1.0, np.inf])
def test_a_constant_matrix_scores_nothing(value):
    """The course's own script gives it 100 %."""
    scores = evaluate(np.full((60, 60), value), ks=(1, 5, 59, 60))
    for direction in (scores.video_to_audio, scores.audio_to_video):
        assert [direction.recall[k].share for k in (1, 5, 59, 60)] == [0.0, 0.0, 0.0, 1.0]
        assert direction.median_rank == direction.mean_rank == 60.0
        assert direction.subset_recall == {1: 0.0, 5: 0.0}


def test_one_tie_costs_one_rank():
    similarity = np.eye(4)
    similarity[1, 3] = 1.0
    np.testing.assert_array_equal(true_ranks(similarity), [1, 2, 1, 1])


def test_a_perfect_matrix_scores_one():
    scores = evaluate(np.eye(60))
    for direction in (scores.video_to_audio, scores.audio_to_video):
        assert [(recall.share, recall.low, recall.high) for recall in direction.recall.values()] == [
            (1.0, 1.0, 1.0)
        ] * 4
        assert direction.median_rank == direction.mean_rank == 1.0
        assert direction.subset_recall == {1: 1.0, 5: 1.0}


def test_each_direction_asks_its_own_side():
    """One sound is near to every video: all other videos find it first, while of the sounds only it goes astray."""
    similarity = np.eye(20)
    similarity[:, 0] = 2.0
    scores = evaluate(similarity, ks=(1, 2), subset_size=None)
    assert scores.video_to_audio.recall[1].share == 0.05
    assert scores.video_to_audio.recall[2].share == 1.0
    assert scores.audio_to_video.recall[1].share == 0.95
    assert scores.audio_to_video.mean_rank == (19 * 1 + 20) / 20


def test_nan_is_refused_by_its_place():
    similarity = np.eye(5)
    similarity[3, 1] = similarity[4, 2] = np.nan
    for refuse in (validate, true_ranks, subset_recalls, evaluate):
        with pytest.raises(UsageError, match=r"similarity\[3, 1\] is NaN \(2 in all\)"):
            refuse(similarity)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (0, 0), (0, 3)])
def test_without_a_diagonal_there_is_no_truth(shape):
    with pytest.raises(UsageError, match=rf"square similarity matrix, got shape \({shape[0]}, {shape[1]}\)"):
        true_ranks(np.zeros(shape))


@pytest.mark.parametrize("k", [0, -1])
def test_k_counts_from_one(k):
    with pytest.raises(UsageError, match=f"k must be 1 or more, got {k}"):
        recall_at(np.array([1, 2]), k)


def test_subsets_come_near_to_what_their_number_says():
    """A true match with b better ones in the gallery is best in a subset if none of them was drawn with it."""
    num, size = 120, 20
    similarity = random_matrix(num, truth=1.5)
    better = true_ranks(similarity) - 1
    expected = [hypergeom(num - 1, better, size - 1).cdf(k - 1).mean() for k in (1, 3)]
    got = subset_recalls(similarity, size=size, draws=2000, ks=(1, 3))
    np.testing.assert_allclose(got, expected, atol=0.01)
    assert got[0] > recall_at(better + 1, 1) + 0.1


def test_subsets_of_one_item_have_no_rivals():
    np.testing.assert_array_equal(subset_recalls(-np.eye(3), size=1, draws=4), [1.0, 1.0])


def test_the_seed_decides_the_subsets():
    similarity = random_matrix(60)
    first, again, other = (subset_recalls(similarity, size=20, draws=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("size", [0, 50, 51])
def test_a_subset_is_smaller_than_the_gallery(size):
    with pytest.raises(UsageError, match=f"smaller than the gallery of 50 items, and not empty; got size {size}"):
        subset_recalls(np.eye(50), size=size)
    with pytest.raises(UsageError, match=f"got size {size}"):
        evaluate(np.eye(50), subset_size=size)


def test_a_small_gallery_is_scored_without_subsets():
    scores = evaluate(SMALL, ks=(1, 2), subset_size=None)
    assert scores.video_to_audio.recall[2].share == 0.5
    assert scores.video_to_audio.subset_recall == {}


def test_normalisation_sees_the_gallery_and_then_each_subset_alone():
    galleries = []

    def centred(gallery):
        """Takes away what a candidate has in common with all queries."""
        galleries.append(gallery)
        return gallery - gallery.mean(axis=0)

    rng = np.random.default_rng(0)
    clean = random_matrix(40, truth=4.0)
    similarity = clean + 20.0 * rng.normal(size=40)
    plain = evaluate(similarity, ks=(1,), subset_size=10, draws=30)
    better = evaluate(similarity, ks=(1,), subset_size=10, draws=30, normalise=centred)
    assert [gallery.shape for gallery in galleries] == [(40, 40), *[(10, 10)] * 30] * 2
    np.testing.assert_array_equal(galleries[0], similarity)
    np.testing.assert_array_equal(galleries[31], similarity.T)
    assert better.video_to_audio.recall[1].share > plain.video_to_audio.recall[1].share + 0.5
    assert better.video_to_audio.subset_recall[1] > plain.video_to_audio.subset_recall[1] + 0.5


def test_the_interval_holds_the_share():
    recall = evaluate(random_matrix(200), ks=(5,), subset_size=None).video_to_audio.recall[5]
    assert 0.0 < recall.low < recall.share < recall.high < 1.0
    # 1.96 standard errors of a share on either side
    assert recall.high - recall.low == pytest.approx(3.92 * np.sqrt(recall.share * (1 - recall.share) / 200), rel=0.15)


def test_scores_go_through_json():
    scores = evaluate(random_matrix(60), ks=(1, 5))
    written = json.loads(json.dumps(asdict(scores), allow_nan=False))
    assert written["num_items"] == 60
    assert written["subset_size"] == 50
    recall = scores.audio_to_video.recall[5]
    assert written["audio_to_video"]["recall"]["5"] == {"share": recall.share, "low": recall.low, "high": recall.high}
    assert written["audio_to_video"]["subset_recall"]["1"] == scores.audio_to_video.subset_recall[1]


def test_the_usual_subsets_take_less_than_a_second():
    similarity = random_matrix(1000)
    begin = time.process_time()
    subset_recalls(similarity)
    assert time.process_time() - begin < 1.0
