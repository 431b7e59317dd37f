"""What a review makes of files so that they can be played: made once, kept, and the oldest thrown away.

    a file's state + what is wanted → a name → kept already, being made, or made now in a thread → a file

Two that want the same wait for the same work. What is kept never takes more than `most_bytes`, but for the last made.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from avmatch.core.errors import AvmatchError, MediaError
from avmatch.core.files import atomic_path

MOST_BYTES = 4 << 30
#: so many wait at most; who asks for more has to come again.
_MOST_WAITING = 64
Share = Callable[[float], None]
Make = Callable[[Path, Share], None]


class BusyError(AvmatchError):
    """Too much is being made already."""


class NotReadyError(AvmatchError):
    """It is being made. `share` says how much is done, 0…1."""

    def __init__(self, share: float) -> None:
        super().__init__("it is being made; ask again in a second")
        self.share = share


class _EndedError(Exception):
    """The shelf was closed."""


@dataclass
class _Work:
    future: Future[Path]
    share: float = 0.0


@dataclass
class Shelf:
    """A folder of what was made.

    Args:
        folder: where it lies.
        most_bytes: that it takes.
        num_workers: things made at once.
    """

    folder: Path
    most_bytes: int = MOST_BYTES
    num_workers: int = 2
    _works: dict[Path, _Work] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.num_workers, "shelf")

    def close(self) -> None:
        """End what is being made."""
        self._ended.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def place(self, path: Path, kind: str, suffix: str) -> Path:
        """Where what is made of a file as it is now lies. Raises MediaError if it is gone."""
        try:
            status = path.stat()
        except OSError as error:
            raise MediaError(path, "there is no such file; put it back", stage="open", reason="unreadable") from error
        state = f"{path.absolute()}/{status.st_size}/{status.st_mtime_ns}/{kind}"
        name = hashlib.blake2b(os.fsencode(state), digest_size=16).hexdigest()
        return self.folder / f"{name}{suffix}"

    def ready(self, place: Path) -> bool:
        """Whether it is there; it then counts as used just now."""
        with suppress(OSError):
            os.utime(place)
            return True
        return False

    def share(self, place: Path) -> float | None:
        """How much of it is made, 0…1; None where nobody is at it."""
        work = self._works.get(place)
        return None if work is None else work.share

    def wait(self, place: Path, make: Make, seconds: float) -> Path:
        """It, made if need be.

        Raises:
            NotReadyError: it takes longer than `seconds`, and is still being made.
            BusyError: too much is.
            MediaError: it can't be made.
        """
        if self.ready(place):
            return place
        work = self.start(place, make)
        try:
            return work.result(seconds)
        except FutureTimeoutError as error:
            raise NotReadyError(self.share(place) or 0.0) from error

    def start(self, place: Path, make: Make) -> "Future[Path]":
        """Begin to make it, unless somebody has. Raises BusyError."""
        with self._lock:
            if place in self._works:
                return self._works[place].future
            if len(self._works) >= _MOST_WAITING:
                raise BusyError("too much is being made already; ask again in a second")
            work = self._works[place] = _Work(Future())
            self._pool.submit(self._make, place, make, work)
            return work.future

    def _make(self, place: Path, make: Make, work: _Work) -> None:
        def share(done: float) -> None:
            work.share = done
            if self._ended.is_set():
                raise _EndedError

        try:
            if not place.exists():
                with atomic_path(place) as temporary:
                    make(temporary, share)
            self._trim(place)
        except BaseException as error:  # noqa: BLE001  whoever waits for it raises it
            work.future.set_exception(error)
        else:
            work.future.set_result(place)
        finally:
            with self._lock:
                self._works.pop(place, None)

    def _trim(self, newest: Path) -> None:
        """Throw away what was not used for longest."""
        kept = []
        for file in self.folder.iterdir():
            with suppress(OSError):
                status = file.stat()
                kept.append((file == newest, status.st_mtime_ns, status.st_size, file))
        total = sum(size for _, _, size, _ in kept)
        for is_newest, _, size, file in sorted(kept):
            if total <= self.most_bytes or is_newest:
                break
            with suppress(OSError):
                file.unlink()
            total -= size
