"""Results made by hand: what the reports are fed with."""

from collections.abc import Callable

import numpy as np
import pytest

from avmatch.core.matches import Candidate, Match, MatchResult, Preview

Build = Callable[..., MatchResult]
JPEG = b"\xff\xd8\xff" + bytes(range(256)) + b"\xff\xd9"


@pytest.fixture
def build() -> Build:
    """A function that makes a result of `num_pairs` pairs, video i with audio num_pairs − 1 − i."""

    def build_result(num_pairs: int, thumbnail: bytes = JPEG, **changes: object) -> MatchResult:
        videos = tuple(f"v/clip {i}.mp4" for i in range(num_pairs))
        audio = tuple(f"a/take {i}.wav" for i in range(num_pairs))
        similarity = np.full((num_pairs, num_pairs), -2.0, dtype=np.float32)
        matches, candidates = [], []
        for i, video in enumerate(videos):
            partner = num_pairs - 1 - i
            similarity[i, partner] = 5.0
            confidence = (i + 1) / (num_pairs + 1)
            matches.append(Match(video, audio[partner], confidence, 5.0, 0.120, "motion", audio[i], -2.0))
            candidates.append(Candidate(video, 1, audio[partner], 5.0, confidence, 0.120))
        previews = {video: Preview(4.0, thumbnail) for video in videos}
        previews |= {path: Preview(75.0, None, (0.0, 0.5, 1.0) * 70) for path in audio}
        fields = {
            "matches": tuple(matches),
            "unmatched_audio": (),
            "candidates": tuple(candidates),
            "videos": videos,
            "audio": audio,
            "similarity": similarity,
            "settings": {"cues": ["motion", "mouth"], "max_offset_seconds": 0.5},
            "previews": previews,
        }
        return MatchResult(**(fields | changes))

    return build_result


@pytest.fixture
def empty() -> MatchResult:
    """No video could be used: one failed, and there is one recording."""
    return MatchResult(
        matches=(Match("broken.mp4", None, 0.0, None, None, ""),),
        unmatched_audio=("take.wav",),
        candidates=(),
        videos=(),
        audio=("take.wav",),
        similarity=np.zeros((0, 1), dtype=np.float32),
    )
