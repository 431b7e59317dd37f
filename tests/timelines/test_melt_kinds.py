"""Recordings of any kind in `melt`: exact where they begin with or after their clip, near where they begin earlier.

`pytest -s` prints by how much each of the offsets is missed.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avmatch.pipelines.export import export
from shoots import Row, write_clip, write_result
from timelines.test_melt import click_seconds, rendered

pytestmark = pytest.mark.skipif(shutil.which("melt") is None, reason="no melt here: apt-get install melt")
RATE, NUM_FRAMES, FLASH_FRAME = Fraction(25), 60, 40
OFFSETS_MS = (0.0, -77.0, -313.3, 1005.1, 123.4)
KINDS = {
    "wav 16 bits 44.1 kHz": (".wav", "pcm_s16le", 44_100),
    "wav float": (".wav", "pcm_f32le", 48_000),
    "wav 24 bits 96 kHz": (".wav", "pcm_s24le", 96_000),
    "wave64": (".w64", "pcm_s24le", 48_000),
    "aiff": (".aiff", "pcm_s24be", 48_000),
    "mov": (".mov", "pcm_s24le", 48_000),
    "flac": (".flac", "flac", 48_000),
    "aac": (".m4a", "aac", 48_000),
    "opus": (".opus", "libopus", 48_000),
    "mp3": (".mp3", "libmp3lame", 48_000),
}
#: In the middle `melt` 7.12 may be wrong by half a frame, or by a packet where that is longer: FLAC's are of 96 ms.
NEAR_SECONDS = dict.fromkeys(KINDS, float(1 / RATE / 2)) | {"mp3": 0.0245, "flac": 0.096}


def recording(path: Path, codec: str, rate_hz: int, click: float) -> Path:
    """Five seconds of two channels with a click."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="stereo")
        samples = np.zeros((2, 5 * rate_hz), np.float32)
        samples[:, round(click * rate_hz)] = 0.9
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_click_comes_with_its_flash(tmp_path: Path, kind: str) -> None:
    suffix, codec, rate_hz = KINDS[kind]
    rows = []
    for number, offset_ms in enumerate(OFFSETS_MS):
        video = write_clip(tmp_path / f"v{number}.mkv", RATE, num_frames=NUM_FRAMES, flash_frame=FLASH_FRAME)
        click = float(FLASH_FRAME / RATE) + offset_ms / 1000
        rows.append(Row(video, recording(tmp_path / f"a{number}{suffix}", codec, rate_hz, click), offset_ms))
    project = export(write_result(tmp_path / "OUT", rows), "mlt", tmp_path / "t.mlt").paths[0]
    frames, sound = rendered(project, tmp_path / "t.mkv", 2)
    flashes = [NUM_FRAMES * number + FLASH_FRAME for number in range(len(rows))]
    assert np.flatnonzero(frames > 100).tolist() == flashes
    errors = [click_seconds(sound[0], flash / RATE) - float(flash / RATE) for flash in flashes]
    print(f"{kind}: {', '.join(f'{1000 * error:+.2f}' for error in errors)} ms")
    for error, offset_ms in zip(errors, OFFSETS_MS, strict=True):
        assert abs(error) <= (0.001 if offset_ms <= 0 else NEAR_SECONDS[kind]), (offset_ms, error)


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
@pytest.mark.parametrize("late_seconds", [Fraction(3, 10), Fraction(-3, 10)])
def test_recordings_with_a_picture(tmp_path: Path, suffix: str, late_seconds: Fraction) -> None:
    """MLT counts from the first frame on, whenever the sound begins."""
    rows = []
    for number, offset_ms in enumerate((0.0, -77.0, 800.0)):
        video = write_clip(tmp_path / f"v{number}.mkv", RATE, num_frames=NUM_FRAMES, flash_frame=FLASH_FRAME)
        click = FLASH_FRAME / RATE + Fraction(str(offset_ms)) / 1000
        rows.append(Row(video, with_picture(tmp_path / f"a{number}{suffix}", click, late_seconds), offset_ms))
    project = export(write_result(tmp_path / "OUT", rows), "mlt", tmp_path / "t.mlt").paths[0]
    _, sound = rendered(project, tmp_path / "t.mkv", 2)
    for number in range(len(rows)):
        flash = float((NUM_FRAMES * number + FLASH_FRAME) / RATE)
        assert abs(click_seconds(sound[0], flash, 0.7) - flash) <= 1 / RATE / 2, number


def with_picture(path: Path, click: Fraction, late_seconds: Fraction) -> Path:
    """A file whose sound begins later (or earlier) than its picture; the click is at that time of the file's clock."""
    rate_hz, begin = 48_000, max(Fraction(0), late_seconds)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg2video", rate=25)
        picture.width, picture.height, picture.gop_size = 64, 36, 1
        sound = container.add_stream("mp2", rate=rate_hz, layout="stereo")
        first = round(max(Fraction(0), -late_seconds) * RATE)
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(np.full((36, 64, 3), 90, np.uint8), "rgb24")
            frame.pts, frame.time_base = first + number, 1 / RATE
            container.mux(picture.encode(frame))
        samples = np.zeros((2, 4 * rate_hz), np.float32)
        samples[:, round((click - begin) * rate_hz)] = 0.9
        block = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        block.sample_rate, block.pts, block.time_base = rate_hz, round(begin * rate_hz), Fraction(1, rate_hz)
        for stream, last in ((sound, block), (sound, None), (picture, None)):
            container.mux(stream.encode(last))
    return path
