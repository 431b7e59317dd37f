"""Does `sync` find where an offset jumps, drifts, or belongs to another speed, and does it say so? 20 made cases each.

    python benchmarks/breaks.py WORK [--only splices drifts speeds parts clean]

Scenes of the generator (drums, faces, strings, balls; twenty of 60 and 30 s and four of 180 s, 160 × 120, 24 to 30
frames a second) are rendered once, then cut, stretched and moved:

- splices: the camera paused, frames lost, the recorder paused, a gap of silence in the sound; where things happen
- drifts: 400 to 900 ppm either way, in the four of 180 s
- speeds: every one of core/speeds.py, the sound or the picture the faster
- parts: the sound begins late, ends early, or is silent there
- clean: as they are, moved, and with the drift of an ordinary clock (±100 ppm): no break may be found

"placed" is within one frame of the truth, less the zero of the scene as it is: of splices the offsets of both pieces,
and, by itself, the time of the break; of drifts and speeds the offset at the picture's beginning and at its end.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from avmatch.core.features import AudioSamples
from avmatch.core.results import SyncResult
from avmatch.core.speeds import SPEEDS
from avmatch.media.encode import write_audio, write_clip
from avmatch.pipelines.sync import sync
from avmatch.reports.wording import sync_sentence
from avmatch.synth.folder import ACTS
from avmatch.synth.sound import SAMPLE_RATE_HZ
from avmatch.synth.stage import Stage, film

NUM_SCENES, NUM_LONG = 20, 4
KINDS, RATES = ("drums", "face", "strings", "balls"), ("25", "24", "30", "30000/1001")
SIZE, LEAD_SECONDS, RATE_HZ = (160, 120), 2.0, 16_000
HOW = ("camera paused", "frames lost", "recorder paused", "silence put in")
#: Speeds that differ by less take more than a minute to be found.
SLIGHT_PPM = 2000.0
ENDS = ("begins late", "ends early", "silent at first", "silent at last")


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene, rendered.

    Attributes:
        video: its picture as a file.
        sound: (S,) at RATE_HZ, from LEAD_SECONDS before the picture on.
        events_seconds: times of what happens, on the picture's clock.
        zero_seconds: the offset that is measured of it as it is.
    """

    number: int
    seconds: float
    fps: float
    video: Path
    sound: np.ndarray
    events_seconds: np.ndarray
    zero_seconds: float


@dataclass(frozen=True)
class Row:
    """What became of a case."""

    kind: str
    found: bool
    placed: bool
    words: bool
    timed: bool | None = None
    timed_covered: bool | None = None
    sentence: str = ""


class Bench:
    """Scenes, and files made of them."""

    def __init__(self, work: Path) -> None:
        self.work = work / "breaks"
        self.work.mkdir(parents=True, exist_ok=True)
        every = [self._scene(number) for number in range(NUM_SCENES + NUM_LONG)]
        self.scenes, self.long = every[:NUM_SCENES], every[NUM_SCENES:]

    def _pictures(self, number: int) -> tuple[list[np.ndarray], object, Stage, Fraction]:
        seconds, fps = self._seconds(number), Fraction(RATES[number // 4 % 4])
        times = LEAD_SECONDS + np.arange(round(seconds * fps)) / float(fps)
        stage = Stage(*SIZE, seconds + 2 * LEAD_SECONDS, times)
        act = ACTS[KINDS[number % 4]](np.random.default_rng([number, 1]), stage)
        return [], act, stage, fps

    @staticmethod
    def _seconds(number: int) -> float:
        if number >= NUM_SCENES:
            return 180.0
        return 60.0 if number // 4 % 2 == 0 else 30.0

    def _scene(self, number: int) -> Scene:
        _, act, stage, fps = self._pictures(number)
        video = self.work / f"{number:02d}.mp4"
        if not video.exists():
            write_clip(video, film(np.random.default_rng([number, 2]), stage, act.paint), fps=fps)
        sound = resample_poly(act.sound, RATE_HZ, SAMPLE_RATE_HZ)
        sound = (0.5 * sound / np.abs(sound).max()).astype(np.float32)
        events = act.event_times_seconds - LEAD_SECONDS
        scene = Scene(number, self._seconds(number), float(fps), video, sound, events, 0.0)
        zero = self.measured(scene, "clean", played(scene, lambda times: times)).offset_seconds or 0.0
        return Scene(number, scene.seconds, scene.fps, video, sound, events, zero)

    def lacking(self, scene: Scene, first: int, num: int) -> Path:
        """The picture without `num` frames."""
        path = self.work / f"{scene.number:02d}-{first}-{num}.mp4"
        if not path.exists():
            _, act, stage, fps = self._pictures(scene.number)
            frames = list(film(np.random.default_rng([scene.number, 2]), stage, act.paint))
            write_clip(path, frames[:first] + frames[first + num :], fps=fps)
        return path

    def measured(self, scene: Scene, name: str, sound: np.ndarray, video: Path | None = None) -> SyncResult:
        """The command's answer for a picture and a sound that begins with it."""
        path = self.work / f"{scene.number:02d}-{name}.wav"
        write_audio(path, AudioSamples(sound[None].astype(np.float32), RATE_HZ))
        return sync(video or scene.video, audio=path, cache_dir=self.work / "cache")


def played(scene: Scene, scene_time: Callable[[np.ndarray], np.ndarray], seconds: float | None = None) -> np.ndarray:
    """The sound whose sample at time t is what the scene sounds like at scene_time(t)."""
    times = np.arange(round((seconds or scene.seconds) * RATE_HZ)) / RATE_HZ
    places = (scene_time(times) + LEAD_SECONDS) * RATE_HZ
    return np.interp(places, np.arange(len(scene.sound)), scene.sound, left=0.0, right=0.0)


def splices(bench: Bench, scene: Scene) -> Row:
    """One break of a scene, where much happens."""
    rng, frame = np.random.default_rng([scene.number, 3]), 1.0 / scene.fps
    how = HOW[scene.number // 4 % 4] if scene.number < 16 else HOW[scene.number % 4]
    num = int(rng.integers(3, 9)) if how == "frames lost" else round(rng.uniform(0.25, 0.8) * scene.fps)
    size, first_frame = num * frame, _busy(scene, rng)
    at = first_frame * frame
    late = (
        rng.uniform(-0.35, 0.1) if how in ("camera paused", "frames lost", "silence put in") else rng.uniform(0.0, 0.3)
    )
    video = None
    if how in ("camera paused", "frames lost"):
        video = bench.lacking(scene, first_frame, num)
        sound, after, begin = played(scene, lambda times: times - late), late + size, at
    elif how == "recorder paused":
        sound = played(scene, lambda times: times - late + np.where(times >= at + late, size, 0.0))
        after, begin = late - size, at + size
    else:
        sound = played(scene, lambda times: times - late - np.where(times >= at + late, size, 0.0))
        sound[round((at + late) * RATE_HZ) : round((at + late + size) * RATE_HZ)] = 0.0
        after, begin = late + size, at
    result = bench.measured(scene, "splice", sound, video)
    if not result.is_spliced:
        return Row(how, False, False, False, False, False, sync_sentence(result))
    one, two = result.pieces[0], result.pieces[-1]
    errors = one.offset_seconds - scene.zero_seconds - late, two.offset_seconds - scene.zero_seconds - after
    low, high = two.begin_interval_seconds
    return Row(
        how,
        len(result.pieces) == 2,
        max(map(abs, errors)) <= frame,
        "jumps from" in sync_sentence(result) and result.reason == "splice",
        abs(two.begin_seconds - begin) <= frame + 1e-6,
        low <= begin <= high,
        f"{how} {errors[0] * 1000:+.0f} {errors[1] * 1000:+.0f} ms, {two.begin_seconds - begin:+.2f} s "
        + sync_sentence(result),
    )


def _busy(scene: Scene, rng: np.random.Generator) -> int:
    """A frame with something happening shortly before and after it."""
    while True:
        at = rng.uniform(8.0, scene.seconds - 9.0)
        before, after = scene.events_seconds[scene.events_seconds < at], scene.events_seconds[scene.events_seconds > at]
        if at - before[-1] < 0.3 and after[0] - at < 0.3:
            return round(at * scene.fps)


def drifts(bench: Bench, scene: Scene) -> Row:
    """A clock that runs wrong."""
    number, long = scene.number, bench.long[scene.number % NUM_LONG]
    rng = np.random.default_rng([number, 4])
    ppm, late = rng.choice([-1, 1]) * rng.uniform(400, 900), rng.uniform(-0.3, 0.3)
    return _line(bench, long, f"drift{number}", ppm, late, "it drifts")


def speeds(bench: Bench, scene: Scene) -> Row:
    """Another speed."""
    both = [(speed, is_fast) for speed in SPEEDS for is_fast in (True, False)]
    speed, is_fast = both[scene.number % len(both)]
    ppm, number = speed.drift_ppm(is_sound_fast=is_fast), scene.number
    if abs(ppm) < SLIGHT_PPM:
        scene = bench.long[number // len(both) * 2 + number % 2]
    late = np.random.default_rng([number, 5]).uniform(-0.3, 0.3)
    return _line(bench, scene, f"speed{number}", ppm, late, speed.ratio(is_sound_fast=is_fast))


def _line(bench: Bench, scene: Scene, name: str, ppm: float, late: float, words: str) -> Row:
    pace, frame = 1.0 + ppm * 1e-6, 1.0 / scene.fps
    result = bench.measured(scene, name, played(scene, lambda times: (times - late) / pace, scene.seconds * pace))
    sentence = f"{ppm:+.0f} ppm: {sync_sentence(result)}"
    if result.drift_ppm is None or result.offset_seconds is None or result.is_spliced:
        return Row(name, False, False, False, sentence=sentence)
    at_first = result.offset_seconds - scene.zero_seconds - late
    at_last = at_first + (result.drift_ppm - ppm) * 1e-6 * scene.seconds
    low, high = result.drift_interval_ppm
    return Row(
        name,
        result.status == "ok",
        max(abs(at_first), abs(at_last)) <= frame,
        words in sentence,
        timed_covered=low <= ppm <= high,
        sentence=f"{at_first * 1000:+.0f} {at_last * 1000:+.0f} ms {sentence}",
    )


def parts(bench: Bench, scene: Scene) -> Row:
    """A sound that covers a part."""
    rng, frame = np.random.default_rng([scene.number, 6]), 1.0 / scene.fps
    end, late = ENDS[scene.number // 4 % 4], rng.uniform(-0.3, 0.3)
    cut = rng.uniform(0.15, 0.5) * scene.seconds
    begin, until = (cut, scene.seconds) if end in ("begins late", "silent at first") else (0.0, scene.seconds - cut)
    sound = played(scene, lambda times: times - late)
    if end == "ends early":
        sound = sound[: round((until + late) * RATE_HZ)]
    elif end == "silent at last":
        sound[round((until + late) * RATE_HZ) :] = 0.0
    else:  # a file that begins late has its silence in front, as a muxer would put it
        sound[: round((begin + late) * RATE_HZ)] = 0.0
    result = bench.measured(scene, "part", sound)
    sentence = sync_sentence(result)
    if len(result.pieces) != 1:
        return Row(end, False, False, False, sentence=sentence)
    (piece,) = result.pieces
    error = piece.offset_seconds - scene.zero_seconds - late
    edge = piece.begin_seconds - begin if begin else piece.end_seconds - until
    # What is silent by itself about the cut belongs to the silence.
    is_near = abs(edge + scene.zero_seconds) <= 1.0
    return Row(
        end,
        is_near,
        abs(error) <= frame,
        "has sound from" in sentence and result.status == "ok",
        sentence=f"{error * 1000:+.0f} ms, edge {edge:+.2f} s {sentence}",
    )


def clean(bench: Bench, scene: Scene) -> list[Row]:
    """No break: as it is, moved, and with an ordinary clock's drift."""
    rng = np.random.default_rng([scene.number, 7])
    late, ppm = rng.uniform(-0.4, 0.4), rng.choice([-100.0, 100.0])
    sounds = {
        "clean": played(scene, lambda times: times),
        "moved": played(scene, lambda times: times - late),
        "clock": played(scene, lambda times: times / (1.0 + ppm * 1e-6)),
    }
    rows = []
    for name, sound in sounds.items():
        result = bench.measured(scene, name, sound)
        rows.append(Row(name, bool(result.pieces), False, False, sentence=sync_sentence(result)))
    return rows


def table(name: str, rows: Sequence[Row]) -> None:
    """The figures of one kind of case."""
    num = len(rows)
    print(
        f"{name:9s} {num:3d} cases: found {sum(row.found for row in rows)}, placed within a frame "
        f"{sum(row.placed for row in rows)}, said in words {sum(row.words for row in rows)}"
    )
    for kind in dict.fromkeys(row.kind for row in rows if row.timed is not None):
        some = [row for row in rows if row.kind == kind]
        print(
            f"    {kind:16s} {len(some)}: time of the break within a frame {sum(bool(row.timed) for row in some)}, "
            f"in its 95 % interval {sum(bool(row.timed_covered) for row in some)}"
        )


CASES = {"splices": splices, "drifts": drifts, "speeds": speeds, "parts": parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", choices=[*CASES, "clean"], default=[*CASES, "clean"])
    parser.add_argument("--verbose", action="store_true", help="every case")
    options = parser.parse_args()
    bench = Bench(options.work)
    for name in options.only:
        if name == "clean":
            rows = [row for scene in bench.scenes for row in clean(bench, scene)]
            print(f"clean     {len(rows):3d} cases: false breaks {sum(row.found for row in rows)}")
        else:
            rows = list(map(partial(CASES[name], bench), bench.scenes))
            table(name, rows)
        for row in rows if options.verbose else []:
            print(f"        {'found' if row.found else '     '} {'placed' if row.placed else '      '} {row.sentence}")


if __name__ == "__main__":
    main()
