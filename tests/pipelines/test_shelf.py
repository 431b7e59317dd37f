"""What is made for a review: once, in time, and never more than there is room for."""

import os
import threading

import pytest

from avmatch.core.errors import MediaError
from avmatch.pipelines.shelf import BusyError, NotReadyError, Shelf


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "shelf", most_bytes=250)
    yield made
    made.close()


def writes(content=b"x" * 100):
    def make(out, share):
        share(0.5)
        out.write_bytes(content)

    return make


def source(tmp_path, name="clip"):
    path = tmp_path / name
    path.write_bytes(b"picture")
    return path


def test_what_is_wanted_by_several_is_made_once(shelf, tmp_path):
    calls, may_end = [], threading.Event()

    def make(out, share):
        calls.append(out)
        may_end.wait(10)
        out.write_bytes(b"x")

    place = shelf.place(source(tmp_path), "picture", ".mp4")
    with pytest.raises(NotReadyError):
        shelf.wait(place, make, 0.01)
    second = shelf.start(place, make)
    may_end.set()
    assert second.result(10) == place
    assert shelf.wait(place, make, 1) == place
    assert len(calls) == 1


def test_the_longest_unused_is_thrown_away(shelf, tmp_path):
    places = [shelf.place(source(tmp_path, str(number)), "picture", ".mp4") for number in range(3)]
    for number, place in enumerate(places[:2]):
        shelf.wait(place, writes(), 10)
        os.utime(place, (number, number))
    assert shelf.ready(places[0]), "used just now"
    shelf.wait(places[2], writes(), 10)
    assert [place.exists() for place in places] == [True, False, True]


def test_the_last_made_stays_however_large(shelf, tmp_path):
    place = shelf.place(source(tmp_path), "picture", ".mp4")
    shelf.wait(place, writes(b"x" * 1000), 10)
    assert place.exists()


def test_another_state_of_a_file_has_another_place(shelf, tmp_path):
    path = source(tmp_path)
    before = shelf.place(path, "picture", ".mp4")
    path.write_bytes(b"another picture")
    assert shelf.place(path, "picture", ".mp4") != before
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        shelf.place(path, "picture", ".mp4")


def test_what_fails_leaves_nothing_and_may_be_tried_again(shelf, tmp_path):
    def fail(out, share):
        out.write_bytes(b"half")
        raise MediaError("clip", "is broken", stage="decode", reason="unreadable")

    place = shelf.place(source(tmp_path), "picture", ".mp4")
    for _ in range(2):
        with pytest.raises(MediaError, match="is broken"):
            shelf.wait(place, fail, 10)
    assert list(place.parent.iterdir()) == []
    assert shelf.wait(place, writes(), 10) == place


def test_too_much_at_once_is_refused_and_closing_ends_it(tmp_path):
    shelf, may_end = Shelf(tmp_path / "shelf", num_workers=1), threading.Event()

    def slow(out, share):
        while not may_end.wait(0.01):
            share(0.1)

    futures = [shelf.start(shelf.place(source(tmp_path, str(number)), "p", ".x"), slow) for number in range(64)]
    with pytest.raises(BusyError):
        shelf.start(shelf.place(source(tmp_path, "more"), "p", ".x"), slow)
    shelf.close()
    assert futures[0].exception(10) is not None
