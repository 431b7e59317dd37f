"""Who of several faces speaks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avmatch.alignment.speakers import speakers
from avmatch.core.features import AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.core.results import SyncResult
from avmatch.cues.learned import EmbeddingCue
from avmatch.reports.wording import sync_sentence

CUE = EmbeddingCue("lips", scale=5.0, looks_at="mouth")


def vectors(seed, num=100):
    data = np.random.default_rng(seed).standard_normal((num, 16))
    return (data / np.linalg.norm(data, axis=1, keepdims=True)).astype(np.float16)


def face(seed, x, begin_seconds=0.0):
    times = begin_seconds + np.arange(100) / 25
    boxes = np.tile(np.array([x, 0.3, 0.1, 0.2], np.float32), (100, 1))
    towers = {"lips": Embeddings(vectors(seed), 25.0, begin_seconds)}
    return MouthTrack(times, boxes, np.zeros((100, 3), np.float32), towers)


def video(*faces):
    return VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), faces, 25.0, 4.0)


def sound(seed, begin_seconds=0.0):
    towers = {"lips": Embeddings(vectors(seed), 25.0, begin_seconds)}
    return AudioFeatures(0.0, np.zeros((0, 8), np.float16), np.zeros((0, 8), np.float16), 4.0, 0.5, embeddings=towers)


@pytest.mark.parametrize(
    ("xs", "place"),
    [
        ((0.1, 0.6), "left"),
        ((0.6, 0.1), "right"),
        ((0.5, 0.1, 0.8), "middle"),
        ((0.3, 0.1, 0.5, 0.7), "2nd from the left"),
    ],
)
def test_the_face_that_agrees_speaks(xs, place):
    faces = [face(seed, x) for seed, x in enumerate(xs)]
    (found,) = speakers(CUE, video(*faces), sound(0), 0.0)
    assert (found.place, found.num_faces) == (place, len(xs))
    assert found.box == pytest.approx((xs[0], 0.3, 0.1, 0.2))
    assert found.lead_nats > 20
    assert (found.begin_seconds, found.end_seconds) == (0.0, 3.96)


def test_the_offset_counts():
    (found,) = speakers(CUE, video(face(0, 0.1), face(1, 0.6)), sound(1, 0.4), 0.4)
    assert found.place == "right"


def test_stretches_follow_one_another():
    found = speakers(CUE, video(face(0, 0.1), face(1, 0.6), face(2, 0.5, 10.0)), sound(1), 0.0)
    assert [(speaker.num_faces, speaker.place, speaker.begin_seconds) for speaker in found] == [
        (2, "right", 0.0), (1, "only", 10.0),
    ]  # fmt: skip


def test_nobody_speaks_without_faces_or_sound():
    assert speakers(CUE, video(), sound(0), 0.0) == ()
    silent = AudioFeatures(0.0, np.zeros((0, 8), np.float16), np.zeros((0, 8), np.float16), 4.0, 0.5)
    assert speakers(CUE, video(face(0, 0.1)), silent, 0.0) == ()


def test_many_faces_are_counted_from_the_left():
    (found,) = speakers(CUE, video(*(face(seed, 0.05 + 0.1 * seed) for seed in range(8))), sound(6), 0.0)
    assert (found.num_faces, found.place) == (8, "7th from the left")


def test_nobody_is_called_the_speaker_in_doubt():
    several = speakers(CUE, video(face(0, 0.1), face(1, 0.6)), sound(1), 0.0)
    sure = SyncResult("a.mp4", 0.0, 25.0, 0.9, "lips", "ok", speakers=several)
    assert "the one at the right speaks" in sync_sentence(sure)
    assert "speaks" not in sync_sentence(replace(sure, status="uncertain"))
    close = tuple(replace(speaker, lead_nats=0.5) for speaker in several)
    assert "speaks" not in sync_sentence(replace(sure, speakers=close))


def test_the_sentence_and_json_tell_it_where_there_are_several():
    several = speakers(CUE, video(face(0, 0.1), face(1, 0.6), face(2, 0.35)), sound(2), 0.0)
    result = SyncResult("a.mp4", 0.0, 25.0, 0.9, "lips", "ok", speakers=several)
    assert sync_sentence(result).endswith("; of 3 faces the one in the middle speaks")
    assert json.loads(result.to_json())["speakers"][0]["place"] == "middle"
    alone = SyncResult(
        "a.mp4", 0.0, 25.0, 0.9, "lips", "ok", speakers=speakers(CUE, video(face(0, 0.1)), sound(0), 0.0)
    )
    assert "speaks" not in sync_sentence(alone)
    assert "speakers" not in json.loads(alone.to_json())
