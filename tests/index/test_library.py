"""The files of a library: what is new, moved, changed and gone; readers, writers and processes that are killed."""

import multiprocessing
import os
import signal

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.results import Failure
from avmatch.index.library import LIBRARY, PART_SECONDS, Content, FileState, Library
from avmatch.index.rows import read_rows, write_rows

WIDTH = 5
STATE = FileState(1, 2)
FORK = multiprocessing.get_context("spawn")


def content(name, num=3):
    vectors = np.arange(num * WIDTH, dtype=np.float32).reshape(num, WIDTH) + 100 * int(name)
    return Content(name, 60.0 * num, vectors, [f"{name}/{part}".encode() for part in range(num)])


def rows(library):
    """All vectors that are there, by content and window."""
    return {
        tuple(place): row.tolist()
        for block in read_rows(library, WIDTH)
        for place, row, is_there in zip(block.places.tolist(), block.vectors, block.is_there, strict=True)
        if is_there
    }


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path, writes=True) as library:
        yield library


def test_a_copy_and_a_moved_file_share_a_content(library):
    library.put("a.wav", STATE, content("1"))
    library.put("copy.wav", STATE, "1")
    assert library.counts().contents == 1
    assert library.paths(1) == ("a.wav", "copy.wav")
    assert library.drop(["a.wav"]) == 0
    assert library.paths(1) == ("copy.wav",)
    assert library.drop(["copy.wav"]) == 1
    assert not library.holds("1")
    assert library.parts(1, 0.0, 1e9) == []


def test_a_file_that_changed_holds_its_new_content_only(library):
    library.put("a.wav", STATE, content("1"))
    library.put("a.wav", FileState(5, 6), content("2"))
    library.drop(())
    assert library.states() == {"a.wav": FileState(5, 6)}
    assert not library.holds("1")
    assert {place[0] for place in rows(library)} == {2}


def test_only_the_parts_of_a_stretch_are_read(library):
    library.put("a.wav", STATE, content("1", num=4))
    assert library.parts(1, PART_SECONDS - 1, PART_SECONDS + 1) == [b"1/0", b"1/1"]
    assert library.parts(1, -5.0, 3.0) == [b"1/0"]
    assert library.parts(1, 3.5 * PART_SECONDS, 9 * PART_SECONDS) == [b"1/3"]


def test_a_file_that_cannot_be_used_is_known_until_it_can(library):
    library.put("a.wav", STATE, content("1"))
    library.put_failure(Failure("a.wav", "decode", "broken"), FileState(7, 8))
    assert library.states() == {}
    assert library.failed() == {"a.wav": FileState(7, 8)}
    assert [failure.message for failure in library.failures()] == ["broken"]
    library.put("a.wav", STATE, "1")
    assert library.failures() == ()


def test_names_that_are_not_utf8_come_back(library):
    name = os.fsdecode(b"caf\xe9.wav")
    library.put(name, STATE, content("1"))
    assert library.paths(1) == (name,)
    assert set(library.states()) == {name}


def test_rows_are_the_same_in_the_array_and_beside_it(library):
    for name in ("1", "2", "3"):
        library.put(f"{name}.wav", STATE, content(name))
    before = rows(library)
    assert len(before) == 9
    assert before[2, 1] == content("2").vectors[1].tolist()
    assert write_rows(library, WIDTH, least_added=1)
    assert rows(library) == before
    library.put("4.wav", STATE, content("4"))
    library.drop(["2.wav"])
    kept = {place: row for place, row in before.items() if place[0] != 2}
    after = kept | {(4, number): row.tolist() for number, row in enumerate(content("4").vectors)}
    assert rows(library) == after
    assert write_rows(library, WIDTH, least_added=1)
    assert rows(library) == after
    assert not write_rows(library, WIDTH, least_added=1)  # nothing is new
    assert len(list(library.folder.glob("rows-*"))) == 1


def test_a_library_without_files_has_no_rows(library):
    library.put("1.wav", STATE, content("1"))
    write_rows(library, WIDTH, least_added=1)
    library.drop(["1.wav"])
    write_rows(library, WIDTH, least_added=1)
    assert read_rows(library, WIDTH) == []
    assert list(library.folder.glob("rows-*")) == []


def test_who_has_the_rows_open_keeps_them(library):
    library.put("1.wav", STATE, content("1"))
    write_rows(library, WIDTH, least_added=1)
    (block,) = read_rows(library, WIDTH)
    library.put("2.wav", STATE, content("2"))
    write_rows(library, WIDTH, least_added=1)
    assert block.vectors.tolist() == content("1").vectors.tolist()


def test_a_reader_sees_what_was_committed_last(library):
    with Library(library.folder) as reader:
        assert rows(reader) == {}
        library.put("1.wav", STATE, content("1"))
        assert len(rows(reader)) == 3
        write_rows(library, WIDTH, least_added=1)
        library.drop(["1.wav"])
        assert rows(reader) == {}


def test_there_is_one_writer(library):
    with pytest.raises(UsageError, match="another `avmatch index` is writing there"):
        Library(library.folder, writes=True)


def test_what_is_no_library_is_left_alone(tmp_path):
    (tmp_path / LIBRARY).write_text("something else, which is long enough to be a header of a hundred bytes " * 3)
    with pytest.raises(UsageError, match="isn't the library of an index"):
        Library(tmp_path, writes=True)
    assert (tmp_path / LIBRARY).read_text().startswith("something else")
    with pytest.raises(UsageError, match="no index there; make one with"):
        Library(tmp_path / "nothing")


def _put_and_die(folder, num, dying_at):
    library = Library(folder, writes=True)
    for number in range(1, num + 1):
        library.put(f"{number}.wav", STATE, content(str(number)))
        if number == dying_at:
            with library.transaction() as connection:
                connection.execute("DELETE FROM content")
                connection.execute("DELETE FROM file")
                os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_nothing_that_was_committed_is_lost_when_the_writer_is_killed(tmp_path):
    process = FORK.Process(target=_put_and_die, args=(tmp_path, 20, 12))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with Library(tmp_path) as reader:
        assert set(reader.states()) == {f"{number}.wav" for number in range(1, 13)}
        assert len(rows(reader)) == 36
    with Library(tmp_path, writes=True) as library:  # the lock is free again
        library.put("13.wav", STATE, content("13"))
        write_rows(library, WIDTH, least_added=1)
        assert len(rows(library)) == 39
