"""Two folders of results, file by file: equal bytes, equal to 1e-6, or what differs and where."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

TOLERANCE = 1e-6
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_MISSING = object()

Difference = tuple[str, str]
"""Where in a file, and what."""


@dataclass(frozen=True)
class Verdict:
    """What became of one file."""

    name: str
    is_same_bytes: bool
    differences: tuple[Difference, ...]


def compare_folders(before: Path, after: Path) -> list[Verdict]:
    """All files of the parts (first folders) that `after` has."""
    parts = [path.name for path in sorted(after.iterdir())]
    names = sorted(
        {path.relative_to(root) for root in (before, after) for part in parts for path in (root / part).rglob("*")}
    )
    return [
        _compared(before, after, name) for name in names if not ((before / name).is_dir() or (after / name).is_dir())
    ]


def _compared(before: Path, after: Path, name: Path) -> Verdict:
    sides = (before / name, after / name)
    for path, text in zip(sides, ("is new", "is missing"), strict=True):
        if not path.is_file():
            return Verdict(name.as_posix(), is_same_bytes=False, differences=(("", text),))
    if sides[0].read_bytes() == sides[1].read_bytes():
        return Verdict(name.as_posix(), is_same_bytes=True, differences=())
    return Verdict(name.as_posix(), is_same_bytes=False, differences=tuple(_differences(*sides)))


def _differences(before: Path, after: Path) -> Iterator[Difference]:
    if before.suffix in {".npy", ".npz"}:
        yield from _of_arrays(_arrays(before), _arrays(after))
        return
    texts = before.read_text(encoding="utf-8"), after.read_text(encoding="utf-8")
    if before.suffix == ".json":
        yield from _of_values(json.loads(texts[0]), json.loads(texts[1]), "")
    elif before.suffix == ".csv":
        yield from _of_values(_table(texts[0]), _table(texts[1]), "")
    else:
        yield from _of_values(*(dict(enumerate(map(_line, text.splitlines()), start=1)) for text in texts), "")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    found = np.load(path)
    return {"": found} if isinstance(found, np.ndarray) else dict(found)


def _of_arrays(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield name, "is new" if name in after else "is missing"
        elif before[name].shape != after[name].shape or before[name].dtype != after[name].dtype:
            kinds = [f"{array.dtype} {array.shape}" for array in (before[name], after[name])]
            yield name, " → ".join(kinds)
        else:
            one, other = (array[name].astype(np.float64) for array in (before, after))
            if not np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                yield name, f"by up to {np.nanmax(np.abs(one - other)):.3g}"


def _table(text: str) -> list[dict[str, str]]:
    """Rows; the header counts as one, for the order of the columns."""
    rows = list(csv.reader(io.StringIO(text)))
    if not rows:
        return []
    header = dict(zip(map(str, range(len(rows[0]))), rows[0], strict=True))
    return [header, *(dict(zip_longest(rows[0], row, fillvalue="")) for row in rows[1:])]


def _line(text: str) -> object:
    """A line of JSON as its value, any other as it is."""
    if text.startswith(("{", "[")):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _of_values(before: object, after: object, where: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        if list(before) != list(after) and set(before) == set(after):
            yield where, "other order of keys"
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{where}.{key}" if where else str(key)
            yield from _of_values(before.get(key, _MISSING), after.get(key, _MISSING), inner)
    elif isinstance(before, list) and isinstance(after, list):
        for number, (one, other) in enumerate(zip_longest(before, after, fillvalue=_MISSING)):
            yield from _of_values(one, other, f"{where}[{number}]")
    elif before is _MISSING or after is _MISSING:
        yield where, f"is missing (was {before!r})" if after is _MISSING else f"is new ({after!r})"
    elif not _alike(before, after):
        yield where, f"{before!r} → {after!r}"


def _alike(before: object, after: object) -> bool:
    if type(before) is type(after) and isinstance(before, str) and isinstance(after, str):
        words = [_NUMBER.split(text) for text in (before, after)]
        numbers = [_NUMBER.findall(text) for text in (before, after)]
        return words[0] == words[1] and all(
            _near(float(one), float(other)) for one, other in zip(*numbers, strict=True)
        )
    if isinstance(before, float) or isinstance(after, float):
        is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
        return is_number and _near(float(before), float(after))  # type: ignore[arg-type]
    return type(before) is type(after) and before == after


def _near(one: float, other: float) -> bool:
    return (
        one == other
        or (math.isnan(one) and math.isnan(other))
        or (abs(one - other) <= TOLERANCE * max(1.0, abs(one), abs(other)))
    )
