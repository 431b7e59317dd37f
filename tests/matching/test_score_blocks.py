"""Scores in blocks on disk say what all scores at once say."""

import shutil

import numpy as np
import pytest

from avmatch.matching.assignment import one_to_one, one_to_one_of_pairs
from avmatch.matching.decision import confidences
from avmatch.matching.score_blocks import Vectors, block_path, listed_pairs
from avmatch.matching.shortlist import shortlist


def made(num_videos, num_audios, noise, seed=0):
    """Unit vectors; the sound of each video, where there is one, lies near it."""
    random = np.random.default_rng(seed)
    videos = random.normal(size=(num_videos, 32))
    audios = random.normal(size=(num_audios, 32))
    num = min(num_videos, num_audios) * 3 // 4
    audios[:num] = videos[:num] + noise * audios[:num]
    unit = [(side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in (videos, audios)]
    return Vectors(*unit, scale=20.0, baseline=0.2)


def here(task, blocks, stage):
    return list(map(task.prepared(), blocks))


@pytest.mark.parametrize(("num_videos", "num_audios", "noise"), [(500, 500, 0.7), (300, 410, 0.6), (7, 1, 0.5)])
@pytest.mark.parametrize("shared", [False, True])
def test_confidences_and_pairs_are_those_of_all_scores(tmp_path, num_videos, num_audios, noise, shared):
    vectors = made(num_videos, num_audios, noise)
    listed = listed_pairs(vectors, tmp_path, here, shared=shared)
    scores = vectors.scores(slice(None))
    dense = confidences(scores, shared=shared)
    np.testing.assert_allclose(listed.confidence, dense[listed.rows, listed.columns], atol=1e-5)
    np.testing.assert_allclose(listed.nats, scores[listed.rows, listed.columns], atol=1e-5)
    is_listed = np.zeros(vectors.shape, bool)
    is_listed[listed.rows, listed.columns] = True
    np.testing.assert_array_equal(is_listed, shortlist(np.concatenate([np.load(one) for one in kept(tmp_path)])))
    assert is_listed[dense >= 0.5].all()  # whatever may be paired
    found = one_to_one_of_pairs(listed.rows, listed.columns, listed.confidence, vectors.shape)
    np.testing.assert_array_equal(found, one_to_one(dense))
    assert (found >= 0).sum() >= num_videos // 10


def kept(folder):
    return sorted(folder.glob("*.npy"))


def test_blocks_that_are_there_are_not_computed_again(tmp_path, monkeypatch):
    vectors = made(600, 300, 0.5)
    whole = listed_pairs(vectors, tmp_path, here)
    assert len(kept(tmp_path)) == 3
    block_path(tmp_path, 256).unlink()
    asked, before = [], Vectors.scores

    def scores(vectors, rows):
        asked.append(rows.start)
        return before(vectors, rows)

    monkeypatch.setattr(Vectors, "scores", scores)
    again = listed_pairs(vectors, tmp_path, here)
    assert asked == [256]
    np.testing.assert_array_equal(again.confidence, whole.confidence)


def test_the_folder_follows_the_vectors():
    vectors = made(3, 4, 0.5)
    assert vectors.fingerprint == made(3, 4, 0.5).fingerprint
    other = Vectors(vectors.videos, vectors.audios, vectors.scale, 0.3)
    assert len({vectors.fingerprint, other.fingerprint, made(3, 4, 0.5, seed=1).fingerprint}) == 3


def test_scores_that_another_process_has_removed_are_computed_again(tmp_path):
    vectors = made(600, 300, 0.5)
    whole = listed_pairs(vectors, tmp_path / "kept", here)

    def removing(task, blocks, stage):
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        return here(task, blocks, stage)

    again = listed_pairs(vectors, tmp_path / "gone", removing)
    np.testing.assert_array_equal(again.confidence, whole.confidence)
    assert [path.name for path in kept(tmp_path / "gone")] == [path.name for path in kept(tmp_path / "kept")]
