"""The clips of a result in the order in which a person should look at them.

    the result's rows + what was decided → what holds now → how much a look at it would gain → sections

The gain of a look is how many wrong answers it is expected to right: the probability that the clip's own answer is
wrong, and with it the answers of the clips that come next for the same recording. It comes from the confidences, which
are calibrated (matching/decision.py); and of a clip without a match from how many recordings are left over for those.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

from avmatch.core.decisions import Ruling
from avmatch.core.errors import UsageError
from avmatch.core.matches import FurtherAudio
from avmatch.data.changes import Answer
from avmatch.data.result_folder import SURE_CONFIDENCE, StoredMatch
from avmatch.data.result_tables import ResultTables
from avmatch.pipelines.decided import Decided
from avmatch.reports.wording import folder_and_name

#: As many recordings as clips are left over: so probable is it that one of them is the clip's.
LEFT_OVER_SHARE = 0.5
Section = Literal["check", "sure", "decided", "failed"]
Listing = Literal["check", "sure", "decided", "failed", "changed", "all"]


@dataclass(frozen=True)
class ClipRow:
    """A clip, and what holds of it.

    Attributes:
        match: what the result says.
        recording, offset_seconds, confidence: what holds: what was decided, or else what the result says.
        section: where it stands.
        gain: how many wrong answers a look at it is expected to right.
        revision: of the last decision on it.
        before: what the result said before the last solve, where that was something else.
        further: other recordings of the same moment (a second recorder, the next file of one that splits).
    """

    match: StoredMatch
    recording: str | None
    offset_seconds: float | None
    confidence: float
    section: Section
    gain: float
    ruling: Ruling = field(default_factory=Ruling)
    revision: int = 0
    before: Answer | None = None
    further: tuple[FurtherAudio, ...] = ()

    @property
    def video(self) -> str:
        """The clip's path."""
        return self.match.video

    @property
    def is_as_matched(self) -> bool:
        """Whether the result's own answer holds."""
        return self.recording == self.match.audio and self.offset_seconds == self.match.offset_seconds


@dataclass(frozen=True)
class Board:
    """All clips of a result, at one revision, in the order of the input."""

    rows: tuple[ClipRow, ...]
    decided: Decided = field(default_factory=Decided)

    @cached_property
    def by_video(self) -> Mapping[str, ClipRow]:
        """The rows by the clip's path."""
        return {row.video: row for row in self.rows}

    @cached_property
    def holders(self) -> Mapping[str, Sequence[ClipRow]]:
        """The clips that have each recording now."""
        found: dict[str, list[ClipRow]] = defaultdict(list)
        for row in self.rows:
            if row.recording is not None:
                found[row.recording].append(row)
        return found

    @cached_property
    def companions(self) -> Mapping[str, Sequence[ClipRow]]:
        """The clips that each recording belongs to as a further one."""
        found: dict[str, list[ClipRow]] = defaultdict(list)
        for row in self.rows:
            for more in row.further:
                found[more.audio].append(row)
        return found

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many clips stand where."""
        sections = [row.section for row in self.rows]
        verdicts = [row.ruling.verdict for row in self.rows]
        return {
            "all": len(self.rows),
            **{name: sections.count(name) for name in get_args(Section)},
            "accepted": verdicts.count("accepted"),
            "none": verdicts.count("none"),
            "changed": sum(row.before is not None for row in self.rows),
        }

    @cached_property
    def listings(self) -> Mapping[Listing, tuple[ClipRow, ...]]:
        """The rows of each listing, in its order."""
        of = {name: [row for row in self.rows if row.section == name] for name in get_args(Section)}
        return {
            "check": tuple(sorted(of["check"], key=lambda row: -row.gain)),
            "sure": tuple(sorted(of["sure"], key=lambda row: -row.gain)),
            "decided": tuple(sorted(of["decided"], key=lambda row: -row.revision)),
            "failed": tuple(of["failed"]),
            "changed": tuple(row for row in self.rows if row.before is not None),
            "all": self.rows,
        }

    def listing(self, name: str, search: str = "", cue: str = "", device: str = "") -> tuple[ClipRow, ...]:
        """The rows of a listing that fit. Raises UsageError for a listing that there isn't."""
        for known in get_args(Listing):
            if known == name:
                rows = self.listings[known]
                break
        else:
            raise UsageError(f"section {name!r}: there are {', '.join(get_args(Listing))}")
        wanted = folded(search)
        return tuple(
            row
            for row in rows
            if (not wanted or wanted in self._texts[row.video])
            and (not cue or row.match.cue == cue)
            and (not device or device in (self.decided.device(row.video), self.decided.device(row.recording or "")))
        )

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        files = {
            row.video: (row.video, row.recording or "", *(more.audio for more in row.further)) for row in self.rows
        }
        return {video: folded("\n".join(folder_and_name(path)[1] for path in paths)) for video, paths in files.items()}


def board(tables: ResultTables, decided: Decided, before: Mapping[str, Answer] | None = None) -> Board:
    """What holds of every clip.

    Args:
        before: what the result said before the last solve, of the clips of which it said something else.
    """
    accepted: dict[str | None, str] = {
        ruling.recording: video
        for video, ruling in decided.rulings.items()
        if ruling.verdict == "accepted" and ruling.recording is not None
    }
    taken = {} if tables.is_many else accepted
    missed = _missed(tables)
    rows = [_row(item, tables, decided, taken, missed) for item in tables.matches]
    wrong = {row.video: row.gain for row in rows}
    waiting: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.section == "check" and row.match.runner_up is not None and not tables.is_many:
            waiting[row.match.runner_up] += wrong[row.video]
    held = set() if tables.is_many else {row.recording for row in rows}
    return Board(
        tuple(
            replace(
                row,
                gain=row.gain * (1.0 + waiting[row.recording or ""]),
                before=(before or {}).get(row.video),
                further=tuple(more for more in further(row) if more.audio not in held),
            )
            for row in rows
        ),
        decided,
    )


def further(row: ClipRow) -> tuple[FurtherAudio, ...]:
    """The other recordings of the clip's moment, where the result's answer or one of its further recordings holds.

    The result knows how they lie to one another, so all move with the one that holds. Beside a second recorder those of
    the first are further ones, all of them.
    """
    match = row.match
    if match.audio is None or not match.further:
        return ()
    first = FurtherAudio(match.audio, "continues", match.offset_seconds or 0.0)
    group = (first, *match.further)
    chosen = next((item for item in group if item.audio == row.recording), None)
    if chosen is None:
        return ()
    moved = 0.0 if row.offset_seconds is None else row.offset_seconds - chosen.offset_seconds
    return tuple(
        FurtherAudio(
            item.audio,
            "also_fits" if chosen.role == "also_fits" else item.role,
            item.offset_seconds + moved,
        )
        for item in group
        if item is not chosen and item.audio not in row.ruling.forbidden
    )


def folded(text: str) -> str:
    """The same for texts that differ in case and accents only."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in parts if not unicodedata.combining(character))


def _missed(tables: ResultTables) -> float:
    """How probable it is that a clip without a match has one, by what is left over."""
    paired = {match.audio for match in tables.matches if match.audio is not None}
    paired |= {more.audio for match in tables.matches for more in match.further}
    num_alone = sum(match.audio is None for match in tables.matches)
    num_left = len(tables.recordings) if tables.is_many else len(tables.recordings) - len(paired)
    return LEFT_OVER_SHARE * min(1.0, num_left / num_alone) if num_alone else 0.0


def _row(
    match: StoredMatch, tables: ResultTables, decided: Decided, taken: Mapping[str | None, str], missed: float
) -> ClipRow:
    ruling, revision = decided.ruling(match.video), decided.revisions.get(match.video, 0)
    if ruling.is_decided:
        offset = ruling.offset_seconds if ruling.verdict == "accepted" else None
        confidence = 1.0 if ruling.verdict == "accepted" else 0.0
        return ClipRow(match, ruling.recording, offset, confidence, "decided", 0.0, ruling, revision)
    if tables.usable is not None and match.video not in tables.usable:
        return ClipRow(match, None, None, 0.0, "failed", 0.0, ruling, revision)
    recording, offset, confidence = match.audio, match.offset_seconds, match.confidence
    if ruling.pinned is not None and ruling.pinned != recording:
        return ClipRow(match, ruling.pinned, None, confidence, "check", 1.0, ruling, revision)
    if recording in ruling.forbidden or (recording is not None and recording in taken):
        return ClipRow(match, None, None, 0.0, "check", confidence, ruling, revision)
    wrong = _wrong(match, missed)
    is_sure = match.is_sure if recording is not None else wrong <= 1.0 - SURE_CONFIDENCE
    return ClipRow(match, recording, offset, confidence, "sure" if is_sure else "check", wrong, ruling, revision)


def _wrong(match: StoredMatch, missed: float) -> float:
    """How probable it is that what the result says of a clip is wrong."""
    if match.audio is None:
        return 1.0 - (1.0 - match.confidence) * (1.0 - missed)
    return 1.0 - match.confidence * (1.0 if match.offset_confidence is None else match.offset_confidence)
