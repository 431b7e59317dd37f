"""The sync metrics on curves small enough to compute by hand."""

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.metrics.sync import (
    LipSyncErrors,
    chances,
    lip_sync_errors,
    mean_curve,
    offset_distances,
    offset_error,
    offset_scores,
    refined_offset,
    right_starts,
    within_80_ms,
    within_frame,
    within_shares,
)

NAN = np.nan


def axes(*numbers):
    """The unit vectors along these axes."""
    return np.eye(8)[list(numbers)]


def curve_of(peaks, num=9):
    """(T, O) scores of 0 with a 1 where each frame's peak is."""
    scores = np.zeros((len(peaks), num))
    scores[np.arange(len(peaks)), num // 2 + np.array(peaks)] = 1.0
    return scores


def test_scores_are_cosines_with_later_sound_to_the_right():
    video, audio = axes(0, 1, 2, 3), axes(7, 0, 1, 2, 3)  # the sound comes one tick late
    scores = offset_scores(video, audio, 2)
    expected = [[NAN, NAN, 0, 1, 0], [NAN, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, NAN]]
    np.testing.assert_array_equal(scores, expected)


def test_distances_are_euclidean_and_need_no_unit_vectors():
    video, audio = np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 4.0], [6.0, 0.0]])
    np.testing.assert_allclose(offset_distances(video, audio, 2), [[NAN, NAN, 5, 4, 3], [NAN, 4, 5, 6, NAN]])


@pytest.mark.parametrize("num_audio", [1, 3, 40])
def test_sound_of_any_length_is_taken(num_audio):
    scores = offset_scores(np.ones((4, 2)), np.ones((num_audio, 2)), 15)
    places = np.arange(4)[:, None] + np.arange(-15, 16)
    np.testing.assert_array_equal(np.isfinite(scores), (places >= 0) & (places < num_audio))


def test_ticks_of_nan_have_nothing_to_compare():
    video, audio = axes(0, 1, 2), axes(0, 1, 2)
    video[1], audio[0] = NAN, NAN
    np.testing.assert_array_equal(np.isfinite(offset_scores(video, audio, 2))[:, 2], [False, False, True])


def test_a_frame_to_either_side_is_right_and_two_are_not():
    scores = curve_of([0, 1, -1, 2, -2])
    assert right_starts(scores, 1).tolist() == [True, True, True, False, False]
    assert right_starts(scores, 1, truth=3).tolist() == [False, False, False, True, False]


def test_evidence_is_averaged_over_its_frames():
    scores = curve_of([0, 0, 3, 3, 3])
    # Starts 0, 1, 2: two frames for 0 against one for 3, then one against two, then none.
    assert right_starts(scores, 3).tolist() == [True, False, False]
    # Windows of three frames: five frames are three of them.
    assert right_starts(scores, 5, window_frames=3).tolist() == [True, False, False]
    assert right_starts(scores, 6).tolist() == []


def test_ties_are_wrong():
    assert not right_starts(np.zeros((4, 9)), 2).any()
    assert not right_starts(curve_of([0, 4]), 2).any()
    assert right_starts(curve_of([0, 1]), 2).all()  # both of them right


def test_starts_without_their_own_sound_are_no_trials():
    scores = offset_scores(axes(0, 1, 2, 3, 4), axes(5, 0, 1, 2, 3), 3)  # late by 1: the last frame's has been cut off
    assert right_starts(scores, 2, truth=1).tolist() == [True, True, True]
    assert len(right_starts(scores, 2, truth=0)) == 4
    scores[:, 4] = NAN
    assert len(right_starts(scores, 2, truth=1)) == 0


def test_an_offset_counts_with_its_own_frames_if_these_are_half_of_them():
    scores = np.array([[0.1, 0.1, 0.6, 0.1, NAN], [0.1, 0.1, 0.6, 0.1, NAN], [0.1, 0.1, 0.6, 0.1, 0.9]])
    assert mean_curve(scores).tolist() == pytest.approx([0.1, 0.1, 0.6, 0.1, -np.inf])
    assert mean_curve(scores[1:]).tolist() == pytest.approx([0.1, 0.1, 0.6, 0.1, 0.9])
    assert right_starts(scores, 2).tolist() == [True, False]
    assert right_starts(scores, 1).tolist() == [True, True, False]
    assert chances(scores, 2).tolist() == pytest.approx([3 / 4, 3 / 5])
    assert offset_error(mean_curve(scores)) == 0.0
    assert np.isnan(mean_curve(np.full((2, 5), NAN))).all()


def test_nothing_to_be_mistaken_about_is_not_right():
    scores = np.array([[NAN, NAN, 0.6, NAN, NAN]])
    assert right_starts(scores, 1).tolist() == [False]
    assert chances(scores, 1).tolist() == [1.0]


def test_vectors_of_chance_are_right_as_often_as_a_guess():
    rng = np.random.default_rng(0)
    hits, guesses = [], []
    for _ in range(300):
        video, audio = rng.normal(size=(2, 28, 16))
        scores = offset_scores(video, audio, 15)
        hits += right_starts(scores, 5).tolist()
        guesses += chances(scores, 5).tolist()
    assert np.mean(hits) == pytest.approx(np.mean(guesses), abs=0.03)


def test_the_sound_around_a_piece_is_compared_too():
    whole = np.random.default_rng(1).normal(size=(40, 8))
    scores = offset_scores(whole[10:20], whole[7:23], 3, lead=3)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[:, 3], (whole[10:20] ** 2).sum(axis=1))
    np.testing.assert_allclose(scores[0], whole[10] @ whole[7:14].T)
    with pytest.raises(UsageError, match=r"lead must lie in 0…3, got 4"):
        offset_scores(whole, whole, 3, lead=4)


def test_what_makes_no_trial_is_told():
    with pytest.raises(UsageError, match="4 frames are less than one window of 5"):
        right_starts(np.zeros((9, 9)), 4, window_frames=5)
    with pytest.raises(UsageError, match="the true offset 5 lies outside the ±4 that were tried"):
        right_starts(np.zeros((9, 9)), 4, truth=5)
    with pytest.raises(UsageError, match="max_offset must be 2 frames or more, got 1"):
        offset_scores(axes(0), axes(0), 1)


def test_the_offset_is_the_top_of_the_parabola():
    places = np.arange(-4, 5)
    assert refined_offset(-((places - 1.3) ** 2), 5) == pytest.approx(1.3)
    assert refined_offset(places.astype(float), 8) == 4.0
    assert offset_error(-((places - 1.3) ** 2), 2) == pytest.approx(0.7)


def test_of_several_highest_offsets_the_worst_counts():
    assert offset_error(curve_of([0])[0] + curve_of([4])[0]) == 4.0
    assert offset_error(np.zeros(9), 3) == 7.0
    assert offset_error(np.full(9, NAN)) == np.inf


def test_tolerances_include_their_edge():
    assert within_frame(np.array([-1.0, 1.0, 1.01, np.inf])).tolist() == [True, True, False, False]
    assert within_80_ms(np.array([2 * 0.04, -0.08, 0.081])).tolist() == [True, True, False]


def test_lse_is_the_lowest_mean_distance_and_the_median_above_it():
    distances = np.array([[NAN, 9.0, 4.0, 8.0, 8.0], [7.0, 7.0, 2.0, 6.0, NAN]])
    # Means: 7, 8, 3, 7, 8; their median is 7.
    assert lip_sync_errors(distances) == LipSyncErrors(3.0, 4.0)
    assert lip_sync_errors(np.full((2, 5), NAN)) is None


def test_a_share_without_a_trial_is_not_there():
    four, twenty = curve_of([0, 0, 3, 0]), curve_of([0] * 20)
    assert within_shares([four], (1, 5)) == {"within_1@1": 0.75}
    assert within_shares([four, twenty], (1, 5)) == {"within_1@1": pytest.approx(23 / 24), "within_1@5": 1.0}
    assert within_shares([], (5,)) == {}
