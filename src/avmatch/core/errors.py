"""The error tree. Every message says what came, what was expected, and what to do.

    AvmatchError
    ├── UsageError (ValueError)        what was asked for can't be: a wrong option, an empty folder
    ├── MediaError (ValueError)        one file can't be used: it has `path`, `stage`, `reason`
    ├── ModelError (ValueError)        a model file lacks its description or doesn't fit
    └── MissingExtraError (ImportError)  an optional library is needed: names the extra to install

A MediaError never ends a batch: it becomes one row of errors.csv (`Failure`), and the rest goes on. So does an error of
no class above: it is a bug of ours, and `bug_message` says so.
"""

import platform
from functools import partial
from pathlib import Path
from typing import Literal

from avmatch.core.log import logger

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
    "no_voice",
    "low_confidence",
    "foreign_sound",
    "splice",
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
        return partial(MediaError, stage=self.stage, reason=self.reason), (self.path, self.message)


class ModelError(AvmatchError, ValueError):
    """A model file lacks its description, or doesn't fit what it is asked to do."""


class MissingExtraError(AvmatchError, ImportError):
    """An optional library is needed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}: pip install 'avmatch[{extra}]'")
        self._said = (library, extra, purpose)

    def __reduce__(self) -> tuple[object, ...]:
        """Lets the error travel between processes."""
        return MissingExtraError, self._said


def version_line() -> str:
    """What a bug report begins with."""
    import avmatch

    return f"avmatch {avmatch.__version__}, Python {platform.python_version()}, {platform.platform()}"


def bug_message(error: Exception) -> str:
    """What to say of an error that is our own fault.

    Its traceback goes to the logger "avmatch" at the level DEBUG, which `avmatch --debug` shows.
    """
    logger.debug("a bug in avmatch:", exc_info=error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a bug in avmatch, please report it: {what} ({version_line()}; `avmatch --debug …` shows the traceback)"
