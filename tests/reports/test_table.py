"""The table for the terminal: narrow enough for eighty columns, nothing ambiguous."""

import io

import numpy as np
from rich.console import Console

from avmatch.core.matches import Match, MatchResult
from avmatch.reports.output import match_table


def printed(matches, audio):
    videos = tuple(match.video for match in matches)
    result = MatchResult(tuple(matches), (), (), videos, tuple(audio), np.zeros((len(videos), len(audio)), np.float32))
    out = io.StringIO()
    Console(file=out, width=80).print(match_table(result))
    return out.getvalue()


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
