"""What accepted pairs say of the rest."""

import numpy as np
import pytest
from scipy.special import logsumexp

from avmatch.matching.accepted import cue_factors, offset_prior
from avmatch.matching.constraints import CERTAIN, Constraints
from avmatch.matching.decision import figures, partners
from avmatch.matching.fusion import usual_offsets
from avmatch.matching.settings import MatchSettings

LAGS = np.arange(-25, 26) * 0.02


def test_the_prior_sums_to_one_and_moves_towards_what_was_accepted():
    usual = usual_offsets(LAGS)
    for accepted in ([], [0.3], [0.3] * 10, [0.3, -0.2]):
        assert logsumexp(offset_prior(LAGS, usual, accepted)) == pytest.approx(0.0)
    place = int(np.abs(LAGS - 0.3).argmin())
    heights = [offset_prior(LAGS, usual, [0.3] * num)[place] for num in (0, 1, 5, 20)]
    assert heights == sorted(heights)


def test_offsets_that_have_nothing_in_common_say_nothing():
    usual = usual_offsets(LAGS)
    scattered = np.linspace(-0.45, 0.45, 6).tolist()
    assert np.abs(offset_prior(LAGS, usual, scattered) - usual).max() < 0.5
    place = int(np.abs(LAGS - 0.3).argmin())
    assert offset_prior(LAGS, usual, [0.3, 0.31, 0.29, 0.3, 0.31, 0.29])[place] > usual[place] + 2


def test_two_recorders_keep_their_offsets():
    prior = offset_prior(LAGS, usual_offsets(LAGS), [0.3] * 5 + [-0.2] * 5)
    at = {offset: prior[int(np.abs(LAGS - offset).argmin())] for offset in (0.3, -0.2, 0.1)}
    assert at[0.3] == pytest.approx(at[-0.2], abs=0.01)
    assert at[0.3] > at[0.1] + 3


def test_a_cue_that_is_right_gains_and_one_that_is_wrong_loses():
    rng = np.random.default_rng(0)
    right = np.arange(8)
    good, bad = rng.normal(size=(2, 8, 12))
    good[right, right] += 3.0
    bad[right, right] -= 1.0
    factors = cue_factors(np.stack([good, bad]), right)
    assert factors[0] > 1.0 > factors[1] > 0.0


def test_nothing_accepted_changes_nothing():
    assert cue_factors(np.zeros((2, 0, 5)), np.zeros(0, int)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("many", [False, True])
def test_constraints_hold(many):
    confidence = np.array([[0.9, 0.1, 0.0], [0.8, 0.7, 0.0], [0.0, 0.6, 0.2]])
    given = Constraints(made={1: 0}, alone=frozenset({2}), forbidden=frozenset({(0, 2)}))
    found = partners(given.with_confidence(confidence, shared=many), MatchSettings(many=many), given)
    assert found.tolist() == [0 if many else -1, 0, -1]
    closed = given.closed((3, 3), shared=many)
    assert closed[0, 2]
    assert not closed[1, 0]
    assert closed[0, 0] == (not many)


def test_even_where_every_file_is_to_be_served_what_was_decided_holds():
    confidence = np.full((2, 2), 0.2)
    given = Constraints(alone=frozenset({0}))
    found = partners(given.with_confidence(confidence, shared=False), MatchSettings(complete=True), given)
    assert found[0] == -1


def test_a_rival_that_belongs_elsewhere_no_longer_counts():
    nats = np.array([[5.0, 4.9, 0.0, 0.1], [0.0, 6.0, 0.0, 0.2], [0.1, 0.0, 3.0, 0.0]], np.float32)
    given = Constraints(made={1: 1})
    rows, columns = given.left((3, 4), shared=False)
    left = given.with_figures(figures(nats[np.ix_(rows, columns)]), (3, 4), shared=False)
    assert left[0, 0, 1] > figures(nats)[0, 0, 1]
    assert given.with_confidence(np.zeros((3, 4)), shared=False)[1, 1] == CERTAIN
