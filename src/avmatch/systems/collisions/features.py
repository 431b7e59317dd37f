"""Impacts as the towers and cues take them, computed once and kept as arrays in a folder.

    sound → log bands (C, F, T), cues          video → centroids (70), small masks, pictures of the object, cues
      └ in noise → cues

    FOLDER/index.json                      settings, names, classes, notes; written last
    FOLDER/{bands,sound_cues,noisy_cues,path,masks,crops,film_cues,is_seen}.npy

Letters in shapes: C channels, F bands, T ticks, P pictures, K numbers, N segments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TypeVar
from zlib import crc32

import numpy as np
from jaxtyping import Float16, Float32, Int, UInt8

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Progress
from avmatch.data.items import map_array
from avmatch.synth.sound import mix_at_snr
from avmatch.systems.collisions import frontends
from avmatch.systems.collisions.data import Segment, Video, list_training, read_picture, read_sound, read_video

INDEX = "index.json"
#: Pictures of the object that are kept of a film.
NUM_CROPS = 4
#: How far above the noise the sound is in its noisy copy, at least and at most.
NOISY_DB = (0.0, 30.0)
#: A process that computes features is started for no fewer segments.
LEAST_WORK = 16
#: A row of the arrays and notes, or why there is none.
Computed = tuple[dict[str, np.ndarray], tuple[str, ...]] | MediaError
Item = TypeVar("Item")
Answer = TypeVar("Answer")
_ARRAYS = ("bands", "sound_cues", "noisy_cues", "path", "masks", "crops", "film_cues", "is_seen")


@dataclass(frozen=True)
class Bands:
    """How a spectrogram is pooled: so many bins and ticks are joined (1, 1: the published 513 × 196)."""

    bins: int = 4
    ticks: int = 2

    @property
    def num_values(self) -> int:
        """Of the spectrogram in each of what is left."""
        return self.bins * self.ticks

    def __post_init__(self) -> None:
        if min(self.bins, self.ticks) < 1:
            raise UsageError(f"bins and ticks must be 1 or more, got {self}")


@dataclass(frozen=True, eq=False, repr=False)
class SoundFeatures:
    """Of one sound."""

    bands: Float16[np.ndarray, "C F T"]
    cues: Float32[np.ndarray, " K"]


@dataclass(frozen=True, eq=False, repr=False)
class VideoFeatures:
    """Of one video; `is_seen`: whether any of its masks shows something."""

    path: Float32[np.ndarray, 70]
    masks: UInt8[np.ndarray, "35 44 44"]
    crops: UInt8[np.ndarray, "P 48 48 4"]
    cues: Float32[np.ndarray, " K"]
    is_seen: bool


@dataclass(frozen=True, eq=False, repr=False)
class CollisionSet:
    """Prepared segments: arrays on disk, one row each, by the names in _ARRAYS."""

    names: tuple[str, ...]
    label: Int[np.ndarray, " N"]
    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...]
    bands: Bands

    def video(self, row: int) -> VideoFeatures:
        """The video of one."""
        names = ("path", "masks", "crops", "film_cues", "is_seen")
        path, masks, crops, cues, is_seen = (self.arrays[name][row] for name in names)
        return VideoFeatures(path, masks, crops, cues, bool(is_seen))

    def sound(self, row: int) -> SoundFeatures:
        """The sound of one."""
        return SoundFeatures(self.arrays["bands"][row], self.arrays["sound_cues"][row])

    def noisy_sound(self, row: int) -> SoundFeatures:
        """Its noisy cues, and its bands in white noise of the same level."""
        bands, rng = np.asarray(self.arrays["bands"][row], np.float32), np.random.default_rng(row)
        snr_db, _ = noise_of(self.names[row])
        in_noise = frontends.bands_in_noise(bands, snr_db, np.zeros(2), self.bands.num_values, rng)
        return SoundFeatures(in_noise.astype(np.float16), self.arrays["noisy_cues"][row])


def sound_features(sound: AudioSamples, bands: Bands) -> SoundFeatures:
    """Of what `read_sound` gave."""
    samples = frontends.fitted(sound.data)
    pooled = frontends.log_bands(frontends.spectrogram(samples), bands.bins, bands.ticks).astype(np.float16)
    return SoundFeatures(pooled, frontends.impact_sound(samples).vector())


def noisy(sound: AudioSamples, snr_db: float, rng: np.random.Generator) -> AudioSamples:
    """White noise in each channel, so far under that channel's power."""
    noise = rng.normal(0, 1, sound.data.shape).astype(np.float32)
    mixed = [mix_at_snr(channel, own, snr_db) for channel, own in zip(sound.data, noise, strict=True)]
    return replace(sound, data=np.stack(mixed))


def noise_of(name: str) -> tuple[float, np.random.Generator]:
    """How far under the sound of a segment the noise of its noisy copy is, in dB, and the generator of that noise."""
    rng = np.random.default_rng(crc32(name.encode()))
    return float(rng.uniform(*NOISY_DB)), rng


def video_features(video: Video) -> VideoFeatures:
    """Of what `read_video` gave."""
    return VideoFeatures(
        frontends.centroid_vector(video.centroids),
        frontends.small_masks(video.masks),
        _crops(video),
        frontends.impact_path(video.centroids).vector(),
        bool(np.isfinite(video.centroids).any()),
    )


def _crops(video: Video) -> UInt8[np.ndarray, "P 48 48 4"]:
    """Of frames evenly spread over those with a mask; of all frames, around the middle, where there is none."""
    with_mask = np.flatnonzero(np.isfinite(video.centroids[:, 0]))
    among = with_mask if len(with_mask) else np.arange(len(video.masks))
    crops = []
    for place in among[np.linspace(0, len(among) - 1, NUM_CROPS).round().astype(np.int64)].tolist():
        x, y = np.where(np.isfinite(video.centroids[place]), video.centroids[place], frontends.MASK_PX / 2).tolist()
        crops.append(frontends.object_crop(read_picture(video.pictures[place]), video.masks[place], x, y))
    return np.stack(crops)


def prepared(data: str | Path, folder: Path, bands: Bands, progress: Progress | None = None) -> CollisionSet:
    """The set of a folder of features, or of a dataset, whose features are kept in `folder`.

    Raises:
        UsageError: neither of the two, or features that were computed otherwise.
    """
    if (Path(data) / INDEX).is_file():
        return _opened(Path(data), bands)
    segments, notes = list_training(data)
    if (folder / INDEX).is_file():
        found = _opened(folder, bands)
        left_out = {note.partition(":")[0] for note in found.notes}
        if set(found.names) | left_out >= {segment.name for segment in segments}:
            return found
    folder.mkdir(parents=True, exist_ok=True)
    # An index of other segments doesn't fit what an interrupted computation leaves.
    (folder / INDEX).unlink(missing_ok=True)
    return _computed(segments, notes, folder, bands, progress)


def _opened(folder: Path, bands: Bands) -> CollisionSet:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        names, label, kept = tuple(index["names"]), np.array(index["label"], np.int64), Bands(**index["bands"])
        arrays = {name: map_array(folder / f"{name}.npy")[: len(names)] for name in _ARRAYS}
        notes = tuple(index["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: no folder of features of collisions ({error})") from error
    if kept != bands:
        raise UsageError(f"{folder}: was computed with {kept}, the recipe wants {bands}; name the dataset itself")
    return CollisionSet(names, label, arrays, notes, kept)


def _computed(
    segments: Sequence[Segment], notes: tuple[str, ...], folder: Path, bands: Bands, progress: Progress | None
) -> CollisionSet:
    """The features, row by row in the arrays of `folder`; what can't be used is left out and noted."""
    workers = min(num_processors(), max(len(segments) // LEAST_WORK, 1))
    computed = in_processes(partial(_of_segment, bands), segments, workers, chunksize=4)
    arrays: dict[str, np.memmap] = {}
    kept: list[Segment] = []
    noted = list(notes)
    for done, (segment, found) in enumerate(zip(segments, computed, strict=True), 1):
        if isinstance(found, MediaError):
            noted.append(f"{segment.name}: left out, {found}")
        else:
            row, more = found
            for name, value in row.items():
                if name not in arrays:
                    shape = (len(segments), *value.shape)
                    arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", value.dtype, shape)
                arrays[name][len(kept)] = value
            kept.append(segment)
            noted += more
        if progress is not None:
            progress("features", done, len(segments))
    if not kept:
        raise UsageError(f"no segment can be used: {noted[-1]}")
    for array in arrays.values():
        array.flush()
    names, label = [item.name for item in kept], [item.label for item in kept]
    index = {"bands": asdict(bands), "names": names, "label": label, "notes": noted}
    write_text_atomically(folder / INDEX, json.dumps(index, indent=1) + "\n")
    return _opened(folder, bands)


def _of_segment(bands: Bands, segment: Segment) -> Computed:
    """A row of the arrays, and notes; the sound's cues once more in noise that follows from the segment's name."""
    snr_db, rng = noise_of(segment.name)
    try:
        audio, notes = read_sound(segment.sound)
        sound = sound_features(audio, bands)
        noisy_cues = frontends.impact_sound(frontends.fitted(noisy(audio, snr_db, rng).data)).vector()
        read = read_video(segment.film)
    except MediaError as error:
        return error
    film = video_features(read)
    values = (sound.bands, sound.cues, noisy_cues, film.path, film.masks, film.crops, film.cues, np.array(film.is_seen))
    return dict(zip(_ARRAYS, values, strict=True)), (*notes, *read.notes)


def num_processors() -> int:
    """As many as there are for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Item], Answer], items: Sequence[Item], num_workers: int, chunksize: int = 1
) -> Iterator[Answer]:
    """What `work` makes of each item, in their order; with one worker, in this process.

    A pool's own workers would outlive a killed parent, waiting for work forever.
    """
    if num_workers == 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        yield from pool.map(work, items, chunksize=chunksize)


def _end_with_parent() -> None:
    """A worker ends when the process that started it has ended, however that ended."""
    parent = parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def wait() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=wait, daemon=True).start()
