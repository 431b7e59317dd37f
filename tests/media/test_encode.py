"""What is written has its times and its sound, and equal input gives equal bytes."""

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.media.decode import decode, read_audio
from avmatch.media.encode import AUDIO_CODECS, write_audio, write_clip
from data.make_data import FPS, clicks, lateness_seconds, pictures


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_equal_clips_have_equal_bytes(tmp_path, suffix):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    for path in (first, second):
        write_clip(path, pictures(1.0), fps=FPS, audio=clicks(16000, duration_seconds=1.0))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", AUDIO_CODECS)
def test_equal_sounds_have_equal_bytes(tmp_path, suffix):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    for path in (first, second):
        write_audio(path, clicks(16000, duration_seconds=1.0))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", sorted(set(AUDIO_CODECS) - {".aac"}))  # bare AAC can't say how long its priming is
def test_every_kind_of_sound_is_on_time(tmp_path, suffix):
    path = tmp_path / f"sound{suffix}"
    write_audio(path, clicks(16000))
    assert lateness_seconds(read_audio(path)) == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("num_channels", [1, 2, 6])
def test_channels_are_kept(tmp_path, num_channels):
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (num_channels, 4800)).astype(np.float32)
    write_audio(tmp_path / "sound.wav", AudioSamples(data, 48000))
    assert read_audio(tmp_path / "sound.wav", sample_rate_hz=48000).data[0] == pytest.approx(data.mean(0), abs=1e-4)


def test_frames_of_a_given_rate(tmp_path):
    write_clip(tmp_path / "clip.mp4", pictures(1.0), fps=29.97)
    times = np.concatenate([block.pts_seconds for block in decode(tmp_path / "clip.mp4") if type(block) is VideoFrames])
    assert times == pytest.approx(np.arange(25) * 1001 / 30000, abs=2e-5)


def test_no_frames_leave_no_file(tmp_path):
    with pytest.raises(UsageError, match="a clip needs at least one frame"):
        write_clip(tmp_path / "clip.mp4", [], fps=FPS)
    assert list(tmp_path.iterdir()) == []


def test_odd_sides_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"clip\.mp4: h264 needs even sides, got 15×16; crop or pad"):
        write_clip(tmp_path / "clip.mp4", [np.zeros((16, 15, 3), np.uint8)], fps=FPS)
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffixes_and_channels_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"unknown suffix; use one of \.wav, "):
        write_audio(tmp_path / "sound.mid", clicks())
    with pytest.raises(UsageError, match="can write 1, 2 or 6 channels, got 3"):
        write_audio(tmp_path / "sound.wav", AudioSamples(np.zeros((3, 100), np.float32), 16000))
    assert list(tmp_path.iterdir()) == []
