"""Odd and broken files: each gets its row, none a traceback, and the good ones are answered all the same."""

import json

import numpy as np
import pytest

from avmatch.data.inputs import list_audio, list_videos


@pytest.mark.slow
def test_match_gives_every_file_its_row(avmatch, media, table, tmp_path):
    avmatch("match", media, media, "-o", tmp_path, "--use-scratch", "--no-cache")
    description = json.loads((tmp_path / "similarity.json").read_text(encoding="utf-8"))
    matches, failed = table(tmp_path / "matches.csv"), {row["path"] for row in table(tmp_path / "errors.csv")}
    assert [row["video"] for row in matches] == list(list_videos(media))
    assert {row["video"] for row in matches} - failed == set(description["videos"])
    given = {row["audio"] for row in matches if row["audio"]}
    unmatched = {row["audio"] for row in table(tmp_path / "unmatched_audio.csv")}
    assert given | unmatched == set(description["audio"])
    assert set(description["audio"]) == set(list_audio(media)) - set(list_videos(media)) - failed
    assert np.isfinite(np.load(tmp_path / "similarity.npy")).all()
    assert description["videos"]
    assert description["audio"]
    assert failed


@pytest.mark.slow
def test_sync_gives_every_file_its_line(avmatch, media):
    answers = [json.loads(line) for line in avmatch("sync", media, "--json", "--no-cache").stdout.splitlines()]
    assert [answer["path"] for answer in answers] == list(list_videos(media))
    for answer in answers:
        assert (answer["offset_ms"] is None) == (answer["status"] == "failed")
        assert (answer["reason"] is None) == (answer["status"] == "ok")
    assert {answer["status"] for answer in answers} > {"failed"}


@pytest.mark.parametrize("verb", ["sync", "fix"])
def test_files_that_are_not_tried_are_named(avmatch, tmp_path, verb):
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "clip.mp4").write_text("no video")
    (folder / "clip.xyz").write_text("of no known kind")
    (folder / "clip.xml").write_text("beside the clip")
    options = ("-o", tmp_path / "out") if verb == "fix" else ()
    run = avmatch(verb, folder, *options, "--no-cache", exits=1)
    assert "not tried, because their suffix isn't that of a media file: clip.xyz\n" in run.stderr
    assert "clip.mp4" in run.stdout
    assert "clip.xml" not in run.stdout + run.stderr
