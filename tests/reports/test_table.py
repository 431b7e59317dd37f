"""The table for the terminal: narrow enough for eighty columns, nothing ambiguous."""

import io

import numpy as np
import pytest
from rich.console import Console

from avmatch.core.clock import offset_text
from avmatch.core.matches import Match, MatchResult
from avmatch.reports.output import match_table


def printed(matches, audio, width=80):
    videos = tuple(match.video for match in matches)
    result = MatchResult(tuple(matches), (), (), videos, tuple(audio), np.zeros((len(videos), len(audio)), np.float32))
    out = io.StringIO()
    Console(file=out, width=width).print(match_table(result, width))
    return out.getvalue()


@pytest.mark.parametrize(("width", "headings"), [(60, 5), (80, 6), (140, 7)])
def test_what_there_is_no_room_for_is_left_out_and_names_keep_both_ends(width, headings):
    names = [f"recording_of_the_{word}_day.flac" for word in ("first", "second")]
    pairs = [Match(f"camera_a_{n}.mp4", name, 0.9, 5.0, 1.25, "motion", names[0]) for n, name in enumerate(names)]
    lines = printed(pairs, names, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines[1].split("┃")) - 2 == headings
    assert all("y.flac" in line or "camera_a" not in line for line in lines)
    assert ("first_day.flac" in lines[3]) == (width == 140)


def test_offsets_are_in_milliseconds_and_long_ones_on_a_clock():
    assert offset_text(0.0271, (-0.013, 0.05)) == "+27 ± 40 ms"
    assert offset_text(-9.9) == "−9900 ms"
    assert offset_text(-0.0001, (-0.04, 0.04)) == "0 ± 40 ms"
    assert offset_text(-83.4, (-83.5, -83.3)) == "−0:01:23.400 ± 100 ms"
    assert offset_text(None) == offset_text(float("nan")) == "—"


def test_names_are_shown_from_the_folder_on_that_all_lie_in():
    pairs = [(f"a/very/long/way/to/videos/{n}/clip.mp4", f"a/very/long/way/to/audio/{n}.wav") for n in (1, 2)]
    text = printed([Match(v, a, 0.9, 5.0, 0.0, "motion", None) for v, a in pairs], [a for _, a in pairs])
    assert "very" not in text
    assert "1/clip.mp4" in text
    assert "2/clip.mp4" in text
    assert "1.wav" in text


def test_one_file_is_shown_by_its_name_and_no_match_as_a_dash():
    text = printed([Match("videos/one.mp4", None, 0.1, None, None, "", "x/y.wav")], ["x/y.wav"])
    assert "one.mp4" in text
    assert "—" in text
    assert "y.wav" in text
