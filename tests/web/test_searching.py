"""The search box of the review's server: what may be sent, what is found, and what is removed afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import wave
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from avmatch.core.errors import UsageError
from avmatch.pipelines.library import build_index
from avmatch.pipelines.review_media import ReviewMedia
from avmatch.pipelines.review_search import ReviewSearch
from avmatch.synth import SynthConfig, synthesise
from avmatch.web.server import serve
from reviews import JSON, TIMEOUT_SECONDS, make_result, serving

pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")
BYTES = {"content-type": "application/octet-stream"}
SEND = "/api/search/clips"


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    """Clips of drums, in the same order their sounds, and an index of these."""
    folder = tmp_path_factory.mktemp("search")
    clips = synthesise(folder, SynthConfig(3, seed=3, duration_seconds=5.0, sizes=((160, 120),), kinds=("drums",)))
    build_index(folder / "audio", folder / "index")
    return folder, [folder / clip.video for clip in clips], [folder / clip.audio for clip in clips]


@pytest.fixture(scope="module")
def server(shoot, tmp_path_factory):
    """A result and an index of other sounds."""
    result = make_result(tmp_path_factory.mktemp("review"))
    with serving(result, "--in", str(shoot[0] / "index")) as running:
        yield running


@contextmanager
def alone(index, temporary, *options):
    """Only an index, with a folder for what is sent; yields the process and a client."""
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "avmatch", "review", "--in", str(index), "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            base, _, token = process.stdout.readline().strip().partition("/?token=")
            headers = {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT_SECONDS) as client:
                yield process, client
        finally:
            process.kill()


def sent(client, path, name=None):
    answer = client.post(SEND, params={"name": name or path.name}, content=path.read_bytes(), headers=BYTES)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hits(client, clip, **more):
    while (answer := client.get("/api/search", params={"clip": clip, **more})).status_code == 503:
        assert answer.json()["error"]["code"] == "not_ready"
    assert answer.status_code == 200, answer.text
    return answer.json()["hits"]


def test_a_clip_that_is_sent_finds_its_sound_and_both_can_be_played(server, shoot):
    _, videos, sounds = shoot
    with server.client() as client:
        index = client.get("/api/index").json()
        assert index["has_result"] is True
        assert (index["index"]["files"], index["index"]["name"]) == (3, "index")
        clip = sent(client, videos[1], "C:\\cards\\my clip.mp4")
        assert clip["name"] == "my clip.mp4"
        found = hits(client, clip["id"])
        assert [hit["rank"] for hit in found] == [1, 2, 3]
        assert found[0]["sound"]["name"] == sounds[1].name
        assert found[0]["start_seconds"] == pytest.approx(0.0, abs=0.08)
        assert found[0]["confidence"] > found[1]["confidence"]
        assert "events" in found[0]["why"]
        picture = client.get(clip["picture"]["url"], headers={"range": "bytes=0-99"})
        assert (picture.status_code, len(picture.content)) == (206, 100)
        sound = client.get(f"/media/sounds/{found[0]['sound']['id']}", params={"begin_seconds": 0, "seconds": 1})
        with wave.open(BytesIO(sound.content)) as file:
            assert file.getnframes() == 48_000
            assert any(file.readframes(48_000))


def test_a_clip_of_the_review_is_searched_for(server):
    with server.client() as client:
        row = client.get("/api/queue", params={"section": "all"}).json()["rows"][0]
        assert len(hits(client, row["id"], top_k=2)) == 2
        kinds = client.get("/api/index").json()["index"]["kinds"]
        assert "speech" in kinds
        only = {hit["kind"] for kind in kinds for hit in hits(client, row["id"], kind=kind)}
        assert only <= set(kinds)


def announced(server, length):
    """The answer to a clip of which only the length is sent."""
    head = f"POST {SEND}?name=x.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {length}\r\n"
    head += f"Authorization: Bearer {server.token}\r\nContent-Type: application/octet-stream\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode())
        return connection.recv(1 << 16)


def test_what_is_refused(server, shoot):
    _, videos, sounds = shoot
    with server.client() as client:

        def status(content=b"x", name="x.mp4", **headers):
            answer = client.post(SEND, params={"name": name}, content=content, headers=BYTES | headers)
            return answer.status_code, answer.json()["error"]["code"]

        assert status(**{"content-type": "application/json"}) == (415, "not_bytes")
        assert status(name="") == (400, "bad_request")
        assert status(name="n" * 256) == (400, "bad_request")
        assert status(content=b"") == (400, "bad_request")
        assert announced(server, 1 << 40).startswith(b"HTTP/1.1 413"), "before it is sent"
        broken = client.post(SEND, params={"name": "../../x.mp4"}, content=b"no film", headers=BYTES)
        assert broken.status_code == 422
        assert broken.json()["error"]["message"].startswith("x.mp4: ")
        silent = client.post(SEND, params={"name": "a.wav"}, content=sounds[0].read_bytes(), headers=BYTES)
        assert (silent.status_code, silent.json()["error"]["code"]) == (422, "unusable")
        assert "no picture" in silent.json()["error"]["message"]
        for clip in ("", "u00", "v00", str(videos[0]), "../etc/passwd"):
            assert client.get("/api/search", params={"clip": clip}).status_code == 404
        row = client.get("/api/queue", params={"section": "all"}).json()["rows"][0]
        unknown = client.get("/api/search", params={"clip": row["id"], "kind": "whales"})
        assert unknown.status_code == 400
        assert "there are speech" in unknown.json()["error"]["message"]
        assert client.get("/api/search", params={"clip": row["id"], "top_k": "101"}).status_code == 400
        for name in ("s00", "s" + "0" * 20, f"s{sounds[0]}"):
            assert client.get(f"/media/sounds/{name}").status_code == 404
        assert httpx.post(server.base + SEND, params={"name": "x.mp4"}, content=b"x", headers=BYTES).status_code == 401
        foreign = {"origin": "http://evil.example", "authorization": f"Bearer {server.token}"}
        assert httpx.post(server.base + SEND, params={"name": "x"}, content=b"x", headers=foreign).status_code == 403
        assert client.post("/api/decisions", content=b" " * 70_000, headers=JSON).status_code == 413


def test_without_an_index_there_is_nothing_to_search_in(tmp_path):
    with serving(make_result(tmp_path)) as running, running.client() as client:
        assert client.get("/api/index").json() == {"has_result": True, "index": None}
        assert client.get("/api/search", params={"clip": "u"}).status_code == 404
        assert client.post(SEND, params={"name": "x.mp4"}, content=b"x", headers=BYTES).status_code == 404


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended otherwise")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_index_alone_and_what_was_sent_is_removed(shoot, tmp_path, how):
    folder, videos, _ = shoot
    temporary = tmp_path / "tmp"
    with alone(folder / "index", temporary, "--cache", str(tmp_path / "cache")) as (process, client):
        assert client.get("/api/index").json()["has_result"] is False
        assert client.get("/api/result").status_code == 404
        assert client.get("/page/search.js").status_code == 200
        clip = sent(client, videos[0])
        assert hits(client, clip["id"])
        held = [path for path in temporary.rglob("*") if path.is_file()]
        assert [path.suffix for path in held] == [".mp4"]
        assert held[0].parent.stat().st_mode & 0o077 == 0, "nobody else may read it"
        process.send_signal(how)
        process.wait(TIMEOUT_SECONDS)
    assert list(temporary.iterdir()) == []


def test_a_clip_that_is_broken_off_is_removed(shoot, tmp_path):
    folder, videos, _ = shoot
    temporary = tmp_path / "tmp"

    def half():
        yield videos[0].read_bytes()[:5000]
        raise ConnectionError

    with alone(folder / "index", temporary, "--cache", str(tmp_path / "cache")) as (_, client):
        with pytest.raises(ConnectionError):
            client.post(SEND, params={"name": "x.mp4"}, content=half(), headers=BYTES)
        clip = sent(client, videos[1])  # at once
        assert [path.stem for path in temporary.rglob("*.mp4")] == [clip["id"][1:]]


def test_too_many_clips_push_out_the_oldest(shoot, tmp_path):
    folder, videos, _ = shoot
    size = max(video.stat().st_size for video in videos)
    search = ReviewSearch(folder / "index", Path, tmp_path / "cache", most_bytes=2 * size)
    try:
        names = []
        for video in videos:
            place = search.new_place(video.name)
            shutil.copyfile(video, place)
            names.append(search.take(place, video.name))
        with pytest.raises(UsageError, match="drop it again"):
            search.dropped(names[0])
        assert search.dropped(names[-1]).read_bytes() == videos[-1].read_bytes()
        assert not search.new_place("x.exe").suffix
        assert search.own_words(f"{search.dropped(names[-1])}: broken") == "broken"
    finally:
        search.close()
    assert not place.parent.exists()


def test_a_body_that_grows_too_large_is_cut_off(shoot, tmp_path):
    from starlette.testclient import TestClient

    from avmatch.web.media import Shown
    from avmatch.web.routes import application

    search = ReviewSearch(shoot[0] / "index", Path, tmp_path / "cache", most_bytes=1000)
    pages = application(Shown(ReviewMedia(tmp_path / "media"), None, search), tmp_path / "cache")
    place = search.new_place("").parent
    with TestClient(pages) as client:
        content = iter([b"x" * 600, b"x" * 600])  # of no announced length
        answer = client.post(SEND, params={"name": "x.mp4"}, content=content, headers=BYTES)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert [path for path in place.rglob("*") if path.is_file()] == []
    assert not place.exists(), "gone with the server"


def test_what_keeps_it_from_starting_is_said(shoot, tmp_path):
    folder, _, _ = shoot

    def start(result, index):
        serve(result, tmp_path / "cache", index=index, browser=False, say=lambda _: pytest.fail("it started"))

    with pytest.raises(UsageError, match="--in INDEX"):
        start(None, None)
    with pytest.raises(UsageError, match="no index there"):
        start(None, tmp_path / "none")
    build_index(folder / "videos", tmp_path / "videos", side="video")
    with pytest.raises(UsageError, match="an index of videos"):
        start(None, tmp_path / "videos")
