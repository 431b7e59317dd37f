"""`avmatch match` on real files: what it writes, what it says, and that the pairs are right."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import avmatch as package

COLUMNS = {
    "matches.csv": "video,audio,confidence,score,offset_ms,cue,runner_up,runner_up_score,missing,"
    "offset_confidence,offset_low_ms,offset_high_ms,why",
    "unmatched_audio.csv": "audio",
    "candidates.csv": "video,rank,audio,score,confidence,offset_ms,belongs,why",
    "errors.csv": "path,stage,message",
}
FILES = {*COLUMNS, "similarity.npy", "similarity.json", "report.html"}


def files(folder):
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("name", "header"), COLUMNS.items())
def test_the_tables_have_the_promised_columns(matched, name, header):
    assert (matched / name).read_text(encoding="utf-8").splitlines()[0] == header


def test_the_folder_holds_our_files_and_leaves_others_alone(matched):
    assert {path.name for path in matched.iterdir()} == FILES | {"mine.txt"}
    assert (matched / "mine.txt").read_text() == "not yours"


def test_every_input_has_its_row(matched, clips, table):
    matches, errors = table(matched / "matches.csv"), table(matched / "errors.csv")
    unmatched = {row["audio"] for row in table(matched / "unmatched_audio.csv")}
    failed = {row["path"] for row in errors}
    assert sorted(row["video"] for row in matches) == files(clips / "videos")
    given = {row["audio"] for row in matches if row["audio"]}
    assert sorted(given | unmatched | {path for path in failed if "/audio/" in path}) == files(clips / "audio")
    assert not given & unmatched
    assert {path.rsplit("/", 1)[1] for path in failed} == {"text.mp4", "with space ü.mp4", "cut off.flac"}
    assert all(row["stage"] in ("open", "decode") and row["message"] for row in errors)


def test_the_pairs_are_right(matched, truth, table):
    rows = [row for row in table(matched / "matches.csv") if row["video"] in truth]
    assert len(rows) == 11
    assert sum(row["audio"] == truth[row["video"]] for row in rows) >= 10
    for row in rows:
        if row["audio"]:
            assert 0 < float(row["confidence"]) <= 1
            assert row["cue"] in ("events", "kind", "mouth", "lips", "duration")
            assert abs(float(row["offset_ms"])) < 150


def test_the_matrix_is_described(matched, truth, clips, table):
    similarity = np.load(matched / "similarity.npy", allow_pickle=False)
    description = json.loads((matched / "similarity.json").read_text(encoding="utf-8"))
    assert similarity.dtype == np.float32
    assert similarity.shape == (len(description["videos"]), len(description["audio"])) == (11, 11)
    assert set(description) == {"videos", "audio", "version", "cues", "settings"}
    assert description["version"] == package.__version__
    assert description["cues"] == ["events", "kind", "mouth", "lips", "duration"]
    assert description["settings"]["max_offset_seconds"] == 0.5
    assert set(description["videos"]) == set(truth)
    assert set(description["audio"]) <= set(files(clips / "audio"))
    for row in table(matched / "matches.csv"):
        if row["audio"]:
            score = similarity[description["videos"].index(row["video"]), description["audio"].index(row["audio"])]
            assert float(row["score"]) == pytest.approx(score, abs=1e-3)


def test_candidates_are_ranked_and_as_many_as_asked_for(avmatch, matched, clips, cache, table, tmp_path):
    rows = table(matched / "candidates.csv")
    by_video = {video: [row for row in rows if row["video"] == video] for video in {row["video"] for row in rows}}
    assert len(by_video) == 11
    for ranked in by_video.values():
        assert [row["rank"] for row in ranked] == [str(rank) for rank in range(1, 11)]
        scores = [float(row["score"]) for row in ranked]
        assert scores == sorted(scores, reverse=True)
    avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, "--top-k", 2)
    assert len(table(tmp_path / "candidates.csv")) == 2 * 11


def test_the_runner_up_is_the_best_of_the_others(matched, table):
    ranked = table(matched / "candidates.csv")
    for row in table(matched / "matches.csv"):
        others = [item["audio"] for item in ranked if item["video"] == row["video"] and item["audio"] != row["audio"]]
        assert row["runner_up"] == (others[0] if others else "")


def test_a_second_run_from_the_cache_writes_the_same_bytes(avmatch, clips, cache, matched, tmp_path):
    avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache)
    for name in (*COLUMNS, "similarity.npy", "similarity.json"):
        assert (tmp_path / name).read_bytes() == (matched / name).read_bytes(), name


def test_a_pair_below_the_threshold_is_no_pair(avmatch, clips, cache, matched, table, tmp_path):
    confidences = sorted(float(row["confidence"]) for row in table(matched / "matches.csv") if row["audio"])
    middle = confidences[len(confidences) // 2]
    avmatch(
        "match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, "--min-confidence", middle + 1e-4
    )
    rows = [row for row in table(tmp_path / "matches.csv") if row["audio"]]
    assert 0 < len(rows) < len(confidences)
    assert all(float(row["confidence"]) >= middle for row in rows)
    assert len(table(tmp_path / "unmatched_audio.csv")) == 11 - len(rows)


def test_complete_gives_every_file_a_match_and_raises_no_confidence(avmatch, clips, cache, matched, table, tmp_path):
    avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, "--complete")
    rows = [row for row in table(tmp_path / "matches.csv") if row["audio"]]
    assert len({row["video"] for row in rows}) == len({row["audio"] for row in rows}) == 11
    assert table(tmp_path / "unmatched_audio.csv") == []
    assert sum(not row["audio"] for row in table(matched / "matches.csv")) > 2  # more than the files that failed
    assert (tmp_path / "candidates.csv").read_bytes() == (matched / "candidates.csv").read_bytes()
    before = {(row["video"], row["audio"]): row["confidence"] for row in table(matched / "candidates.csv")}
    known = [row for row in rows if (row["video"], row["audio"]) in before]
    assert len(known) >= 10
    assert all(row["confidence"] == before[row["video"], row["audio"]] for row in known)


def test_json_goes_to_stdout_and_remarks_to_stderr(avmatch, clips, cache, matched, table, tmp_path):
    run = avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, "--json")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    expected = table(matched / "matches.csv")
    assert [set(line) for line in lines] == [set(COLUMNS["matches.csv"].split(","))] * len(expected)
    assert [line["video"] for line in lines] == [row["video"] for row in expected]
    assert [line["audio"] or "" for line in lines] == [row["audio"] for row in expected]
    assert "text.mp4" in run.stderr
    assert "cut off.flac" in run.stderr


def test_the_table_for_people(avmatch, clips, cache, tmp_path):
    run = avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache)
    assert "runner-up" in run.stdout
    assert "3 files could not be used" in run.stdout
    assert str(tmp_path / "report.html") in run.stdout.replace("\n", "")


def test_paths_stay_as_given_and_other_ways_to_name_the_files_agree(avmatch, clips, cache, matched, table, tmp_path):
    """A relative folder, a glob and a manifest: the same pairs."""
    (tmp_path / "list.csv").write_text("path\n" + "\n".join(files(clips / "videos")))
    expected = [row["audio"].removeprefix(f"{clips}/") for row in table(matched / "matches.csv")]
    for videos, audio, out in (
        ("videos", "./audio", "relative"),
        ("videos/**/*.mp4", "audio/*", "glob"),
        (tmp_path / "list.csv", "audio", "manifest"),
    ):
        avmatch("match", videos, audio, "-o", tmp_path / out, "--cache", cache, cwd=clips)
        rows = table(tmp_path / out / "matches.csv")
        assert sorted(row["audio"].removeprefix("./") for row in rows) == sorted(expected)
    assert rows[0]["video"].startswith(str(clips))
    assert table(tmp_path / "relative" / "matches.csv")[0]["video"] == "videos/sub/v_0001.mp4"
    assert all(row["runner_up"].startswith("./audio/") for row in table(tmp_path / "relative/matches.csv")[:1])


def test_without_out_the_result_has_the_date_of_the_day(avmatch, clips, cache, tmp_path):
    for name in (f"avmatch-{date.today()}", f"avmatch-{date.today()}-2"):
        run = avmatch("match", clips / "videos", clips / "audio", "--cache", cache, cwd=tmp_path)
        assert (tmp_path / name / "matches.csv").is_file()
        assert f"the report is {Path(name, 'report.html')}" in run.stdout


def test_the_table_fits_eighty_columns_and_cuts_no_name_there(avmatch, clips, cache, tmp_path):
    run = avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, COLUMNS="80")
    lines = run.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert all(any(Path(name).name in line for line in lines) for name in files(clips / "videos"))


def test_fail_on_asks_for_files_that_can_be_used_or_for_sure_answers(avmatch, clips, cache, tmp_path):
    """Three files can't be used; of the others, one video has no recording."""
    options = ("-o", tmp_path, "--cache", cache, "--fail-on")
    everything, usable = ("videos", "audio"), ("videos/**/v_*.mp4", "audio/a_*")
    for names, fail_on, exits in ((everything, "failed", 3), (usable, "failed", 0), (usable, "uncertain", 3)):
        avmatch("match", *names, *options, fail_on, cwd=clips, exits=exits)


def test_quiet_leaves_the_remarks_out_and_verbose_says_more(avmatch, clips, cache, tmp_path):
    arguments = ("match", clips / "videos", clips / "audio", "-o", tmp_path)
    assert avmatch("--quiet", *arguments, "--cache", cache).stderr == ""
    assert avmatch(*arguments, "--cache", cache, "--quiet").stdout == avmatch(*arguments, "--cache", cache).stdout
    said = avmatch(*arguments, "--no-cache", "--verbose").stderr
    assert "v_0002.mp4: decoded and analysed in" in said


def test_lengths_that_differ_are_said_with_the_remedy(avmatch, clips, cache, tmp_path):
    avmatch("synth", tmp_path / "long", "--scenes", 1, "--duration", 9, "--kind", "drums")
    run = avmatch("match", clips / "videos", tmp_path / "long" / "audio", "-o", tmp_path / "out", "--cache", cache)
    assert "--many" in run.stderr
    assert "--max-offset" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "audio"), "nowhere: no such file or folder"),
        (("videos", "audio/*.xyz"), "no audio files found"),
        (("videos", "audio", "--min-confidence", "2"), "min_confidence must be in 0…1"),
        (("videos", "audio", "--max-offset", "-1"), "max_offset_seconds must be in"),
        (("videos", "audio", "--top-k", "0"), "top_k must be at least 1"),
        (("videos", "audio", "--max-offset", "soon"), "Invalid value for '--max-offset'"),
        (("videos", "audio", "--unknown"), "--unknown"),
        (("videos",), "Missing argument 'audios'"),
    ],
)
def test_wrong_usage_exits_2_with_a_line_that_says_why(avmatch, clips, tmp_path, arguments, message):
    run = avmatch("match", *arguments, "-o", tmp_path / "out", cwd=clips, exits=2)
    assert message.casefold() in run.stderr.casefold()
    assert run.stdout == ""
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_wrong_usage(avmatch, clips, cache, tmp_path):
    (tmp_path / "out").write_text("mine")
    run = avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path / "out", "--cache", cache, exits=2)
    assert "can't be used as the output folder" in run.stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_a_cache_that_can_t_be_written_is_wrong_usage(avmatch, clips, tmp_path):
    (tmp_path / "cache").write_text("mine")
    arguments = ("--cache", tmp_path / "cache" / "deep")
    run = avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path / "out", *arguments, exits=2)
    assert "features can't be kept there" in run.stderr
    assert not (tmp_path / "out").exists()


def test_names_that_the_terminal_can_t_show_are_escaped(avmatch, clips, tmp_path):
    """Neither a name that isn't UTF-8, nor a terminal that isn't."""
    odd = os.fsencode(tmp_path) + b"/\xff\xc3\xbc.mp4"
    shutil.copy(clips / "videos" / "v_0001.mp4", odd)
    arguments = (tmp_path, clips / "audio" / "*.flac", "--complete", "--no-cache", "-o", tmp_path / "out")
    assert "1 of 1 clips" in avmatch("match", *arguments, fresh=True, PYTHONIOENCODING="ascii").stdout
    shown = avmatch("match", *arguments, "--json", fresh=True, PYTHONIOENCODING="utf-8")
    (line,) = shown.stdout.splitlines()
    assert os.fsencode(json.loads(line)["video"]) == odd


def test_nothing_usable_exits_1_and_still_says_why_file_by_file(avmatch, clips, table, tmp_path):
    run = avmatch("match", clips / "videos" / "text.mp4", clips / "audio", "-o", tmp_path, exits=1)
    assert "text.mp4" in run.stderr
    assert [row["path"] for row in table(tmp_path / "errors.csv")][:1] == [str(clips / "videos" / "text.mp4")]
    assert np.load(tmp_path / "similarity.npy").shape == (0, 11)


def test_a_reader_that_leaves_early_gets_no_traceback(command, clips, cache, tmp_path):
    with command("match", clips / "videos", clips / "audio", "-o", tmp_path, "--cache", cache, "--json") as process:
        process.stdout.close()
        assert process.wait(timeout=60) in (0, 1)
        stderr = process.stderr.read()
    assert "Traceback" not in stderr
    assert "BrokenPipeError" not in stderr
