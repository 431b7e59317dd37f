"""Processes that share work, and end with the one that started them, however that ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from zlib import crc32

import numpy as np
from jaxtyping import Float16, Float32, Int, UInt8

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.core.files import write_text_atomically
from avmatch.core.results import Progress
from avmatch.data.items import Items, Pairs, map_array
from avmatch.data.noise import mix_at_snr
from avmatch.data.splits import class_folds
from avmatch.systems.collisions.data import (
    CLASSES,
    Film,
    FilmFiles,
    Segment,
    list_training,
    read_film,
    read_picture,
    read_sound,
)
from avmatch.systems.collisions.frontends import (
    MASK_PX,
    centroid_vector,
    fitted,
    impact_path,
    impact_sound,
    log_bands,
    object_crop,
    small_masks,
    spectrogram,
)


def process_pool(num_workers: int) -> ProcessPoolExecutor:
    """A pool of fresh processes; a pool's own workers would outlive a killed parent, waiting for work forever."""
    return ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def wait() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=wait, daemon=True).start()


# Impacts as the towers and cues take them, computed once and kept as arrays in a folder.
#
#     sound → log bands (C, F, T), cues          film → centroids (70), small masks, pictures of the object, cues
#       └ in noise → cues
#
#     FOLDER/index.json                      settings, names, classes, notes; written last
#     FOLDER/{bands,sound_cues,noisy_cues,path,masks,crops,film_cues,is_seen}.npy
#
# Letters in shapes: C channels, F bands, T ticks, P pictures, K numbers, N segments.

INDEX = "index.json"
#: Pictures of the object that are kept of a film.
NUM_CROPS = 4
#: How far above the noise the sound is in its noisy copy, at least and at most.
NOISY_DB = (0.0, 30.0)
_SIDES = ("bands", "sound_cues", "noisy_cues", "path", "masks", "crops", "film_cues", "is_seen")


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
    """Of one sound: bands, cues, and notes of how it was read."""

    bands: Float16[np.ndarray, "C F T"]
    cues: Float32[np.ndarray, " K"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class FilmFeatures:
    """Of one film; `is_seen` tells whether any mask shows something."""

    path: Float32[np.ndarray, 70]
    masks: UInt8[np.ndarray, "35 44 44"]
    crops: UInt8[np.ndarray, "P 48 48 4"]
    cues: Float32[np.ndarray, " K"]
    is_seen: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class CollisionSet:
    """Prepared segments: arrays on disk, one row each, by the names in _SIDES."""

    names: tuple[str, ...]
    label: Int[np.ndarray, " N"]
    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...]
    bands: Bands

    def pairs(self, video: str, audio: str, num_folds: int, fold_seed: int) -> Pairs:
        """Two sides as the trainer takes them; the groups are folds, each class dealt out evenly."""
        fold = class_folds(self.label, np.arange(len(self.label)), num_folds, fold_seed)
        sides: tuple[Items, Items] = (self.arrays[video], self.arrays[audio])
        return Pairs(*sides, self.names, fold, self.label, CLASSES)


def sound_features(path: Path, bands: Bands) -> SoundFeatures:
    """Raises MediaError if the file can't be used."""
    sound, notes = read_sound(path)
    return features_of_sound(sound, bands, notes)


def features_of_sound(sound: AudioSamples, bands: Bands, notes: tuple[str, ...] = ()) -> SoundFeatures:
    """The same of samples."""
    samples = fitted(sound.data)
    pooled = log_bands(spectrogram(samples), bands.bins, bands.ticks).astype(np.float16)
    return SoundFeatures(pooled, impact_sound(samples).vector(), notes)


def noisy(sound: AudioSamples, snr_db: float, rng: np.random.Generator) -> AudioSamples:
    """White noise in each channel, so far under that channel's power."""
    noise = rng.normal(0, 1, sound.data.shape).astype(np.float32)
    mixed = [mix_at_snr(channel, own, snr_db) for channel, own in zip(sound.data, noise, strict=True)]
    return replace(sound, data=np.stack(mixed))


def noise_db(name: str) -> float:
    """How far under the sound of a segment the noise of its noisy copy is."""
    return float(_noise_rng(name).uniform(*NOISY_DB))


def _noise_rng(name: str) -> np.random.Generator:
    return np.random.default_rng(crc32(name.encode()))


def film_features(files: FilmFiles) -> FilmFeatures:
    """Raises MediaError if the film has no frame."""
    return features_of_film(files, read_film(files))


def features_of_film(files: FilmFiles, film: Film) -> FilmFeatures:
    """The same of masks that were read; `files` has the pictures."""
    return FilmFeatures(
        centroid_vector(film.centroids),
        small_masks(film.masks),
        _crops(files, film),
        impact_path(film.centroids).vector(),
        bool(np.isfinite(film.centroids).any()),
        film.notes,
    )


def _crops(files: FilmFiles, film: Film) -> UInt8[np.ndarray, "P 48 48 4"]:
    """Of frames evenly spread over those with a mask; of all frames where there is none."""
    seen = np.flatnonzero(np.isfinite(film.centroids[:, 0]))
    among = seen if len(seen) else np.arange(len(film.masks))
    shown = among[np.linspace(0, len(among) - 1, NUM_CROPS).round().astype(np.int64)]
    crops = []
    for place in shown.tolist():
        x, y = film.centroids[place] if len(seen) else (MASK_PX / 2, MASK_PX / 2)
        crops.append(object_crop(read_picture(files.frames[place][0]), film.masks[place], float(x), float(y)))
    return np.stack(crops)


def prepared(
    data: str | Path,
    folder: Path,
    bands: Bands,
    *,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> CollisionSet:
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
    return _written(segments, notes, folder, bands, num_workers, progress)


def _opened(folder: Path, bands: Bands) -> CollisionSet:
    try:
        told = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        arrays = {side: map_array(folder / f"{side}.npy") for side in _SIDES}
        names, label, kept = tuple(told["names"]), np.array(told["label"], np.int64), Bands(**told["bands"])
        notes = tuple(told["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: no folder of features of collisions ({error})") from error
    if kept != bands:
        raise UsageError(f"{folder}: was computed with {kept}, the recipe wants {bands}; name the dataset itself")
    return CollisionSet(names, label, {side: array[: len(names)] for side, array in arrays.items()}, notes, kept)


def _written(
    segments: Sequence[Segment],
    notes: tuple[str, ...],
    folder: Path,
    bands: Bands,
    num_workers: int,
    progress: Progress | None,
) -> CollisionSet:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)  # that of other segments: what is cut off amid them mustn't pass for it
    arrays: dict[str, np.memmap] = {}
    kept: list[Segment] = []
    told = list(notes)
    for done, (segment, found) in enumerate(zip(segments, _computed(segments, bands, num_workers), strict=True), 1):
        if isinstance(found, MediaError):
            told.append(f"{segment.name}: left out, {found}")
        else:
            sound, noisy_cues, film = found
            seen = np.array(film.is_seen)
            row = (sound.bands, sound.cues, noisy_cues, film.path, film.masks, film.crops, film.cues, seen)
            for side, value in zip(_SIDES, row, strict=True):
                if side not in arrays:
                    shape = (len(segments), *value.shape)
                    arrays[side] = np.lib.format.open_memmap(folder / f"{side}.npy", "w+", value.dtype, shape)
                arrays[side][len(kept)] = value
            kept.append(segment)
            told += [*sound.notes, *film.notes]
        if progress is not None:
            progress("features", done, len(segments))
    if not kept:
        raise UsageError(f"no segment can be used: {told[-1]}")
    for array in arrays.values():
        array.flush()
    names, label = tuple(item.name for item in kept), [item.label for item in kept]
    index = {"bands": asdict(bands), "names": names, "label": label, "notes": told}
    write_text_atomically(folder / INDEX, json.dumps(index, indent=1) + "\n")
    cut = {side: array[: len(kept)] for side, array in arrays.items()}
    return CollisionSet(names, np.array(label, np.int64), cut, tuple(told), bands)


Computed = tuple[SoundFeatures, Float32[np.ndarray, " K"], FilmFeatures] | MediaError


def _computed(segments: Sequence[Segment], bands: Bands, num_workers: int) -> Iterator[Computed]:
    one = partial(_of_segment, bands)
    if num_workers == 1:
        yield from map(one, segments)
        return
    with process_pool(num_workers) as pool:
        yield from pool.map(one, segments, chunksize=4)


def _of_segment(bands: Bands, segment: Segment) -> Computed:
    """The features, and the sound's cues once more in noise that follows from the segment's name."""
    rng = _noise_rng(segment.name)
    try:
        sound, notes = read_sound(segment.sound)
        in_noise = noisy(sound, float(rng.uniform(*NOISY_DB)), rng)
        noisy_cues = impact_sound(fitted(in_noise.data)).vector()
        return features_of_sound(sound, bands, notes), noisy_cues, film_features(segment.film)
    except MediaError as error:
        return error
