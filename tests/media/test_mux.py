"""The picture is copied bit for bit, and the sound lands where it belongs."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import VideoFrames
from avmatch.media import copying
from avmatch.media.decode import decode, decode_sound, read_audio
from avmatch.media.encode import write_audio, write_clip
from avmatch.media.mux import mux
from data.make_data import DURATION_SECONDS, FPS, clicks, lateness_seconds, pictures
from probing import probe


def packets(path, kind="video", number=0):
    """(bytes, seconds, whether a key) of each packet of one stream."""
    with av.open(str(path)) as container:
        stream = container.streams.get({kind: number})[0]
        return [
            (bytes(packet), float(packet.pts * packet.time_base), packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


def same_packets(one, other):
    (data, times, keys), (other_data, other_times, other_keys) = zip(*one, strict=True), zip(*other, strict=True)
    assert data == other_data
    assert keys == other_keys
    assert times == pytest.approx(other_times, abs=0.0011)  # Matroska counts milliseconds


@pytest.mark.parametrize("offset_seconds", [-0.3, 0.0, 0.3, 0.0371])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("sound", ["good.wav", "good.mp3", "good.m4a"])
def test_the_click_lands_where_it_belongs(media, tmp_path, sound, suffix, offset_seconds):
    out = tmp_path / f"out.{suffix}"
    mux(media / "silent_video.mp4", media / sound, out, offset_seconds=offset_seconds)
    assert lateness_seconds(read_audio(out, sample_rate_hz=48000)) == pytest.approx(-offset_seconds, abs=0.001)
    same_packets(packets(media / "silent_video.mp4"), packets(out))
    info = probe(out)
    lossless = "alac" if suffix == "mp4" else "pcm_s16le"
    assert info.audio.codec == {"good.wav": lossless, "good.mp3": "mp3float", "good.m4a": "aac"}[sound]
    assert info.audio.sample_rate_hz == 48000


@pytest.mark.parametrize(
    ("video", "suffix"),
    [
        ("good.mp4", "mkv"),
        ("wrong_suffix.mp4", "mp4"),
        ("vfr.mkv", "mkv"),
        ("vfr.mkv", "mp4"),
        ("rotated.mp4", "mp4"),
        ("rotated.mp4", "mkv"),
        ("ten_bit.mp4", "mov"),
        ("static.mp4", "mp4"),
        ("late_picture.mp4", "mp4"),
        ("late_picture.mkv", "mkv"),
    ],
)
def test_every_picture_is_copied_with_its_times(media, tmp_path, video, suffix):
    out = tmp_path / f"out.{suffix}"
    mux(media / video, media / "good.wav", out, offset_seconds=0.0)
    assert [data for data, _, _ in packets(out)] == [data for data, _, _ in packets(media / video)]
    before, after = (list(decode(path, audio=False)) for path in (media / video, out))
    later = after[0].pts_seconds[0] - before[0].pts_seconds[0]
    assert 0 <= later < 0.03  # Matroska moves everything where the own sound's priming would come before zero
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        assert other.pts_seconds - later == pytest.approx(one.pts_seconds, abs=0.0011)
    assert lateness_seconds(read_audio(out)) - later == pytest.approx(0.0, abs=0.001)


def test_the_own_sound_is_kept_as_second_track(media, tmp_path):
    own, other, out = media / "good.mp4", tmp_path / "other.wav", tmp_path / "out.mp4"
    write_audio(other, clicks(44100, times_seconds=(1.0, 2.0)))
    mux(own, other, out, offset_seconds=0.0)
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "audio"]
        assert [stream.rate for stream in container.streams.audio] == [44100, 48000]
    same_packets(packets(own, "audio"), packets(out, "audio", 1))
    heard = read_audio(out)
    assert np.abs(heard.data[0, 15900:16300]).max() > 0.5
    assert np.abs(heard.data[0, 6000:15000]).max() < 0.1  # the own sound clicks here


@pytest.mark.parametrize(
    ("name", "rate_hz", "channels"),
    [("hz8000.wav", 8000, 1), ("hz96000.wav", 96000, 1), ("six_channels.wav", 48000, 6)],
)
def test_rate_and_channels_are_kept(media, tmp_path, name, rate_hz, channels):
    out = tmp_path / "out.mp4"
    mux(media / "silent_video.mp4", media / name, out, offset_seconds=-0.3)
    assert (probe(out).audio.sample_rate_hz, probe(out).audio.num_channels) == (rate_hz, channels)
    assert lateness_seconds(read_audio(out)) == pytest.approx(0.3, abs=0.001)


def test_all_channels_are_kept(media, tmp_path):
    mono = clicks()
    for num_channels, layout in ((8, "7.1"), (3, "3.0")):
        sound = tmp_path / f"{num_channels}.wav"
        packed = np.repeat(mono.data.T, num_channels, axis=1).reshape(1, -1)
        with av.open(str(sound), "w") as container:
            stream = container.add_stream("pcm_f32le", rate=48000, layout=layout)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.sample_rate = 48000
            container.mux(stream.encode(frame))
        mux(media / "silent_video.mp4", sound, tmp_path / "out.mp4", offset_seconds=-0.3)
        assert probe(tmp_path / "out.mp4").audio.num_channels == num_channels
        assert lateness_seconds(read_audio(tmp_path / "out.mp4")) == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize(
    ("suffix", "picture_codec", "sound_codec"), [("avi", "mpeg4", "pcm_s16le"), ("webm", "libvpx", "opus")]
)
def test_other_containers_take_other_sounds(media, tmp_path, suffix, picture_codec, sound_codec):
    film, out = tmp_path / f"film.{suffix}", tmp_path / f"out.{suffix}"
    with av.open(str(film), "w") as container:
        stream = container.add_stream(picture_codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(round(DURATION_SECONDS * FPS)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    mux(film, media / "good.wav", out, offset_seconds=-0.3)
    assert probe(out).audio.codec == sound_codec
    assert lateness_seconds(read_audio(out)) == pytest.approx(0.3, abs=0.001)
    assert next(decode(out, audio=False)).pts_seconds[0] == pytest.approx(0.0, abs=0.001)
    same_packets(packets(film), packets(out))


def test_the_sound_is_no_longer_than_the_picture(media, tmp_path):
    film, out = tmp_path / "film.mp4", tmp_path / "out.mp4"
    write_clip(film, pictures(2.0), fps=FPS)
    mux(film, media / "good.wav", out, offset_seconds=0.5)
    sounds = list(decode_sound(out))
    assert sum(block.duration_seconds for block in sounds) == pytest.approx(2.0, abs=0.03)
    mux(media / "silent_video.mp4", media / "short.mp4", out, offset_seconds=0.0)
    frames = [block for block in decode(out, audio=False) if isinstance(block, VideoFrames)]
    assert sum(map(len, frames)) == round(DURATION_SECONDS * FPS)


@pytest.mark.parametrize("original", ["film.mp4", "sound.m4a"])
def test_originals_are_never_overwritten(media, tmp_path, original):
    film, sound = tmp_path / "film.mp4", tmp_path / "sound.m4a"
    film.write_bytes((media / "good.mp4").read_bytes())
    sound.write_bytes((media / "good.m4a").read_bytes())
    before = (tmp_path / original).read_bytes()
    (tmp_path / "link.mp4").symlink_to(original)
    os.link(tmp_path / original, tmp_path / "hard.mp4")
    for name in (original, "link.mp4", "hard.mp4", f"../{tmp_path.name}/{original}"):
        with pytest.raises(UsageError, match="this would overwrite an original; choose another folder"):
            mux(film, sound, tmp_path / name, offset_seconds=0.0)
    assert (tmp_path / original).read_bytes() == before


@pytest.mark.parametrize(
    ("video", "audio", "out", "culprit", "reason", "words"),
    [
        ("audio_only.mp4", "good.wav", "out.mp4", "audio_only.mp4", "no_video", "there is no picture in it to copy"),
        ("good.mp4", "silent_video.mp4", "out.mp4", "silent_video.mp4", "no_audio", "there is no sound in it"),
        ("text.mp4", "good.wav", "out.mp4", "text.mp4", "unreadable", "not readable as audio or video"),
        ("good.mp4", "text.wav", "out.mp4", "text.wav", "unreadable", "not readable as audio or video"),
        ("good.mp4", "good.wav", "out.webm", "good.mp4", "unsupported", r"can't be muxed into \.webm .*; convert the"),
        (
            "good.mp4",
            "good.wav",
            "out.nothing",
            "good.mp4",
            "unsupported",
            r"can't be muxed into \.nothing .*; convert",
        ),
    ],
)
def test_what_cannot_be_muxed_is_told_and_leaves_nothing(media, tmp_path, video, audio, out, culprit, reason, words):
    with pytest.raises(MediaError, match=words) as caught:
        mux(media / video, media / audio, tmp_path / out, offset_seconds=0.0)
    assert caught.value.path == str(media / culprit)
    assert caught.value.reason == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_only_results_of_an_earlier_mux_are_replaced(media, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    arguments = (media / "silent_video.mp4", media / "good.wav", out)
    mux(*arguments, offset_seconds=0.0)
    before = out.read_bytes()
    mux(*arguments, offset_seconds=0.3)
    assert out.read_bytes() != before
    for content in ((media / "good.mp4").read_bytes(), b"not a video", b""):
        out.write_bytes(content)
        with pytest.raises(FileExistsError, match="exists already; move it, or name another place"):
            mux(*arguments, offset_seconds=0.0)
        assert out.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {out.name, ".avmatch-muxed"}


@pytest.mark.parametrize(
    "change",
    ["remuxed", "a byte", "renamed", "another's name", "its list is gone", "its list is cut off", "a link"],
)
def test_what_became_of_a_result_since_is_not_replaced(media, tmp_path, change):
    """`ffmpeg -c copy` keeps tags and packets, and is another's work all the same."""
    out = tmp_path / "out.mkv"
    arguments = (media / "silent_video.mp4", media / "good.wav")
    mux(*arguments, out, offset_seconds=0.0)
    if change == "remuxed":
        with av.open(str(out)) as source, av.open(str(tmp_path / "new.mkv"), "w") as target:
            target.metadata.update(source.metadata)
            copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
            for packet in source.demux():
                if packet.size:
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
        (tmp_path / "new.mkv").replace(out)
    elif change == "a byte":
        content = bytearray(out.read_bytes())
        content[-10] ^= 1
        out.write_bytes(content)
    elif change == "renamed":
        out = out.rename(tmp_path / "kept.mkv")
    elif change == "another's name":
        mux(*arguments, tmp_path / "other.mkv", offset_seconds=0.5)
        (tmp_path / "other.mkv").replace(out)
    elif change == "its list is gone":
        (tmp_path / ".avmatch-muxed").unlink()
    elif change == "its list is cut off":
        path = tmp_path / ".avmatch-muxed"
        path.write_bytes(path.read_bytes()[:20])
    else:
        out.rename(tmp_path / "real.mkv")
        out.symlink_to("real.mkv")
    before = out.read_bytes()
    with pytest.raises(FileExistsError, match="exists already; move it, or name another place"):
        mux(*arguments, out, offset_seconds=0.3)
    assert out.read_bytes() == before


def test_a_result_that_changes_while_it_is_replaced_is_kept(media, tmp_path, monkeypatch):
    out = tmp_path / "out.mkv"
    arguments = (media / "silent_video.mp4", media / "good.wav", out)
    mux(*arguments, offset_seconds=0.0)
    timed_packets = copying.timed_packets

    def packets_and_a_file(*given, **keywords):
        out.write_bytes(b"theirs")
        yield from timed_packets(*given, **keywords)

    monkeypatch.setattr("avmatch.media.copying.timed_packets", packets_and_a_file)
    with pytest.raises(FileExistsError, match="exists already"):
        mux(*arguments, offset_seconds=0.3)
    assert out.read_bytes() == b"theirs"


@pytest.mark.parametrize("before", [b"", b"x", b'["1a0c", "out.mkv', b'[1, 2, 3]\n{"a": 1}\n5\nnull\n\xff\xfe'])
def test_a_list_that_is_cut_off_or_none_is_gone_on_with(media, tmp_path, before):
    arguments = (media / "silent_video.mp4", media / "good.wav", tmp_path / "out.mkv")
    (tmp_path / ".avmatch-muxed").write_bytes(before)
    for offset_seconds in (0.0, 0.3):
        mux(*arguments, offset_seconds=offset_seconds)
    assert lateness_seconds(read_audio(tmp_path / "out.mkv")) == pytest.approx(-0.3, abs=0.001)


def test_a_folder_with_results_may_be_moved(media, tmp_path):
    arguments = (media / "silent_video.mp4", media / "good.wav")
    mux(*arguments, tmp_path / "first" / "out.mkv", offset_seconds=0.0)
    (tmp_path / "first").rename(tmp_path / "second")
    mux(*arguments, tmp_path / "second" / "out.mkv", offset_seconds=0.3)
    assert lateness_seconds(read_audio(tmp_path / "second" / "out.mkv")) == pytest.approx(-0.3, abs=0.001)


def test_a_link_that_leads_nowhere_is_not_replaced(media, tmp_path):
    out = tmp_path / "out.mp4"
    out.symlink_to(tmp_path / "away.mp4")
    with pytest.raises(FileExistsError, match="exists already"):
        mux(media / "silent_video.mp4", media / "good.wav", out, offset_seconds=0.0)
    assert out.is_symlink()
