"""What holds of every clip, and in which order a person should look."""

from pathlib import Path

import pytest

from avmatch.core.decisions import Ruling
from avmatch.core.errors import UsageError
from avmatch.data.changes import Answer
from avmatch.data.result_folder import StoredMatch
from avmatch.data.result_tables import ResultTables
from avmatch.pipelines.decided import Decided
from avmatch.pipelines.review_board import board


def match(video, audio, confidence, offset_confidence=1.0, runner_up=None):
    offset = None if audio is None else 0.1
    return StoredMatch(video, audio, confidence, offset, "mouth", offset_confidence, runner_up=runner_up)


def tables(*matches, recordings=("a", "b", "c", "d"), many=False, usable=None):
    return ResultTables(Path(), matches, recordings, usable, {"many": many})


def names(rows):
    return [row.video for row in rows]


def test_what_is_most_probably_wrong_comes_first():
    found = board(tables(match("1", "a", 0.85), match("2", "b", 0.6), match("3", "c", 0.95, 0.5)), Decided())
    assert names(found.listings["check"]) == ["3", "2", "1"]
    assert found.listings["check"][0].gain == pytest.approx(1 - 0.95 * 0.5)


def test_a_pair_whose_recording_another_clip_waits_for_gains_more():
    alone = board(tables(match("1", "a", 0.6), match("2", "b", 0.6)), Decided())
    waited = board(tables(match("1", "a", 0.6), match("2", "b", 0.6, runner_up="a")), Decided())
    gains = [{row.video: row.gain for row in found.rows} for found in (alone, waited)]
    assert gains[1]["1"] > gains[0]["1"] == pytest.approx(gains[1]["2"])


def test_no_match_is_sure_only_where_nothing_is_left_over():
    clip = match("1", None, 0.05)
    assert board(tables(clip, recordings=()), Decided()).rows[0].section == "sure"
    assert board(tables(clip, recordings=("a",)), Decided()).rows[0].section == "check"


def test_what_was_decided_holds_and_takes_from_others():
    decided = Decided({"2": Ruling("accepted", "a", 0.3), "3": Ruling("none"), "4": Ruling(forbidden=("d",))})
    rows = [match("1", "a", 0.99), match("2", "b", 0.99), match("3", "c", 0.99), match("4", "d", 0.99)]
    found = board(tables(*rows), decided)
    assert [row.recording for row in found.rows] == [None, "a", None, None]
    assert [row.section for row in found.rows] == ["check", "decided", "decided", "check"]
    assert found.rows[1].offset_seconds == 0.3
    assert found.counts["accepted"] == found.counts["none"] == 1
    many = board(tables(*rows, many=True), decided)
    assert many.rows[0].recording == "a", "a recording may serve several"


def test_listings_search_and_filter():
    rows = [match("cards/Été 1.mp4", "a", 0.5), match("cards/2.mp4", "sound/zoom.wav", 0.99)]
    decided = Decided({"a": Ruling(device="Zoom")})
    found = board(tables(*rows, usable=frozenset(["cards/2.mp4"])), decided, {"cards/2.mp4": Answer("a", 0.1, 0.5)})
    assert names(found.listing("all", "ETE")) == ["cards/Été 1.mp4"]
    assert names(found.listing("all", "zoom")) == ["cards/2.mp4"]
    assert names(found.listing("all", "cards")) == []
    assert names(found.listing("failed")) == ["cards/Été 1.mp4"]
    assert names(found.listing("changed")) == ["cards/2.mp4"]
    assert names(found.listing("all", cue="events")) == []
    with pytest.raises(UsageError, match="there are check, sure"):
        found.listing("best")
