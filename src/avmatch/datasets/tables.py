"""A CSV (apart by tabs or commas) or Parquet table as rows of text, with errors that a person can act on."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

from avmatch.core.errors import MissingExtraError, UsageError

Row = dict[str, str]


def read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and the rows; names and cells are stripped text, empty where there is nothing.

    Raises:
        UsageError: the file can't be read, has two columns of one name, or a row has more cells than the header.
        MissingExtraError: it is a Parquet file, and pyarrow isn't there.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    columns, rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    columns = tuple(name.strip() for name in columns)
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise UsageError(f"{path}: has two columns named `{twice[0]}`; remove one")
    return columns, [{name.strip(): _text(cell) for name, cell in row.items()} for row in rows]


def need_columns(path: Path, columns: tuple[str, ...], needed: tuple[str, ...]) -> None:
    """Raises UsageError if one of `needed` isn't among `columns`."""
    if missing := [name for name in needed if name not in columns]:
        named = ", ".join(f"`{name}`" for name in missing)
        raise UsageError(f"{path}: lacks a column named {named}, found: {_list(columns)}")


def of_split(path: Path, columns: tuple[str, ...], rows: list[Row], split: str | None) -> list[Row]:
    """The rows whose `split` is this one; all if None. Raises UsageError if there is none."""
    if split is not None:
        need_columns(path, columns, ("split",))
        rows = [row for row in rows if row["split"] == split]
    if not rows:
        raise UsageError(f"{path}: names no item" + (f" of the split {split!r}" if split else ""))
    return rows


def number_in(
    path: Path, number: int, row: Row, column: str, allowed: Callable[[float], bool], rule: str
) -> float | None:
    """A cell as a number, None where it is empty. Raises UsageError, with `rule`, if it isn't allowed."""
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise UsageError(f"{path}, row {number}: `{column}` must be {rule}, got {text!r}")
    return value


def _csv(path: Path) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter="\t" if "\t" in header else ",")
            columns, rows = tuple(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV in UTF-8 ({error}); save it as UTF-8 with a header row") from error
    for number, row in enumerate(rows, start=1):
        if any(row.pop(None, ())):  # trailing commas do no harm
            raise UsageError(f"{path}, row {number}: has more cells than the header ({_list(columns)})")
    return columns, [dict(row) for row in rows]


def _parquet(path: Path) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "reading a Parquet table") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise UsageError(f"{path}: not a readable Parquet file ({error})") from error
    return tuple(table.column_names), table.to_pylist()


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _list(columns: tuple[str, ...]) -> str:
    return ", ".join(columns) or "none"
