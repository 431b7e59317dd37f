"""What holds of every clip, and in which order a person should look."""

from dataclasses import replace
from pathlib import Path

import pytest

from avmatch.core.decisions import Ruling
from avmatch.core.errors import UsageError
from avmatch.core.matches import FurtherAudio
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


def grouped():
    """A clip with a recording, the next file of its recorder, and a second recorder."""
    more = FurtherAudio("b", "continues", -3.9), FurtherAudio("c", "also_fits", 1.1)
    return replace(match("1", "a", 0.99), further=more)


@pytest.mark.parametrize(
    ("ruling", "expected"),
    [
        (Ruling(), [("b", "continues", -3.9), ("c", "also_fits", 1.1)]),
        (Ruling("accepted", "a", 0.14, own_offset=True), [("b", "continues", -3.86), ("c", "also_fits", 1.14)]),
        (Ruling("accepted", "a"), [("b", "continues", -3.9), ("c", "also_fits", 1.1)]),
        (Ruling("accepted", "c", 1.1), [("a", "also_fits", 0.1), ("b", "also_fits", -3.9)]),
        (Ruling("accepted", "b", -4.0), [("a", "continues", 0.0), ("c", "also_fits", 1.0)]),
        (Ruling("accepted", "d", 0.2), []),
        (Ruling("none"), []),
        (Ruling(forbidden=("c",)), [("b", "continues", -3.9)]),
        (Ruling(forbidden=("a",)), []),
    ],
)
def test_the_other_recordings_of_the_moment_go_with_the_one_that_holds(ruling, expected):
    (row,) = board(tables(grouped()), Decided({"1": ruling})).rows
    assert [(more.audio, more.role) for more in row.further] == [(audio, role) for audio, role, _ in expected]
    assert [more.offset_seconds for more in row.further] == pytest.approx([late for *_, late in expected])


def test_a_further_recording_that_another_clip_gets_is_no_longer_one():
    found = board(tables(grouped(), match("2", None, 0.1)), Decided({"2": Ruling("accepted", "c", 0.0)}))
    assert [more.audio for more in found.rows[0].further] == ["b"]
    assert set(found.companions) == {"b"}


def test_further_recordings_are_found_by_name_and_are_not_left_over():
    alone = match("2", None, 0.05)
    found = board(tables(grouped(), alone, recordings=("a", "b", "c")), Decided())
    assert names(found.listing("all", "c")) == ["1"]
    assert found.by_video["2"].section == "sure", "nothing is left for it"
