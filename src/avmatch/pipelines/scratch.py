"""Scratch sound: where a camera recorded a sound of its own, it is looked for in the recordings, and decides.

    onsets of every pair → the few recordings that stand out → both sounds, to the sample → evidence

A sound that is noise, hum or silence, or that no recording has, stands out nowhere (alignment/sounds.py): then the
picture alone decides, as it does for cameras without sound. What a video heard is enough for the pair and its offset; a
picture that contradicts is reported, not believed: many a shot shows who listens.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from avmatch.alignment.offset import TOLERANCE_SECONDS
from avmatch.alignment.sounds import SoundAlignment, align_sounds, first_look, onsets
from avmatch.analysis.features import analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import MatchResult
from avmatch.core.results import Failure, Progress
from avmatch.matching.fusion import Scores, placed, with_evidence
from avmatch.pipelines.pairs import Pair, PairJudge

Alignments = Mapping[Pair, SoundAlignment]
#: Of each video so many recordings are compared to the sample, at first in so few pieces; below this evidence no more.
SHORTLIST, FEW_PIECES, LEAST_NATS = 8, 3, 2.0
NAME = "scratch"


def heard_pairs(
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    num_workers: int = 0,
    progress: Progress | None = None,
) -> dict[Pair, SoundAlignment]:
    """The pairs whose video heard what the recording has, and where."""
    rows = [row for row, video in enumerate(videos) if video.scratch is not None and video.scratch.signs is not None]
    if not rows:
        return {}
    looks = [onsets(audio) for audio in audios]

    def of_row(name: str) -> dict[Pair, SoundAlignment]:
        scratch = videos[int(name)].scratch
        assert scratch is not None
        heights, lags = first_look(onsets(scratch), looks)
        best = np.argsort(-heights, kind="stable")[:SHORTLIST].tolist()
        found = {Pair(int(name), column): same_sound(scratch, audios[column], lags[column]) for column in best}
        return {pair: alignment for pair, alignment in found.items() if alignment is not None}

    found: dict[Pair, SoundAlignment] = {}
    for answer in analyse_all(of_row, list(map(str, rows)), "scratch", progress, num_workers):
        if not isinstance(answer, Failure):
            found |= answer
    return found


def same_sound(own: AudioFeatures, other: AudioFeatures, lags_seconds: Sequence[float]) -> SoundAlignment | None:
    """Where the one lies in the other, if both are the same."""
    if own.signs is None or other.signs is None:
        return None
    quick = align_sounds(own.signs, other.signs, lags_seconds, num_pieces=FEW_PIECES)
    if quick is None or quick.nats < LEAST_NATS:
        return None
    found = align_sounds(own.signs, other.signs, [quick.offset_seconds])
    return found if found is not None and found.is_same else None


def with_heard(scores: Scores, heard: Alignments, *, many: bool) -> Scores:
    """The scores with what was heard: of one recording for each video, since others of the same take say the same.

    Args:
        many: a recording may serve several videos.
    """
    if not heard:
        return scores
    nats = np.zeros(scores.nats.shape, np.float32)
    offsets = np.full(scores.nats.shape, np.nan)
    for pair, alignment in heard.items():
        begin, end = alignment.span_seconds
        nats[pair] = alignment.nats * (1.0 + min(end - begin, 1000.0) / 1e4)  # of two that fit, that which covers more
        offsets[pair] = alignment.offset_seconds
    kept = np.zeros(nats.shape, bool)
    if many:
        kept[np.arange(len(nats)), nats.argmax(axis=1)] = True
    else:
        kept[linear_sum_assignment(nats, maximize=True)] = True
    return placed(with_evidence(scores, NAME, np.where(kept, nats, np.float32(0.0))), offsets)


def picture_notes(result: MatchResult, judge: PairJudge) -> Iterator[str]:
    """A remark on each pair made by its sound whose picture contradicts."""
    rows = {path: row for row, path in enumerate(result.videos)}
    columns = {path: column for column, path in enumerate(result.audio)}
    for item in result.matches:
        if item.audio is None or item.video not in rows:
            continue
        pair = Pair(rows[item.video], columns[item.audio])
        alignment, measured = judge.heard.get(pair), judge.measured.get(pair)
        if alignment is None or measured is None or measured.result.offset_seconds is None:
            continue
        away = abs(measured.result.offset_seconds - alignment.offset_seconds)
        if measured.result.status == "ok" and away > 2 * TOLERANCE_SECONDS:
            yield (
                f"{item.video} with {item.audio}: the camera's own sound says {alignment.offset_seconds:+.3f} s, the "
                f"picture {measured.result.offset_seconds:+.3f} s; is that sound in sync with its picture?"
            )
