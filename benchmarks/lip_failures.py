"""Where the model for talking faces fails: a picture of the pieces whose offset came out wrong, the surest first.

    python benchmarks/lip_failures.py WORK OUT.png [--collection wild] [--length 2] [--model RUN] [--faces]

Pieces and offsets are those of benchmarks/lips.py. Each row describes picture and sound, and draws the
evidence over the offsets with the true offset and the one that was chosen. `--faces` adds frames; the clips may not be
published, so the picture in docs/ is without.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from clips import Piece, picture
from lips import Condition, Item, written

from avmatch.alignment.offset import OK_CONFIDENCE, TOLERANCE_SECONDS, OffsetEstimate, estimate_offset
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import cues_for
from avmatch.reports.plots import new_figure, save_figure, set_head

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 8
NUM_FRAMES = 5


@dataclass(frozen=True, eq=False)
class Wrong:
    """A piece whose offset came out wrong, and a summary of its picture and sound, without a name."""

    piece: Piece
    late_seconds: float
    estimate: OffsetEstimate
    summary: str


def summary_of(video: VideoFeatures, audio: AudioFeatures) -> str:
    """Faces, and how loud it is."""
    faces = len(video.mouths)
    if not faces:
        return "no face was found"
    longest = max(video.mouths, key=len)
    share = len(longest) / max(1.0, video.fps * video.duration_seconds)
    width = float(longest.boxes[:, 2].mean()) * 100
    faces_text = f"{faces} face{'s' if faces > 1 else ''}, {min(share, 1):.0%} of the time, {width:.0f} % of the width"
    return f"{faces_text} · {video.fps:.3g} fps · peak of the sound {peak_db(audio):.0f} dB"


def peak_db(audio: AudioFeatures) -> float:
    return float(20 * np.log10(max(audio.peak, 1e-6)))


def failures(items: list[Item], work: Path, model: str | None) -> tuple[list[Wrong], int]:
    """The pieces whose offset is wrong, and how many offsets were measured."""
    models = models_with(model)
    analyser, cues, found, num = Analyser(work / "cache", models.towers, num_threads=1), cues_for(models), [], 0
    items = [item for item in items if not item.piece.is_doubtful]
    videos = analyse_all(analyser.video, [item.video for item in items], "videos")
    for place in range(1, len(items[0].sounds)):
        audios = analyse_all(analyser.audio, [item.sounds[place] for item in items], "audio")
        for item, video, audio in zip(items, videos, audios, strict=True):
            late, num = item.late_seconds[place], num + 1
            estimate = estimate_offset(cues, video, audio, max_offset_seconds=1.0)
            if estimate.offset_seconds is None or abs(estimate.offset_seconds - late) > TOLERANCE_SECONDS:
                found.append(Wrong(item.piece, late, estimate, summary_of(video, audio)))
    return sorted(found, key=lambda one: -one.estimate.confidence), num


def one_each(wrong: list[Wrong]) -> list[Wrong]:
    """The surest of each piece."""
    surest: dict[Piece, Wrong] = {}
    for one in wrong:
        surest.setdefault(one.piece, one)
    return list(surest.values())


def draw(wrong: list[Wrong], title: str, path: Path, *, faces: bool) -> None:
    """A row for each."""
    figure = new_figure((11.0 if faces else 7.5, 1.7 * len(wrong) + 0.4))
    table = figure.subplots(len(wrong), 2 if faces else 1, squeeze=False, width_ratios=(3, 2)[-2 if faces else -1 :])
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    for row, one in zip(table, wrong, strict=True):
        if faces:
            _frames(row[0], one.piece)
        _curve(row[-1], one)
    save_figure(figure, path)


def _frames(axes: Axes, piece: Piece) -> None:
    frames = [frame for frame, _ in picture(piece)]
    chosen = np.linspace(0, len(frames) - 1, NUM_FRAMES).astype(int)
    axes.imshow(np.concatenate([frames[place] for place in chosen], axis=1))
    axes.set_axis_off()


def _curve(axes: Axes, one: Wrong) -> None:
    estimate = one.estimate
    said = "no offset" if estimate.offset_seconds is None else f"{1000 * estimate.offset_seconds:+.0f} ms"
    sure = "ok" if estimate.confidence >= OK_CONFIDENCE else "low confidence"
    head = f"{1000 * one.late_seconds:+.0f} ms late; said {said}, {estimate.confidence:.2f} ({sure})"
    set_head(axes, head, one.summary)
    axes.title.set_fontsize(9)
    axes.plot(1000 * estimate.lags_seconds, estimate.nats - estimate.nats.max(), color="#22262a", linewidth=1.0)
    axes.axvline(1000 * one.late_seconds, color="#0d6169", linewidth=1.5)
    if estimate.offset_seconds is not None:
        axes.axvline(1000 * estimate.offset_seconds, color="#96530a", linewidth=1.5, linestyle="--")
    axes.set_ylabel("nats", fontsize=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--collection", default="wild")
    parser.add_argument("--length", type=float, default=2.0)
    parser.add_argument("--model", help="a run or folder instead of the model that ships")
    parser.add_argument("--faces", action="store_true", help="with frames, which may not be published")
    given = parser.parse_args()
    items = written(given.collection, given.length, given.work, "as it is", Condition())
    wrong, num = failures(items, given.work, given.model)
    sure = sum(one.estimate.confidence >= OK_CONFIDENCE for one in wrong)
    print(f"{len(wrong)} of {num} offsets wrong, {sure} of them with a confidence of {OK_CONFIDENCE} or more")
    pieces = one_each(wrong)
    for one in pieces:
        print(f"  {one.piece.path.name} from {one.piece.begin_seconds:g} s: {one.summary}")
    title = f"{given.collection}, {given.length:g} s: {len(wrong)} of {num} offsets wrong; solid: true, dashed: said"
    if pieces:
        draw(pieces[:MAX_ROWS], title, given.out, faces=given.faces)


if __name__ == "__main__":
    main()
