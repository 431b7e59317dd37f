"""TAU Urban Audio-Visual Scenes 2021 as features: HDF5 with the lists of its folds.

    feature/{audio,video}_features_data/{train,val,test}.hdf5  <label>/audio/<stem>, <label>/video/<stem>: (T, F)
    feature/{audio,video}_features_data/global_mean_std.npz    global_mean, global_std: every step is standardised
    evaluation_setup/fold1_{train,evaluate}.csv          tab-separated: filename_audio, filename_video, scene_label
    {train,val,test}.csv                                       another release: by commas, with a location id

Lists may lie in either place, or be missing: then all that the split's HDF5 file holds counts. A stem is
<label>-<city>-<location>-<segment>; a location is a group, so that none stands on both sides of a split. Only the first
96 steps of an item count. Arrays are read when they are asked for: the training set has four gigabytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.data.inputs import natural_key
from avmatch.data.items import SIDES, Fault, Pairs, Side, absent, numbered, stored_array, unreadable, whole_steps
from avmatch.data.manifest import read_table

if TYPE_CHECKING:
    import h5py


MAX_STEPS = 96
#: OpenL3 with a hop of 0.1 s.
RATE_HZ = 10.0
STANDARD = "global_mean_std.npz"
SPLITS = ("train", "val", "test")
#: The splits to train on, where none is named.
LEARNED_FROM = ("train", "val")
_LISTS = {
    "train": ("evaluation_setup/fold1_train.csv", "train.csv"),
    "val": ("evaluation_setup/fold1_val.csv", "val.csv"),
    "test": ("evaluation_setup/fold1_evaluate.csv", "evaluation_setup/fold1_test.csv", "evaluate.csv", "test.csv"),
}
_LOCATIONS = ("location", "location_id", "identifier")


@dataclass(frozen=True)
class _Place:
    """A dataset: its file, its path inside, and what these say."""

    file: str
    key: str
    label: str
    split: str


@dataclass(frozen=True)
class _Listed:
    """A row of a list."""

    video: str
    label: str
    location: str
    split: str


_Standard = tuple[Float32[np.ndarray, " F"], Float32[np.ndarray, " F"]]
"""The mean and the deviation by which every step is standardised."""


@dataclass(frozen=True, eq=False, repr=False)
class StoredSteps:
    """Items in HDF5 files, read one by one; an item without a place has no steps."""

    places: tuple[_Place | None, ...]
    standard: _Standard | None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: SupportsIndex, /) -> Float32[np.ndarray, "T F"]:
        place = self.places[int(row)]
        if place is None:
            return absent()
        try:
            steps = np.asarray(_opened(place.file, os.getpid())[place.key][:MAX_STEPS], np.float32)
        except OSError as error:
            raise unreadable(Path(place.file), f"{place.key} can't be read ({error})") from error
        if self.standard is not None:
            mean, deviation = self.standard
            if steps.shape[1:] != mean.shape:
                sizes = f"{steps.shape[1]} features, but {STANDARD} beside it has {len(mean)}"
                raise unreadable(Path(place.file), f"{place.key} has {sizes}")
            return whole_steps((steps - mean) / deviation)
        return whole_steps(steps)


def is_tau(folder: Path) -> bool:
    """Whether `read_tau` would try the folder: it has HDF5 files of at least one side."""
    return any(_files(folder, side) for side in SIDES)


def read_tau(folder: Path, split: str | None = None) -> Pairs:
    """The items of one split, or of train and val; one with a missing or broken side is kept and reported.

    Raises:
        UsageError: no such split, or a list and an HDF5 file that don't agree on a label.
        MediaError: an HDF5 or .npz file can't be read.
        MissingExtraError: h5py is missing.
    """
    if split is not None and split not in SPLITS:
        raise UsageError(f"{folder}: no split {split!r}; there are {', '.join(SPLITS)}")
    wanted = LEARNED_FROM if split is None else (split,)
    stored: dict[Side, dict[str, _Place]] = {side: _stored(folder, side) for side in SIDES}
    listed = _listed(folder)
    has_list, named = {row.split for row in listed.values()}, listed.keys() | {row.video for row in listed.values()}
    for side in SIDES:
        for stem, place in stored[side].items():
            if place.split not in has_list and stem not in named:
                listed[stem] = _Listed(stem, "", "", place.split)
    places: dict[str, tuple[_Place | None, _Place | None]] = {}
    for name in sorted(listed, key=natural_key):
        own = stored["audio"].get(name), stored["video"].get(listed[name].video)
        if (own[0] or own[1] or listed[name]).split in wanted:  # lists don't separate train from val
            places[name] = own
    if not places:
        raise UsageError(f"{folder}: has no item of {' or '.join(wanted)}")
    faults: list[Fault] = []
    audio, video = (
        StoredSteps(
            tuple(_usable(own[number], name, side, faults) for name, own in places.items()), _standard(folder, side)
        )
        for number, side in enumerate(SIDES)
    )
    usable = zip(places, audio.places, video.places, strict=True)
    label = numbered([_label(folder, name, listed[name], own) for name, *own in usable])
    group, _ = numbered([listed[name].location or location_of(name) for name in places])
    return Pairs(
        video,
        audio,
        tuple(places),
        group,
        *label,
        video_rate_hz=RATE_HZ,
        audio_rate_hz=RATE_HZ,
        faults=tuple(faults),
    )


def _label(folder: Path, name: str, row: _Listed, places: Sequence[_Place | None]) -> str:
    labels = {known.label for known in (row, *places) if known is not None and known.label}
    if len(labels) > 1:
        raise UsageError(f"{folder}: {name} is {' and '.join(sorted(labels))}; list and HDF5 must have one label")
    return next(iter(labels), "")


def location_of(stem: str) -> str:
    """<city>-<location> of a stem; the stem itself where it has no such parts."""
    parts = stem.split("-")
    return "-".join(parts[1:3]) if len(parts) >= 4 else stem


def _usable(place: _Place | None, name: str, side: Side, faults: list[Fault]) -> _Place | None:
    """The place, unless what lies there can't be used, by its header alone."""
    message = "missing"
    if place is not None:
        dataset = _opened(place.file, os.getpid())[place.key]
        if not hasattr(dataset, "dtype") or dataset.dtype.kind not in "fiu":
            message = "broken: no array of numbers"
        elif dataset.ndim != 2 or not dataset.size:
            message = f"broken: must be (steps, features), is {dataset.shape}"
        else:
            return place
    faults.append(Fault(name, side, message))
    return None


def _files(folder: Path, side: Side) -> dict[str, Path]:
    """The HDF5 files of a side by their split."""
    inside = folder / "feature" / f"{side}_features_data"
    return {split: inside / f"{split}.hdf5" for split in SPLITS if (inside / f"{split}.hdf5").is_file()}


def _stored(folder: Path, side: Side) -> dict[str, _Place]:
    """Each stem's dataset."""
    found: dict[str, _Place] = {}
    for split, path in _files(folder, side).items():
        for label, inside in _opened(str(path), os.getpid()).items():
            stems = inside.get(side, {}) if hasattr(inside, "keys") else ()
            if not hasattr(stems, "keys"):
                raise unreadable(path, f"{label} is not what it should be: <label>/{side}/<stem>")
            for stem in stems:
                found[stem] = _Place(str(path), f"{label}/{side}/{stem}", label, split)
    return found


def _standard(folder: Path, side: Side) -> _Standard | None:
    path = folder / "feature" / f"{side}_features_data" / STANDARD
    if not path.is_file():
        return None
    try:
        mean, deviation = (stored_array(path, f"global_{name}") for name in ("mean", "std"))
    except ValueError as error:
        raise unreadable(path, f"not a readable .npz ({error})") from error
    if mean is None or deviation is None:
        raise unreadable(path, "needs the arrays global_mean and global_std")
    mean, deviation = (np.asarray(values, np.float32).ravel() for values in (mean, deviation))
    return mean, np.where(deviation > 0, deviation, np.float32(1))


def _listed(folder: Path) -> dict[str, _Listed]:
    """The rows of all lists by the stem of their sound."""
    found: dict[str, _Listed] = {}
    for split, names in _LISTS.items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        columns, rows = ((), []) if path is None else read_table(path, ("filename_audio",))
        location = next((name for name in _LOCATIONS if name in columns), "")
        for row in rows:
            video = Path(row.get("filename_video") or row["filename_audio"]).stem
            listed = _Listed(video, row.get("scene_label"), row.get(location), split)
            found[Path(row["filename_audio"]).stem] = listed
    return found


@lru_cache(maxsize=8)
def _opened(path: str, process: int) -> h5py.File:
    """An HDF5 file, open as long as it is in use; each process has its own."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "hdf5", "reading HDF5 features") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise unreadable(Path(path), f"not a readable HDF5 file ({error})") from error
