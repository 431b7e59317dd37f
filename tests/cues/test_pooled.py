"""Evidence of one vector a file is that of the cues themselves."""

import numpy as np
import pytest

from avmatch.core.features import Embeddings
from avmatch.cues.pooled import PooledCue, PooledRows
from avmatch.systems.events.runtime import KindCue, load_event_model
from avmatch.systems.semantic.runtime import SemanticCue, load_semantic_model
from event_scenes import event_times, picture, sound

LAGS = np.zeros(1)


@pytest.fixture(scope="module")
def cues():
    return KindCue(load_event_model("events")), SemanticCue(load_semantic_model("semantic"))


@pytest.fixture(scope="module")
def files():
    """Two pictures and three sounds; the last of each is unknown to one cue, or silent."""
    rng = np.random.default_rng(0)

    def known(features, num):
        vectors = Embeddings(rng.normal(0, 1, (num, 128)).astype(np.float16), 1.0)
        return features.__class__(**{**vars(features), "embeddings": {"semantic": vectors}})

    videos = [known(picture(event_times(0), seed=0), 5), picture(event_times(1), seed=1, light=30.0)]
    sounds = [known(sound(event_times(n), seed=n, colour=n), 4) for n in range(2)] + [sound([], peak=0.0)]
    return videos, sounds


def test_rows_give_the_evidence_of_the_cues(cues, files):
    videos, sounds = files
    assert all(isinstance(cue, PooledCue) for cue in cues)
    rows = PooledRows(cues)
    heard = np.stack([rows.of_audio(one) for one in sounds])
    seen = np.stack([rows.of_video(one) for one in videos])
    assert heard.shape == (3, rows.width)
    wanted = sum(cue.curves(videos, sounds, LAGS).nats[..., 0] for cue in cues)
    np.testing.assert_allclose([rows.nats(one, heard) for one in seen], wanted, atol=2e-4)
    np.testing.assert_allclose([rows.nats(one, seen) for one in heard], wanted.T, atol=2e-4)
    assert (wanted[:, 2] == 0.0).all()  # silence says nothing
    assert np.abs(wanted[:, :2]).min() > 0.01


def test_what_is_the_same_is_most_alike(cues, files):
    rows = PooledRows(cues)
    heard = np.stack([rows.of_audio(one) for one in files[1]])
    likeness = rows.likeness(heard[0], heard)
    assert likeness[0] == pytest.approx(1.0, abs=1e-5)
    assert likeness[1] < 0.99
    assert likeness[2] == 0.0


def test_classes_are_probabilities_with_names(cues, files):
    rows = PooledRows(cues)
    heard = np.stack([rows.of_audio(one) for one in files[1]])
    found = rows.classes(heard)
    assert found.shape == (3, len(rows.class_names))
    assert any(name.startswith("impact") for name in rows.class_names)
    np.testing.assert_allclose(found.sum(axis=1), [1.0, 1.0, 0.0], atol=1e-5)


def test_speech_is_the_share_of_a_sound_with_a_voice(cues, files):
    rows = PooledRows(cues, voice=lambda audio: np.array([0.9, 0.8, 0.1, 0.2], np.float32))
    row = rows.of_audio(files[1][0])
    assert rows.speech(row[None]).tolist() == [0.5]
    assert PooledRows(cues).speech(PooledRows(cues).of_audio(files[1][0])[None]).tolist() == [0.0]
