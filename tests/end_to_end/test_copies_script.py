"""benchmarks/copies.py, which lets other programs judge the copies, on two of its sixteen clips."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "copies.py"


def run(out, environment, *names):
    command = [sys.executable, SCRIPT, out, "--only", *names]
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="no ffmpeg and ffprobe here")
def test_nothing_is_lost_unsaid(environment, tmp_path):
    result = run(tmp_path, environment, "mov_prores", "mkv_h264")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "12 copies, 0 differences that nobody explains" in result.stdout
    text = (tmp_path / "copies.md").read_text()
    assert "| mov, prores (.mov) | kept | as its own | refused | kept (1) |" in text
    assert "1. the timecode track becomes a tag: .mkv has none" in text


def test_without_the_programs_it_says_what_to_install(environment, tmp_path):
    result = run(tmp_path, environment | {"PATH": str(tmp_path)}, "mov_prores")
    assert result.returncode == 1
    assert "ffmpeg and ffprobe can't be found; install FFmpeg" in result.stderr
