"""The people in the wild, to be looked at once, when everything else is settled: `match` and `sync` as they ship.

    python benchmarks/wild.py WORK

Pieces of 2 and 4 s, separated into silent videos and recordings: how many pairs are made and right, at 0.9 and above,
and where all recordings are missing. `sync` of the pieces of 4 s with their own sound and with other people's.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from clips import Piece, pieces, separate

from avmatch.analysis.features import Analyser
from avmatch.pipelines.match import match
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import cues_for, measured_pair

OTHERS = 6


def folder_of(work: Path, seconds: float) -> tuple[Path, list[Piece]]:
    chosen, folder = pieces("wild", seconds), work / f"{seconds:g}"
    if not (folder / "truth.csv").exists():
        separate(folder, chosen, [0.0] * len(chosen))
    return folder, chosen


def truth(folder: Path) -> dict[str, str]:
    """The recording of each video, by their names."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return {row["video"]: row["audio"] for row in csv.DictReader(file)}


def matched(work: Path, seconds: float) -> None:
    folder, _ = folder_of(work, seconds)
    own = truth(folder)
    videos, audios = (sorted(map(str, (folder / side).iterdir())) for side in ("videos", "audio"))
    half = [videos[row] for row in np.random.default_rng(0).permutation(len(videos))[: len(videos) // 2]]
    gone = {own[Path(video).name] for video in half}
    left = [audio for audio in audios if Path(audio).name not in gone]
    for name, some, others in (("all there", videos, audios), ("all missing", half, left)):
        made = [pair for pair in match(some, others, cache_dir=work / "cache").matches if pair.audio]
        right = [Path(pair.audio or "").name == own[Path(pair.video).name] for pair in made]
        sure = [is_right for pair, is_right in zip(made, right, strict=True) if pair.confidence >= 0.9]
        print(
            f"{seconds:g} s, {name}: {len(some)} videos, {len(made)} pairs made, {sum(right)} right; at 0.9 and above "
            f"{len(sure)}, {len(sure) - sum(sure)} wrong"
        )


def synced(work: Path, seconds: float = 4.0) -> None:
    folder, chosen = folder_of(work, seconds)
    own, models = truth(folder), models_with(None)
    analyser, cues = Analyser(work / "cache", models.towers, 1), cues_for(models)
    names = [f"{number:04d}.mp4" for number in range(len(chosen))]
    videos = [analyser.video(str(folder / "videos" / name)) for name in names]
    audios = [analyser.audio(str(folder / "audio" / own[name])) for name in names]
    rng, found = np.random.default_rng(1), {"own": [], "another person's": []}
    for number, (piece, video) in enumerate(zip(chosen, videos, strict=True)):
        strangers = [other for other, one in enumerate(chosen) if one.group != piece.group]
        pairs = [("own", number), *(("another person's", other) for other in rng.choice(strangers, OTHERS, False))]
        for kind, other in pairs:
            found[kind].append(measured_pair(cues, piece.path.name, video, audios[other], 1.0).result)
    for kind, results in found.items():
        num = [sum(result.status == status for result in results) for status in ("ok", "unrelated")]
        print(f"{kind} sound: {len(results)} pairs, ok {num[0]}, unrelated {num[1]}")
    print(
        "offsets of ok, ms:", sorted(round(result.offset_ms or 0) for result in found["own"] if result.status == "ok")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    for seconds in (2.0, 4.0):
        matched(given.work, seconds)
    synced(given.work)


if __name__ == "__main__":
    main()
