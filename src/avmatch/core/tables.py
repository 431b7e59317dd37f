"""Rows of results as tables of other libraries, as Parquet and as HTML.

Libraries of tables are imported when a table is asked for; narwhals speaks to all of them.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.core.files import atomic_path

Cell = str | float | int | None
#: What a cell of a table of another library may be: a vector as well.
Value = Cell | list[float]
#: Libraries of tables, in the order in which they are looked for; and the extras that bring them.
LIBRARIES = {"pandas": "pandas", "polars": "polars", "pyarrow": "parquet"}


def frame_of(columns: Sequence[str], rows: Sequence[Sequence[Value]], library: str | None = None) -> Any:
    """A table of another library.

    Args:
        library: pandas, polars or pyarrow; None = the first of them that is installed.

    Raises:
        UsageError: there is no such library.
        MissingExtraError: it isn't installed, or none is.
    """
    if library is not None and library not in LIBRARIES:
        raise UsageError(f"tables are made by {', '.join(LIBRARIES)}, not by {library!r}")
    wanted: Any = library or next((name for name in LIBRARIES if find_spec(name) is not None), "pandas")
    try:
        import narwhals

        cells = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
        return narwhals.from_dict(cells, backend=wanted).to_native()
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or wanted, LIBRARIES[wanted], "to_frame()") from error


def write_parquet(columns: Sequence[str], rows: Sequence[Sequence[Value]], path: Path) -> None:
    """Write a Parquet file, whole or not at all. Raises MissingExtraError without pyarrow."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "to_parquet()") from error
    table = frame_of(columns, rows, "pyarrow")
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table for notebooks; cells are HTML already."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
