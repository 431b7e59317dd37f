"""Media pairs → packed shards: decoded once, then trained on at the speed of the disk.

    list of pairs → decode each file once → ticks of frames, log-mel → cut to the common time → shards

What is packed is what the encoders feed their towers with: frames on a clock of `rate_hz` (frontends/picture.py), whole
or the mouth of the face that is longest in sight (frontends/crops.py), and log-mel at BAND_RATE_HZ (LogMelClock), or
the waveform for recipes that augment that; or motion and bands, which other cues live on as well. Whole frames may be
in colour. Tick k of the picture and entries k·n … (k + 1)·n − 1 of the sound are of one time,
n = audio_rate_hz / rate_hz.

    failures.json    the pairs that can't be used, and why; they aren't tried again

Letters in shapes: T ticks, U = n·T entries of the sound, H rows, W columns; colours: none (grey), or 3.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from avmatch.core.progress import Progress
from avmatch.core.results import Failure
from avmatch.datasets.items import Pairs
from avmatch.datasets.pair_lists import MediaPair, read_pair_list, to_learn_from
from avmatch.datasets.shards import ShardWriter, open_shards
from avmatch.datasets.splits import listed_as_held_back
from avmatch.datasets.tracks import AUDIO_FORMS, VIDEO_KINDS, PackSettings, Sides, Track, decode_tracks

FAILURES = "failures.json"
#: Smaller shards than those of features: what waits for its shard is lost with a kill, and takes long to decode.
SHARD_BYTES = 32 << 20

Read = Callable[[str, bool, bool], Sides]
"""Decode a file: its path, whether the picture is wanted, whether the sound is."""
#: Files that are decoded ahead of the one that is packed, for each worker.
AHEAD = 2


def named_pairs(data: str | Path) -> dict[str, MediaPair]:
    """The pairs of a list (pair_lists.py) by names that don't depend on where the list lies.

    Raises:
        UsageError: it is no list of pairs, or names one twice.
    """
    folder = Path(data) if Path(data).is_dir() else Path(data).parent
    named: dict[str, MediaPair] = {}
    for pair in read_pair_list(data):
        name = relpath(pair.video, folder)
        if pair.start_seconds is not None:
            name += f"@{pair.start_seconds:.12g}"
        if pair.audio != pair.video:
            name += f" + {relpath(pair.audio, folder)}"
        if name in named:
            raise UsageError(f"{data}: names {name} twice; a pair must come once")
        named[name] = pair
    return named


def pack(
    data: str | Path, folder: str | Path, settings: PackSettings, progress: Progress | None = None
) -> tuple[Pairs, tuple[Failure, ...]]:
    """Pack the pairs of `data` into shards in `folder`, or what is still missing of them.

    Each file is decoded once, also if many pairs are cut from it; its tracks are kept until the last of them. What the
    list keeps for tests isn't packed, and what it keeps for validation is marked as held back.

    Args:
        progress: called after each pair.

    Returns:
        The pairs in the order of the list, and why the others can't be used.

    Raises:
        UsageError: not a list of pairs, no pair can be used, or the folder was packed with other settings.
    """
    folder = Path(folder)
    named = named_pairs(data)
    kept = set(to_learn_from(tuple(named.values()), data))
    pairs = {name: pair for name, pair in named.items() if pair in kept}
    failures = _read_failures(folder)
    writer = ShardWriter(
        folder,
        SHARD_BYTES,
        video_kind=VIDEO_KINDS[settings.crop],
        audio_kind=settings.sound,
        video_rate_hz=settings.rate_hz,
        audio_rate_hz=settings.audio_rate_hz,
    )
    missing = {name: pair for name, pair in pairs.items() if name not in writer.names | failures.keys()}
    with ThreadPoolExecutor(os.cpu_count()) as pool, writer:
        files = MediaFiles(missing.values(), partial(decode_tracks, settings), pool)
        for done, (name, pair) in enumerate(missing.items(), start=len(pairs) - len(missing) + 1):
            try:
                seen, heard = files.tracks(pair)
                video, audio = common_part(pair, seen, heard[0], settings)
                writer.add(name, video, audio, group=pair.group, label=pair.label)
            except MediaError as error:
                failures[name] = Failure.from_error(error)
                _write_failures(folder, failures)
            if progress is not None:
                progress("data", done, len(pairs))
    told = tuple(failures[name] for name in pairs if name in failures)
    if len(told) == len(pairs):
        raise UsageError(
            f"{data}: none of {len(pairs)} pairs can be used; the first: {told[0].path}: {told[0].message}"
        )
    packed = open_shards(folder)
    check_packed(packed, settings, folder)
    place = {name: row for row, name in enumerate(packed.names)}
    names = [name for name in pairs if name in place]
    held_back = listed_as_held_back([pairs[name].split for name in names])
    return replace(packed.take(np.array([place[name] for name in names])), is_held_back=held_back), told


def check_packed(pairs: Pairs, settings: PackSettings, source: str | Path) -> None:
    """Raises UsageError if `pairs` aren't packed like this."""
    forms = (*pairs.video[0].shape[1:], *pairs.audio[0].shape[1:])
    found = (pairs.video_kind, pairs.audio_kind, pairs.video_rate_hz, pairs.audio_rate_hz, *forms)
    kinds = (VIDEO_KINDS[settings.crop], settings.sound)
    colours = () if settings.colours == 1 else (settings.colours,)
    form = (settings.height_px, settings.width_px, *colours, *AUDIO_FORMS[settings.sound])
    wanted = (*kinds, settings.rate_hz, settings.audio_rate_hz, *form)
    if found != wanted:
        raise UsageError(f"{source}: was packed as {found}, but {wanted} is wanted; pack it into another folder")


def common_part(
    pair: MediaPair, video: Track | None, audio: Track | None, settings: PackSettings
) -> tuple[Shaped[np.ndarray, " T *size"], Shaped[np.ndarray, " U *bands"]]:
    """Both sides over the time that they and the list have in common, the sound as if it weren't late.

    Raises:
        MediaError: a side isn't there, or they have no whole tick in common.
    """
    if video is None:
        raise MediaError(pair.video, "there is no picture in it that lasts", stage="decode", reason="no_video")
    if audio is None:
        raise MediaError(pair.audio, "there is no sound in it that lasts a tick", stage="decode", reason="no_audio")
    per_tick = settings.audio_per_tick
    # Entry i of the sound is heard with tick 0 of the picture; where that is before the beginning, ticks are left out.
    heard = round((video.start_seconds + pair.offset_seconds - audio.start_seconds) * settings.audio_rate_hz)
    first = max(0, math.ceil(-heard / per_tick))
    begin = first
    if pair.start_seconds is not None:
        begin = math.ceil((pair.start_seconds - video.start_seconds) * settings.rate_hz - 1e-6)
        first = max(first, begin)
    num_ticks = min(len(video.data) - first, (len(audio.data) - heard) // per_tick - first)
    if pair.duration_seconds is not None:
        num_ticks = min(num_ticks, begin + round(pair.duration_seconds * settings.rate_hz) - first)
    if num_ticks < 1:
        message = f"has no time in common with {pair.audio}; check the list's times and offsets"
        raise MediaError(pair.video, message, stage="features", reason="too_short")
    own = heard + first * per_tick
    return video.data[first : first + num_ticks], audio.data[own : own + num_ticks * per_tick]


class MediaFiles:
    """The sides of files that pairs still to come want; each file is read once, a few ahead of their turn.

    Args:
        pairs: all that will be asked for, each once, in the order in which they will be.
        read: decodes a file.
        pool: whose threads read ahead; None reads in the calling thread, when the turn has come.
    """

    def __init__(self, pairs: Iterable[MediaPair], read: Read, pool: ThreadPoolExecutor | None = None) -> None:
        pairs = tuple(pairs)
        self._read, self._pool = read, pool
        self._seen, self._heard = Counter(pair.video for pair in pairs), Counter(pair.audio for pair in pairs)
        self._asked = self._seen + self._heard
        self._kept: dict[str, Sides | MediaError] = {}
        self._order = iter(dict.fromkeys(path for pair in pairs for path in (pair.video, pair.audio)))
        self._coming: dict[str, Future[Sides | MediaError]] = {}

    def tracks(self, pair: MediaPair) -> tuple[Track | None, tuple[Track | None, ...]]:
        """Picture and sound of a pair. Raises MediaError if one of its files can't be read."""
        video, audio = self._sides(pair.video), self._sides(pair.audio)
        if isinstance(video, MediaError):
            raise video
        if isinstance(audio, MediaError):
            raise audio
        return video.video, audio.audio

    def _sides(self, path: str) -> Sides | MediaError:
        self._read_ahead()
        if path not in self._kept:
            self._kept[path] = self._coming.pop(path).result() if path in self._coming else self._try(path)
        self._asked[path] -= 1
        return self._kept[path] if self._asked[path] else self._kept.pop(path)

    def _try(self, path: str) -> Sides | MediaError:
        try:
            return self._read(path, path in self._seen, path in self._heard)
        except MediaError as error:
            return error

    def _read_ahead(self) -> None:
        if self._pool is None:
            return
        for path in islice(self._order, max(AHEAD * (os.cpu_count() or 1) - len(self._coming), 0)):
            self._coming[path] = self._pool.submit(self._try, path)


def _read_failures(folder: Path) -> dict[str, Failure]:
    path = folder / FAILURES
    if not path.is_file():
        return {}
    try:
        return {name: Failure(**told) for name, told in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a list of failures ({error}); remove it to try them again") from error


def _write_failures(folder: Path, failures: Mapping[str, Failure]) -> None:
    told = {name: asdict(failure) for name, failure in failures.items()}
    write_text_atomically(folder / FAILURES, json.dumps(told, indent=1) + "\n")
