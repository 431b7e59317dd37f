"""A review: a result, what was decided of it, and the files that may be looked at.

    tables + decisions → board (review_board.py) → a decision → the disk → another board

Files have opaque names here, made of their paths as the result has them; what isn't listed there can't be named.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from avmatch.core.decisions import Decision, Kind
from avmatch.core.errors import UsageError
from avmatch.data.changes import Answer, read_changes
from avmatch.data.decision_store import DECISIONS, DecisionStore
from avmatch.data.result_folder import MATCHES, located
from avmatch.data.result_tables import ResultTables, read_tables
from avmatch.pipelines.decided import content_of, decided
from avmatch.pipelines.review_board import Board, ClipRow, board


class NotListedError(UsageError):
    """The result has no such file."""


class TakenError(UsageError):
    """The recording was accepted for another clip."""

    def __init__(self, holder: ClipRow) -> None:
        super().__init__(f"this recording was accepted for {holder.video}; take it from there, or choose another one")
        self.holder = holder


@dataclass(frozen=True)
class Request:
    """A decision as a page asks for it: files by their opaque names.

    Attributes:
        revision: that of the subject which the person saw.
        is_taking: a recording that another clip was accepted with is taken from it.
    """

    subject: str
    revision: int
    kind: Kind
    recording: str | None = None
    offset_seconds: float | None = None
    own_offset: bool = False
    text: str = ""
    is_taking: bool = False


@dataclass(frozen=True)
class Listed:
    """A result's tables, what it said before the last solve, and the names of its files."""

    tables: ResultTables
    stamp: tuple[int, int]
    before: Mapping[str, Answer] = field(default_factory=dict)

    @cached_property
    def videos(self) -> Mapping[str, str]:
        """The clips' paths by name."""
        return {clip_id(match.video): match.video for match in self.tables.matches}

    @cached_property
    def recordings(self) -> Mapping[str, str]:
        """The recordings' paths by name."""
        return {recording_id(path): path for path in self.tables.recordings}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys((*self.videos.values(), *self.recordings.values())))


class Review:
    """What a person sees of a result, and does with it. May be used by several threads.

    Args:
        folder: what `match` wrote.

    Raises:
        UsageError: there is no such result, or its decisions can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._lock = folder, threading.RLock()
        self.store = DecisionStore(folder / DECISIONS)
        self._listed = self._read()
        self._board: tuple[object, Board] | None = None

    def close(self) -> None:
        """Let go of the decisions."""
        self.store.close()

    @property
    def listed(self) -> Listed:
        """The tables; read again where another `match` or `solve` wrote them."""
        with self._lock:
            if self._listed.stamp != _stamp(self.folder):
                self._listed = self._read()
            return self._listed

    @property
    def tables(self) -> ResultTables:
        """What the result says."""
        return self.listed.tables

    def board(self) -> Board:
        """What holds now."""
        with self._lock:
            listed, state = self.listed, self.store.read()
            key = (listed.stamp, state.revision)
            if self._board is None or self._board[0] != key:
                found = decided(self.store, listed.paths)
                self._board = key, board(listed.tables, found, listed.before)
            return self._board[1]

    def video(self, name: str) -> str:
        """The path of a clip. Raises NotListedError."""
        return _listed(self.listed.videos, name, "clip")

    def recording(self, name: str) -> str:
        """The path of a recording. Raises NotListedError."""
        return _listed(self.listed.recordings, name, "recording")

    def path(self, name: str) -> str:
        """The path of either. Raises NotListedError."""
        return self.video(name) if name.startswith("v") else self.recording(name)

    def row(self, name: str) -> ClipRow:
        """What holds of a clip. Raises NotListedError."""
        return self.board().by_video[self.video(name)]

    def decide(self, request: Request) -> Board:
        """Take a decision; it is on the disk when this returns.

        Raises:
            NotListedError, UsageError: the request names no file, or makes no sense.
            MediaError: a file that it names is gone.
            ConflictError: the subject was changed meanwhile.
            TakenError: the recording was accepted for another clip.
        """
        path = self.path(request.subject)
        if request.kind != "device" and not request.subject.startswith("v"):
            raise UsageError(f"{request.kind}: is said of a clip, and {request.subject} is a recording")
        recording = None if request.recording is None else self.recording(request.recording)
        key = None if recording is None else content_of(self.store, recording)
        decision = Decision(
            content_of(self.store, path),
            request.kind,
            key,
            request.offset_seconds,
            request.own_offset,
            request.text,
        )
        with self._lock:
            decisions = (*self._freeing(request, path, recording), decision)
            self.store.decide(decisions, {decision.subject: request.revision})
        return self.board()

    def undo(self, revision: int, *, again: bool = False) -> tuple[str, ...] | None:
        """Take the last step back, or do it again; the paths it was about, None where there is none.

        Raises:
            ConflictError: something else changed since `revision`.
        """
        step = self.store.redo(revision) if again else self.store.undo(revision)
        if not step:
            return None
        found = self.board().decided
        return tuple(path for path in (found.path_of(item.subject) for item in step) if path is not None)

    def _freeing(self, request: Request, video: str, recording: str | None) -> tuple[Decision, ...]:
        """What has to be taken back before the recording can be accepted."""
        if request.kind != "accept" or recording is None or self.tables.is_many:
            return ()
        now = self.board()
        others = [
            row for row in now.holders.get(recording, ()) if row.ruling.verdict == "accepted" and row.video != video
        ]
        if others and not request.is_taking:
            raise TakenError(others[0])
        return tuple(Decision(now.decided.contents[row.video], "reopen") for row in others)

    def _read(self) -> Listed:
        stamp = _stamp(self.folder)
        return Listed(read_tables(self.folder), stamp, read_changes(self.folder))


def clip_id(path: str) -> str:
    """The opaque name of a clip."""
    return f"v{_digest(path)}"


def recording_id(path: str) -> str:
    """The opaque name of a recording."""
    return f"a{_digest(path)}"


def on_disk(path: str) -> Path:
    """The file that a path of the result names."""
    return Path(located(path))


def _digest(path: str) -> str:
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def _listed(names: Mapping[str, str], name: str, kind: str) -> str:
    if name not in names:
        raise NotListedError(f"the result has no {kind} {name[:40]!r}")
    return names[name]


def _stamp(folder: Path) -> tuple[int, int]:
    """Changes when the result is written again."""
    try:
        status = (folder / MATCHES).stat()
    except OSError as error:
        raise UsageError(f"{folder}: no {MATCHES} there; give the folder that `avmatch match … -o` wrote") from error
    return status.st_mtime_ns, status.st_ino
