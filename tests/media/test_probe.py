"""What a file says about itself."""

import pytest

from avmatch.media.probe import codec_report, library_versions
from data.make_data import LATE_SECONDS
from probing import AudioStream, VideoStream, probe


def test_a_clip_with_picture_and_sound(media):
    info = probe(media / "good.mp4")
    assert info.path == str(media / "good.mp4")
    assert info.duration_seconds == pytest.approx(4.0, abs=0.05)
    assert info.video == VideoStream("h264", 160, 120, 25.0, 0.0, info.video.duration_seconds)
    assert info.video.duration_seconds == pytest.approx(4.0, abs=0.01)
    assert info.audio == AudioStream("aac", 48000, 1, 0.0, info.audio.duration_seconds)
    assert info.audio.duration_seconds == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("name", ["silent_video.mp4", "one_frame.mp4"])
def test_a_clip_without_sound(media, name):
    assert probe(media / name).audio is None


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "num_channels"),
    [
        ("audio_only.mp4", "aac", 48000, 1),
        ("six_channels.wav", "pcm_s16le", 48000, 6),
        ("hz8000.wav", "pcm_s16le", 8000, 1),
        ("hz96000.wav", "pcm_s16le", 96000, 1),
        ("good.flac", "flac", 48000, 1),
        ("good.opus", "opus", 48000, 1),
    ],
)
def test_a_sound_alone(media, name, codec, rate_hz, num_channels):
    info = probe(media / name)
    assert info.video is None
    assert info.audio == AudioStream(
        codec, rate_hz, num_channels, info.audio.start_seconds, info.audio.duration_seconds
    )
    assert info.duration_seconds == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_streams_that_start_apart(media, suffix):
    info = probe(media / f"late_audio.{suffix}")
    assert info.audio.start_seconds - info.video.start_seconds == pytest.approx(LATE_SECONDS, abs=0.03)
    info = probe(media / f"late_picture.{suffix}")
    assert info.video.start_seconds - info.audio.start_seconds == pytest.approx(LATE_SECONDS, abs=0.03)


def test_what_this_ffmpeg_can_do():
    report = codec_report()
    needed = {"h264 decoding", "aac decoding", "opus decoding", "libx264 encoding", "aac encoding"}
    assert {name for name, has in report.items() if has} >= needed
    assert library_versions()["libavformat"].count(".") == 2
