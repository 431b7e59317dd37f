"""Sets of features, from whatever layout they lie in; the layout is recognised by what is there.

    a folder of shards   index.json and what it names (shards.py); to train on
    STD2022, packed      .npy arrays or folders of them (std2022.py); with classes: index.csv with `category`, a YouTube
                         video is a group
    TAU                  feature/{audio,video}_features_data/*.hdf5 and the fold lists beside them; classes (tau.py)
    a table              CSV or Parquet: `audio` and `video`, .npy files (T, F) each, optional `group`, `label`, `split`
    .npz files           one item a file, with `audio` (T, F) and `video` (U, G), or one of them

`read_pairs` needs both sides whole. `read_scenes` and `read_clips` keep an item of which one side is missing or broken,
and report it. What a set consists of is in items.py.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import MediaError, UsageError
from avmatch.data import items
from avmatch.data.items import SIDES, Fault, Items, Pairs, Side
from avmatch.data.layouts import read_pair_list
from avmatch.data.manifest import Row, is_table, of_split, read_table, recordings
from avmatch.data.shards import INDEX, open_shards
from avmatch.data.splits import listed_as_held_back, to_learn_from
from avmatch.data.std2022 import FEATURE_SUFFIX, is_std2022, load_feature, read_std2022
from avmatch.data.tau import is_tau, read_tau

KNOWN = (
    "known are STD2022 (afeat.npy and vfeat.npy, or the folders afeat/ and vfeat/ of .npy files, also inside Train/), "
    f"a folder of shards ({INDEX}), and a CSV or Parquet file with the columns `video` and `audio` of .npy files"
)
KNOWN_SCENES = (
    "known are a packed folder (afeat.npy, vfeat.npy, index.csv with `category`), TAU Urban Audio-Visual Scenes "
    "(feature/audio_features_data/*.hdf5 …), and a CSV or Parquet file with `audio`, `video` (.npy) and `label`"
)


def read_pairs(path: str | Path, *, to_train: bool = False) -> Pairs:
    """The pairs that a folder or a table holds.

    Args:
        to_train: what a table's column `split` keeps for tests is left out.

    Raises:
        UsageError: none of the known layouts, or one that doesn't hold together.
        MediaError: one file can't be used.
        MissingExtraError: it is a Parquet file, and pyarrow is missing.
    """
    given = Path(path)
    if given.is_dir() and (given / INDEX).is_file():
        return open_shards(given)
    if given.is_dir() and is_std2022(given):
        return read_std2022(given)
    if given.is_file() and is_table(given):
        return _pair_table(given, to_train)
    raise _unknown(given, KNOWN)


def read_scenes(path: str | Path, split: str | None = None) -> Pairs:
    """The labelled items of a folder or a table.

    Args:
        split: only this one; None = all, but of TAU what isn't for tests.

    Raises:
        UsageError: none of the known layouts, no such split, or one that doesn't hold together.
        MediaError: an array of many items can't be read.
        MissingExtraError: h5py is missing for TAU, or pyarrow for Parquet.
    """
    given = Path(path)
    if is_tau(given):
        return read_tau(given, split)
    if given.is_file() and is_table(given):
        return _scene_table(given, split)
    if given.is_dir() and is_std2022(given):
        if split is not None:
            raise UsageError(f"{given}: has no splits; leave out --split")
        return items.checked(read_std2022(given, keep_broken=True))
    raise _unknown(given, KNOWN_SCENES)


def read_clips(paths: Sequence[str]) -> Pairs:
    """The items of these .npz files; what is missing or broken is reported as a fault.

    Raises:
        UsageError: a file is missing.
    """
    if gone := next((path for path in paths if not Path(path).is_file()), None):
        raise UsageError(f"{gone}: no such file")
    read = {side: [_stored_steps(path, side) for path in paths] for side in SIDES}
    faults = [Fault(path, side, why) for side in SIDES for path, (_, why) in zip(paths, read[side], strict=True) if why]
    audio, video = (tuple(clip for clip, _ in read[side]) for side in SIDES)
    num = len(paths)
    return Pairs(video, audio, tuple(paths), np.arange(num), np.full(num, -1), (), faults=tuple(faults))


def _unknown(given: Path, known: str) -> UsageError:
    return UsageError(f"{given}: {'no known layout' if given.exists() else 'no such file or folder'}; {known}")


def _pair_table(path: Path, to_train: bool) -> Pairs:
    clips = read_pair_list(path)
    if to_train:
        clips = to_learn_from(clips, path)
    for clip in clips:
        if not all(Path(name).suffix.lower() == FEATURE_SUFFIX for name in (clip.video, clip.audio)):
            raise UsageError(f"{path}: names {clip.video} and {clip.audio}, but features are {FEATURE_SUFFIX}; {KNOWN}")
        if clip.start_seconds is not None or clip.duration_seconds is not None or clip.offset_seconds:
            raise UsageError(f"{path}: gives times for {clip.video}, but feature files are taken whole")
    return Pairs(
        _loaded([clip.video for clip in clips]),
        _loaded([clip.audio for clip in clips]),
        tuple(clip.video for clip in clips),
        items.numbered([clip.group for clip in clips])[0],
        *items.numbered([clip.label for clip in clips]),
        is_held_back=listed_as_held_back([clip.split for clip in clips]),
    )


def _loaded(paths: Sequence[str]) -> Items:
    """One array where all files are of one length, a tuple of arrays otherwise."""
    arrays = tuple(load_feature(path) for path in paths)
    for path, array in zip(paths, arrays, strict=True):
        if array.shape[1] != arrays[0].shape[1]:
            raise UsageError(
                f"{path}: has {array.shape[1]} dimensions, {paths[0]} has {arrays[0].shape[1]}; a side must agree"
            )
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays


def _scene_table(path: Path, split: str | None) -> Pairs:
    columns, rows = read_table(path, SIDES)
    cells = {row.number: tuple(row[side] for side in SIDES if row[side]) for row in rows}
    if empty := next((row for row in rows if not cells[row.number]), None):
        raise empty.error("`audio` and `video` are both empty; a row needs at least one")
    rows = of_split(path, columns, rows, split)
    files = [cells[row.number] for row in rows]
    often = Counter(own for own, *_ in files)
    names = [" + ".join(both) if often[both[0]] > 1 else both[0] for both in files]
    faults: list[Fault] = []
    audio, video = (
        tuple(_steps(row, name, side, faults.append) for name, row in zip(names, rows, strict=True)) for side in SIDES
    )
    label = items.numbered([row.get("label") for row in rows])
    group, _ = items.numbered([row.get("group") or name for name, row in zip(recordings(files), rows, strict=True)])
    return Pairs(video, audio, tuple(names), group, *label, faults=tuple(faults))


def _steps(row: Row, name: str, side: Side, report: Callable[[Fault], None]) -> Float32[np.ndarray, "T F"]:
    """The features that a cell names; none, and a fault reported, where there are none."""
    cell = row[side]
    if not cell:
        report(Fault(name, side, "missing"))
        return items.absent()
    if Path(cell).suffix.lower() != FEATURE_SUFFIX:
        raise UsageError(f"{row.table}: names {cell}, but features are {FEATURE_SUFFIX}; {KNOWN_SCENES}")
    try:
        return load_feature(row.table.parent / cell)
    except MediaError as error:
        report(Fault(name, side, error.message))
        return items.absent()


def _stored_steps(path: str, side: Side) -> tuple[Float32[np.ndarray, "_ _"], str]:
    """The steps of one side of an .npz file, and what is missing of them, or wrong."""
    try:
        array = items.stored_array(Path(path), side)
    except ValueError as error:
        return items.absent(), f"broken: not a readable .npz ({error})"
    if array is None:
        return items.absent(), "missing"
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        return items.absent(), f"broken: must be numbers (steps, features), is {array.dtype} {array.shape}"
    clip = items.whole_steps(array)
    return clip, items.missing_steps(clip)
