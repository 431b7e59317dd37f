"""What lies beside picture and sound in a copy: subtitles, cameras' data, and channels that one track can't hold."""

import shutil
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from av.subtitles.subtitle import SubtitleSet

from avmatch.media.decode import decode_sound
from avmatch.media.mux import mux
from avmatch.media.repair import repair
from media.test_copies import film, poly_wav

LINES = {500: "Hello {\\i1}you{\\i0}", 2000: "Zwei Zeilen\\Nund ü & mehr"}
LASTING_MS = 1000
HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment, Encoding
Style: Default,Arial,16,&Hffffff,2,0
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def with_subtitles(source, path, form):
    """The same film with a track of subtitles."""
    with av.open(str(source)) as original, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in original.streams}
        subtitles = target.add_stream(form)
        subtitles.metadata["language"] = "ita"
        encoder = subtitles.codec_context
        encoder.subtitle_header = HEADER
        encoder.time_base = subtitles.time_base = Fraction(1, 1000)
        encoder.open()
        for number, (begin_ms, line) in enumerate(LINES.items()):
            text = f"{number},0,Default,,0,0,0,,{line}".encode()
            packet = encoder.encode_subtitle(SubtitleSet.create(text=text, start=0, end=LASTING_MS))
            packet.pts = packet.dts = begin_ms
            packet.duration, packet.time_base, packet.stream = LASTING_MS, Fraction(1, 1000), subtitles
            target.mux(packet)
        for packet in original.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


def shown(path):
    """(kind, {when: what}) of the subtitles, times to 10 ms after the picture begins."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        assert stream.metadata["language"] == "ita"
        begin = float((container.streams.video[0].start_time or 0) * container.streams.video[0].time_base)
        found = {}
        for packet in container.demux(stream):
            for line in packet.decode() if packet.size else ():
                seconds = float(packet.pts * packet.time_base) - begin
                found[round(100 * seconds) * 10] = line.dialogue.decode().replace("\n", "\\N").removesuffix("{\\i0}")
        return stream.codec_context.codec.canonical_name, found


WANTED = {begin_ms: line.removesuffix("{\\i0}") for begin_ms, line in LINES.items()}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "film.mkv", sounds=("aac",))


@pytest.mark.parametrize(
    ("before", "form", "after", "kind", "note"),
    [
        (".mp4", "mov_text", ".mp4", "mov_text", ""),
        (".mp4", "mov_text", ".mkv", "subrip", "subtitle stream 2 becomes subrip: .mkv can't hold mov_text"),
        (".mov", "mov_text", ".mkv", "subrip", "subtitle stream 2 becomes subrip: .mkv can't hold mov_text"),
        (".mkv", "subrip", ".mkv", "subrip", ""),
        (".mkv", "subrip", ".mp4", "mov_text", "subtitle stream 2 becomes mov_text: .mp4 can't hold subrip"),
        (".mkv", "subrip", ".mov", "mov_text", "subtitle stream 2 becomes mov_text: .mov can't hold subrip"),
        (".mkv", "webvtt", ".mp4", "mov_text", "subtitle stream 2 becomes mov_text: .mp4 can't hold webvtt"),
        (".mkv", "ass", ".mkv", "ass", ""),
        (
            ".mkv",
            "ass",
            ".mov",
            "mov_text",
            "subtitle stream 2 becomes mov_text, without its styles: .mov can't hold ass",
        ),
    ],
)
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_subtitles_come_along_in_the_form_that_the_container_holds(
    clip, tmp_path, before, form, after, kind, note, how
):
    video, out = with_subtitles(clip, tmp_path / f"film{before}", form), tmp_path / f"out{after}"
    assert shown(video) == (form, WANTED)
    if how == "fix":
        notes = repair(video, out, offset_seconds=0.1).notes
    else:
        poly_wav(tmp_path / "sound.wav")
        notes = mux(video, tmp_path / "sound.wav", out, offset_seconds=0.1)
    assert [said for said in notes if "subtitle" in said] == ([note] if note else [])
    assert shown(out) == (kind, WANTED)


@pytest.mark.parametrize("after", [".avi", ".ts", ".mpg"])
def test_where_there_are_none_they_are_named(tmp_path, after):
    plain = film(tmp_path / "plain.mkv", "mpeg4" if after == ".avi" else "mpeg2video", sounds=("mp2",))
    video, out = with_subtitles(plain, tmp_path / "film.mkv", "subrip"), tmp_path / f"out{after}"
    assert (
        f"subtitle stream 2 is left out: it can't be copied into {after}"
        in repair(video, out, offset_seconds=0.1).notes
    )
    with av.open(str(out)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}


def test_subtitles_in_no_known_encoding_are_counted(clip, tmp_path):
    video = with_subtitles(clip, tmp_path / "film.mkv", "subrip")
    content = video.read_bytes()
    assert content.count("ü".encode()) == 1
    video.write_bytes(content.replace("ü".encode(), b"\xfc\xfc"))
    notes = repair(video, tmp_path / "out.mp4", offset_seconds=0.1).notes
    assert "1 subtitles of stream 2 are left out: their text can't be read" in notes
    assert list(shown(tmp_path / "out.mp4")[1]) == [500]


def camera_file(clip, path, tag):
    """A film with a track of a camera's data: that of subtitles under another name."""
    content = with_subtitles(clip, path.with_name("subtitles.mp4"), "mov_text").read_bytes()
    assert b"tx3g" in content
    path.write_bytes(content.replace(b"tx3g", tag).replace(b"sbtl", b"meta"))
    return path


def data_packets(path):
    with av.open(str(path)) as container:
        (stream,) = (stream for stream in container.streams if stream.type == "data")
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(stream) if packet.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_gopros_track_comes_along_packet_by_packet(clip, tmp_path, suffix, how):
    video, out = camera_file(clip, tmp_path / f"film{suffix}", b"gpmd"), tmp_path / f"out{suffix}"
    if how == "fix":
        assert repair(video, out, offset_seconds=0.1).notes == ()
    else:
        poly_wav(tmp_path / "sound.wav")
        mux(video, tmp_path / "sound.wav", out, offset_seconds=0.1)
    assert b"gpmd" in out.read_bytes()
    assert data_packets(out) == data_packets(video)


@pytest.mark.parametrize("tag", [b"rtmd", b"camm", b"fdsc"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_ffmpeg_can_not_write_is_named(clip, tmp_path, tag, suffix):
    """Sony's rtmd has timecode among other things: that doesn't make it a timecode track, which would be made anew."""
    video = camera_file(clip, tmp_path / "film.mp4", tag)
    notes = repair(video, tmp_path / f"out{suffix}", offset_seconds=0.1).notes
    assert any(note.startswith("data stream 2 (") and note.endswith(f"be copied into {suffix}") for note in notes)
    assert not any("becomes a tag" in note for note in notes)


@pytest.mark.parametrize("offset_seconds", [0.25, -0.25])
def test_many_channels_become_several_tracks_without_loss_where_one_is_too_small(tmp_path, offset_seconds):
    sound, out = tmp_path / "sound.wav", tmp_path / "out.mp4"
    rows = poly_wav(sound, num_channels=18)
    video = film(tmp_path / "film.mp4", sounds=("aac",))
    assert mux(video, sound, out, offset_seconds=offset_seconds) == (
        "the sound is encoded as alac without loss in 3 tracks of up to 8 channels: .mp4 can't hold pcm_s24le",
    )
    signed = rows.reshape(-1, 18, 3).astype(np.int32)
    values = (signed[..., 0] | signed[..., 1] << 8 | signed[..., 2] << 16) << 8 >> 8
    with av.open(str(out)) as container:
        *new, own = container.streams.audio
        assert [stream.codec_context.layout.nb_channels for stream in new] == [8, 8, 2]
        assert [bool(stream.disposition & av.stream.Disposition.default) for stream in (*new, own)] == [1, 0, 0, 0]
        assert own.codec_context.name == "aac"
        numbers = [stream.index for stream in new]
    num = 12_000
    for stream, (begin, end) in zip(numbers, pairwise((0, 8, 16, 18)), strict=True):
        found = np.concatenate([block.data for block in decode_sound(out, stream)], axis=1).T * 2**23
        if offset_seconds > 0:
            np.testing.assert_array_equal(found, values[num:, begin:end])
        else:
            assert not found[:num].any()
            np.testing.assert_array_equal(found[num:], values[: 4 * 48_000 - num, begin:end])


@pytest.mark.parametrize("wanted", ["aac", "flac", "opus"])
def test_so_do_they_when_a_codec_is_asked_for(tmp_path, wanted):
    sound, out = tmp_path / "sound.wav", tmp_path / "out.mkv"
    poly_wav(sound, num_channels=10, seconds=1)
    shutil.copy(film(tmp_path / "film.mkv"), tmp_path / "take.mkv")
    (note,) = mux(tmp_path / "take.mkv", sound, out, offset_seconds=0.0, audio_codec=wanted)
    assert "in 2 tracks of up to 8 channels" in note
    with av.open(str(out)) as container:
        found = [stream.codec_context.layout.nb_channels for stream in container.streams.audio]
    assert found == [8, 2, 1]


@pytest.mark.parametrize(
    ("own", "suffix", "codec", "note"),
    [
        (
            "flac",
            ".mov",
            "pcm_s16le",
            "audio stream 1 is encoded again as pcm_s16le without loss: .mov can't hold flac",
        ),
        ("pcm_s16le", ".mp4", "alac", "audio stream 1 is encoded as alac without loss: .mp4 can't hold pcm_s16le"),
        ("libopus", ".mov", "pcm_s24le", "audio stream 1 is encoded again as pcm_s24le"),
    ],
)
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_an_own_sound_that_the_container_can_not_hold_stays_where_it_was(tmp_path, own, suffix, codec, note, how):
    video, out = film(tmp_path / "film.mkv", sounds=(own, "mp2")), tmp_path / f"out{suffix}"
    if how == "fix":
        notes = repair(video, out, offset_seconds=0.1, track=2).notes
    else:
        poly_wav(tmp_path / "sound.wav")
        notes = mux(video, tmp_path / "sound.wav", out, offset_seconds=0.1)
    assert any(said.startswith(note) for said in notes), notes
    with av.open(str(out)) as container:
        number = next(stream.index for stream in container.streams.audio if stream.metadata.get("language") == "ita")
        assert container.streams[number].codec_context.name == codec
    before, after = (
        np.concatenate([block.data for block in decode_sound(path, stream)], axis=1)
        for path, stream in ((video, 1), (out, number))
    )
    num = min(before.shape[1], after.shape[1])
    assert abs(before.shape[1] - after.shape[1]) <= 1024
    np.testing.assert_allclose(before[:, :num], after[:, :num], atol=0.0 if own != "libopus" else 1e-6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_sound_that_nobody_knows_is_left_out_and_not_said_to_stay(tmp_path, suffix):
    """As telephones write it beside the one that everybody knows: in a codec of their own."""
    video = film(tmp_path / "film.mp4", sounds=("aac", "aac"))
    content = bytearray(video.read_bytes())
    for name in (b"mp4a", b"esds"):
        place = content.rindex(name)
        content[place : place + 4] = b"apac"
    video.write_bytes(content)
    notes = repair(video, tmp_path / f"out{suffix}", offset_seconds=0.1).notes
    assert notes == (f"audio stream 2 is left out: it can't be copied into {suffix}",)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def with_cover(path):
    """A film with a cover, and a picture of 16 × 16 that it is."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    plain = film(path.with_name("plain.mkv"), sounds=("aac",))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "yuvj420p", Fraction(1, 25)
    (packet,) = encoder.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), "rgb24"))
    content = bytes(packet)
    with av.open(str(plain)) as original, av.open(str(path), "w", container_options=options) as target:
        copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in original.streams}
        if path.suffix == ".mkv":
            target.add_attachment("cover.jpg", "image/jpeg", content)
        else:
            cover = target.add_stream("mjpeg", rate=25)
            cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 25)
            target.mux(packet)
        for packet in original.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path, content


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (".mp4", ".mp4", ""),
        (".mp4", ".mkv", ""),
        (".mkv", ".mkv", ""),
        (".mkv", ".mp4", ""),
        (".mp4", ".mov", "video stream 2 is left out: it can't be copied into .mov"),
        (".mkv", ".ts", "video stream 2 is left out: it can't be copied into .ts"),
    ],
)
@pytest.mark.parametrize("how", ["fix", "mux"])
def test_a_cover_stays_a_cover(tmp_path, before, after, note, how):
    video, content = with_cover(tmp_path / f"film{before}")
    out = tmp_path / f"out{after}"
    if how == "fix":
        notes = repair(video, out, offset_seconds=0.1).notes
    else:
        poly_wav(tmp_path / "sound.wav")
        notes = mux(video, tmp_path / "sound.wav", out, offset_seconds=0.1)
    assert [said for said in notes if "video" in said] == ([note] if note else [])
    with av.open(str(out)) as container:
        covers = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        assert len(container.streams.video) == 1 + len(covers)
        if note:
            assert not covers
            return
        assert [bytes(packet) for packet in container.demux(covers[0]) if packet.size] == [content]


#: What holds which subtitles that are pictures.
KEPT = {".mkv": (b"S_HDMV/PGS\0", b"S_VOBSUB\0\0\0", b"S_DVBSUB\0\0\0"), ".mp4": (b"S_VOBSUB\0\0\0",)}
KEPT |= {".ts": (b"S_DVBSUB\0\0\0",), ".mov": ()}


@pytest.mark.parametrize("code", KEPT[".mkv"])
@pytest.mark.parametrize("suffix", KEPT)
def test_subtitles_that_are_pictures_are_kept_as_they_are_or_named(clip, tmp_path, code, suffix):
    video, out = with_subtitles(clip, tmp_path / "film.mkv", "subrip"), tmp_path / f"out{suffix}"
    content = video.read_bytes()
    assert content.count(b"S_TEXT/UTF8") == 1
    video.write_bytes(content.replace(b"S_TEXT/UTF8", code))
    notes = repair(video, out, offset_seconds=0.1).notes
    with av.open(str(video)) as before, av.open(str(out)) as after:
        assert "data" not in {stream.type for stream in after.streams}
        own, new = (
            [stream.codec_context.codec.canonical_name for stream in container.streams.subtitles]
            for container in (before, after)
        )
    is_kept = code in KEPT[suffix]
    assert new == (own if is_kept else [])
    assert is_kept == (f"subtitle stream 2 is left out: it can't be copied into {suffix}" not in notes)
