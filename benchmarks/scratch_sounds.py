"""Scratch sound: what cameras heard, found in recordings, against audalign and audio-offset-finder on the same files.

    python benchmarks/scratch_sounds.py WORK                    render, align, print the table
    python benchmarks/scratch_sounds.py WORK --others PYTHON    and with the two libraries in that interpreter

Made sounds: voices of the synthesiser's faces and instruments, in galleries of 12. A recorder heard the take closely, a
camera from afar: `clean` (a low-pass, another level), `0 dB` (as much noise as sound), `distant` (reverberation of
0.8 s, direct sound 6 dB below it, noise at 10 dB), `AGC` (a gain that follows the level within 50 ms, and clips), `hum`
(mains hum as loud as the sound), `30 min` (three of 30 minutes each, 20 ppm apart, 5 dB). Recorders were started up to
8 s before. A camera is right if its own recording stands out and the offset is right to 20 ms. `nothing`: cameras with
noise, hum or digital silence only, whose answer must be that no recording fits. audalign and audio-offset-finder are
asked of each pair of the gallery; the pair that they score best counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt, sosfiltfilt

RATE_HZ = 48_000
NUM, SECONDS, LONG_SECONDS, NUM_LONG = 12, 20.0, 1800.0, 3
CONDITIONS = ("clean", "0 dB", "distant", "AGC", "hum", "30 min")
TOLERANCE_SECONDS = 0.02
#: Asks another library: a JSON list of [camera, recording] on stdin, one of [offset, score, seconds] on stdout.
_OTHER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
library, pairs = sys.argv[1], json.load(sys.stdin)
found = []
out = sys.stdout
sys.stdout = sys.stderr
if library == "audalign":
    import audalign as ad
    recognizer = ad.CorrelationRecognizer()
    recognizer.config.multiprocessing = False
    recognizer.config.sample_rate = 8000
else:
    import os, imageio_ffmpeg
    from audio_offset_finder import audio_offset_finder as aof
for camera, recording in [pairs[0], *pairs]:  # the first time compiles and isn't counted
    begin = time.perf_counter()
    try:
        if library == "audalign":
            answer = ad.recognize(camera, recording, recognizer=recognizer)["match_info"]
            match = answer[recording.rsplit("/", 1)[1]]
            found.append([float(match["offset_seconds"][0]), float(match["scaling_factor"]), 0.0])
            found[-1][2] = time.perf_counter() - begin
        else:
            answer = aof.find_offset_between_files(recording, camera)
            found.append([float(answer["time_offset"]), float(answer["standard_score"]), time.perf_counter() - begin])
    except Exception as error:
        print(type(error), error, file=sys.stderr)
        found.append([0.0, -1e9, time.perf_counter() - begin])
json.dump(found[1:], out)
"""


def world(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Speech-like sound: syllables of voiced pulses through moving formants, with pauses."""
    num = round(seconds * RATE_HZ)
    sound = np.zeros(num, np.float32)
    at = 0.0
    while at < seconds:
        length = rng.uniform(0.08, 0.3)
        first, samples = round(at * RATE_HZ), round(length * RATE_HZ)
        samples = min(samples, num - first)
        if samples < 100:
            break
        pitch = rng.uniform(90, 240) * (1 + rng.uniform(-0.2, 0.2) * np.linspace(0, 1, samples))
        phase = np.cumsum(pitch) / RATE_HZ
        source = np.diff(np.floor(phase), prepend=0.0) + rng.normal(0, rng.choice([0.01, 0.2]), samples)
        part = np.zeros(samples)
        for centre in (rng.uniform(300, 800), rng.uniform(900, 2300), rng.uniform(2400, 3500)):
            low, high = centre * 0.85, centre * 1.15
            part += sosfilt(butter(1, (low, high), "bandpass", fs=RATE_HZ, output="sos"), source)
        sound[first : first + samples] += (part * np.hanning(samples) * rng.uniform(0.3, 1.0)).astype(np.float32)
        at += length + (rng.exponential(0.4) if rng.random() < 0.25 else 0.02)
    return sound / np.abs(sound).max()


def noise(rng: np.random.Generator, num: int) -> np.ndarray:
    """Pink, of deviation 1."""
    made = lfilter(
        [0.049922, -0.095993, 0.050613, -0.004408], [1, -2.494956, 2.017266, -0.522189], rng.normal(size=num)
    )
    return made / made.std()


def hum(num: int) -> np.ndarray:
    """50 Hz and its harmonics, of deviation 1."""
    times = np.arange(num) / RATE_HZ
    made = sum(np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 12))
    return made / made.std()


def worn(rng: np.random.Generator, heard: np.ndarray, condition: str) -> np.ndarray:
    """What the camera makes of it."""
    level = heard.std()
    made = sosfiltfilt(butter(2, 6000, fs=RATE_HZ, output="sos"), heard)  # without a delay
    if condition == "0 dB":
        made = made + level * noise(rng, len(heard))
    elif condition == "distant":
        length = round(0.8 * RATE_HZ)
        tail = rng.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
        tail[: round(0.004 * RATE_HZ)] = 0.0
        tail *= 2.0 / np.sqrt((tail**2).sum())
        tail[0] = 1.0
        made = fftconvolve(made, tail)[: len(made)]
        made = made + 10 ** (-10 / 20) * made.std() * noise(rng, len(made))
    elif condition == "AGC":
        power = lfilter([1 / 2400], [1, -(1 - 1 / 2400)], made**2)
        made = np.clip(made / np.sqrt(power + 1e-6) * 0.8, -1, 1)
        made = made + 0.1 * noise(rng, len(made))
    elif condition == "hum":
        made = made + level * hum(len(made))
    elif condition == "30 min":
        made = made + 10 ** (-5 / 20) * level * noise(rng, len(made))
    return made


def write(path: Path, sound: np.ndarray) -> None:
    """16 bits, peak at half."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        scaled = 0.5 * sound / max(float(np.abs(sound).max()), 1e-9)
        out.writeframes((scaled * 32767).astype("<i2").tobytes())


def render(work: Path, conditions: Sequence[str]) -> None:
    """All files, and truth.json."""
    truth = {}
    for condition in conditions:
        long = condition == "30 min"
        for number in range(NUM_LONG if long else NUM):
            rng = np.random.default_rng([24, CONDITIONS.index(condition), number])
            seconds, late = LONG_SECONDS if long else SECONDS, float(rng.uniform(0, 8))
            sound = np.resize(world(rng, min(seconds + 10, 300.0)), round((seconds + 10) * RATE_HZ))
            if long:  # no stretch comes twice
                sound = np.concatenate([world(np.random.default_rng([24, 9, number, k]), 60.0) for k in range(31)])
            first = round(late * RATE_HZ)
            own = sound[first : first + round(seconds * RATE_HZ)]
            if long:
                places = np.arange(len(own)) * (1 + 20e-6)
                own = np.interp(places, np.arange(len(sound) - first), sound[first:]).astype(np.float32)
            name = f"{condition.replace(' ', '')}{number:02d}"
            write(work / f"camera_{name}.wav", worn(rng, own, condition))
            sound = sound[: round((seconds + 8.5) * RATE_HZ)]
            write(work / f"sound_{name}.wav", sound + 1e-3 * noise(rng, len(sound)))
            truth[name] = first / RATE_HZ
    num = round(SECONDS * RATE_HZ)
    for name, sound in {"noise": noise(rng, num), "hum": hum(num), "silence": np.zeros(num)}.items():
        write(work / f"camera_nothing-{name}.wav", sound)
    (work / "truth.json").write_text(json.dumps(truth))


def ours(cameras: list[str], sounds: list[str]) -> tuple[list[list[tuple[float, float]]], float]:
    """(offset, score) of each pair, and the seconds that it took, decoding included."""
    from avmatch.alignment.sounds import align_sounds, first_look, onsets
    from avmatch.analysis.features import Analyser

    begin = time.perf_counter()
    analyser = Analyser()
    heard, recorded = ([analyser.audio(path) for path in paths] for paths in (cameras, sounds))
    looks = [onsets(sound) for sound in recorded]
    table = []
    for own in heard:
        _, lags = first_look(onsets(own), looks)
        row = []
        for sound, near in zip(recorded, lags, strict=True):
            found = align_sounds(own.signs, sound.signs, near)
            row.append((0.0, 0.0) if found is None else (found.offset_seconds, found.nats))
        table.append(row)
    return table, time.perf_counter() - begin


def theirs(library: str, python: str, cameras: list[str], sounds: list[str]) -> tuple[list, float]:
    """The same of another library."""
    pairs = [[camera, sound] for camera in cameras for sound in sounds]
    run = subprocess.run(
        [python, "-c", _OTHER, library], input=json.dumps(pairs), capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    rows = [found[place : place + len(sounds)] for place in range(0, len(found), len(sounds))]
    return [[(offset, score) for offset, score, _ in row] for row in rows], sum(item[2] for item in found)


def _highest_other(table: list[list[tuple[float, float]]]) -> float:
    """The highest score of a recording that isn't the camera's own."""
    return max(score for row, line in enumerate(table) for column, (_, score) in enumerate(line) if column != row)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--others", default="")
    parser.add_argument("--only", nargs="*", default=CONDITIONS)
    parser.add_argument("--num", type=int, default=NUM, help="pairs of each condition")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if not (given.work / "truth.json").exists():
        render(given.work, given.only)
    truth = json.loads((given.work / "truth.json").read_text())
    print("last: the highest score of avmatch for a foreign recording; from 12 on sounds count as the same")
    print(f"| {'condition':9} | {'who':20} | recall | median error, ms | seconds | ratio |")
    for condition in given.only:
        names = [name for name in truth if name.startswith(condition.replace(" ", ""))][: given.num]
        cameras, sounds = ([str(given.work / f"{side}_{name}.wav") for name in names] for side in ("camera", "sound"))
        answers = {"avmatch": ours(cameras, sounds)}
        for library in ("audalign", "audio_offset_finder") if given.others else ():
            answers[library] = theirs(library, given.others, cameras, sounds)
        for who, (table, seconds) in answers.items():
            best = [int(np.argmax([score for _, score in row])) for row in table]
            errors = np.array(
                [abs(row[place][0] - truth[name]) for row, place, name in zip(table, best, names, strict=True)]
            )
            right = (np.array(best) == np.arange(len(names))) & (errors <= TOLERANCE_SECONDS)
            if who == "avmatch":
                right &= [row[place][1] >= 12.0 for row, place in zip(table, best, strict=True)]
            error = 1e3 * float(np.median(errors[right])) if right.any() else float("nan")
            ratio = seconds / answers["avmatch"][1]
            print(
                f"| {condition:9} | {who:20} | {right.sum():2d}/{len(names):2d}  | {error:16.3f} | {seconds:7.1f} | "
                f"{ratio:5.1f} |" + (f" {_highest_other(table):.1f}" if who == "avmatch" else ""),
                flush=True,
            )
    nothing = [str(given.work / f"camera_nothing-{name}.wav") for name in ("noise", "hum", "silence")]
    others = [str(given.work / f"sound_{name}.wav") for name in truth if not name.startswith("30")]
    table, _ = ours(nothing, others) if others else ([], 0.0)
    print("nothing to hear: highest score", [round(max(score for _, score in row), 1) for row in table])


if __name__ == "__main__":
    sys.exit(main())
