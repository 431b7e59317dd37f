"""What files say of themselves: rates, lengths, channels and source timecode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.media.info import read_info
from avmatch.media.timecode import Timecode
from ltc_sound import ltc_sound
from shoots import write_clip, write_recording

NTSC_24, NTSC_30 = Fraction(24000, 1001), Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("name", "rate", "codec", "is_drop"),
    [
        ("a.mov", NTSC_24, "prores_ks", False),
        ("a.mp4", NTSC_30, "mpeg4", True),
        ("a.mxf", Fraction(25), "mpeg2video", False),
        ("a.mkv", NTSC_24, "mpeg4", False),
    ],
)
def test_source_timecode_of_clips(tmp_path: Path, name: str, rate: Fraction, codec: str, is_drop: bool) -> None:
    code = Timecode(round(rate * 36_000), rate, is_drop)
    info = read_info(write_clip(tmp_path / name, rate, num_frames=30, timecode=code, codec=codec, size=(128, 72)))
    assert info.picture is not None
    assert (info.picture.rate, info.picture.num_frames, info.picture.is_variable) == (rate, 30, False)
    assert info.start is not None
    assert (info.start.seconds, info.start.is_drop, info.start.source) == (code.seconds, is_drop, "timecode")


def test_a_timecode_that_counts_every_other_frame(tmp_path: Path) -> None:
    """As cameras at 59.94 write it; FFmpeg writes none, so the file is changed afterwards."""
    rate = Fraction(60000, 1001)
    path = write_clip(tmp_path / "a.mov", rate, timecode=Timecode(215_784 + 20, rate, True))
    content = path.read_bytes()
    entry = next(
        place for place in range(len(content)) if content[place : place + 4] == b"tmcd" and is_entry(content, place)
    )
    number_at = content.index((215_784 + 20).to_bytes(4, "big"))
    changed = bytearray(content)
    changed[entry + 24 : entry + 29] = (2002).to_bytes(4, "big") + bytes([30])
    changed[number_at : number_at + 4] = (107_892 + 10).to_bytes(4, "big")
    path.write_bytes(changed)
    start = read_info(path).start
    assert start is not None
    assert (start.seconds, start.rate, start.is_drop) == (Timecode(107_902, NTSC_30, True).seconds, NTSC_30, True)
    assert start.seconds == Timecode(215_804, rate, True).seconds


def is_entry(content: bytes, place: int) -> bool:
    """Whether a sample description is there: 60000 and 1001."""
    return content[place + 20 : place + 28] == (60_000).to_bytes(4, "big") + (1001).to_bytes(4, "big")


def test_a_clip_without_timecode_starts_at_0(tmp_path: Path) -> None:
    info = read_info(write_clip(tmp_path / "a.mp4", Fraction(50)))
    assert info.start is None
    assert info.start_seconds == 0
    assert info.picture is not None
    assert info.picture.duration_seconds == Fraction(48, 50)


def test_a_recorders_time_reference_is_exact(tmp_path: Path) -> None:
    reference = 12 * 3600 * 48_000 + 17
    path = write_recording(
        tmp_path / "a.wav", 1.0, num_channels=4, time_reference=reference, label_rate=NTSC_30, is_drop=True
    )
    info = read_info(path)
    assert info.picture is None
    assert info.sound is not None
    assert (info.sound.num_channels, info.sound.num_samples, info.sound.bits) == (4, 192_000, 24)
    assert info.sound.names == ("Mic 1", "Mic 2", "Mic 3", "Mic 4")
    assert info.start is not None
    assert info.start.seconds == Fraction(reference, 48_000)
    assert (info.start.rate, info.start.is_drop, info.start.source) == (NTSC_30, True, "time reference")


def test_samples_counted_at_another_rate(tmp_path: Path) -> None:
    """Pulled-up recordings count at 48048 a second and play at 48000."""
    path = write_recording(tmp_path / "a.wav", 1.0, num_channels=4, time_reference=48_048 * 60)
    content = path.read_bytes()
    speed = b"<SPEED><TIMESTAMP_SAMPLE_RATE>48048</TIMESTAMP_SAMPLE_RATE></SPEED>"
    place = content.index(b"<TRACK_LIST>")
    size_at = content.index(b"iXML") + 4
    size = int.from_bytes(content[size_at : size_at + 4], "little")
    speed += b" " * (len(speed) % 2)
    grown = content[:size_at] + (size + len(speed)).to_bytes(4, "little") + content[size_at + 4 : place] + speed
    path.write_bytes(grown + content[place:])
    info = read_info(path)
    assert info.start_seconds == 60


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_that_are_shown_on_their_side(tmp_path: Path, degrees: int) -> None:
    source = write_clip(tmp_path / "a.mp4", Fraction(30), size=(128, 72))
    with av.open(str(source)) as clip, av.open(str(tmp_path / "b.mp4"), "w") as turned:
        copy = turned.add_stream_from_template(clip.streams.video[0])
        copy.set_display_rotation(degrees)
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = copy
                turned.mux(packet)
    picture = read_info(tmp_path / "b.mp4").picture
    assert picture is not None
    assert (picture.width, picture.height) == ((72, 128) if degrees in (90, 270) else (128, 72))


def test_a_rate_that_varies(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    stamps = np.cumsum(rng.choice([30, 33, 37, 41], 90)).tolist()
    picture = read_info(write_clip(tmp_path / "a.mp4", Fraction(30), num_frames=90, stamps=stamps)).picture
    assert picture is not None
    assert picture.is_variable
    assert picture.rate in (Fraction(30), NTSC_30, Fraction(25))


def test_linear_timecode_on_one_of_the_channels(tmp_path: Path) -> None:
    """The time of day of the first sample, which need not be the beginning of a frame."""
    rate, first = Fraction(25), 25 * 36_000 + 7
    code = ltc_sound(first, 2.5, fps=rate)[480:]
    samples = np.stack([np.zeros(len(code)), code])
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        data = np.round(samples.T.reshape(1, -1) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(data, "s16", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    start = read_info(path).start
    assert start is not None
    assert (start.rate, start.is_drop, start.source) == (rate, False, "ltc")
    assert abs(start.seconds - (first / rate + Fraction(480, 48_000))) <= Fraction(2, 48_000)


def test_all_streams_count(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        streams = [
            container.add_stream("pcm_s24le", rate=48_000, layout=layout) for layout in ("mono", "mono", "stereo")
        ]
        for stream in streams:
            channels = stream.codec_context.layout.nb_channels
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4_800 * channels), np.int32), "s32", stream.layout)
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    sound = read_info(path).sound
    assert sound is not None
    assert sound.channels == (1, 1, 2)
    assert sound.num_channels == 4


def test_what_is_no_media_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF????WAVE")
    with pytest.raises(MediaError, match=r"a\.wav"):
        read_info(path)
