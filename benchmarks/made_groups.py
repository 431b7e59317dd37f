"""Split and second recorders: made shoots, matched and exported.

    python benchmarks/made_groups.py WORK [--num 20]

Twice NUM clips of a camera with a poor sound of its own (noise at 5 dB, a low-pass) and a still picture. Of a half two
recorders have the take, started up to 4 s apart; of the other half one recorder has it, which split its file somewhere
inside. One gallery. Right is a clip that has one of its recordings, and the other with the right role, each placed
within a frame (40 ms); all timelines must be written and name every recording, and nothing may be left over.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from scratch_sounds import RATE_HZ, noise, world, worn, write

from avmatch.core.features import AudioSamples
from avmatch.data.result_folder import read_result
from avmatch.media.encode import write_clip

SECONDS, MARGIN_SECONDS, FRAME_SECONDS = 10.0, 5.0, 0.04
FORMATS = ("otio", "fcpxml", "xmeml", "mlt", "edl", "csv")


def render(work: Path, num: int) -> dict[str, dict[str, tuple[str, float]]]:
    """The files, and of each clip its recordings with their roles and offsets."""
    truth: dict[str, dict[str, tuple[str, float]]] = {}
    for folder in ("camera", "zoom", "tascam"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    for number in range(2 * num):
        rng = np.random.default_rng([24, 6, number])
        sound = world(rng, SECONDS + 2 * MARGIN_SECONDS)
        begin = round(MARGIN_SECONDS * RATE_HZ)
        own = sound[begin : begin + round(SECONDS * RATE_HZ)]
        heard = worn(rng, own, "clean")
        heard = heard + 10 ** (-5 / 20) * heard.std() * noise(rng, len(heard))
        clip = work / "camera" / f"C{number:04d}.mp4"
        grey = np.full((36, 64, 3), rng.integers(40, 200), np.uint8)
        scratch = AudioSamples((0.5 * heard / np.abs(heard).max()).astype(np.float32)[None], RATE_HZ)
        write_clip(clip, (grey for _ in range(round(SECONDS * 25))), fps=Fraction(25), audio=scratch)
        os.utime(clip, (1e9, 1e9))
        is_split = number >= num
        if is_split:
            cut = MARGIN_SECONDS + float(rng.uniform(2.5, 7.5))
            pieces = [("zoom", 0.3, cut), ("zoom", cut, SECONDS + 2 * MARGIN_SECONDS)]
        else:
            pieces = [(name, float(rng.uniform(0.5, 4.5)), 18.0) for name in ("zoom", "tascam")]
        for part, (device, first, last) in enumerate(pieces):
            name = f"{device.upper()}{2 * number + part:04d}.wav"
            piece = sound[round(first * RATE_HZ) : round(last * RATE_HZ)]
            write(work / device / name, piece + 2e-3 * noise(rng, len(piece)))
            role = "continues" if is_split else "also_fits"
            os.utime(work / device / name, (1e9, 1e9))  # times of the disk say nothing
            truth.setdefault(clip.name, {})[name] = (role, MARGIN_SECONDS - round(first * RATE_HZ) / RATE_HZ)
    return truth


def main() -> None:
    """Render, match, export, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--num", type=int, default=20)
    given = parser.parse_args()
    truth = render(given.work, given.num)
    sounds = given.work / "sounds.csv"
    files = [path for device in ("zoom", "tascam") for path in sorted((given.work / device).iterdir())]
    sounds.write_text("\n".join(["path", *(str(path.resolve()) for path in files)]) + "\n")
    out = given.work / "out"
    command = [sys.executable, "-m", "avmatch"]
    subprocess.run([*command, "match", given.work / "camera", sounds, "-o", out, "--no-cache"], check=True)
    result = read_result(out)
    found = {"continues": 0, "also_fits": 0}
    for match in result.matches:
        own = truth[Path(match.video).name]
        role = next(iter(own.values()))[0]
        got = {Path(match.audio or "").name: (role, match.offset_seconds or 0.0)}
        got |= {Path(more.audio).name: (more.role, more.offset_seconds) for more in match.further}
        right = got.keys() == own.keys() and all(
            got[name][0] == own[name][0] and abs(got[name][1] - own[name][1]) <= FRAME_SECONDS for name in own
        )
        found[role] += right
        if not right:
            print(Path(match.video).name, "got", got, "not", own)
    print(
        f"second recorders: {found['also_fits']} of {given.num}; split recorders: {found['continues']} of {given.num}"
    )
    print(f"left over: {len(result.unmatched_audio)} recordings")
    for kind in FORMATS:
        target = out / f"timeline_{kind}.{kind}"
        subprocess.run([*command, "export", out, "--to", kind, "-o", target], check=True, stdout=subprocess.DEVNULL)
        text = target.read_text(encoding="utf-8")
        print(f"{kind}: {sum(path.stem in text for path in files)} of {len(files)} recordings named")


if __name__ == "__main__":
    sys.exit(main())
