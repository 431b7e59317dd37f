"""Folders that `match` wrote, read back."""

import unicodedata

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.matches import Candidate, Match, MatchResult
from avmatch.data.result_folder import StoredMatch, check_only, read_result
from avmatch.reports.output import write_match


def result_of(*matches, settings=None):
    videos, audio = tuple(item.video for item in matches), tuple(item.audio for item in matches if item.audio)
    candidates = tuple(Candidate(item.video, 1, item.audio, 3.0, 0.9, 0.5) for item in matches if item.audio)
    similarity = np.zeros((len(videos), len(audio)), np.float32)
    return MatchResult(matches, ("s/left.wav",), candidates, videos, audio, similarity, settings=settings or {})


def test_a_result_comes_back(tmp_path):
    paired = Match("v/a.mp4", "s/1.wav", 0.95, 3.0, -0.0125, "events", "s/2.wav", 1.0)
    write_match(result_of(paired, Match("v/b.mp4", None, 0.2, None, None, ""), settings={"many": True}), tmp_path)
    found = read_result(tmp_path)
    first, second = found.matches
    assert (first.video, first.audio, first.confidence, first.cue) == ("v/a.mp4", "s/1.wav", 0.95, "events")
    assert first.offset_seconds == pytest.approx(-0.0125)
    assert (second.audio, second.offset_seconds) == (None, None)
    assert found.candidates == (Candidate("v/a.mp4", 1, "s/1.wav", 3.0, 0.9, 0.5),)
    assert found.unmatched_audio == ("s/left.wav",)
    assert found.is_many
    assert found.pairs("sure") == found.pairs("all") == (first,)


def test_a_folder_of_an_older_version_says_less(tmp_path):
    (tmp_path / "matches.csv").write_text("video,audio,confidence\na.mp4,a.wav,0.91\nb.mp4,b.wav,0.89\n")
    found = read_result(tmp_path)
    assert found.matches[0] == StoredMatch("a.mp4", "a.wav", 0.91, None, "")
    assert found.pairs("sure") == found.matches[:1]
    assert (found.candidates, found.unmatched_audio, found.is_many) == ((), (), False)


def test_sure_is_the_pair_and_its_offset(tmp_path):
    header = "video,audio,confidence,offset_ms,offset_confidence,offset_low_ms,offset_high_ms,why\n"
    rows = "a.mp4,a.wav,0.99,40,0.5,20,60,lips 4.1\nb.mp4,b.wav,0.99,40,0.9,,,\nc.mp4,,0.99,,0.99,,,\n"
    (tmp_path / "matches.csv").write_text(header + rows)
    found = read_result(tmp_path)
    assert [item.is_sure for item in found.matches] == [False, True, False]
    assert found.matches[0].offset_interval_seconds == pytest.approx((0.02, 0.06))
    assert (found.matches[0].why, found.matches[1].offset_interval_seconds) == ("lips 4.1", None)
    assert [item.video for item in found.pairs("all")] == ["a.mp4", "b.mp4"]


def test_names_lead_to_the_files_as_the_disk_has_them(tmp_path):
    decomposed = tmp_path / unicodedata.normalize("NFD", "Zürich.mp4")
    no_text = tmp_path / "t\udcffn.wav"
    for path in (decomposed, no_text):
        path.touch()
    composed = str(tmp_path / unicodedata.normalize("NFC", "Zürich.mp4"))
    write_match(result_of(Match(composed, str(no_text), 0.9, 1.0, 0.0, "lips")), tmp_path / "out")
    (found,) = read_result(tmp_path / "out").matches
    assert (found.video, found.audio) == (str(decomposed), str(no_text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no matches.csv there; give the folder"),
        ("video,audio\n", "lacks a column named `confidence`"),
        ("video,audio,confidence\na.mp4,a.wav,much\n", "row 1: `confidence` must be in 0…1, got 'much'"),
        ("video,audio,confidence\n,a.wav,0.5\n", "row 1: `video` is empty"),
    ],
)
def test_what_is_no_result_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "matches.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_result(tmp_path)


def test_there_are_three_choices_of_pairs():
    assert check_only("sure") == "sure"
    with pytest.raises(UsageError, match="--only best: there are sure, all, accepted"):
        check_only("best")
