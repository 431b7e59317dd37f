"""Clips compared at their best offset, against the definition."""

import numpy as np
import pytest

from avmatch.matching.galleries import aligned_similarity, similarity_at_best_offset


def clips_of(seed, lengths):
    rng = np.random.default_rng(seed)
    clips = [rng.standard_normal((length, 6)).astype(np.float32) for length in lengths]
    return [clip / np.linalg.norm(clip, axis=1, keepdims=True) for clip in clips]


def plainly(video, audio, reach):
    """The best mean over the ticks that both have, and how many these are."""
    means = {}
    for offset in range(-reach, reach + 1):
        dots = [
            float(video[tick] @ audio[tick + offset])
            for tick in range(len(video))
            if 0 <= tick + offset < len(audio) and np.isfinite(video[tick] @ audio[tick + offset])
        ]
        means[offset] = (np.mean(dots) if dots else -1.0, len(dots))
    return max(item for item in means.values() if item[1] >= 0.5 * means[0][1])


@pytest.mark.parametrize("reach", [0, 2, 30])
def test_it_is_the_mean_at_the_best_offset(reach):
    videos, audios = clips_of(0, (9, 12, 12)), clips_of(1, (10, 12, 4))
    videos[1][3:5], audios[0][7] = np.nan, np.nan
    found, ticks = similarity_at_best_offset(videos, audios, reach)
    expected = [[plainly(video, audio, reach) for audio in audios] for video in videos]
    np.testing.assert_allclose(found, [[item[0] for item in row] for row in expected], atol=1e-6)
    assert ticks.tolist() == [[item[1] for item in row] for row in expected]


def test_without_offsets_it_is_the_aligned_similarity():
    videos, audios = clips_of(2, (8, 5)), clips_of(3, (6, 8, 7))
    for found, expected in zip(
        similarity_at_best_offset(videos, audios, 0), aligned_similarity(videos, audios), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_late_and_early_sound_is_found():
    (clip,) = clips_of(4, (20,))
    found, ticks = similarity_at_best_offset([clip[3:], clip[:-3]], [clip[:-3], clip[3:]], 3)
    np.testing.assert_allclose(found.diagonal(), 1.0, atol=1e-6)
    assert ticks.diagonal().tolist() == [14, 14]


def test_nothing_in_common_is_no_evidence():
    (clip,) = clips_of(5, (6,))
    found, ticks = similarity_at_best_offset([np.full_like(clip, np.nan)], [clip], 2)
    assert (found.item(), ticks.item()) == (-1.0, 0)
