"""Recordings of many channels, or of odd ones, in an MLT project: each comes through, or is left out and named."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avmatch.media.info import read_info
from avmatch.pipelines.export import export
from shoots import RATE_HZ, Row, write_clip, write_recording, write_result
from timelines.test_melt import rendered

needs_melt = pytest.mark.skipif(shutil.which("melt") is None, reason="no melt here: apt-get install melt")
RATE = Fraction(25)
OFFSETS_MS = (0.0, -77.0)


def clicks(path: Path, num_channels: int) -> Path:
    """A WAV with a click in each channel at 1 s, the first of 0.8; it doesn't say what the channels are."""
    step = 0.8 / num_channels
    return write_recording(path, 1.0, duration_seconds=2.0, num_channels=num_channels, first_level=0.8, level_step=step)


def mono_streams(path: Path, layouts: tuple[str, ...]) -> Path:
    """Streams of one channel each, which say whose it is."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s24le", rate=RATE_HZ) for _ in layouts]
        for stream, layout in zip(streams, layouts, strict=True):
            stream.codec_context.layout = layout
        for stream, layout in zip(streams, layouts, strict=True):
            block = np.zeros((1, RATE_HZ), np.int32)
            block[0, RATE_HZ // 2] = 2**30
            frame = av.AudioFrame.from_ndarray(block, "s32", layout)
            frame.sample_rate, frame.pts = RATE_HZ, 0
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    return path


def result_of(folder: Path, *recordings: Path) -> Path:
    rows = []
    for number, audio in enumerate(recordings):
        video = write_clip(folder / f"v{number}.mov", RATE, num_frames=40, flash_frame=25)
        rows.append(Row(video, audio, OFFSETS_MS[number % 2]))
    return write_result(folder / "OUT", rows)


@needs_melt
@pytest.mark.parametrize("num_channels", [6, 7, 8])
def test_each_channel_comes_through_by_itself(tmp_path: Path, num_channels: int) -> None:
    """MLT's sum of tracks would mix the seventh and eighth into others."""
    result = result_of(tmp_path, *(clicks(tmp_path / f"a{number}.wav", num_channels) for number in range(2)))
    exported = export(result, "mlt", tmp_path / "t.mlt")
    assert exported.notes == ()
    _, sound = rendered(exported.paths[0], tmp_path / "t.mkv", num_channels)
    for channel in range(num_channels):
        places = np.flatnonzero(np.abs(sound[channel]) > 300)
        wanted = [RATE_HZ, round((40 / RATE + 1 + Fraction(77, 1000)) * RATE_HZ)]
        assert np.abs(places - wanted).max() <= 2, channel
        level = 0.8 * (num_channels - channel) / num_channels
        np.testing.assert_allclose(sound[channel][places] / 2**15, level, atol=0.01)


def test_more_channels_than_mlt_plays_are_left_out(tmp_path: Path) -> None:
    """`melt` 7.12 makes noise at full level of them, or crashes."""
    result = result_of(tmp_path, clicks(tmp_path / "ten.wav", 10), clicks(tmp_path / "two.wav", 2))
    exported = export(result, "mlt", tmp_path / "t.mlt")
    assert exported.notes == ("ten.wav: MLT can't play 10 channels; left out of the project, other formats hold all",)
    assert "ten.wav" not in exported.paths[0].read_text(encoding="utf-8")
    assert export(result, "fcpxml").notes == ()
    if shutil.which("melt") is not None:
        _, sound = rendered(exported.paths[0], tmp_path / "t.mkv", 2)
        assert len(np.flatnonzero(np.abs(sound[0]) > 300)) == 1


def test_streams_that_mlt_makes_noise_of_are_left_out(tmp_path: Path) -> None:
    path = mono_streams(tmp_path / "split.mov", ("FL", "FR", "mono"))
    found = read_info(path).sound
    assert found is not None
    assert found.layouts == ("1 channels (FL)", "1 channels (FR)", "mono")
    exported = export(result_of(tmp_path, path), "mlt", tmp_path / "t.mlt")
    assert exported.notes == (
        "split.mov: MLT can't play 1 channels (FL), 1 channels (FR); left out of the project, other formats hold all",
    )
    root = ET.parse(exported.paths[0]).getroot()
    streams = [item.findtext("property[@name='audio_index']") for item in root.iter("producer")]
    assert [stream for stream in streams if stream not in (None, "-1")] == ["2"]
    if shutil.which("melt") is not None:
        _, sound = rendered(exported.paths[0], tmp_path / "t.mkv", 2)
        assert np.flatnonzero(np.abs(sound[0]) > 300).tolist() == [RATE_HZ // 2]
