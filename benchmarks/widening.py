"""How far may an offset be searched? Clips and long recordings, with the clip's own sound somewhere in them or without.

    python benchmarks/widening.py WORK

Recordings of a minute are sounds of other people (of other events), one after the other; in half of them the clip's own
sound stands in the place of one. Each pair is measured in every range that `sync` tries where no --max-offset is given
(pipelines/widening.py); at the end: how often each status is given, and how often the place is right.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from clips import SHARED

from avmatch.analysis.features import Analyser
from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import cues_for, measured_pair
from avmatch.pipelines.widening import LADDER_SECONDS as WIDER_SECONDS

RATE_HZ, GAP_SECONDS, RIGHT_SECONDS = 16_000, 0.4, 0.15
LADDER_SECONDS = (1.0, *WIDER_SECONDS)
NUM_CLIPS = {"talk": 47, "events": 48}


def clips_of(kind: str, data: Path) -> list[tuple[str, str]]:
    """(file, group) of clips: faces that `lips` wasn't trained on; events that `events` was trained on."""
    if kind == "talk":
        rows = [row for name in ("more.csv", "manifest.csv") for row in rows_of(data / "talk" / name)]
        kept = [row for row in rows if row.get("use") == "judge" or row["file"].startswith("grid_speakers")]
    else:
        rows = rows_of(data / "events" / "manifest.csv")
        kept = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    return [(str(data / kind / row["file"]), row["group"]) for row in kept][: NUM_CLIPS[kind]]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def recording(
    own: np.ndarray | None, others: Sequence[np.ndarray], rng: np.random.Generator, length_seconds: float
) -> tuple[AudioSamples, float]:
    """Sounds one after the other, and when the own one begins among them."""
    parts, length, begin, at = [], 0, np.nan, rng.uniform(3.0, length_seconds - 12.0)
    for samples in (others[place] for place in rng.permutation(len(others))):
        if own is not None and np.isnan(begin) and length / RATE_HZ >= at:
            begin = length / RATE_HZ
            parts.append(own)
            length += len(own)
        parts += [samples, np.zeros(int(GAP_SECONDS * RATE_HZ), np.float32)]
        length += len(parts[-1]) + len(samples)
        if length > length_seconds * RATE_HZ:
            break
    if own is not None and np.isnan(begin):
        begin = length / RATE_HZ
        parts.append(own)
    return AudioSamples(np.concatenate(parts)[None].astype(np.float32), RATE_HZ), float(begin)


def pairs(kind: str, work: Path, length_seconds: float, draw: int) -> Iterator[tuple[str, Path, float]]:
    """(video, recording, offset; nan where it isn't in it)"""
    files = clips_of(kind, SHARED)
    sounds = {}
    for path, _ in files:
        try:
            sounds[path] = read_audio(path, sample_rate_hz=RATE_HZ).data.mean(axis=0)
        except MediaError:
            continue
    for number, (path, group) in enumerate(files):
        if path not in sounds:
            continue
        others = [sounds[other] for other, its in files if its != group and other in sounds]
        for is_own in (False, True):
            target = work / f"{kind}-{number}-{draw}-{length_seconds:g}-{'own' if is_own else 'foreign'}.wav"
            rng = np.random.default_rng((number, is_own, draw))
            samples, begin = recording(sounds[path] if is_own else None, others, rng, length_seconds)
            if not target.is_file():
                write_audio(target, samples)
            yield path, target, begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--kind", choices=tuple(NUM_CLIPS), action="append")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each recording")
    parser.add_argument("--draw", type=int, default=0, help="other recordings for another number")
    asked = parser.parse_args()
    work = asked.work / "widening"
    work.mkdir(parents=True, exist_ok=True)
    models = models_with(None)
    analyser, cues = Analyser(work / "cache", models.towers, num_threads=1), cues_for(models)
    counts: Counter[tuple[object, ...]] = Counter()
    for kind in asked.kind or NUM_CLIPS:
        for path, target, begin in pairs(kind, work, asked.seconds, asked.draw):
            try:
                video, sound = analyser.video(path), analyser.audio(str(target))
            except MediaError:
                continue
            for reach in (*LADDER_SECONDS, *((asked.seconds,) if asked.seconds > LADDER_SECONDS[-1] else ())):
                found = measured_pair(cues, path, video, sound, reach).result
                is_right = found.offset_seconds is not None and abs(found.offset_seconds - begin) <= RIGHT_SECONDS
                whose = "foreign" if np.isnan(begin) else "own"
                counts[kind, whose, reach, found.status, "right" if is_right else ""] += 1
                print(
                    kind,
                    Path(path).name,
                    whose,
                    f"{begin:.2f}",
                    reach,
                    found.status,
                    f"{found.confidence:.3f}",
                    "-" if found.belongs is None else f"{found.belongs:.3f}",
                    "-" if found.offset_seconds is None else f"{found.offset_seconds:.3f}",
                    "right" if is_right else "",
                    found.cue,
                    flush=True,
                )
    for what, number in sorted(counts.items(), key=str):
        print(number, *what)


if __name__ == "__main__":
    main()
