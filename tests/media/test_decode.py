"""Frames and samples come with true times, upright, mono, and in small blocks, whatever the file is like."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples, ColourFrames, VideoFrames
from avmatch.media.decode import decode, decode_colour, decode_sound, read_audio
from avmatch.media.encode import write_audio, write_clip
from avmatch.media.sinks import BLOCK_FRAMES
from data.make_data import (
    CLICKS_SECONDS,
    DURATION_SECONDS,
    FPS,
    HEIGHT_PX,
    LATE_SECONDS,
    VFR_SECONDS,
    WIDTH_PX,
    clicks,
    lateness_seconds,
    picture,
    pictures,
    turned,
)

SCENE_TIMES = np.arange(round(DURATION_SECONDS * FPS)) / FPS


def read_frames(path, **options):
    blocks = [block for block in decode(path, audio=False, **options) if isinstance(block, VideoFrames)]
    return VideoFrames(
        np.concatenate([block.data for block in blocks]), np.concatenate([block.pts_seconds for block in blocks])
    )


def luma(times_seconds):
    """What BT.601 makes of the scene at these times."""
    rgb = np.stack([picture(float(time)) for time in times_seconds])
    return 16 + rgb @ np.array([65.738, 129.057, 25.064]) / 256


def write_pcm(path, codec, frames, rate_hz=16000):
    """Frames as (pts in samples, packed samples of one channel) → a file with that codec."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        for pts, samples in frames:
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], stream.codec_context.format.name, "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, pts, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


# Time


@pytest.mark.parametrize(
    "name",
    [
        *(f"good.{suffix}" for suffix in ("wav", "flac", "mp3", "m4a", "ogg", "opus", "mp4")),
        *("audio_only.mp4", "wrong_suffix.mp4", "vfr.mkv", "hz8000.wav", "hz96000.wav", "six_channels.wav"),
    ],
)
def test_clicks_are_heard_when_they_were_made(media, name):
    sound = read_audio(media / name)
    assert lateness_seconds(sound) == pytest.approx(0.0, abs=0.001)
    assert sound.pts_seconds + sound.duration_seconds == pytest.approx(DURATION_SECONDS, abs=0.03)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("suffix", ["m4a", "mp4", "mov", "mkv"])
def test_priming_of_aac_is_no_delay(tmp_path, suffix, rate_hz):
    path = tmp_path / f"clip.{suffix}"
    if suffix == "m4a":
        write_audio(path, clicks(rate_hz))
    else:
        write_clip(path, pictures(), fps=FPS, audio=clicks(rate_hz))
    assert lateness_seconds(read_audio(path)) == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_streams_that_start_apart_keep_their_distance(media, suffix):
    late_sound = media / f"late_audio.{suffix}"
    assert lateness_seconds(read_audio(late_sound)) == pytest.approx(LATE_SECONDS, abs=0.002)
    assert read_frames(late_sound).pts_seconds[0] == pytest.approx(0.0, abs=0.001)
    late_picture = media / f"late_picture.{suffix}"
    assert lateness_seconds(read_audio(late_picture)) == pytest.approx(0.0, abs=0.002)
    assert read_frames(late_picture).pts_seconds == pytest.approx(SCENE_TIMES + LATE_SECONDS, abs=0.001)


def test_a_broadcast_clock_is_hidden(media, tmp_path):
    """A transport stream begins at any time, here at about 10 s, and players show it from zero on."""
    path = tmp_path / "clip.ts"
    with av.open(str(media / "good.mp4")) as source, av.open(str(path), "w") as target:
        copies = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is not None:
                late = round(10 / packet.time_base)
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    with av.open(str(path)) as container:
        assert container.start_time > 9 * av.time_base
    frames, sound = read_frames(path), read_audio(path)
    assert frames.pts_seconds[0] < 0.1
    assert lateness_seconds(sound) - frames.pts_seconds[0] == pytest.approx(0.0, abs=0.002)


def test_frames_are_shown_at_their_own_times(media):
    frames = read_frames(media / "vfr.mkv")
    assert frames.pts_seconds == pytest.approx(np.array(VFR_SECONDS), abs=1e-6)
    assert np.abs(frames.data - luma(VFR_SECONDS)).mean() < 3
    steady = read_frames(media / "good.mp4")
    assert steady.pts_seconds == pytest.approx(SCENE_TIMES, abs=1e-6)


def test_of_frames_at_the_same_time_one_is_shown(tmp_path):
    path = tmp_path / "twice.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for number, shown in enumerate([0, 1, 1, 2]):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 60 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            (packet,) = stream.encode(frame)
            packet.pts = packet.dts = shown
            container.mux(packet)
    frames = read_frames(path)
    assert frames.pts_seconds == pytest.approx([0.0, 0.04, 0.08], abs=1e-6)
    assert frames.data.mean(axis=(1, 2)) == pytest.approx([0, 60, 180], abs=3)


def test_a_jump_ahead_that_cannot_be_meant_is_taken_out(tmp_path):
    path = tmp_path / "jump.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for number, shown in enumerate([0, 1, 1_000_000, 1_000_001, 1_000_251]):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 60 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            (packet,) = stream.encode(frame)
            packet.pts = packet.dts = shown
            container.mux(packet)
    assert read_frames(path).pts_seconds == pytest.approx([0.0, 0.04, 0.08, 0.12, 10.12], abs=1e-3)


def test_a_gap_in_the_sound_is_silence_in_small_blocks(tmp_path):
    path, tone = tmp_path / "gap.mkv", np.full(16000, 8000, np.int16)
    write_pcm(path, "pcm_s16le", [(0, tone), (16000 * 31, tone)])
    for blocks in (list(decode(path)), list(decode_sound(path))):
        assert max(block.duration_seconds for block in blocks) < 6
        data = np.concatenate([block.data for block in blocks], axis=1)[0]
        assert len(data) == pytest.approx(32 * 16000, abs=2)
        assert np.abs(data[16000 + 50 : 16000 * 31 - 50]).max() < 1e-3
        assert data[16000 * 31 + 50 :] == pytest.approx(8000 / 32768, abs=1e-3)


def test_sound_that_comes_twice_is_heard_once(tmp_path):
    ramp = np.arange(16000, dtype=np.int16)
    path = tmp_path / "twice.mkv"
    write_pcm(path, "pcm_s16le", [(0, ramp), (8000, ramp)])
    assert read_audio(path).duration_seconds == pytest.approx(1.5, abs=0.03)


# Sound


def test_of_six_channels_the_one_that_holds_something_is_heard(media):
    assert read_audio(media / "six_channels.wav", sample_rate_hz=48000).data == pytest.approx(clicks().data, abs=1e-3)


def test_a_channel_of_opposite_polarity_is_turned_over(tmp_path):
    tone = np.sin(np.arange(16000) / 5).astype(np.float32) / 2
    write_audio(tmp_path / "opposed.wav", AudioSamples(np.stack([tone, -tone]), 16000))
    assert read_audio(tmp_path / "opposed.wav").data[0] == pytest.approx(tone, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000, 96000])
def test_resampling_keeps_pitch_level_and_length(tmp_path, rate_hz):
    path, seconds = tmp_path / "tone.wav", np.arange(2 * rate_hz) / rate_hz
    write_audio(path, AudioSamples(np.sin(2 * np.pi * 440 * seconds)[np.newaxis].astype(np.float32) / 2, rate_hz))
    sound = read_audio(path)
    assert sound.sample_rate_hz == 16000
    assert sound.data.shape[1] == pytest.approx(32000, abs=2)
    middle = sound.data[0, 8000:24000]
    expected = np.sin(2 * np.pi * 440 * np.arange(8000, 24000) / 16000) / 2
    assert middle == pytest.approx(expected, abs=0.005)


def test_what_16_khz_cannot_hold_is_not_folded_back(tmp_path):
    seconds = np.arange(96000) / 96000
    high = np.sin(2 * np.pi * 15000 * seconds)[np.newaxis].astype(np.float32) / 2
    write_audio(tmp_path / "high.wav", AudioSamples(high, 96000))
    assert np.abs(read_audio(tmp_path / "high.wav").data[0, 800:-800]).max() < 0.005


@pytest.mark.parametrize(
    ("codec", "dtype", "scale", "tolerance"),
    [
        ("pcm_u8", np.uint8, 128, 1 / 100),
        ("pcm_s16le", np.int16, 2**15, 1e-4),
        ("pcm_s24le", np.int32, 2**31, 1e-6),
        ("pcm_s32le", np.int32, 2**31, 1e-6),
        ("pcm_f32le", np.float32, 1, 1e-6),
        ("pcm_f64le", np.float64, 1, 1e-6),
    ],
)
def test_every_sample_format_means_the_same(tmp_path, codec, dtype, scale, tolerance):
    wave = np.sin(np.arange(16000) / 30) / 2
    path = tmp_path / "wave.wav"
    write_pcm(path, codec, [(0, (wave * scale + (128 if dtype is np.uint8 else 0)).astype(dtype))])
    assert read_audio(path).data[0] == pytest.approx(wave, abs=tolerance)


def test_samples_of_64_bits(tmp_path):
    samples = (np.sin(np.arange(16000) / 30) / 2 * 2**63).astype("<i8").tobytes()
    shape = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 16000 * 8, 8, 64)
    data = b"data" + struct.pack("<I", len(samples)) + samples
    (tmp_path / "wave.wav").write_bytes(b"RIFF" + struct.pack("<I", 28 + len(data)) + b"WAVEfmt " + shape + data)
    assert read_audio(tmp_path / "wave.wav").data[0] == pytest.approx(np.sin(np.arange(16000) / 30) / 2, abs=1e-6)


def test_samples_that_are_no_numbers_are_silence(tmp_path):
    broken = np.array([0.5, np.nan, np.inf, -np.inf, 0.25], np.float32)
    write_pcm(tmp_path / "nan.wav", "pcm_f32le", [(0, broken)])
    assert read_audio(tmp_path / "nan.wav").data[0].tolist() == [0.5, 0.0, 0.0, 0.0, 0.25]


@pytest.mark.parametrize("layout", ["7.1", "hexadecagonal"])
def test_many_channels_in_planes_of_their_own(tmp_path, layout):
    """PyAV's own conversion to arrays reads wild memory here."""
    num_channels, path = av.AudioLayout(layout).nb_channels, tmp_path / "many.wv"
    wave = np.sin(np.arange(2048) / 30) / 2
    data = wave * np.linspace(0.1, 1, num_channels)[:, np.newaxis]
    frame = av.AudioFrame.from_ndarray((data.T.reshape(1, -1) * 2**15).astype(np.int16), "s16", layout)
    frame.sample_rate = 16000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("wavpack", rate=16000, layout=layout)
        stream.format = "s16p"
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert next(container.decode(audio=0)).format.is_planar
    assert np.concatenate([block.data for block in decode_sound(path)], axis=1) == pytest.approx(data, abs=1e-4)
    assert read_audio(path).data[0] == pytest.approx(wave * 0.55, abs=1e-4)


@pytest.mark.parametrize("rate_hz", [1, 2**31 - 1])
def test_an_absurd_sample_rate_is_damage(media, tmp_path, rate_hz):
    content = bytearray((media / "good.wav").read_bytes())
    content[24:28] = rate_hz.to_bytes(4, "little")
    del content[10000:]
    (tmp_path / "rate.wav").write_bytes(content)
    with pytest.raises(MediaError, match="nothing in it can be decoded"):
        read_audio(tmp_path / "rate.wav")


def test_sound_with_its_own_rate_and_channels(media):
    blocks = list(decode_sound(media / "six_channels.wav"))
    assert {(block.data.shape[0], block.sample_rate_hz) for block in blocks} == {(6, 48000)}
    data = np.concatenate([block.data for block in blocks], axis=1)
    assert data[2] == pytest.approx(clicks().data[0], abs=1e-4)
    assert not data[[0, 1, 3, 4, 5]].any()


# Picture


@pytest.mark.parametrize("name", ["good.mp4", "ten_bit.mp4"])
def test_a_rotated_film_is_upright(media, tmp_path, name):
    """A phone held upright stores the picture on its side, to be turned clockwise by 90 degrees."""
    path = tmp_path / name
    path.write_bytes(turned((media / name).read_bytes()))
    stored, upright = read_frames(media / name), read_frames(path)
    assert upright.data.shape[1:] == (WIDTH_PX, HEIGHT_PX)
    np.testing.assert_array_equal(upright.data, np.rot90(stored.data, -1, axes=(1, 2)))
    assert upright.data[0, :12, -12:].min() > 200


@pytest.mark.parametrize("name", ["good.mp4", "ten_bit.mp4"])
def test_frames_are_the_luma_of_the_scene(media, name):
    frames = read_frames(media / name)
    assert np.abs(frames.data - luma(frames.pts_seconds)).mean() < 3


@pytest.mark.parametrize(
    ("name", "max_side_px", "shape"),
    [
        ("good.mp4", 640, (120, 160)),
        ("good.mp4", 80, (60, 80)),
        ("good.mp4", 33, (25, 33)),
        ("rotated.mp4", 80, (80, 60)),
        ("ten_bit.mp4", 80, (60, 80)),
    ],
)
def test_frames_are_shrunk_and_never_enlarged(media, name, max_side_px, shape):
    frames = read_frames(media / name, max_side_px=max_side_px)
    assert frames.data.shape[1:] == shape
    assert frames.data[0].mean() == pytest.approx(read_frames(media / "good.mp4").data[0].mean(), abs=2)


def test_frames_of_a_format_that_cannot_be_converted_are_an_error_of_the_file(tmp_path):
    path = tmp_path / "float.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr4"
        frame = av.VideoFrame(16, 16, "bgr4")
        frame.pts, frame.time_base = 0, Fraction(1, FPS)
        container.mux(stream.encode(frame))
    with pytest.raises(MediaError, match=r"float\.nut: can't be converted .*; convert the file") as caught:
        read_frames(path)
    assert caught.value.reason == "unsupported"


# Blocks and streams


def test_blocks_are_small_and_follow_each_other(media):
    blocks = list(decode(media / "good.mp4"))
    frames = [block for block in blocks if isinstance(block, VideoFrames)]
    sounds = [block for block in blocks if isinstance(block, AudioSamples)]
    assert [len(block) for block in frames] == [BLOCK_FRAMES] * 3 + [100 - 3 * BLOCK_FRAMES]
    assert max(block.duration_seconds for block in sounds) < 1.2
    ends = [block.pts_seconds + block.duration_seconds for block in sounds]
    assert [block.pts_seconds for block in sounds] == pytest.approx([0.0, *ends[:-1]], abs=1e-6)
    assert [isinstance(block, VideoFrames) for block in blocks[:2]] != [True, True]  # as the file has them


@pytest.mark.parametrize(("video", "audio", "kinds"), [(True, False, {VideoFrames}), (False, True, {AudioSamples})])
def test_only_what_is_wanted_is_decoded(media, video, audio, kinds):
    assert {type(block) for block in decode(media / "good.mp4", video=video, audio=audio)} == kinds


@pytest.mark.parametrize(
    ("name", "wanted", "reason", "words"),
    [
        ("audio_only.mp4", {"audio": False}, "no_video", "there is no picture in it; check"),
        ("silent_video.mp4", {"video": False}, "no_audio", "there is no sound in it; check"),
        ("silent_video.mp4", {"video": False, "audio": False}, "no_audio", "there is no sound in it"),
    ],
)
def test_what_is_missing_is_told(media, name, wanted, reason, words):
    with pytest.raises(MediaError, match=words) as caught:
        list(decode(media / name, **wanted))
    assert (caught.value.reason, caught.value.stage) == (reason, "open")
    assert caught.value.path == str(media / name)


def test_a_cover_is_no_picture(tmp_path):
    path = tmp_path / "album.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video
    with pytest.raises(MediaError, match="no picture"):
        list(decode(path, audio=False))


def test_a_file_cut_off_gives_what_came_before(media):
    frames, sound = read_frames(media / "truncated.mkv"), read_audio(media / "truncated.mkv")
    assert 1 < len(frames) / FPS < 3
    assert np.abs(frames.data - luma(frames.pts_seconds)).mean() < 3
    assert 1 < sound.duration_seconds < 3
    first = AudioSamples(sound.data[:, : round((CLICKS_SECONDS[2] + 0.1) * 16000)], 16000, sound.pts_seconds)
    assert lateness_seconds(first) == pytest.approx(0.0, abs=0.001)


def test_threads_change_nothing(media):
    one, four = (read_frames(media / "good.mp4", num_threads=threads) for threads in (1, 4))
    np.testing.assert_array_equal(one.data, four.data)
    np.testing.assert_array_equal(one.pts_seconds, four.pts_seconds)


def test_the_smallest_clips(media):
    assert read_frames(media / "one_frame.mp4").data.shape == (1, HEIGHT_PX, WIDTH_PX)
    assert read_audio(media / "short.mp4").duration_seconds == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("name", ["good.mp4", "rotated.mp4"])
def test_colours_come_with_the_times_of_the_grey_frames(media, name):
    blocks = list(decode_colour(media / name))
    frames = [block for block in blocks if isinstance(block, ColourFrames)]
    colour, times = (np.concatenate([getattr(one, part) for one in frames]) for part in ("data", "pts_seconds"))
    grey = read_frames(media / name)
    np.testing.assert_array_equal(times, grey.pts_seconds)
    assert colour.shape == (*grey.data.shape, 3)
    assert sum(block.data.shape[1] for block in blocks if isinstance(block, AudioSamples)) > 60000
    wanted = np.stack([picture(time) for time in times]).astype(int)
    wanted = np.rot90(wanted, -1, (1, 2)) if name == "rotated.mp4" else wanted
    assert np.abs(colour - wanted).mean() < 6
    assert repr(frames[0]).startswith("ColourFrames(data: (")


@pytest.mark.parametrize("num_reordered", [0, 2])
def test_pictures_without_times_are_all_there(tmp_path, num_reordered):
    """H.264 in AVI: FFmpeg's own guesses lose half of them where they are reordered, and are a frame late elsewhere."""
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"bf": str(num_reordered)})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number, pixels in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = read_frames(path)
    late = frames.pts_seconds[0]
    np.testing.assert_allclose(frames.pts_seconds - late, SCENE_TIMES, atol=1e-6)
    assert late == pytest.approx(num_reordered / FPS, abs=1e-6)  # the file tells but when they are decoded
    np.testing.assert_allclose(frames.data.mean(axis=(1, 2)), luma(SCENE_TIMES).mean(axis=(1, 2)), atol=3)


def test_a_clock_that_starts_over_goes_on(tmp_path):
    """Parts of a recording that were joined byte by byte."""
    write_clip(tmp_path / "part.mp4", pictures(), fps=FPS, audio=clicks())
    with av.open(str(tmp_path / "part.mp4")) as source, av.open(str(tmp_path / "part.ts"), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    (tmp_path / "whole.ts").write_bytes((tmp_path / "part.ts").read_bytes() * 2)
    part, whole = read_frames(tmp_path / "part.ts"), read_frames(tmp_path / "whole.ts")
    num = len(part.pts_seconds)
    assert len(whole.pts_seconds) == 2 * num
    assert (np.diff(whole.pts_seconds) > 0).all()
    one, both = read_audio(tmp_path / "part.ts"), read_audio(tmp_path / "whole.ts")
    assert both.data.shape[1] == pytest.approx(2 * one.data.shape[1], abs=800)
    seen = [block for block in decode(tmp_path / "whole.ts") if isinstance(block, VideoFrames)]
    again = np.concatenate([block.pts_seconds for block in seen])[num:]
    loud = np.abs(both.data[0]) > 0.2
    first, second = (both.pts_seconds + begin + np.argmax(loud[round(begin * 16000) :]) / 16000 for begin in (0.0, 4.1))
    assert (second - again[0]) - (first - part.pts_seconds[0]) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize(("converter", "kind"), [("grey", "picture"), ("channels", "sound")])
def test_frames_that_cannot_be_converted_are_the_files_fault(media, monkeypatch, converter, kind):
    def odd(*_):
        raise ValueError("buffer is smaller than requested size")

    monkeypatch.setattr(f"avmatch.media.sinks.{converter}", odd)
    with pytest.raises(MediaError, match=r"good.mp4: can't be converted \(ValueError: buffer is smaller") as caught:
        list(decode(media / "good.mp4", video=kind == "picture", audio=kind == "sound"))
    assert caught.value.reason == "unsupported"


@pytest.mark.parametrize("missing", ["picture", "sound"])
def test_a_long_gap_is_real_if_the_other_stream_ran_on(tmp_path, missing):
    """620 s without one of the two."""
    path = tmp_path / "gap.mkv"
    seconds = [0, 1, *range(622, 625)]
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=1)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=1000, layout="mono")
        for second in range(625):
            if missing == "sound" or second in seconds:
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), second % 256, np.uint8), "rgb24")
                frame.pts, frame.time_base = second, Fraction(1)
                container.mux(picture.encode(frame))
            if missing == "picture" or second in seconds:
                packet = av.Packet(np.full(1000, 1000, np.int16).tobytes())
                packet.stream, packet.time_base = sound, Fraction(1, 1000)
                packet.pts = packet.dts = 1000 * second
                packet.duration = 1000
                container.mux(packet)
        container.mux(picture.encode(None))
    blocks = list(decode(path, sample_rate_hz=1000))
    frames = [block for block in blocks if isinstance(block, VideoFrames)]
    sounds = [block for block in blocks if isinstance(block, AudioSamples)]
    times = np.concatenate([block.pts_seconds for block in frames])
    assert times[-1] == pytest.approx(624.0, abs=0.01)
    assert sum(block.duration_seconds for block in sounds) == pytest.approx(625.0, abs=0.1)
    alone = [block for block in decode(path, audio=False) if isinstance(block, VideoFrames)]
    assert alone[-1].pts_seconds[-1] == pytest.approx(624.0, abs=0.01)
    assert read_audio(path, sample_rate_hz=1000).duration_seconds == pytest.approx(625.0, abs=0.1)
