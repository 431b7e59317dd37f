"""Clips and a recording in many containers and codecs, for copies.py: made by the program `ffmpeg`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

PICTURE = "testsrc2=size=320x180:rate=25:duration=2"
SOUND = "anoisesrc=color=pink:sample_rate=48000:duration=2:amplitude=0.3:seed={}"
COLOURS = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv"
APPLE = (
    "-metadata com.apple.quicktime.make=Apple -metadata com.apple.quicktime.location.ISO6709=+52.5200+013.4050+034/ "
    "-metadata creation_time=2024-05-06T07:08:09Z -movflags use_metadata_tags"
)
LANGUAGES = "-metadata:s:a:0 language=ita -metadata:s:a:1 language=fra"
#: Name → (suffix, how many sounds, arguments of ffmpeg).
ORIGINALS: dict[str, tuple[str, int, str]] = {
    "mov_prores": (
        ".mov",
        2,
        f"-c:v prores_ks -profile:v hq -pix_fmt yuv422p10le {COLOURS} -timecode 01:02:03:04 "
        f"-c:a pcm_s24le {LANGUAGES} {APPLE}",
    ),
    "mov_prores_4444": (".mov", 1, "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le -c:a pcm_s16le"),
    "mov_hevc": (
        ".mov",
        1,
        f"-c:v libx265 -x265-params log-level=error -tag:v hvc1 -pix_fmt yuv420p10le {COLOURS} "
        f"-timecode 10:00:00:00 -c:a aac {APPLE}",
    ),
    "mov_dnxhr": (".mov", 1, f"-c:v dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p {COLOURS} -c:a pcm_s24le"),
    "mov_h264": (".mov", 2, f"-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a pcm_s24le {LANGUAGES} {APPLE}"),
    "mp4_h264": (
        ".mp4",
        2,
        f"-c:v libx264 -preset veryfast -pix_fmt yuv420p {COLOURS} -c:a aac -c:s mov_text {LANGUAGES} "
        "-metadata title=Take",
    ),
    "mp4_hevc": (".mp4", 1, "-c:v libx265 -x265-params log-level=error -tag:v hvc1 -pix_fmt yuv420p -c:a aac"),
    "mkv_h264": (
        ".mkv",
        2,
        f"-c:v libx264 -preset veryfast -pix_fmt yuv420p {COLOURS} -c:a flac -c:s srt {LANGUAGES} -metadata title=Take",
    ),
    "mkv_ffv1": (".mkv", 1, "-c:v ffv1 -pix_fmt yuv422p10le -c:a pcm_s24le"),
    "webm_vp9": (".webm", 1, "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -pix_fmt yuv420p -c:a libopus"),
    "mxf_mpeg2": (".mxf", 2, "-c:v mpeg2video -b:v 8M -pix_fmt yuv422p -c:a pcm_s24le -timecode 01:02:03:04"),
    "mts_h264": (
        ".mts",
        1,
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a ac3 -b:a 192k -f mpegts -mpegts_m2ts_mode 1",
    ),
    "ts_mpeg2": (".ts", 1, "-c:v mpeg2video -b:v 3M -pix_fmt yuv420p -c:a mp2"),
    "mod_mpeg2": (".mod", 1, "-c:v mpeg2video -b:v 3M -pix_fmt yuv420p -c:a ac3 -f vob"),
    "avi_mjpeg": (".avi", 1, "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p -c:a pcm_s16le"),
    "avi_mpeg4": (".avi", 1, "-c:v mpeg4 -b:v 2M -pix_fmt yuv420p -c:a pcm_s16le"),
}
WITH_CHAPTERS = ("mp4_h264", "mkv_h264")


def run(*command: object, text: bool = True) -> Any:
    """What a program prints; its own words where it fails."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=text, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr[-2000:]}")
    return result.stdout


def make(name: str, folder: Path) -> Path:
    """An original."""
    suffix, num_sounds, arguments = ORIGINALS[name]
    path = folder / f"{name}{suffix}"
    inputs = ["-f", "lavfi", "-i", PICTURE]
    maps = ["-map", "0:v"]
    for number in range(num_sounds):
        inputs += ["-f", "lavfi", "-i", SOUND.format(number + 1)]
        maps += ["-map", f"{number + 1}:a"]
    if name in WITH_CHAPTERS:
        lines = folder / "lines.srt"
        lines.write_text("1\n00:00:00,400 --> 00:00:00,900\nHello\n\n2\n00:00:01,200 --> 00:00:01,700\nTwo\n")
        marks = folder / "marks.txt"
        marks.write_text(
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n"
        )
        inputs += ["-i", lines, "-i", marks]
        maps += ["-map", f"{num_sounds + 1}:s", "-map_chapters", str(num_sounds + 2)]
    extra = ["-attach", lines, "-metadata:s:t:0", "mimetype=text/plain"] if name == "mkv_h264" else []
    run("ffmpeg", "-v", "error", "-y", *inputs, *maps, *arguments.split(), *extra, path)
    return path


def recording(folder: Path) -> Path:
    """24 bits, four channels."""
    path = folder / "recording.wav"
    tones = [word for number in range(4) for word in ("-f", "lavfi", "-i", SOUND.format(number + 11))]
    merge = "amerge=inputs=4,aformat=sample_fmts=s32:channel_layouts=4.0"
    run("ffmpeg", "-v", "error", "-y", *tones, "-filter_complex", merge, "-c:a", "pcm_s24le", path)
    return path
