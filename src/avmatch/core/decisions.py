"""What a person decides of a result: single decisions, and what they amount to for a clip.

Files are named by their content here (`content_hash` in files.py), so that decisions survive moving and matching again.
Positive offsets mean that the sound comes late.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from avmatch.core.errors import UsageError

Kind = Literal["accept", "none", "pin", "forbid", "allow", "reopen", "note", "device"]
Verdict = Literal["open", "accepted", "none"]
#: What needs a recording; `pin` may also go without, which takes a pin back.
_OF_A_PAIR = frozenset({"accept", "forbid", "allow"})
LONGEST_NOTE, LONGEST_DEVICE = 2000, 80
_MOST_SECONDS = 1e6


@dataclass(frozen=True)
class Decision:
    """One thing that a person said.

    Attributes:
        subject: the clip, or the file that a `device` is said of.
        kind: accept a pair, no match, pin a pair, forbid one, allow it again, reopen, a note, the camera or recorder.
        recording: the other side of the pair.
        offset_seconds: the offset that an accepted pair has; None where nothing knows it.
        own_offset: the person set that offset.
        text: a note, or a device's name.
    """

    subject: str
    kind: Kind
    recording: str | None = None
    offset_seconds: float | None = None
    own_offset: bool = False
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"kind {self.kind!r}: there are {', '.join(get_args(Kind))}")
        if self.kind in _OF_A_PAIR and not self.recording:
            raise UsageError(f"{self.kind}: needs a recording")
        if self.offset_seconds is not None and not (
            math.isfinite(self.offset_seconds) and abs(self.offset_seconds) <= _MOST_SECONDS
        ):
            raise UsageError(f"offset_seconds must be a number of seconds, got {self.offset_seconds}")
        longest = LONGEST_DEVICE if self.kind == "device" else LONGEST_NOTE
        if len(self.text) > longest:
            raise UsageError(f"{self.kind}: at most {longest} characters, got {len(self.text)}")


@dataclass(frozen=True)
class Ruling:
    """What the decisions on one file amount to.

    Attributes:
        verdict: open, accepted (with `recording` at `offset_seconds`), or none (it has no match).
        pinned: the recording that the assignment must give it.
        forbidden: recordings that the assignment must not give it.
        device: the camera or recorder that the file is from, "" where nobody said.
    """

    verdict: Verdict = "open"
    recording: str | None = None
    offset_seconds: float | None = None
    own_offset: bool = False
    pinned: str | None = None
    forbidden: tuple[str, ...] = ()
    note: str = ""
    device: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left to decide of it."""
        return self.verdict != "open"

    def recordings(self) -> tuple[str, ...]:
        """All that it names."""
        return tuple(dict.fromkeys(filter(None, (self.recording, self.pinned, *self.forbidden))))

    def after(self, decision: Decision) -> "Ruling":
        """What it is with one decision more."""
        recording = decision.recording
        match decision.kind:
            case "accept":
                allowed = tuple(key for key in self.forbidden if key != recording)
                accepted = replace(self, verdict="accepted", recording=recording, pinned=None, forbidden=allowed)
                return replace(accepted, offset_seconds=decision.offset_seconds, own_offset=decision.own_offset)
            case "none":
                return replace(self._open(), verdict="none", pinned=None)
            case "reopen":
                return self._open()
            case "pin":
                allowed = tuple(key for key in self.forbidden if key != recording)
                return replace(self._open(), pinned=recording, forbidden=allowed)
            case "forbid":
                assert recording is not None
                kept = self._open() if self.recording == recording else self
                pinned = None if self.pinned == recording else self.pinned
                return replace(kept, pinned=pinned, forbidden=tuple(dict.fromkeys((*self.forbidden, recording))))
            case "allow":
                return replace(self, forbidden=tuple(key for key in self.forbidden if key != recording))
            case "note":
                return replace(self, note=decision.text)
            case "device":
                return replace(self, device=decision.text)

    def _open(self) -> "Ruling":
        return replace(self, verdict="open", recording=None, offset_seconds=None, own_offset=False)


def rulings(decisions: Iterable[Decision]) -> dict[str, Ruling]:
    """What the decisions, in their order, amount to, by subject."""
    found: dict[str, Ruling] = {}
    for decision in decisions:
        found[decision.subject] = found.get(decision.subject, Ruling()).after(decision)
    return found
