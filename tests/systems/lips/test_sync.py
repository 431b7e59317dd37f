"""The protocols sync and match, from clips that talk in columns and tones to the tables."""

import csv
import io
import json
import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from avmatch.cli import app
from avmatch.core.errors import ModelError, UsageError
from avmatch.evaluation.pieces import TalkProtocol
from avmatch.pipelines.evaluate import evaluate_sync
from avmatch.systems.lips.evaluate import evaluate_match
from avmatch.systems.lips.talking_clips import talk_vectors
from talking_scenes import write_talk, write_towers

WHOLE = TalkProtocol(pieces_seconds=(0.0,))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_towers(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Five clips of three people; the last is doubtful, its sound four ticks late."""
    folder = tmp_path_factory.mktemp("talk")
    people = ("ann", "ann", "bob", "cat", "dan")
    for number, person in enumerate(people):
        write_talk(folder / f"{number}.mp4", number, late_ticks=4 if person == "dan" else 0)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "group", "split", "sync"))
        for number, person in enumerate(people):
            doubt = "doubtful" if person == "dan" else ""
            writer.writerow((f"{number}.mp4", person, "test" if number else "train", doubt))
    return folder


@pytest.fixture(scope="module")
def sync_report(model, talk):
    return evaluate_sync(model, talk, TalkProtocol(pieces_seconds=(0.0, 2.0), noise_snr_db=(-15.0,)))


@pytest.fixture(scope="module")
def match_report(model, talk):
    return evaluate_match(talk_vectors(model, talk, TalkProtocol(pieces_seconds=(0.0, 2.0), noise_snr_db=(-20.0,))))


def test_offsets_are_found_and_noise_hides_them(sync_report):
    assert [(row.piece_seconds, row.snr_db, row.num_pieces, row.num_groups) for row in sync_report.rows] == [
        (0.0, None, 4, 3),
        (0.0, -15.0, 4, 3),
        (2.0, None, 8, 3),
        (2.0, -15.0, 8, 3),
    ]
    for clean, noisy in (sync_report.rows[:2], sync_report.rows[2:]):
        assert clean.in_frame.share == clean.in_80_ms.share == 1.0
        assert clean.in_frame.num_trials == 5 * clean.num_pieces
        shares = [item.share for item in clean.accuracy.values()]
        assert tuple(clean.accuracy) == (5, 7, 9, 11, 13, 15)
        assert shares == sorted(shares)
        assert shares[0] > 0.9
        assert noisy.accuracy[5].share < 0.5
        assert noisy.confidence < 0.5 * clean.confidence
        assert clean.distance < noisy.distance < np.sqrt(2)


def test_the_seed_decides_shifts_and_nothing_else_does(model, talk, sync_report):
    again = evaluate_sync(model, talk, TalkProtocol(pieces_seconds=(2.0,), noise_snr_db=(-15.0,)))
    assert again.rows == sync_report.rows[2:]
    other = evaluate_sync(model, talk, TalkProtocol(pieces_seconds=(2.0,), noise_snr_db=(-15.0,), seed=1))
    assert other.rows[1].accuracy != again.rows[1].accuracy


def test_each_file_has_its_offset_and_its_lip_sync_errors(model, talk, sync_report):
    found = {Path(file.path).name: file for file in evaluate_sync(model, talk, WHOLE, per_file=True).files}
    assert sorted(found) == [f"{number}.mp4" for number in range(5)]
    assert [found[f"{number}.mp4"].offset_frames for number in range(5)] == [0, 0, 0, 0, 4]
    sure = [found[f"{number}.mp4"] for number in range(4)]
    row = sync_report.rows[0]
    assert np.mean([file.distance for file in sure]) == pytest.approx(row.distance)
    assert np.mean([file.confidence for file in sure]) == pytest.approx(row.confidence)
    assert sync_report.files == ()


def test_doubtful_clips_would_be_wrong_and_are_left_out(model, talk):
    late = evaluate_sync(model, talk / "4.mp4", WHOLE)
    assert (late.rows[0].in_frame.share, late.rows[0].in_frame.low) == (0.0, None)
    table = talk / "doubtful.csv"
    table.write_text("file,group,sync\n4.mp4,dan,doubtful\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no clip that is not in doubt is as long as whole: left out"):
        evaluate_sync(model, table, WHOLE)


@pytest.mark.parametrize(("offset_ms", "share"), [(160, 1.0), (-160, 0.0)])
def test_a_known_offset_is_taken_off(model, talk, offset_ms, share):
    table = talk / "late.csv"
    table.write_text(f"file,offset_ms\n4.mp4,{offset_ms}\n", encoding="utf-8")
    assert evaluate_sync(model, table, WHOLE).rows[0].in_80_ms.share == share


def test_more_frames_and_longer_pieces_than_there_are_say_nothing(model, talk):
    protocol = TalkProtocol(ks=(25, 80), pieces_seconds=(2.0, 0.0, 9.0))
    report = evaluate_sync(model, talk, protocol)
    assert [tuple(row.accuracy) for row in report.rows] == [(25,), (25, 80)]
    assert [note.split(": ")[1] for note in report.notes] == ["no clip that is not in doubt is as long as 9 s"]


def test_offsets_beyond_the_largest_are_not_tried(model, talk):
    protocol = TalkProtocol(pieces_seconds=(0.0,), max_offset_seconds=0.08, ks=(1, 5))
    (row,) = evaluate_sync(model, talk, protocol).rows
    assert row.in_frame.share == 1.0
    assert row.accuracy[5].num_trials == 4 * 5 * 96


def test_voices_are_found_with_the_doubtful_among_them(match_report):
    whole, noisy, pieces, _ = match_report.rows
    assert (whole.num_pieces, whole.num_windows, whole.num_groups) == (5, 4, 4)
    assert (pieces.num_pieces, pieces.num_windows) == (10, 8)
    for row in (whole, pieces):
        assert row.top_1.share == row.assigned.share == 1.0
        assert row.voice_by_face[1].share > 0.5
    assert noisy.top_1.share <= noisy.top_5.share == 1.0
    assert tuple(whole.voice_by_face) == (1,)
    assert tuple(pieces.face_by_voice) == (1, 5)


def test_without_a_search_the_late_one_is_lost(model, talk):
    protocol = TalkProtocol(pieces_seconds=(0.0,), max_offset_seconds=0.04)
    assert evaluate_match(talk_vectors(model, talk, protocol)).rows[0].top_1.share == 0.8


def test_one_piece_is_no_gallery(model, talk):
    with pytest.raises(UsageError, match=r"nothing can be measured; .*1 pieces \(whole\) are no gallery: left out"):
        evaluate_match(talk_vectors(model, talk / "0.mp4", WHOLE))


def by_distance(model, folder, window_frames):
    """The same towers with vectors of length 3, left as they are and compared by the Euclidean distance."""
    folder.mkdir()
    for side in ("video", "audio"):
        graph = onnx.load(model / f"{side}.onnx")
        graph.graph.node[-1].output[0] = "raw"
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(3), "length"))
        graph.graph.node.append(onnx.helper.make_node("LpNormalization", ["raw"], ["unit"], axis=-1, p=2))
        graph.graph.node.append(onnx.helper.make_node("Mul", ["unit", "length"], ["y"]))
        description = json.loads(graph.metadata_props[0].value)
        description |= {"distance": "euclidean", "window_frames": window_frames}
        onnx.helper.set_model_props(graph, {"avmatch": json.dumps(description)})
        onnx.save(graph, folder / f"{side}.onnx")
    return folder


def test_five_frames_are_one_vector_of_a_model_that_looks_at_five(model, talk, tmp_path, sync_report):
    five, one = (by_distance(model, tmp_path / f"{num}", num) for num in (5, 1))
    windows = evaluate_sync(five, talk, TalkProtocol(ks=(5, 9), pieces_seconds=(0.0,))).rows[0]
    frames = evaluate_sync(one, talk, TalkProtocol(ks=(1, 5), pieces_seconds=(0.0,))).rows[0]
    assert list(windows.accuracy.values()) == list(frames.accuracy.values())
    assert windows.accuracy[9].share > 0.5
    assert windows.distance > 2 > sync_report.rows[0].distance  # unit vectors are at most 2 apart


def test_a_model_that_compares_by_distance_has_no_products_to_match_by(model, talk, tmp_path):
    with pytest.raises(ModelError, match="talk compares by euclidean distance"):
        talk_vectors(by_distance(model, tmp_path / "five", 5), talk, WHOLE)


@pytest.mark.parametrize("name", ["sync_report", "match_report"])
def test_tables_fit_80_columns(request, name):
    report = request.getfixturevalue(name)
    console = Console(file=io.StringIO(), width=80)
    console.print(*report.report().terminal(80), sep="\n\n")
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()).count("ties count against the system") == 2


def test_figures_of_the_tables_are_those_of_the_report(sync_report, match_report):
    row = sync_report.rows[1]
    five = row.accuracy[5]
    text = sync_report.report().markdown()
    assert text.startswith("# Offsets on talk")
    assert f"| whole -15 dB | {100 * five.share:.1f}±{50 * (five.high - five.low):.1f} |" in text
    assert f" | {row.distance:.2f} | {row.confidence:.2f} | 4 | 3 |" in text
    assert "| piece | → R@1 | → R@5 | ← R@1 | ← R@5 | windows |" in match_report.report().markdown()
    values = json.loads(sync_report.report().json())
    assert (values["kind"], values["protocol"]["noise_snr_db"]) == ("sync", [-15.0])
    assert values["rows"][1]["accuracy"]["5"]["share"] == five.share
    assert json.loads(match_report.report().json())["rows"][2]["voice_by_face"]["5"]["num_trials"] == 8


def ask(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_command_writes_each_form(model, talk, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    options = ("--piece", 0, "--k", 5, "--split", "test", "--cache", "none")
    values = json.loads(ask("sync", model, talk, *options, "--json", "--markdown", tmp_path / "table.md").stdout)
    assert (values["rows"][0]["num_pieces"], list(values["rows"][0]["accuracy"])) == (3, ["5"])
    assert (tmp_path / "table.md").read_text(encoding="utf-8").startswith("# Offsets on talk")
    shown = ask("match", model, talk, "--piece", 0, 9, "--cache", tmp_path / "features")
    assert "Faces that get their own voice" in shown.stdout
    assert "0 pieces (9 s) are no gallery: left out" in shown.stderr
    assert len(list((tmp_path / "features").rglob("*.npz"))) == 10


def test_options_of_another_protocol_are_refused(model, talk):
    for arguments, message in (
        (("sync", model, talk, "--subset", 5), "No such option: --subset"),
        (("sync", model, talk, "--held-out"), "No such option: --held-out"),
        (("retrieval", model, talk, "--piece", 2), "No such option: --piece"),
        (("speed", model, talk), "No such command 'speed'"),
    ):
        refused = ask(*arguments)
        assert refused.exit_code == 2
        assert message in refused.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RUN DATA", "retrieval RUN DATA"),
        (
            "RUN DATA --held-out --k 1 5 --noise -5 10 --json",
            "retrieval RUN DATA --held-out --k 1 5 --noise -5 10 --json",
        ),
        ("--draws 5 RUN DATA", "retrieval --draws 5 RUN DATA"),
        ("RUN DATA --protocol sync --piece 0 2", "sync RUN DATA --piece 0 2"),
        ("--protocol=match RUN DATA --k=1 5", "match RUN DATA --k=1 5"),
        ("RUN DATA -o OUT --protocol classify", "classify RUN DATA -o OUT"),
        ("events 'my films' --protocol probe --layer output", "probe events 'my films' --layer output"),
    ],
)
def test_the_old_form_answers_with_the_new_line(old, new):
    error = ask(*shlex.split(old)).exception
    assert isinstance(error, UsageError)
    assert str(error).endswith(f"; type: avmatch evaluate {new}")
    assert "--protocol" not in str(error)


def test_an_unknown_protocol_is_refused():
    error = ask("RUN", "DATA", "--protocol", "speed").exception
    assert isinstance(error, UsageError)
    assert "no protocol 'speed'; there are retrieval, sync, match" in str(error)


@pytest.mark.parametrize("command", ["", "retrieval", "sync", "match", "words", "classify", "probe"])
def test_help_lists_few_options_and_never_the_old_one(command):
    text = ask(*filter(None, [command]), "--help").stdout
    assert "--protocol" not in text
    most = 10 if command == "sync" else 9  # with --help; --per-file is one more
    assert len(re.findall(r"^│ (?:-\w +)?--", text, re.M)) <= most
    assert command or all(name in text for name in ("retrieval", "sync", "match", "words", "classify", "probe"))
