"""The folder of a run: complete, readable by others, replaced without touching what isn't ours."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.matches import CANDIDATE_COLUMNS, MATCH_COLUMNS, Match
from avmatch.core.results import FAILURE_COLUMNS, SYNC_COLUMNS, Failure, SyncResult
from avmatch.pipelines.delivery import write_sync
from avmatch.reports.output import write_match

OUR_FILES = {
    "matches.csv",
    "unmatched_audio.csv",
    "candidates.csv",
    "similarity.npy",
    "similarity.json",
    "errors.csv",
    "report.html",
}


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def strict(text: str) -> object:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_writes_every_file_and_nothing_else(build, tmp_path):
    report = write_match(build(3), tmp_path / "new" / "out")
    assert report == tmp_path / "new" / "out" / "report.html"
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == OUR_FILES


def test_tables_have_their_headers_and_rows(build, tmp_path):
    result = build(2, failures=(Failure("x.mp4", "open", "no index"),), unmatched_audio=("a/extra.wav",))
    write_match(result, tmp_path)
    matches = read_csv(tmp_path / "matches.csv")
    assert matches[0] == list(MATCH_COLUMNS)
    expected = ["v/clip 0.mp4", "a/take 1.wav", "0.3333", "5.0", "120.0", "motion", "a/take 0.wav", "-2.0", *[""] * 5]
    assert matches[1] == expected
    assert read_csv(tmp_path / "unmatched_audio.csv") == [["audio"], ["a/extra.wav"]]
    assert read_csv(tmp_path / "candidates.csv")[0] == list(CANDIDATE_COLUMNS)
    assert read_csv(tmp_path / "errors.csv") == [list(FAILURE_COLUMNS), ["x.mp4", "open", "no index"]]


def test_similarity_has_its_names_in_order(build, tmp_path):
    result = build(3)
    write_match(result, tmp_path)
    scores = np.load(tmp_path / "similarity.npy", allow_pickle=False)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, result.similarity)
    description = strict((tmp_path / "similarity.json").read_text("utf-8"))
    assert set(description) == {"videos", "audio", "version", "cues", "settings"}
    assert description["videos"] == list(result.videos)
    assert description["audio"] == list(result.audio)
    assert description["cues"] == ["motion", "mouth"]
    assert description["settings"] == {"max_offset_seconds": 0.5}


def test_json_stays_strict_where_numbers_are_not_finite(build, tmp_path):
    settings = {"cues": (), "max_offset_seconds": float("inf"), "nested": {"weights": [1.0, float("nan")]}}
    write_match(build(1, settings=settings), tmp_path)
    description = strict((tmp_path / "similarity.json").read_text("utf-8"))
    assert description["settings"] == {"max_offset_seconds": None, "nested": {"weights": [1.0, None]}}


@pytest.mark.parametrize("name", ["a,b.mp4", 'say "hi".mp4', "two\nlines.mp4", "Öl シーン 🎬.mp4", "-rf.mp4"])
def test_csv_gives_names_back_unchanged(build, tmp_path, name):
    write_match(build(1, matches=(Match(name, None, 0.1, None, None, ""),)), tmp_path)
    assert read_csv(tmp_path / "matches.csv")[1][0] == name


def test_name_that_is_not_utf8_does_not_cost_the_run_its_results(build, tmp_path):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    result = build(1, videos=(name,), matches=(Match(name, None, 0.1, None, None, ""),))
    write_match(result, tmp_path)
    assert strict((tmp_path / "similarity.json").read_text("utf-8"))["videos"] == [name]
    assert read_csv(tmp_path / "matches.csv")[1][0] == r"caf\udce9.mp4"
    assert "caf�.mp4" in (tmp_path / "report.html").read_text("utf-8")


def test_second_run_replaces_ours_and_leaves_others(build, tmp_path):
    write_match(build(3), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "sub").mkdir()
    write_match(build(1), tmp_path)
    assert len(read_csv(tmp_path / "matches.csv")) == 2
    assert np.load(tmp_path / "similarity.npy").shape == (1, 1)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == OUR_FILES | {"notes.txt", "sub"}


def test_failed_write_leaves_the_old_file_and_no_rubbish(build, tmp_path, monkeypatch):
    write_match(build(3), tmp_path)
    before = (tmp_path / "similarity.npy").read_bytes()

    def full_disk(*arguments: object, **options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_match(build(1), tmp_path)
    assert (tmp_path / "similarity.npy").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == OUR_FILES


@pytest.mark.parametrize("below", ["", "deeper"])
def test_out_that_is_a_file_is_refused_with_a_remedy(build, tmp_path, below):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(UsageError, match="name a folder that exists, or a new one, with -o"):
        write_match(build(1), taken / below)
    assert taken.read_text() == "mine"


def test_no_usable_video_still_gives_every_file(empty, tmp_path):
    write_match(empty, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == OUR_FILES
    assert np.load(tmp_path / "similarity.npy").shape == (0, 1)


def test_sync_csv_has_one_row_a_file(tmp_path):
    late = SyncResult("a, b.mp4", 0.12, 25.0, 0.9, "mouth", "ok")
    failed = SyncResult("c.mp4", None, None, 0.0, "", "failed", "no_audio", message="no sound")
    write_sync([late, failed], tmp_path / "sync.csv", None)
    assert read_csv(tmp_path / "sync.csv") == [
        list(SYNC_COLUMNS),
        ["a, b.mp4", "120.0", "3.0", "25.0", "0.9", "mouth", "ok", "", "in_sync", *[""] * 10],
        ["c.mp4", "", "", "", "0.0", "", "failed", "no_audio", *[""] * 11],
    ]
