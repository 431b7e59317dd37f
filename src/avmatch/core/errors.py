"""The error tree. Every message says what came, what was expected, and what to do.

    AvmatchError
    ├── UsageError (ValueError)        what was asked for can't be: a wrong option, an empty folder
    ├── MediaError (ValueError)        one file can't be used: it has `path`, `stage`, `reason`
    ├── ModelError (ValueError)        a model file lacks its description or doesn't fit
    └── MissingExtraError (ImportError)  an optional library is needed: names the extra to install

A MediaError never ends a batch: it becomes one row of errors.csv (`Failure`), and the rest goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Stage = Literal["open", "decode", "features", "mux"]

#: Why a file can't be used, or why a cue abstains. The codes are part of the public interface.
Reason = Literal[
    "unreadable",
    "no_video",
    "no_audio",
    "no_frames",
    "too_short",
    "silence",
    "static_picture",
    "no_face",
    "low_confidence",
    "unsupported",
]


class AvmatchError(Exception):
    """The root of everything that avmatch raises on purpose."""


class UsageError(AvmatchError, ValueError):
    """What was asked for can't be done; the message says what can."""


class MediaError(AvmatchError, ValueError):
    """One media file can't be used.

    Args:
        path: the file, as the user named it.
        message: what is wrong and what to do about it; the path is put in front of it.
        stage: where it went wrong.
        reason: a code of `Reason`.
    """

    def __init__(self, path: str | Path, message: str, *, stage: Stage, reason: Reason) -> None:
        super().__init__(f"{path}: {message}")
        self.path = str(path)
        self.message = message
        self.stage: Stage = stage
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Lets the error travel between processes (its __init__ has keyword-only arguments)."""
        return _rebuild_media_error, (self.path, self.message, self.stage, self.reason)


def _rebuild_media_error(path: str, message: str, stage: Stage, reason: Reason) -> MediaError:
    return MediaError(path, message, stage=stage, reason=reason)


class ModelError(AvmatchError, ValueError):
    """A model file lacks its description, or doesn't fit what it is asked to do."""


class MissingExtraError(AvmatchError, ImportError):
    """An optional library is needed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}: pip install 'avmatch[{extra}]'")
