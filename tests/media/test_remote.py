"""Remote files, by servers of this machine: a web server, and moto's S3."""

import functools
import http.server
import os
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import pytest

import avmatch
from avmatch.analysis.features import Analyser
from avmatch.core.errors import MediaError, MissingExtraError, UsageError
from avmatch.data.inputs import MEDIA_SUFFIXES, list_audio
from avmatch.media import remote
from avmatch.media.remote import is_url, list_urls, local_copy

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    for number in (1, 2, 10):
        with wave.open(str(folder / f"clip{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes([number % 7, number]) * 8000)
    (folder / "notes.txt").write_text("no sound")
    return folder


@pytest.fixture
def web(folder):
    """A web server's address, and the paths that it was asked to send."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_what_is_a_url():
    assert all(map(is_url, ("s3://b/c.mp4", "gs://b", "http://h/c.wav", "https://h/c.wav")))
    assert not any(map(is_url, ("clip.mp4", "s3:/b", "file:///c.mp4", "a/s3://b", Path("c.wav"), None)))


def test_a_file_is_fetched_once_and_nothing_else(web, folder, tmp_path):
    address, asked = web
    for _ in range(2):
        with local_copy(f"{address}/clip1.wav", tmp_path / "copies") as copy:
            assert copy.read_bytes() == (folder / "clip1.wav").read_bytes()
            assert copy.suffix == ".wav"
    assert set(asked) == {"/clip1.wav"}
    assert len(asked) <= 2  # its version is asked for by HEAD, or by a GET that isn't read
    with local_copy(f"{address}/clip2.wav", None) as copy:
        assert copy.exists()
    assert not copy.exists()


def test_copies_take_no_more_room_than_they_may(web, folder, tmp_path):
    size = (folder / "clip1.wav").stat().st_size
    for number in (1, 2, 10):
        with local_copy(f"{web[0]}/clip{number}.wav", tmp_path / "copies", max_bytes=2 * size):
            pass
    kept = [path.read_bytes() for path in (tmp_path / "copies").glob("*.wav")]
    assert sorted(kept) == sorted((folder / f"clip{number}.wav").read_bytes() for number in (2, 10))


def test_a_missing_file_is_named(web, tmp_path):
    url = f"{web[0]}/clip3.wav"
    with pytest.raises(MediaError, match=f"{url}: there is no such file in the store"), local_copy(url, tmp_path):
        pass


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers by the name that is asked for."""

    def do_GET(self):
        if self.path == "/quiet.wav":
            time.sleep(1)
            return
        self.send_response(302 if self.path == "/local.wav" else int(self.path[1:4]))
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("404.wav", "there is no such file in the store"),
        ("410.wav", "there is no such file in the store"),
        ("401.wav", r"could not be fetched \(ClientResponseError: 401"),
        ("503.wav", r"could not be fetched \(ClientResponseError: 503"),
        ("local.wav", r"could not be fetched \(NonHttpUrlRedirectClientError"),
        ("quiet.wav", r"could not be fetched \(\w*Timeout"),
    ],
)
def test_what_a_server_says_is_passed_on(monkeypatch, tmp_path, name, message):
    monkeypatch.setattr(remote, "QUIET_SECONDS", 0.2)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"HTTP://127.0.0.1:{server.server_port}/{name}"
        try:
            with pytest.raises(MediaError, match=message), local_copy(url, tmp_path):
                pass
        finally:
            server.shutdown()
            thread.join()


def test_features_are_those_of_the_file_and_errors_name_the_address(web, folder, tmp_path):
    there = Analyser(tmp_path / "cache").audio(f"{web[0]}/clip2.wav")
    here = Analyser().audio(str(folder / "clip2.wav"))
    assert there.flux.tobytes() == here.flux.tobytes()
    with pytest.raises(MediaError, match=rf"^{web[0]}/notes.txt: "):
        Analyser(tmp_path / "cache").audio(f"{web[0]}/notes.txt")


def test_a_list_may_hold_addresses(tmp_path):
    (tmp_path / "list.csv").write_text("path\nhttp://127.0.0.1:1/a.wav\nhttps://127.0.0.1:1/b.wav\n")
    assert list_audio(tmp_path / "list.csv") == ("http://127.0.0.1:1/a.wav", "https://127.0.0.1:1/b.wav")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"s3://b/c needs .*pip install 'avmatch\[remote\]'"):
        list_urls("s3://b/c", MEDIA_SUFFIXES)


#: Serves S3 until its input ends.
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
#: Puts a folder into a bucket, and lists and reads it, in a process of its own: the libraries leave sockets open.
PROGRAM = """
import sys
from pathlib import Path
import s3fs
from avmatch.core.errors import MediaError, UsageError
from avmatch.data.inputs import list_audio
from avmatch.media.remote import local_copy
folder = Path(sys.argv[1])
store = s3fs.S3FileSystem()
store.mkdir("bucket")
for path in folder.iterdir():
    store.put(str(path), f"bucket/takes/{path.name}")
names = ["s3://bucket/takes/clip1.wav", "s3://bucket/takes/clip2.wav", "s3://bucket/takes/clip10.wav"]
assert list_audio("s3://bucket/takes") == tuple(names), list_audio("s3://bucket/takes")
assert list_audio("s3://bucket/takes/clip1*.wav") == (names[0], names[2])
assert list_audio(names[1]) == (names[1],)
with local_copy(names[1], folder / "copies") as copy:
    assert copy.read_bytes() == (folder / "clip2.wav").read_bytes()
for url, kind in (("s3://bucket/none.wav", UsageError), ("s3://nobody/x", UsageError)):
    try:
        list_audio(url)
    except kind as error:
        assert url in str(error), error
    else:
        raise AssertionError(url)
try:
    with local_copy("s3://bucket/none.wav", None):
        raise AssertionError
except MediaError as error:
    assert "no such file in the store" in str(error)
print("as it should be")
"""


@pytest.mark.slow
def test_a_bucket_is_listed_and_read(folder):
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    environment = os.environ | {
        "PYTHONPATH": str(Path(avmatch.__file__).parents[1]),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SERVER], env=environment, **pipes) as server:
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{int(server.stdout.readline())}"
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        server.stdin.close()
    assert done.stdout.strip() == "as it should be", done.stderr


def test_a_store_that_cannot_be_asked_is_a_wrong_usage(monkeypatch):
    monkeypatch.setattr("avmatch.media.remote._store", lambda url: (Refusing(), "bucket/x"))
    with pytest.raises(UsageError, match=r"s3://bucket/x: can't be listed \(PermissionError: no\); credentials come"):
        list_urls("s3://bucket/x", MEDIA_SUFFIXES)


class Refusing:
    """A store that refuses."""

    def isfile(self, path):
        raise PermissionError("no")
