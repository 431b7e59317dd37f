"""How the reports word names, numbers and offsets, so that the page, the table and the pictures agree.

Positive offsets mean that the sound comes late.
"""

from __future__ import annotations

import math
import unicodedata

from avmatch.core.clock import milliseconds_from_seconds

NOTHING = "—"
#: Pairs below this confidence are marked for a second look.
DOUBTFUL_BELOW = 0.8
#: Within half a frame at 25 fps we call picture and sound together.
TOGETHER_SECONDS = 0.020
#: From here on milliseconds stop being readable (a clip placed inside a long recording).
_SECONDS_FROM = 10.0
#: They make "gpm.exe" read "exe.mpg".
_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL_PICTURES = 0x2400  # the block of Unicode that draws ␀, ␁ …
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def shown(text: str) -> str:
    """`text` on one line: control characters as their pictures (␊, ␛), undecodable bytes as �."""
    return "".join(_visible(character) for character in text)


def shortened(text: str, width: int) -> str:
    """`shown(text)` in at most `width` characters, cut in the middle: both ends of a path tell."""
    text = shown(text)
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def folder_and_name(path: str) -> tuple[str, str]:
    """A shown path cut behind its last separator, whichever system wrote it."""
    path = shown(path)
    cut = max(path.rfind("/"), path.rfind("\\")) + 1
    return (path[:cut], path[cut:]) if cut < len(path) else ("", path)


def percent(confidence: float) -> str:
    """A probability for people, never rounded to certainty."""
    if not math.isfinite(confidence):
        return NOTHING
    if confidence >= 0.995:
        return "> 99 %"
    return "< 1 %" if confidence < 0.005 else f"{confidence * 100:.0f} %"


def score_text(score: float | None) -> str:
    """A score in nats with its sign, to the tenth; "—" when there is none."""
    if score is None or not math.isfinite(score):
        return NOTHING
    return f"{score:+.1f}".replace("-", "−")


def lateness(offset_seconds: float | None) -> str:
    """An offset in words: "120 ms late", "80 ms early", "0 ms"; "—" when there is none."""
    if offset_seconds is None or not math.isfinite(offset_seconds):
        return NOTHING
    size = abs(offset_seconds)
    amount = f"{size:.1f} s" if size >= _SECONDS_FROM else f"{milliseconds_from_seconds(size):.0f} ms"
    if amount == "0 ms":
        return amount
    return f"{amount} {'late' if offset_seconds > 0 else 'early'}"


def is_doubtful(confidence: float) -> bool:
    """Whether a decision deserves a second look; an unknown confidence does."""
    return not confidence >= DOUBTFUL_BELOW


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE_CATEGORIES and character not in _DIRECTION_CONTROLS:
        return character
    # No backslash escapes: they would look like separators of a Windows path.
    code = ord(character)
    return chr(_CONTROL_PICTURES + code) if code < ord(" ") else "\N{REPLACEMENT CHARACTER}"
