"""What `melt` renders of the MLT project: the picture's flash and the sound's click come at the same time.

The sound lies within half a frame of the truth, and within 1 ms where it is played from its beginning (a delay carries
what it lacks to a frame): `melt` itself enters a WAV in the middle up to half a frame late.
"""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avmatch.media.timecode import Timecode, can_drop
from avmatch.pipelines.export import export
from shoots import RATE_HZ, Row, write_clip, write_recording, write_result

pytestmark = pytest.mark.skipif(shutil.which("melt") is None, reason="no melt here: apt-get install melt")

RATES = ["24000/1001", "24", "25", "30000/1001", "30000/1001 DF", "30", "50", "60000/1001", "60000/1001 DF", "60"]
OFFSETS_MS = (123.4, -77.0, 0.0, 1005.1, -313.3, 8.3)
NUM_FRAMES, NUM_CHANNELS = 60, 4


def rendered(project: Path, out: Path, num_channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean brightness of each frame, samples of each channel) of what `melt` makes of a project.

    Into Matroska, which can be read although `melt` sometimes ends before it has written the last bytes; where it has
    written none (once in some hundred runs), it runs again.
    """
    options = ["vcodec=mpeg4", "acodec=pcm_s16le", f"channels={num_channels}", f"frequency={RATE_HZ}", "real_time=-1"]
    command = ["melt", str(project), "-consumer", f"avformat:{out}", *options]
    for _ in range(3):
        subprocess.run(
            command, check=True, capture_output=True, timeout=120, env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
        )
        if out.is_file() and out.stat().st_size:
            break
    with av.open(str(out)) as container:
        frames = [frame.to_ndarray(format="gray").mean() for frame in container.decode(container.streams.video[0])]
    with av.open(str(out)) as container:
        blocks = [
            frame.to_ndarray().reshape(-1, num_channels) for frame in container.decode(container.streams.audio[0])
        ]
    return np.array(frames), np.concatenate(blocks).T.astype(np.int64)


def click_seconds(sound: np.ndarray, near_seconds: float, reach_seconds: float = 0.25) -> float:
    """When the loudest sample near a time comes."""
    begin = max(0, round((near_seconds - reach_seconds) * RATE_HZ))
    part = np.abs(sound[begin : round((near_seconds + reach_seconds) * RATE_HZ)])
    assert part.max() > 1000, "no click"
    return (begin + int(part.argmax())) / RATE_HZ


@pytest.mark.parametrize("text", RATES)
def test_picture_and_sound_are_together(tmp_path: Path, text: str) -> None:
    rate, is_drop = Fraction(text.split()[0]), text.endswith("DF")
    assert not is_drop or can_drop(rate)
    rows = []
    for number, offset_ms in enumerate(OFFSETS_MS):
        flash = 40 + number
        start = Timecode(round(rate * 3600), rate, is_drop)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=NUM_FRAMES, flash_frame=flash, timecode=start)
        audio = write_recording(
            tmp_path / f"a{number}.wav",
            float(flash / rate) + offset_ms / 1000,
            num_channels=NUM_CHANNELS,
            time_reference=RATE_HZ * 3600,
            label_rate=rate,
            is_drop=is_drop,
        )
        rows.append(Row(video, audio, offset_ms))
    project = tmp_path / "t.mlt"
    export(write_result(tmp_path / "OUT", rows), "mlt", project)
    frames, sound = rendered(project, tmp_path / "t.mkv", NUM_CHANNELS)
    flashes = np.flatnonzero(frames > 100).tolist()
    assert flashes == [NUM_FRAMES * number + 40 + number for number in range(len(rows))]
    for flash, offset_ms in zip(flashes, OFFSETS_MS, strict=True):
        truth = float(flash / rate)
        for channel in range(NUM_CHANNELS):  # all four, each at its own level
            error = click_seconds(sound[channel], truth) - truth
            assert abs(error) <= (0.001 if offset_ms <= 0 else float(1 / rate / 2)), (offset_ms, error)
        lead = sound[:, round((truth - 0.4) * RATE_HZ) : round((truth - 0.05) * RATE_HZ)]
        assert not lead.any()  # nothing but the click: a filter that begins with what lies in memory makes noise
        peaks = np.abs(sound[:, round((truth - 0.1) * RATE_HZ) : round((truth + 0.1) * RATE_HZ)]).max(axis=1) / 2**15
        np.testing.assert_allclose(peaks, [0.9, 0.7, 0.5, 0.3], atol=0.01)


def test_many_clips_on_one_recording(tmp_path: Path) -> None:
    """The clips stand over the recording as they lie in it, and it is heard once."""
    rate = Fraction(25)
    audio = write_recording(tmp_path / "long.wav", 6.0, duration_seconds=12.0)
    starts_ms = (5040.0, 2000.0, 5520.0)  # the first and the last show the click at 6 s
    rows = []
    for number, start_ms in enumerate(starts_ms):
        flash = round((6.0 - start_ms / 1000) * 25)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=50, flash_frame=flash)
        rows.append(Row(video, audio, start_ms))
    project = tmp_path / "t.mlt"
    export(write_result(tmp_path / "OUT", rows, many=True), "mlt", project)
    frames, sound = rendered(project, tmp_path / "t.mkv", 2)
    assert len(frames) == round((5.52 - 2.0) * 25) + 50
    (flash,) = np.flatnonzero(frames > 100).tolist()
    assert flash == 100  # 6 s of the recording, which begins at 2 s
    assert abs(click_seconds(sound.max(axis=0), 4.0) - 4.0) <= 0.02
    assert np.abs(sound).max() < 0.95 * 2**15


def test_rates_can_be_mixed(tmp_path: Path) -> None:
    """At 25 frames a second: what was seen at 0.8 s is seen within a frame of it, and heard then."""
    rows = []
    for number, text in enumerate(("25", "25", "24000/1001", "60000/1001", "30")):
        rate = Fraction(text)
        flash = round(Fraction(4, 5) * rate)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=round(2 * rate), flash_frame=flash)
        rows.append(Row(video, write_recording(tmp_path / f"a{number}.wav", float(flash / rate) - 0.1), -100.0))
    project = tmp_path / "t.mlt"
    export(write_result(tmp_path / "OUT", rows), "mlt", project)
    frames, sound = rendered(project, tmp_path / "t.mkv", 2)
    at_frame = 0
    for row, text in zip(rows, ("25", "25", "24000/1001", "60000/1001", "30"), strict=True):
        rate = Fraction(text)
        truth = at_frame / 25 + float(round(Fraction(4, 5) * rate) / rate)
        near = frames[round(25 * truth) - 1 : round(25 * truth) + 2]
        assert near.max() > 60, row.video
        assert abs(click_seconds(sound.max(axis=0), truth) - truth) <= 0.001
        at_frame += int(round(2 * rate) / rate * 25)


@pytest.mark.parametrize("name", ["a & b", "ü – 漢字", "100 %", 'it\'s "so"', "<tag>", "#1", "q?uery", "a=b;c", "x:y"])
def test_names(tmp_path: Path, name: str) -> None:
    rate = Fraction(25)
    folder = tmp_path / name
    video = write_clip(folder / f"{name}.mov", rate, num_frames=25, flash_frame=10)
    audio = write_recording(folder / f"{name}.wav", 0.4, duration_seconds=1.0)
    result = write_result(tmp_path / "OUT", [Row(video, audio, 0.0)])
    for paths in ("absolute", "relative"):
        project = tmp_path / f"{paths}.mlt"
        export(result, "mlt", project, paths=paths)
        frames, sound = rendered(project, tmp_path / f"{paths}.mkv", 2)
        assert np.flatnonzero(frames > 100).tolist() == [10]
        assert abs(click_seconds(sound.max(axis=0), 0.4) - 0.4) < 0.001
