"""The examples run as they stand."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

import avmatch

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def drums(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drums")
    avmatch.synthesise(folder, avmatch.SynthConfig(2, seed=3, kinds=("drums",)))
    return folder


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_match_folder(drums, tmp_path):
    printed = run("match_folder.py", drums / "videos", drums / "audio", tmp_path / "out")
    assert len(printed.splitlines()) == 2
    assert (tmp_path / "out" / "report.html").is_file()


def test_worst_offsets(drums):
    assert run("worst_offsets.py", drums / "videos").endswith("0 of 2 files could be measured with confidence\n")


@pytest.mark.slow
def test_make_shoot(tmp_path):
    """The editor's path: a shoot, its match, a timeline of every clip, and each format can be written."""
    assert "3 clips and their recordings" in run("make_shoot.py", tmp_path / "SHOOT", 3)
    result = avmatch.match(
        tmp_path / "SHOOT" / "camera", tmp_path / "SHOOT" / "sound", avmatch.MatchSettings(complete=True)
    )
    avmatch.write_match(result, tmp_path / "OUT")
    exported = avmatch.export(tmp_path / "OUT", "csv")
    assert (exported.num_clips, exported.num_sounds, exported.failures) == (3, 3, ())
    with exported.paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["A001", "B002", "C003"]
    assert [row["video_timecode_from"] for row in rows] == ["timecode", "timecode", ""]
    assert {row["audio_timecode_from"] for row in rows} == {"time reference"}
    assert {row["channels"] for row in rows} == {"4"}
    # Recorder and cameras show the same time of day: a frame, and what match is wrong by.
    for row in rows[:2]:
        assert abs(frames(row["audio_timecode_at_clip"]) - frames(row["video_timecode"])) <= 3


def frames(label):
    hours, minutes, seconds, frame = map(int, label.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * 24 + frame
