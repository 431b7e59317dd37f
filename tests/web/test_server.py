"""The review's server from outside: who may ask, what is answered, and what it doesn't lose."""

import concurrent.futures
import os
import signal
import socket
import sqlite3
import wave
from contextlib import closing
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from avmatch.data.decision_store import DecisionStore
from reviews import JSON, TIMEOUT_SECONDS, copied, make_result, serving

pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def server(original):
    """For tests that decide nothing."""
    with serving(original) as running:
        yield running


@pytest.fixture
def own(original, tmp_path):
    """For tests that decide."""
    with serving(copied(original, tmp_path)) as running:
        yield running


def rows_of(client, **query):
    return client.get("/api/queue", params={"section": "all", **query}).json()["rows"]


def decide(client, row, kind, **more):
    body = {"subject": row["id"], "revision": row["revision"], "kind": kind, **more}
    return client.post("/api/decisions", json=body)


def test_the_first_line_is_an_address_that_answers(server):
    assert server.address.startswith("http://127.0.0.1:")
    with httpx.Client() as client:
        assert client.get(server.address).status_code == 200
        assert client.get(f"{server.base}/api/result").status_code == 200, "by the cookie"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 401),
        ("/?token=wrong", {}, 401),
        ("/api/result", {}, 401),
        ("/api/result?token={token}", {}, 401),
        ("/page/main.js", {}, 401),
        ("/api/result", {"authorization": "Bearer wrong"}, 401),
        ("/api/result", {"cookie": "avmatch=wrong; avmatch_{port}=wrong"}, 401),
        ("/api/result", {"authorization": "Bearer {token}", "host": "evil.example"}, 421),
        ("/api/result", {"authorization": "Bearer {token}", "host": "127.0.0.1"}, 421),
        ("/api/result", {"authorization": "Bearer {token}", "host": "127.0.0.1:{port}.evil.example"}, 421),
        ("/?token={token}", {"host": "evil.example:{port}"}, 421),
        ("/api/result", {"authorization": "Bearer {token}", "origin": "http://evil.example"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "origin": "null"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "origin": "http://127.0.0.1:1"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "origin": "https://127.0.0.1:{port}"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "sec-fetch-site": "cross-site"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "sec-fetch-site": "same-site"}, 403),
        ("/api/result", {"authorization": "Bearer {token}", "origin": "http://127.0.0.1:{port}"}, 200),
        ("/api/result", {"authorization": "Bearer {token}", "host": "localhost:{port}"}, 200),
    ],
)
def test_who_may_ask(server, path, headers, status):
    known = {"token": server.token, "port": server.port}
    filled = {name: value.format(**known) for name, value in headers.items()}
    found = httpx.get(server.base + path.format(**known), headers=filled)
    assert found.status_code == status
    assert found.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in found.headers or status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/%2e%2e/server.py",
        "/page/..%2fserver.py",
        "/page//etc/passwd",
        "/page/%00",
        "/page/",
        "/media/pictures/..%2f..%2f..%2fetc%2fpasswd",
        "/media/pictures/%2Fetc%2Fpasswd",
        "/media/sounds/v/../../etc/passwd",
        "/media/thumbnails/v0000000000",
        "/api/clips/a0000000000",
        "/api/recordings/v0000000000",
        "/media",
        "/decisions.sqlite",
    ],
)
def test_no_file_outside_has_a_name(server, path):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as connection:
        connection.sendall((request + "Connection: close\r\n\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:100]
    assert b"root:" not in answer


def test_what_is_posted_must_be_json_and_small(server):
    with server.client() as client:
        post = client.post
        assert post("/api/decisions", content="{}", headers={"content-type": "text/plain"}).status_code == 415
        assert post("/api/decisions", content="[]", headers=JSON).status_code == 400
        assert post("/api/decisions", content="[" * 60_000, headers=JSON).status_code == 400
        assert post("/api/decisions", content="no", headers=JSON).status_code == 400
        assert post("/api/decisions", content=b" " * 70_000, headers=JSON).status_code == 413
        assert post("/api/decisions", json={"subject": "v", "revision": 0, "kind": "none"}).status_code == 404
        assert post("/api/decisions", json={"subject": "v", "revision": True, "kind": "none"}).status_code == 400
        assert post("/api/decisions", json={"subject": "v", "revision": 0, "kind": "marry"}).status_code == 400
        assert client.get("/api/decisions").status_code == 405
        assert client.get("/api/queue?limit=501").status_code == 400
        assert client.get("/api/queue?limit=-1").status_code == 400
        assert client.get("/api/queue?section=none").status_code == 400


def test_the_doubtful_come_first(server):
    with server.client() as client:
        found = client.get("/api/queue").json()
        gains = [row["gain"] for row in found["rows"]]
        assert gains == sorted(gains, reverse=True)
        assert found["total"] == 3
        assert [row["name"] for row in rows_of(client, search="CLIP 1")] == ["clip 1.mp4"]
        clip = client.get(f"/api/clips/{rows_of(client, search='clip 0')[0]['id']}").json()
        assert clip["picture"]["fps"] == 24
        assert [item["rank"] for item in clip["candidates"]] == [1, 2]


def test_ranges_of_a_picture(server):
    with server.client() as client:
        address = f"/media/pictures/{rows_of(client)[0]['id']}"
        whole = client.get(address)
        size, tag = len(whole.content), whole.headers["etag"]
        assert whole.status_code == 200
        assert whole.headers["accept-ranges"] == "bytes"
        part = client.get(address, headers={"range": "bytes=5-14"})
        assert (part.status_code, part.content) == (206, whole.content[5:15])
        assert part.headers["content-range"] == f"bytes 5-14/{size}"
        tail = client.get(address, headers={"range": "bytes=-10", "if-range": tag})
        assert (tail.status_code, tail.content) == (206, whole.content[-10:])
        beyond = client.get(address, headers={"range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        for ignored in ({"range": "bytes=0-1", "if-range": '"x"'}, {"range": "items=0-1"}, {"range": "bytes=0-1,4-5"}):
            assert client.get(address, headers=ignored).content == whole.content
        assert client.get(address, headers={"if-none-match": tag}).status_code == 304
        head = client.head(address, headers={"range": "bytes=0-9"})
        assert (head.status_code, head.headers["content-length"], head.content) == (206, "10", b"")


def test_a_piece_of_sound_is_exact(server):
    with server.client() as client:
        recording = rows_of(client)[1]["recording"]["id"]  # clicks at 1.1 s
        found = client.get(f"/media/sounds/{recording}", params={"begin_seconds": 1.0, "seconds": 0.25})
        with wave.open(BytesIO(found.content)) as file:
            assert (file.getframerate(), file.getnframes()) == (48_000, 12_000)
            samples = memoryview(file.readframes(12_000)).cast("h").tolist()
        assert abs(max(range(12_000), key=lambda place: abs(samples[place])) - 4_800) <= 1
        before = client.get(f"/media/sounds/{recording}", params={"begin_seconds": -5, "seconds": 1})
        with wave.open(BytesIO(before.content)) as file:
            assert not any(file.readframes(48_000))
        assert client.get(f"/media/sounds/{recording}?seconds=121").status_code == 400
        peaks = client.get(f"/api/recordings/{recording}/peaks?bins=4").json()
        assert max(range(4), key=lambda place: peaks["high"][place]) == 1


def test_a_file_that_vanishes_is_said_to_be_gone(original, tmp_path):
    result = make_result(tmp_path)
    with serving(result) as running, running.client() as client:
        row = rows_of(client)[0]
        (tmp_path / "video" / "clip 0.mp4").unlink()
        (tmp_path / "audio" / "rec 0.wav").unlink()
        assert client.get(f"/media/pictures/{row['id']}").status_code == 410
        assert client.get(f"/media/sounds/{row['recording']['id']}").status_code == 410
        assert client.get(f"/api/clips/{row['id']}").json()["picture"]["state"] == "failed"
        gone = decide(client, row, "accept", recording=row["recording"]["id"], offset_seconds=0.0)
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "vanished")
        assert client.get("/api/result").status_code == 200


def test_a_named_pipe_does_not_hang_it(original, tmp_path):
    result = make_result(tmp_path)
    video = tmp_path / "video" / "clip 0.mp4"
    video.unlink()
    os.mkfifo(video)
    with serving(result) as running, running.client() as client:
        assert client.get(f"/media/pictures/{rows_of(client)[0]['id']}").status_code in (410, 422)


def test_a_thousand_requests_at_once_are_answered(server):
    with server.client() as client:
        row = rows_of(client)[0]
    paths = [f"/media/pictures/{row['id']}", "/api/queue", f"/api/clips/{row['id']}", "/page/../x"]

    def ask(number):
        headers = {"authorization": f"Bearer {server.token}", "range": "bytes=0-999"}
        return httpx.get(server.base + paths[number % 4], headers=headers, timeout=TIMEOUT_SECONDS).status_code

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        found = list(pool.map(ask, range(1000)))
    assert [found[number::4] for number in range(4)] == [[206] * 250, [200] * 250, [200] * 250, [404] * 250]
    status = Path(f"/proc/{server.process.pid}/status")
    if status.exists():
        peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert peak < 500 * 1024


def test_decisions_undo_and_conflicts(own):
    with own.client() as client:
        row = rows_of(client)[0]
        recording = row["recording"]["id"]
        taken = decide(client, row, "accept", recording=recording, offset_seconds=0.02, own_offset=True)
        assert taken.status_code == 200
        assert taken.json()["row"]["ruling"]["offset_seconds"] == 0.02
        assert taken.json()["counts"]["accepted"] == 1
        late = decide(client, row, "none")
        assert late.status_code == 409
        assert late.json()["current"]["row"]["revision"] == 1
        other = rows_of(client)[1]
        held = decide(client, other, "accept", recording=recording)
        assert (held.status_code, held.json()["holder"]["id"]) == (409, row["id"])
        assert decide(client, other, "accept", recording=recording, take=True).status_code == 200
        assert [item["ruling"]["verdict"] for item in rows_of(client)[:2]] == ["open", "accepted"]
        state = client.get("/api/result").json()
        assert client.post("/api/undo", json={"revision": state["revision"] - 1}).status_code == 409
        undone = client.post("/api/undo", json={"revision": state["revision"]})
        assert undone.status_code == 200
        assert [item["ruling"]["verdict"] for item in rows_of(client)[:2]] == ["accepted", "open"]


def test_labels_notes_pins_and_bans(own):
    with own.client() as client:
        row = rows_of(client)[0]
        recording = row["recording"]["id"]
        row = decide(client, row, "note", text="wind").json()["row"]
        row = decide(client, row, "device", device="camera A").json()["row"]
        row = decide(client, row, "forbid", recording=recording).json()["row"]
        assert (row["ruling"]["note"], row["device"], row["recording"]) == ("wind", "camera A", None)
        row = decide(client, row, "pin", recording=recording).json()["row"]
        assert (row["ruling"]["pinned"], row["ruling"]["forbidden"]) == (recording, [])
        subject = {"id": recording, "revision": 0}
        assert decide(client, subject, "device", device="Zoom").json()["file"]["device"] == "Zoom"
        assert decide(client, subject, "none").status_code == 400
        assert client.get("/api/result").json()["devices"] == ["Zoom", "camera A"]


def test_kill_9_during_fifty_decisions_loses_none_that_was_confirmed(original, tmp_path):
    result = copied(original, tmp_path)
    confirmed = 0
    for until in (7, 23, 50):
        with serving(result) as running, running.client() as client:
            row = rows_of(client)[0]
            assert row["revision"] == confirmed
            for number in range(confirmed + 1, until + 1):
                row = decide(client, row, "note", text=str(number)).json()["row"]
                confirmed = number
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
    store = DecisionStore(result / "decisions.sqlite")
    (ruling,) = store.read().rulings.values()
    assert (ruling.note, store.read().revision) == ("50", 50)
    store.close()
    with closing(sqlite3.connect(result / "decisions.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_ctrl_c_ends_it(original, tmp_path):
    result = copied(original, tmp_path)
    with serving(result) as running, running.client() as client, client.stream("GET", "/api/events"):
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(TIMEOUT_SECONDS) in (0, 130, -signal.SIGINT)


def test_decisions_survive_a_new_match_with_other_names(original, tmp_path):
    first = make_result(tmp_path / "first")
    with serving(first) as running, running.client() as client:
        row = rows_of(client)[0]
        assert decide(client, row, "accept", recording=row["recording"]["id"], offset_seconds=0.5).status_code == 200
    moved = make_result(tmp_path / "second", num_clips=3)
    (moved / "decisions.sqlite").write_bytes((first / "decisions.sqlite").read_bytes())
    for name in ("matches.csv", "candidates.csv", "unmatched_audio.csv"):
        text = (moved / name).read_text().replace("/video/", "/cards/")
        (moved / name).write_text(text)
    (tmp_path / "second" / "video").rename(tmp_path / "second" / "cards")
    with serving(moved) as running, running.client() as client:
        verdicts = {row["name"]: row["ruling"]["verdict"] for row in rows_of(client)}
    assert verdicts["clip 0.mp4"] == "accepted"
