"""What a person reads: sentences, words for names and numbers, the table of the terminal."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from avmatch.core.matches import Match, MatchResult
from avmatch.core.results import FIX_COLUMNS, FixResult, Piece, Rival, SyncResult
from avmatch.reports.output import match_table
from avmatch.reports.wording import (
    fix_sentence,
    folder_and_name,
    is_doubtful,
    lateness,
    percent,
    score_text,
    shortened,
    shown,
    sync_sentence,
)


@pytest.mark.parametrize(
    ("offset_seconds", "expected"),
    [
        (0.120, "the sound comes 120 ms (3.0 frames) late; viewers do not notice"),
        (0.140, "the sound comes 140 ms (3.5 frames) late; viewers notice"),
        (-0.080, "the sound comes 80 ms (2.0 frames) early; viewers notice"),
        (-0.200, "the sound comes 200 ms (5.0 frames) early; viewers notice and find it unacceptable"),
        (0.004, "picture and sound are together (+4 ms)"),
        (-0.020, "picture and sound are together (-20 ms)"),
    ],
)
def test_sentence_of_a_sure_offset(offset_seconds, expected):
    assert sync_sentence(SyncResult("c.mp4", offset_seconds, 25.0, 0.9, "mouth", "ok")) == expected


def test_sentence_with_an_interval_and_a_drift():
    late = SyncResult("c.mp4", 0.12, 25.0, 0.9, "mouth", "ok", offset_interval_seconds=(0.08, 0.16), drift_ppm=-400.0)
    assert sync_sentence(late) == (
        "the sound comes 120 ms (3.0 frames) late (95 % +80 to +160 ms); viewers do not notice; "
        "it drifts, earlier and earlier by 400 ppm (24.0 ms a minute)"
    )
    together = SyncResult("c.mp4", 0.004, 25.0, 0.9, "mouth", "ok", offset_interval_seconds=(-0.03, 0.04))
    assert sync_sentence(together) == "picture and sound are together (+4 ms, 95 % -30 to +40 ms)"


def test_sentence_of_a_speed_names_it():
    fast = SyncResult(
        "c.mp4", 0.004, 25.0, 0.9, "lips", "ok", drift_ppm=-40000.0, drift_interval_ppm=(-40400.0, -39600.0)
    )
    assert sync_sentence(fast) == (
        "picture and sound are together (+4 ms); "
        "it runs 25/24 too fast (as a PAL speed-up makes it), a drift of -40000 ppm"
    )
    fixed = FixResult("c.mp4", "fixed", "out.mp4", fast, replace(fast, drift_ppm=None), 0.004, -40000.0)
    assert "was +0.004 s and runs 25/24 too fast (as a PAL speed-up makes it), is now +0.004 s" in fix_sentence(fixed)


PIECES = (Piece(0.0, 83.4, 0.04, (0.0, 0.08)), Piece(83.4, 3700.0, 0.54, (0.5, 0.58), (82.0, 84.1)))


def test_sentence_of_a_sound_that_jumps():
    spliced = SyncResult(
        "c.mp4", 0.54, 25.0, 0.99, "lips", "uncertain", "splice", message="cut the file there", pieces=PIECES
    )
    jumps = "the sound jumps from +40 ms to +540 ms at 1:23.40 (95 % 1:22.00 to 1:24.10)"
    assert sync_sentence(spliced) == f"{jumps}: cut the file there"
    refused = FixResult("c.mp4", "refused", was=spliced, message="cut the file there")
    assert fix_sentence(refused) == f"{jumps}: nothing written; cut the file there"
    third = Piece(3700.0, 3800.0, -0.2, (-0.2, -0.2), (3699.0, 3701.0))
    again = replace(spliced, pieces=(*PIECES, third))
    assert f"{jumps}, to -200 ms at 1:01:40.00 (95 % 1:01:39.00 to 1:01:41.00)" in sync_sentence(again)


def test_sentence_of_a_sound_that_covers_a_part():
    found = SyncResult("c.mp4", 0.04, 25.0, 0.9, "mouth", "ok", pieces=PIECES[:1])
    assert sync_sentence(found) == (
        "the sound comes 40 ms (1.0 frames) late; viewers do not notice; "
        "the picture has sound from 0:00.00 to 1:23.40 only, where it was measured"
    )


def test_sentence_of_a_file_that_is_damaged():
    found = SyncResult("c.mp4", 0.12, 25.0, 0.9, "mouth", "ok", missing_share=0.504)
    assert sync_sentence(found).endswith(" late; viewers do not notice; 50 % of the file could not be read")
    assert "read" not in sync_sentence(replace(found, missing_share=0.002))
    none = SyncResult("c.mp4", None, None, 0.0, "", "failed", "too_short", message="too short", missing_share=0.9)
    assert sync_sentence(none) == "no offset found (too short); 90 % of the file could not be read: too short"


def test_sentence_of_a_sound_that_is_not_of_this_picture():
    foreign = SyncResult(
        "c.mp4", 0.3, 25.0, 0.01, "lips", "unrelated", "foreign_sound", message="another recording", belongs=0.034
    )
    assert sync_sentence(foreign) == "the sound isn't that of this picture (it belongs with 3 %): another recording"
    refused = FixResult("c.mp4", "refused", was=foreign, message="another recording")
    assert fix_sentence(refused) == (
        "the sound isn't that of this picture (it belongs with 3 %): nothing written; --offset moves it all the same"
    )


def test_sentence_of_an_offset_with_rivals():
    doubtful = SyncResult("c.mp4", 0.1, 25.0, 0.5, "events", "uncertain", "low_confidence", message="film longer")
    rivals = (Rival(0.6, 0.3), Rival(-0.4, 0.1))
    expected = "— uncertain (confidence 0.50; it may also be +600 or -400 ms): film longer"
    assert sync_sentence(replace(doubtful, rivals=rivals)).endswith(expected)
    expected = "(confidence 0.50; the sound may be of something else: it belongs with 31 %): film longer"
    assert sync_sentence(replace(doubtful, belongs=0.31)).endswith(expected)


WAS = SyncResult("c.mp4", 0.12, 25.0, 0.9, "mouth", "ok", drift_ppm=310.0)
NOW = SyncResult("o.mp4", 0.002, 25.0, 0.9, "mouth", "ok")
UNSURE = SyncResult("c.mp4", 0.3, 25.0, 0.41, "motion", "uncertain", "low_confidence", message="film longer")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            FixResult("c.mp4", "fixed", "o.mp4", WAS, NOW, 0.12, 310.0, "the sound is encoded again"),
            "was +0.120 s and drifts by +310 ppm, is now +0.002 s by the same measurement; written to o.mp4 "
            "(the sound is encoded again)",
        ),
        (
            FixResult("c.mp4", "fixed", "o.mp4", UNSURE, UNSURE, 0.3),
            "was +0.300 s, is now +0.300 s (uncertain) by the same measurement; written to o.mp4",
        ),
        (
            FixResult("c.mp4", "fixed", "o.mp4", removed_seconds=-0.25),
            "was -0.250 s, not measured; written to o.mp4",
        ),
        (FixResult("o.mp4", "in_sync", was=NOW), "is +0.002 s; close enough, nothing written"),
        (
            FixResult("c.mp4", "refused", was=UNSURE, message="film longer"),
            "seems +0.300 s (confidence 0.41): nothing written without --force; film longer",
        ),
        (FixResult("c.mp4", "failed", message="no\nsound"), "nothing written: no␊sound"),
    ],
)
def test_sentence_of_a_repair(result, expected):
    assert fix_sentence(result) == expected
    assert len(result.row()) == len(FIX_COLUMNS)


def test_sentence_without_frames_where_the_rate_is_unknown():
    sentence = sync_sentence(SyncResult("c.mp4", 0.12, None, 0.9, "mouth", "ok"))
    assert sentence == "the sound comes 120 ms late; viewers do not notice"


@pytest.mark.parametrize(
    ("message", "tail"),
    [("two peaks are equally high", "two peaks are equally high"), ("", "low confidence")],
)
def test_uncertain_sentence_says_why(message, tail):
    result = SyncResult("c.mp4", 0.12, 25.0, 0.41, "mouth", "uncertain", "low_confidence", message=message)
    expected = "the sound comes 120 ms (3.0 frames) late; viewers do not notice — uncertain (confidence 0.41): "
    assert sync_sentence(result) == expected + tail


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "it has no sound: name one with --audio",
            "no offset found (no audio): it has no sound: name one with --audio",
        ),
        ("", "no offset found (no audio)"),
    ],
)
def test_failed_sentence_gives_reason_and_remedy(message, expected):
    assert sync_sentence(SyncResult("c.mp4", None, None, 0.0, "", "failed", "no_audio", message=message)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.1204, "120 ms late"),
        (-0.08, "80 ms early"),
        (0.0002, "0 ms"),
        (-83.42, "83.4 s early"),
        (None, "—"),
        (float("nan"), "—"),
    ],
)
def test_lateness(seconds, expected):
    assert lateness(seconds) == expected


def test_probabilities_are_never_rounded_to_certainty():
    assert [percent(value) for value in (1.0, 0.996, 0.87, 0.001, float("nan"))] == [
        "> 99 %",
        "> 99 %",
        "87 %",
        "< 1 %",
        "—",
    ]
    assert [is_doubtful(value) for value in (0.79, 0.8, float("nan"))] == [True, False, True]


def test_scores_carry_their_sign():
    assert [score_text(value) for value in (5.04, -2.0, None, float("inf"))] == ["+5.0", "−2.0", "—", "—"]


def test_names_are_shown_on_one_line():
    assert shown("a\n\x1b[31m\udce9\u202e é🎬") == "a␊␛[31m�� é🎬"
    assert folder_and_name("a/b\\c.mp4") == ("a/b\\", "c.mp4")
    assert folder_and_name("folder/") == ("", "folder/")


def test_long_paths_are_cut_in_the_middle():
    path = "rushes/2024/a very long folder/another one/A001_C007.mp4"
    short = shortened(path, 30)
    assert len(short) == 30
    assert short.startswith("rushes/2")
    assert short.endswith("/A001_C007.mp4")
    assert shortened("short.mp4", 30) == "short.mp4"


def printed(result: MatchResult) -> list[str]:
    console = Console(file=io.StringIO(), width=160)
    console.print(match_table(result, 160))
    return console.file.getvalue().splitlines()


def line_of(lines: list[str], text: str) -> str:
    (line,) = [line for line in lines if text in line]
    return line


def test_table_marks_doubt_and_says_plainly_what_is_missing():
    matches = (
        Match("sure.mp4", "s.wav", 0.95, 7.0, 0.12, "mouth", "d.wav", 1.0),
        Match("[red]doubt.mp4", "d.wav", 0.41, 1.0, -0.08, "motion"),
        Match("alone.mp4", None, 0.12, None, None, "", "d.wav", -1.0),
        Match("broken.mp4", None, 0.0, None, None, ""),
    )
    videos, audio = ("sure.mp4", "[red]doubt.mp4", "alone.mp4"), ("s.wav", "d.wav")
    lines = printed(MatchResult(matches, (), (), videos, audio, np.zeros((3, 2), dtype=np.float32)))
    assert "0.95" in line_of(lines, "sure.mp4")
    assert "?" not in line_of(lines, "sure.mp4")
    assert "? 0.41" in line_of(lines, "[red]doubt.mp4")
    assert "−80 ms" in line_of(lines, "[red]doubt.mp4")
    assert [cell.strip() for cell in line_of(lines, "alone.mp4").split("│")[2:6]] == ["—"] * 4
    assert "could not be used" in line_of(lines, "broken.mp4")
    assert lines[-1].strip() == "? 1 to check"
