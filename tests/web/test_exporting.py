"""Timelines that are written from the page: into the result or a folder inside it, and nowhere else."""

import asyncio
import csv
import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import httpx
import pytest

from avmatch.core.errors import MissingExtraError
from avmatch.pipelines.review import Review
from avmatch.timelines.formats import FORMATS
from reviews import copied, make_result, serving

pytest.importorskip("uvicorn", reason="the review's server needs the extra `review`")
from avmatch.web.answers import Refused, on_refused
from avmatch.web.exporting import ExportPages

NEEDED = {"otio": "opentimelineio", "parquet": "pyarrow"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def result(original, tmp_path_factory):
    """The folder that is served; nothing is decided there."""
    return copied(original, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def server(result):
    with serving(result) as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as asking:
        yield asking


def export(client, **wanted):
    return client.post("/api/export", json={"to": "csv", "only": "all", "folder": ""} | wanted)


def accept_first(client):
    row = client.get("/api/queue", params={"section": "all"}).json()["rows"][0]
    recording = row["recording"]["id"]
    body = {"subject": row["id"], "revision": 0, "kind": "accept", "recording": recording, "offset_seconds": 0.02}
    assert client.post("/api/decisions", json=body).status_code == 200


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_and_can_be_fetched(client, result, name):
    pytest.importorskip(NEEDED.get(name, "avmatch"))
    answer = export(client, to=name, folder="for the editor/day 1").json()
    (file,) = answer["files"]
    target = result / "for the editor" / "day 1" / f"timeline{FORMATS[name].suffix}"
    assert (file["path"], file["name"]) == (str(target.resolve()), target.name)
    assert (answer["num_clips"], answer["num_sounds"]) == (3, 2)
    fetched = client.get(file["url"])
    assert fetched.content == target.read_bytes()
    assert fetched.headers["content-disposition"] == f'attachment; filename="{target.name}"'
    assert client.get(file["url"], headers={"range": "bytes=0-3"}).content == target.read_bytes()[:4]


def test_accepted_ones_only(original, tmp_path):
    result = copied(original, tmp_path)
    with serving(result) as running, running.client() as client:
        refused = export(client, only="accepted")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
        assert "no match is accepted there" in refused.json()["error"]["message"]
        assert not (result / "timeline.csv").exists()
        accept_first(client)
        (file,) = export(client, only="accepted").json()["files"]
    rows = list(csv.DictReader(StringIO(Path(file["path"]).read_text(encoding="utf-8-sig"))))
    assert [Path(row["video"]).name for row in rows] == ["clip 0.mp4"]


@pytest.mark.parametrize(
    "folder",
    [
        "..",
        "../other",
        "edit/../../other",
        "./edit",
        "/tmp/edit",
        "//server/edit",
        "~/../edit",
        "C:edit",
        "..\\edit",
        ".hidden",
        "edit/.hidden",
        "edit /day",
        "a\0b",
        "a\nb",
        "\u202egnp",
        "\ud800",
        "x" * 201,
        "link",
        "link/deeper",
    ],
)
def test_nothing_is_written_outside(client, result, folder):
    elsewhere = result.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    if not (result / "link").is_symlink():
        (result / "link").symlink_to(elsewhere)
    before = sorted(result.parent.rglob("*"))
    body = json.dumps({"to": "csv", "only": "all", "folder": folder})
    answer = client.post("/api/export", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert "folder" in answer.json()["error"]["message"]
    assert sorted(result.parent.rglob("*")) == before


def test_an_editors_work_is_not_replaced(client, result):
    assert export(client, folder="mine").status_code == 200
    assert export(client, folder="mine").status_code == 200, "what was written before is replaced"
    (result / "mine" / "timeline.csv").write_text("mine")
    refused = export(client, folder="mine")
    assert refused.status_code == 400
    assert "is not what `avmatch export` wrote" in refused.json()["error"]["message"]
    assert (result / "mine" / "timeline.csv").read_text() == "mine"


def test_faults_are_said(client, result):
    (result / "taken").write_text("a file")
    refused = export(client, folder="taken")
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "not_kept")
    assert "name another folder" in refused.json()["error"]["message"]
    assert "no format 'avi'" in export(client, to="avi").json()["error"]["message"]
    assert "there are sure, all, accepted" in export(client, only="best").json()["error"]["message"]
    assert export(client, folder=3).status_code == 400
    assert export(client, to=None).status_code == 400
    (file,) = export(client, folder="gone").json()["files"]
    (result / "gone" / "timeline.csv").unlink()
    assert client.get(file["url"]).status_code == 410
    assert client.get("/media/exports/..%2fmatches.csv").status_code == 404
    assert client.get("/media/exports/timeline.csv").status_code == 404


def test_who_may_export(server, result):
    body = {"to": "csv", "only": "all", "folder": "refused"}
    bearer = {"authorization": f"Bearer {server.token}"}
    for headers, status in (
        ({}, 401),
        (bearer | {"origin": "http://evil.example"}, 403),
        (bearer | {"sec-fetch-site": "cross-site"}, 403),
        (bearer | {"host": "evil.example"}, 421),
    ):
        assert httpx.post(f"{server.base}/api/export", json=body, headers=headers).status_code == status
    plain = bearer | {"content-type": "text/plain"}
    assert httpx.post(f"{server.base}/api/export", content=json.dumps(body), headers=plain).status_code == 415
    assert not (result / "refused").exists()


def test_one_at_a_time_and_everybody_sees_how_far(result):
    said = []
    review = Review(result)
    pages = ExportPages(review, lambda kind, content: said.append((kind, content["total"])))
    pages._export("csv", "all", "alone")
    assert ("export", 5) in said, "three clips and two recordings"
    pages._lock.acquire()
    with pytest.raises(Refused, match="being written already"):
        pages._export("csv", "all", "alone")
    review.close()


def test_a_library_that_is_missing_is_named():
    asked = on_refused(None, MissingExtraError("pyarrow", "parquet", "--to parquet"))
    with ThreadPoolExecutor(1) as thread:  # the tests of the page leave an event loop running in this one
        answer = thread.submit(asyncio.run, asked).result()
    assert answer.status_code == 501
    assert json.loads(answer.body)["error"]["message"] == "--to parquet needs pyarrow: pip install 'avmatch[parquet]'"


def test_other_recordings_of_the_moment_are_shown_and_exported_until_there_is_no_match(original, tmp_path):
    result = copied(original, tmp_path)
    folder = original.parent / "audio"
    video, more = original.parent / "video" / "clip 0.mp4", folder / "rec 2.wav"
    (result / "also_fits.csv").write_text(f"video,audio,role,offset_ms\n{video},{more},also_fits,-250.0\n")
    (result / "unmatched_audio.csv").write_text("audio\n")
    with serving(result) as running, running.client() as client:
        row, *others = client.get("/api/queue", params={"section": "all"}).json()["rows"]
        (further,) = row["further"]
        assert (further["recording"]["name"], further["role"]) == ("rec 2.wav", "also_fits")
        assert further["offset_seconds"] == -0.25
        assert [other["further"] for other in others] == [[], []]
        assert client.get("/api/result").json()["num_unmatched"] == 0
        (listed,) = client.get("/api/recordings", params={"search": "rec 2"}).json()["rows"]
        assert (listed["clips"], [clip["name"] for clip in listed["further_of"]]) == ([], ["clip 0.mp4"])
        assert export(client, to="edl").json()["num_sounds"] == 3
        none = {"subject": row["id"], "revision": 0, "kind": "none"}
        assert client.post("/api/decisions", json=none).json()["row"]["further"] == []
        assert export(client, to="edl").json()["num_sounds"] == 1
