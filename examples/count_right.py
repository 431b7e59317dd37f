"""Count how many matches are right, where the truth is known: a CSV with the columns `video` and `audio`.

python examples/count_right.py demo/result/matches.csv demo/clips/truth.csv
"""

import csv
import sys
from pathlib import Path


def recordings(path: Path) -> dict[str, str]:
    """The recording of each clip by their file names; "" where there is none."""
    with path.open(newline="", encoding="utf-8") as file:
        return {Path(row["video"]).name: Path(row["audio"]).name for row in csv.DictReader(file) if row["video"]}


answers, truth = recordings(Path(sys.argv[1])), recordings(Path(sys.argv[2]))
wrong = sorted(clip for clip in truth if answers.get(clip, "") != truth[clip])
paired = [clip for clip in truth if truth[clip]]
print(f"{sum(clip not in wrong for clip in paired)} of {len(paired)} right", end="")
alone = [clip for clip in truth if not truth[clip]]
if alone:
    print(f"; {sum(clip not in wrong for clip in alone)} of {len(alone)} without a recording got none", end="")
print("".join(f"\n{clip}: {answers.get(clip) or 'nothing'} instead of {truth[clip] or 'nothing'}" for clip in wrong))
