"""A simulated set in the real layout, and its truth.

    plan → motions of a chunk → video and sound of each → files → truth.json

Everything of a segment follows from the seed, its part (train, task 1–3) and its number: which process writes it, and
which other segments there are, makes no difference. A segment that hits no wall hard enough, or too late, is drawn
again. Chunks keep memory bounded: a segment under way takes some 20 MB.
"""

import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np

from avmatch.core.errors import UsageError
from avmatch.core.files import write_bytes_atomically, write_text_atomically
from avmatch.core.results import Progress
from avmatch.systems.collisions.data import CLASSES, SOUND_NAME
from avmatch.systems.collisions.features import in_processes
from avmatch.systems.collisions.frontends import FRAME_RATE_HZ, MAX_FRAMES, SAMPLE_RATE_HZ
from avmatch.systems.collisions.simulator import world
from avmatch.systems.collisions.simulator.recording import Room, drawn_room, filmed, recorded
from avmatch.systems.collisions.simulator.world import BODIES, Body, Motion, Starts

PARTS = ("room", "plan", "train", "task1", "task2", "task3")
SECONDS = 6.0
_CHUNK = 16
_SHORT_SHARE = 0.03
_MOST_DRAWS, _AT_ONCE = 200, 4
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 80)
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3)


@dataclass(frozen=True)
class TiltConfig:
    """What to simulate.

    Attributes:
        per_class: training segments of each class.
        seed: the same seed gives the same files.
        segments: the real set's file of starts (class → segment → [start, end, angle]); "" = the law of world.py.
        num_sounds: of task 1.
        num_groups, group_size: of tasks 2 and 3.
        alone_share: of the sounds of task 3 that have no video; besides, there are videos without a sound.
        num_workers: processes; what is written doesn't depend on it.
    """

    per_class: int
    seed: int = 0
    segments: str = ""
    num_sounds: int = 500
    num_groups: int = 10
    group_size: int = 25
    alone_share: float = 0.3
    num_workers: int = 1

    def __post_init__(self) -> None:
        if min(self.per_class, self.seed, self.num_sounds, self.num_groups) < 0 or self.group_size < 1:
            raise UsageError(f"numbers can't be negative, and a group has at least one sound, got {self}")
        if not 0 <= self.alone_share <= 1 or self.num_workers < 1:
            raise UsageError(f"alone_share must lie in 0…1 and num_workers be 1 or more, got {self}")


@dataclass(frozen=True)
class _Job:
    """One segment: its numbers, its class, and where its two sides go; a side that isn't wanted has no place."""

    part: str
    number: int
    label: int
    sound: str = ""
    film: str = ""


def synthesise_collisions(out: Path, config: TiltConfig, *, progress: Progress | None = None) -> int:
    """Write `out`/dataset and `out`/truth.json, the latter last; how many segments there are.

    Args:
        progress: called as segments are written.

    Raises:
        UsageError: there is a dataset in `out` already, or the file of starts can't be used.
    """
    folder = out / "dataset"
    if folder.exists():
        raise UsageError(f"{folder}: exists; name another folder")
    starts = world.read_starts(Path(config.segments)) if config.segments else ()
    jobs, truth = _plan(config)
    chunks = [jobs[begin : begin + _CHUNK] for begin in range(0, len(jobs), _CHUNK)]
    write = partial(_write_chunk, folder, config, starts)
    for done in accumulate(in_processes(write, chunks, config.num_workers)):
        if progress is not None:
            progress("rendering", done, len(jobs))
    write_text_atomically(out / "truth.json", json.dumps(truth, indent=1) + "\n")
    return len(jobs)


def _plan(config: TiltConfig) -> tuple[list[_Job], dict[str, dict[str, object]]]:
    """All segments, and the truth of the tests."""
    rng = _generator(config, "plan")
    jobs = list(_training(config, rng))
    labels = rng.permutation(np.arange(config.num_sounds) % len(CLASSES)).tolist()
    truth: dict[str, dict[str, object]] = {part: {} for part in ("task1", "task2", "task3")}
    for number, label in enumerate(labels):
        name = f"audio_{number:04d}.pkl"
        jobs.append(_Job("task1", number, label, sound=f"task1/test/{name}"))
        truth["task1"][name] = label
    for part in ("task2", "task3"):
        for group in range(config.num_groups):
            more, truth[part][str(group)] = _group(config, part, group, rng)
            jobs += more
    return jobs, truth


def _training(config: TiltConfig, rng: np.random.Generator) -> Iterator[_Job]:
    """Numbers of segments aren't contiguous: in the real set, too, some were thrown away."""
    for label, name in enumerate(CLASSES):
        numbers = np.sort(rng.choice(config.per_class * 5 // 4 + 1, config.per_class, replace=False))
        for place, number in enumerate(numbers.tolist()):
            folder = f"train/{name}/{number}"
            yield _Job("train", label * 100_000 + place, label, f"{folder}/{SOUND_NAME}", folder)


def _group(config: TiltConfig, part: str, group: int, rng: np.random.Generator) -> tuple[list[_Job], dict[str, int]]:
    """The segments of one test folder, and which video each sound belongs to."""
    num_alone = round(config.alone_share * config.group_size) if part == "task3" else 0
    num_pairs = config.group_size - num_alone
    num_silent = int(rng.integers(0, num_alone + 1))
    labels = rng.integers(len(CLASSES), size=config.group_size + num_silent).tolist()
    sounds = rng.permutation(config.group_size).tolist()
    videos = rng.permutation(num_pairs + num_silent).tolist()
    folder, jobs, truth = f"{part}/test/{group}", [], {}
    for place, label in enumerate(labels):
        has_sound, has_film = place < config.group_size, place < num_pairs or place >= config.group_size
        film = videos[place if place < num_pairs else place - num_alone] if has_film else -1
        sound = f"{folder}/audio_{sounds[place]:04d}.pkl" if has_sound else ""
        jobs.append(_Job(part, group * 1000 + place, label, sound, f"{folder}/video_{film:04d}" if has_film else ""))
        if has_sound:
            truth[f"audio_{sounds[place]:04d}.pkl"] = film
    return jobs, dict(sorted(truth.items()))


def _write_chunk(folder: Path, config: TiltConfig, starts: Starts, jobs: Sequence[_Job]) -> int:
    room = drawn_room(_generator(config, "room"))
    for job, motion in zip(jobs, _motions(config, starts, jobs), strict=True):
        body = BODIES[job.label]
        if job.sound:
            _write_sound(folder / job.sound, body, motion, room, _generator(config, job.part, job.number, 1))
        if job.film:
            _write_video(folder / job.film, body, motion, _generator(config, job.part, job.number, 2))
    return len(jobs)


def _motions(config: TiltConfig, starts: Starts, jobs: Sequence[_Job]) -> list[Motion]:
    """A motion with a hit for each job: the first that counts of those drawn for it, some at once."""
    found: dict[_Job, Motion] = {}
    for first in range(0, _MOST_DRAWS, _AT_ONCE):
        draws = [(job, number) for job in jobs if job not in found for number in range(first, first + _AT_ONCE)]
        rngs = (_generator(config, job.part, job.number, 0, number) for job, number in draws)
        slides = [world.draw_slide(job.label, starts, rng) for (job, _), rng in zip(draws, rngs, strict=True)]
        bodies = [BODIES[job.label] for job, _ in draws]
        for (job, _), motion in zip(draws, world.simulate(bodies, slides, SECONDS), strict=True):
            if job not in found and world.counts(motion):
                found[job] = motion
        if len(found) == len(jobs):
            return [found[job] for job in jobs]
    raise UsageError(f"{_MOST_DRAWS} draws gave no motion that hits a wall; are the starts those of a tray?")


def _write_sound(path: Path, body: Body, motion: Motion, room: Room, rng: np.random.Generator) -> None:
    audio = recorded(body, motion, room, motion.hardest.seconds - rng.uniform(1.0, 2.6), rng)
    if rng.random() < _SHORT_SHARE:
        audio = audio[: round(rng.uniform(3.3, 3.95) * SAMPLE_RATE_HZ)]
    write_bytes_atomically(path, pickle.dumps({"audio": audio, "audio_samplerate": SAMPLE_RATE_HZ}))


def _write_video(folder: Path, body: Body, motion: Motion, rng: np.random.Generator) -> None:
    lead = rng.uniform(1.2, 2.6)
    fewest = max(18, int(np.ceil((lead + 0.8) * FRAME_RATE_HZ)))
    num_frames, light = int(rng.integers(fewest, MAX_FRAMES + 1)), float(rng.uniform(0.85, 1.1))
    for side in ("rgb", "mask"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    frames = filmed(body, motion, motion.hardest.seconds - lead, num_frames, light, rng)
    for number, (mask, picture) in enumerate(frames):
        cv2.imwrite(str(folder / "mask" / f"{number}.png"), mask, _PNG)
        cv2.imwrite(str(folder / "rgb" / f"{number}.jpg"), picture, _JPEG)


def _generator(config: TiltConfig, part: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, PARTS.index(part), *numbers])
