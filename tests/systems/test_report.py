"""The report as tables for the terminal, as JSON and as Markdown."""

import io
import json
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from avmatch.evaluation.retrieval import Protocol, RetrievalResult, Row
from avmatch.metrics.retrieval import evaluate

KS = (1, 5, 10, 50)


def report_of(models=("runs/a",), num=60, ks=KS, subset=50, snr_db=(None,), strength=1.0):
    """A report on random matrices with a diagonal that sticks out."""
    rows = []
    for seed, model in enumerate(models):
        for ratio in snr_db:
            for kind in ("raw", "csls", "sinkhorn"):
                matrix = np.random.default_rng([seed, len(rows)]).standard_normal((num, num)) + strength * np.eye(num)
                scores = evaluate(matrix, ks=ks, subset_size=subset or None, draws=20)
                rows.append(Row(model, kind, ratio, scores))
    return RetrievalResult("data/held", num, Protocol(ks, subset, 20), tuple(rows))


def printed(report, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(*report.report().terminal(width), sep="\n\n")
    return console.file.getvalue()


@pytest.mark.parametrize("strength", [0.0, 2.0, 9.0])
@pytest.mark.parametrize("num", [60, 3000])
def test_the_usual_table_fits_80_columns_with_its_intervals(num, strength):
    text = printed(report_of(num=num, strength=strength))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("±") == 2 * 3 * len(KS) + 1
    assert [line.split() for line in text.splitlines() if line.startswith("matrix")] == [
        ["matrix", "R@1", "R@5", "R@10", "R@50", "MedR", "mean", "1/50", "5/50"]
    ] * 2


def test_intervals_are_left_out_where_they_do_not_fit():
    report = report_of(snr_db=(None, -10.0))
    narrow, wide = printed(report), printed(report, 120)
    assert "…" not in narrow + wide
    assert max(map(len, narrow.splitlines())) <= 80
    assert ("±" in narrow, "±" in wide) == (False, True)
    assert "sinkhorn -10 dB" in narrow
    assert "ties count against the system" in narrow


def test_the_figures_are_those_of_the_report():
    report = report_of()
    scores = report.rows[0].scores.audio_to_video
    line = printed(report, 200).split("audio → video")[1].splitlines()[3].split()
    halves = [50 * (item.high - item.low) for item in scores.recall.values()]
    shares = [100 * item.share for item in scores.recall.values()]
    assert line == [
        "raw",
        *(f"{share:.1f}±{half:.1f}" for share, half in zip(shares, halves, strict=True)),
        f"{scores.median_rank:g}",
        f"{scores.mean_rank:.1f}",
        *(f"{100 * share:.1f}" for share in scores.subset_recall.values()),
    ]


def test_one_model_is_no_column_and_several_have_their_mean_and_deviation():
    assert "model" not in printed(report_of())
    report = report_of(models=("runs/a", "runs/b", "runs/c"))
    lines = [line.split() for line in printed(report).split("audio → video")[0].splitlines()]
    assert max(map(len, printed(report).splitlines())) <= 80
    shares = [100 * row.scores.video_to_audio.recall[1].share for row in report.rows if row.normalisation == "csls"]
    assert ["model", "matrix", "R@1"] in [line[:3] for line in lines]
    assert [line[:2] for line in lines if line[:1] == ["b"]] == [["b", "raw"], ["b", "csls"], ["b", "sinkhorn"]]
    assert ["mean", "of", "3", "csls", f"{np.mean(shares):.1f}"] in [line[:5] for line in lines]
    assert ["sd", "of", "3", "csls", f"{np.std(shares, ddof=1):.1f}"] in [line[:5] for line in lines]


def test_models_of_one_name_are_told_by_their_paths():
    text = report_of(models=("one/run", "two/run")).report().markdown()
    assert "| one/run | raw |" in text
    assert "| two/run | raw |" in text


def test_without_subsets_there_are_no_columns_of_them():
    text = printed(report_of(num=12, ks=(1, 5), subset=0))
    assert "R@5" in text
    assert "/50" not in text


def test_json_is_one_object_with_everything():
    report = report_of(models=("runs/a", "runs/b"))
    told = json.loads(report.report().json())
    assert "\n" not in report.report().json()
    assert (told["data"], told["num_pairs"], told["protocol"]["ks"]) == ("data/held", 60, [1, 5, 10, 50])
    assert [(row["model"], row["normalisation"]) for row in told["rows"][:2]] == [("runs/a", "raw"), ("runs/a", "csls")]
    scores = report.rows[0].scores
    assert told["rows"][0]["video_to_audio"] == json.loads(json.dumps(asdict(scores.video_to_audio)))
    shares = [100 * row.scores.audio_to_video.recall[5].share for row in report.rows if row.normalisation == "raw"]
    (found,) = [
        item["of"]["R@5"]
        for item in told["spread"]
        if (item["normalisation"], item["direction"]) == ("raw", "audio_to_video")
    ]
    assert found == pytest.approx({"mean": np.mean(shares), "sd": np.std(shares, ddof=1)})


def test_one_model_has_no_spread():
    assert json.loads(report_of().report().json())["spread"] == []


def test_markdown_says_the_same():
    report = report_of()
    text = report.report().markdown()
    assert text.startswith("# Retrieval on held: a\n")
    assert text.count("\n| --- |") == 2
    recall = report.rows[2].scores.audio_to_video.recall[1]
    assert f"| sinkhorn | {100 * recall.share:.1f}±{50 * (recall.high - recall.low):.1f} |" in text
