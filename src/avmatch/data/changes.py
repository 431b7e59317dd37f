"""What a result said before the last solve: `changes.json` in its folder, of the clips whose answer is another now.

It holds for one state of matches.csv; after another `match` nothing counts as changed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avmatch.core.files import content_hash, strict_json, write_text_atomically
from avmatch.data.result_folder import MATCHES, StoredMatch

CHANGES = "changes.json"
#: An offset that moved by less is the same, and so is a confidence.
SAME_SECONDS, SAME_CONFIDENCE = 0.005, 0.05


@dataclass(frozen=True)
class Answer:
    """What a result says, or said, of a clip."""

    recording: str | None
    offset_seconds: float | None
    confidence: float

    @classmethod
    def of(cls, match: StoredMatch) -> "Answer":
        """What a row of matches.csv says."""
        return cls(match.audio, match.offset_seconds, match.confidence)

    def is_like(self, other: "Answer") -> bool:
        """Whether a person need not look again."""
        if self.recording != other.recording:
            return False
        if self.recording is None:
            return True
        moved = abs((self.offset_seconds or 0.0) - (other.offset_seconds or 0.0))
        return moved < SAME_SECONDS and abs(self.confidence - other.confidence) < SAME_CONFIDENCE


def changed(before: Sequence[StoredMatch], after: Sequence[StoredMatch]) -> dict[str, Answer]:
    """What was said before, by video, where something else is said now."""
    old = {match.video: Answer.of(match) for match in before}
    return {
        match.video: old[match.video]
        for match in after
        if match.video in old and not old[match.video].is_like(Answer.of(match))
    }


def write_changes(folder: Path, before: Mapping[str, Answer]) -> None:
    """Keep it beside matches.csv, whose present state it is of."""
    rows = [[video, item.recording, item.offset_seconds, item.confidence] for video, item in before.items()]
    record = {"matches": content_hash(folder / MATCHES), "before": rows}
    # Bytes of names that are no UTF-8 are kept as JSON has them.
    write_text_atomically(folder / CHANGES, json.dumps(json.loads(strict_json(record))))


def read_changes(folder: Path) -> dict[str, Answer]:
    """What was said before; nothing where the result is of another run."""
    try:
        record = json.loads((folder / CHANGES).read_text(encoding="utf-8"))
        if record["matches"] != content_hash(folder / MATCHES):
            return {}
        return {str(row[0]): Answer(row[1], row[2], float(row[3])) for row in record["before"]}
    except (OSError, ValueError, TypeError, KeyError, IndexError):  # it is no more than a remark
        return {}
