"""A set of pairs to train on, from whatever layout it lies in.

    a folder of shards              index.json and what it names (`avmatch.datasets.shards`)
    STD2022                         packed arrays, folders of .npy, or the older edition (`avmatch.datasets.std2022`)
    a CSV or Parquet file           of feature files: columns `video` and `audio`, optional `group` and `label`
                                    (`avmatch.datasets.pair_lists`)

What a set consists of is in `avmatch.datasets.items`; its names are here too, so that one import serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avmatch.core.errors import UsageError
from avmatch.datasets.inputs import MANIFEST_SUFFIXES
from avmatch.datasets.items import Items, Pairs, gather, numbered
from avmatch.datasets.pair_lists import read_pair_list, to_learn_from
from avmatch.datasets.shards import INDEX, open_shards
from avmatch.datasets.splits import listed_as_held_back
from avmatch.datasets.std2022 import FEATURE_SUFFIX, is_std2022, load_feature, read_std2022

__all__ = ["Items", "Pairs", "gather", "read_pairs"]

KNOWN = (
    "known are STD2022 (afeat.npy and vfeat.npy, or the folders afeat/ and vfeat/ of .npy files, also inside Train/), "
    f"a folder of shards ({INDEX}), and a CSV or Parquet file with the columns `video` and `audio` of .npy files"
)


def read_pairs(path: str | Path, *, to_train: bool = False) -> Pairs:
    """The pairs that a folder or a table holds; the layout is told by what is there.

    Args:
        to_train: what a table's column `split` keeps for tests is left out.

    Raises:
        UsageError: none of the known layouts, or one that doesn't hold together.
        MediaError: one file can't be used.
        MissingExtraError: it is a Parquet file, and pyarrow isn't there.
    """
    given = Path(path)
    if given.is_dir() and (given / INDEX).is_file():
        return open_shards(given)
    if given.is_dir() and is_std2022(given):
        return read_std2022(given)
    if given.is_file() and given.suffix.lower() in MANIFEST_SUFFIXES:
        return _feature_table(given, to_train)
    raise UsageError(f"{given}: {'no known layout' if given.exists() else 'no such file or folder'}; {KNOWN}")


def _feature_table(path: Path, to_train: bool) -> Pairs:
    pairs = read_pair_list(path)
    if to_train:
        pairs = to_learn_from(pairs, path)
    for pair in pairs:
        if not all(Path(name).suffix.lower() == FEATURE_SUFFIX for name in (pair.video, pair.audio)):
            raise UsageError(f"{path}: names {pair.video} and {pair.audio}, but features are {FEATURE_SUFFIX}; {KNOWN}")
        if pair.start_seconds is not None or pair.duration_seconds is not None or pair.offset_seconds:
            raise UsageError(f"{path}: gives times for {pair.video}, but feature files are taken whole")
    label, label_names = numbered([pair.label for pair in pairs])
    return Pairs(
        _loaded([pair.video for pair in pairs]),
        _loaded([pair.audio for pair in pairs]),
        tuple(pair.video for pair in pairs),
        numbered([pair.group for pair in pairs])[0],
        label,
        label_names,
        is_held_back=listed_as_held_back([pair.split for pair in pairs]),
    )


def _loaded(paths: Sequence[str]) -> Items:
    """One array where all files are of one length, a tuple of arrays otherwise."""
    arrays = tuple(load_feature(path) for path in paths)
    for path, array in zip(paths, arrays, strict=True):
        if array.shape[1] != arrays[0].shape[1]:
            raise UsageError(
                f"{path}: has {array.shape[1]} dimensions, {paths[0]} has {arrays[0].shape[1]}; a side must agree"
            )
    if len({array.shape for array in arrays}) > 1:
        return arrays
    stacked: np.ndarray = np.stack(arrays)
    return stacked
