"""What is decided for each video, read off the scores: match, runner-up, candidates and why."""

from dataclasses import replace

import numpy as np
import pytest

from avmatch.matching.decision import decide
from avmatch.matching.fusion import no_scores
from avmatch.matching.settings import MatchSettings

VIDEOS, AUDIOS = ("v0", "v1"), ("a0", "a1", "a2")
NATS = np.array([[2.0, 9.0, 4.0], [1.0, 3.0, -2.0]], np.float32)
#: Lips say most of it; events speak against each pair a little.
PARTS = np.stack([NATS + 0.5, np.full_like(NATS, -0.5)])
CONFIDENCE = np.array([[0.02, 0.95, 0.03], [0.2, 0.3, 0.01]])


def scores():
    empty = no_scores(("lips", "events"), NATS.shape)
    offsets = np.array([[0.1, 0.2, 0.3], [0.4, np.nan, 0.6]], np.float32)
    return replace(empty, nats=NATS, offset_seconds=offsets, deciding=np.zeros(NATS.shape, int), parts=PARTS)


def decided(**settings):
    return decide(("v0", "broken", "v1"), VIDEOS, AUDIOS, scores(), CONFIDENCE, MatchSettings(**settings))


def test_a_match_names_its_runner_up_and_what_speaks_for_it():
    item = decided().matches[0]
    assert (item.video, item.audio, item.cue) == ("v0", "a1", "lips")
    assert (item.confidence, item.score, item.offset_seconds) == (0.95, 9.0, pytest.approx(0.2))
    assert (item.runner_up, item.runner_up_score) == ("a2", 4.0)
    assert item.why == "lips 9.5, events -0.5; next best 4.0"


def test_without_a_match_the_best_candidate_is_the_runner_up():
    item = decided().matches[2]
    assert (item.video, item.audio, item.cue, item.score, item.offset_seconds) == ("v1", None, "", None, None)
    assert (item.confidence, item.runner_up, item.runner_up_score) == (0.3, "a1", 3.0)
    assert item.why == "lips 3.5, events -0.5; next best 1.0"


def test_listed_files_that_are_not_usable_have_a_row_and_what_is_left_over_is_listed():
    result = decided()
    assert [item.video for item in result.matches] == ["v0", "broken", "v1"]
    assert (result.matches[1].audio, result.matches[1].confidence) == (None, 0.0)
    assert result.unmatched_audio == ("a0", "a2")


def test_candidates_are_ranked_by_score():
    found = decided(top_k=2).candidates
    assert [(item.video, item.rank, item.audio) for item in found] == [
        ("v0", 1, "a1"),
        ("v0", 2, "a2"),
        ("v1", 1, "a1"),
        ("v1", 2, "a0"),
    ]
    assert found[2].offset_seconds is None  # cues of whole clips know no time
    assert [item.confidence for item in found] == [0.95, 0.03, 0.3, 0.2]


def test_a_recording_may_be_shared_where_that_is_asked_for():
    assert [item.audio for item in decided(min_confidence=0.25).matches] == ["a1", None, None]
    assert [item.audio for item in decided(min_confidence=0.25, many=True).matches] == ["a1", None, "a1"]
    assert [item.audio for item in decided(complete=True).matches] == ["a1", None, "a0"]


def test_without_recordings_nothing_is_compared():
    nothing = no_scores(("lips",), (1, 0))
    (item,) = decide(("v0",), ("v0",), (), nothing, np.zeros((1, 0)), MatchSettings()).matches
    assert (item.audio, item.runner_up, item.confidence) == (None, None, 0.0)
    assert item.why == "there is no recording to compare with"
