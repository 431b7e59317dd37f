"""Results: tables, JSON, verdicts."""

import csv
import io
import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from avmatch.core.clock import itu_verdict
from avmatch.core.errors import MediaError, MissingExtraError, UsageError
from avmatch.core.matches import CANDIDATE_COLUMNS, MATCH_COLUMNS, Candidate, FurtherAudio, Match, MatchResult, Preview
from avmatch.core.results import FAILURE_COLUMNS, SYNC_COLUMNS, Failure, Piece, Rival, SyncResult, SyncResults, csv_text

PAIRED = Match("v/a.mp4", "s/1.wav", 0.98765, 12.345678, 0.12, "motion", "s/2.wav", 3.00004)
ALONE = Match("v/b.mp4", None, 0.1, None, None, "")


def match_result(**changes):
    parts = {
        "matches": (PAIRED, ALONE),
        "unmatched_audio": ("s/2.wav",),
        "candidates": (Candidate("v/a.mp4", 1, "s/1.wav", 12.3, 0.98, 0.12),),
        "videos": ("v/a.mp4", "v/b.mp4"),
        "audio": ("s/1.wav", "s/2.wav"),
        "similarity": np.zeros((2, 2), np.float32),
    }
    return MatchResult(**parts | changes)


def sync_result(offset_seconds=0.12, fps=25.0, **more):
    return SyncResult("a.mp4", offset_seconds, fps, 0.87654321, "mouth", "uncertain", "low_confidence", **more)


def failed():
    return SyncResult("b.mp4", None, None, 0.0, "", "failed", "silence", message="there is only silence in it")


@pytest.mark.parametrize(
    ("border", "inside", "outside", "beyond"),
    [
        (-0.045, "in_sync", "early_noticed", -math.inf),
        (0.125, "in_sync", "late_noticed", math.inf),
        (-0.090, "early_noticed", "early_unacceptable", -math.inf),
        (0.185, "late_noticed", "late_unacceptable", math.inf),
    ],
)
def test_the_verdict_changes_just_beyond_each_border(border, inside, outside, beyond):
    assert itu_verdict(border) == inside
    assert itu_verdict(math.nextafter(border, beyond)) == outside


def test_sound_and_picture_together_are_in_sync():
    assert itu_verdict(0.0) == "in_sync"


def test_rows_fit_their_columns():
    assert dict(zip(MATCH_COLUMNS, PAIRED.row(), strict=True)) == {
        "video": "v/a.mp4",
        "audio": "s/1.wav",
        "confidence": 0.9877,
        "score": 12.3457,
        "offset_ms": 120.0,
        "cue": "motion",
        "runner_up": "s/2.wav",
        "runner_up_score": 3.0,
        "missing": None,
        "offset_confidence": None,
        "offset_low_ms": None,
        "offset_high_ms": None,
        "why": "",
    }
    more = {"missing_share": 0.51239, "offset_confidence": 0.98765, "offset_interval_seconds": (0.1, 0.14)}
    row = dict(zip(MATCH_COLUMNS, replace(PAIRED, **more, why="lips 4.1; next best 1.2").row(), strict=True))
    assert row["missing"] == 0.5124
    assert (row["offset_confidence"], row["offset_low_ms"], row["offset_high_ms"]) == (0.9877, 100.0, 140.0)
    assert row["why"] == "lips 4.1; next best 1.2"
    candidate = Candidate("v", 2, "s", 1.00006, 0.5, -0.04, 0.12344, "lips 1.0")
    assert dict(zip(CANDIDATE_COLUMNS, candidate.row(), strict=True)) == {
        "video": "v",
        "rank": 2,
        "audio": "s",
        "score": 1.0001,
        "confidence": 0.5,
        "offset_ms": -40.0,
        "belongs": 0.1234,
        "why": "lips 1.0",
    }
    error = MediaError("x.mov", "it is empty", stage="open", reason="unreadable")
    failure = Failure.from_error(error)
    assert dict(zip(FAILURE_COLUMNS, failure.row(), strict=True)) == {
        "path": "x.mov",
        "stage": "open",
        "message": "it is empty",
    }
    assert failure.reason == "unreadable"


def test_csv_has_a_header_and_empty_cells_for_none():
    assert csv_text(("a", "b"), [("x", None), (1, 0.5)]) == "a,b\nx,\n1,0.5\n"


def test_further_recordings_have_rows_and_stand_in_the_json():
    match = replace(PAIRED, further=(FurtherAudio("s/3.wav", "also_fits", -0.25),))
    assert match.further_rows() == [("v/a.mp4", "s/3.wav", "also_fits", -250.0)]
    assert match.record()["also_fits"] == [{"audio": "s/3.wav", "role": "also_fits", "offset_ms": -250.0}]
    assert "also_fits" not in PAIRED.record()


@given(cell=st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])))
def test_any_name_survives_the_csv(cell):
    assert list(csv.reader(io.StringIO(csv_text(("path", "x"), [(cell, 1)])))) == [["path", "x"], [cell, "1"]]


def test_a_match_result_writes_a_row_for_every_video(tmp_path):
    match_result().to_csv(tmp_path / "matches.csv")
    assert (tmp_path / "matches.csv").read_text() == (
        "video,audio,confidence,score,offset_ms,cue,runner_up,runner_up_score,missing,"
        "offset_confidence,offset_low_ms,offset_high_ms,why\n"
        "v/a.mp4,s/1.wav,0.9877,12.3457,120.0,motion,s/2.wav,3.0,,,,,\n"
        "v/b.mp4,,0.1,,,,,,,,,,\n"
    )


def test_a_match_result_becomes_a_table():
    pandas = pytest.importorskip("pandas")
    frame = match_result().to_frame()
    assert tuple(frame.columns) == MATCH_COLUMNS
    assert frame["audio"].tolist()[0] == "s/1.wav"
    assert pandas.isna(frame["audio"][1])
    assert frame["confidence"].tolist() == [0.9877, 0.1]


@pytest.mark.parametrize("result", [match_result(), sync_result()], ids=["match", "sync"])
def test_the_same_table_by_each_library(result):
    tables = [pytest.importorskip(name) and result.to_frame(name) for name in ("polars", "pyarrow", "pandas")]
    by_polars, by_pyarrow, by_pandas = tables
    assert type(by_polars).__module__.startswith("polars")
    assert by_polars.columns == by_pyarrow.column_names == list(by_pandas.columns)
    rows = by_polars.to_dicts()
    assert rows == by_pyarrow.to_pylist()
    assert any(value is None for row in rows for value in row.values())  # missing cells stay missing


@pytest.mark.parametrize("result", [match_result(), sync_result()], ids=["match", "sync"])
def test_tables_without_pandas_name_the_extra_or_are_those_of_another_library(monkeypatch, result):
    for library in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"to_frame\(\) needs pandas: pip install 'avmatch\[pandas\]'"):
        result.to_frame("pandas")
    assert result.to_frame().num_columns > 10  # pyarrow's
    with pytest.raises(UsageError, match="tables are made by pandas, polars, pyarrow, not by 'numpy'"):
        result.to_frame("numpy")


def test_a_match_result_is_a_sequence_and_is_read_back_from_json_and_parquet(tmp_path):
    result = match_result()
    assert len(result) == 2
    assert [item.video for item in result] == ["v/a.mp4", "v/b.mp4"]
    assert [record["audio"] for record in json.loads(result.to_json())] == ["s/1.wav", None]
    result.to_parquet(tmp_path / "m.parquet")
    read = parquet.read_table(tmp_path / "m.parquet").to_pylist()
    assert [row["confidence"] for row in read] == [0.9877, 0.1]
    assert list(read[0]) == list(MATCH_COLUMNS)


def test_notebooks_show_a_table_with_pictures_and_escape_names():
    previews = {"v/<b>.mp4": Preview(5.0, b"jpeg")}
    matches = (replace(match_result().matches[0], video="v/<b>.mp4", offset_interval_seconds=(0.1, 0.16)),)
    shown = match_result(matches=matches, videos=("v/<b>.mp4",), similarity=np.zeros((1, 2), np.float32))
    page = replace(shown, previews=previews)._repr_html_()
    assert "<td>v/&lt;b&gt;.mp4</td><td>s/1.wav</td><td>0.99</td><td>+120 ± 40 ms</td>" in page
    assert "data:image/jpeg;base64,anBlZw==" in page
    assert "MatchResult(1 videos, 2 audio, 1 paired, 0 failed)" in page


def test_sync_results_are_a_sequence_that_can_be_kept(tmp_path):
    results = SyncResults((sync_result(), replace(sync_result(), path="<other>.mp4")))
    assert [item.path for item in results][1] == results[-1].path == results[1:][0].path == "<other>.mp4"
    assert len(json.loads(results.to_json())) == len(results.to_frame()) == 2
    assert "&lt;other&gt;.mp4" in results._repr_html_()
    results.to_csv(tmp_path / "s.csv")
    results.to_parquet(tmp_path / "s.parquet")
    read = parquet.read_table(tmp_path / "s.parquet")
    with (tmp_path / "s.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == read["path"].to_pylist()


def test_a_match_result_wants_a_matrix_that_fits():
    with pytest.raises(ValueError, match=r"similarity must have shape \(2, 2\), got \(2, 3\)"):
        match_result(similarity=np.zeros((2, 3), np.float32))


def test_results_print_their_counts():
    assert repr(match_result()) == "MatchResult(2 videos, 2 audio, 1 paired, 0 failed)"
    assert repr(sync_result()) == "SyncResult('a.mp4', offset: +0.120 s, confidence: 0.88, uncertain)"
    assert repr(failed()) == "SyncResult('b.mp4', offset: None, confidence: 0.00, failed)"


def test_a_sync_result_is_one_line_of_json():
    line = sync_result(fps=30000 / 1001).to_json()
    assert "\n" not in line
    assert list(json.loads(line).items()) == [
        ("path", "a.mp4"),
        ("offset_ms", 120.0),
        ("offset_frames", 3.6),
        ("fps", 29.97),
        ("confidence", 0.8765),
        ("cue", "mouth"),
        ("status", "uncertain"),
        ("reason", "low_confidence"),
        ("verdict", "in_sync"),
        ("offset_low_ms", None),
        ("offset_high_ms", None),
        ("drift_ppm", None),
        ("drift_low_ppm", None),
        ("drift_high_ppm", None),
        ("missing", None),
        ("belongs", None),
        ("rivals_ms", []),
        ("damaged_seconds", None),
        ("streams", None),
    ]


def test_a_sync_result_tells_its_interval_and_its_drift():
    result = sync_result(
        offset_interval_seconds=(0.08, 0.1614), drift_ppm=-412.34, drift_interval_ppm=(-500.0, -324.68)
    )
    record = json.loads(result.to_json())
    assert list(record.values())[-10:-5] == [80.0, 161.4, -412.3, -500.0, -324.7]


def test_a_sync_result_says_how_much_could_not_be_read():
    record = json.loads(sync_result(missing_share=0.51239, damaged_seconds=2.0049).to_json())
    assert (record["missing"], record["damaged_seconds"]) == (0.5124, 2.0)


def test_a_sync_result_says_which_streams_were_used():
    assert json.loads(sync_result(streams="audio stream 2 of 1, 2").to_json())["streams"] == "audio stream 2 of 1, 2"


def test_a_sync_result_says_whether_it_belongs_and_where_else():
    result = sync_result(belongs=0.41239, rivals=(Rival(0.48, 0.3), Rival(-0.5204, 0.1)))
    record = json.loads(result.to_json())
    assert (record["belongs"], record["rivals_ms"]) == (0.4124, [480.0, -520.4])
    assert result.row()[-4:-2] == (0.4124, "+480 -520")


def test_a_sync_result_tells_its_pieces_where_there_are_any():
    assert "pieces" not in json.loads(sync_result().to_json())
    first = Piece(0.02, 17.0, -0.0561, (-0.0979, -0.0155))
    covered = sync_result(pieces=(first,))
    spliced = sync_result(pieces=(first, Piece(17.0, 39.58, 0.3464, (0.3066, 0.388), (15.8, 17.06))))
    assert (covered.is_spliced, spliced.is_spliced) == (False, True)
    assert json.loads(spliced.to_json())["pieces"] == [
        {
            "begin_seconds": 0.02,
            "end_seconds": 17.0,
            "offset_ms": -56.1,
            "offset_low_ms": -97.9,
            "offset_high_ms": -15.5,
        },
        {
            "begin_seconds": 17.0,
            "begin_low_seconds": 15.8,
            "begin_high_seconds": 17.06,
            "end_seconds": 39.58,
            "offset_ms": 346.4,
            "offset_low_ms": 306.6,
            "offset_high_ms": 388.0,
        },
    ]


def test_a_failed_sync_has_neither_offset_nor_verdict():
    record = json.loads(failed().to_json())
    assert tuple(record) == SYNC_COLUMNS
    assert [record[key] for key in ("offset_ms", "offset_frames", "fps", "verdict")] == [None] * 4
    assert (record["status"], record["reason"]) == ("failed", "silence")


def test_json_is_ascii_whatever_the_name():
    """A terminal that knows nothing else would otherwise be sent what is no JSON."""
    text = SyncResult("naïve 日本.mp4", None, None, 0.0, "", "failed").to_json()
    assert text.isascii()
    assert json.loads(text)["path"] == "naïve 日本.mp4"


def test_hardly_early_is_not_minus_nothing_in_frames():
    assert math.copysign(1.0, sync_result(offset_seconds=-1e-6).offset_frames) == 1.0


def test_a_sync_result_writes_one_row(tmp_path):
    sync_result().to_csv(tmp_path / "sync.csv")
    assert (tmp_path / "sync.csv").read_text() == (
        "path,offset_ms,offset_frames,fps,confidence,cue,status,reason,verdict,"
        "offset_low_ms,offset_high_ms,drift_ppm,drift_low_ppm,drift_high_ppm,missing,belongs,rivals_ms,"
        "damaged_seconds,streams\n"
        "a.mp4,120.0,3.0,25.0,0.8765,mouth,uncertain,low_confidence,in_sync,,,,,,,,,,\n"
    )


def test_a_sync_result_becomes_a_table_of_one_row():
    pytest.importorskip("pandas")
    frame = sync_result().to_frame()
    assert tuple(frame.columns) == SYNC_COLUMNS
    assert frame["offset_ms"].tolist() == [120.0]
