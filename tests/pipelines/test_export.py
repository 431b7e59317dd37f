"""`avmatch export`: what is written, where, and what is said of what can't be."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import avmatch
from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.timelines.formats import FORMATS
from shoots import OLD_COLUMNS, Row, write_clip, write_recording, write_result

RATE = Fraction(25)


def rows_of(folder: Path, num: int = 3, **values: float) -> list[Row]:
    """Clips with their recordings."""
    rows = []
    for number in range(num):
        video = write_clip(folder / f"v{number}.mov", RATE, num_frames=25)
        rows.append(Row(video, write_recording(folder / f"a{number}.wav", 0.5, duration_seconds=1.5), 0.0, **values))
    return rows


def clips_of(path: Path) -> list[dict[str, str]]:
    """The rows of an exported table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("to", list(FORMATS))
def test_the_file_lies_in_the_result_by_default(tmp_path: Path, to: str) -> None:
    folder = write_result(tmp_path / "OUT", rows_of(tmp_path, 1))
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = avmatch.export(folder, to)
    (path,) = result.paths
    assert path == folder / f"timeline{FORMATS[to].suffix}"
    assert (result.num_clips, result.num_sounds, result.failures) == (1, 1, ())
    first = path.read_bytes()
    avmatch.export(folder, to)  # again, over itself
    assert path.read_bytes() == first
    after = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after.pop(".avmatch-timelines")
    assert after == before | {path.name: first}


def test_an_editors_work_is_never_replaced(tmp_path: Path) -> None:
    """Shotcut saves into the project that it opened."""
    folder = write_result(tmp_path / "OUT", rows_of(tmp_path, 1))
    (path,) = avmatch.export(folder, "mlt").paths
    edited = path.read_bytes().replace(b"</mlt>", b"<!-- cut --></mlt>")
    path.write_bytes(edited)
    for out in (None, path):
        with pytest.raises(UsageError, match="is not what `avmatch export` wrote"):
            avmatch.export(folder, "mlt", out)
    (tmp_path / "mine.otio").write_text("{}", encoding="utf-8")
    (tmp_path / "link.otio").symlink_to(tmp_path / "mine.otio")
    for name in ("mine.otio", "link.otio"):
        with pytest.raises(UsageError, match="is there already"):
            avmatch.export(folder, "otio", tmp_path / name)
    assert path.read_bytes() == edited
    assert (tmp_path / "mine.otio").read_text(encoding="utf-8") == "{}"


def test_only_sure_pairs(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 2)
    rows += rows_of(tmp_path / "doubtful", 1, confidence=0.7)
    rows += rows_of(tmp_path / "unplaced", 1, offset_confidence=0.7)
    rows.append(Row(write_clip(tmp_path / "alone.mov", RATE), None, None))
    folder = write_result(tmp_path / "OUT", rows)
    assert [bool(row["check"]) for row in clips_of(avmatch.export(folder, "csv").paths[0])] == [
        False,
        False,
        *[True] * 3,
    ]
    sure = avmatch.export(folder, "csv", tmp_path / "sure.csv", only="sure")
    assert [row["clip"] for row in clips_of(sure.paths[0])] == ["v0", "v1"]
    assert sure.notes == ()


def test_folders_of_older_versions(tmp_path: Path) -> None:
    """Without the confidence of offsets, that of the pair decides."""
    rows = [*rows_of(tmp_path, 1, offset_confidence=0.1), *rows_of(tmp_path / "b", 1, confidence=0.5)]
    folder = write_result(tmp_path / "OUT", rows, columns=OLD_COLUMNS)
    assert avmatch.export(folder, "csv", only="sure").num_clips == 1


def test_what_is_missing_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 3)
    rows[0].video.unlink()
    assert rows[1].audio is not None
    rows[1].audio.unlink()
    result = avmatch.export(write_result(tmp_path / "OUT", rows), "fcpxml")
    assert (result.num_clips, result.num_sounds) == (2, 1)
    assert {Path(failure.path).name for failure in result.failures} == {"v0.mov", "a1.wav"}
    assert all("put it back, or run this in the folder" in failure.message for failure in result.failures)
    assert "its recording a1.wav is missing" in result.paths[0].read_text(encoding="utf-8")


def test_clips_of_several_rates(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 2)
    for rate in (Fraction(30000, 1001), Fraction(60)):
        video = write_clip(tmp_path / f"{float(rate):.0f}.mov", rate, num_frames=30)
        rows.append(Row(video, rows[0].audio, 100.0))
    folder = write_result(tmp_path / "OUT", rows)
    assert len(avmatch.export(folder, "otio").paths) == 1
    for to in ("edl", "ale"):
        names = [path.name for path in avmatch.export(folder, to).paths]
        assert names == [f"timeline.{to}", f"timeline_29.97fps.{to}", f"timeline_60fps.{to}"]
        avmatch.export(folder, to)  # again, over its own
    (folder / "timeline_60fps.edl").write_text("notes of mine", encoding="utf-8")
    with pytest.raises(UsageError, match="timeline_60fps"):
        avmatch.export(folder, "edl")
    assert (folder / "timeline_60fps.edl").read_text(encoding="utf-8") == "notes of mine"


def test_rates_that_look_alike_have_files_of_their_own(tmp_path: Path) -> None:
    """Screens are recorded at any rate."""
    rows = rows_of(tmp_path, 2)
    for number, rate in enumerate((Fraction(7889, 526), Fraction(8339, 556))):  # 14.9981, 14.9982
        rows.append(Row(write_clip(tmp_path / f"w{number}.mov", rate, num_frames=30), rows[0].audio, 100.0))
    result = avmatch.export(write_result(tmp_path / "OUT", rows), "edl")
    assert [path.name for path in result.paths] == [
        "timeline.edl",
        "timeline_14.998fps.edl",
        "timeline_14.9982fps.edl",
    ]
    assert sum(path.read_text(encoding="utf-8").count(" V  ") for path in result.paths) == result.num_clips == 4


def test_a_rate_that_varies_is_said(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(0).choice([30, 33, 37, 41], 60)).tolist()
    video = write_clip(tmp_path / "phone.mp4", Fraction(30), num_frames=60, stamps=stamps)
    folder = write_result(tmp_path / "OUT", [Row(video, write_recording(tmp_path / "a.wav", 0.5), 0.0)])
    notes = avmatch.export(folder, "otio").notes
    assert notes == ("phone.mp4: its frame rate varies; editors take it for 29.97 frames a second",)


def test_rounding_is_said(tmp_path: Path) -> None:
    rows = [Row(row.video, row.audio, offset) for row, offset in zip(rows_of(tmp_path), (10.0, 40.0, 0.0), strict=True)]
    folder = write_result(tmp_path / "OUT", rows)
    for to in ("xmeml", "edl"):
        (note,) = avmatch.export(folder, to).notes
        assert note.startswith(f"{to} counts frames: 1 sounds are rounded, by up to 0.25 frames (10.0 ms)")
    for to in ("otio", "fcpxml", "mlt", "ale"):
        assert avmatch.export(folder, to).notes == ()


@pytest.mark.parametrize(
    ("to", "out", "message"),
    [
        ("aaf", None, "no format 'aaf'; there are otio, fcpxml"),
        ("otio", "folder", "is a folder; name a file"),
        ("otio", "clip.mov", "has the name of a media file"),
        ("csv", "OUT/matches.csv", "would overwrite the result itself"),
    ],
)
def test_what_is_refused(tmp_path: Path, to: str, out: str | None, message: str) -> None:
    (tmp_path / "folder").mkdir()
    folder = write_result(tmp_path / "OUT", rows_of(tmp_path, 1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=message):
        avmatch.export(folder, to, None if out is None else tmp_path / out)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no matches\.csv there"):
        avmatch.export(tmp_path, "otio")
    alone = [Row(write_clip(tmp_path / "v.mov", RATE), None, None)]
    with pytest.raises(UsageError, match="no match is sure there; use --only all"):
        avmatch.export(write_result(tmp_path / "A", alone), "otio", only="sure")
    with pytest.raises(UsageError, match="none of its clips can be used"):
        avmatch.export(write_result(tmp_path / "B", [Row(tmp_path / "gone.mov", None, None)]), "otio")
    for only in ("all", "sure"):  # before, both said that no match was sure
        with pytest.raises(UsageError, match="no videos were matched there"):
            avmatch.export(write_result(tmp_path / "C", []), "otio", only=only)
    with pytest.raises(UsageError, match="features were matched there"):
        avmatch.export(write_result(tmp_path / "D", [Row(tmp_path / "a.npy", tmp_path / "b.npy", None)]), "otio")


@pytest.mark.parametrize(
    ("library", "to", "extra"), [("opentimelineio", "otio", "edit"), ("pyarrow", "parquet", "parquet")]
)
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, to: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    folder = write_result(tmp_path / "OUT", rows_of(tmp_path, 1))
    with pytest.raises(MissingExtraError, match=rf"pip install 'avmatch\[{extra}\]'"):
        avmatch.export(folder, to)


def test_names_that_no_project_can_hold(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 1)
    odd = write_clip(tmp_path / "tab\there.mov", RATE)
    rows.append(Row(odd, rows[0].audio, 0.0))
    result = avmatch.export(write_result(tmp_path / "OUT", rows), "mlt")
    assert result.num_clips == 1
    assert "rename it" in result.failures[0].message


def test_the_command(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "media", 2)
    rows[1].video.unlink()
    relative = [
        Row(row.video.relative_to(tmp_path), row.audio and row.audio.relative_to(tmp_path), 10.0) for row in rows
    ]
    write_result(tmp_path / "OUT", relative)
    command = [sys.executable, "-m", "avmatch", "export", "OUT", "--to", "edl", "-o", "cut/cut.edl"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding="utf-8", env=os.environ | {"COLUMNS": "100"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cut/cut.edl: 1 of 1 clips with their sound\n"
    assert "edl counts frames" in done.stderr
    assert "media/v1.mov: the file is missing" in done.stderr
    assert (tmp_path / "cut" / "cut.edl").read_text(encoding="utf-8").startswith("TITLE: OUT\n")
