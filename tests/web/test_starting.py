"""What keeps the review from starting is said before an address is."""

import socket
import sys

import pytest

from avmatch.core.errors import MissingExtraError, UsageError
from avmatch.web.server import serve
from reviews import make_result


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("review"))


@pytest.fixture
def start(tmp_path):
    """Starts it; nothing may be said."""
    said = []

    def starting(folder, port=0):
        serve(folder, tmp_path / "cache", port=port, browser=False, say=said.append)

    yield starting
    assert said == []


def test_without_a_result(start, tmp_path, result):
    pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")
    for place in (tmp_path, tmp_path / "nowhere", result / "matches.csv"):
        with pytest.raises(UsageError, match=f"{place.name}: no matches.csv there"):
            start(place)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_at_a_port_that_cannot_be_used(start, result):
    pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        for port in (taken, -1, 99_999):
            with pytest.raises(UsageError, match=f"--port {port}: can't be used .*; 0 takes any free one"):
                start(result, port)


def test_without_the_extra(start, result, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"avmatch review needs .* pip install 'avmatch\[review\]'"):
        start(result)
