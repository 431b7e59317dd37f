"""The command line as a person runs it, and a folder of clips to run it on."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from fork_server import TIMEOUT_SECONDS, ForkServer

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """Of each command: a cache of its own, and a terminal of 160 columns."""
    return os.environ | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "160"}


@pytest.fixture(scope="session")
def command(environment) -> Callable[..., subprocess.Popen[str]]:
    """Starts `avmatch` with these arguments, in a process of its own."""

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
def server(tmp_path_factory) -> Iterator[ForkServer]:
    """Runs commands without importing everything again."""
    with ForkServer(tmp_path_factory.mktemp("printed")) as server:
        yield server


@pytest.fixture(scope="session")
def avmatch(command, server, environment) -> Run:
    """Runs `avmatch` to its end; whatever was asked, there is never a traceback.

    `fresh`: in a new interpreter, which draws its own seed of hashes and reads the variables that are Python's.
    """

    def run(
        *arguments: object, cwd: Path | None = None, exits: int = 0, fresh: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        if fresh:
            with command(*words, cwd=cwd, **variables) as process:
                stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
            status = process.returncode
        else:
            status, stdout, stderr = server.run(words, cwd or Path.cwd(), environment | variables)
        assert "Traceback" not in stderr
        assert status == exits, stderr
        return subprocess.CompletedProcess(words, status, stdout, stderr)

    return run


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that is filled by the first worker that asks for it, and that nobody changes afterwards."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, is_filled = root / name, root / f"{name}.filled"
        with FileLock(root / f"{name}.lock"):
            if not is_filled.exists():
                folder.mkdir()
                fill(folder)
                is_filled.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def clips(avmatch, once) -> Path:
    """Ten scenes of five seconds, a video and a recording without a match, and some files that aren't media."""

    def fill(folder: Path) -> None:
        avmatch("synth", folder, "--scenes", 10, "--duration", 5, "--extra-videos", 1, "--extra-audio", 1)
        (folder / "videos" / "sub").mkdir()
        (folder / "videos" / "v_0003.mp4").rename(folder / "videos" / "sub" / "v_0001.mp4")
        (folder / "videos" / "text.mp4").write_text("this is not a video")
        (folder / "videos" / "with space ü.mp4").touch()
        (folder / "audio" / "cut off.flac").write_bytes((next((folder / "audio").glob("*.flac"))).read_bytes()[:200])

    return once("clips", fill)


@pytest.fixture(scope="session")
def cache(matched) -> Path:
    """The features of the clips."""
    return matched.with_name("features")


@pytest.fixture(scope="session")
def matched(avmatch, clips, once) -> Path:
    """What `match` writes for them, with a fresh cache."""

    def fill(out: Path) -> None:
        (out / "mine.txt").write_text("not yours")
        arguments = ("-o", out, "--cache", out.with_name("features"))
        avmatch("match", clips / "videos", clips / "audio", *arguments, fresh=True)

    return once("matched", fill)


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
