"""Where files come from, by name and header."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.origins import Origin
from avmatch.media.origins import created_seconds, read_origin, with_devices
from avmatch.media.timecode import parse_timecode
from shoots import write_clip, write_recording


def test_a_clip_says_its_timecode_and_when_it_changed(tmp_path):
    code = parse_timecode("10:00:01:12", Fraction(25))
    path = write_clip(tmp_path / "C1.mov", Fraction(25), timecode=code)
    os.utime(path, (2e9, 2e9))
    times = read_origin(str(path)).times_seconds
    assert times["timecode"] == pytest.approx(36_001.48)
    assert times["modified"] == pytest.approx(2e9 - 48 / 25, abs=0.05)


def test_a_recording_says_its_time_reference(tmp_path):
    path = write_recording(tmp_path / "T1.wav", 1.0, time_reference=48_000 * 7200)
    assert read_origin(str(path)).times_seconds["timecode"] == 7200.0


def test_a_header_says_device_and_creation(tmp_path):
    with av.open(str(tmp_path / "x.mov"), "w", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata.update({"creation_time": "2026-05-04T10:00:00.000000Z", "make": "Ronda", "model": "R5"})
        stream = out.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    origin = read_origin(str(tmp_path / "x.mov"))
    assert origin.device == "Ronda R5"
    assert origin.times_seconds["created"] - origin.times_seconds["ended"] == pytest.approx(1.0, abs=0.01)


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / "x.mov").write_bytes(b"nothing")
    assert read_origin(str(tmp_path / "x.mov")) == Origin(str(tmp_path / "x.mov"))


@pytest.mark.parametrize(
    ("tags", "seconds"),
    [
        ({"creation_time": "1970-01-01T00:00:00Z"}, None),
        ({"creation_time": "soon"}, None),
        ({}, None),
        ({"creation_time": "2026-01-01T00:00:01Z"}, 1_767_225_601.0),
        ({"date": "2026-01-01", "creation_time": "00:00:01"}, 1_767_225_601.0),
    ],
)
def test_times_of_creation(tags, seconds):
    assert created_seconds(tags) == seconds


def test_devices_are_told_apart_as_finely_as_files_repeat():
    paths = [f"{folder}/{prefix}{number:04d}.mov" for folder in "ab" for prefix in "CD" for number in range(4)]
    assert len({origin.device for origin in with_devices(list(map(Origin, paths)))}) == 4
    names = [f"card{number % 2}/{chr(97 + number)}x{'y' * number}.mov" for number in range(16)]
    assert {origin.device for origin in with_devices(list(map(Origin, names)))} == {"card0", "card1"}
