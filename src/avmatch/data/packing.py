"""Clips → packed shards: decoded once, then trained on at the speed of the disk.

    clips → decode each file once → ticks of frames, log-mel → cut to the common time → shards

What is packed is what the encoders feed their towers with: frames on a clock of `rate_hz` (frontends/mouth.py), whole
or the mouth of the face that shows for longest (frontends/mouth.py), and log-mel at BAND_RATE_HZ (LogMelClock), or
the waveform for recipes that augment that; or motion and bands, which other cues use as well. Whole frames may be
in colour. Tick k of the picture and entries k·n … (k + 1)·n − 1 of the sound are of one time,
n = audio_rate_hz / rate_hz.

Clips whose sets have no sound (HMDB51, half of UCF101) can be trained on as well as sounds without a picture: of a side
that isn't wanted, a zero is packed.

    failures.json    the clips that can't be used, and why; they aren't tried again

Letters in shapes: T ticks, U = n·T entries of the sound, H rows, W columns; colours: none (grey), or 3.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from os.path import relpath
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Failure, Progress
from avmatch.data.items import Pairs
from avmatch.data.layouts import read_pair_list
from avmatch.data.manifest import Clip
from avmatch.data.shards import SIDES, ShardWriter, open_shards
from avmatch.data.splits import TEST, TRAIN, listed_as_held_back, to_learn_from, with_splits
from avmatch.data.tracks import AUDIO_FORMS, VIDEO_KINDS, PackSettings, Sides, Track, decode_tracks

FAILURES = "failures.json"
#: Smaller shards than those of features: what waits for its shard is lost with a kill, and takes long to decode.
SHARD_BYTES = 32 << 20

Read = Callable[[str, bool, bool], Sides]
"""Decode a file: its path, whether the picture is wanted, whether the sound is."""
#: Files that are decoded ahead of the one that is packed, for each worker.
AHEAD = 2
_NOTHING = np.zeros((1, 1), np.float32)


def name_of(clip: Clip, folder: Path) -> str:
    """A name that doesn't depend on where `folder`, with the clip below, lies."""
    name = relpath(clip.path, folder)
    if clip.start_seconds is not None:
        name += f"@{clip.start_seconds:.12g}"
    return name + (f" + {relpath(clip.audio, folder)}" if clip.audio not in ("", clip.path) else "")


def named_pairs(data: str | Path) -> dict[str, Clip]:
    """The clips of a list of pairs (layouts.py) by their names.

    Raises:
        UsageError: it is no list of pairs, or names one twice.
    """
    folder = Path(data) if Path(data).is_dir() else Path(data).parent
    named: dict[str, Clip] = {}
    for clip in read_pair_list(data):
        name = name_of(clip, folder)
        if name in named:
            raise UsageError(f"{data}: names {name} twice; a pair must come once")
        named[name] = clip
    return named


def pack_list(
    data: str | Path, folder: str | Path, settings: PackSettings, progress: Progress | None = None
) -> tuple[Pairs, tuple[Failure, ...]]:
    """Pack the pairs of a list, both sides (see `pack`).

    What the list keeps for tests isn't packed, and what it keeps for validation is marked as held back.
    """
    named = named_pairs(data)
    kept = set(to_learn_from(tuple(named.values()), data))
    clips = {name: clip for name, clip in named.items() if clip in kept}
    pairs, failures = pack(clips, SIDES, folder, settings, source=data, progress=progress)
    held_back = listed_as_held_back([clips[name].split for name in pairs.names])
    return replace(pairs, is_held_back=held_back), failures


def pack(
    clips: Mapping[str, Clip],
    sides: Sequence[str],
    folder: str | Path,
    settings: PackSettings,
    *,
    source: str | Path,
    progress: Progress | None = None,
) -> tuple[Pairs, tuple[Failure, ...]]:
    """Pack clips into shards in `folder`, or what is still missing of them.

    Each file is decoded once, also if many clips are cut from it; its tracks are kept until the last of them.

    Args:
        clips: by their names.
        sides: "video", "audio", or both.
        source: what messages call the clips.
        progress: called after each clip.

    Returns:
        The clips in their order, and why the others can't be used.

    Raises:
        UsageError: no clip can be used, or the folder was packed with other settings.
    """
    folder = Path(folder)
    failures = _read_failures(folder)
    writer = ShardWriter(
        folder,
        SHARD_BYTES,
        video_kind=VIDEO_KINDS[settings.crop] if "video" in sides else "features",
        audio_kind=settings.sound if "audio" in sides else "features",
        video_rate_hz=settings.rate_hz,
        audio_rate_hz=settings.audio_rate_hz,
    )
    ready = writer.names | failures.keys()
    missing = {name: _only(clip, sides) for name, clip in clips.items() if name not in ready}
    with ThreadPoolExecutor(os.cpu_count()) as pool, writer:
        files = MediaFiles(missing.values(), partial(decode_tracks, settings), pool)
        for done, (name, clip) in enumerate(missing.items(), start=len(clips) - len(missing) + 1):
            try:
                picture, (sound, *_) = files.tracks(clip)
                writer.add(
                    name, *_packed_sides(clip, picture, sound, sides, settings), group=clip.group, label=clip.label
                )
            except MediaError as error:
                failures[name] = Failure.from_error(error)
                _write_failures(folder, failures)
            if progress is not None:
                progress("data", done, len(clips))
    unusable = tuple(failures[name] for name in clips if name in failures)
    if len(unusable) == len(clips):
        noun, first = "pairs" if len(sides) == 2 else "clips", unusable[0]
        raise UsageError(f"{source}: none of {len(clips)} {noun} can be used; the first: {first.path}: {first.message}")
    packed = open_shards(folder)
    check_packed(packed, settings, folder, sides)
    place = {name: row for row, name in enumerate(packed.names)}
    return packed.take(np.array([place[name] for name in clips if name in place])), unusable


def of_list(pairs: Pairs, clips: Sequence[Clip], root: Path, number: int) -> Pairs:
    """The packed clips of an official list, or of a fold that is made where the set has none, from 1.

    What the list tests is held back; what it doesn't name is left out.

    Args:
        root: clips are named by their path from there.

    Raises:
        UsageError: there is no such list.
    """
    splits = with_splits(clips)
    if not 1 <= number <= len(splits[0]):
        raise UsageError(f"{root}: has lists or folds 1…{len(splits[0])}, got {number}")
    listed = {name_of(clip, root): split[number - 1] for clip, split in zip(clips, splits, strict=True)}
    split_of = np.array([listed[name] for name in pairs.names])
    rows = np.flatnonzero(np.isin(split_of, (TRAIN, TEST)))
    return replace(pairs.take(rows), is_held_back=split_of[rows] == TEST)


def check_packed(pairs: Pairs, settings: PackSettings, source: str | Path, sides: Sequence[str] = SIDES) -> None:
    """Raises UsageError if these sides of `pairs` aren't packed like this."""
    colours = () if settings.colours == 1 else (settings.colours,)
    forms: dict[str, tuple[object, ...]] = {
        "video": (VIDEO_KINDS[settings.crop], settings.rate_hz, settings.height_px, settings.width_px, *colours),
        "audio": (settings.sound, settings.audio_rate_hz, *AUDIO_FORMS[settings.sound]),
    }
    packed: dict[str, tuple[object, ...]] = {
        "video": (pairs.video_kind, pairs.video_rate_hz, *pairs.video[0].shape[1:]),
        "audio": (pairs.audio_kind, pairs.audio_rate_hz, *pairs.audio[0].shape[1:]),
    }
    found, wanted = ([form[side] for side in sides] for form in (packed, forms))
    if found != wanted:
        raise UsageError(f"{source}: was packed as {found}, but {wanted} is wanted; pack it into another folder")


def common_part(
    clip: Clip, video: Track | None, audio: Track | None, settings: PackSettings
) -> tuple[Shaped[np.ndarray, " T *size"], Shaped[np.ndarray, " U *bands"]]:
    """Both sides over the time that they and the list have in common, with the sound's offset taken off.

    Raises:
        MediaError: a side is missing, or they have no whole tick in common.
    """
    video, audio = _present(clip, "video", video), _present(clip, "audio", audio)
    per_tick = settings.audio_per_tick
    # Entry `lead` of the sound belongs to tick 0 of the picture; before its beginning, ticks are left out.
    lead = round((video.start_seconds + clip.offset_seconds - audio.start_seconds) * settings.audio_rate_hz)
    first = max(0, math.ceil(-lead / per_tick))
    begin = first
    if clip.start_seconds is not None:
        begin = math.ceil((clip.start_seconds - video.start_seconds) * settings.rate_hz - 1e-6)
        first = max(first, begin)
    num_ticks = min(len(video.data) - first, (len(audio.data) - lead) // per_tick - first)
    if clip.duration_seconds is not None:
        num_ticks = min(num_ticks, begin + round(clip.duration_seconds * settings.rate_hz) - first)
    if num_ticks < 1:
        message = f"has no time in common with {clip.audio}; check the list's times and offsets"
        raise MediaError(clip.video, message, stage="features", reason="too_short")
    own = lead + first * per_tick
    return video.data[first : first + num_ticks], audio.data[own : own + num_ticks * per_tick]


def _only(clip: Clip, sides: Sequence[str]) -> Clip:
    """A clip of which no more than these sides is decoded."""
    if len(sides) == 2:
        return clip
    return replace(clip, video=clip.path, audio="") if "video" in sides else replace(clip, video="", audio=clip.path)


def _packed_sides(
    clip: Clip, video: Track | None, audio: Track | None, sides: Sequence[str], settings: PackSettings
) -> tuple[Shaped[np.ndarray, " T *size"], Shaped[np.ndarray, " U *bands"]]:
    """What is packed of a clip: the common part of both sides, or all of one and a zero."""
    if len(sides) == 2:
        return common_part(clip, video, audio, settings)
    if "video" in sides:
        return _present(clip, "video", video).data, _NOTHING
    return _NOTHING, _present(clip, "audio", audio).data


def _present(clip: Clip, side: str, track: Track | None) -> Track:
    """A side of a clip. Raises MediaError if it is missing."""
    if track is not None:
        return track
    if side == "video":
        raise MediaError(clip.video, "there is no picture in it that lasts", stage="decode", reason="no_video")
    raise MediaError(clip.audio, "there is no sound in it that lasts a tick", stage="decode", reason="no_audio")


class MediaFiles:
    """The sides of files that clips still to come want; each file is read once, a few ahead of their turn.

    Args:
        clips: all that will be asked for, each once, in the order in which they will be.
        read: decodes a file.
        pool: whose threads read ahead; None reads in the calling thread, when the turn has come.
    """

    def __init__(self, clips: Iterable[Clip], read: Read, pool: ThreadPoolExecutor | None = None) -> None:
        clips = tuple(clips)
        self._read, self._pool = read, pool
        self._as_video, self._as_audio = Counter(clip.video for clip in clips), Counter(clip.audio for clip in clips)
        self._asked = self._as_video + self._as_audio
        self._kept: dict[str, Sides | MediaError] = {}
        self._order = iter(dict.fromkeys(path for clip in clips for path in (clip.video, clip.audio) if path))
        self._coming: dict[str, Future[Sides | MediaError]] = {}

    def tracks(self, clip: Clip) -> tuple[Track | None, tuple[Track | None, ...]]:
        """Picture and sound of a clip. Raises MediaError if one of its files can't be read."""
        video, audio = self._sides(clip.video), self._sides(clip.audio)
        if isinstance(video, MediaError):
            raise video
        if isinstance(audio, MediaError):
            raise audio
        return video.video, audio.audio

    def _sides(self, path: str) -> Sides | MediaError:
        if not path:
            return Sides(None, (None,))
        if self._pool is not None:
            for ahead in islice(self._order, max(AHEAD * (os.cpu_count() or 1) - len(self._coming), 0)):
                self._coming[ahead] = self._pool.submit(self._try, ahead)
        if path not in self._kept:
            self._kept[path] = self._coming.pop(path).result() if path in self._coming else self._try(path)
        self._asked[path] -= 1
        return self._kept[path] if self._asked[path] else self._kept.pop(path)

    def _try(self, path: str) -> Sides | MediaError:
        try:
            return self._read(path, path in self._as_video, path in self._as_audio)
        except MediaError as error:
            return error


def _read_failures(folder: Path) -> dict[str, Failure]:
    path = folder / FAILURES
    if not path.is_file():
        return {}
    try:
        return {name: Failure(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a list of failures ({error}); remove it to try them again") from error


def _write_failures(folder: Path, failures: Mapping[str, Failure]) -> None:
    listed = {name: asdict(failure) for name, failure in failures.items()}
    write_text_atomically(folder / FAILURES, json.dumps(listed, indent=1) + "\n")
