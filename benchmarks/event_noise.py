"""The model for any sound in noise: pieces of 5 s of recordings never seen, as in benchmarks/events.py.

    python benchmarks/event_noise.py WORK [--noise 20 10 5 0 -5] [--plot noise.png]

WORK as left by benchmarks/events.py. Each piece's sound is put into babble, music and white noise at these levels (dB),
and measured and matched by the model of the fold that hasn't seen its recording. Intervals (95 %) are over recordings.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from clips import Piece, sound, usable
from events import FOLDS, NEAR, Part, late, matched, packed, parts, trained
from lips import NOISES, Condition, Row, noisy, plot, share
from scipy.optimize import linear_sum_assignment

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.cues.evidence import Cue
from avmatch.media.encode import write_audio
from avmatch.pipelines.models import Models, motion_cues

TOLERANCE_SECONDS = 0.08


def in_noise(part: Part, condition: Condition, first: int) -> Part:
    """The same pieces with other sounds, each in the order of its picture; `first` is the number of the first piece."""
    with TemporaryDirectory() as folder, ProcessPoolExecutor() as pool:
        jobs = [(Path(folder), first + number, piece, condition) for number, piece in enumerate(part.chosen)]
        paths = list(pool.map(_write, jobs, chunksize=4))
        audios = usable(analyse_all(Analyser(num_threads=1).audio, paths, "audio"))
    return replace(part, items=replace(part.items, audios=audios, truth=np.arange(len(audios))))


def _write(job: tuple[Path, int, Piece, Condition]) -> str:
    folder, number, piece, condition = job
    path = folder / f"{number:04d}.wav"
    write_audio(path, noisy(sound(piece), condition, number))
    return str(path)


def hits(when: Cue, cues: list[Cue], part: Part) -> dict[str, np.ndarray]:
    """Of each piece: is its offset right, and was it given its sound, among all and among its like?"""
    nats, impact = matched(cues, part), part.kind("impact")
    near = np.abs(late(when, part, NEAR)) <= TOLERANCE_SECONDS
    of_impacts = np.flatnonzero(impact)
    return {
        "80 ms": near,
        "assigned": assigned(nats),
        "impacts 80 ms": near[impact],
        "impacts assigned": assigned(nats[np.ix_(of_impacts, of_impacts)]),
    }


def assigned(nats: np.ndarray) -> np.ndarray:
    """Whether each row is given the column of its own number."""
    rows, columns = linear_sum_assignment(-nats.astype(np.float64))
    return rows == columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--noise", nargs="+", type=float, default=[20.0, 10.0, 5.0, 0.0, -5.0])
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    folds, pairs = parts(asked.work), packed(asked.work)
    models = [Models((), trained(asked.work, fold, pairs)) for fold in range(FOLDS)]
    firsts = np.cumsum([0, *(len(part.chosen) for part in folds[:-1])]).tolist()
    groups = [piece.group for part in folds for piece in part.chosen]
    of_impacts = [piece.group for part in folds for piece in part.chosen if piece.is_impact]
    rows = []
    for condition in (Condition(), *(Condition(kind, snr_db) for kind in NOISES for snr_db in asked.noise)):
        found = [
            hits(motion_cues(model, apart=True)[0], motion_cues(model, apart=False), in_noise(part, condition, first))
            for model, part, first in zip(models, folds, firsts, strict=True)
        ]
        shares = {
            name: share(
                np.concatenate([one[name] for one in found]), of_impacts if name.startswith("impacts") else groups
            )
            for name in found[0]
        }
        rows.append(Row(condition, shares))
        print(f"{condition!s:18s} " + "  ".join(f"{name} {one}" for name, one in shares.items()), flush=True)
    if asked.plot is not None:
        names = {"impacts 80 ms": "offset within 80 ms", "impacts assigned": "partners assigned"}
        plot(rows, "drumstick hits, 5 s", names, "recordings", asked.plot)


if __name__ == "__main__":
    main()
