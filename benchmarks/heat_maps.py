"""Where the sound comes from, in ten clips, on one sheet.

    python benchmarks/heat_maps.py WORK OUT.jpg [FILES …]

Without FILES: ten scenes of `avmatch synth`, picture and sound put together, whose frames may be shown. Each is drawn
by `avmatch locate FILE -o heat.png`.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

from avmatch.core.files import write_bytes_atomically
from avmatch.media.mux import mux
from avmatch.pipelines.locate import locate, located_line
from avmatch.synth import SynthConfig, synthesise

NUM_CLIPS, COLUMNS, TILE_PX = 10, 5, (320, 240)


def scenes(work: Path) -> list[Path]:
    """Ten clips with their sound."""
    folder = work / "synth"
    if not (folder / "truth.csv").exists():
        synthesise(folder, SynthConfig(NUM_CLIPS, seed=2, extra_videos=0, extra_audio=0))
    clips = []
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            clip = work / f"{Path(row['video']).stem}.mkv"
            if not clip.exists():
                sound, late = folder / "audio" / Path(row["audio"]).name, float(row["offset_ms"]) / 1000
                mux(folder / "videos" / Path(row["video"]).name, sound, clip, offset_seconds=late)
            clips.append(clip)
    return clips


def tile(clip: Path, number: int, work: Path) -> np.ndarray:
    """The clip with its heat, as large as the others."""
    drawn = work / f"heat-{number}.png"
    drawn.unlink(missing_ok=True)
    print(located_line(locate(clip, drawn)), flush=True)
    picture, sheet = cv2.imread(str(drawn)), np.full((TILE_PX[1], TILE_PX[0], 3), 255, np.uint8)
    scale = min(TILE_PX[0] / picture.shape[1], TILE_PX[1] / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[: TILE_PX[1], : TILE_PX[0]]
    top, left = (TILE_PX[1] - small.shape[0]) // 2, (TILE_PX[0] - small.shape[1]) // 2
    sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return cv2.copyMakeBorder(sheet, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    tiles = [tile(clip, number, asked.work) for number, clip in enumerate(asked.files or scenes(asked.work))]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[first : first + COLUMNS], axis=1) for first in range(0, len(tiles), COLUMNS)]
    _, encoded = cv2.imencode(asked.out.suffix, np.concatenate(rows))
    write_bytes_atomically(asked.out, bytes(encoded))


if __name__ == "__main__":
    main()
