"""Shoots with known truth for the tests of timelines: clips that flash, recordings that click at the same moment."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avmatch.media.timecode import Timecode

RATE_HZ = 48_000
OLD_COLUMNS = "video audio confidence score offset_ms cue runner_up runner_up_score missing".split()
COLUMNS = [*OLD_COLUMNS, "offset_confidence", "offset_low_ms", "offset_high_ms", "why"]


def write_clip(
    path: Path,
    rate: Fraction,
    *,
    num_frames: int = 48,
    flash_frame: int = 24,
    timecode: Timecode | None = None,
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 36),
    stamps: list[int] | None = None,
) -> Path:
    """A dark clip with one white frame.

    Args:
        stamps: the time of each frame in milliseconds, for a rate that varies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        stream.gop_size = 12
        stream.codec_context.time_base = Fraction(1, 1000) if stamps else 1 / rate
        if timecode is not None:
            (container if path.suffix == ".mxf" else stream).metadata["timecode"] = str(timecode)
        for number in range(num_frames):
            grey = np.full((size[1], size[0], 3), 235 if number == flash_frame else 16, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "rgb24")
            frame.pts, frame.time_base = (stamps[number] if stamps else number), stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_recording(
    path: Path,
    click_seconds: float,
    *,
    duration_seconds: float = 4.0,
    num_channels: int = 1,
    rate_hz: int = RATE_HZ,
    time_reference: int | None = None,
    label_rate: Fraction | None = None,
    is_drop: bool = False,
    first_level: float = 0.9,
    level_step: float = 0.2,
) -> Path:
    """A WAV of 24 bits with one click, in each channel weaker by `level_step`, which tells it from the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.zeros((round(duration_seconds * rate_hz), num_channels), np.int64)
    for channel in range(num_channels):
        samples[round(click_seconds * rate_hz), channel] = round((first_level - level_step * channel) * (2**23 - 1))
    data = (samples[..., None] >> np.array([0, 8, 16])).astype(np.uint8).tobytes()
    block = 3 * num_channels
    form = b"".join(
        number.to_bytes(size, "little")
        for number, size in ((1, 2), (num_channels, 2), (rate_hz, 4), (rate_hz * block, 4), (block, 2), (24, 2))
    )
    chunks = [(b"fmt ", form)]
    if time_reference is not None:
        chunks.append((b"bext", bytes(338) + time_reference.to_bytes(8, "little") + bytes(256)))
    if label_rate is not None or num_channels > 2:
        chunks.append((b"iXML", _ixml(num_channels, label_rate, is_drop).encode()))
    chunks.append((b"data", data))
    body = b"".join(name + len(chunk).to_bytes(4, "little") + chunk + bytes(len(chunk) % 2) for name, chunk in chunks)
    path.write_bytes(b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WAVE" + body)
    return path


def _ixml(num_channels: int, rate: Fraction | None, is_drop: bool) -> str:
    tracks = "".join(
        f"<TRACK><INTERLEAVE_INDEX>{number}</INTERLEAVE_INDEX><NAME>Mic {number}</NAME></TRACK>"
        for number in range(1, num_channels + 1)
    )
    speed = ""
    if rate is not None:
        flag = "DF" if is_drop else "NDF"
        rates = f"<TIMECODE_RATE>{rate.numerator}/{rate.denominator}</TIMECODE_RATE>"
        speed = f"<SPEED>{rates}<TIMECODE_FLAG>{flag}</TIMECODE_FLAG></SPEED>"
    return f"<BWFXML>{speed}<TRACK_LIST>{tracks}</TRACK_LIST></BWFXML>"


@dataclass(frozen=True)
class Row:
    """A row of matches.csv."""

    video: Path
    audio: Path | None
    offset_ms: float | None
    confidence: float = 0.99
    offset_confidence: float = 0.99


def write_result(folder: Path, rows: list[Row], *, columns: list[str] = COLUMNS, many: bool = False) -> Path:
    """A folder as `match` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "matches.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    "video": row.video,
                    "audio": row.audio or "",
                    "confidence": row.confidence,
                    "offset_ms": "" if row.offset_ms is None else row.offset_ms,
                    "offset_confidence": row.offset_confidence,
                    "cue": "events",
                }
            )
    with (folder / "candidates.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow("video rank audio score confidence offset_ms".split())
        for row in rows:
            if row.audio is not None:
                writer.writerow([row.video, 1, row.audio, 5.0, row.confidence, row.offset_ms])
                writer.writerow([row.video, 2, row.audio.with_name("other.wav"), 1.0, 0.01, 0.0])
    (folder / "similarity.json").write_text('{"settings": {"many": true}}' if many else "{}", encoding="utf-8")
    return folder


OFFSETS_MS = (123.4, -77.0, 0.0)
CLIP_FRAMES, RECORDING_SECONDS = 48, Fraction(4)


@dataclass(frozen=True)
class KnownClip:
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
    clips: tuple[KnownClip, ...]
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
        clips.append(KnownClip(video, audio, rate, start, Fraction(samples, 48_000), offset, 4 - number))
        rows.append(Row(video, audio, offset_ms, offset_confidence=0.5 if number == 1 else 0.99))
    return Shoot(write_result(folder / "OUT", rows), tuple(clips), rate, is_drop)
