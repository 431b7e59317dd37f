"""Nouns as JSON, as docs/review.md has them."""

from collections.abc import Mapping, Sequence

from avmatch.core.decisions import Decision, Ruling
from avmatch.core.matches import Candidate
from avmatch.data.changes import Answer
from avmatch.pipelines.review import clip_id, recording_id
from avmatch.pipelines.review_board import Board, ClipRow
from avmatch.reports.wording import folder_and_name, shown

Record = dict[str, object]


def file_record(path: str, board: Board, *, is_clip: bool = False) -> Record:
    """File."""
    folder, name = folder_and_name(path)
    return {
        "id": clip_id(path) if is_clip else recording_id(path),
        "name": name,
        "folder": folder.rstrip("/\\") or folder,
        "device": board.decided.device(path),
        "revision": board.decided.revisions.get(path, 0),
    }


def row_record(row: ClipRow, board: Board) -> Record:
    """Row."""
    match, is_matched = row.match, row.is_as_matched
    interval = match.offset_interval_seconds
    return {
        **file_record(row.video, board, is_clip=True),
        "recording": _recording(row.recording, board),
        "offset_seconds": row.offset_seconds,
        "confidence": row.confidence,
        "offset_confidence": match.offset_confidence if is_matched else None,
        "offset_interval_seconds": list(interval) if interval is not None and is_matched else None,
        "cue": match.cue,
        "why": shown(match.why),
        "section": row.section,
        "gain": round(row.gain, 4),
        "ruling": ruling_record(row.ruling),
        "change": None if row.before is None else answer_record(row.before, board),
        "further": [
            {"recording": file_record(more.audio, board), "role": more.role, "offset_seconds": more.offset_seconds}
            for more in row.further
        ],
    }


def answer_record(answer: Answer, board: Board) -> Record:
    """What a result said before."""
    return {
        "recording": _recording(answer.recording, board),
        "offset_seconds": answer.offset_seconds,
        "confidence": answer.confidence,
    }


def ruling_record(ruling: Ruling) -> Record:
    """Ruling."""
    return {
        "verdict": ruling.verdict,
        "recording": None if ruling.recording is None else recording_id(ruling.recording),
        "offset_seconds": ruling.offset_seconds,
        "own_offset": ruling.own_offset,
        "pinned": None if ruling.pinned is None else recording_id(ruling.pinned),
        "forbidden": [recording_id(path) for path in ruling.forbidden],
        "note": ruling.note,
    }


def candidate_record(candidate: Candidate, board: Board) -> Record:
    """Candidate."""
    holders = board.holders.get(candidate.audio, ())
    return {
        "rank": candidate.rank,
        "recording": file_record(candidate.audio, board),
        "score": candidate.score,
        "confidence": candidate.confidence,
        "offset_seconds": candidate.offset_seconds,
        "belongs": candidate.belongs,
        "why": shown(candidate.why),
        "clips": clip_names([row for row in holders if row.video != candidate.video]),
        "further_of": further_of(candidate.audio, board),
    }


def clip_names(rows: Sequence[ClipRow]) -> list[Record]:
    """Which clips, in short."""
    return [{"id": clip_id(row.video), "name": folder_and_name(row.video)[1]} for row in rows]


def further_of(path: str, board: Board) -> list[Record]:
    """The clips that a recording belongs to as a further one."""
    return clip_names(board.companions.get(path, ()))


def state_record(board: Board) -> Record:
    """State."""
    decisions = board.decided.decisions
    return {
        "revision": decisions.revision,
        "counts": dict(board.counts),
        "undo": _step(decisions.undo, board),
        "redo": _step(decisions.redo, board),
    }


def subject_record(board: Board, path: str) -> Mapping[str, object]:
    """The row of a clip, or the file of a recording."""
    row = board.by_video.get(path)
    if row is None:
        return {"subject": recording_id(path), "file": file_record(path, board)}
    return {"subject": clip_id(path), "row": row_record(row, board)}


def _recording(path: str | None, board: Board) -> Record | None:
    return None if path is None else file_record(path, board)


def _step(decisions: Sequence[Decision], board: Board) -> Record | None:
    if not decisions:
        return None
    last = decisions[-1]
    path = board.decided.path_of(last.subject)
    name = None if path is None else folder_and_name(path)[1]
    subject = None if path is None else clip_id(path) if path in board.by_video else recording_id(path)
    return {"kind": last.kind, "subject": subject, "name": name}
