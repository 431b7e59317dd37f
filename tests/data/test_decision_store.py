"""Decisions on disk: nothing that was confirmed is lost, and nobody overwrites what he didn't see."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from avmatch.core.decisions import Decision, Ruling
from avmatch.core.errors import UsageError
from avmatch.data.decision_store import ConflictError, DecisionStore, NotKeptError

#: Decides one after another, and says each number once it is on the disk.
DECIDES = """
import sys
from pathlib import Path
from avmatch.core.decisions import Decision
from avmatch.data.decision_store import DecisionStore
store = DecisionStore(Path(sys.argv[1]))
number = store.read().revision
while True:
    store.decide([Decision(f"clip {number}", "note", text=str(number))], {f"clip {number}": 0})
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def store(tmp_path):
    made = DecisionStore(tmp_path / "decisions.sqlite")
    yield made
    made.close()


def test_nothing_is_written_before_the_first_decision(store):
    assert store.read().revision == 0
    assert store.known_files() == {}
    assert not store.path.exists()


def test_a_decision_holds_in_another_process(store):
    store.decide([Decision("clip", "accept", "recording", 0.1, True)], {"clip": 0})
    again = DecisionStore(store.path)
    assert again.read().ruling("clip") == Ruling("accepted", "recording", 0.1, True)
    assert again.read().revision_of("clip") == 1
    again.close()


def test_who_saw_an_older_state_is_refused(store):
    other = DecisionStore(store.path)
    store.decide([Decision("clip", "none")], {"clip": 0})
    with pytest.raises(ConflictError, match="changed meanwhile") as caught:
        other.decide([Decision("clip", "accept", "recording")], {"clip": 0})
    assert caught.value.revision == 1
    other.decide([Decision("other clip", "none")], {"other clip": 0})
    assert store.read().ruling("other clip").verdict == "none"
    with pytest.raises(ConflictError):
        store.undo(1)
    other.close()


def test_undo_and_redo_outlive_a_restart(store):
    store.decide([Decision("a", "none")], {"a": 0})
    store.decide([Decision("b", "reopen"), Decision("a", "accept", "r")], {"a": 1})
    store.undo(2)
    store.close()
    again = DecisionStore(store.path)
    assert again.read().ruling("a").verdict == "none"
    assert [item.kind for item in again.redo(3)] == ["reopen", "accept"]
    assert again.read().ruling("a").recording == "r"
    assert again.read().revision_of("b") == 4
    again.undo(4)
    again.undo(5)
    assert again.undo(6) == ()
    assert again.read().rulings == {}
    again.close()


def test_a_new_decision_ends_redo(store):
    store.decide([Decision("a", "none")], {"a": 0})
    store.undo(1)
    store.decide([Decision("b", "none")], {"b": 0})
    assert store.read().redo == ()
    assert store.redo(3) == ()
    assert set(store.read().rulings) == {"b"}


def test_kill_9_loses_nothing_that_was_confirmed(tmp_path):
    path = tmp_path / "decisions.sqlite"
    confirmed = -1
    for num in (1, 7, 50):
        process = subprocess.Popen(
            [sys.executable, "-c", DECIDES, path],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert process.stdout is not None
        for _ in range(num):
            confirmed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        said = [int(line) for line in process.stdout.read().split()]
        process.stdout.close()
        process.wait()
        confirmed = max([confirmed, *said])
        store = DecisionStore(path)
        found = store.read()
        assert [found.ruling(f"clip {number}").note for number in range(confirmed + 1)] == list(
            map(str, range(confirmed + 1))
        )
        assert found.revision <= confirmed + 2
        store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_takes_nothing_is_said(store):
    store.decide([Decision("a", "none")], {"a": 0})
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(NotKeptError, match="nothing was kept"):
        store.decide([Decision("a", "reopen")], {"a": 1})
    store._connection.execute("PRAGMA query_only = OFF")
    assert store.read().ruling("a").verdict == "none"
    assert store.decide([Decision("a", "reopen")], {"a": 1}).revision == 2


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(100)])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "decisions.sqlite"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="can't be used as the decisions"):
        DecisionStore(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused(tmp_path):
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photo (name)")
    with pytest.raises(UsageError, match="a database of something else"):
        DecisionStore(path)


def test_a_place_that_takes_no_file_is_said(tmp_path):
    (tmp_path / "decisions.sqlite").mkdir()
    with pytest.raises(UsageError, match="can't be opened"):
        DecisionStore(tmp_path / "decisions.sqlite")
    store = DecisionStore(tmp_path / "gone" / "decisions.sqlite")
    with pytest.raises(UsageError, match="make the folder writable"):
        store.decide([Decision("a", "none")], {"a": 0})


def test_a_file_that_is_deleted_meanwhile_takes_no_more_decisions(store):
    store.decide([Decision("a", "none")], {"a": 0})
    store.path.unlink()
    assert store.read().rulings == {}
    store.decide([Decision("b", "none")], {"b": 0})
    again = DecisionStore(store.path)
    assert set(again.read().rulings) == {"b"}, "it is in the file that lies there"
    again.close()


def test_many_may_make_the_file_at_once(tmp_path):
    def decide(number):
        store = DecisionStore(tmp_path / "decisions.sqlite")
        store.decide([Decision(f"clip {number}", "none")], {f"clip {number}": 0})
        store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decide, range(40)))
    store = DecisionStore(tmp_path / "decisions.sqlite")
    assert len(store.read().rulings) == store.read().revision == 40
    store.close()
