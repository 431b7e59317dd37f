"""How well a model's towers tell which voice belongs to which talking face.

    clips → vectors → pieces → similarity of every pair at its best offset → ranks, assignment
                        └────→ a window of 0.2 s of each → ranks of voices by faces, and of faces by voices

Pieces of one clip, and clips of one speaker, are in the gallery together: the voice alone gives nothing away. A pair's
similarity is the mean cosine at the best offset within ±0.24 s, so clips whose picture and sound are in doubt stay in;
windows are compared as they are, without such clips. The assignment is that of `avmatch match --complete`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.clock import frames_from_seconds
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.evaluation.pieces import PIECES_SECONDS, TalkProtocol, condition_name, percents, piece_name, piece_report
from avmatch.matching.assignment import one_to_one
from avmatch.matching.decision import confidences
from avmatch.matching.galleries import aligned_similarity, similarity_at_best_offset
from avmatch.metrics.intervals import Share, share_of
from avmatch.metrics.retrieval import true_ranks
from avmatch.reports.report import Report
from avmatch.systems.lips.talking_clips import Piece, TalkVectors, talk_vectors

#: Of R@k for windows.
MATCH_KS = (1, 5, 10)
MATCH_MAX_OFFSET_SECONDS = 0.24
#: The five frames that a SyncNet looks at.
WINDOW_SECONDS = 0.2


@dataclass(frozen=True)
class MatchRow:
    """Pieces of one length in one condition; ties count against the system.

    Attributes:
        piece_seconds: 0 = whole clips.
        top_1, top_5: of the faces, those whose voice is the best, or among the best five.
        assigned: of the faces, those that the one-to-one assignment gives their voice.
        voice_by_face, face_by_voice: R@k of windows by k, as far as there are so many; empty without two windows.
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


@dataclass(frozen=True)
class MatchResult:
    """All rows of one evaluation; `notes` tell a person what was left out."""

    model: str
    data: str
    rate_hz: float
    protocol: TalkProtocol
    rows: tuple[MatchRow, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """Two tables: of whole pieces, and of windows."""
        ks = sorted({k for row in self.rows for k in row.voice_by_face})
        faces = [["piece", "top-1", "top-5", "assigned", "n", "groups"]]
        windows = [["piece", *(f"{sign} R@{k}" for sign in "→←" for k in ks), "windows"]]
        for row in self.rows:
            label = condition_name(piece_name(row.piece_seconds), row.snr_db)
            recalls = [side.get(k) for side in (row.voice_by_face, row.face_by_voice) for k in ks]
            shares = percents([row.top_1, row.top_5, row.assigned])
            faces.append([label, *shares, str(row.num_pieces), str(row.num_groups)])
            windows.append([label, *percents(recalls), str(row.num_windows)])
        title = f"Windows of {WINDOW_SECONDS:g} s: face → voice, voice → face (←), %"
        tables = {"Faces that get their own voice, %": faces, title: windows}
        return piece_report("match", "Faces and voices", asdict(self), tables)


def evaluate_match(
    model: str | Path,
    data: str | Path,
    protocol: TalkProtocol,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> MatchResult:
    """Measure `model` on the talking clips of `data` (data/layouts.py).

    Raises:
        UsageError: no clip is there or can be used, or there are less than two pieces.
        ModelError: the model can't be used.
    """
    talk = talk_vectors(model, data, protocol, cache_dir, progress)
    rows, notes = [], list(talk.notes)
    for seconds in protocol.pieces_seconds or PIECES_SECONDS:
        pieces = talk.pieces(seconds)
        if len(pieces) < 2:
            notes.append(f"{data}: {len(pieces)} pieces ({piece_name(seconds)}) are no gallery: left out")
            continue
        rows += [_match_row(talk, pieces, seconds, number, protocol) for number in range(len(talk.conditions))]
    if not rows:
        raise UsageError(f"{data}: nothing can be measured; {notes[-1]}")
    return MatchResult(str(model), str(data), talk.rate_hz, protocol, tuple(rows), tuple(notes))


def _match_row(
    talk: TalkVectors, pieces: Sequence[Piece], seconds: float, condition: int, protocol: TalkProtocol
) -> MatchRow:
    nats = _evidence(talk, pieces, condition, protocol.max_offset_seconds or MATCH_MAX_OFFSET_SECONDS)
    ranks, groups, seed = true_ranks(nats), [piece.clip.group for piece in pieces], protocol.seed
    partners = one_to_one(confidences(nats, np.ones(nats.shape, bool)), complete=True)
    windows = _windows(pieces, condition, max(round(WINDOW_SECONDS * talk.rate_hz), 1))
    both = [_recalls(windows, side, protocol) for side in ("video", "audio")]
    return MatchRow(
        seconds,
        talk.conditions[condition],
        share_of(ranks <= 1, groups, seed),
        share_of(ranks <= 5, groups, seed),
        share_of(partners == np.arange(len(pieces)), groups, seed),
        both[0],
        both[1],
        len(pieces),
        len(windows),
        len(set(groups)),
    )


def _evidence(
    talk: TalkVectors, pieces: Sequence[Piece], condition: int, max_offset_seconds: float
) -> Float32[np.ndarray, "N N"]:
    """Nats of every face with every voice."""
    told = talk.towers.video.description
    reach = round(frames_from_seconds(max_offset_seconds, told.rate_hz))
    voices = [piece.audio(condition) for piece in pieces]
    similarity, num_ticks = similarity_at_best_offset([piece.video for piece in pieces], voices, reach)
    steps = (num_ticks / (told.rate_hz * told.independent_seconds)).astype(np.float32)
    return np.float32(told.scale) * steps * (similarity - np.float32(told.baseline))


@dataclass(frozen=True, eq=False)
class _Window:
    group: str
    video: Float32[np.ndarray, "W D"]
    audio: Float32[np.ndarray, "W D"]


def _windows(pieces: Sequence[Piece], condition: int, num_ticks: int) -> list[_Window]:
    """The middle of each piece that is not in doubt, where both sides are there."""
    windows = []
    for piece in pieces:
        begin = (len(piece.video) - num_ticks) // 2
        if begin < 0 or piece.clip.is_doubtful:
            continue
        part = slice(begin, begin + num_ticks)
        window = _Window(piece.clip.group, piece.video[part], piece.audio(condition)[part])
        if np.isfinite(window.video).all() and np.isfinite(window.audio).all():
            windows.append(window)
    return windows


def _recalls(windows: Sequence[_Window], asked: str, protocol: TalkProtocol) -> dict[int, Share]:
    """R@k of the other side's windows, for each k below their number."""
    if len(windows) < 2:
        return {}
    similarity, _ = aligned_similarity([item.video for item in windows], [item.audio for item in windows])
    ranks = true_ranks(similarity if asked == "video" else similarity.T)
    groups = [window.group for window in windows]
    return {k: share_of(ranks <= k, groups, protocol.seed) for k in protocol.ks or MATCH_KS if k < len(windows)}
