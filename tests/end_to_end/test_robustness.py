"""`avmatch robustness`: the grid of degradations on rendered clips."""

import csv
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from avmatch.core.errors import UsageError
from avmatch.core.matches import Match
from avmatch.core.results import SyncResult
from avmatch.data.inputs import list_videos
from avmatch.data.layouts import read_pair_list
from avmatch.media.mux import mux
from avmatch.pipelines import robustness as pipeline
from avmatch.pipelines.robustness import robustness
from avmatch.reports.robustness import COLUMNS

CELLS = ["clean", "white 20 dB", "white 10 dB", "white 0 dB", "white -5 dB", "foreign_sound another"]


@pytest.fixture(scope="module")
def scenes(avmatch, once):
    """Three scenes of three seconds."""
    return once("scenes", lambda folder: avmatch("synth", folder, "--scenes", 3, "--duration", 3, "--kind", "drums"))


@pytest.fixture(scope="module")
def features(scenes):
    """A cache for all runs."""
    return scenes.with_name("scene features")


@pytest.fixture(scope="module")
def measured(avmatch, scenes, features, once):
    """What a run leaves."""

    def fill(out):
        (out / "mine.txt").write_text("not yours")
        done = avmatch("robustness", scenes, "-o", out, *asked(features))
        (out / "stdout.txt").write_text(done.stdout)
        (out / "stderr.txt").write_text(done.stderr)

    return once("measured", fill)


def asked(features):
    return ("--conditions", "white,foreign_sound,missing_face", "--cache", features)


def cells(out):
    with (out / "robustness.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {f"{row['condition']} {row['level']}".rstrip(): row for row in rows}


def result_files(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.suffix in (".json", ".csv", ".png")
    }


def test_every_cell_has_its_row_and_its_trials(measured):
    rows = cells(measured)
    assert tuple(next(iter(rows.values()))) == COLUMNS
    assert list(rows) == CELLS
    for name, row in rows.items():
        assert row["n"] == "3"
        shares = [row[f"pairs_right{bound}"] for bound in ("_low", "", "_high")]
        assert shares == sorted(shares, key=lambda share: float(share or 0)), name
    kept = json.loads((measured / "cells" / "white-minus-5-db.json").read_text())
    assert len(kept["trials"]) == 3
    found = json.loads((measured / "robustness.json").read_text())
    assert [cell["level"] for cell in found["cells"][1:5]] == ["20 dB", "10 dB", "0 dB", "-5 dB"]
    assert found["num_clips"] == 3


def test_it_says_what_was_found(measured):
    said, notes = (measured / "stdout.txt").read_text(), (measured / "stderr.txt").read_text()
    assert "3 clips, 6 cells" in said
    assert "white -5 dB" in said
    assert "missing_face hidden: left out, since no clip shows a face" in notes
    assert (measured / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left_behind_and_nothing_else_is_touched(measured):
    assert {path.name for path in measured.iterdir() if path.suffix != ".txt"} == {
        *("cells", "zeros.json", "robustness.csv", "robustness.json", "robustness.png")
    }
    assert (measured / "mine.txt").read_text() == "not yours"


def test_clips_as_they_are_are_matched_and_noise_costs(measured):
    rows = cells(measured)
    assert float(rows["clean"]["pairs_right"]) == 1.0
    assert float(rows["clean"]["offset_error_ms"]) < 60  # though every sound was moved by up to 400 ms
    trials = {
        name: json.loads((measured / "cells" / f"{name}.json").read_text())["trials"]
        for name in ("clean", "white-minus-5-db", "foreign-sound-another")
    }
    sure = {name: sum(trial["confidence"] for trial in of_cell) for name, of_cell in trials.items()}
    assert sure["white-minus-5-db"] < sure["clean"]
    assert len({trial["sync_confidence"] for of_cell in trials.values() for trial in of_cell}) == 9
    moved = [trial["offset_seconds"] for trial in trials["clean"]]
    assert max(moved) - min(moved) > 0.1


def test_a_foreign_sound_has_no_pair_that_is_right(measured):
    row = cells(measured)["foreign_sound another"]
    assert row["pairs_right"] == row["offset_error_ms"] == ""
    kept = json.loads((measured / "cells" / "foreign-sound-another.json").read_text())["trials"]
    assert all(trial["is_right"] is None and trial["error_seconds"] is None for trial in kept)


def test_killed_and_started_again_it_gives_equal_bytes(avmatch, command, scenes, features, measured, tmp_path):
    process = command("robustness", scenes, "-o", tmp_path, *asked(features))
    deadline = time.monotonic() + 60
    with process:
        while not (tmp_path / "cells/white-10-db.json").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").glob("*.json")}
    assert not (tmp_path / "robustness.csv").exists()
    avmatch("robustness", scenes, "-o", tmp_path, *asked(features))
    assert result_files(tmp_path) == result_files(measured)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.fixture(scope="module")
def again(avmatch, scenes, features, measured, once):
    """A run on pictures, in a folder where the clean cell is of other clips and another one is broken."""

    def fill(out):
        (out / "cells").mkdir()
        record = json.loads((measured / "cells" / "clean.json").read_text())
        (out / "cells" / "clean.json").write_text(json.dumps(record | {"made_by": "another", "trials": []}))
        (out / "cells" / "frame-rate-15-fps.json").write_text("{")
        avmatch("robustness", scenes, "-o", out, "--conditions", "frame_rate", "--cache", features)

    return once("again", fill)


def test_cells_of_other_clips_are_measured_again(again, measured):
    assert (again / "cells" / "clean.json").read_bytes() == (measured / "cells" / "clean.json").read_bytes()


def test_pictures_are_degraded_too(again):
    assert list(cells(again)) == ["clean", "frame_rate 50 fps", "frame_rate 24 fps", "frame_rate 15 fps"]
    clean, slow = (
        json.loads((again / "cells" / f"{name}.json").read_text())["trials"] for name in ("clean", "frame-rate-15-fps")
    )
    for trial, other in zip(clean, slow, strict=True):
        assert trial["video"] == other["video"]
        assert trial["sync_confidence"] != other["sync_confidence"]


@pytest.mark.parametrize(("said", "status", "zero"), [(0.06, "ok", 0.06), (0.06, "uncertain", None), (0.3, "ok", None)])
def test_the_zero_of_a_files_own_sound_is_where_sync_finds_it(
    scenes, features, tmp_path, monkeypatch, said, status, zero
):
    monkeypatch.setattr(
        pipeline, "sync_all", lambda paths, **_: [SyncResult(path, said, 25.0, 0.95, "lips", status) for path in paths]
    )
    monkeypatch.setattr(pipeline, "match", lambda *_, **__: SimpleNamespace(matches=_matches(scenes, tmp_path)))
    for number, pair in enumerate(read_pair_list(scenes)):
        mux(Path(pair.video), Path(pair.audio), tmp_path / "clips" / f"{number}.mp4", offset_seconds=0.0)
    robustness(tmp_path / "clips", tmp_path / "own", ["clean"], cache_dir=features)
    assert set(json.loads((tmp_path / "own/zeros.json").read_text())["zeros"].values()) == {zero}
    trials = json.loads((tmp_path / "own/cells/clean.json").read_text())["trials"]
    moved = [said - (zero or 0.0) - trial["error_seconds"] for trial in trials]
    assert {trial["is_shift"] for trial in trials} == {zero is not None}
    assert max(map(abs, moved)) <= 0.4
    assert len(set(moved)) == 3
    robustness(scenes, tmp_path / "listed", ["clean"], cache_dir=features)
    assert set(json.loads((tmp_path / "listed/zeros.json").read_text())["zeros"].values()) == {None}


def _matches(scenes, folder):
    videos = [pair.video for pair in read_pair_list(scenes)] + list(map(str, (folder / "clips").glob("*.mp4")))
    return tuple(Match(video, None, 0.0, None, None, "") for video in videos)


def test_what_cannot_be_measured_is_said(avmatch, scenes, features, tmp_path):
    said = avmatch("robustness", scenes, "-o", tmp_path, "--conditions", "rain", exits=2).stderr
    assert "no condition 'rain'; there are clean, white" in said
    assert "no condition ''" in avmatch("robustness", scenes, "-o", tmp_path, "--conditions", ",", exits=2).stderr
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.mp4").write_bytes((scenes / "videos" / "v_0001.mp4").read_bytes())
    with pytest.raises(UsageError, match=r"needs two clips or more, and 0 can be used; .*a.mp4: there is no sound"):
        robustness(tmp_path / "one", tmp_path / "out", cache_dir=features)
    video = list_videos(scenes / "videos")[0]
    for rows, message in (
        (f"{video},{video}\n{video},x.wav\n", "is not there"),
        (f"{video},{video}\n{video},{video}\n", "named twice"),
    ):
        (tmp_path / "list.csv").write_text("video,audio\n" + rows)
        with pytest.raises(UsageError, match=message):
            robustness(tmp_path / "list.csv", tmp_path / "out", cache_dir=features)
