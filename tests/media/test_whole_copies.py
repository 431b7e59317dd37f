"""What copies lost without a word, or said wrongly, kind by kind."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from avmatch.media.decode import decode_sound
from avmatch.media.mux import mux
from avmatch.media.raw_sound import raw_blocks
from avmatch.media.repair import repair
from data.make_data import FPS
from media.test_copies import film, poly_wav

RATE_HZ, SECONDS = 48_000, 4


def sounds_of(path):
    """(codec, channels, dispositions) of each."""
    with av.open(str(path)) as container:
        return [
            (stream.codec_context.name, stream.codec_context.layout.nb_channels, stream.disposition)
            for stream in container.streams.audio
        ]


def samples(path, number):
    return np.concatenate([block.data for block in decode_sound(path, number)], axis=1)


def noise(path, codec, layout="mono", *, titles=(), sounds=1):
    """A clip whose sounds are noise."""
    rng = np.random.default_rng(0)
    kind = ("mpegts", {"mpegts_m2ts_mode": "1"}) if path.suffix == ".mts" else (None, {})
    with av.open(str(path), "w", format=kind[0], container_options=kind[1]) as container:
        picture = container.add_stream("libx264", rate=FPS, options={"bf": "0"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        streams = [container.add_stream(codec, rate=RATE_HZ, layout=layout) for _ in range(sounds)]
        for stream, title in zip(streams, titles, strict=False):
            stream.metadata["title"] = title
        for number in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 + number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        num_channels = streams[0].codec_context.layout.nb_channels
        for stream in streams:
            resampler = av.AudioResampler(stream.format, layout, RATE_HZ, stream.codec_context.frame_size or 960)
            for begin in range(0, SECONDS * RATE_HZ, 960):
                values = rng.integers(-9999, 9999, (1, 960 * num_channels), dtype=np.int16)
                frame = av.AudioFrame.from_ndarray(values, "s16", layout)
                frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, begin, Fraction(1, RATE_HZ)
                for part in resampler.resample(frame):
                    container.mux(stream.encode(part))
            for part in resampler.resample(None):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    return path


def test_the_recorders_sound_is_in_an_avi_whose_pictures_have_no_times(tmp_path):
    """H.264 in AVI has times of decoding only, by which the sound was cut to nothing."""
    clip = noise(tmp_path / "clip.avi", "pcm_s16le")
    values = poly_wav(tmp_path / "sound.wav")
    assert mux(clip, tmp_path / "sound.wav", tmp_path / "out.avi", offset_seconds=0.5) == ()
    with av.open(str(tmp_path / "out.avi")) as container:
        stored = b"".join(bytes(packet) for packet in container.demux(audio=0) if packet.size)
    assert stored == values[24_000:].tobytes()


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_all_tracks_of_the_recorder_come_along_and_move_together(tmp_path, suffix):
    take = noise(tmp_path / "take.mov", "pcm_s24le", sounds=3, titles=("Boom", "Lav", "Mix"))
    clip, out = film(tmp_path / f"clip{suffix}", sounds=("aac",)), tmp_path / f"out{suffix}"
    assert mux(clip, take, out, offset_seconds=0.25) == ()
    assert [name for name, _, _ in sounds_of(out)] == ["pcm_s24le"] * 3 + ["aac"]
    assert [bool(marks & Disposition.default) for _, _, marks in sounds_of(out)] == [True, False, False, False]
    for number in range(3):
        before, after = samples(take, number + 1), samples(out, number + 1)
        np.testing.assert_array_equal(after, before[:, RATE_HZ // 4 :][:, : after.shape[1]])
        assert after.shape[1] > 3 * RATE_HZ
    with av.open(str(out)) as container:
        titles = [{**stream.metadata} for stream in container.streams.audio[:3]]
    assert [tags.get("title", tags.get("name")) for tags in titles] == ["Boom", "Lav", "Mix"]


def test_a_track_of_the_recorder_that_does_not_fit_is_named(tmp_path):
    take = noise(tmp_path / "take.mov", "pcm_s24le", sounds=2)
    notes = mux(film(tmp_path / "clip.mp4", sounds=()), take, tmp_path / "out.mp4", offset_seconds=0.0)
    assert notes == (
        "the sound is encoded as alac without loss: .mp4 can't hold pcm_s24le",
        "audio stream 2 of take.mov is encoded as alac without loss: .mp4 can't hold pcm_s24le",
    )


def test_where_one_sound_is_all_that_a_container_holds_the_others_are_named(tmp_path):
    """FFmpeg writes more into FLV, in a form that few can read."""
    clip = film(tmp_path / "clip.flv", "flv", sounds=("aac",))
    take = noise(tmp_path / "take.mov", "aac", sounds=2)
    assert mux(clip, take, tmp_path / "out.flv", offset_seconds=0.0) == (
        "audio stream 2 of take.mov is left out: .flv holds one sound",
        "audio stream 0 is left out: .flv holds one audio stream",
    )
    assert len(sounds_of(tmp_path / "out.flv")) == 1


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("pcm_alaw", ".mov"), ("pcm_mulaw", ".avi"), ("pcm_s8", ".mov"), ("pcm_u8", ".avi"), ("pcm_s32be", ".mov")],
)
@pytest.mark.parametrize("offset_seconds", [0.2, -0.2])
def test_pcm_of_any_kind_stays_as_it_is(tmp_path, codec, suffix, offset_seconds):
    clip, out = noise(tmp_path / f"clip{suffix}", codec), tmp_path / f"out{suffix}"
    assert repair(clip, out, offset_seconds=offset_seconds).notes == ()
    assert sounds_of(out)[0][0] == codec
    before, after = (np.concatenate([block.data for block in raw_blocks(path)], axis=1) for path in (clip, out))
    num = RATE_HZ // 5
    if offset_seconds > 0:
        np.testing.assert_array_equal(after, before[:, num:])
    else:
        np.testing.assert_array_equal(after[:, num:], before[:, : after.shape[1] - num])
        assert np.abs(samples(out, 1)[:, :num]).max() < 1e-3


def test_pcm_of_avchd_cameras_stays_in_their_container(tmp_path):
    clip, out = noise(tmp_path / "clip.mts", "pcm_bluray", "stereo"), tmp_path / "out.mts"
    assert repair(clip, out, offset_seconds=0.2).notes == ()
    assert sounds_of(out)[0][:2] == ("pcm_bluray", 2)
    before, after = samples(clip, 1), samples(out, 1)
    begin = before.shape[1] - after.shape[1]
    assert begin == pytest.approx(0.2 * RATE_HZ, abs=RATE_HZ // 100)
    np.testing.assert_array_equal(after, before[:, begin:])


def test_a_sound_that_is_held_but_not_cut_is_said_to_be_so(tmp_path):
    """Once it was said that the container can't hold what it held."""
    clip = noise(tmp_path / "clip.mkv", "wavpack")
    assert repair(clip, tmp_path / "out.mkv", offset_seconds=0.2).notes == (
        "the sound is encoded again as pcm_s16le without loss: wavpack can't be cut",
    )


@pytest.mark.parametrize(
    ("suffix", "notes"),
    [
        (".mkv", ()),
        (
            ".mov",
            tuple(
                f"audio stream {n} is no longer marked as {kind}"
                for n, kind in ((1, "comment"), (2, "visual impaired"))
            ),
        ),
    ],
)
def test_marks_by_which_players_choose_are_kept_or_named(tmp_path, suffix, notes):
    film(tmp_path / "film.mkv", sounds=("aac", "aac"))
    marked = tmp_path / "marked.mkv"
    with av.open(str(tmp_path / "film.mkv")) as source, av.open(str(marked), "w") as target:
        copies = [target.add_stream_from_template(stream) for stream in source.streams]
        copies[1].disposition, copies[2].disposition = Disposition.comment, Disposition.visual_impaired
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    made = repair(marked, tmp_path / f"out{suffix}", offset_seconds=0.1)
    assert made.notes == notes
    kept = [
        bool(marks & (Disposition.comment | Disposition.visual_impaired))
        for _, _, marks in sounds_of(tmp_path / f"out{suffix}")
    ]
    assert kept == [not notes] * 2


def test_a_tape_in_bare_dv_becomes_a_mov_with_its_timecode(tmp_path):
    """FFmpeg takes the clock of bare DV for its rate, by which no MOV could be written."""
    with av.open(str(tmp_path / "tape.dv"), "w") as container:
        picture = container.add_stream("dvvideo", rate=25)
        picture.width, picture.height, picture.pix_fmt = 720, 576, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="stereo")
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((576, 720, 3), 9 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(picture.encode(frame))
            values = np.full((1, 2 * RATE_HZ // 25), 99 * number, np.int16)
            frame = av.AudioFrame.from_ndarray(values, "s16", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, number * RATE_HZ // 25, Fraction(1, RATE_HZ)
            container.mux(sound.encode(frame))
    assert repair(tmp_path / "tape.dv", tmp_path / "out.mov", offset_seconds=0.1).notes == ()
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].average_rate == 25
        assert container.streams.video[0].metadata["timecode"] == "00:00:00:00"
