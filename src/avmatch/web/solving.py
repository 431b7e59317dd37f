"""Solve again from the page: one at a time, in a thread, and every page sees how far it is."""

import threading
from collections.abc import Callable
from pathlib import Path

from avmatch.core.errors import AvmatchError, bug_message
from avmatch.pipelines.review import Review
from avmatch.pipelines.solve import solve
from avmatch.web import records
from avmatch.web.answers import Refused
from avmatch.web.records import Record


class Solver:
    """Solves one result.

    Args:
        review: whose.
        cache_dir: where features are kept.
        say: called with what every page should see: a kind of event, and its content.
    """

    def __init__(self, review: Review, cache_dir: Path, say: Callable[[str, Record], None]) -> None:
        self._review, self._cache_dir, self._say = review, cache_dir, say
        self._lock = threading.Lock()
        self._state: Record = {"state": "idle", "stage": "", "done": 0, "total": 0, "message": "", "changed": 0}

    @property
    def record(self) -> Record:
        """Solve."""
        return dict(self._state)

    def start(self) -> Record:
        """Begin. Raises Refused while one runs."""
        with self._lock:
            if self._state["state"] == "running":
                raise Refused(409, "conflict", "it is being solved already", solve=self.record)
            self._put(state="running", stage="", done=0, total=0, message="", changed=0)
        threading.Thread(target=self._run, name="solve", daemon=True).start()
        return self.record

    def _run(self) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            self._put(stage=stage, done=done, total=total)

        try:
            solved = solve(self._review.folder, cache_dir=self._cache_dir, progress=progress)
        except (AvmatchError, OSError) as error:
            self._put(state="failed", message=str(error))
        except Exception as error:  # noqa: BLE001  the page says so, and the server goes on
            self._put(state="failed", message=bug_message(error))
        else:
            self._put(state="done", changed=len(solved.before))
            self._say("state", {**records.state_record(self._review.board()), "subject": None})

    def _put(self, **values: object) -> None:
        self._state |= values
        self._say("solve", self.record)
