"""What `sync` says about one file, as a sentence without the file's name.

The verdict is that of ITU-R BT.1359-1 (see avmatch.core.results.itu_verdict).
"""

from __future__ import annotations

from avmatch.core.results import SyncResult, Verdict
from avmatch.reports.words import TOGETHER_SECONDS, lateness, shown

_VERDICT_WORDS: dict[Verdict, str] = {
    "in_sync": "viewers do not notice",
    "early_noticed": "viewers notice",
    "late_noticed": "viewers notice",
    "early_unacceptable": "viewers notice and find it unacceptable",
    "late_unacceptable": "viewers notice and find it unacceptable",
}


def sync_sentence(result: SyncResult) -> str:
    """The offset in words, how sure it is, and what to do where there is none."""
    if result.offset_seconds is None:
        return _with_message(f"no offset found{_why(result)}", result)
    sentence = _offset_clause(result, result.offset_seconds)
    if result.status != "uncertain":
        return sentence
    return _with_message(f"{sentence} — uncertain (confidence {result.confidence:.2f})", result)


def _offset_clause(result: SyncResult, offset_seconds: float) -> str:
    if abs(offset_seconds) <= TOGETHER_SECONDS:
        return f"picture and sound are together ({result.offset_ms:+.0f} ms)"
    amount, direction = lateness(offset_seconds).rsplit(" ", 1)
    frames = "" if result.offset_frames is None else f" ({abs(result.offset_frames):.1f} frames)"
    clause = f"the sound comes {amount}{frames} {direction}"
    return clause if result.verdict is None else f"{clause}; {_VERDICT_WORDS[result.verdict]}"


def _with_message(sentence: str, result: SyncResult) -> str:
    message = shown(result.message)
    if not message and result.reason is not None and result.offset_seconds is not None:
        message = result.reason.replace("_", " ")
    return f"{sentence}: {message}" if message else sentence


def _why(result: SyncResult) -> str:
    return "" if result.reason is None else f" ({result.reason.replace('_', ' ')})"
