"""The files of a library, their vectors and their features, in one SQLite file.

    file      a path, its state when it was last read, and the content that it holds
    content   a content by its hash, how long it lasts, and the vectors of its windows (grid.py), row by row
    part      the features of a minute of a content, for comparing over time
    failure   a path that couldn't be used in the state that it has
    dropped   contents that are gone, while rows of them are still in the array (rows.py)

What a commit has returned for is on the disk, whatever happens next: SQLite's rollback journal sees to that. Readers
see what was committed last, and wait for a writer for the moment of a commit only. There is one writer at a time: it
holds a lock on a second file, which the system lets go of however the program ends.

Files are known by their content: one that was moved or copied isn't analysed again. A content that no file holds any
more is dropped.
"""

import errno
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import AvmatchError, UsageError
from avmatch.core.results import Failure

LIBRARY, LOCK = "library.sqlite", "writer.sqlite"
#: Features are kept in parts of this length.
PART_SECONDS = 60.0
_APPLICATION_ID, _FORMAT = 0x61766D69, 1
#: How long a reader waits for a commit, and a writer for readers.
_PATIENCE_SECONDS = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS content (number INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE,
                                    duration_seconds REAL NOT NULL, vectors BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS part (content INTEGER NOT NULL REFERENCES content (number), number INTEGER NOT NULL,
                                 features BLOB NOT NULL, PRIMARY KEY (content, number));
CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, content INTEGER NOT NULL REFERENCES content (number),
                                 size INTEGER NOT NULL, changed_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS file_of_content ON file (content);
CREATE TABLE IF NOT EXISTS failure (path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
                                    stage TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dropped (content INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True)
class FileState:
    """What changes when a file is written to."""

    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: str | Path) -> "FileState":
        """As it is now. Raises OSError if it is gone, or is no file: to open a pipe may take for ever."""
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "is no file", str(path))
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Attributes:
        hash: core.files.content_hash of the file.
        duration_seconds: how long it lasts.
        vectors: (N, W) a row for each of its windows.
        parts: the features of each PART_SECONDS, as bytes.
    """

    hash: str
    duration_seconds: float
    vectors: Float32[np.ndarray, "N W"]
    parts: Sequence[bytes]


@dataclass(frozen=True)
class Counts:
    """How much a library holds."""

    files: int
    contents: int
    failures: int
    seconds: float


class Library:
    """The SQLite file of an index, for reading, or for writing too.

    Args:
        folder: of the index.
        writes: whether it is made where there is none, and may be changed.

    Raises:
        UsageError: there is none, it is something else, or somebody else writes it.
    """

    def __init__(self, folder: Path, *, writes: bool = False) -> None:
        self.folder, self.path = folder, folder / LIBRARY
        self._lock, self._writer = threading.RLock(), None
        if writes:
            self._writer = _locked(folder)
        elif not self.path.is_file():
            raise UsageError(f"{folder}: no index there; make one with `avmatch index LIBRARY -o {folder}`")
        try:
            self._connection = self._open(writes=writes)
        except sqlite3.DatabaseError as error:
            self._let_go()
            raise UsageError(f"{self.path}: isn't the library of an index ({error}); name another folder") from error

    def _open(self, *, writes: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        is_new = writes and not connection.execute("SELECT name FROM sqlite_master").fetchall()
        if not is_new and (application, version) != (_APPLICATION_ID, _FORMAT):
            connection.close()
            raise sqlite3.DatabaseError("made by another program or version")
        connection.execute("PRAGMA synchronous = FULL")
        if is_new:
            connection.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_FORMAT}; {_TABLES} COMMIT;"
            )
        return connection

    def close(self) -> None:
        """Let go of it; what wasn't committed is lost."""
        self._connection.close()
        self._let_go()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _let_go(self) -> None:
        if self._writer is not None:
            self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Changes that are made together, or not at all.

        Raises:
            AvmatchError: the disk doesn't take them.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE" if self._writer is not None else "BEGIN")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._undo()
                raise AvmatchError(f"{self.path}: can't be read or written ({error}); nothing was changed") from error
            except sqlite3.DatabaseError as error:
                self._undo()
                raise self._damaged(error) from error
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        with suppress(sqlite3.DatabaseError):  # it was undone already
            self._connection.execute("ROLLBACK")

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                raise AvmatchError(f"{self.path}: can't be read ({error}); try again") from error
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.DatabaseError) -> AvmatchError:
        return AvmatchError(f"{self.path}: damaged ({error}); remove {self.folder} and run `avmatch index` again")

    def setting(self, name: str) -> str | None:
        """What was written of how it was made."""
        found = self._all("SELECT value FROM setting WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def set(self, **settings: str) -> None:
        """Write how it was made."""
        with self.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?)", settings.items())

    def states(self) -> dict[str, FileState]:
        """All files that it has, and their states."""
        rows = self._all("SELECT path, size, changed_ns FROM file")
        return {_path(path): FileState(int(size), int(changed)) for path, size, changed in rows}

    def failed(self) -> dict[str, FileState]:
        """The files that couldn't be used, and their states then."""
        rows = self._all("SELECT path, size, changed_ns FROM failure")
        return {_path(path): FileState(int(size), int(changed)) for path, size, changed in rows}

    def failures(self) -> tuple[Failure, ...]:
        """The files that can't be used."""
        rows = self._all("SELECT path, stage, message FROM failure ORDER BY path")
        return tuple(Failure(_path(path), stage, str(message)) for path, stage, message in rows)

    def holds(self, content: str) -> bool:
        """Whether it knows a content."""
        return bool(self._all("SELECT 1 FROM content WHERE hash = ?", content))

    def put(self, path: str, state: FileState, content: Content | str) -> None:
        """Take a file with its content, or with the hash of one that it has."""
        with self.transaction() as connection:
            if isinstance(content, Content):
                _insert(connection, content)
            found = content.hash if isinstance(content, Content) else content
            (number,) = connection.execute("SELECT number FROM content WHERE hash = ?", (found,)).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", (_key(path), number, state.size, state.changed_ns)
            )
            connection.execute("DELETE FROM failure WHERE path = ?", (_key(path),))

    def put_failure(self, failure: Failure, state: FileState) -> None:
        """Note that a file can't be used; what it held before is gone."""
        with self.transaction() as connection:
            row = (_key(failure.path), state.size, state.changed_ns, failure.stage, failure.message)
            connection.execute("INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("DELETE FROM file WHERE path = ?", (_key(failure.path),))

    def drop(self, paths: Iterable[str]) -> int:
        """Forget files, and the contents that no file holds any more. Returns how many contents are gone."""
        with self.transaction() as connection:
            keys = [(_key(path),) for path in paths]
            connection.executemany("DELETE FROM file WHERE path = ?", keys)
            connection.executemany("DELETE FROM failure WHERE path = ?", keys)
            gone = connection.execute(
                "SELECT number FROM content WHERE number NOT IN (SELECT content FROM file)"
            ).fetchall()
            for table, column in (("part", "content"), ("content", "number")):
                connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)
            connection.executemany("INSERT INTO dropped VALUES (?)", gone)
        return len(gone)

    def counts(self) -> Counts:
        """How much it holds."""
        (files,), (failures,) = (self._all(f"SELECT count(*) FROM {table}")[0] for table in ("file", "failure"))
        ((contents, seconds),) = self._all("SELECT count(*), coalesce(sum(duration_seconds), 0) FROM content")
        return Counts(int(files), int(contents), int(failures), float(seconds))

    def paths(self, content: int) -> tuple[str, ...]:
        """The files that hold a content."""
        return tuple(
            _path(path) for (path,) in self._all("SELECT path FROM file WHERE content = ? ORDER BY path", content)
        )

    def duration_seconds(self, content: int) -> float:
        """How long a content lasts; 0 where it is gone."""
        found = self._all("SELECT duration_seconds FROM content WHERE number = ?", content)
        return float(found[0][0]) if found else 0.0

    def parts(self, content: int, begin_seconds: float, end_seconds: float) -> list[bytes]:
        """The features of the parts that hold a stretch, in order; none where the content is gone."""
        first, last = int(max(begin_seconds, 0.0) // PART_SECONDS), int(max(end_seconds, 0.0) // PART_SECONDS)
        query = "SELECT features FROM part WHERE content = ? AND number BETWEEN ? AND ? ORDER BY number"
        return [bytes(features) for (features,) in self._all(query, content, first, last)]


def _insert(connection: sqlite3.Connection, content: Content) -> None:
    row = (content.hash, content.duration_seconds, content.vectors.astype("<f4").tobytes())
    number = connection.execute("INSERT OR IGNORE INTO content (hash, duration_seconds, vectors) VALUES (?, ?, ?)", row)
    if number.rowcount:
        parts = [(number.lastrowid, place, features) for place, features in enumerate(content.parts)]
        connection.executemany("INSERT INTO part VALUES (?, ?, ?)", parts)


def _locked(folder: Path) -> sqlite3.Connection:
    """A lock that is held until it is closed or the process ends. Raises UsageError if another holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as error:
        raise UsageError(f"{folder}: nothing can be written there ({error}); name another folder") from error
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise UsageError(f"{folder}: another `avmatch index` is writing there; wait until it is done") from error
        raise UsageError(f"{folder / LOCK}: can't be written ({error}); name another folder, or remove it") from error
    return connection


def _key(path: str) -> bytes | str:
    """A path as SQLite can hold it: bytes where it isn't UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode(errors="surrogateescape")
    return path


def _path(key: object) -> str:
    return key.decode(errors="surrogateescape") if isinstance(key, bytes) else str(key)
