"""How well a model's towers tell the offset between talking faces and their voices.

    clips → vectors → pieces → shifted by a known number of frames → metrics (metrics/sync.py)

The sound of each piece is shifted five times, by frames drawn with the seed, and offsets within ±15 frames are tried
(at 25 frames a second). Shifts are made on vectors: what a shift brings in from before or behind a piece is its own
clip's sound, and where that ends there is none. K frames are compared with the clip's sound at all offsets, as in the
LRS2 protocol; a whole piece only with what is heard during it, as if it had been cut out with its sound. Clips whose
picture and sound are in doubt are left out, and so are those in which the model finds nothing: notes name them.

Vectors are compared as the model's description says: by their cosine, or by the Euclidean distance (SyncNets, whose
vectors have seen five frames each: K frames of evidence are K − 4 of them).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from avmatch.artifacts.model import TOWERS, Model, open_model
from avmatch.artifacts.tower import TowerDescription
from avmatch.core.clock import frames_from_seconds
from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.evaluation.pieces import (
    NO_FIGURE,
    PIECES_SECONDS,
    TalkProtocol,
    condition_name,
    percents,
    piece_name,
    piece_report,
)
from avmatch.metrics.intervals import Share, share_of
from avmatch.metrics.sync import (
    chances,
    lip_sync_errors,
    mean_curve,
    offset_distances,
    offset_error,
    offset_scores,
    right_starts,
    within_80_ms,
    within_frame,
)
from avmatch.reports.report import Report
from avmatch.systems.lips.talking_clips import Piece, TalkVectors, talk_vectors

#: Frames of evidence, as the papers have them.
DEFAULT_KS = (5, 7, 9, 11, 13, 15)
#: ±15 frames at 25 a second are tried, and shifts of up to ±10 are drawn.
MAX_OFFSET_SECONDS, MAX_SHIFT_SECONDS = 0.6, 0.4
NUM_SHIFTS = 5


@dataclass(frozen=True)
class SyncRow:
    """Pieces of one length in one condition.

    Attributes:
        piece_seconds: 0 = whole clips.
        accuracy: by K, the share of starts whose K frames tell the offset within a frame; K longer than the pieces are
            left out.
        chance: by K, how often a guess would be.
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
class SyncResult:
    """All rows of one evaluation.

    Attributes:
        rate_hz: frames a second, as the model sees them.
        notes: what was left out, for a person.
    """

    model: str
    data: str
    rate_hz: float
    protocol: TalkProtocol
    rows: tuple[SyncRow, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """Two tables: from K frames, and of whole pieces."""
        ks = sorted({k for row in self.rows for k in row.accuracy})
        short = [["piece", *(f"K={k}" for k in ks), "n", "groups"]]
        whole = [["piece", "±1 frame", "±80 ms", "LSE-D", "LSE-C", "n", "groups"]]
        for row in self.rows:
            label = condition_name(piece_name(row.piece_seconds), row.snr_db)
            size = [str(row.num_pieces), str(row.num_groups)]
            lse = [NO_FIGURE if value is None else f"{value:.2f}" for value in (row.distance, row.confidence)]
            short.append([label, *percents([row.accuracy.get(k) for k in ks]), *size])
            guesses = [NO_FIGURE if k not in row.chance else f"{100 * row.chance[k]:.1f}" for k in ks]
            short.append(["  a guess", *guesses, "", ""])
            whole.append([label, *percents([row.in_frame, row.in_80_ms]), *lse, *size])
        title = f"Offsets within 1 frame from K frames at {self.rate_hz:g} a second, %"
        tables = {title: short, "Offsets of whole pieces, %, and LSE in this model's units": whole}
        return piece_report("sync", "Offsets", asdict(self), tables)


@dataclass(frozen=True)
class _Trial:
    """One shifted piece: whether each start is right, and a guess would be, by K; the error of the whole in frames."""

    group: str
    right: Mapping[int, Bool[np.ndarray, " S"]]
    chance: Mapping[int, Float[np.ndarray, " S"]]
    error_frames: float


def evaluate_lip_sync(
    model: str | Path | Model,
    data: str | Path,
    protocol: TalkProtocol,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> SyncResult:
    """Measure `model` on the talking clips of `data` (data/layouts.py).

    Raises:
        UsageError: no clip is there or can be used, or all are in doubt, or too short.
        ModelError: the model can't be used.
    """
    opened = open_model(model, TOWERS)
    talk = talk_vectors(opened, data, protocol, cache_dir, progress, any_distance=True)
    rows, notes = [], list(talk.notes)
    for seconds in protocol.pieces_seconds or PIECES_SECONDS:
        pieces = [piece for piece in talk.pieces(seconds) if not piece.clip.is_doubtful]
        if not pieces:
            notes.append(f"{data}: no clip that is not in doubt is as long as {piece_name(seconds)}: left out")
            continue
        rows += [_row(talk, pieces, seconds, number, protocol) for number in range(len(talk.conditions))]
    if not rows:
        raise UsageError(f"{data}: nothing can be measured; {notes[-1]}")
    return SyncResult(opened.name, str(data), talk.rate_hz, protocol, tuple(rows), tuple(notes))


def _row(talk: TalkVectors, pieces: Sequence[Piece], seconds: float, condition: int, protocol: TalkProtocol) -> SyncRow:
    reach = max(round(frames_from_seconds(protocol.max_offset_seconds or MAX_OFFSET_SECONDS, talk.rate_hz)), 2)
    ks = protocol.ks or DEFAULT_KS
    told = talk.towers.video.description
    trials = [
        _trial(told, piece, condition, shift, reach, ks)
        for piece in pieces
        for shift in _shifts(piece, min(reach, round(MAX_SHIFT_SECONDS * talk.rate_hz)), protocol.seed)
    ]
    errors = np.array([trial.error_frames for trial in trials])
    groups = [trial.group for trial in trials]
    distances = [offset_distances(piece.video, piece.audio(condition), reach) for piece in pieces]
    lse = [found for found in map(lip_sync_errors, distances) if found is not None]
    accuracy = {k: _accuracy(trials, k, protocol.seed) for k in ks}
    return SyncRow(
        seconds,
        talk.conditions[condition],
        {k: share for k, share in accuracy.items() if share is not None},
        {
            k: float(np.mean(np.concatenate([trial.chance[k] for trial in trials])))
            for k, share in accuracy.items()
            if share is not None
        },
        share_of(within_frame(errors), groups, protocol.seed),
        share_of(within_80_ms(errors / talk.rate_hz), groups, protocol.seed),
        float(np.mean([item.distance for item in lse])) if lse else None,
        float(np.mean([item.confidence for item in lse])) if lse else None,
        len(pieces),
        len(set(groups)),
    )


def _trial(told: TowerDescription, piece: Piece, condition: int, shift: int, reach: int, ks: Sequence[int]) -> _Trial:
    """The piece with its sound `shift` frames late."""
    right, chance = {}, {}
    among = _scores(told, piece, piece.audio(condition, shift, reach), reach, reach)
    for k in ks:
        right[k] = right_starts(among, k, truth=shift, window_frames=told.window_frames)
        chance[k] = chances(among, k, truth=shift, window_frames=told.window_frames)
    alone = _scores(told, piece, piece.audio(condition, shift), reach, 0)
    return _Trial(piece.clip.group, right, chance, offset_error(mean_curve(alone), shift))


def _scores(
    told: TowerDescription, piece: Piece, heard: Float32[np.ndarray, "U D"], reach: int, lead: int
) -> Float[np.ndarray, "T O"]:
    """By the distance that the model has."""
    if told.distance == "euclidean":
        return -offset_distances(piece.video, heard, reach, lead)
    return offset_scores(piece.video, heard, reach, lead)


def _shifts(piece: Piece, most: int, seed: int) -> list[int]:
    """Different ones, the same for all models and conditions."""
    name = Path(piece.clip.path).name.encode(errors="surrogateescape")
    rng = np.random.default_rng([seed, zlib.crc32(name), piece.begin, piece.end])
    drawn = rng.choice(np.arange(-most, most + 1), min(NUM_SHIFTS, 2 * most + 1), replace=False)
    return [int(shift) for shift in drawn]


def _accuracy(trials: Sequence[_Trial], k: int, seed: int) -> Share | None:
    """Over the starts of all trials; None if there are none."""
    hits = np.concatenate([trial.right[k] for trial in trials])
    groups = [trial.group for trial in trials for _ in trial.right[k]]
    return share_of(hits, groups, seed) if len(hits) else None
