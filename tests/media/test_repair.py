"""The sound lands where it belongs, and nothing else is touched."""

import os
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.media.copying import timed_packets
from avmatch.media.decode import decode, read_audio
from avmatch.media.encode import SoundWriter, write_clip
from avmatch.media.mux import mux
from avmatch.media.repair import repair
from data.make_data import FPS, clicks, lateness_seconds, pictures
from probing import probe


def packets(path, kind="video", number=0):
    with av.open(str(path)) as container:
        stream = container.streams.get({kind: number})[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def frame_times(path):
    return np.concatenate([block.pts_seconds for block in decode(path, audio=False)])


def lateness(path):
    """How late the sound comes, by the clicks, on the picture's clock."""
    return lateness_seconds(read_audio(path, sample_rate_hz=48000)) - frame_times(path)[0]


def write(path, picture_codec, sound_codec, *, num_sounds=1, title="", subtitle=""):
    """The scene of make_data in any codecs; `subtitle` is shown for the second second."""
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": title} if title else {})
        picture = container.add_stream(picture_codec, rate=FPS)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        writers = [SoundWriter(container, sound_codec, 1, 48000) for _ in range(num_sounds)]
        text = container.add_mux_stream("subrip", time_base=Fraction(1, 1000)) if subtitle else None
        for number, pixels in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for writer in writers:
            writer.write(clicks().data)
            writer.close()
        if text is not None:
            packet = av.Packet(subtitle.encode())
            packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = (
                text,
                text.time_base,
                1000,
                1000,
                1000,
            )
            container.mux(packet)
    if picture_codec == "libsvtav1" and sys.platform == "linux":
        # Where it may, this encoder puts the thread that calls it before all others (SCHED_FIFO 99), for good: all that
        # the process starts then takes the cores from the rest of the machine.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def check(video, out, offset_seconds):
    """The sound has moved by the offset, the pictures are where and what they were."""
    assert lateness(video) - lateness(out) == pytest.approx(offset_seconds, abs=0.0015)
    before, after = frame_times(video), frame_times(out)
    np.testing.assert_allclose(np.diff(after), np.diff(before), atol=0.0011)  # Matroska counts milliseconds
    assert packets(out) == packets(video)


@pytest.mark.parametrize("offset_seconds", [-0.3, 0.0371, 0.3])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("name", ["good.mp4", "vfr.mkv", "late_audio.mp4", "late_picture.mkv", "rotated.mp4"])
def test_an_offset_costs_the_sound_nothing(media, tmp_path, name, suffix, offset_seconds):
    out = tmp_path / f"out{suffix}"
    assert repair(media / name, out, offset_seconds=offset_seconds).notes == ()
    check(media / name, out, offset_seconds)
    own, moved = packets(media / name, "audio"), packets(out, "audio")
    assert moved == own[len(own) - len(moved) :]  # some may be missing in front, nothing is encoded again
    assert len(own) - len(moved) < max(offset_seconds, 0) * 48000 / 1024 + 2


def test_nothing_is_heard_before_the_file_begins(media, tmp_path):
    repair(media / "good.mp4", tmp_path / "out.mp4", offset_seconds=1.0)
    assert 0.0 <= read_audio(tmp_path / "out.mp4").pts_seconds < 0.025


def test_a_sound_that_leads_in_stays(media, tmp_path):
    """The picture starts late; what is heard before it is no fault."""
    for drift_ppm, name in ((0.0, "moved.mkv"), (1e-3, "resampled.mkv")):
        out = tmp_path / name
        repair(media / "late_picture.mkv", out, offset_seconds=0.1, drift_ppm=drift_ppm)
        assert frame_times(out)[0] - read_audio(out).pts_seconds > 0.4
        assert lateness(media / "late_picture.mkv") - lateness(out) == pytest.approx(0.1, abs=0.0015)


@pytest.mark.parametrize("offset_seconds", [-0.3, 0.3])
@pytest.mark.parametrize(
    ("picture_codec", "sound_codec", "source", "suffix", "note"),
    [
        ("libx264", "pcm_s16le", ".avi", ".avi", ""),
        (
            "mpeg4",
            "libmp3lame",
            ".avi",
            ".mp4",
            "the sound is encoded again as aac at 128 kbit/s: AVI has no times to move",
        ),
        ("libvpx-vp9", "libopus", ".webm", ".webm", ""),
        ("libx264", "pcm_s16le", ".mov", ".mov", ""),
        ("libx264", "libmp3lame", ".mp4", ".mkv", ""),
        (
            "libx264",
            "flac",
            ".mkv",
            ".mov",
            "the sound is encoded again as pcm_s16le without loss: .mov can't hold flac",
        ),
        ("libsvtav1", "libopus", ".mkv", ".mp4", ""),
    ],
)
def test_every_container(tmp_path, picture_codec, sound_codec, source, suffix, note, offset_seconds):
    video, out = write(tmp_path / f"film{source}", picture_codec, sound_codec), tmp_path / f"out{suffix}"
    assert "; ".join(repair(video, out, offset_seconds=offset_seconds).notes) == note
    check(video, out, offset_seconds)


@pytest.mark.parametrize(
    ("drift_ppm", "offset_seconds"), [(1000.0, 0.2), (-400.0, -0.1), (120.0, 0.0), (-40000.0, 0.3)]
)
def test_a_drift_is_resampled_away(tmp_path, drift_ppm, offset_seconds):
    """Clicks once a second, each heard where the definition puts it, are heard on the second in the copy."""
    video, out, seconds = tmp_path / "film.mkv", tmp_path / "out.mkv", 130
    heard = np.arange(5, 120, 5) * (1 + drift_ppm * 1e-6) + offset_seconds
    sound = clicks(16000, times_seconds=heard, duration_seconds=seconds)
    stereo = AudioSamples(np.repeat(sound.data, 2, axis=0), 16000)
    write_clip(
        video, (np.full((32, 32, 3), number % 256, np.uint8) for number in range(seconds * 2)), fps=2, audio=stereo
    )
    notes = repair(video, out, offset_seconds=offset_seconds, drift_ppm=drift_ppm).notes
    assert notes == ("the sound is encoded again as aac at 256 kbit/s: its drift is taken out",)
    assert packets(out) == packets(video)
    assert (probe(out).audio.num_channels, probe(out).audio.sample_rate_hz) == (2, 16000)
    repaired = read_audio(out)
    loudness = np.abs(repaired.data[0])
    begin = frame_times(out)[0]
    for time_seconds in range(5, 120, 5):
        first = round((begin + time_seconds - 0.1 - repaired.pts_seconds) * 16000)
        at = first + int(np.argmax(loudness[first : first + 3200] > 0.2))
        assert repaired.pts_seconds + at / 16000 - begin == pytest.approx(time_seconds, abs=0.0015)


def test_a_lossless_sound_stays_lossless(tmp_path):
    video = write(tmp_path / "film.mkv", "libx264", "flac")
    repair(video, tmp_path / "out.mkv", offset_seconds=0.0, drift_ppm=300.0)
    assert probe(tmp_path / "out.mkv").audio.codec == "flac"


def test_other_streams_stay_where_they_are(tmp_path):
    video = write(tmp_path / "film.mkv", "libx264", "aac", num_sounds=2, title="Täke 3", subtitle="hello")
    same, other = tmp_path / "out.mkv", tmp_path / "out.mp4"
    assert repair(video, same, offset_seconds=0.3).notes == ()
    for number in (0, 1):  # all sounds of a take move together
        own, moved = packets(video, "audio", number), packets(same, "audio", number)
        assert moved == own[len(own) - len(moved) :]
        assert 13 < len(own) - len(moved) < 17
    assert repair(video, tmp_path / "one.mkv", offset_seconds=0.3, track=1).notes == (
        "audio track 2 stays where it was",
    )
    assert packets(tmp_path / "one.mkv", "audio", 1) == packets(video, "audio", 1)
    assert packets(tmp_path / "one.mkv", "audio", 0) == packets(same, "audio", 0)
    assert packets(same, "subtitles") == [b"hello"]
    with av.open(str(same)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "audio", "subtitle"]
        assert container.metadata["title"] == "Täke 3"
    notes = repair(video, other, offset_seconds=0.3).notes
    assert notes == ("subtitle stream 3 becomes mov_text: .mp4 can't hold subrip",)
    check(video, other, 0.3)


@pytest.mark.parametrize(
    ("name", "out", "reason", "words"),
    [
        ("silent_video.mp4", "out.mp4", "no_audio", "there is no sound in it to move"),
        ("audio_only.mp4", "out.mp4", "no_video", "there is no picture in it to copy"),
        ("text.mp4", "out.mp4", "unreadable", "not readable as audio or video"),
        ("good.mp4", "out.webm", "unsupported", r"can't be muxed into \.webm"),
        ("good.mp4", "out.mxf", "unsupported", r"MXF can't take a sound at another time; name the copy \.mov or \.mkv"),
    ],
)
def test_what_can_not_be_repaired_is_told_and_leaves_nothing(media, tmp_path, name, out, reason, words):
    with pytest.raises(MediaError, match=words) as caught:
        repair(media / name, tmp_path / out, offset_seconds=0.3)
    assert caught.value.reason == reason
    assert list(tmp_path.iterdir()) == []


def test_the_original_is_never_overwritten(media, tmp_path):
    video = tmp_path / "film.mp4"
    video.write_bytes((media / "good.mp4").read_bytes())
    (tmp_path / "link.mp4").symlink_to("film.mp4")
    for name in ("film.mp4", "link.mp4"):
        with pytest.raises(UsageError, match="this would overwrite an original"):
            repair(video, tmp_path / name, offset_seconds=0.3)
    assert video.read_bytes() == (media / "good.mp4").read_bytes()


def test_pictures_that_are_shown_in_another_order_than_told_are_not_copied(tmp_path):
    video = write(tmp_path / "film.avi", "libx264", "pcm_s16le")
    with pytest.raises(MediaError, match="h264 in avi doesn't say when its pictures are shown; convert it"):
        repair(video, tmp_path / "out.mp4", offset_seconds=0.3)
    assert [path.name for path in tmp_path.iterdir()] == ["film.avi"]


@pytest.mark.parametrize("offset_seconds", [-5.0, 5.0])
def test_an_offset_that_leaves_no_sound_is_refused(media, tmp_path, offset_seconds):
    with pytest.raises(MediaError, match="would leave no sound in it"):
        repair(media / "good.mp4", tmp_path / "out.mp4", offset_seconds=offset_seconds)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_while_the_copy_is_written_is_kept(media, tmp_path, monkeypatch):
    out = tmp_path / "out.mp4"

    def packets_and_a_file(*arguments, **keywords):
        out.write_bytes(b"theirs")
        yield from timed_packets(*arguments, **keywords)

    monkeypatch.setattr("avmatch.media.copying.timed_packets", packets_and_a_file)
    with pytest.raises(FileExistsError, match="exists already"):
        repair(media / "good.mp4", out, offset_seconds=0.1)
    assert out.read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_copy_of_a_muxed_file_is_not_taken_for_one(media, tmp_path):
    muxed, copy = tmp_path / "muxed.mkv", tmp_path / "copy.mkv"
    mux(media / "silent_video.mp4", media / "good.wav", muxed, offset_seconds=0.0)
    repair(muxed, copy, offset_seconds=0.1)
    with pytest.raises(FileExistsError, match="exists already"):
        mux(media / "silent_video.mp4", media / "good.wav", copy, offset_seconds=0.0)
