"""What a review is worth: right pairs of a made shoot after 0, 5, 10 and 20 corrections.

A shoot of 120 clips in noise is rendered, whose recorder is late by the same in every pair. A person who knows the
truth takes the first clips of the queue, decides them, and solves again. What he decided counts as right; what matters
is how much more is.

    python benchmarks/review.py FOLDER [--arms all] [--scenes 120] [--offset-ms 0 --jitter-ms 300]

FOLDER keeps the clips and their features. With `--large N` a result of N × N is written instead, opened, and its first
rows timed, with the memory that the server takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from avmatch.core.decisions import Ruling
from avmatch.core.files import write_text_atomically
from avmatch.core.matches import CANDIDATE_COLUMNS, MATCH_COLUMNS, MatchResult
from avmatch.core.results import csv_text
from avmatch.data.manifest import read_table
from avmatch.data.result_folder import StoredMatch
from avmatch.data.result_tables import ResultTables
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines import match as matching
from avmatch.pipelines.decided import Decided
from avmatch.pipelines.lessons import Lessons, lessons_of
from avmatch.pipelines.review_board import board
from avmatch.synth import SynthConfig, synthesise

STEPS = (0, 5, 10, 20)
RIGHT_SECONDS = 0.08
Order = Callable[[MatchResult, Decided], list[str]]


def main() -> None:
    """Run what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--scenes", type=int, default=120)
    parser.add_argument("--offset-ms", type=float, default=280.0, help="by which every recording is late")
    parser.add_argument("--jitter-ms", type=float, default=15.0, help="and by how much more or less")
    parser.add_argument("--large", type=int)
    given = parser.parse_args()
    if given.large:
        print(json.dumps(opened(given.folder, given.large)))
        return
    truth = rendered(given.folder, given.scenes, given.offset_ms / 1000.0, given.jitter_ms / 1000.0)
    for arm in given.arms.split(","):
        for step, (pairs, offsets, made) in zip(STEPS, reviewed(given.folder, truth, *ARMS[arm]), strict=True):
            row = {"arm": arm, "corrections": step, "right": pairs, "offsets": offsets, "made": made}
            print(json.dumps(row), flush=True)


def rendered(
    folder: Path, num_scenes: int, offset_seconds: float, jitter_seconds: float
) -> Mapping[str, tuple[str, float]]:
    """The right recording of each clip and its offset; the clips are rendered where they are missing."""
    if not (folder / "truth.csv").exists():
        synthesise(
            folder,
            SynthConfig(
                num_scenes,
                seed=23,
                duration_seconds=5.0,
                snr_db=3.0,
                damage=True,
                offset_seconds=offset_seconds,
                offset_jitter_seconds=jitter_seconds,
            ),
        )
    rows = read_table(folder / "truth.csv", ("video", "audio", "offset_ms"))[1]
    return {str(folder / row["video"]): (str(folder / row["audio"]), float(row["offset_ms"]) / 1000.0) for row in rows}


def reviewed(
    folder: Path, truth: Mapping[str, tuple[str, float]], learns: frozenset[str], order: Order, solves: bool
) -> list[tuple[int, int, int]]:
    """Right pairs, right offsets among them, and pairs made, after each step."""
    found, rulings, counts = solved(folder, Decided(), learns), dict[str, Ruling](), []
    for step in STEPS:
        if step:
            wanted = [video for video in order(found, Decided(rulings)) if video not in rulings]
            for video in wanted[: step - len(rulings)]:
                audio, offset = truth[video]
                rulings[video] = Ruling("accepted", audio, offset, own_offset=True)
            if solves:
                found = solved(folder, Decided(dict(rulings)), learns)
        counts.append(counted(found, rulings, truth))
    return counts


def solved(folder: Path, decided: Decided, learns: frozenset[str]) -> MatchResult:
    """The answer of `match` with these decisions."""

    def limited(*arguments: object, **options: object) -> Lessons:
        known = lessons_of(*arguments, **options)  # type: ignore[arg-type]
        return known if "offsets" in learns else replace(known, offsets={})

    factors = matching.learned_factors if "cues" in learns else lambda *_, **__: {}
    with mock.patch.object(matching, "lessons_of", limited), mock.patch.object(matching, "learned_factors", factors):
        return matching.match(
            folder / "videos", folder / "audio", MatchSettings(), cache_dir=folder / "cache", decided=decided
        )


def counted(
    found: MatchResult, rulings: Mapping[str, Ruling], truth: Mapping[str, tuple[str, float]]
) -> tuple[int, int, int]:
    """Right pairs, right offsets among them, and pairs made; what was decided holds."""
    pairs = offsets = made = 0
    for item in found.matches:
        ruling = rulings.get(item.video)
        audio, offset = (
            (item.audio, item.offset_seconds) if ruling is None else (ruling.recording, ruling.offset_seconds)
        )
        right, late = truth[item.video]
        made += audio is not None
        pairs += audio == right
        offsets += audio == right and abs((offset or 0.0) - late) <= RIGHT_SECONDS
    return pairs, offsets, made


def by_gain(found: MatchResult, decided: Decided) -> list[str]:
    """The order of the queue."""
    rows = board(_tables(found), decided).listings
    return [row.video for name in ("check", "sure") for row in rows[name]]


def by_confidence(found: MatchResult, _: Decided) -> list[str]:
    """The least confident pair first, then what has no match."""
    return [item.video for item in sorted(found.matches, key=lambda item: (item.audio is None, item.confidence))]


def at_random(found: MatchResult, _: Decided) -> list[str]:
    """Any order."""
    videos = [item.video for item in found.matches]
    return [videos[place] for place in np.random.default_rng(0).permutation(len(videos))]


def _tables(found: MatchResult) -> ResultTables:
    matches = tuple(
        StoredMatch(
            item.video,
            item.audio,
            item.confidence,
            item.offset_seconds,
            item.cue,
            item.offset_confidence,
            item.offset_interval_seconds,
            item.why,
            item.runner_up,
        )
        for item in found.matches
    )
    return ResultTables(Path(), matches, found.audio, frozenset(found.videos), found.settings)


ALL = frozenset({"offsets", "cues"})
ARMS: Mapping[str, tuple[frozenset[str], Order, bool]] = {
    "corrections alone": (frozenset(), by_gain, False),
    "constraints": (frozenset(), by_gain, True),
    "and cues": (frozenset({"cues"}), by_gain, True),
    "and offsets": (frozenset({"offsets"}), by_gain, True),
    "all": (ALL, by_gain, True),
    "all by confidence": (ALL, by_confidence, True),
    "all at random": (ALL, at_random, True),
}


def opened(folder: Path, num: int) -> dict[str, float]:
    """Seconds until the first rows of a result of `num` × `num`, and the server's memory."""
    if not (folder / "matches.csv").exists():
        write_large(folder, num)
    began = time.perf_counter()
    command = [sys.executable, "-m", "avmatch", "review", str(folder), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        base, token = address.split("/?token=")

        def ask(path: str) -> float:
            start = time.perf_counter()
            request = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request) as answer:
                body = json.load(answer)
            assert body
            ask.last = body  # type: ignore[attr-defined]
            return time.perf_counter() - start

        first = ask("/api/queue?limit=100")
        until_rows = time.perf_counter() - began
        row = ask.last["rows"][0]["id"]  # type: ignore[attr-defined]
        times = {
            "start_and_first_rows_s": until_rows,
            "first_rows_s": first,
            "next_rows_s": ask("/api/queue?limit=100&offset=2000"),
            "search_s": ask("/api/queue?section=all&search=clip_04"),
            "clip_s": ask(f"/api/clips/{row}"),
            "second_clip_s": ask(f"/api/clips/{row}"),
        }
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return {name: round(value, 3) for name, value in times.items()} | {"peak_mb": round(peak / 1024)}
    finally:
        server.terminate()
        server.wait()


def write_large(folder: Path, num: int) -> None:
    """The tables of a result of `num` × `num`, without its files."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    videos = [f"/cards/A{number // 500:02d}/clip_{number:04d}.mp4" for number in range(num)]
    audios = [f"/sound/day {number // 800}/ZOOM{number:05d}.WAV" for number in range(num)]
    confidence = rng.beta(8, 1, num).round(4).tolist()
    others = rng.integers(0, num, (num, 10))
    others[:, 0] = np.arange(num)
    matches = [
        (
            *(video, audios[row], confidence[row], 6.1, 12.5, "events", audios[others[row, 1]], 1.2, 0.0),
            *(confidence[row], -30.0, 40.0, "events 6.1, kind 0.3; next best 1.2"),
        )
        for row, video in enumerate(videos)
    ]
    candidates = [
        (video, rank + 1, audios[others[row, rank]], round(6.1 - rank, 2), 0.5, 12.5, None, "events 6.1, kind 0.3")
        for row, video in enumerate(videos)
        for rank in range(10)
    ]
    write_text_atomically(folder / "candidates.csv", csv_text(CANDIDATE_COLUMNS, candidates))
    write_text_atomically(folder / "similarity.json", json.dumps({"videos": videos, "audio": audios, "settings": {}}))
    np.save(folder / "similarity.npy", np.zeros((num, num), np.float32))
    write_text_atomically(folder / "matches.csv", csv_text(MATCH_COLUMNS, matches))


if __name__ == "__main__":
    main()
