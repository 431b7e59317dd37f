"""Which streams of a file are used, by itself and when a person says so; and what is said of them."""

from fractions import Fraction

import av
import av.stream
import numpy as np
import pytest

from avmatch.analysis.features import Analyser
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.media.choice import StreamChoice, check_streams
from avmatch.media.decode import decode, read_audio
from avmatch.media.encode import write_audio
from avmatch.media.source import Reading
from ltc_sound import ltc_sound

RATE_HZ, SECONDS = 48_000, 3
NOISE = np.random.default_rng(0).normal(0.0, 0.1, SECONDS * RATE_HZ).astype(np.float32)
TONE = (0.5 * np.sin(np.arange(SECONDS * RATE_HZ) / 10)).astype(np.float32)
LTC = ltc_sound(0, SECONDS, fps=Fraction(25))


def write(path, pictures=((64, 48),), sounds=(TONE,), *, codec="pcm_s16le", titles=()):
    """A clip with still pictures of these sizes, and with sounds (C, S) or (S,)."""
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("libx264", rate=25) for _ in pictures]
        for stream, (width, height) in zip(videos, pictures, strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        layouts = {1: "mono", 2: "stereo", 4: "4.0"}
        sounds = [np.atleast_2d(sound) for sound in sounds]
        audios = [container.add_stream(codec, rate=RATE_HZ, layout=layouts[len(sound)]) for sound in sounds]
        for stream, title in zip(audios, titles, strict=False):
            stream.metadata["title"] = title
        for number in range(25 * SECONDS):
            for stream, (width, height) in zip(videos, pictures, strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 9 + number, np.uint8), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in videos:
            container.mux(stream.encode(None))
        for stream, sound in zip(audios, sounds, strict=True):
            packed = np.ascontiguousarray(np.round(sound.T * 32767).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(packed, "s16", layouts[len(sound)])
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
            resampled = av.AudioResampler(stream.format, stream.layout, RATE_HZ).resample(frame)
            container.mux([packet for part in resampled for packet in stream.encode(part)])
            container.mux(stream.encode(None))
    return path


def used(path, **choice):
    """What is said to have been used, the picture's shape, and the sound."""
    reading = Reading()
    blocks = list(decode(path, choice=StreamChoice(**choice), reading=reading))
    shape = next(block.data.shape[1:] for block in blocks if isinstance(block, VideoFrames))
    sound = np.concatenate([block.data for block in blocks if isinstance(block, AudioSamples)], axis=1)
    return reading.used, shape, sound[0]


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Two pictures, and three sounds: noise, a tone beside a faster one, a tone."""
    folder = tmp_path_factory.mktemp("take")
    sounds = (NOISE, np.stack([TONE, TONE[::2].repeat(2)]), TONE / 4)
    return write(folder / "take.mov", ((64, 48), (128, 96)), sounds, titles=("Boom", "Lav", "Plant"))


def test_where_there_was_a_choice_it_is_said(take, tmp_path):
    said, shape, _ = used(take)
    assert said == {"video": "video stream 0 of 0, 1", "audio": "audio stream 2 of 2, 3, 4"}
    assert shape == (48, 64)
    said, _, _ = used(write(tmp_path / "plain.mov"))
    assert said == {"video": "", "audio": ""}


def test_a_person_may_say_otherwise(take):
    said, shape, sound = used(take, video=1, audio=4)
    assert said == {"video": "video stream 1 of 0, 1", "audio": "audio stream 4 of 2, 3, 4"}
    assert shape == (96, 128)
    assert np.abs(sound).max() == pytest.approx(0.125, abs=0.01)
    said, _, sound = used(take, audio=3, channel=1)
    assert said["audio"] == "audio stream 3 of 2, 3, 4, channel 1 of 2"
    alone = TONE[::3]
    assert sound[1000:40_000] == pytest.approx(alone[1000:40_000], abs=0.01)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"video": 2},
            r"take.mov: stream 2 is no video that can be decoded; it has 0: video h264, 64×48.*; 1: video h2",
        ),
        ({"video": 9}, r"stream 9 is no video that can be decoded; it has 0: video h264"),
        ({"audio": 0}, r"stream 0 is no audio.* 2: audio pcm_s16le, 1 channel, .*Boom; 3: audio pcm_s16le, 2 channels"),
        ({"audio": 2, "channel": 2}, r"take.mov: there is no channel 2; audio stream 2 has 1 channel$"),
        ({"audio": 3, "channel": 3}, r"take.mov: there is no channel 3; audio stream 3 has 2 channels$"),
        ({"video": -1}, "video streams are counted from 0 on, got -1"),
        ({"channel": 0}, "channels are counted from 1 on, got 0"),
    ],
)
def test_a_wrong_number_says_what_there_is(take, choice, message):
    with pytest.raises(UsageError, match=message):
        used(take, **choice)
    with pytest.raises(UsageError, match=message):
        check_streams([str(take)], StreamChoice(**choice))


def test_numbers_are_checked_before_anything_is_measured_and_broken_files_are_passed_over(take, tmp_path):
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"nothing")
    check_streams([str(broken), str(take)], StreamChoice(video=1, audio=3, channel=2))
    check_streams([str(take)], StreamChoice(video=7), video=False)
    check_streams([str(take)], StreamChoice(audio=7, channel=9), audio=False)


BEATS = (TONE * (np.arange(len(TONE)) // 6000 % 4 == 0)).astype(np.float32)
HUM = (0.4 * np.sign(np.sin(2 * np.pi * 60 / RATE_HZ * np.arange(len(TONE))))).astype(np.float32)


@pytest.mark.parametrize(
    "first",
    [LTC, np.stack([LTC, -LTC]), TONE * 0, NOISE * np.float32(0.002), NOISE, HUM, TONE],
    ids=["timecode", "timecode twice", "silence", "noise of an input", "noise", "hum", "tone"],
)
def test_a_track_with_nothing_to_hear_is_passed_over(tmp_path, first):
    path = write(tmp_path / "take.mov", sounds=(first, BEATS))
    said, _, sound = used(path)
    assert said["audio"] == "audio stream 2 of 1, 2"
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.02)


def test_a_track_with_something_to_hear_is_not(tmp_path):
    path = write(tmp_path / "take.mov", sounds=(BEATS / 8 + NOISE / 30, BEATS))
    assert used(path)[0]["audio"] == "audio stream 1 of 1, 2"


@pytest.mark.parametrize(("sound", "number"), [(NOISE, 2), (TONE * 0, 1)])
def test_a_commentary_is_taken_only_where_nothing_else_is_to_be_heard(tmp_path, sound, number):
    path = write(tmp_path / "film.mkv", sounds=(BEATS, sound))
    with av.open(str(path)) as original, av.open(str(tmp_path / "marked.mkv"), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in original.streams]
        copies[1].disposition = av.stream.Disposition.comment
        for packet in original.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert used(tmp_path / "marked.mkv")[0]["audio"] == f"audio stream {number} of 1, 2"


@pytest.mark.parametrize("every", [1000, 25], ids=["one picture", "one a second"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_a_cover_or_a_slate_is_no_film_whatever_its_flag_and_size(tmp_path, every, suffix):
    path = tmp_path / f"film{suffix}"
    with av.open(str(path), "w") as container:
        cover, picture = container.add_stream("mjpeg", rate=25), container.add_stream("libx264", rate=25)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        cover.disposition, picture.disposition = av.stream.Disposition.default, av.stream.Disposition(0)
        for number in range(25 * SECONDS):
            for stream, wanted in ((cover, number % every == 0), (picture, True)):
                if wanted:
                    shape = (stream.height, stream.width, 3)
                    frame = av.VideoFrame.from_ndarray(np.full(shape, 9 + number, np.uint8), "rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in (cover, picture):
            container.mux(stream.encode(None))
    block = next(decode(path))
    assert block.data.shape[1:] == (48, 64)


def test_timecode_is_taken_where_there_is_nothing_else(tmp_path):
    path = write(tmp_path / "take.mov", sounds=(LTC, LTC))
    assert used(path)[0]["audio"] == "audio stream 1 of 1, 2, timecode alone"


def test_timecode_that_went_through_a_lossy_codec_is_recognised(tmp_path):
    path = write(tmp_path / "take.mp4", sounds=(np.stack([LTC, TONE]),), codec="aac")
    assert used(path)[0]["audio"] == "channel 2 of 2 (1 carries timecode)"


@pytest.mark.parametrize("peak", [1e-5, 1e-7, 1e-12])
def test_a_float_sound_that_is_very_quiet_is_read(tmp_path, peak):
    path = tmp_path / "quiet.wav"
    write_float(path, TONE / 0.5 * np.float32(peak))
    assert np.abs(read_audio(path).data).max() == pytest.approx(0.1, rel=0.02)


def write_float(path, samples):
    """A WAV of 32-bit floating-point numbers."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE_HZ, layout="mono")
        for begin in range(0, len(samples), 4096):
            frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 4096].astype(np.float32), "flt", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, begin, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_float_sound_that_begins_quietly_is_left_as_it_is(tmp_path):
    samples = np.concatenate([TONE * np.float32(1e-4), TONE])
    write_float(tmp_path / "late.wav", samples)
    found = read_audio(tmp_path / "late.wav").data[0]
    assert np.abs(found).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(found[: RATE_HZ // 3]).max() == pytest.approx(5e-5, rel=0.1)


def test_digital_silence_stays_silence_and_whole_numbers_are_never_raised(tmp_path):
    write_float(tmp_path / "silence.wav", TONE * 0)
    assert not read_audio(tmp_path / "silence.wav").data.any()
    write_audio(tmp_path / "dither.wav", AudioSamples(np.sign(TONE)[None] / np.float32(32768), RATE_HZ))
    assert np.abs(read_audio(tmp_path / "dither.wav").data).max() < 1e-4
    assert read_audio(tmp_path / "silence.wav").duration_seconds == pytest.approx(SECONDS, abs=0.01)


def test_a_recording_of_timecode_alone_is_named_and_not_measured(tmp_path):
    write_audio(tmp_path / "tc.wav", AudioSamples(LTC[None], RATE_HZ))
    with pytest.raises(MediaError, match="its sound is timecode") as caught:
        Analyser().audio(str(tmp_path / "tc.wav"))
    assert caught.value.reason == "no_audio"
    clip = write(tmp_path / "take.mov", sounds=(LTC, LTC))
    assert Analyser().video_with_scratch(str(clip)).scratch is None
    assert Analyser().video(str(clip)).duration_seconds == pytest.approx(SECONDS, abs=0.05)
    half = write(tmp_path / "half.mov", sounds=(np.stack([LTC, NOISE]),))
    assert Analyser().video_with_scratch(str(half)).scratch is not None
