"""Where results may go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.matches import Match, MatchResult
from avmatch.pipelines.delivery import check_folders, check_match_outputs, mux_matches, targets


def test_copies_stay_inside_their_folder(tmp_path):
    inside, other, out = tmp_path / "clips", tmp_path / "other", tmp_path / "out"
    inside.mkdir()
    other.mkdir()
    paths = [str(inside / "day" / "a.mp4"), str(inside / "b.mp4")]
    assert targets(paths, str(inside), out) == [out / "day" / "a.mp4", out / "b.mp4"]
    assert targets(paths[:1], str(inside), out) == [out / "day" / "a.mp4"]
    assert targets(paths, str(other), out) == [out / "day" / "a.mp4", out / "b.mp4"]
    assert targets([str(inside / "a.mp4"), str(other / "a.mp4")], str(inside), out) == [
        out / "clips" / "a.mp4",
        out / "other" / "a.mp4",
    ]


def test_a_folder_cannot_lie_below_a_file(tmp_path):
    (tmp_path / "clip.mp4").touch()
    check_folders(tmp_path / "new" / "out", None)
    with pytest.raises(UsageError, match=r"clip.mp4: can't be used .* \(it is a file\)"):
        check_folders(tmp_path / "clip.mp4")
    with pytest.raises(UsageError, match=r"out: can't be used .* \(.*clip.mp4 is a file\)"):
        check_folders(tmp_path / "clip.mp4" / "out")


def test_vectors_have_no_offsets_to_mux_at(tmp_path):
    (tmp_path / "embeddings.jsonl").touch()
    check_match_outputs(str(tmp_path), Path("out"), None, None, "raw", "auto")
    with pytest.raises(UsageError, match="vectors say no offsets to mux at"):
        check_match_outputs(str(tmp_path), Path("out"), tmp_path / "mux", None, "raw", "auto")


def test_a_copy_whose_offset_nobody_knows_is_named(media, tmp_path):
    video, audio = str(media / "good.mp4"), str(media / "good.wav")
    matched = Match(video, audio, 0.6, 1.0, None, "duration")
    result = MatchResult((matched,), (), (), (video,), (audio,), np.ones((1, 1), np.float32), (), {})
    copied = mux_matches(result, video, tmp_path)
    assert copied.failures == ()
    assert any("nothing says how late" in note for note in copied.notes)
    known = replace(result, matches=(replace(matched, offset_seconds=0.0),))
    assert not any("nothing says how late" in note for note in mux_matches(known, video, tmp_path).notes)
