"""Packing of media pairs: what belongs together stays together, each file is decoded once, failures are reported."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.data import tracks
from avmatch.data.manifest import Clip
from avmatch.data.packing import FAILURES, check_packed, common_part, named_pairs, pack_list
from avmatch.data.tracks import MOTION_AND_BANDS, PackSettings, Track, decode_tracks
from avmatch.frontends.sound import log_mel
from avmatch.media.decode import read_audio
from event_scenes import struck
from media_scenes import write_list, write_scenes

CLICKS_SECONDS = (0.4, 0.96, 1.36, 2.12, 2.6, 3.4)  # of the scene in tests/data/make_data.py
SETTINGS = PackSettings(rate_hz=10.0, height_px=24, width_px=32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 4, seed=1)


@pytest.fixture
def decoded(monkeypatch):
    """How often each file was decoded."""
    counts = Counter()
    real = tracks.decode

    def decode(path, **options):
        counts[str(path).rsplit("/", 1)[-1]] += 1
        return real(path, **options)

    monkeypatch.setattr(tracks, "decode", decode)
    return counts


def heard_seconds(mel):
    """When the sound rises most, from the beginning of the log-mel."""
    rise = np.diff(mel.mean(axis=1), prepend=mel[0].mean())
    return np.flatnonzero(rise > 0.5 * np.sort(rise)[-6]) / 100


def test_both_sides_lie_on_one_clock(scenes, tmp_path):
    pairs, failures = pack_list(scenes, tmp_path, SETTINGS)
    assert failures == ()
    assert (pairs.video_kind, pairs.audio_kind, pairs.video_rate_hz, pairs.audio_rate_hz) == (
        "frames",
        "logmel",
        10,
        100,
    )
    assert pairs.label_names == ("clock", "drums")
    assert len(set(pairs.group.tolist())) == len(pairs) == 4
    for video, audio in zip(pairs.video, pairs.audio, strict=True):
        assert video.shape[1:] == (24, 32)
        assert video.dtype == np.uint8
        assert audio.shape == (10 * len(video), 64)
        assert 26 <= len(video) <= 32


def test_log_mel_is_that_of_the_whole_sound(scenes, tmp_path):
    pairs, _ = pack_list(scenes, tmp_path, SETTINGS)
    for name, pair in named_pairs(scenes).items():
        packed = pairs.audio[pairs.names.index(name)]
        whole = log_mel(read_audio(pair.audio).data[0])
        np.testing.assert_allclose(packed[:-5], whole[: len(packed) - 5], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "clicks_late", "begin_seconds", "first_tick"),
    [("good.mp4", 0.0, 0.0, 0), ("late_audio.mkv", 0.48, 0.5, 5), ("late_picture.mp4", 0.0, 0.48, 0)],
)
def test_streams_that_start_apart_meet_at_equal_times(media, tmp_path, name, clicks_late, begin_seconds, first_tick):
    """Clicks stand at known times of the file; a pair begins with the first tick that both sides have."""
    pairs, _ = pack_list(write_list(tmp_path / "list.csv", {"path": media / name}), tmp_path / "packed", SETTINGS)
    due = np.array(CLICKS_SECONDS) + clicks_late - begin_seconds
    due = due[(due > 0) & (due < len(pairs.video[0]) / 10)]
    found = heard_seconds(pairs.audio[0])
    assert all(np.abs(found - time).min() <= 0.021 for time in due)
    assert all(np.abs(due - time).min() <= 0.021 for time in found)
    ticks = decode_tracks(SETTINGS, str(media / name), True, False).video.data
    np.testing.assert_array_equal(pairs.video[0], ticks[first_tick : first_tick + len(pairs.video[0])])


@pytest.mark.parametrize("offset_ms", [-480, 0, 470])
def test_a_known_offset_is_taken_back(media, tmp_path, offset_ms):
    """The same sound against a video, said to be late: what is packed begins that much later in the sound."""
    rows = [{"video": media / "good.mp4", "audio": media / "good.wav", "offset_ms": value} for value in (0, offset_ms)]
    lists = [write_list(tmp_path / f"{number}.csv", row) for number, row in enumerate(rows)]
    (plain, _), (late, _) = (pack_list(path, tmp_path / path.stem, SETTINGS) for path in lists)
    cut = -(-max(0, -offset_ms) // 100)  # ticks of picture before the sound begins
    begin = offset_ms // 10 + 10 * cut
    both = min(len(late.video[0]), len(plain.video[0]) - cut)
    np.testing.assert_array_equal(late.video[0][:both], plain.video[0][cut : cut + both])
    found = plain.audio[0][begin:][: 10 * both]
    np.testing.assert_allclose(late.audio[0][: len(found)], found, atol=1e-4)
    assert len(late.audio[0]) == 10 * len(late.video[0]) >= 340


def test_a_file_of_many_pairs_is_decoded_once(media, tmp_path, decoded):
    pieces = [{"path": media / "good.mp4", "start_seconds": begin, "duration_seconds": 1} for begin in (0, 1.5, 2.5)]
    pairs, _ = pack_list(write_list(tmp_path / "list.csv", *pieces), tmp_path / "packed", SETTINGS)
    assert decoded == {"good.mp4": 1}
    assert [name.rsplit("@")[1] for name in pairs.names] == ["0", "1.5", "2.5"]
    assert [len(video) for video in pairs.video] == [10, 10, 10]
    assert len(set(pairs.group.tolist())) == 1
    whole, _ = pack_list(write_list(tmp_path / "whole.csv", {"path": media / "good.mp4"}), tmp_path / "other", SETTINGS)
    np.testing.assert_array_equal(pairs.video[1], whole.video[0][15:25])
    np.testing.assert_array_equal(pairs.audio[1], whole.audio[0][150:250])


def test_what_cannot_be_used_is_told_and_not_tried_again(media, tmp_path, decoded):
    names = ("good.mp4", "zero.mp4", "silent_video.mp4", "vfr.mkv")
    path = write_list(tmp_path / "list.csv", *({"path": media / name} for name in names))
    reported = []
    pairs, failures = pack_list(
        path, tmp_path / "packed", SETTINGS, progress=lambda _, done, total: reported.append((done, total))
    )
    assert [name.rsplit("/")[-1] for name in pairs.names] == ["good.mp4", "vfr.mkv"]
    assert [failure.path.rsplit("/")[-1] for failure in failures] == ["zero.mp4", "silent_video.mp4"]
    assert [failure.reason for failure in failures][1] == "no_audio"
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]
    again, the_same = pack_list(path, tmp_path / "packed", SETTINGS)
    assert (again.names, the_same) == (pairs.names, failures)
    assert set(decoded.values()) == {1}


def test_an_interrupted_packing_goes_on(scenes, tmp_path, decoded):
    def stop_at_two(_stage, done, total):
        if done == 2:
            raise KeyboardInterrupt("two")

    with pytest.raises(KeyboardInterrupt, match="two"):
        pack_list(scenes, tmp_path, SETTINGS, progress=stop_at_two)
    before = dict(decoded)
    first = list(named_pairs(scenes).values())[:2]
    pairs, _ = pack_list(scenes, tmp_path, SETTINGS)
    assert len(decoded) == 8
    packed = {Path(path).name for pair in first for path in (pair.video, pair.audio)}
    assert {name: decoded[name] for name in packed} == dict.fromkeys(packed, 1)
    assert set(before.values()) == {1}
    assert pairs.names == tuple(named_pairs(scenes))


def test_a_shorter_list_takes_its_own_from_what_is_packed(scenes, tmp_path):
    pack_list(scenes, tmp_path / "packed", SETTINGS)
    rows = [{"video": pair.video, "audio": pair.audio} for pair in list(named_pairs(scenes).values())[2:]]
    pairs, _ = pack_list(write_list(scenes / "some.csv", *rows), tmp_path / "packed", SETTINGS)
    assert pairs.names == tuple(named_pairs(scenes))[2:]


@pytest.mark.parametrize("settings", [PackSettings(10.0, 32, 32), PackSettings(5.0, 24, 32)], ids=["size", "rate"])
def test_other_settings_need_another_folder(scenes, tmp_path, settings):
    pack_list(scenes, tmp_path, SETTINGS)
    with pytest.raises(UsageError, match=r"was packed as|holds shards with"):
        pack_list(scenes, tmp_path, settings)


def test_bands_of_another_width_are_refused():
    """As they were packed before there was a spectrum."""
    check_packed(struck(2, 2.0), MOTION_AND_BANDS, "a")
    narrow = replace(struck(2, 2.0), audio=tuple(np.zeros((200, 16), np.float16) for _ in range(2)))
    with pytest.raises(UsageError, match=r"old: was packed as .*, 16\)\], but .*, 32\)\] is wanted; pack it"):
        check_packed(narrow, MOTION_AND_BANDS, "old")


def test_what_has_no_time_in_common_is_a_failure(media, tmp_path):
    path = write_list(
        tmp_path / "list.csv",
        {"path": media / "good.mp4", "offset_ms": 0},
        {"path": media / "vfr.mkv", "offset_ms": 9000},
        {"path": media / "rotated.mp4", "offset_ms": -9000},
    )
    pairs, failures = pack_list(path, tmp_path / "packed", SETTINGS)
    assert len(pairs) == 1
    assert {(failure.reason, "has no time in common" in failure.message) for failure in failures} == {
        ("too_short", True)
    }


def test_nothing_usable_says_why(media, tmp_path):
    path = write_list(tmp_path / "list.csv", {"path": media / "zero.mp4"}, {"path": media / "text.mp4"})
    with pytest.raises(UsageError, match=r"none of 2 pairs can be used; the first: .*zero\.mp4: "):
        pack_list(path, tmp_path / "packed", SETTINGS)


def test_a_pair_named_twice_is_refused(media, tmp_path):
    path = write_list(tmp_path / "list.csv", {"path": media / "good.mp4"}, {"path": media / "good.mp4"})
    with pytest.raises(UsageError, match=r"good\.mp4 twice; a pair must come once"):
        named_pairs(path)


def test_a_damaged_record_of_failures_is_named(scenes, tmp_path):
    (tmp_path / FAILURES).write_text(json.dumps({"a": {"colour": "red"}}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"failures\.json: not a list of failures .*remove it to try them again"):
        pack_list(scenes, tmp_path, SETTINGS)


@pytest.mark.parametrize("changed", [{"rate_hz": 30.0}, {"rate_hz": 0.5}, {"height_px": 0}])
def test_settings_that_cannot_be(changed):
    with pytest.raises(UsageError, match="rate_hz must divide 100 and sizes must be positive"):
        PackSettings(**changed)


def test_frames_may_be_packed_in_colour(scenes, tmp_path):
    colour, _ = pack_list(scenes, tmp_path / "colour", PackSettings(10.0, 24, 32, sound="samples", colours=3))
    grey, _ = pack_list(scenes, tmp_path / "grey", SETTINGS)
    weights = np.array([0.299, 0.587, 0.114])
    for ours, theirs in zip(colour.video, grey.video, strict=True):
        assert ours.shape == (*theirs.shape, 3)
        luma = 16 + ours @ weights * 219 / 255  # what h264 keeps
        assert np.abs(luma - theirs).mean() < 4
    with pytest.raises(UsageError, match="was packed as"):
        pack_list(scenes, tmp_path / "colour", PackSettings(10.0, 24, 32, sound="samples"))


@pytest.mark.parametrize("changed", [{"colours": 2}, {"colours": 3, "crop": "mouth"}])
def test_colours_that_cannot_be(changed):
    with pytest.raises(UsageError, match=r"colours is 1|square and grey"):
        PackSettings(10.0, 24, 24, **changed)


@pytest.mark.parametrize(("begin", "duration"), [(0, 2), (3, 2), (1, None)])
def test_a_piece_ends_where_it_should_though_it_begins_before_the_picture(begin, duration):
    """The picture begins at 1.2 s, 5 ticks a second, the sound at 0."""
    settings = PackSettings(rate_hz=5.0, height_px=1, width_px=1)
    video = Track(np.arange(6, 36, dtype=np.uint8)[:, None, None], 1.2)
    audio = Track(np.repeat(np.arange(40.0), 20)[:, None], 0.0)
    pair = Clip("v", "a", "g", start_seconds=begin, duration_seconds=duration)
    video_part, audio_part = common_part(pair, video, audio, settings)
    expected = np.arange(max(6, begin * 5), 36 if duration is None else (begin + duration) * 5)
    np.testing.assert_array_equal(video_part[:, 0, 0], expected)
    np.testing.assert_array_equal(audio_part[:, 0], np.repeat(expected, 20))


def test_a_piece_before_the_picture_is_left_out():
    settings = PackSettings(rate_hz=5.0, height_px=1, width_px=1)
    video = Track(np.zeros((30, 1, 1), np.uint8), 6.0)
    audio = Track(np.zeros((4000, 1)), 0.0)
    for begin in (0, 2, 4):
        with pytest.raises(MediaError, match="no time in common"):
            common_part(Clip("v", "a", "g", start_seconds=begin, duration_seconds=2.0), video, audio, settings)


def test_what_a_list_keeps_back_is_held_back_and_its_tests_are_left_out(media, tmp_path):
    splits = ("train", "val", "test", "")
    rows = [
        {"path": media / "good.mp4", "start_seconds": n * 0.5, "duration_seconds": 0.5, "split": s}
        for n, s in enumerate(splits)
    ]
    pairs, _ = pack_list(write_list(tmp_path / "list.csv", *rows), tmp_path / "packed", SETTINGS)
    assert [name.rsplit("@")[1] for name in pairs.names] == ["0", "0.5", "1.5"]
    assert pairs.is_held_back.tolist() == [False, True, False]
    with pytest.raises(UsageError, match="all its 1 pairs are there to test on"):
        pack_list(write_list(tmp_path / "tests.csv", rows[2]), tmp_path / "none", SETTINGS)
    plain, _ = pack_list(write_list(tmp_path / "plain.csv", *rows[::3]), tmp_path / "packed", SETTINGS)
    assert plain.is_held_back is None
