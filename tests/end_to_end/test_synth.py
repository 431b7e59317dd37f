"""`avmatch synth` from the command line; what it renders is tested in tests/datasets."""

import pytest


def test_it_says_where_the_truth_is(avmatch, table, tmp_path):
    run = avmatch("synth", tmp_path, "--scenes", 2, "--duration", 1, "--offset-ms", -120, "--kind", "drums, clock")
    assert run.stdout == f"2 pairs in {tmp_path}; the truth is in {tmp_path / 'truth.csv'}\n"
    rows = table(tmp_path / "truth.csv")
    assert list(rows[0]) == ["video", "audio", "offset_ms", "kind"]
    assert [row["offset_ms"] for row in rows] == ["-120.0"] * 2
    assert {row["kind"] for row in rows} == {"drums", "clock"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenes", "0"), "nothing to render"),
        (("--kind", "bells"), "got bells"),
        (("--duration", "0.1"), "at least 1.0 s"),
    ],
)
def test_wrong_usage_exits_2_with_a_line_that_says_why(avmatch, tmp_path, arguments, message):
    run = avmatch("synth", tmp_path / "out", *arguments, exits=2)
    assert message in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_t_be_made_is_said_in_a_line(avmatch, tmp_path):
    (tmp_path / "out").write_text("mine")
    run = avmatch("synth", tmp_path / "out", "--scenes", 1, exits=1)
    assert run.stderr.strip().startswith("avmatch: ")
    assert str(tmp_path / "out") in run.stderr
