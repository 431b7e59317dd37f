"""Learned cues: unit vectors that are alike at one lag."""

from dataclasses import replace

import numpy as np
import pytest

from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.cues import learned
from avmatch.cues.evidence import Cue
from avmatch.cues.learned import EmbeddingCue

LAGS = np.arange(-25, 26) * 0.04
RATE_HZ = 25.0
#: Of a picture that doesn't stand still.
MOVING = np.ones((150, 4, 64), np.float16)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vectors(seed, num=150, noise=0.0):
    """(num, 16) unit vectors; the same seed with noise gives vectors that are alike."""
    truth = np.random.default_rng(seed).standard_normal((num, 16))
    return unit(truth + noise * np.random.default_rng(seed + 99).standard_normal((num, 16))).astype(np.float16)


def video(data, start_seconds=0.0):
    towers = {} if data is None else {"lips": Embeddings(data, RATE_HZ, start_seconds)}
    return VideoFeatures(0.0, MOVING, (), 25.0, 6.0, embeddings=towers)


def audio(data, start_seconds=0.0):
    towers = {} if data is None else {"lips": Embeddings(data, RATE_HZ, start_seconds)}
    return AudioFeatures(0.0, np.zeros((0, 8), np.float16), np.zeros((0, 8), np.float16), 6.0, 0.5, embeddings=towers)


def test_it_is_a_cue_named_after_its_model():
    assert isinstance(EmbeddingCue("lips"), Cue)
    assert EmbeddingCue("lips").name == "lips"


@pytest.mark.parametrize("ticks", [-7, 0, 12])
@pytest.mark.parametrize("start_seconds", [0.0, 3.217])
def test_the_evidence_peaks_at_the_lag(ticks, start_seconds):
    heard = np.roll(vectors(1, noise=0.7), ticks, axis=0)
    curves = EmbeddingCue("lips", scale=5.0).curves([video(vectors(1), start_seconds)], [audio(heard)], LAGS)
    lag_seconds = ticks / RATE_HZ - start_seconds
    wide = np.arange(-120, 60) * 0.04
    nats = EmbeddingCue("lips", scale=5.0).curves([video(vectors(1), start_seconds)], [audio(heard)], wide).nats[0, 0]
    assert wide[nats.argmax()] == pytest.approx(lag_seconds, abs=0.021)
    assert curves.nats.shape == (1, 1, len(LAGS))


def test_every_picture_prefers_its_own_sound():
    seeds = range(5)
    videos = [video(vectors(seed)) for seed in seeds]
    audios = [audio(vectors(seed, noise=0.5)) for seed in seeds]
    best = EmbeddingCue("lips").curves(videos, audios, LAGS).nats.max(axis=2)
    assert best.diagonal().min() > 3.0 * best[~np.eye(5, dtype=bool)].max()


def test_nats_follow_from_scale_baseline_and_independence():
    """150 ticks of similarity 1 at 25 a second, one independent each 0.4 s: 15 steps of 2 · (1 − 0.25)."""
    cue = EmbeddingCue("lips", scale=2.0, baseline=0.25, independent_seconds=0.4)
    same = vectors(1).astype(np.float32)
    nats = cue.curves([video(same)], [audio(same)], np.zeros(1)).nats
    assert nats[0, 0, 0] == pytest.approx(15 * 2.0 * 0.75, rel=1e-2)


def test_only_the_overlap_counts():
    cue = EmbeddingCue("lips")
    nats = cue.curves([video(vectors(1))], [audio(vectors(1)[:75])], np.array([0.0, 3.0, -100.0, 100.0])).nats[0, 0]
    assert nats[0] == pytest.approx(75 / 5, rel=1e-2)
    assert abs(nats[1]) < 2.0
    assert not nats[2:].any()


def test_files_without_vectors_abstain():
    curves = EmbeddingCue("lips").curves(
        [video(None), video(vectors(1))], [audio(vectors(1)), audio(None)], np.zeros(1)
    )
    assert curves.video_reasons == ("too_short", None)
    assert curves.audio_reasons == (None, "too_short")
    np.testing.assert_array_equal(curves.nats[..., 0] != 0.0, [[False, False], [True, False]])
    assert curves.reason() == "too_short"


def test_long_files_are_worked_on_in_blocks_that_add_up():
    """Evidence of the whole is that of its parts, wherever the blocks end; minutes apart it is found, too."""
    long = vectors(3, num=1000)
    cue = EmbeddingCue("lips", scale=5.0)
    whole = cue.curves([video(long)], [audio(long, -20.0)], np.arange(-600, 1) * 0.04).nats[0, 0]
    parts = [
        cue.curves([video(long[begin : begin + 300], begin / RATE_HZ)], [audio(long, -20.0)], np.arange(-600, 1) * 0.04)
        for begin in range(0, 1000, 300)
    ]
    np.testing.assert_allclose(whole, sum(part.nats[0, 0] for part in parts), atol=0.01)
    assert (whole.argmax() - 600) * 0.04 == pytest.approx(-20.0)


def faces(*tracks):
    """A video whose faces have these vectors, from these seconds on."""
    mouths = tuple(
        MouthTrack(
            begin + np.arange(len(data)) / RATE_HZ, np.zeros((len(data), 4)), np.zeros((len(data), 3)),
            {"lips": Embeddings(data, RATE_HZ, begin)},
        )
        for data, begin in tracks
    )  # fmt: skip
    return VideoFeatures(0.0, MOVING, mouths, 25.0, 6.0)


def test_who_speaks_is_enough_and_faces_after_one_another_add_up():
    cue = EmbeddingCue("lips", scale=5.0, looks_at="mouth")
    sound = [audio(vectors(1, noise=0.5))]
    alone, silent = faces((vectors(1), 0.0)), faces((vectors(2), 0.0))
    both, halves = faces((vectors(2), 0.0), (vectors(1), 0.0)), faces((vectors(1)[:75], 0.0), (vectors(1)[75:], 3.0))
    nats = cue.curves([alone, silent, both, halves], sound, np.zeros(1)).nats[:, 0, 0]
    assert nats[0] > 50 > 10 > abs(nats[1])
    assert nats[2] == pytest.approx(nats[0] - np.log(2), abs=0.01)
    assert nats[3] == pytest.approx(nats[0], rel=1e-3)


def test_a_video_without_faces_abstains():
    curves = EmbeddingCue("lips", looks_at="mouth").curves([video(vectors(1))], [audio(vectors(1))], np.zeros(1))
    assert curves.video_reasons == ("no_face",)
    assert not curves.nats.any()


def test_offsets_between_two_ticks_are_found_to_a_part_of_a_tick():
    fine = np.random.default_rng(0).standard_normal((1300, 16))
    smooth = np.stack([np.convolve(column, np.hanning(45), "valid") for column in fine.T], axis=1)
    seen, heard = unit(smooth[100:1100:8]).astype(np.float32), unit(smooth[97:1097:8]).astype(np.float32)
    lags = np.arange(-100, 101) * 0.001
    nats = EmbeddingCue("lips", scale=5.0).curves([video(seen)], [audio(heard)], lags).nats[0, 0]
    assert lags[nats.argmax()] == pytest.approx(3 / 8 / RATE_HZ, abs=0.003)


def test_shots_whose_tracks_share_a_moment_add_up():
    cue = EmbeddingCue("lips", scale=5.0, looks_at="mouth")
    sound = [audio(vectors(1, noise=0.5))]
    held = np.concatenate([vectors(1)[:75], vectors(3)[:6]])  # held for 0.24 s after the face was lost
    shots = faces((held, 0.0), (vectors(1)[75:], 3.0))
    nats = cue.curves([faces((vectors(1), 0.0)), shots], sound, np.zeros(1)).nats[:, 0, 0]
    assert nats[1] == pytest.approx(nats[0], rel=0.03)


def test_who_speaks_may_change_every_ten_seconds():
    cue = EmbeddingCue("lips", scale=5.0, looks_at="mouth")
    first, second, other, another = (vectors(seed, 250) for seed in range(1, 5))
    sound = [audio(np.concatenate([first, second]))]
    talk = faces((np.concatenate([first, other]), 0.0), (np.concatenate([another, second]), 0.0))
    alone = faces((np.concatenate([first, second]), 0.0))
    nats = cue.curves([talk, alone], sound, np.zeros(1)).nats[:, 0, 0]
    assert nats[0] == pytest.approx(nats[1] - 2 * np.log(2), abs=0.5)


@pytest.mark.parametrize("motion", [np.zeros((150, 4, 64), np.float16), np.zeros((0, 4, 64), np.float16)])
def test_a_photograph_of_a_face_abstains(motion):
    same = vectors(1)
    photograph = replace(faces((same, 0.0)), motion=motion)
    cue = EmbeddingCue("lips", looks_at="mouth")
    curves = cue.curves([photograph, faces((same, 0.0))], [audio(same)], np.zeros(1))
    assert curves.video_reasons == ("static_picture", None)
    assert curves.nats[0, 0, 0] == 0.0 < curves.nats[1, 0, 0]


def test_silence_says_nothing():
    sound = replace(audio(vectors(1)), peak=0.0)
    curves = EmbeddingCue("lips").curves([video(vectors(1))], [sound, audio(vectors(1))], np.zeros(1))
    assert curves.audio_reasons == ("silence", None)
    assert curves.nats[0, 0, 0] == 0.0 < curves.nats[0, 1, 0]


def test_tracks_are_worked_on_in_parts_that_add_up(monkeypatch):
    cue = EmbeddingCue("lips", looks_at="mouth")
    videos = [faces((vectors(seed), 0.0), (vectors(seed + 9), 2.0)) for seed in range(5)]
    sounds = [audio(vectors(seed, noise=1.0)) for seed in range(3)]
    whole = cue.curves(videos, sounds, LAGS).nats
    monkeypatch.setattr(learned, "BLOCK_VALUES", 1)
    np.testing.assert_allclose(cue.curves(videos, sounds, LAGS).nats, whole, rtol=1e-4, atol=1e-4)
