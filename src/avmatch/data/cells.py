"""The cells of a table in a file, CSV or Parquet, before anybody asks what they mean (manifest.py)."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from avmatch.core.errors import MissingExtraError, UsageError

_SEPARATOR_HINT = re.compile(r"\"?sep=([;,\t])\"?\s*", re.IGNORECASE)


def csv_cells(path: Path) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    """The columns and rows of a CSV, its cells apart by the sign that its header has most of.

    Raises UsageError if it can't be read, or a row has more cells than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            if hint := _SEPARATOR_HINT.fullmatch(header):  # as Excel writes it in front of the header
                delimiter = hint[1]
            else:
                file.seek(0)
                delimiter = max("\t;,", key=lambda sign: (header.count(sign), sign == ","))
            reader = csv.DictReader(file, delimiter=delimiter)
            columns, rows = tuple(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV in UTF-8 ({error}); save it as UTF-8 with a header row") from error
    for number, row in enumerate(rows, start=1):
        if any(row.pop(None, ())):  # trailing commas do no harm
            raise UsageError(f"{path}, row {number}: has more cells than the header ({in_words(columns)})")
    return columns, [dict(row) for row in rows]


def parquet_cells(path: Path) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    """The same of a Parquet file. Raises UsageError if it can't be read, MissingExtraError without pyarrow."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "reading a Parquet table") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise UsageError(f"{path}: not a readable Parquet file ({error})") from error
    return tuple(table.column_names), table.to_pylist()


def in_words(columns: Sequence[str]) -> str:
    """The columns as messages name them."""
    return ", ".join(columns) or "none"
