"""Every kind of good, odd and broken media file, small and made by code: `python tests/data/make_data.py FOLDER`.

The scene is a ball that bounces on a floor; each bounce clicks (CLICKS_SECONDS), so picture and sound show the time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.signal import correlate

from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_audio, write_clip

DURATION_SECONDS = 4.0
FPS = 25
HEIGHT_PX, WIDTH_PX = 120, 160
CLICKS_SECONDS = (0.4, 0.96, 1.36, 2.12, 2.6, 3.4)
#: When the frames of vfr.mkv are shown: between 10 and 90 ms apart, in whole milliseconds, as Matroska counts.
VFR_SECONDS = tuple(np.cumsum(np.random.default_rng(5).integers(10, 90, 80)) / 1000.0)
#: Where the later stream of late_audio.* and late_picture.* starts.
LATE_SECONDS = 0.48
UNICODE_NAME = "with space ünïcode ☃.mp4"
PLAYLIST = "#EXTM3U\n#EXTINF:4,\ngood.mp4\n"
CONCAT_SCRIPT = "ffconcat version 1.0\nfile good.mp4\n"

_BALL_PX, _FLOOR_PX, _DROP_PX = 10, 104, 70
_CLICK_SECONDS = 0.02
_IDENTITY_MATRIX = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
_QUARTER_TURN_MATRIX = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT_PX << 16, 0, 1 << 30], ">i4").tobytes()


def picture(time_seconds: float) -> np.ndarray:
    """(H, W, 3) RGB: the ball, on the floor at each of CLICKS_SECONDS; the top left corner is white."""
    marks = np.array([-0.2, *CLICKS_SECONDS, DURATION_SECONDS + 0.2])
    number = int(np.clip(np.searchsorted(marks, time_seconds, "right") - 1, 0, len(marks) - 2))
    phase = (time_seconds - marks[number]) / (marks[number + 1] - marks[number])
    bottom = round(_FLOOR_PX - _DROP_PX * 4 * phase * (1 - phase))
    left = 20 + round(25 * time_seconds)
    pixels = np.full((HEIGHT_PX, WIDTH_PX, 3), (60, 70, 90), np.uint8)
    pixels[_FLOOR_PX:] = (90, 60, 40)
    pixels[:16, :16] = 255
    pixels[bottom - 2 * _BALL_PX : bottom, left : left + 2 * _BALL_PX] = (230, 200, 40)
    return pixels


def pictures(duration_seconds: float = DURATION_SECONDS) -> Iterator[np.ndarray]:
    """The frames of the scene at FPS."""
    return (picture(number / FPS) for number in range(round(duration_seconds * FPS)))


def clicks(
    sample_rate_hz: int = 48000,
    *,
    times_seconds: Sequence[float] = CLICKS_SECONDS,
    duration_seconds: float = DURATION_SECONDS,
    pts_seconds: float = 0.0,
) -> AudioSamples:
    """A mono sound that clicks at `times_seconds` of its own beginning, in faint noise."""
    rng = np.random.default_rng(3)
    data = rng.normal(0, 1e-3, round(duration_seconds * sample_rate_hz)).astype(np.float32)
    ticks = np.arange(round(_CLICK_SECONDS * sample_rate_hz)) / sample_rate_hz
    click = 0.8 * np.exp(-ticks / 0.003) * np.sin(2 * np.pi * 2000 * ticks)
    for time_seconds in times_seconds:
        begin = round(time_seconds * sample_rate_hz)
        part = data[begin : begin + len(click)]
        part += click[: len(part)].astype(np.float32)
    return AudioSamples(data[np.newaxis], sample_rate_hz, pts_seconds)


def six_channels() -> AudioSamples:
    """5.1 sound that clicks in the centre alone."""
    mono = clicks()
    data = np.zeros((6, mono.data.shape[1]), np.float32)
    data[2] = mono.data[0]
    return AudioSamples(data, mono.sample_rate_hz)


def lateness_seconds(sound: AudioSamples) -> float:
    """How much later `sound` clicks, on its file's clock, than CLICKS_SECONDS (to a sample)."""
    reference = clicks(sound.sample_rate_hz).data[0]
    lag = int(np.argmax(correlate(sound.data[0], reference, method="fft"))) - (len(reference) - 1)
    return sound.pts_seconds + lag / sound.sample_rate_hz


def make_all(folder: Path) -> None:
    """Write all of them to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_good(folder)
    _make_odd_pictures(folder)
    _make_odd_sounds(folder)
    _make_broken(folder)


def flip_bytes(content: bytes, rng: np.random.Generator, *, share: float) -> bytes:
    """`content` with a `share` of its bytes replaced at random, its first 64 kept."""
    data = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(64, len(data), max(1, round(share * len(data))))
    data[where] = rng.integers(0, 256, len(where))
    return data.tobytes()


def turned(content: bytes) -> bytes:
    """An mp4 that is to be shown turned clockwise by 90 degrees, as phones write them."""
    begin = content.index(_IDENTITY_MATRIX, content.index(b"tkhd"))
    return content[:begin] + _QUARTER_TURN_MATRIX + content[begin + len(_QUARTER_TURN_MATRIX) :]


def _make_good(folder: Path) -> None:
    write_clip(folder / "good.mp4", pictures(), fps=FPS, audio=clicks())
    (folder / UNICODE_NAME).write_bytes((folder / "good.mp4").read_bytes())
    for suffix in (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus"):
        write_audio(folder / f"good{suffix}", clicks())


def _make_odd_pictures(folder: Path) -> None:
    write_clip(folder / "silent_video.mp4", pictures(), fps=FPS)
    write_clip(folder / "one_frame.mp4", pictures(1 / FPS), fps=FPS)
    write_clip(folder / "short.mp4", pictures(0.1), fps=FPS, audio=clicks(duration_seconds=0.1))
    write_clip(folder / "static.mp4", (picture(0.0) for _ in pictures()), fps=FPS, audio=clicks())
    write_clip(folder / "vfr.mkv", map(picture, VFR_SECONDS), fps=FPS, audio=clicks(), frame_times_seconds=VFR_SECONDS)
    (folder / "rotated.mp4").write_bytes(turned((folder / "good.mp4").read_bytes()))
    _write_ten_bit(folder / "ten_bit.mp4")
    late_times = [LATE_SECONDS + number / FPS for number in range(round(DURATION_SECONDS * FPS))]
    for suffix in (".mp4", ".mkv"):
        late = clicks(pts_seconds=LATE_SECONDS)
        write_clip(folder / f"late_audio{suffix}", pictures(), fps=FPS, audio=late)
        write_clip(
            folder / f"late_picture{suffix}", pictures(), fps=FPS, audio=clicks(), frame_times_seconds=late_times
        )


def _write_ten_bit(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p10le"
        for number, pixels in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p10le")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _make_odd_sounds(folder: Path) -> None:
    write_audio(folder / "audio_only.mp4", clicks())
    write_audio(folder / "hz8000.wav", clicks(8000))
    write_audio(folder / "hz96000.wav", clicks(96000))
    write_audio(folder / "six_channels.wav", six_channels())
    silence = np.zeros((1, round(DURATION_SECONDS * 16000)), np.float32)
    write_audio(folder / "silence.wav", AudioSamples(silence, 16000))


def _make_broken(folder: Path) -> None:
    rng = np.random.default_rng(7)
    good = (folder / "good.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(good[: len(good) // 2])
    (folder / "bitflipped.mp4").write_bytes(flip_bytes(good, rng, share=0.002))
    write_clip(folder / "whole.mkv", pictures(), fps=FPS, audio=clicks())
    whole = (folder / "whole.mkv").read_bytes()
    (folder / "truncated.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / "bitflipped.mkv").write_bytes(flip_bytes(whole, rng, share=0.002))
    (folder / "whole.mkv").replace(folder / "wrong_suffix.mp4")
    (folder / "zero.mp4").write_bytes(b"")
    for name in ("text.mp4", "text.wav"):
        (folder / name).write_text("This is a shopping list: bread, milk, two lemons.\n" * 20, encoding="utf-8")
    (folder / "playlist.mp4").write_text(PLAYLIST, encoding="utf-8")
    (folder / "concat.mp4").write_text(CONCAT_SCRIPT, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/data/make_data.py FOLDER")
    make_all(Path(sys.argv[1]))
