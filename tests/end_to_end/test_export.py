"""`avmatch match --export` and `avmatch export`, as a person types them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from avmatch.synth import SynthConfig, synthesise


@pytest.fixture(scope="module")
def drums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drums")
    synthesise(folder, SynthConfig(2, seed=3, kinds=("drums",)))
    return folder


def test_match_writes_a_timeline(drums: Path, tmp_path: Path, avmatch) -> None:
    done = avmatch("match", "videos", "audio", "-o", tmp_path / "OUT", "--export", "csv", cwd=drums)
    assert f"{tmp_path / 'OUT' / 'timeline.csv'}: 2 of 2 clips with their sound" in done.stdout
    with (tmp_path / "OUT" / "timeline.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "OUT" / "matches.csv").open(newline="", encoding="utf-8") as file:
        matches = list(csv.DictReader(file))
    assert [row["offset_ms"] for row in rows] == [row["offset_ms"] for row in matches]
    assert [row["audio"] for row in rows] == [str(drums / row["audio"]) for row in matches]
    lines = avmatch("match", "videos", "audio", "-o", tmp_path / "OUT", "--export", "csv", "--json", cwd=drums)
    assert [json.loads(line)["video"] for line in lines.stdout.splitlines()] == [row["video"] for row in matches]
    assert "timeline.csv: 2 of 2 clips" in lines.stderr
    again = avmatch("export", tmp_path / "OUT", "--to", "fcpxml", cwd=drums)
    assert "timeline.fcpxml: 2 of 2 clips with their sound" in again.stdout
    # In another folder the relative paths lead nowhere, and the message says so.
    elsewhere = avmatch("export", tmp_path / "OUT", "--to", "fcpxml", cwd=tmp_path, exits=2)
    assert "none of its clips can be used" in elsewhere.stderr
    assert "run this in the folder where `avmatch match` ran" in elsewhere.stderr


def test_a_wrong_format_is_said_before_anything_is_matched(tmp_path: Path, drums: Path, avmatch) -> None:
    done = avmatch("match", "videos", "audio", "-o", tmp_path / "OUT", "--export", "aaf", cwd=drums, exits=2)
    assert "no format 'aaf'; there are otio, fcpxml, xmeml, edl, ale, mlt, csv, parquet, jsonl" in done.stderr
    assert not (tmp_path / "OUT").exists()
