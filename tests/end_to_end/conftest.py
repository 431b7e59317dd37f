"""The command line as a person runs it, and a folder of clips to run it on."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="session")
def command(tmp_path_factory) -> Callable[..., subprocess.Popen[str]]:
    """Starts `avmatch` with these arguments, in a process of its own with a cache of its own."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "160"}

    def start(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "avmatch", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=environment | variables,
        )

    return start


@pytest.fixture(scope="session")
def avmatch(command) -> Run:
    """Runs `avmatch` to its end; whatever was asked, there is never a traceback."""

    def run(
        *arguments: object, cwd: Path | None = None, exits: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        with command(*arguments, cwd=cwd, **variables) as process:
            stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "Traceback" not in stderr
        assert process.returncode == exits, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


@pytest.fixture(scope="session")
def clips(avmatch, tmp_path_factory) -> Path:
    """Ten scenes of five seconds, a video and a recording without a match, and some files that aren't media."""
    folder = tmp_path_factory.mktemp("clips")
    avmatch("synth", folder, "--scenes", 10, "--duration", 5, "--extra-videos", 1, "--extra-audio", 1)
    (folder / "videos" / "sub").mkdir()
    (folder / "videos" / "v_0003.mp4").rename(folder / "videos" / "sub" / "v_0001.mp4")
    (folder / "videos" / "text.mp4").write_text("this is not a video")
    (folder / "videos" / "with space ü.mp4").touch()
    (folder / "audio" / "cut off.flac").write_bytes((next((folder / "audio").glob("*.flac"))).read_bytes()[:200])
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def matched(avmatch, clips, cache, tmp_path_factory) -> Path:
    """What `match` writes for them, with a fresh cache."""
    out = tmp_path_factory.mktemp("result")
    (out / "mine.txt").write_text("not yours")
    avmatch("match", clips / "videos", clips / "audio", "-o", out, "--cache", cache)
    return out


@pytest.fixture(scope="session")
def table() -> Callable[[Path], list[dict[str, str]]]:
    """Reads a CSV."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def truth(clips, table) -> dict[str, str]:
    """The matching audio of each video, as paths; "" where there is none."""
    moved = {"videos/v_0003.mp4": "videos/sub/v_0001.mp4"}
    return {
        str(clips / moved.get(row["video"], row["video"])): row["audio"] and str(clips / row["audio"])
        for row in table(clips / "truth.csv")
        if row["video"]
    }
