"""Scratch sound: where a camera recorded a sound of its own, it is looked for in the recordings, and decides.

    coarse onsets of every pair → onsets of a few → the recordings that stand out, to the sample → evidence

A sound that is noise, hum or silence, or that no recording has, stands out nowhere (alignment/sounds.py): then the
picture alone decides, as it does for cameras without sound. What a video heard is enough for the pair and its offset; a
picture that contradicts is reported, not believed: many a shot shows who listens.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from avmatch.alignment.offset import TOLERANCE_SECONDS
from avmatch.alignment.onset_shortlist import coarse, heights
from avmatch.alignment.sounds import RIVAL_SHARE, Onsets, SoundAlignment, align_sounds, first_look, onsets
from avmatch.analysis.features import analyse_all
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import MatchResult
from avmatch.core.origins import Origin
from avmatch.core.results import Failure, Progress
from avmatch.matching.fusion import Scores, placed, with_evidence
from avmatch.pipelines.pairs import Pair, PairJudge

Alignments = Mapping[Pair, SoundAlignment]
#: Of each video so many recordings are looked at.
LOOKED_AT = 32
#: So many of them are compared to the sample, at first in so few pieces; below this evidence no more.
SHORTLIST, FEW_PIECES, LEAST_NATS = 8, 3, 2.0
NAME = "scratch"


def heard_pairs(
    videos: Sequence[VideoFeatures],
    audios: Sequence[AudioFeatures],
    num_workers: int = 0,
    progress: Progress | None = None,
) -> dict[Pair, SoundAlignment]:
    """The pairs whose video heard what the recording has, and where."""
    sounds = {
        row: video.scratch
        for row, video in enumerate(videos)
        if video.scratch is not None and video.scratch.signs is not None
    }
    if not sounds:
        return {}
    own = {row: onsets(scratch) for row, scratch in sounds.items()}
    looks = [onsets(audio, keeps=len(audios) <= LOOKED_AT) for audio in audios]
    columns = _looked_at(own, looks)

    def of_row(name: str) -> dict[Pair, SoundAlignment]:
        row = int(name)
        stand_out, lags = first_look(own[row], [looks[column] for column in columns[row]])
        best = np.argsort(-stand_out, kind="stable")[:SHORTLIST].tolist()
        found = {
            Pair(row, columns[row][place]): same_sound(sounds[row], audios[columns[row][place]], lags[place])
            for place in best
        }
        return {pair: alignment for pair, alignment in found.items() if alignment is not None}

    found: dict[Pair, SoundAlignment] = {}
    for answer in analyse_all(of_row, list(map(str, sounds)), "scratch", progress, num_workers):
        if not isinstance(answer, Failure):
            found |= answer
    return found


def _looked_at(own: Mapping[int, Onsets], looks: Sequence[Onsets]) -> dict[int, list[int]]:
    """The columns of the recordings that each of these rows is compared with: all, or those that stand out most."""
    if len(looks) <= LOOKED_AT:
        return {row: list(range(len(looks))) for row in own}
    found = heights([coarse(look) for look in own.values()], [coarse(look) for look in looks])
    best = np.sort(np.argpartition(-found, LOOKED_AT, axis=1)[:, :LOOKED_AT], axis=1)
    return dict(zip(own, best.tolist(), strict=True))


def same_sound(own: AudioFeatures, other: AudioFeatures, lags_seconds: Sequence[float]) -> SoundAlignment | None:
    """Where the one lies in the other, if both are the same."""
    if own.signs is None or other.signs is None:
        return None
    quick = align_sounds(own.signs, other.signs, lags_seconds, num_pieces=FEW_PIECES)
    if quick is None or quick.nats < LEAST_NATS:
        return None
    found = align_sounds(own.signs, other.signs, [quick.offset_seconds])
    return found if found is not None and found.is_same else None


def with_heard(scores: Scores, heard: Alignments, origins: Sequence[Origin], *, many: bool) -> Scores:
    """The scores with what was heard: of one recording for each video, since others of the same take say the same.

    Of several takes of one recorder with the same music played back, that which was there stands out; where others fit
    nearly as well, sound can't tell which it was: they have the same evidence, and the rest decides.

    Args:
        origins: where the recordings come from.
        many: a recording may serve several videos.
    """
    if not heard:
        return scores
    nats = np.zeros(scores.nats.shape)
    offsets = np.full(scores.nats.shape, np.nan)
    rivals = _rivals(heard, origins)
    for pair, alignment in heard.items():
        begin, end = alignment.span_seconds
        covered = 1.0 + min(end - begin, 1000.0) / 1e4  # of two that fit, that which covers more
        is_weaker = any(alignment.strength < RIVAL_SHARE * heard[rival].strength for rival in rivals[pair])
        nats[pair] = 0.0 if is_weaker else alignment.nats * covered
        offsets[pair] = alignment.offset_seconds
    rows = np.arange(len(nats))
    chosen = (rows, nats.argmax(axis=1)) if many else linear_sum_assignment(nats, maximize=True)
    kept = np.zeros(nats.shape)
    kept[chosen] = nats[chosen]
    for best in [pair for pair in heard if kept[pair] > 0.0]:
        for rival in rivals[best]:
            kept[rival] = kept[best] if nats[rival] > 0.0 else 0.0
    return placed(with_evidence(scores, NAME, kept.astype(np.float32)), offsets)


def _rivals(heard: Alignments, origins: Sequence[Origin]) -> dict[Pair, list[Pair]]:
    """Of each pair the others of that video with another take of the same recorder, about the same part of it."""
    by_row: dict[int, list[Pair]] = {}
    for pair in heard:
        by_row.setdefault(pair.row, []).append(pair)
    return {
        pair: [
            other
            for other in by_row[pair.row]
            if other != pair
            and heard[pair].overlaps(heard[other])
            and not origins[pair.column].is_of_another(origins[other.column])
        ]
        for pair in heard
    }


def shared_notes(result: MatchResult, judge: PairJudge) -> Iterator[str]:
    """A remark on videos that are left alone though they heard a recording: another video has it."""
    has = {item.video: item.audio is not None for item in result.matches}
    alone = {pair.row for pair in judge.heard if not has.get(result.videos[pair.row], False)}
    if alone:
        first = result.videos[min(alone)]
        yield (
            f"{first if len(alone) == 1 else f'{len(alone)} videos ({first}, …)'} heard a recording that another video "
            "has or that nothing tells from its repeats; if several cameras ran in one take, use --many"
        )


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
