"""No single trick finds the pairs: only time does.

Each trick ranks the videos by one thing, the recordings by another, and pairs them by optimal assignment on
the ranks, in both directions. A random pairing of any number of files has one right pair on average, and the
number of right pairs is close to Poisson-distributed with mean 1: more than 7 has a probability of 0.001 %.
So no trick may have more than 7, and the mean over all tricks must stay within twice chance, that is 2.
"""

import csv

import cv2
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from avmatch.core.features import VideoFrames
from avmatch.media.decode import decode
from avmatch.synth import SynthConfig, synthesise

NUM_SCENES = 40
MOST_RIGHT, MEAN_RIGHT = 7, 2.0
VIDEO_TRAITS = ("name", "place", "size", "length", "brightness", "contrast", "motion", "detail", "area")
AUDIO_TRAITS = ("name", "place", "size", "length", "level", "peak", "centroid", "median", "treble")


def num_right(videos, audio):
    """Right pairs of an assignment by rank: entry n of `videos` belongs to entry n of `audio`."""
    shuffled = np.random.default_rng(0).permutation(len(audio))  # ties must not be settled by the order
    distance = np.abs(rankdata(videos)[:, None] - rankdata(audio)[None, shuffled])
    rows, columns = linear_sum_assignment(distance)
    return int((rows == shuffled[columns]).sum())


def file_traits(path):
    return {"name": int.from_bytes(path.stem[2:].encode()), "place": path.stat().st_ino, "size": path.stat().st_size}


def video_traits(path):
    blocks = [block for block in decode(path, audio=False) if isinstance(block, VideoFrames)]
    frames = np.concatenate([block.data for block in blocks]).astype(np.float32)
    return file_traits(path) | {
        "length": blocks[-1].pts_seconds[-1],
        "brightness": frames.mean(),
        "contrast": frames.std(),
        "motion": np.abs(np.diff(frames, axis=0)).mean(),
        "detail": np.abs(cv2.Laplacian(frames[0], cv2.CV_32F)).mean(),
        "area": frames[0].size,
    }


def audio_traits(path):
    blocks = list(decode(path, video=False, sample_rate_hz=48_000))
    sound = np.concatenate([block.data[0] for block in blocks])
    power = np.square(np.abs(np.fft.rfft(sound)))
    frequencies = np.fft.rfftfreq(len(sound), 1 / 48_000)
    level = np.sqrt(np.mean(np.square(sound)))
    return file_traits(path) | {
        "length": len(sound),
        "level": level,
        "peak": np.abs(sound).max() / level,
        "centroid": (power * frequencies).sum() / power.sum(),
        "median": frequencies[np.searchsorted(np.cumsum(power), power.sum() / 2)],
        "treble": power[frequencies > 4000].sum() / power.sum(),
    }


@pytest.fixture(scope="module")
def traits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tricks")
    synthesise(folder, SynthConfig(NUM_SCENES, seed=11, duration_seconds=2.0))
    with (folder / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(video_traits(folder / row["video"]), audio_traits(folder / row["audio"])) for row in rows]


def best_of_both_directions(traits, video_trait, audio_trait):
    videos = np.array([video[video_trait] for video, _ in traits], float)
    audio = np.array([audio[audio_trait] for _, audio in traits], float)
    return num_right(videos, audio), num_right(-videos, audio)


@pytest.mark.parametrize("video_trait", VIDEO_TRAITS)
def test_no_trick_finds_the_pairs(traits, video_trait):
    for audio_trait in AUDIO_TRAITS:
        assert max(best_of_both_directions(traits, video_trait, audio_trait)) <= MOST_RIGHT, audio_trait


def test_all_tricks_together_are_at_chance(traits):
    right = [best_of_both_directions(traits, video, audio) for video in VIDEO_TRAITS for audio in AUDIO_TRAITS]
    assert np.mean(right) <= MEAN_RIGHT


def test_a_trait_that_leaked_would_be_noticed():
    rng = np.random.default_rng(0)
    loudness = rng.normal(size=NUM_SCENES)
    assert num_right(loudness, loudness + 0.02 * rng.normal(size=NUM_SCENES)) > MOST_RIGHT
