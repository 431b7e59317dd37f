"""What was decided in a review holds: in `solve`, in `match --decisions`, in `export` and in `rename`."""

import json
import shutil

import pytest

from avmatch.data.changes import read_changes
from avmatch.pipelines.review import Request, Review, clip_id, recording_id


@pytest.fixture
def result(matched, tmp_path):
    return shutil.copytree(matched, tmp_path / "OUT")


@pytest.fixture
def pairs(result, table):
    """The recording of each video that has one."""
    return {row["video"]: row["audio"] for row in table(result / "matches.csv") if row["audio"]}


def decided(result, *decisions):
    review = Review(result)
    for kind, video, audio, offset in decisions:
        recording = None if audio is None else recording_id(audio)
        revision = review.board().decided.revisions.get(video, 0)
        review.decide(Request(clip_id(video), revision, kind, recording, offset))
    review.close()


def of(rows, video):
    return next(row for row in rows if row["video"] == video)


def test_solve_keeps_to_what_was_decided(avmatch, result, cache, pairs, table):
    (first, its), (second, others), (third, thirds) = list(pairs.items())[:3]
    decided(result, ("accept", first, others, 0.321), ("none", second, None, None), ("forbid", third, thirds, None))
    said = avmatch("solve", result, "--cache", cache).stdout
    assert "answers changed" in said
    rows = table(result / "matches.csv")
    assert (of(rows, first)["audio"], of(rows, first)["offset_ms"]) == (others, "321.0")
    assert (of(rows, first)["confidence"], of(rows, first)["offset_confidence"]) == ("1.0", "1.0")
    assert of(rows, first)["why"].startswith("accepted in the review")
    assert of(rows, second)["audio"] == ""
    assert of(rows, third)["audio"] != thirds
    assert sum(row["audio"] == others for row in rows) == 1
    before = read_changes(result)
    assert before[first].recording == its
    assert {first, second, third} <= set(before)


def test_what_pins_say_is_measured(avmatch, result, cache, pairs, table):
    (first, its), *_ = pairs.items()
    offset = of(table(result / "matches.csv"), first)["offset_ms"]
    decided(result, ("pin", first, its, None))
    avmatch("solve", result, "--cache", cache)
    row = of(table(result / "matches.csv"), first)
    assert (row["audio"], row["confidence"]) == (its, "1.0")
    assert float(row["offset_ms"]) == pytest.approx(float(offset), abs=20)


def test_match_takes_the_same_decisions(avmatch, clips, result, cache, pairs, table, tmp_path):
    (first, its), *_ = pairs.items()
    decided(result, ("forbid", first, its, None))
    out = tmp_path / "again"
    options = ("-o", out, "--cache", cache, "--decisions", result / "decisions.sqlite")
    avmatch("match", clips / "videos", clips / "audio", *options)
    assert of(table(out / "matches.csv"), first)["audio"] != its
    avmatch("solve", result, "--cache", cache)
    keys = ("video", "audio", "offset_ms", "confidence")
    answers = [[{key: row[key] for key in keys} for row in table(folder / "matches.csv")] for folder in (out, result)]
    assert answers[0] == answers[1]


def test_only_accepted_leaves_out_the_rest(avmatch, result, pairs, tmp_path):
    (first, its), (second, _) = list(pairs.items())[:2]
    export = ("export", result, "--to", "jsonl", "--only", "accepted")
    assert "no match is accepted there" in avmatch(*export, exits=2).stderr
    decided(result, ("accept", first, its, 0.25), ("none", second, None, None))
    avmatch(*export, "-o", tmp_path / "t.jsonl")
    (line,) = map(json.loads, (tmp_path / "t.jsonl").read_text().splitlines())
    assert any(its in str(value) for value in line.values())
    said = avmatch("rename", result, "--only", "accepted").stdout
    assert "1 to do" in said
    everything = avmatch("rename", result, "--only", "all").stdout
    assert f"{len(pairs) - 1} to do" in everything, "what was decided to have no match gets no name"


def test_nothing_decided_is_said(avmatch, result, cache, tmp_path):
    assert "nothing was decided there yet" in avmatch("solve", result, "--cache", cache, exits=2).stderr
    missing = avmatch("match", "x", "y", "-o", tmp_path / "z", "--decisions", tmp_path / "no.sqlite", exits=2).stderr
    assert "no.sqlite: no such file" in missing
