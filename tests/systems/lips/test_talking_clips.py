"""Talking clips as vectors: on one clock, cut, shifted, in noise; and the shares of trials."""

from dataclasses import replace

import numpy as np
import pytest

from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.data.manifest import Clip
from avmatch.evaluation.pieces import TalkProtocol
from avmatch.metrics.intervals import Share, share_of
from avmatch.systems.lips.talking_clips import ClipVectors, Piece, clip_vectors, talk_vectors
from clip_models import write_clip_model
from media_scenes import write_list
from talking_scenes import write_talk, write_towers


def numbered(first, last):
    """Vectors whose entries are their number."""
    return np.arange(first, last, dtype=np.float16)[:, None] * np.ones(2, np.float16)


def features_of(picture_start_seconds, sound_start_seconds, num_ticks=50):
    """Ten ticks a second; tick n of either side is n."""
    of_video = Embeddings(numbered(0, num_ticks), 10.0, picture_start_seconds)
    of_audio = Embeddings(numbered(0, num_ticks), 10.0, sound_start_seconds)
    motion, bands = np.zeros((1, 2, 3), np.float16), np.zeros((1, 8), np.float16)
    picture = VideoFeatures(0.0, motion, (), 25.0, 5.0, embeddings={"tiny": of_video})
    return picture, [AudioFeatures(0.0, bands, bands, 5.0, 1.0, embeddings={"tiny": of_audio})]


@pytest.mark.parametrize(
    ("starts", "part", "video", "audio"),
    [
        ((0.0, 0.0), {}, (0, 50), (0, 50)),
        ((0.0, 0.3), {}, (0, 50), (-3, 47)),  # the sound begins 0.3 s later: tick 3 of the picture has its tick 0
        ((0.22, 0.0), {}, (0, 50), (2, 52)),
        ((0.0, 0.0), {"start_seconds": 1.0, "duration_seconds": 2.0}, (10, 30), (10, 30)),
        ((0.0, 0.0), {"start_seconds": 4.0, "duration_seconds": 2.0}, (40, 50), (40, 50)),
        ((2.0, 0.0), {"start_seconds": 0.0, "duration_seconds": 3.0}, (0, 10), (20, 30)),  # it ends at its own end
        ((0.0, 0.0), {"offset_seconds": 0.2}, (0, 50), (2, 52)),  # known to be late: it is read later
        ((0.5, 0.2), {"start_seconds": 1.0, "offset_seconds": -0.1}, (5, 50), (7, 52)),
    ],
)
def test_both_sides_are_on_the_clock_of_the_picture(starts, part, video, audio):
    found = clip_vectors("tiny", Clip("a.mp4", "a.mp4", "a", **part), *features_of(*starts))
    assert found.video[:, 0].tolist() == list(range(*video))
    wanted = [number if 0 <= number < 50 else None for number in range(*audio)]
    assert [None if np.isnan(number) else number for number in found.audio[0][:, 1]] == wanted


def test_clips_without_anything_to_compare_are_named():
    picture, sounds = features_of(0.0, 0.0)
    with pytest.raises(MediaError, match=r"a\.mp4: other finds nothing to compare in it"):
        clip_vectors("other", Clip("a.mp4", "a.mp4", "a"), picture, sounds)
    with pytest.raises(MediaError, match=r"a\.mp4: picture and sound have no time in common there"):
        clip_vectors("tiny", Clip("a.mp4", "a.mp4", "a", start_seconds=7.0), picture, sounds)
    with pytest.raises(MediaError, match=r"a\.mp4: picture and sound have no time in common there"):
        clip_vectors(
            "tiny", Clip("a.mp4", "a.mp4", "a", start_seconds=0.0, duration_seconds=2.0), *features_of(2.0, 0.0)
        )


def test_of_several_faces_the_longest_in_sight_counts():
    def track(first, last, start_seconds):
        vectors = Embeddings(numbered(first, last), 10.0, start_seconds)
        return MouthTrack(np.zeros(1), np.zeros((1, 4)), np.zeros((1, 5)), {"tiny": vectors})

    picture, sounds = features_of(0.0, 0.0)
    faces = (track(100, 108, 0.5), track(200, 205, 1.1), track(300, 303, 2.0), track(400, 401, 0.6))
    found = clip_vectors("tiny", Clip("a.mp4", "a.mp4", "a"), replace(picture, embeddings={}, mouths=faces), sounds)
    ticks = [None if np.isnan(number) else int(number) for number in found.video[:, 0]]
    assert ticks == [*range(100, 108), 202, 203, 204, None, None, None, None, 300, 301, 302]
    assert found.audio[0][:, 0].tolist() == list(range(5, 23))


def test_a_shifted_piece_hears_what_came_before_it():
    numbers = numbered(0, 10).astype(np.float32)
    piece = Piece(ClipVectors(Clip("a.mp4", "a.mp4", "a"), numbers, (numbers,)), 4, 8)
    assert piece.video[:, 0].tolist() == [4, 5, 6, 7]
    assert piece.audio(0, 3)[:, 0].tolist() == [1, 2, 3, 4]
    assert piece.audio(0, -3)[:3, 0].tolist() == [7, 8, 9]
    assert np.isnan(piece.audio(0, -3)[3]).all()


def test_intervals_are_over_groups():
    hits = np.array([True, True, True, False])
    assert share_of(hits, ["a", "a", "a", "b"], 0) == Share(0.75, 0.0, 1.0, 4)
    assert share_of(hits, ["a"] * 4, 0) == Share(0.75, None, None, 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_towers(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("talk")
    write_talk(folder / "ann" / "a.mp4", 0, 60)
    write_talk(folder / "bob" / "b.mp4", 1, 45)
    return folder


def test_pieces_are_disjoint_and_whole_clips_are_pieces(model, talk):
    vectors = talk_vectors(model, talk, TalkProtocol())
    assert vectors.rate_hz == 25
    places = {seconds: [(piece.begin, piece.end) for piece in vectors.pieces(seconds)] for seconds in (0, 1, 2, 9)}
    assert places == {0: [(0, 60), (0, 45)], 1: [(0, 25), (25, 50), (0, 25)], 2: [(0, 50)], 9: []}
    assert [clip.clip.group for clip in vectors.clips] == ["ann", "bob"]


def test_noise_is_seeded_grows_and_leaves_the_clean_sound(model, talk):
    plain, noisy, again, other, white = (
        talk_vectors(model, talk, TalkProtocol(**asked)).clips[0]
        for asked in (
            {},
            {"noise_snr_db": (30.0, 0.0)},
            {"noise_snr_db": (0.0,)},
            {"noise_snr_db": (0.0,), "seed": 1},
            {"noise_snr_db": (0.0,), "noise_kind": "white"},
        )
    )
    np.testing.assert_array_equal(noisy.audio[0], plain.audio[0])
    change = [np.nanmean(np.abs(sound - plain.audio[0])) for sound in noisy.audio]
    assert change[0] == 0 < change[1] < 0.5 * change[2]
    np.testing.assert_array_equal(again.audio[1], noisy.audio[2])
    assert np.nanmax(np.abs(other.audio[1] - again.audio[1])) > 0.01
    assert np.nanmax(np.abs(white.audio[1] - other.audio[1])) > 0.01


def test_files_that_cannot_be_used_are_named_and_left_out(model, talk, media, tmp_path):
    rows = ({"path": path} for path in (media / "zero.mp4", talk / "ann" / "a.mp4", media / "silent_video.mp4"))
    vectors = talk_vectors(model, write_list(tmp_path / "list.csv", *rows), TalkProtocol())
    assert len(vectors.clips) == 1
    assert [note.split(": ")[0].rsplit("/")[-1] for note in vectors.notes] == ["zero.mp4", "silent_video.mp4"]
    assert vectors.notes[1].endswith("; left out")


def test_what_cannot_be_measured_says_why(model, talk, media, tmp_path):
    with pytest.raises(UsageError, match="has no clip with the split 'test'"):
        talk_vectors(model, talk, TalkProtocol(split="test"))
    with pytest.raises(UsageError, match=r"none of its 1 clips can be used; .*zero\.mp4: .*0 bytes"):
        talk_vectors(model, media / "zero.mp4", TalkProtocol())
    with pytest.raises(
        ModelError, match="is a model of features of whole clips, which have no place in time, not a two-tower"
    ):
        talk_vectors(write_clip_model(tmp_path), talk, TalkProtocol())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ks": (0,)}, "k must be at least 1"),
        ({"pieces_seconds": (-1.0,)}, r"pieces 0 seconds \(whole\) or more"),
        ({"max_offset_seconds": 0.0}, "the largest offset must be above 0 seconds, got 0"),
        ({"noise_kind": "pop"}, "no noise 'pop'; there are white, pink, babble"),
    ],
)
def test_protocols_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        TalkProtocol(**wrong)
