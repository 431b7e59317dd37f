"""The development clips (../shared/data) → real files with known truth: cut, separated, shifted, at other frame rates.

Sound is moved by content: it is cut out of the recording earlier or later, as a bad edit would, or by the container's
start times, as a bad muxer would. Pictures are encoded again (crf 18) with their own times.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.features import AudioFeatures, AudioSamples, VideoFeatures
from avmatch.core.results import Failure
from avmatch.data.inputs import list_audio, list_videos
from avmatch.media.decode import decode_sound
from avmatch.media.encode import write_audio, write_clip
from avmatch.pipelines.models import models_with

SHARED = Path(os.environ.get("AVMATCH_SHARED", Path(__file__).parents[2] / "shared")) / "data"
SOUND_RATE_HZ = 48000
MAX_SIDE_PX = 640


@dataclass(frozen=True)
class Piece:
    """A stretch of a development clip."""

    path: Path
    begin_seconds: float
    length_seconds: float
    group: str
    label: str
    is_doubtful: bool = False

    @property
    def is_impact(self) -> bool:
        return self.label.startswith("impact")


def rows(collection: str) -> list[dict[str, str]]:
    """Manifest rows of `events`, or of a folder of `talk` (grid, anchors, wild …), in the manifest's order."""
    folder = SHARED / ("events" if collection == "events" else "talk")
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        found = [row | {"path": str(folder / row["file"])} for row in csv.DictReader(file)]
    return [row for row in found if collection == "events" or row["file"].startswith(f"{collection}/")]


def pieces(collection: str, length_seconds: float | None = None, limit: int | None = None) -> list[Piece]:
    """The clips, whole or in pieces of `length_seconds` (the last one only if it is as long, within 0.2 s)."""
    found = []
    for row in sample(rows(collection), limit):
        whole = common_length_seconds(Path(row["path"]))
        length = whole if length_seconds is None else min(length_seconds, whole)
        count = 1 if length_seconds is None else max(1, int((whole + 0.2) / length_seconds))
        for number in range(count):
            begin = number * length
            end = min(whole, begin + length)
            doubtful = row.get("sync") == "doubtful"
            found.append(Piece(Path(row["path"]), begin, end - begin, row["group"], row["label"], doubtful))
    return found


def sample(items: list, limit: int | None) -> list:
    """The same random choice every time."""
    if limit is None or limit >= len(items):
        return items
    chosen = np.random.default_rng(2026).choice(len(items), limit, replace=False)
    return [items[index] for index in sorted(chosen)]


def common_length_seconds(path: Path) -> float:
    """How long picture and sound are both there."""
    with av.open(str(path)) as container:
        ends = []
        for stream in (container.streams.video[0], container.streams.audio[0]):
            span = stream.duration * stream.time_base if stream.duration else container.duration / av.time_base
            ends.append(float(span))
    return min(ends)


def picture(piece: Piece, keep: Callable[[float], bool] = lambda _: True) -> Iterator[tuple[np.ndarray, float]]:
    """Frames (H, W, 3) with even sides, and their times from the beginning of the piece."""
    with av.open(str(piece.path)) as container:
        origin = max(0.0, (container.start_time or 0) / av.time_base)
        for frame in container.decode(video=0):
            time = float(frame.pts * frame.time_base) - origin - piece.begin_seconds
            if time >= piece.length_seconds:
                return
            if time >= 0.0 and keep(time):
                scale = min(1.0, MAX_SIDE_PX / max(frame.width, frame.height))
                width, height = (round(side * scale) // 2 * 2 for side in (frame.width, frame.height))
                yield frame.reformat(width, height, "rgb24").to_ndarray(), time


def sound(piece: Piece, late_seconds: float = 0.0) -> AudioSamples:
    """The piece's sound, coming late by `late_seconds`: what was heard earlier in the recording, or silence, first."""
    blocks = list(decode_sound(piece.path))
    rate = blocks[0].sample_rate_hz
    data = np.concatenate([block.data.mean(axis=0, dtype=np.float32) for block in blocks])
    begin = round((piece.begin_seconds - late_seconds - blocks[0].pts_seconds) * rate)
    count = round(piece.length_seconds * rate)
    out = np.zeros(count, np.float32)
    source = data[max(0, begin) : max(0, begin + count)]
    out[max(0, -begin) : max(0, -begin) + len(source)] = source
    return AudioSamples(out[None], rate)


def separate(folder: Path, chosen: list[Piece], late_seconds: list[float]) -> None:
    """Write videos/NNNN.mp4 (silent) and audio/MMMM.wav under shuffled names, and truth.csv."""
    names = np.random.default_rng(11).permutation(len(chosen))
    jobs = [(folder, number, int(names[number]), piece, late_seconds[number]) for number, piece in enumerate(chosen)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_separate, jobs, chunksize=8))
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "audio", "offset_ms"])
        writer.writerows([f"{n:04d}.mp4", f"{a:04d}.wav", round(late * 1000)] for _, n, a, _, late in jobs)


def _separate(job: tuple[Path, int, int, Piece, float]) -> None:
    folder, number, name, piece, late = job
    frames, times = zip(*picture(piece), strict=True)
    write_clip(folder / f"videos/{number:04d}.mp4", frames, fps=25, crf=18, frame_times_seconds=times)
    write_audio(folder / f"audio/{name:04d}.wav", sound(piece, late))


@dataclass(frozen=True, eq=False)
class Gallery:
    """Features of a folder of separated files, and who belongs to whom.

    Attributes:
        truth: (N,) the column of each video's sound, -1 = it has none.
    """

    videos: list[VideoFeatures]
    audios: list[AudioFeatures]
    truth: np.ndarray

    def of(self, videos: np.ndarray) -> Gallery:
        """Only these videos, and their sounds."""
        columns = self.truth[videos]
        return Gallery(
            [self.videos[row] for row in videos],
            [self.audios[column] for column in columns],
            np.arange(len(columns)),
        )


def gallery(folder: Path, cache: Path) -> Gallery:
    """Analyse a folder that has `videos`, `audio` and truth.csv, as `separate` or `avmatch synth` write it."""
    analyser = Analyser(cache, models_with(None).towers, num_threads=1)
    videos, audio = list_videos(folder / "videos"), list_audio(folder / "audio")
    with (folder / "truth.csv").open(newline="") as file:
        partner = {Path(row["video"]).name: Path(row["audio"]).name for row in csv.DictReader(file) if row["video"]}
    column = {Path(path).name: number for number, path in enumerate(audio)} | {"": -1}
    return Gallery(
        usable(analyse_all(analyser.video, videos, "videos")),
        usable(analyse_all(analyser.audio, audio, "audio")),
        np.array([column[partner[Path(path).name]] for path in videos]),
    )


def usable(answers: list) -> list:
    """All of them, or an error that names the first that could not be analysed."""
    for answer in answers:
        if isinstance(answer, Failure):
            raise SystemExit(f"{answer.path}: {answer.message}")
    return answers
