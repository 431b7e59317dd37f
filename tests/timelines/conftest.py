"""A shoot of every rate, in files, with what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from avmatch.media.timecode import Timecode, can_drop
from shoots import Row, write_clip, write_recording, write_result

RATES = tuple(
    Fraction(text) for text in "24000/1001 24 25 30000/1001 30000/1001 30 50 60000/1001 60000/1001 60".split()
)
OFFSETS_MS = (123.4, -77.0, 0.0)
CLIP_FRAMES, RECORDING_SECONDS = 48, Fraction(4)


@dataclass(frozen=True)
class True_:
    """What is true of one clip.

    Attributes:
        video, audio: the files; None = no recording.
        rate: of the clip.
        video_start, audio_start: source timecode in seconds since midnight.
        offset_seconds: how late the sound is.
        num_channels: of the recording.
    """

    video: Path
    audio: Path | None
    rate: Fraction
    video_start: Timecode
    audio_start: Fraction
    offset_seconds: Fraction
    num_channels: int


@dataclass(frozen=True)
class Shoot:
    """A result folder and the truth of its clips."""

    folder: Path
    clips: tuple[True_, ...]
    rate: Fraction
    is_drop: bool


def make_shoot(folder: Path, rate: Fraction, is_drop: bool) -> Shoot:
    """Three clips of one rate with recordings at known offsets, one doubtful, and a clip without a recording."""
    clips, rows = [], []
    for number, offset_ms in enumerate((*OFFSETS_MS, None)):
        offset = Fraction(str(offset_ms or 0)) / 1000
        start = Timecode(round(rate * 36_000) + 7 * number, rate, is_drop)
        video = write_clip(folder / "video" / f"clip {number}.mov", rate, num_frames=CLIP_FRAMES, timecode=start)
        samples = round((36_010 + Fraction(number, 7)) * 48_000)
        audio = None
        if offset_ms is not None:
            audio = write_recording(
                folder / "audio" / f"rec {number}.wav",
                float(24 / rate + offset),
                duration_seconds=float(RECORDING_SECONDS),
                num_channels=4 - number,
                time_reference=samples,
                label_rate=rate,
                is_drop=is_drop,
            )
        clips.append(True_(video, audio, rate, start, Fraction(samples, 48_000), offset, 4 - number))
        rows.append(Row(video, audio, offset_ms, offset_confidence=0.5 if number == 1 else 0.99))
    return Shoot(write_result(folder / "OUT", rows), tuple(clips), rate, is_drop)


@pytest.fixture(
    scope="session",
    params=[(rate, can_drop(rate) and number in (3, 7)) for number, rate in enumerate(RATES)],
    ids=lambda item: f"{float(item[0]):.5g}{'DF' if item[1] else ''}",
)
def shoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shoot:
    """A shoot of one rate."""
    rate, is_drop = request.param
    return make_shoot(tmp_path_factory.mktemp("shoot"), rate, is_drop)
