"""One pair, three commands, one answer: offset and interval are the same, whoever asks."""

import json

import pytest

KEYS = ("offset_ms", "offset_low_ms", "offset_high_ms")


@pytest.mark.parametrize("many", [(), ("--many",)])
def test_match_says_of_a_pair_what_sync_says(avmatch, clips, matched, cache, table, tmp_path, many):
    out = matched
    if many:
        out = tmp_path
        avmatch("match", clips / "videos", clips / "audio", "-o", out, "--cache", cache, *many)
    rows = [row for row in table(out / "matches.csv") if row["offset_low_ms"]]
    assert len(rows) >= 6
    for row in rows[:4]:
        run = avmatch("sync", row["video"], "--audio", row["audio"], "--json", "--cache", cache)
        said = json.loads(run.stdout)
        assert [float(row[key]) for key in KEYS] == pytest.approx([said[key] for key in KEYS], abs=1.0)
        assert float(row["offset_low_ms"]) <= float(row["offset_ms"]) <= float(row["offset_high_ms"])


def test_a_pair_and_its_offset_are_two_things_and_have_a_reason(matched, table):
    for row in table(matched / "matches.csv"):
        if row["audio"]:
            assert 0.0 <= float(row["offset_confidence"]) <= 1.0
            assert row["why"].split(" ")[0].rstrip(",") in ("lips", "mouth", "events", "kind", "duration")
            assert "; next best " in row["why"]
    candidates = table(matched / "candidates.csv")
    assert all(row["why"] for row in candidates)
    made = {(row["video"], row["audio"]) for row in table(matched / "matches.csv") if row["audio"]}
    assert all(row["belongs"] for row in candidates if (row["video"], row["audio"]) in made)
    offsets = {(row["video"], row["audio"]): row["offset_ms"] for row in table(matched / "matches.csv")}
    chosen = [row for row in candidates if (row["video"], row["audio"]) in made]
    assert {(row["video"], row["audio"]) for row in chosen} == made
    assert all(row["offset_ms"] == offsets[row["video"], row["audio"]] for row in chosen)
