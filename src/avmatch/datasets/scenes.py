"""Labelled pairs of feature sequences: what is heard and what is seen of a place or an event, and its class.

    packed      afeat.npy, vfeat.npy and index.csv with `category` (datasets/std2022.py); a YouTube video is a group
    TAU         feature/{audio,video}_features_data/*.hdf5 and the fold lists beside them (datasets/tau.py)
    a table     CSV or Parquet: `audio` and `video`, .npy files (T, F) each, either of them or both; `label`; optional
                `group` and `split`

An item of which one side is missing or broken is kept, and told (datasets/scene_items.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import MediaError, UsageError
from avmatch.datasets.inputs import MANIFEST_SUFFIXES
from avmatch.datasets.items import Pairs, numbered
from avmatch.datasets.scene_items import SIDES, Fault, Scenes, Side, absent, checked
from avmatch.datasets.splits import recordings
from avmatch.datasets.std2022 import FEATURE_SUFFIX, is_std2022, load_feature, read_std2022
from avmatch.datasets.tables import need_columns, of_split, read_table
from avmatch.datasets.tau import is_tau, read_tau

KNOWN = (
    "known are a packed folder (afeat.npy, vfeat.npy, index.csv with `category`), TAU Urban Audio-Visual Scenes "
    "(feature/audio_features_data/*.hdf5 …), and a CSV or Parquet file with `audio`, `video` (.npy) and `label`"
)


def read_scenes(path: str | Path, split: str | None = None) -> Scenes:
    """The items of a folder or a table; the layout is told by what is there.

    Args:
        split: only this one; None = all, but of TAU what isn't for tests.

    Raises:
        UsageError: none of the known layouts, no such split, or one that doesn't hold together.
        MediaError: an array of many items can't be read.
        MissingExtraError: h5py isn't there for TAU, or pyarrow for Parquet.
    """
    given = Path(path)
    if is_tau(given):
        return read_tau(given, split)
    if given.is_file() and given.suffix.lower() in MANIFEST_SUFFIXES:
        return _table(given, split)
    if given.is_dir() and is_std2022(given):
        if split is not None:
            raise UsageError(f"{given}: has no splits; leave out --split")
        return checked(read_std2022(given, keep_broken=True))
    raise UsageError(f"{given}: {'no known layout' if given.exists() else 'no such file or folder'}; {KNOWN}")


def _table(path: Path, split: str | None) -> Scenes:
    columns, rows = read_table(path)
    need_columns(path, columns, SIDES)
    for number, row in enumerate(rows, start=1):
        if not (row["audio"] or row["video"]):
            raise UsageError(f"{path}, row {number}: `audio` and `video` are both empty; a row needs at least one")
    rows = of_split(path, columns, rows, split)
    own = [row["audio"] or row["video"] for row in rows]
    often = Counter(own)
    names = [
        " + ".join(filter(None, (row["audio"], row["video"]))) if often[name] > 1 else name
        for name, row in zip(own, rows, strict=True)
    ]
    faults: list[Fault] = []
    sides = {
        side: tuple(_side(path, name, side, row[side], faults.append) for name, row in zip(names, rows, strict=True))
        for side in SIDES
    }
    label, label_names = numbered([row.get("label", "") for row in rows])
    shared = recordings([tuple(filter(None, (row["audio"], row["video"]))) for row in rows])
    group, _ = numbered([row.get("group") or name for name, row in zip(shared, rows, strict=True)])
    return Scenes(Pairs(sides["video"], sides["audio"], tuple(names), group, label, label_names), tuple(faults))


def _side(path: Path, name: str, side: Side, cell: str, tell: Callable[[Fault], None]) -> Float32[np.ndarray, "T F"]:
    """The features that a cell names; none, and a fault told, where there are none."""
    if not cell:
        tell(Fault(name, side, "missing"))
        return absent()
    if Path(cell).suffix.lower() != FEATURE_SUFFIX:
        raise UsageError(f"{path}: names {cell}, but features are {FEATURE_SUFFIX}; {KNOWN}")
    try:
        return load_feature(path.parent / cell)
    except MediaError as error:
        tell(Fault(name, side, error.message))
        return absent()
