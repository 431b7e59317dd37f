"""How well towers compare lips and voices: offsets (`avmatch evaluate sync`), and whose voice it is (`match`).

    clips → vectors → pieces ┬ shifted by a known number of frames → metrics/sync.py
                             ├ similarity of every pair at its best offset → ranks, assignment
                             └ the middle 0.2 s of each → ranks of voices by faces, and of faces by voices

Offsets: the sound of each piece is shifted five times, by frames drawn with the seed, and offsets within ±15 frames are
tried (at 25 frames a second). Shifts are made on vectors: beyond the ends of a piece lies its own clip's sound, and
beyond the ends of the clip nothing. K frames are compared with the clip's sound at all offsets, as in the LRS2
protocol; a whole piece only with the sound of its own time, as if both had been cut out together. Vectors are compared
by the distance that the model states: the cosine, or the Euclidean distance (SyncNets, whose vectors depend on five
frames each: K frames of evidence are K − 4 vectors). Doubtful clips, and those in which the model finds nothing, are
left out, and notes name them.

Whose voice: pieces of one clip, and clips of one speaker, are in the gallery together, so the timbre of the voice alone
does not decide. The similarity of a pair is the mean cosine at the best offset within ±0.24 s, so doubtful clips stay
in; windows of 0.2 s are compared as they are, without doubtful clips. The assignment is that of `avmatch match
--complete`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from avmatch.core.clock import frames_from_seconds
from avmatch.core.errors import UsageError
from avmatch.evaluation.galleries import evidence_of_ticks
from avmatch.evaluation.pieces import (
    NO_FIGURE,
    PIECES_SECONDS,
    TalkProtocol,
    percents,
    piece_name,
    piece_report,
    piece_shifts,
)
from avmatch.matching.assignment import one_to_one
from avmatch.matching.decision import confidences
from avmatch.matching.galleries import aligned_similarity, similarity_at_best_offset
from avmatch.metrics import sync
from avmatch.metrics.intervals import Share, share_of
from avmatch.metrics.retrieval import true_ranks
from avmatch.reports.report import Report
from avmatch.systems.lips.talking_clips import Piece, TalkVectors

#: Frames of evidence, as in the papers.
SYNC_KS = (5, 7, 9, 11, 13, 15)
#: ±15 frames at 25 a second are tried, and shifts of up to ±10 are drawn.
SYNC_MAX_OFFSET_SECONDS, MAX_SHIFT_SECONDS = 0.6, 0.4
#: Of R@k for windows.
MATCH_KS = (1, 5, 10)
MATCH_MAX_OFFSET_SECONDS = 0.24
#: The five frames of a SyncNet.
WINDOW_SECONDS = 0.2

Row = TypeVar("Row")


@dataclass(frozen=True)
class TalkResult(Generic[Row]):
    """All rows of one evaluation.

    Attributes:
        rate_hz: frames a second, as the model takes them.
        notes: what was left out, for a person.
    """

    model: str
    data: str
    rate_hz: float
    protocol: TalkProtocol
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SyncRow:
    """Pieces of one length in one condition.

    Attributes:
        piece_seconds: 0 = whole clips.
        accuracy: by K, the share of starts whose K frames give the offset within a frame; K longer than the pieces are
            left out.
        chance: by K, the same of a guess.
        in_frame, in_80_ms: of the shifted pieces, each as a whole; wrong where there is no face or no sound.
        distance, confidence: LSE-D and LSE-C, means over the pieces, not shifted; None if none has any.
        num_pieces, num_groups: how many, and of how many people or recordings.
    """

    piece_seconds: float
    snr_db: float | None
    accuracy: Mapping[int, Share]
    chance: Mapping[int, float]
    in_frame: Share
    in_80_ms: Share
    distance: float | None
    confidence: float | None
    num_pieces: int
    num_groups: int


@dataclass(frozen=True)
class FileRow:
    """A clip as a whole, as it is.

    Attributes:
        offset_frames: where the distance is least; positive = the sound comes late.
        distance, confidence: LSE-D and LSE-C, in the units of the model's vectors. These, and the offset, are None
            where there is no face or no sound.
    """

    path: str
    offset_frames: int | None
    distance: float | None
    confidence: float | None


@dataclass(frozen=True)
class SyncResult(TalkResult[SyncRow]):
    """Offsets; `files` where they were asked for one by one."""

    files: tuple[FileRow, ...] = ()

    def report(self) -> Report:
        """Two tables: from K frames, and of whole pieces; a third of the files."""
        ks = sorted({k for row in self.rows for k in row.accuracy})
        short = [["piece", *(f"K={k}" for k in ks), "n", "groups"]]
        whole = [["piece", "±1 frame", "±80 ms", "LSE-D", "LSE-C", "n", "groups"]]
        for row in self.rows:
            label = piece_name(row.piece_seconds, row.snr_db)
            size = [str(row.num_pieces), str(row.num_groups)]
            lse = [NO_FIGURE if value is None else f"{value:.2f}" for value in (row.distance, row.confidence)]
            short.append([label, *percents([row.accuracy.get(k) for k in ks]), *size])
            guesses = [NO_FIGURE if k not in row.chance else f"{100 * row.chance[k]:.1f}" for k in ks]
            short.append(["  a guess", *guesses, "", ""])
            whole.append([label, *percents([row.in_frame, row.in_80_ms]), *lse, *size])
        title = f"Offsets within 1 frame from K frames at {self.rate_hz:g} a second, %"
        tables = {title: short, "Offsets of whole pieces, %, and LSE in this model's units": whole}
        if self.files:
            cells = [
                (file.path, *map(_cell, (file.offset_frames, file.distance, file.confidence))) for file in self.files
            ]
            tables["Each file"] = [["file", "offset, frames", "LSE-D", "LSE-C"], *map(list, cells)]
        return piece_report("sync", "Offsets", asdict(self), tables)


def _cell(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value:+d}" if isinstance(value, int) else f"{value:.2f}"


def evaluate_lip_sync(talk: TalkVectors, *, per_file: bool = False) -> SyncResult:
    """Measure offsets, of each file as well if asked.

    Raises:
        UsageError: all clips are doubtful, or too short.
    """
    shortage = "no clip that is not in doubt is as long as {length}"
    rows, notes = _rows(talk, _sync_row, shortage=shortage, takes_doubtful=False)
    files = tuple(_file_row(talk, piece) for piece in talk.pieces(0.0)) if per_file else ()
    return SyncResult(talk.model, talk.data, talk.rate_hz, talk.protocol, rows, notes, files)


def _file_row(talk: TalkVectors, piece: Piece) -> FileRow:
    reach = _reach(talk)
    distances = sync.offset_distances(piece.video, piece.audio(0), reach)
    errors = sync.lip_sync_errors(distances)
    if errors is None:
        return FileRow(piece.clip.path, None, None, None)
    there = np.isfinite(distances).any(axis=0)
    curve = np.full(distances.shape[1], np.inf)
    curve[there] = np.nanmean(distances[:, there], axis=0)
    return FileRow(piece.clip.path, int(curve.argmin()) - reach, errors.distance, errors.confidence)


def _reach(talk: TalkVectors) -> int:
    """How many frames of offset are searched."""
    max_offset_seconds = talk.protocol.max_offset_seconds or SYNC_MAX_OFFSET_SECONDS
    return max(round(frames_from_seconds(max_offset_seconds, talk.rate_hz)), 2)


@dataclass(frozen=True)
class MatchRow:
    """Pieces of one length in one condition; ties count against the system.

    Attributes:
        piece_seconds: 0 = whole clips.
        top_1, top_5: of the faces, those whose voice is the best, or among the best five.
        assigned: of the faces, those that the one-to-one assignment gives their voice.
        voice_by_face, face_by_voice: R@k of windows by k below their number; empty with fewer than two windows.
        num_pieces, num_windows, num_groups: how many, and of how many people or recordings.
    """

    piece_seconds: float
    snr_db: float | None
    top_1: Share
    top_5: Share
    assigned: Share
    voice_by_face: Mapping[int, Share]
    face_by_voice: Mapping[int, Share]
    num_pieces: int
    num_windows: int
    num_groups: int


class MatchResult(TalkResult[MatchRow]):
    """Faces and voices."""

    def report(self) -> Report:
        """Two tables: of whole pieces, and of windows."""
        ks = sorted({k for row in self.rows for k in row.voice_by_face})
        faces = [["piece", "top-1", "top-5", "assigned", "n", "groups"]]
        windows = [["piece", *(f"{sign} R@{k}" for sign in "→←" for k in ks), "windows"]]
        for row in self.rows:
            label = piece_name(row.piece_seconds, row.snr_db)
            recalls = [side.get(k) for side in (row.voice_by_face, row.face_by_voice) for k in ks]
            shares = percents([row.top_1, row.top_5, row.assigned])
            faces.append([label, *shares, str(row.num_pieces), str(row.num_groups)])
            windows.append([label, *percents(recalls), str(row.num_windows)])
        title = f"Windows of {WINDOW_SECONDS:g} s: face → voice, voice → face (←), %"
        tables = {"Faces that get their own voice, %": faces, title: windows}
        return piece_report("match", "Faces and voices", asdict(self), tables)


def evaluate_match(talk: TalkVectors) -> MatchResult:
    """Measure which voice each face gets.

    Raises:
        UsageError: there are fewer than two pieces.
    """
    rows, notes = _rows(talk, _match_row, shortage="{num} pieces ({length}) are no gallery", fewest=2)
    return MatchResult(talk.model, talk.data, talk.rate_hz, talk.protocol, rows, notes)


def _rows(
    talk: TalkVectors,
    row: Callable[[TalkVectors, Sequence[Piece], float, int], Row],
    *,
    shortage: str,
    fewest: int = 1,
    takes_doubtful: bool = True,
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """A row for each length and condition, and notes; `shortage` says why a length has no row."""
    rows, notes = [], list(talk.notes)
    for seconds in talk.protocol.pieces_seconds or PIECES_SECONDS:
        pieces = [piece for piece in talk.pieces(seconds) if takes_doubtful or not piece.clip.is_doubtful]
        if len(pieces) < fewest:
            notes.append(f"{talk.data}: {shortage.format(num=len(pieces), length=piece_name(seconds))}: left out")
            continue
        rows += [row(talk, pieces, seconds, condition) for condition in range(len(talk.conditions))]
    if not rows:
        raise UsageError(f"{talk.data}: nothing can be measured; {notes[-1]}")
    return tuple(rows), tuple(notes)


def _sync_row(talk: TalkVectors, pieces: Sequence[Piece], seconds: float, condition: int) -> SyncRow:
    reach = _reach(talk)
    most, seed = min(reach, round(MAX_SHIFT_SECONDS * talk.rate_hz)), talk.protocol.seed
    description = talk.towers.video.description
    sign, compare = (-1, sync.offset_distances) if description.distance == "euclidean" else (1, sync.offset_scores)
    errors_frames, groups = [], []
    right, chance = (defaultdict[int, list[np.ndarray]](list) for _ in range(2))  # of each shifted piece, by K
    for piece in pieces:
        for shift in piece_shifts(Path(piece.clip.path).name, (piece.begin, piece.end), most, seed):
            among = sign * compare(piece.video, piece.audio(condition, shift, reach), reach, reach)
            alone = sign * compare(piece.video, piece.audio(condition, shift), reach)
            errors_frames.append(sync.offset_error(sync.mean_curve(alone), shift))
            groups.append(piece.clip.group)
            for k in talk.protocol.ks or SYNC_KS:
                right[k].append(sync.right_starts(among, k, truth=shift, window_frames=description.window_frames))
                chance[k].append(sync.chances(among, k, truth=shift, window_frames=description.window_frames))
    accuracy = {
        k: share_of(np.concatenate(hits), np.repeat(groups, list(map(len, hits))).tolist(), seed)
        for k, hits in right.items()
        if any(map(len, hits))
    }
    errors = np.array(errors_frames)
    distances = [sync.offset_distances(piece.video, piece.audio(condition), reach) for piece in pieces]
    lse = [found for found in map(sync.lip_sync_errors, distances) if found is not None]
    return SyncRow(
        seconds,
        talk.conditions[condition],
        accuracy,
        {k: float(np.mean(np.concatenate(chance[k]))) for k in accuracy},
        share_of(sync.within_frame(errors), groups, seed),
        share_of(sync.within_80_ms(errors / talk.rate_hz), groups, seed),
        float(np.mean([item.distance for item in lse])) if lse else None,
        float(np.mean([item.confidence for item in lse])) if lse else None,
        len(pieces),
        len(set(groups)),
    )


def _match_row(talk: TalkVectors, pieces: Sequence[Piece], seconds: float, condition: int) -> MatchRow:
    groups, seed = [piece.clip.group for piece in pieces], talk.protocol.seed
    reach = round(frames_from_seconds(talk.protocol.max_offset_seconds or MATCH_MAX_OFFSET_SECONDS, talk.rate_hz))
    voices = [piece.audio(condition) for piece in pieces]
    found = similarity_at_best_offset([piece.video for piece in pieces], voices, reach)
    nats = evidence_of_ticks(talk.towers.video.description, *found)
    ranks, assigned = true_ranks(nats), one_to_one(confidences(nats, np.ones(nats.shape, bool)), complete=True)
    windows = _windows(pieces, condition, max(round(WINDOW_SECONDS * talk.rate_hz), 1))
    return MatchRow(
        seconds,
        talk.conditions[condition],
        share_of(ranks <= 1, groups, seed),
        share_of(ranks <= 5, groups, seed),
        share_of(assigned == np.arange(len(pieces)), groups, seed),
        *_recalls(windows, condition, talk.protocol),
        len(pieces),
        len(windows),
        len(set(groups)),
    )


def _windows(pieces: Sequence[Piece], condition: int, num_ticks: int) -> list[Piece]:
    """The middle of each piece that is not doubtful, if both sides are there."""
    windows = []
    for piece in pieces:
        begin = piece.begin + (piece.end - piece.begin - num_ticks) // 2
        if begin < piece.begin or piece.clip.is_doubtful:
            continue
        window = Piece(piece.vectors, begin, begin + num_ticks)
        if np.isfinite(window.video).all() and np.isfinite(window.audio(condition)).all():
            windows.append(window)
    return windows


def _recalls(
    windows: Sequence[Piece], condition: int, protocol: TalkProtocol
) -> tuple[dict[int, Share], dict[int, Share]]:
    """R@k of voices by faces and of faces by voices, for each k below their number."""
    if len(windows) < 2:
        return {}, {}
    voices, groups = [window.audio(condition) for window in windows], [window.clip.group for window in windows]
    similarity, _ = aligned_similarity([window.video for window in windows], voices)
    ks = [k for k in protocol.ks or MATCH_KS if k < len(windows)]
    by_face, by_voice = (
        {k: share_of(ranks <= k, groups, protocol.seed) for k in ks}
        for ranks in (true_ranks(similarity), true_ranks(similarity.T))
    )
    return by_face, by_voice
