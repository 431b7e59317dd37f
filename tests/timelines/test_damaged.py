"""Headers that are damaged are refused, or give a timeline; never anything else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.data.result_folder import StoredMatch
from avmatch.media.info import read_info
from avmatch.media.timecode import Timecode
from avmatch.timelines.formats import FORMATS
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Pair, lay_out
from shoots import write_clip, write_recording

RATE = Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", ["mov", "wav"])
def test_damaged_headers(tmp_path: Path, suffix: str) -> None:
    paths = {
        "mov": write_clip(tmp_path / "a.mov", RATE, timecode=Timecode(1000, RATE, True)),
        "wav": write_recording(tmp_path / "a.wav", 0.5, duration_seconds=1.0, num_channels=4, time_reference=48_000),
    }
    whole = {name: read_info(path) for name, path in paths.items()}
    content = paths[suffix].read_bytes()
    rng = np.random.default_rng(20)
    header = np.arange(len(content))[-1500:] if suffix == "mov" else np.arange(min(1500, len(content)))
    results = {"refused": 0, "written": 0}
    for _ in range(120):
        damaged = bytearray(content)
        for place in rng.choice(header, rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(damaged)
        try:
            info = read_info(path)
        except MediaError:
            results["refused"] += 1
            continue
        video, audio = (info, whole["wav"]) if suffix == "mov" else (whole["mov"], info)
        if video.picture is None or audio.sound is None:
            continue
        match = StoredMatch(str(video.path), str(audio.path), 0.9, 0.1, "events")
        timeline = lay_out("t", [Pair(match, video, audio)])
        assert all(form.document(timeline, Places(tmp_path)) for form in FORMATS.values())
        results["written"] += 1
    assert min(results.values()) > 0, results
