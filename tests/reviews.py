"""A result with small real files, and the review's server in a process of its own, for the tests of the review."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import httpx

from shoots import Row, write_clip, write_recording, write_result

TIMEOUT_SECONDS = 60
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A review that runs.

    Attributes:
        address: its first line: with the token.
        process: it.
    """

    address: str
    process: subprocess.Popen[str]

    @property
    def base(self) -> str:
        """The address without its query."""
        return self.address.partition("/?")[0]

    @property
    def token(self) -> str:
        """What opens it."""
        return self.address.rpartition("=")[2]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.base.rpartition(":")[2])

    def client(self, **options: object) -> httpx.Client:
        """Asks as a program does."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=TIMEOUT_SECONDS, **options)  # type: ignore[arg-type]


def make_result(folder: Path, num_clips: int = 3) -> Path:
    """Clips with a flash at about 1 s, recordings with a click at 1 s + 0.1 s · number; the last has no match."""
    rows = []
    for number in range(num_clips):
        video = write_clip(
            folder / "video" / f"clip {number}.mp4", Fraction(24), codec="libx264", flash_frame=24 + number
        )
        audio = write_recording(folder / "audio" / f"rec {number}.wav", 1.0 + 0.1 * number)
        is_last = number == num_clips - 1
        confidence = 0.3 if is_last else 0.6 + 0.1 * number
        rows.append(Row(video, None if is_last else audio, None if is_last else 100.0 * number, confidence, 0.95))
    result = write_result(folder / "OUT", rows)
    (result / "unmatched_audio.csv").write_text(f"audio\n{folder / 'audio' / f'rec {num_clips - 1}.wav'}\n")
    return result


@contextmanager
def serving(result: Path, *options: str) -> Iterator[Server]:
    """The review of a result."""
    command = [sys.executable, "-m", "avmatch", "review", str(result), "--no-browser", *options]
    command += ["--cache", str(result.parent / "cache")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip(), process)
    finally:
        if process.stdout is not None:
            process.stdout.close()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def copied(result: Path, folder: Path) -> Path:
    """A result in another folder, of the same files."""
    return Path(shutil.copytree(result, folder / "OUT"))
