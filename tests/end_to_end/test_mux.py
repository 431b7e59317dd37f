"""`avmatch match --mux`: each matched video with its sound, under its own name."""

import shutil

import av
import pytest

from avmatch.media.mux import mux
from avmatch.pipelines.sync import sync


def tracks(path):
    with av.open(str(path)) as container:
        return len(container.streams.video), len(container.streams.audio)


def packets(path):
    """The picture as it is stored."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.fixture(scope="module")
def delivered(avmatch, clips, cache, matched, table, tmp_path_factory):
    """Muxed files, and the matches behind them."""
    folder = tmp_path_factory.mktemp("delivered")
    arguments = ("--cache", cache, "--mux", folder / "muxed")
    avmatch("match", clips / "videos", clips / "audio", "-o", folder / "out", *arguments)
    return folder / "muxed", [row for row in table(folder / "out" / "matches.csv") if row["audio"]]


def test_each_matched_video_is_there_under_its_name_and_in_its_subfolder(delivered, clips):
    folder, rows = delivered
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert len(rows) >= 10
    wanted = {type(clips)(row["video"]).relative_to(clips / "videos") for row in rows}
    assert found == wanted | {path.with_name(".avmatch-muxed") for path in wanted}


def test_the_picture_is_copied_and_the_sound_is_the_one_track(delivered, clips):
    folder, rows = delivered
    for row in rows:
        target = folder / type(clips)(row["video"]).relative_to(clips / "videos")
        assert tracks(target) == (1, 1)
        assert packets(target) == packets(row["video"])


def test_the_videos_own_sound_stays_as_the_second_track(avmatch, clips, truth, tmp_path):
    video, audio = next(
        (video, audio) for video, audio in sorted(truth.items()) if audio and video.endswith("v_0006.mp4")
    )
    mux(type(clips)(video), type(clips)(audio), tmp_path / "own" / "take.mp4", offset_seconds=0.0)
    avmatch("match", tmp_path / "own", audio, "-o", tmp_path / "out", "--mux", tmp_path / "muxed", "--complete")
    assert tracks(tmp_path / "own" / "take.mp4") == (1, 1)
    assert tracks(tmp_path / "muxed" / "take.mp4") == (1, 2)


def test_a_muxed_recording_that_came_late_is_together_with_its_picture(avmatch, table, tmp_path):
    avmatch("synth", tmp_path, "--scenes", 3, "--kind", "drums", "--offset-ms", 320, "--seed", 2)
    out, muxed = tmp_path / "out", tmp_path / "muxed"
    avmatch("match", tmp_path / "videos", tmp_path / "audio", "-o", out, "--mux", muxed, "--no-cache")
    rows = [row for row in table(out / "matches.csv") if row["audio"]]
    assert rows
    for row in rows:
        assert float(row["offset_ms"]) == pytest.approx(320, abs=80)
        result = sync(muxed / type(out)(row["video"]).name)
        assert result.offset_ms == pytest.approx(0, abs=80)


def test_originals_are_never_overwritten(avmatch, clips, cache, table, tmp_path):
    before = {path: path.read_bytes() for path in (clips / "videos").rglob("*.mp4")}
    arguments = ("--cache", cache, "--mux", clips / "videos")
    avmatch("match", clips / "videos", clips / "audio", "-o", tmp_path, *arguments, exits=1)
    assert {path: path.read_bytes() for path in (clips / "videos").rglob("*.mp4")} == before
    muxing = [row for row in table(tmp_path / "errors.csv") if row["stage"] == "mux"]
    assert len(muxing) >= 10
    assert all("would overwrite an original" in row["message"] for row in muxing)


def test_nor_those_of_other_pairs(avmatch, clips, cache, truth, table, tmp_path):
    """The videos have the names that the recordings of other pairs have, in the folder for the muxed files."""
    pairs = [(video, audio) for video, audio in sorted(truth.items()) if audio][:3]
    cameras, recorders = tmp_path / "cameras", tmp_path / "recorders"
    cameras.mkdir()
    recorders.mkdir()
    for number, (video, audio) in enumerate(pairs):
        shutil.copy(video, cameras / f"{number}.mp4")
        mux(type(clips)(video), type(clips)(audio), recorders / f"{(number + 1) % 3}.mp4", offset_seconds=0.0)
    before = {path: path.read_bytes() for path in recorders.iterdir()}
    avmatch("match", cameras, recorders, "-o", tmp_path / "out", "--mux", recorders, "--complete", exits=1)
    assert {path: path.read_bytes() for path in recorders.iterdir()} == before
    muxing = [row for row in table(tmp_path / "out" / "errors.csv") if row["stage"] == "mux"]
    assert len(muxing) == 3
    assert all("would overwrite an original" in row["message"] for row in muxing)


def test_a_second_run_does_not_take_the_first_ones_files(avmatch, clips, truth, table, tmp_path):
    for number, (video, audio) in enumerate([pair for pair in sorted(truth.items()) if pair[1]][:2]):
        shutil.copy(video, tmp_path / f"{number}.mp4")
        shutil.copy(audio, tmp_path)
    arguments = ("match", tmp_path, tmp_path, "-o", tmp_path / "out", "--mux", tmp_path / "muxed", "--complete")
    first, again = avmatch(*arguments, fresh=True), avmatch(*arguments)
    assert first.stdout == again.stdout
    assert len(table(tmp_path / "out" / "matches.csv")) == 2
    assert "2 media files there are taken for results of an earlier run, and left out" in again.stderr
    assert "left out" not in first.stderr


def test_files_of_others_are_not_overwritten(avmatch, clips, truth, table, tmp_path):
    video, audio = next(pair for pair in sorted(truth.items()) if pair[1])
    target = tmp_path / "muxed" / video.rpartition("/")[2]
    target.parent.mkdir()
    target.write_bytes(b"theirs")
    avmatch("match", video, audio, "-o", tmp_path / "out", "--mux", tmp_path / "muxed", "--complete", exits=1)
    assert target.read_bytes() == b"theirs"
    (failure,) = table(tmp_path / "out" / "errors.csv")
    assert failure["message"] == f"not muxed: {target} exists already; move it, or name another place"
