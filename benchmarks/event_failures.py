"""Where the model for any sound fails: the surest of the wrong offsets, and which kinds are taken for which.

    python benchmarks/event_failures.py WORK OUT.png [--frames]

WORK as left by benchmarks/events.py: pieces of 5 s, each judged by the model of a fold that hasn't seen its recording.
Draws a row for each of the surest wrong offsets within ±1 s, as benchmarks/lip_failures.py does. Prints, for each class
group, how often its pictures are given their own sound, another of the same group, or one of another group, and which.
`--frames` adds frames; the clips may not be published, so the picture in docs/ is without.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from events import FOLDS, Part, matched, packed, parts, trained
from lip_failures import MAX_ROWS, Wrong, draw, one_each, peak_db
from scipy.optimize import linear_sum_assignment

from avmatch.alignment.offset import TOLERANCE_SECONDS, estimate_offset
from avmatch.cues.evidence import Cue
from avmatch.pipelines.models import Models, motion_cues
from avmatch.reports.report import markdown_table


def wrong_offsets(when: Cue, part: Part) -> list[Wrong]:
    """The pieces of a part whose sound, which is in time, isn't found there."""
    found = []
    for piece, video, audio in zip(part.chosen, part.items.videos, part.items.audios, strict=True):
        estimate = estimate_offset((when,), video, audio, max_offset_seconds=1.0)
        if estimate.offset_seconds is not None and abs(estimate.offset_seconds) > TOLERANCE_SECONDS:
            label = f"{piece.label} · {video.fps:.3g} fps · peak of the sound {peak_db(audio):.0f} dB"
            found.append(Wrong(piece, 0.0, estimate, label))
    return found


def given(cues: list[Cue], part: Part) -> list[tuple[str, str, bool]]:
    """Of each picture: its class group, that of the sound that it is given, and whether that is its own."""
    rows, columns = linear_sum_assignment(-matched(cues, part).astype(np.float64))
    groups = [piece.label.split(":")[0] for piece in part.chosen]
    return [(groups[row], groups[column], row == column) for row, column in zip(rows, columns, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", action="store_true", help="with frames, which may not be published")
    asked = parser.parse_args()
    folds, pairs = parts(asked.work), packed(asked.work)
    models = [Models((), trained(asked.work, fold, pairs)) for fold in range(FOLDS)]
    wrong, taken = [], defaultdict(list)
    for model, part in zip(models, folds, strict=True):
        wrong += wrong_offsets(motion_cues(model, apart=True)[0], part)
        for own, other, is_right in given(motion_cues(model, apart=False), part):
            taken[own].append("its own" if is_right else other)
    lines = [["pictures of", "n", "its own, %", "another of the group, %", "most often otherwise"]]
    for group, sounds in sorted(taken.items(), key=lambda item: -len(item[1])):
        often = Counter(sound for sound in sounds if sound not in ("its own", group)).most_common(2)
        shares = [f"{100 * sounds.count(sound) / len(sounds):.0f}" for sound in ("its own", group)]
        lines.append([group, str(len(sounds)), *shares, ", ".join(f"{name} ({num})" for name, num in often)])
    print(*markdown_table(lines), sep="\n")
    chosen = one_each(sorted(wrong, key=lambda one: -one.estimate.confidence))[:MAX_ROWS]
    num = sum(len(part.chosen) for part in folds)
    title = f"events never seen, 5 s: {len(wrong)} of {num} offsets wrong, the surest; solid: true, dashed: said"
    draw(chosen, title, asked.out, faces=asked.frames)


if __name__ == "__main__":
    main()
