"""Copies lose nothing that their container can hold, and say what it can't."""

import struct
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.media.decode import decode_sound
from avmatch.media.mux import mux
from avmatch.media.repair import repair
from data.make_data import FPS, pictures
from shared_files import SHARED

CASES = SHARED / "cases"
TRIMMED, IPHONE = CASES / "07_trimmed_by_edit_list.mp4", CASES / "08_iphone_hvc1_metadata.mov"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="no folder shared/cases")
NAMES = ["MixL", "Boom", "Lav Anna & Ben", "Plant"]


def poly_wav(path, *, seconds=4, num_channels=4):
    """24-bit noise of several named channels; returns its samples as stored, a row a sample."""
    values = np.random.default_rng(0).integers(0, 256, (48_000 * seconds, 3 * num_channels), dtype=np.uint8)
    tracks = "".join(
        f"<TRACK><CHANNEL_INDEX>{number}</CHANNEL_INDEX><INTERLEAVE_INDEX>{number}</INTERLEAVE_INDEX>"
        f"<NAME>{name.replace('&', '&amp;')}</NAME></TRACK>"
        for number, name in enumerate(NAMES[:num_channels], start=1)
    )
    kind = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHH", 0xFFFE, num_channels, 48_000, 144_000 * num_channels, 3 * num_channels, 24)
    form += struct.pack("<HHI", 22, 24, 0) + kind
    chunks = {b"fmt ": form, b"iXML": f"<BWFXML><TRACK_LIST>{tracks} </TRACK_LIST></BWFXML>".encode()}
    chunks[b"data"] = values.tobytes()
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in chunks.items()
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    return values


def film(path, codec="libx264", *, sounds=("pcm_s16le",), options=None, tags=None, **metadata):
    """A clip with tags; `metadata` is that of the picture."""
    with av.open(str(path), "w", container_options=options or {}) as container:
        container.metadata.update(tags or {})
        picture = container.add_stream(codec, rate=FPS)
        picture.width, picture.height = 160, 120
        picture.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        picture.metadata.update(metadata)
        streams = [container.add_stream(name, rate=48_000, layout="mono") for name in sounds]
        for number, stream in enumerate(streams):
            stream.metadata["language"] = ("ita", "fra")[number % 2]
        for number, pixels in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for stream in streams:
            for begin in range(0, 4 * 48_000, 1024):
                frame = av.AudioFrame.from_ndarray(np.full((1, 1024), begin % 999, np.int16), "s16", "mono")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, begin, Fraction(1, 48_000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def content(path, stream):
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(container.streams[stream]) if packet.size)


def num_shown(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def stored_rows(path, width):
    """What the first sound of a file is made of."""
    with av.open(str(path)) as container:
        data = b"".join(bytes(packet) for packet in container.demux(audio=0) if packet.size)
    return np.frombuffer(data, np.uint8).reshape(-1, width)


@needs_cases
@pytest.mark.parametrize("how", ["fix", "mux"])
@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_phones_clip_keeps_its_tags(tmp_path, how, suffix):
    sound, out = tmp_path / "sound.wav", tmp_path / f"out{suffix}"
    poly_wav(sound)
    if how == "fix":
        assert repair(IPHONE, out, offset_seconds=0.3).notes == ()
    else:
        mux(IPHONE, sound, out, offset_seconds=0.1)
    with av.open(str(IPHONE)) as before, av.open(str(out)) as after:
        for key in ("com.apple.quicktime.make", "com.apple.quicktime.location.ISO6709", "timecode"):
            assert after.metadata[key] == before.metadata[key]
        (own,), (new,) = before.streams.video, after.streams.video
        assert new.codec_context.codec_tag == "hvc1"
        assert new.average_rate == own.average_rate
        for name in ("color_primaries", "color_trc", "colorspace", "color_range", "profile", "pix_fmt"):
            assert getattr(new.codec_context, name) == getattr(own.codec_context, name), name
        assert new.metadata["timecode"] == "01:02:03:04"
        assert after.streams.data[0].metadata["timecode"] == "01:02:03:04"
        assert next(after.decode(video=0)).rotation == next(before.decode(video=0)).rotation == 90
    assert content(out, 0) == content(IPHONE, 0)


@needs_cases
def test_what_a_container_can_not_hold_is_named(tmp_path):
    notes = repair(IPHONE, tmp_path / "out.mkv", offset_seconds=0.3).notes
    assert notes == ("the timecode track becomes a tag: .mkv has none",)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.metadata["COM.APPLE.QUICKTIME.MAKE"] == "Apple"
        assert container.streams.video[0].metadata["TIMECODE"] == "01:02:03:04"


@needs_cases
@pytest.mark.parametrize("offset_seconds", [0.5, -0.5])
def test_what_an_edit_list_hides_stays_hidden(tmp_path, offset_seconds):
    out = tmp_path / "out.mp4"
    repair(TRIMMED, out, offset_seconds=offset_seconds)
    assert num_shown(out) == num_shown(TRIMMED)
    begin = next(decode_sound(out)).pts_seconds
    assert begin == pytest.approx(max(0.0, -offset_seconds), abs=0.022)
    with pytest.raises(MediaError, match=r"an edit list hides a part of it; \.mkv can't: name the copy \.mp4 or \.mov"):
        repair(TRIMMED, tmp_path / "out.mkv", offset_seconds=offset_seconds)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def cut(path, begin_seconds, lasting_seconds):
    """Let the edit lists of a small MP4 show a part of each track."""
    data = bytearray(path.read_bytes())
    place, timescales = 0, iter((90_000, 48_000))
    while (place := data.find(b"elst", place) + 4) > 4:
        number = struct.unpack(">I", data[place + 4 : place + 8])[0]
        last = place + 8 + 12 * (number - 1)
        media = struct.unpack(">i", data[last + 4 : last + 8])[0] + round(begin_seconds * next(timescales))
        data[last : last + 8] = struct.pack(">Ii", round(lasting_seconds * 1000), media)
    path.write_bytes(data)


@pytest.mark.parametrize(("begin_seconds", "lasting_seconds"), [(0.0, 1.5), (0.72, 1.1), (0.7, 1.04)])
def test_a_hidden_end_stays_hidden(media, tmp_path, begin_seconds, lasting_seconds):
    trimmed, out = tmp_path / "trimmed.mp4", tmp_path / "out.mp4"
    trimmed.write_bytes((media / "good.mp4").read_bytes())
    cut(trimmed, begin_seconds, lasting_seconds)
    assert 25 < num_shown(trimmed) < 45
    for how in ("fix", "mux"):
        out.unlink(missing_ok=True)
        if how == "fix":
            repair(trimmed, out, offset_seconds=-0.2)
        else:
            mux(trimmed, media / "good.wav", out, offset_seconds=0.0)
        assert num_shown(out) == num_shown(trimmed)


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".avi"])
def test_the_recorders_samples_are_the_same_to_the_bit(tmp_path, suffix):
    """0.25 s are cut in front, or 0.25 s of silence come first."""
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    rows, sound = poly_wav(tmp_path / "sound.wav"), tmp_path / "sound.wav"
    video = film(tmp_path / f"film{suffix}", codec, tags={"comment": "ours"})
    for offset_seconds in (0.25, -0.25):
        out = tmp_path / f"out{offset_seconds}{suffix}"
        assert mux(video, sound, out, offset_seconds=offset_seconds) == ()
        stored = stored_rows(out, 12)
        num = 12_000
        if offset_seconds > 0:
            np.testing.assert_array_equal(stored, rows[num:])
        else:
            assert not stored[:num].any()
            np.testing.assert_array_equal(stored[num:], rows[: 4 * 48_000 - num])
        with av.open(str(out)) as container:
            first, own = container.streams.audio
            assert (first.codec_context.name, first.codec_context.layout.nb_channels) == ("pcm_s24le", 4)
            names = ", ".join(NAMES)
            assert names in (first.metadata.get("title"), first.metadata.get("name"))
            assert own.codec_context.name == "pcm_s16le"
            assert any(value == "ours" for value in container.metadata.values())
        assert content(out, 2) == content(video, 1)


def test_in_mp4_the_sound_is_lossless_and_said_so(tmp_path):
    rows, sound = poly_wav(tmp_path / "sound.wav"), tmp_path / "sound.wav"
    video, out = film(tmp_path / "film.mp4", sounds=("aac",)), tmp_path / "out.mp4"
    notes = mux(video, sound, out, offset_seconds=0.0)
    assert notes == ("the sound is encoded as alac without loss: .mp4 can't hold pcm_s24le",)
    data = np.concatenate([block.data for block in decode_sound(out, 1)], axis=1)
    signed = rows.reshape(-1, 4, 3).astype(np.int32)
    values = (signed[..., 0] | signed[..., 1] << 8 | signed[..., 2] << 16) << 8 >> 8
    np.testing.assert_array_equal(data.T * 2**23, values[: data.shape[1]])
    assert data.shape[1] == 4 * 48_000


@pytest.mark.parametrize(
    ("wanted", "suffix", "codec", "note"),
    [
        ("aac", ".mov", "aac", "the sound is encoded as aac at 512 kbit/s: as asked for"),
        ("flac", ".mkv", "flac", "the sound is encoded as flac without loss: as asked for"),
        ("opus", ".mkv", "opus", "the sound is encoded as opus at 512 kbit/s: as asked for"),
        ("copy", ".mov", "pcm_s24le", ""),
        ("pcm", ".mkv", "pcm_s24le", ""),
    ],
)
def test_a_codec_can_be_asked_for(tmp_path, wanted, suffix, codec, note):
    poly_wav(tmp_path / "sound.wav")
    out = tmp_path / f"out{suffix}"
    video = film(tmp_path / f"film{suffix}")
    assert "; ".join(mux(video, tmp_path / "sound.wav", out, offset_seconds=0.1, audio_codec=wanted)) == note
    with av.open(str(out)) as container:
        context = container.streams.audio[0].codec_context
        assert (context.codec.canonical_name, context.layout.nb_channels) == (codec, 4)


def test_what_can_not_be_had_is_refused(tmp_path):
    poly_wav(tmp_path / "sound.wav")
    video, out = film(tmp_path / "film.mp4", sounds=("aac",)), tmp_path / "out.mp4"
    with pytest.raises(MediaError, match=r"its sound can't be copied: \.mp4 can't hold pcm_s24le; leave out"):
        mux(video, tmp_path / "sound.wav", out, offset_seconds=0.0, audio_codec="copy")
    with pytest.raises(UsageError, match="no audio codec 'mp4'; there are auto, copy, pcm"):
        mux(video, tmp_path / "sound.wav", out, offset_seconds=0.0, audio_codec="mp4")
    assert not out.exists()


@pytest.mark.parametrize("profile", [("proxy", "apco"), ("lt", "apcs"), ("hq", "apch"), ("standard", "apcn")])
def test_prores_keeps_its_kind_and_its_tracks(tmp_path, profile):
    name, tag = profile
    tags = {"com.apple.quicktime.model": "X", "creation_time": "2024-05-06T07:08:09.000000Z"}
    video = tmp_path / "film.mov"
    options = {"movflags": "use_metadata_tags"}
    film(video, "prores_ks", sounds=("pcm_s16le",) * 2, options=options, tags=tags, timecode="10:00:00:00")
    rewritten = tmp_path / "named.mov"
    with av.open(str(video)) as source, av.open(str(rewritten), "w", container_options=options) as target:
        target.metadata.update(source.metadata)
        copies = {}
        for stream in source.streams:
            if stream.type != "data":
                copies[stream.index] = copy = target.add_stream_from_template(stream, opaque=True)
                copy.metadata.update(stream.metadata)
        copies[0].codec_context.codec_tag, copies[0].codec_context.framerate = tag, FPS
        for packet in source.demux([stream for stream in source.streams if stream.type != "data"]):
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert repair(rewritten, tmp_path / "out.mov", offset_seconds=0.2).notes == (), name
    with av.open(str(tmp_path / "out.mov")) as after:
        assert after.streams.video[0].codec_context.codec_tag == tag
        assert [stream.codec_context.name for stream in after.streams.audio] == ["pcm_s16le"] * 2
        assert [stream.metadata.get("language") for stream in after.streams.audio] == ["ita", "fra"]
        assert after.metadata["com.apple.quicktime.model"] == "X"
        assert after.metadata["creation_time"] == tags["creation_time"]
        assert after.streams.data[0].metadata["timecode"] == "10:00:00:00"


def test_a_language_keeps_its_name_in_quicktimes_list(tmp_path):
    video = film(tmp_path / "film.mkv", sounds=("pcm_s16le",))
    german = tmp_path / "german.mkv"
    with av.open(str(video)) as source, av.open(str(german), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        copies[1].metadata.update({"language": "deu", "title": "Boom"})
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert repair(german, tmp_path / "out.mov", offset_seconds=0.1).notes == ()
    with av.open(str(tmp_path / "out.mov")) as container:
        (sound,) = container.streams.audio
        assert (sound.metadata["language"], sound.metadata["name"]) == ("ger", "Boom")


def test_a_full_disk_leaves_nothing(media, tmp_path):
    """The process may write files of 16 kB only."""
    code = (
        "import resource, signal, sys, pathlib\n"
        "from avmatch.media.repair import repair\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))\n"
        "repair(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), offset_seconds=0.1)\n"
    )
    before = (media / "good.mp4").read_bytes()
    out = tmp_path / "out.mp4"
    run = subprocess.run([sys.executable, "-c", code, media / "good.mp4", out], capture_output=True, text=True)
    assert f"OSError: [Errno 27] File too large: '{out}'" in run.stderr
    assert list(tmp_path.iterdir()) == []
    assert (media / "good.mp4").read_bytes() == before


def test_attachments_and_chapters_are_kept_or_named(media, tmp_path):
    video = tmp_path / "film.mkv"
    with av.open(str(media / "good.mp4")) as source, av.open(str(video), "w") as target:
        target.metadata.update({"LOCATION": "+52.5+013.4/", "title": "Take"})
        target.set_chapters([{"id": 1, "start": 0, "end": 2, "time_base": Fraction(1), "metadata": {"title": "One"}}])
        copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        target.add_attachment("notes.txt", "text/plain", b"of the day")
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert repair(video, tmp_path / "same.mkv", offset_seconds=0.1).notes == ()
    with av.open(str(tmp_path / "same.mkv")) as container:
        assert container.streams.attachments[0].data == b"of the day"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One"]
    notes = repair(video, tmp_path / "out.mp4", offset_seconds=0.1).notes
    assert notes == ("attachment stream 2 is left out: it can't be copied into .mp4",)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["location"] == "+52.5000+013.4000/"
        assert len(container.chapters()) == 1
    again = repair(tmp_path / "out.mp4", tmp_path / "again.mp4", offset_seconds=0.1).notes
    assert again == ()


@pytest.mark.parametrize(
    ("suffix", "note"), [(".mkv", ""), (".ts", "video stream 0 is turned by 0 degrees, no longer by -90")]
)
def test_which_side_is_up_is_kept_or_named(media, tmp_path, suffix, note):
    out = tmp_path / f"out{suffix}"
    notes = [said for said in repair(media / "rotated.mp4", out, offset_seconds=0.1).notes if "turned" in said]
    assert notes == ([note] if note else [])
    with av.open(str(out)) as container:
        assert next(container.decode(video=0)).rotation == (0 if note else -90)


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv", ".ts"])
def test_the_shape_of_pixels_is_kept_or_named(tmp_path, suffix):
    """The container has it, and the codec doesn't."""
    video = tmp_path / "film.mov"
    with av.open(str(film(tmp_path / "plain.mkv", sounds=("aac",)))) as source, av.open(str(video), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        copies[0].codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    notes = repair(video, tmp_path / f"out{suffix}", offset_seconds=0.1).notes
    with av.open(str(video)) as before, av.open(str(tmp_path / f"out{suffix}")) as after:
        shapes = [container.streams.video[0].sample_aspect_ratio for container in (before, after)]
    assert shapes == [Fraction(4, 3), Fraction(4, 3) if suffix in (".mov", ".mp4") else None]
    wanted = [] if shapes[1] else ["video stream 0 has pixels of the shape 1, no longer 4/3"]
    assert [said for said in notes if "pixels" in said] == wanted
