"""Kill −9 in the middle and start again: the same result, and nothing half-written."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

TABLES = ("matches.csv", "unmatched_audio.csv", "candidates.csv", "errors.csv")
MACHINE_READ = (*TABLES, "similarity.json", "similarity.npy")
NUMBERS = {"confidence": 2e-4, "score": 2e-4, "runner_up_score": 2e-4, "offset_ms": 0.11}


def killed(process, ready):
    """Kill as soon as there is something of what was waited for."""
    deadline = time.monotonic() + 60
    with process:
        while not ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        finished = process.poll() is not None
        process.kill()
        process.wait()
    return not finished


def results(out):
    """The files in OUT that count: a temporary name begins with `.avmatch-`."""
    return {path.name: path.read_bytes() for path in out.glob("*") if not path.name.startswith(".avmatch-")}


def assert_same_tables(table, out, expected):
    """Cell by cell: the last bit of a motion level may fall either way, and with it the last digit of a number."""
    for name in TABLES:
        rows, wanted = table(out / name), table(expected / name)
        assert len(rows) == len(wanted)
        for row, other in zip(rows, wanted, strict=True):
            for column, cell in row.items():
                if column in NUMBERS and cell and other[column]:
                    assert float(cell) == pytest.approx(float(other[column]), abs=NUMBERS[column])
                else:
                    assert cell == other[column], (name, column)
    assert (out / "similarity.json").read_bytes() == (expected / "similarity.json").read_bytes()
    np.testing.assert_allclose(np.load(out / "similarity.npy"), np.load(expected / "similarity.npy"), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("num_entries", [1, 6])
def test_killed_while_it_analyses(avmatch, command, clips, matched, table, tmp_path, num_entries):
    out, cache = tmp_path / "out", tmp_path / "cache"
    arguments = ("match", clips / "videos", clips / "audio", "-o", out, "--cache", cache)
    assert killed(command(*arguments), lambda: len(entries(cache)) >= num_entries)
    assert not out.exists()
    kept = {path: path.stat().st_mtime_ns for path in entries(cache)}
    avmatch(*arguments)
    assert_same_tables(table, out, matched)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # what was done isn't done again


def entries(cache):
    return [path for path in cache.rglob("*.npz") if not path.name.startswith(".avmatch-")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matches.csv", "similarity.json"])
def test_killed_while_it_writes(avmatch, command, clips, cache, matched, table, tmp_path, name):
    arguments = ("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache)
    killed(command(*arguments), lambda: (tmp_path / name).exists())
    found = results(tmp_path)
    assert name in found
    for file, content in found.items():
        if file in MACHINE_READ:
            assert content == (matched / file).read_bytes(), file
    avmatch(*arguments)
    assert_same_tables(table, tmp_path, matched)


#: Runs `match` and writes its files, one video a block; dies when the stage has got so far.
_DYING = """
import os, signal, sys
from pathlib import Path
from avmatch import match, write_match
from avmatch.matching import fusion
fusion.BLOCK_VALUES = 1
videos, audio, out, cache, stage, num = sys.argv[1:]
def progress(name, done, total):
    if name == stage and done == int(num):
        os.kill(os.getpid(), signal.SIGKILL)
write_match(match(videos, audio, cache=Path(cache), progress=progress), out)
"""


@pytest.fixture(scope="session")
def usable(avmatch, once):
    """Five scenes, and what an undisturbed `match` writes for them."""

    def fill(folder):
        avmatch("synth", folder, "--scenes", 5, "--duration", 4, "--extra-audio", 1)
        arguments = ("-o", folder / "out", "--cache", folder / "cache")
        avmatch("match", folder / "videos", folder / "audio", *arguments, fresh=True)

    return once("usable", fill)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "num"), [("videos", 2), ("audio", 3), ("pairs", 2)])
def test_resumed_files_are_the_same_byte_for_byte(avmatch, usable, environment, tmp_path, stage, num):
    # Beside the other result: the report links to the files by their places relative to it.
    out, again, cache = usable / f"after-{stage}", usable / f"again-{stage}", tmp_path / "cache"
    inputs = (usable / "videos", usable / "audio")
    words = [sys.executable, "-c", _DYING, *map(str, (*inputs, out, cache, stage, num))]
    died = subprocess.run(words, env=environment, capture_output=True, check=False, timeout=300)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert entries(cache)
    assert not out.exists()
    avmatch("match", *inputs, "-o", out, "--cache", cache, fresh=True)
    assert results(out) == results(usable / "out")
    answer = next((cache / "answers").glob("*.npz"))
    avmatch("match", *inputs, "-o", again, "--cache", cache)
    assert results(again) == results(out)
    assert answer.stat().st_mtime_ns == next((cache / "answers").glob("*.npz")).stat().st_mtime_ns
