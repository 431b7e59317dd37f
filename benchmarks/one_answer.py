"""One pair, three commands, one answer: `match`, `match --many` and `sync` of the same pairs.

    python benchmarks/one_answer.py WORK [--scenes 100]

Clips from `avmatch synth` in WORK. Of each pair that a command makes, the offset, both ends of its interval and its
probability are compared with what `sync VIDEO --audio RECORDING` says; the largest differences are printed.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

KEYS = ("offset_ms", "offset_low_ms", "offset_high_ms")


def run(*words: object) -> str:
    command = [sys.executable, "-m", "avmatch", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--scenes", type=int, default=100)
    given = parser.parse_args()
    clips, cache = given.work / "clips", ("--cache", given.work / "cache")
    if not clips.exists():
        run("synth", clips, "--scenes", given.scenes, "--duration", 6)
    said: dict[tuple[str, str], dict[str, object]] = {}
    for name, *more in (("match",), ("match --many", "--many")):
        out = given.work / name.replace(" ", "")
        run("match", clips / "videos", clips / "audio", "-o", out, *cache, *more)
        with (out / "matches.csv").open(newline="", encoding="utf-8") as file:
            pairs = [row for row in csv.DictReader(file) if row["offset_low_ms"]]
        worst = dict.fromkeys(KEYS, 0.0)
        for row in pairs:
            pair = row["video"], row["audio"]
            if pair not in said:
                said[pair] = json.loads(run("sync", pair[0], "--audio", pair[1], "--json", *cache))
            for key in KEYS:
                worst[key] = max(worst[key], abs(float(row[key]) - float(str(said[pair][key]))))
        print(f"{name:14s} {len(pairs)} pairs; largest difference to sync, ms: {worst}")


if __name__ == "__main__":
    main()
