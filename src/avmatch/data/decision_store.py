"""The decisions of a review on disk: a SQLite file that loses nothing that was confirmed.

    step        1…n decisions that were made at once and are undone at once
    revision    the number of a change; deciding, undoing and redoing each make a new one
    file        where a content was last seen, so that it needn't be read again

A change returns when it is on the disk (`synchronous = EXTRA`, rollback journal). Several programs may have the file
open; who changes something says which revision of it he saw, and is refused if that isn't the last any more. Undone
steps stay for redo until the next decision, and in the file for good.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from avmatch.core.decisions import Decision, Ruling, rulings
from avmatch.core.errors import AvmatchError, UsageError

DECISIONS = "decisions.sqlite"
_APPLICATION_ID, _FORMAT = 0x61766D64, 1
_TABLES = """
CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY AUTOINCREMENT, made_at TEXT NOT NULL,
                                 state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped')));
CREATE TABLE IF NOT EXISTS decision (step INTEGER NOT NULL REFERENCES step (number), place INTEGER NOT NULL,
                                     subject TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (step, place));
CREATE TABLE IF NOT EXISTS change (revision INTEGER PRIMARY KEY AUTOINCREMENT, step INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, content TEXT NOT NULL, size INTEGER NOT NULL,
                                 changed_ns INTEGER NOT NULL);
"""


class ConflictError(UsageError):
    """Somebody else changed it meanwhile."""

    def __init__(self, subject: str | None, revision: int) -> None:
        super().__init__(f"it was changed meanwhile, and is at revision {revision}; look at it again")
        self.subject, self.revision = subject, revision


class NotKeptError(AvmatchError):
    """The disk didn't take it."""


@dataclass(frozen=True)
class KnownFile:
    """What a path held when it was last read."""

    content: str
    size: int
    changed_ns: int


@dataclass(frozen=True)
class Decisions:
    """All decisions at one time.

    Attributes:
        revision: of the last change; 0 before any.
        rulings: what they amount to, by subject.
        revisions: of the last change of each subject, in the order of these changes.
        undo, redo: the decisions that undo and redo would take.
    """

    revision: int = 0
    rulings: Mapping[str, Ruling] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    undo: tuple[Decision, ...] = ()
    redo: tuple[Decision, ...] = ()

    def ruling(self, subject: str | None) -> Ruling:
        """What was said of a file."""
        return self.rulings.get(subject or "", Ruling())

    def revision_of(self, subject: str | None) -> int:
        """Of a file's last change; 0 before any."""
        return self.revisions.get(subject or "", 0)


class DecisionStore:
    """The file of one result; it is made when the first decision is.

    Args:
        path: the file.

    Raises:
        UsageError: the file is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock, self._last = path, threading.RLock(), Decisions()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        if path.exists():
            self._open()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def read(self) -> Decisions:
        """What holds now."""
        with self._lock:
            if not self.path.exists():
                self.close()
                return Decisions()
            connection = self._open()
            (revision,) = connection.execute("SELECT coalesce(max(revision), 0) FROM change").fetchone()
            if revision != self._last.revision:
                self._last = self._read(connection)
            return self._last

    def decide(self, decisions: Sequence[Decision], seen: Mapping[str, int]) -> Decisions:
        """Take decisions, all or none.

        Args:
            seen: the revision of each subject that whoever decides saw.

        Raises:
            ConflictError: a subject was changed since.
            NotKeptError: the disk is full, or can't be written.
        """
        with self._changing() as connection:
            before = self._read(connection)
            for subject, revision in seen.items():
                if before.revision_of(subject) != revision:
                    raise ConflictError(subject, before.revision_of(subject))
            connection.execute("UPDATE step SET state = 'dropped' WHERE state = 'undone'")
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            step = connection.execute("INSERT INTO step (made_at, state) VALUES (?, 'done')", (now,)).lastrowid
            rows = [(step, place, item.subject, json.dumps(asdict(item))) for place, item in enumerate(decisions)]
            connection.executemany("INSERT INTO decision VALUES (?, ?, ?, ?)", rows)
            connection.execute("INSERT INTO change (step) VALUES (?)", (step,))
        return self.read()

    def undo(self, seen: int) -> tuple[Decision, ...]:
        """Undo the last step, and say what it was; nothing where there is none.

        Raises:
            ConflictError: `seen` isn't the last revision.
        """
        return self._turn(seen, "SELECT max(number) FROM step WHERE state = 'done'", "undone")

    def redo(self, seen: int) -> tuple[Decision, ...]:
        """Do again what was undone last, likewise."""
        return self._turn(seen, "SELECT min(number) FROM step WHERE state = 'undone'", "done")

    def known_files(self) -> dict[str, KnownFile]:
        """What each path held when it was last read."""
        with self._lock:
            if not self.path.exists():
                return {}
            rows = self._open().execute("SELECT path, content, size, changed_ns FROM file").fetchall()
        return {path: KnownFile(content, size, changed) for path, content, size, changed in rows}

    def remember(self, files: Mapping[str, KnownFile]) -> None:
        """Note what paths hold."""
        with self._changing() as connection:
            rows = [(path, known.content, known.size, known.changed_ns) for path, known in files.items()]
            connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", rows)

    def _turn(self, seen: int, which: str, state: str) -> tuple[Decision, ...]:
        with self._changing() as connection:
            before = self._read(connection)
            if before.revision != seen:
                raise ConflictError(None, before.revision)
            (step,) = connection.execute(which).fetchone()
            if step is None:
                return ()
            connection.execute("UPDATE step SET state = ? WHERE number = ?", (state, step))
            connection.execute("INSERT INTO change (step) VALUES (?)", (step,))
            return _step(connection, step)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes in; it is on the disk when the block ends well. Raises NotKeptError."""
        with self._lock:
            connection = self._open()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._take_back(connection)
                message = f"{self.path}: nothing was kept ({error}); make room there, or make it writable"
                raise NotKeptError(message) from error
            except BaseException:
                self._take_back(connection)
                raise

    @staticmethod
    def _take_back(connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        """The file as it lies there now: where it was deleted or replaced, no decision may go into the old one."""
        if self._connection is not None and self._identity == _identity(self.path):
            return self._connection
        self.close()
        try:
            connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise UsageError(f"{self.path}: can't be opened ({error}); make the folder writable") from error
        try:
            _prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity, self._last = connection, _identity(self.path), Decisions()
        return connection

    def _read(self, connection: sqlite3.Connection) -> Decisions:
        rows = connection.execute(
            "SELECT content FROM decision JOIN step ON step = number WHERE state = 'done' ORDER BY step, place"
        ).fetchall()
        changes = connection.execute(
            "SELECT subject, max(revision) AS last FROM change JOIN decision USING (step) "
            "GROUP BY subject ORDER BY last"
        ).fetchall()
        last, first = connection.execute(
            "SELECT max(CASE state WHEN 'done' THEN number END), "
            "min(CASE state WHEN 'undone' THEN number END) FROM step"
        ).fetchone()
        (revision,) = connection.execute("SELECT coalesce(max(revision), 0) FROM change").fetchone()
        found = rulings(Decision(**json.loads(content)) for (content,) in rows)
        return Decisions(revision, found, dict(changes), _step(connection, last), _step(connection, first))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none, all at once: others may open the file at the same time."""
    try:
        (num_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        if kind != _APPLICATION_ID and num_tables:
            raise UsageError(f"{path}: is a database of something else; give the decisions of a review")
        connection.execute("PRAGMA synchronous = EXTRA")
        if not num_tables:
            identity = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_FORMAT}"
            connection.executescript(f"BEGIN IMMEDIATE; {identity}; {_TABLES} COMMIT;")
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path}: can't be used as the decisions of a review ({error})") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _step(connection: sqlite3.Connection, step: int | None) -> tuple[Decision, ...]:
    rows = connection.execute("SELECT content FROM decision WHERE step = ? ORDER BY place", (step,)).fetchall()
    return tuple(Decision(**json.loads(content)) for (content,) in rows)
