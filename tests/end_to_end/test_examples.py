"""The examples run as they stand."""

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
