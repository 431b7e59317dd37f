"""The grid of degradations, and features of degraded clips."""

import numpy as np
import pytest

from avmatch.analysis.features import Analyser
from avmatch.core.errors import UsageError
from avmatch.data.layouts import read_pair_list
from avmatch.evaluation import degrading
from avmatch.evaluation.degradations import Cell, Source, grid
from avmatch.evaluation.degrading import DegradedClips, usable_items
from avmatch.synth import SynthConfig, synthesise


def source(rng, others=()):
    return Source(rng, lambda: pytest.fail("no picture is needed"), lambda: others)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degraded")
    synthesise(folder, SynthConfig(3, duration_seconds=1.5, kinds=("drums",)))
    return folder


@pytest.fixture
def degraded(clips, tmp_path):
    analyser = Analyser(tmp_path / "clean", num_threads=1)
    items, failures, notes = usable_items(read_pair_list(clips), analyser, 0, 0.4)
    assert (len(items), failures, notes) == (3, (), ())
    return DegradedClips(items, analyser, tmp_path / "work")


def test_cells_have_names_of_their_own():
    cells = grid()
    assert len({cell.file_name for cell in cells}) == len({cell.name for cell in cells}) == len(cells)
    assert [cell.name for cell in grid(["foreign_sound"])] == ["clean", "foreign_sound another"]
    with pytest.raises(UsageError, match="no condition 'rain'; there are clean, white, pink"):
        grid(["white", "rain"])


@pytest.mark.parametrize("condition", ["white", "pink", "hum", "babble"])
def test_noise_is_as_loud_as_its_level_and_the_same_at_all_levels(condition):
    sound = np.random.default_rng(7).standard_normal(16000).astype(np.float32)
    voices = [np.random.default_rng(seed).standard_normal(9000).astype(np.float32) for seed in range(3)]
    noises = {}
    for cell in grid([condition])[1:]:
        heard = cell.sound(source(cell.rng(0, "clip"), voices), sound)
        noise = heard.astype(np.float64) - sound
        snr_db = 10 * np.log10(np.mean(sound.astype(np.float64) ** 2) / np.mean(noise**2))
        assert f"{round(snr_db)} dB" == cell.level
        noises[cell.level] = noise / noise.std()
    np.testing.assert_allclose(noises["-5 dB"], noises["20 dB"], atol=1e-3)


def test_chance_is_a_clips_own():
    cell = grid(["white"])[1]
    draws = [cell.rng(*key).random() for key in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_what_is_not_degraded_has_the_features_of_the_file(degraded):
    same = Cell("same", sound=lambda _, sound: sound, picture=lambda _: lambda frames: frames)
    degraded.degrade_pictures([same])
    folder = degraded.fill(same)
    ours, theirs = Analyser(folder, num_threads=1), degraded.analyser
    for item in degraded.items:
        heard, expected = ours.audio(item.clip.audio), theirs.audio(item.clip.audio)
        np.testing.assert_allclose(heard.flux, expected.flux, atol=1e-3)
        assert heard.start_seconds == pytest.approx(expected.start_seconds)
        assert heard.duration_seconds == pytest.approx(expected.duration_seconds)
        seen, shown = ours.video(item.clip.video), theirs.video(item.clip.video)
        np.testing.assert_allclose(seen.motion, shown.motion, atol=1e-2)
        assert (seen.start_seconds, seen.fps) == pytest.approx((shown.start_seconds, shown.fps))
    assert degraded.num_entries(same) == [6]


def test_a_degraded_sound_costs_no_look_at_the_picture_and_the_other_way_round(degraded, monkeypatch):
    noisy, slow = grid(["white"])[-1], grid(["frame_rate"])[-1]
    decoded = []
    decode, read_audio = degrading.decode, degrading.read_audio
    monkeypatch.setattr(degrading, "decode", lambda *a, **k: decoded.append("picture") or decode(*a, **k))
    monkeypatch.setattr(degrading, "read_audio", lambda *a, **k: decoded.append("sound") or read_audio(*a, **k))
    monkeypatch.setattr(Analyser, "_decode", lambda *_: pytest.fail("files are decoded once, as they are"))
    degraded.degrade_pictures([])
    for cell in grid(["white"]):
        degraded.fill(cell)
    assert decoded == ["sound"] * 3  # once each, for all cells
    monkeypatch.setattr(degraded.analyser.__class__, "listener", lambda _: pytest.fail("no sound changes"))
    degraded.degrade_pictures(grid(["frame_rate", "low_resolution"])[1:])
    degraded.fill(slow)
    assert decoded == ["sound"] * 3 + ["picture"] * 3
    degraded.forget(noisy)
    assert degraded.num_entries(noisy) == []


def test_moved_sounds_come_later(degraded):
    cell = grid([])[0]
    degraded.fill(cell)
    moved = Analyser(degraded.moved(cell), num_threads=1)
    for item in degraded.items:
        later = moved.audio(item.clip.audio).start_seconds - degraded.analyser.audio(item.clip.audio).start_seconds
        assert later == pytest.approx(item.moved_seconds)
        assert 0 < abs(item.moved_seconds) <= 0.4
    assert degraded.num_entries(cell) == [6, 6]


def test_clips_of_the_same_content_count_once(clips, tmp_path):
    first, *_ = read_pair_list(clips)
    twin = tmp_path / "twin.mp4"
    twin.write_bytes((clips / first.video).read_bytes())
    (tmp_path / "text.mp4").write_text("this is not a video")
    table = tmp_path / "list.csv"
    rows = [(first.video, first.audio), (twin, first.audio), (tmp_path / "text.mp4", first.audio)]
    table.write_text("video,audio\n" + "".join(f"{video},{audio}\n" for video, audio in rows))
    items, failures, notes = usable_items(read_pair_list(table), Analyser(tmp_path / "clean"), 0, 0.4)
    assert [item.clip.video for item in items] == [first.video]
    assert [failure.path for failure in failures] == [str(tmp_path / "text.mp4")]
    assert notes == (f"{twin}: left out, since {first.video} has the same content",)


def test_a_clip_that_is_too_long_to_be_degraded_says_so(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(degrading, "LONGEST_SECONDS", 1.0)
    items, failures, _ = usable_items(read_pair_list(clips), Analyser(tmp_path), 0, 0.4)
    assert items == ()
    assert len(failures) == 3
    assert all("is longer than 1 s" in failure.message and failure.reason == "unsupported" for failure in failures)
