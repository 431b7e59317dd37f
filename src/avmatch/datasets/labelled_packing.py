"""Labelled clips → packed shards: one side of each file, decoded once, and its classes.

Clips whose sets have no sound (HMDB51, half of UCF101) can be trained on as well as sounds without a picture: the side
that isn't wanted is a zero.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os.path import relpath
from pathlib import Path

import numpy as np

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.progress import Progress
from avmatch.core.results import Failure
from avmatch.datasets.items import Pairs
from avmatch.datasets.labelled import with_splits
from avmatch.datasets.labelled_clips import LabelledClip
from avmatch.datasets.packing import SHARD_BYTES, MediaFiles
from avmatch.datasets.pair_lists import MediaPair
from avmatch.datasets.shards import ShardWriter, open_shards
from avmatch.datasets.splits import TEST, TRAIN
from avmatch.datasets.tracks import VIDEO_KINDS, PackSettings, Sides, decode_tracks

_NOTHING = np.zeros((1, 1), np.float32)


def pack_labelled(
    clips: Sequence[LabelledClip],
    root: Path,
    folder: Path,
    settings: PackSettings,
    side: str,
    progress: Progress | None = None,
) -> tuple[Pairs, tuple[Failure, ...]]:
    """Pack one side of `clips` into shards in `folder`, or what is still missing of them.

    Args:
        root: clips are named by their path from there.
        side: "video" or "audio".
        progress: called after each clip.

    Returns:
        The clips that can be used, and why the others can't.

    Raises:
        UsageError: none can be used, or the folder was packed with other settings.
    """
    is_video = side == "video"
    writer = ShardWriter(
        folder,
        SHARD_BYTES,
        video_kind=VIDEO_KINDS[settings.crop] if is_video else "features",
        audio_kind="features" if is_video else settings.sound,
        video_rate_hz=settings.rate_hz,
        audio_rate_hz=settings.audio_rate_hz,
    )
    names = {relpath(clip.path, root): MediaPair(clip.path, clip.path, clip.group, clip.label) for clip in clips}
    missing = {name: clip for name, clip in names.items() if name not in writer.names}
    failures = []

    def read(path: str, seen: bool, heard: bool) -> Sides:
        return decode_tracks(settings, path, is_video, not is_video)

    with ThreadPoolExecutor(os.cpu_count()) as pool, writer:
        files = MediaFiles(missing.values(), read, pool)
        for done, (name, clip) in enumerate(missing.items(), start=len(names) - len(missing) + 1):
            try:
                seen, heard = files.tracks(clip)
                track = seen if is_video else heard[0]
                if track is None:
                    raise MediaError(
                        clip.video, f"there is no {side} in it that lasts", stage="decode", reason="too_short"
                    )
                video, audio = (track.data, _NOTHING) if is_video else (_NOTHING, track.data)
                writer.add(name, video, audio, group=clip.group, label=clip.label)
            except MediaError as error:
                failures.append(Failure.from_error(error))
            if progress is not None:
                progress("data", done, len(names))
    if len(failures) == len(names):
        raise UsageError(f"{root}: none of {len(names)} clips can be used; {failures[0].path}: {failures[0].message}")
    pairs = open_shards(folder)
    place = {name: row for row, name in enumerate(pairs.names)}
    return pairs.take(np.array([place[name] for name in names if name in place])), tuple(failures)


def of_list(pairs: Pairs, clips: Sequence[LabelledClip], root: Path, number: int) -> Pairs:
    """The packed clips of an official list, or of a fold that is made where the set has none, from 1.

    What the list tests is held back; what it doesn't name is left out.

    Raises:
        UsageError: there is no such list.
    """
    splits = with_splits(clips)
    if not 1 <= number <= len(splits[0]):
        raise UsageError(f"{root}: has lists or folds 1…{len(splits[0])}, got {number}")
    told = {relpath(clip.path, root): split[number - 1] for clip, split in zip(clips, splits, strict=True)}
    split_of = np.array([told[name] for name in pairs.names])
    rows = np.flatnonzero(np.isin(split_of, (TRAIN, TEST)))
    return replace(pairs.take(rows), is_held_back=split_of[rows] == TEST)
