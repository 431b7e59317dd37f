"""`match` from vectors alone, as `embed` writes them: time, memory, the shortlist, the sparse assignment.

    python benchmarks/embedded_scale.py WORK [--sizes 500,2000,5000,10000] [--dense-to 2000]

Vectors are made: of unit length, 128 numbers, clips of 200 kinds; nine of ten sounds lie near the picture that they
belong to. Each size runs in a process of its own; up to `--dense-to` all pairs are also scored at once, to see whether
what leads a row or a column is listed, and whether the same pairs are made.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from avmatch.core.embedded import Embedded, EmbedResult
from avmatch.matching.assignment import one_to_one
from avmatch.matching.decision import confidences
from avmatch.matching.score_blocks import Vectors, listed_pairs
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.embed import write_embeddings
from avmatch.pipelines.embedded import match_embedded, read_side

DIM, NUM_KINDS, SCALE, BASELINE = 128, 200, 20.0, 0.2
#: How far a clip lies from the middle of its kind, and a sound from its picture.
OWN, APART = 0.8, 0.6


def made(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, sounds in another order, and the sound of each picture, or -1."""
    random = np.random.default_rng(seed)

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    kinds = unit(random.normal(size=(NUM_KINDS, DIM)))[random.integers(NUM_KINDS, size=num)]
    pictures = unit(kinds + OWN * unit(random.normal(size=(num, DIM))))
    sounds = unit(pictures + APART * unit(random.normal(size=(num, DIM))))
    extra = random.permutation(num)[: num // 10]
    sounds[extra] = unit(random.normal(size=(len(extra), DIM)))
    order = random.permutation(num)
    place = np.empty(num, int)
    place[order] = np.arange(num)
    place[extra] = -1
    return pictures, sounds[order], place


def written(folder: Path, side: str, vectors: np.ndarray) -> None:
    """As `embed` writes it, with one vector over time a file."""
    if (folder / "embeddings.jsonl").exists():
        return
    nothing = np.zeros(0), np.zeros((0, DIM), np.float32)
    items = tuple(Embedded(f"{side}/{number:06d}", side, "", *nothing, 1.0, one) for number, one in enumerate(vectors))
    write_embeddings(EmbedResult("made", "none", items, (), SCALE, BASELINE), folder)


def one_size(work: Path, num: int, *, with_dense: bool) -> None:
    """Match once; prints one JSON object."""
    _, sounds, place = made(num)
    held, begin, cpu = peak_mib(), time.perf_counter(), time.process_time()
    folders = work / f"{num}-video", work / f"{num}-audio"
    result = match_embedded(*folders, MatchSettings(), cache_dir=work / "cache")
    names = [item.audio for item in result]
    found = np.array([-1 if name is None else int(name.rpartition("/")[2]) for name in names])
    row = {
        "num": num,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - cpu,
        "before_mib": held,
        "peak_mib": peak_mib(),
        "made": float((found >= 0).mean()),
        "right": float((found[place >= 0] == place[place >= 0]).mean()),
        "load": os.getloadavg()[0],
    }
    if with_dense:
        row |= beside_dense(Vectors(read_side(folders[0], "video").pooled, sounds, SCALE, BASELINE), work, found)
    print(json.dumps(row))


def beside_dense(vectors: Vectors, work: Path, found: np.ndarray) -> dict[str, float]:
    """What all scores at once say."""
    scores = vectors.scores(slice(None))
    confidence = confidences(scores)
    listed = listed_pairs(
        vectors, work / "beside" / vectors.fingerprint, lambda task, blocks, _: list(map(task.prepared(), blocks))
    )
    is_listed = np.zeros(vectors.shape, bool)
    is_listed[listed.rows, listed.columns] = True
    every = np.arange(len(scores))
    return {
        "listed": float(is_listed.mean()),
        "recall_in_rows": float(is_listed[every, scores.argmax(axis=1)].mean()),
        "recall_in_columns": float(is_listed[scores.argmax(axis=0), every].mean()),
        "recall_of_possible": float(is_listed[confidence >= 0.5].mean()),
        "num_possible": int((confidence >= 0.5).sum()),
        "pairs_made_otherwise": int((one_to_one(confidence) != found).sum()),
        "confidence_off_by": float(np.abs(listed.confidence - confidence[listed.rows, listed.columns]).max()),
    }


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="500,2000,5000,10000")
    parser.add_argument("--dense-to", type=int, default=2000)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_size(arguments.work, arguments.one, with_dense=arguments.one <= arguments.dense_to)
        return
    for num in map(int, arguments.sizes.split(",")):
        pictures, sounds, _ = made(num)
        for side, vectors in (("video", pictures), ("audio", sounds)):
            written(arguments.work / f"{num}-{side}", side, vectors)
        command = [
            sys.executable,
            __file__,
            str(arguments.work),
            "--one",
            str(num),
            "--dense-to",
            str(arguments.dense_to),
        ]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
