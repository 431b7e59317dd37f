"""The folder of synthetic clips: truth.csv, offsets, extras, repeatability."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.media.decode import decode
from avmatch.synth.folder import TRUTH_COLUMNS, SynthConfig, synthesise

RATE_HZ = 16_000
#: Grey levels, on average. Equal pictures are not always encoded alike: x264's macroblock tree with adaptive
#: B-frames gives results that depend on where its buffers lie (found with its AVX-512 code, a few blocks a clip).
NEARLY_EQUAL = 0.5


def truth(folder):
    with (folder / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sound(path):
    return np.concatenate([block.data[0] for block in decode(path, video=False) if isinstance(block, AudioSamples)])


def picture(path):
    blocks = [block for block in decode(path, audio=False) if isinstance(block, VideoFrames)]
    return np.concatenate([block.data for block in blocks]), np.concatenate([block.pts_seconds for block in blocks])


def difference(ours, theirs):
    assert ours.shape == theirs.shape
    return np.abs(ours.astype(float) - theirs).mean()


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))


@pytest.fixture(scope="module")
def with_extras(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    config = SynthConfig(num_scenes=5, seed=4, duration_seconds=2.0, extra_videos=2, extra_audio=3)
    return folder, synthesise(folder, config)


def test_truth_names_every_file_once(with_extras):
    folder, pairs = with_extras
    rows = truth(folder)
    named = [row[side] for row in rows for side in ("video", "audio") if row[side]]
    assert sorted(named) == files(folder)
    assert len(set(named)) == len(named) == 7 + 8
    assert tuple(rows[0]) == TRUTH_COLUMNS
    assert [(row["video"], row["audio"]) for row in rows] == [(p.video or "", p.audio or "") for p in pairs]


def test_extras_have_an_empty_other_side_and_no_offset(with_extras):
    folder, _ = with_extras
    rows = truth(folder)
    assert [row["offset_ms"] == "" for row in rows] == [not (row["video"] and row["audio"]) for row in rows]
    assert sum(not row["audio"] for row in rows) == 2
    assert sum(not row["video"] for row in rows) == 3
    assert {row["kind"] for row in rows} == {"balls", "drums", "strings", "clock", "face"}


def test_videos_are_silent_and_modification_times_say_nothing(with_extras):
    folder, _ = with_extras
    for path in folder.glob("videos/*"):
        with pytest.raises(ValueError, match="sound"):
            sound(path)
    assert len({path.stat().st_mtime_ns for path in folder.glob("*/*")}) == 1


def test_the_same_seed_gives_the_same_content_and_replaces_only_its_own_files(tmp_path):
    config = SynthConfig(num_scenes=3, seed=7, duration_seconds=1.0, snr_db=6.0)
    (tmp_path / "again" / "audio").mkdir(parents=True)
    (tmp_path / "again" / "audio" / "mine.wav").write_text("not yours")
    first = synthesise(tmp_path / "first", config)
    synthesise(tmp_path / "again", SynthConfig(num_scenes=4, seed=8, duration_seconds=1.0))
    assert synthesise(tmp_path / "again", config) == first
    assert files(tmp_path / "again") == sorted([*files(tmp_path / "first"), "audio/mine.wav"])
    for pair in first:
        ours, theirs = (picture(tmp_path / name / pair.video)[0] for name in ("first", "again"))
        assert difference(ours, theirs) < NEARLY_EQUAL
        ours, theirs = (sound(tmp_path / name / pair.audio) for name in ("first", "again"))
        np.testing.assert_array_equal(ours, theirs)


def test_an_offset_moves_the_sound_and_leaves_the_picture(tmp_path):
    kinds = ("drums", "face")
    plain, late = (SynthConfig(2, 3, 2.0, kinds=kinds, offset_seconds=seconds) for seconds in (0.0, 0.123))
    before, after = synthesise(tmp_path / "plain", plain), synthesise(tmp_path / "late", late)
    assert [row["offset_ms"] for row in truth(tmp_path / "late")] == ["123.0"] * 2
    for old, new in zip(before, after, strict=True):
        ours, theirs = picture(tmp_path / "plain" / old.video)[0], picture(tmp_path / "late" / new.video)[0]
        assert difference(ours, theirs) < NEARLY_EQUAL
        a, b = (np.fft.rfft(sound(tmp_path / n / p.audio), 2**17) for n, p in (("plain", old), ("late", new)))
        lag = np.fft.irfft(b * np.conj(a)).argmax()
        assert lag / RATE_HZ == pytest.approx(0.123, abs=0.001)


def test_offsets_may_differ_from_scene_to_scene(tmp_path):
    config = SynthConfig(6, 0, 1.0, kinds=("clock",), offset_seconds=-0.2, offset_jitter_seconds=0.1)
    offsets = [pair.offset_seconds for pair in synthesise(tmp_path, config)]
    assert len(set(offsets)) == 6
    assert all(-0.3 <= offset <= -0.1 for offset in offsets)


@pytest.mark.parametrize("offset_seconds", [0.0, 0.2, -0.16])
def test_the_files_themselves_are_apart_by_the_offset(tmp_path, offset_seconds):
    """Where the drum pads flash against where the drums sound, both at 200 Hz, whatever the codec."""
    config = SynthConfig(5, 2, 4.0, fps_choices=(Fraction(50),), kinds=("drums",), offset_seconds=offset_seconds)
    found = []
    for pair in synthesise(tmp_path, config):
        frames, pts_seconds = picture(tmp_path / pair.video)
        brighter = np.maximum(np.diff(frames.astype(np.int16), axis=0), 0).reshape(len(frames) - 1, -1)
        flash = np.sort(brighter, axis=1)[:, -300:].mean(axis=1)
        grid = np.arange(0, 3.8, 0.005)
        flashes = np.interp(grid, pts_seconds[1:], flash)
        clicks = np.abs(sound(tmp_path / pair.audio))[: 760 * 80].reshape(760, 80).max(axis=1)
        clicks = np.maximum(np.diff(np.log(clicks + 1e-3), prepend=0), 0)
        flashes, clicks = flashes - flashes.mean(), clicks - clicks.mean()
        lags = np.arange(-60, 61)
        found.append(lags[np.argmax([np.roll(clicks, -lag) @ flashes for lag in lags])] * 0.005)
    assert np.median(found) == pytest.approx(offset_seconds, abs=0.02)


def test_damage_makes_videos_smaller_and_recordings_lossy(tmp_path):
    clean = synthesise(tmp_path / "clean", SynthConfig(4, 1, 1.0))
    worn = synthesise(tmp_path / "worn", SynthConfig(4, 1, 1.0, damage=True))
    for old, new in zip(clean, worn, strict=True):
        small, large = ((tmp_path / n / p.video).stat().st_size for n, p in (("worn", new), ("clean", old)))
        assert small < 0.6 * large
        assert new.audio.endswith((".m4a", ".mp3", ".ogg"))


def test_progress_counts_files(tmp_path):
    calls = []
    config = SynthConfig(1, 0, 1.0, extra_audio=1)
    synthesise(tmp_path, config, progress=lambda _, done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("balls", "bells")}, "got bells"),
        ({"kinds": ()}, "got none"),
        ({"extra_audio": -1}, "negative"),
        ({"num_scenes": 0}, "at least one scene"),
        ({"duration_seconds": 0.5}, r"at least 1\.0 s"),
        ({"duration_seconds": float("nan")}, r"at least 1\.0 s"),
    ],
)
def test_a_config_says_what_is_wrong_with_it(options, message):
    with pytest.raises(UsageError, match=message):
        SynthConfig(**{"num_scenes": 3, **options})
