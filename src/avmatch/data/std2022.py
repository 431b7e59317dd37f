"""STD2022, features of silent video and of audio: folders of .npy, the packed arrays, and the older edition.

    folders         Train/{vfeat,afeat}/0000.npy, or one deeper, afeat/<extractor>/0000.npy; the same stem is a pair.
                    afeat is (10, 128), quantised VGGish 0…255; vfeat is (10, 512), ResNet-101 after PCA; a row a second
    packed          afeat.npy (N, 10, 128) and vfeat.npy (N, 10, 512), row i is a pair; beside them, where known,
                    index.csv with the columns row, class_id, category, youtube_id
    older edition   <clip>/{afeat,vfeat}.npy, (120, 128) and (120, 1024), both uint8; its rate isn't known, so that a
                    step counts as a second there too

Sizes other than these are taken as well, as long as all items of a side agree. Test/{Clean,Noise} is shuffled on
either side, so that there the same stem is *not* a pair: it has features to match, but nothing to learn from.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Shaped

from avmatch.core.errors import MediaError, UsageError
from avmatch.data.inputs import natural_key
from avmatch.data.items import Pairs, map_array, numbered, unreadable
from avmatch.data.manifest import read_table

AUDIO, VIDEO, FEATURE_SUFFIX = "afeat", "vfeat", ".npy"
INDEX_COLUMNS = ("row", "class_id", "category", "youtube_id")
SHUFFLED = (("Test", "Clean"), ("Test", "Noise"))
#: What the older edition's uint8 arrays look like, and how they become numbers: x · scale + shift.
OLD_SHAPES = ((120, 128), (120, 1024))
OLD_SCALE, OLD_SHIFT = 4 / 255, 4 / 512 - 2


def list_features(folder: str | Path) -> tuple[str, ...]:
    """The feature files of a folder, or of the only folder inside it that has any, in natural order.

    Raises:
        UsageError: there are none, or several inner folders have some.
    """
    text = os.fspath(folder)
    if here := _feature_files(text):
        return here
    inner = [name for name in _names(text) if (Path(text) / name).is_dir()]
    found = {name: files for name in inner if (files := _feature_files(os.path.join(text, name)))}  # noqa: PTH118
    if len(found) != 1:
        several = f", but its folders {', '.join(found)} have: give one of them" if found else ""
        raise UsageError(f"{text}: has no {FEATURE_SUFFIX} files{several}")
    return next(iter(found.values()))


def load_feature(path: str | Path) -> Float32[np.ndarray, "T D"]:
    """One feature file as (steps, dimensions).

    Raises:
        MediaError: it isn't a .npy of finite numbers of that shape; pickled objects are refused, as they may run code.
    """
    array = _numbers(Path(path))
    if array.ndim != 2 or array.size == 0:
        raise _unusable(path, f"a feature file must be (steps, dimensions), none of them 0; this is {array.shape}")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused
        feature = np.array(array, np.float32)
    if not np.isfinite(feature).all():
        step, dimension = np.argwhere(~np.isfinite(feature))[0]
        raise _unusable(path, f"NaN or infinite at step {step}, dimension {dimension}; features must be finite")
    if array.dtype == np.uint8 and array.shape in OLD_SHAPES:
        feature = feature * np.float32(OLD_SCALE) + np.float32(OLD_SHIFT)
    return feature


def is_std2022(folder: Path) -> bool:
    """Whether `read_std2022` would try the folder."""
    return _is_packed(folder) or _has_sides(folder) or _has_sides(folder / "Train") or bool(_old_clips(folder))


def read_std2022(folder: Path, *, keep_broken: bool = False) -> Pairs:
    """The pairs of a folder in one of the forms at the top of this file.

    Args:
        keep_broken: packed items with NaN or infinite values stay as they are, instead of ending the reading.

    Raises:
        UsageError: it has none of the forms, or stems or rows without a match.
        MediaError: one file isn't what it should be.
    """
    if _is_packed(folder):
        return _packed(folder, keep_broken)
    if _has_sides(folder) or _has_sides(folder / "Train"):
        return _folders(folder)
    clips = _old_clips(folder)
    if not clips:
        raise UsageError(f"{folder}: needs {AUDIO} and {VIDEO}, as folders or as {FEATURE_SUFFIX} files")
    video, audio = ([str(folder / clip / f"{side}{FEATURE_SUFFIX}") for clip in clips] for side in (VIDEO, AUDIO))
    return _pairs(video, audio, clips)


def _packed(folder: Path, keep_broken: bool) -> Pairs:
    paths = [folder / f"{side}{FEATURE_SUFFIX}" for side in (VIDEO, AUDIO)]
    arrays = [np.array(_numbers(path)) for path in paths]
    for path, array in zip(paths, arrays, strict=True):
        if array.ndim != 3 or array.size == 0:
            raise _unusable(path, f"packed features must be (items, steps, dimensions), this is {array.shape}")
        if array.dtype.kind == "f" and not keep_broken and not np.isfinite(array).all():
            item = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise _unusable(path, f"item {item} has NaN or infinite values; features must be finite")
    num = len(arrays[0])
    if len(arrays[1]) != num:
        raise UsageError(f"{folder}: row i must be a pair, but {VIDEO} has {num} rows and {AUDIO} {len(arrays[1])}")
    names = tuple(f"{row:04d}" for row in range(num))
    index = folder / "index.csv"
    known = _index(index, num) if index.is_file() else (np.arange(num), np.full(num, -1), ())
    return Pairs(arrays[0], arrays[1], names, *known)


def _index(path: Path, num: int) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"], tuple[str, ...]]:
    """The recording and the label of each row, and the categories in the order of their class ids."""
    _, rows = read_table(path, INDEX_COLUMNS)
    for row in rows:
        if not (row["row"].isdecimal() and row["class_id"].isdecimal() and row["youtube_id"]):
            raise row.error("needs whole numbers in `row`, `class_id`, and a `youtube_id`")
    if sorted(int(row["row"]) for row in rows) != list(range(num)):
        raise UsageError(f"{path}: column `row` must hold 0…{num - 1}, each once, as {VIDEO}{FEATURE_SUFFIX} has them")
    rows = sorted(rows, key=lambda row: int(row["row"]))
    categories = tuple(dict.fromkeys(row["category"] for row in sorted(rows, key=lambda row: int(row["class_id"]))))
    label = np.array([categories.index(row["category"]) for row in rows])
    return numbered([row["youtube_id"] for row in rows])[0], label, categories


def check_stems(folder: Path, sides: Mapping[str, Mapping[str, str]]) -> None:
    """Raises UsageError unless each stem is in both sides, or if it is one of the set's tests, where it is no pair."""
    if folder.resolve().parts[-2:] in SHUFFLED:
        raise UsageError(f"{folder}: Test is shuffled on either side, its stems are not pairs; give the Train folder")
    (one, stems), (other, others) = sides.items()
    if alone := sorted(stems.keys() ^ others.keys(), key=natural_key):
        has, lacks = (one, other) if alone[0] in stems else (other, one)
        raise UsageError(
            f"{folder}: the same stem in {one} and {other} is a pair, but {alone[0]} is in {has} and not in {lacks} "
            f"({len(alone)} stems are alone)"
        )


def _folders(folder: Path) -> Pairs:
    root = folder if _has_sides(folder) else folder / "Train"
    video, audio = ({Path(path).stem: path for path in list_features(root / side)} for side in (VIDEO, AUDIO))
    check_stems(root, {VIDEO: video, AUDIO: audio})
    return _pairs(list(video.values()), [audio[stem] for stem in video], tuple(video))


def _pairs(video: Sequence[str], audio: Sequence[str], names: Sequence[str]) -> Pairs:
    return Pairs(_loaded(video), _loaded(audio), tuple(names), np.arange(len(names)), np.full(len(names), -1), ())


def _loaded(paths: Sequence[str]) -> Float32[np.ndarray, "N T D"]:
    """All files in one array, filled as they are read."""
    first = load_feature(paths[0])
    loaded = np.empty((len(paths), *first.shape), np.float32)
    for place, path in enumerate(paths):
        feature = load_feature(path)
        if feature.shape != first.shape:
            raise _unusable(path, f"is {feature.shape}, but {paths[0]} is {first.shape}; all of a side must agree")
        loaded[place] = feature
    return loaded


def _numbers(path: Path) -> Shaped[np.ndarray, " ..."]:
    """A .npy file of numbers as it lies on the disk."""
    try:
        array = map_array(path)
    except ValueError as error:
        message = f"not a .npy file of plain numbers ({error}); save it with numpy.save(..., allow_pickle=False)"
        raise unreadable(path, message) from error
    if array.dtype.kind not in "fiu":
        raise _unusable(path, f"must hold numbers, holds {array.dtype}")
    return array


def _unusable(path: str | Path, message: str) -> MediaError:
    return MediaError(path, message, stage="features", reason="unsupported")


def _is_packed(folder: Path) -> bool:
    return all((folder / f"{side}{FEATURE_SUFFIX}").is_file() for side in (VIDEO, AUDIO))


def _has_sides(folder: Path) -> bool:
    return all((folder / side).is_dir() for side in (VIDEO, AUDIO))


def _old_clips(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in _names(os.fspath(folder)) if _is_packed(folder / name))


def _feature_files(folder: str) -> tuple[str, ...]:
    names = [name for name in _names(folder) if Path(name).suffix.lower() == FEATURE_SUFFIX]
    return tuple(os.path.join(folder, name) for name in names)  # noqa: PTH118  "./x" stays


def _names(folder: str) -> list[str]:
    """What a folder holds, less what is hidden, in natural order."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
    except OSError as error:
        raise UsageError(f"{folder}: not a folder that can be read ({error.strerror})") from error
    return sorted(names, key=natural_key)
