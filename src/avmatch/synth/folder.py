"""A folder of synthetic clips with known truth.

    plan → render each picture → render each sound again from the same seed → truth.csv

A scene is played twice from its own seed, once for the camera and once for the microphone, so that videos and
recordings can be written in unrelated orders without keeping anything in memory. Nothing but the events connects the
two files of a pair: names, order, modification times, lengths, levels and formats are drawn independently.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np

from avmatch.core.clock import milliseconds_from_seconds, seconds_from_milliseconds
from avmatch.core.errors import UsageError
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Progress, csv_text
from avmatch.media.encode import write_audio, write_clip
from avmatch.synth.balls import balls
from avmatch.synth.face import face
from avmatch.synth.instruments import clock, drums, strings
from avmatch.synth.sound import Take, record
from avmatch.synth.stage import Act, Stage, film

#: The kinds of scenes, by the name that truth.csv and the command line give them.
ACTS: Mapping[str, Callable[[np.random.Generator, Stage], Act]] = MappingProxyType(
    {"balls": balls, "drums": drums, "strings": strings, "clock": clock, "face": face}
)
TRUTH_COLUMNS = ("video", "audio", "offset_ms", "kind")  # of truth.csv; data are read back by the same names
FORMATS = ("wav", "flac", "m4a", "mp3", "ogg")
WORN_FORMATS = ("m4a", "mp3", "ogg")
CLEAN_CRF, WORN_CRF = 23, 42
LENGTHS = (0.96, 1.0, 1.04)  # of the nominal duration; a video's and its recording's are drawn independently
MARGIN_SECONDS = 1.0  # a scene goes on for at least this long before and after its picture
MODIFIED_SECONDS = 1_000_000_000  # one modification time for every file, so that it gives nothing away
SHORTEST_SECONDS = 1.0
_ACT, _FILM, _RECORDING = 1, 2, 3  # independent numbers for each scene and each of these


@dataclass(frozen=True)
class SynthConfig:
    """What to render.

    Attributes:
        num_scenes: pairs of a video and a recording.
        seed: the same seed gives the same pictures and sounds.
        duration_seconds: nominal length of every file; each is up to 4 % longer or shorter.
        fps_choices, sizes: each video takes one of these rates and one of these (width, height), even pixels.
        snr_db: white, pink or babble noise is added this far under the sound; None adds none.
        damage: strong compression of the picture; a narrow, coarse channel and lossy formats for the sound.
        offset_seconds: every recording comes late by this much (early where negative), …
        offset_jitter_seconds: … plus a random part of at most this much either way.
        extra_videos, extra_audio: files of scenes whose other side isn't written.
        kinds: names in ACTS, taken in turn.
    """

    num_scenes: int
    seed: int = 0
    duration_seconds: float = 6.0
    fps_choices: tuple[Fraction, ...] = tuple(map(Fraction, ("24", "25", "30000/1001", "30", "50")))
    sizes: tuple[tuple[int, int], ...] = ((320, 240), (240, 320), (426, 240), (320, 320))
    snr_db: float | None = None
    damage: bool = False
    offset_seconds: float = 0.0
    offset_jitter_seconds: float = 0.0
    extra_videos: int = 0
    extra_audio: int = 0
    kinds: tuple[str, ...] = tuple(ACTS)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(ACTS))
        if unknown or not self.kinds:
            raise UsageError(f"kinds must be some of {', '.join(ACTS)}, got {', '.join(unknown) or 'none'}")
        if min(self.num_scenes, self.extra_videos, self.extra_audio, self.seed) < 0:
            raise UsageError("the numbers of scenes and extras and the seed can't be negative")
        if self.num_scenes + self.extra_videos + self.extra_audio == 0:
            raise UsageError("nothing to render: ask for at least one scene")
        if not self.duration_seconds >= SHORTEST_SECONDS:
            raise UsageError(f"scenes last at least {SHORTEST_SECONDS} s, got {self.duration_seconds}")

    @property
    def margin_seconds(self) -> float:
        """How long a scene goes on before and after its picture: enough for the largest offset."""
        return max(MARGIN_SECONDS, abs(self.offset_seconds) + self.offset_jitter_seconds)


@dataclass(frozen=True)
class SynthPair:
    """One row of truth.csv: paths below the folder, None for the side that an extra lacks."""

    video: str | None
    audio: str | None
    offset_seconds: float | None
    kind: str

    def row(self) -> tuple[str | float | None, ...]:
        """The cells under TRUTH_COLUMNS."""
        offset_ms = None if self.offset_seconds is None else milliseconds_from_seconds(self.offset_seconds)
        return (self.video, self.audio, offset_ms, self.kind)


@dataclass(frozen=True)
class _Plan:
    """What is drawn of a scene before it is played."""

    number: int
    pair: SynthPair
    fps: Fraction
    size: tuple[int, int]
    video_seconds: float
    audio_seconds: float


def synthesise(out: Path, config: SynthConfig, *, progress: Progress | None = None) -> list[SynthPair]:
    """Write `out`/videos, `out`/audio and `out`/truth.csv.

    Files that an earlier run left there are replaced, others are left alone. truth.csv is written last.

    Args:
        out: the folder; made where it is missing.
        config: what to render.
        progress: called after each file.

    Returns:
        The rows of truth.csv.

    Raises:
        UsageError: the sides of a size are odd.
    """
    for old in (*out.glob("truth.csv"), *out.glob("videos/v_*.mp4"), *out.glob("audio/a_*.*")):
        old.unlink()
    plans = _plans(config)
    videos = [plan for plan in plans if plan.pair.video is not None]
    audio = sorted((plan for plan in plans if plan.pair.audio is not None), key=lambda plan: plan.pair.audio or "")
    jobs = [(plan, str(plan.pair.video)) for plan in videos] + [(plan, str(plan.pair.audio)) for plan in audio]
    for done, (plan, name) in enumerate(jobs, start=1):
        path = out / name
        _write(path, config, plan, name == plan.pair.video)
        os.utime(path, (MODIFIED_SECONDS, MODIFIED_SECONDS))
        if progress is not None:
            progress("rendering", done, len(jobs))
    pairs = [plan.pair for plan in plans]
    write_text_atomically(out / "truth.csv", csv_text(TRUTH_COLUMNS, (pair.row() for pair in pairs)))
    return pairs


def _plans(config: SynthConfig) -> list[_Plan]:
    """All scenes, in the order of their videos' names; those without a video come last."""
    rng = np.random.default_rng([config.seed, 0])
    num_videos = config.num_scenes + config.extra_videos
    num_files = num_videos + config.extra_audio
    video_numbers = rng.permutation(num_videos) + 1
    audio_names = rng.choice(16**8, num_files, replace=False)
    plans = []
    for number in range(num_files):
        has_video = number < num_videos
        has_audio = not config.num_scenes <= number < num_videos
        jitter_seconds = rng.uniform(-1, 1) * config.offset_jitter_seconds
        offset_ms = milliseconds_from_seconds(config.offset_seconds + jitter_seconds)
        suffix = rng.choice(WORN_FORMATS if config.damage else FORMATS)
        pair = SynthPair(
            f"videos/v_{video_numbers[number]:04d}.mp4" if has_video else None,
            f"audio/a_{audio_names[number]:08x}.{suffix}" if has_audio else None,
            seconds_from_milliseconds(offset_ms) if has_video and has_audio else None,
            config.kinds[number % len(config.kinds)],
        )
        fps = config.fps_choices[rng.integers(len(config.fps_choices))]
        size = config.sizes[rng.integers(len(config.sizes))]
        video_seconds, audio_seconds = config.duration_seconds * rng.choice(LENGTHS, 2)
        plans.append(_Plan(number, pair, fps, size, float(video_seconds), float(audio_seconds)))
    return sorted(plans, key=lambda plan: (plan.pair.video is None, plan.pair.video or "", plan.number))


def _write(path: Path, config: SynthConfig, plan: _Plan, is_video: bool) -> None:
    """Play the scene for the camera or for the microphone."""
    act_rng, film_rng, recording_rng = (
        np.random.default_rng([config.seed, purpose, plan.number]) for purpose in (_ACT, _FILM, _RECORDING)
    )
    num_frames = max(round(plan.video_seconds * plan.fps), 1)
    frame_times = config.margin_seconds + np.arange(num_frames) / float(plan.fps)
    stage = Stage(*plan.size, 2 * config.margin_seconds + max(LENGTHS) * config.duration_seconds, frame_times)
    act = ACTS[plan.pair.kind](act_rng, stage)
    if is_video:
        write_clip(path, film(film_rng, stage, act.paint), fps=plan.fps, crf=WORN_CRF if config.damage else CLEAN_CRF)
    else:
        start_seconds = config.margin_seconds - (plan.pair.offset_seconds or 0.0)
        take = Take(start_seconds, plan.audio_seconds, config.snr_db, config.damage)
        write_audio(path, record(recording_rng, act.sound, take))
