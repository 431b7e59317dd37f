"""What a person gives a function, checked: wrong types get a sentence, not a traceback from somewhere inside."""

import os
from collections.abc import Sequence
from pathlib import Path

from avmatch.analysis.store import default_cache_dir
from avmatch.core.errors import UsageError

PathLike = str | Path
PathsLike = PathLike | Sequence[PathLike]
CacheLike = bool | str | Path


def cache_folder(cache: CacheLike | None) -> Path | None:
    """Where features are kept; None = nowhere. Raises UsageError."""
    if cache is None or isinstance(cache, bool):
        return default_cache_dir() if cache else None
    return checked_path(cache, "cache")


def checked_path(path: object, name: str) -> Path:
    """Raises UsageError if this is no path."""
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{name} must be a path (str or Path), got {path!r} ({type(path).__name__})")
    return Path(path)


def path_or_none(path: object, name: str) -> Path | None:
    """Raises UsageError if this is neither a path nor None."""
    return None if path is None else checked_path(path, name)


def one_file(path: object) -> str:
    """The path of a file that is to be used alone. Raises UsageError."""
    if checked_path(path, "path").is_dir():
        raise UsageError(f"{path}: is a folder; name a file, or measure all of them with sync_all or fix_all")
    return os.fspath(path)  # type: ignore[call-overload]  # checked above


def names_of(paths: object) -> list[str]:
    """Files, folders and globs, one of them or several. Raises UsageError."""
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    if not isinstance(given, Sequence) or not all(isinstance(path, str | os.PathLike) for path in given):
        raise UsageError(
            f"files are named by a path, a folder, a quoted glob, a table with a column `path`, or a list of these; "
            f"got {paths!r} ({type(paths).__name__})"
        )
    return [os.fspath(path) for path in given]


def checked_number(value: object, name: str) -> None:
    """Raises UsageError if this is neither a number nor None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
