"""What goes wrong around the review: two servers on one result, a kill while a picture is made, tables that break."""

import signal
import time
from fractions import Fraction

import pytest

from reviews import TIMEOUT_SECONDS, copied, make_result, serving
from shoots import Row, write_clip, write_recording, write_result

pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("review"))


def rows_of(client):
    return client.get("/api/queue", params={"section": "all"}).json()["rows"]


def decide(client, row, kind, **more):
    body = {"subject": row["id"], "revision": row["revision"], "kind": kind, **more}
    return client.post("/api/decisions", json=body)


def test_two_servers_on_one_result_do_not_overwrite_each_other(original, tmp_path):
    result = copied(original, tmp_path)
    with serving(result) as first, serving(result) as second, first.client() as here, second.client() as there:
        mine, theirs = rows_of(here)[0], rows_of(there)[0]
        assert decide(here, mine, "note", text="here").status_code == 200
        refused = decide(there, theirs, "none")
        assert refused.status_code == 409
        assert refused.json()["current"]["row"]["ruling"]["note"] == "here"
        assert rows_of(there)[0]["ruling"]["note"] == "here", "what the other one decided is seen"
        assert there.post("/api/undo", json={"revision": 0}).status_code == 409
        assert there.post("/api/undo", json={"revision": 1}).status_code == 200
        assert rows_of(here)[0]["ruling"]["note"] == ""
        assert decide(here, rows_of(here)[1], "none").status_code == 200
        assert decide(there, rows_of(there)[2], "none").status_code == 200


def wait_for(client, address, wanted):
    """What is answered, once that is so."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while not wanted(found := client.get(address).json()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_kill_9_while_a_picture_is_made(tmp_path):
    video = write_clip(tmp_path / "long.avi", Fraction(25), codec="mpeg4", num_frames=1500, size=(640, 360))
    audio = write_recording(tmp_path / "long.wav", 1.0)
    result = write_result(tmp_path / "OUT", [Row(video, audio, 0.0, 0.5)])
    shelf = tmp_path / "cache" / "review" / "pictures"
    with serving(result) as server, server.client() as client:
        address = f"/api/pictures/{rows_of(client)[0]['id']}"
        wait_for(client, address, lambda found: found["share"] > 0)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert [path.name[0] for path in shelf.iterdir()] == ["."], "nothing that looks whole"
    with serving(result) as server, server.client() as client:
        found = wait_for(client, address, lambda found: found["state"] == "ready")
        assert found["kind"] == "proxy"
        whole = client.get(found["url"])
        assert whole.status_code == 200
        assert whole.content[4:8] == b"ftyp"
    assert [path.name[0] == "." for path in shelf.iterdir()] == [False], "what was left is cleared away"


def test_candidates_that_are_no_table_are_said(original, tmp_path):
    result = copied(original, tmp_path)
    (result / "candidates.csv").write_bytes(b"video,rank\xff\n")
    with serving(result) as server, server.client() as client:
        answer = client.get(f"/api/clips/{rows_of(client)[0]['id']}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert "not a CSV in UTF-8" in answer.json()["error"]["message"]
