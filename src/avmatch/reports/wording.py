"""How the reports word names, numbers and offsets, so that the page, the table and the figures agree; and the sentences
of `sync` and `fix`.

Positive offsets mean that the sound comes late; the verdict is that of ITU-R BT.1359-1 (core/results.py).
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator

from avmatch.core.clock import CLOCK_FROM_SECONDS, Verdict, clock_text, milliseconds_from_seconds, offset_text
from avmatch.core.clock import NOTHING as NOTHING
from avmatch.core.results import NOTED_DAMAGED_SECONDS, NOTED_MISSING_SHARE, Failure, FixResult, Piece, SyncResult
from avmatch.core.speeds import speed_words

#: Pairs below this confidence are marked for a second look.
DOUBTFUL_BELOW = 0.8
#: Within half a frame at 25 fps we call picture and sound together.
TOGETHER_SECONDS = 0.020
#: They make "gpm.exe" read "exe.mpg".
_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL_PICTURES = 0x2400  # the block of Unicode that draws ␀, ␁ …
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: By how much a face must agree better than the next with the sound to be called the speaker.
CLEAR_LEAD_NATS = 3.0


def shown(text: str) -> str:
    """`text` on one line: control characters as symbols (␊, ␛), undecodable bytes as �."""
    return "".join(_visible(character) for character in text)


def shortened(text: str, width: int) -> str:
    """`shown(text)` in at most `width` characters, cut in the middle: both ends of a path matter."""
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
    amount = f"{size:.1f} s" if size >= CLOCK_FROM_SECONDS else f"{milliseconds_from_seconds(size):.0f} ms"
    if amount == "0 ms":
        return amount
    return f"{amount} {'late' if offset_seconds > 0 else 'early'}"


def offset_certainty(confidence: float | None, interval_seconds: tuple[float, float] | None) -> str:
    """How sure an offset is, as in "97 % sure: +20 … +60 ms"; empty where that isn't known."""
    if confidence is None:
        return ""
    said = f"{percent(confidence)} sure"
    if interval_seconds is None:
        return said
    low, high = (milliseconds_from_seconds(bound) for bound in interval_seconds)
    return f"{said}: {low:+.0f} … {high:+.0f} ms"


def is_doubtful(confidence: float) -> bool:
    """Whether a decision deserves a second look; an unknown confidence does."""
    return not confidence >= DOUBTFUL_BELOW


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE_CATEGORIES and character not in _DIRECTION_CONTROLS:
        return character
    # No backslash escapes: they would look like separators of a Windows path.
    code = ord(character)
    return chr(_CONTROL_PICTURES + code) if code < ord(" ") else "\N{REPLACEMENT CHARACTER}"


def remark_lines(notes: Iterable[str], failures: Iterable[Failure]) -> Iterator[str]:
    """The notes of a run, and each file that couldn't be used."""
    yield from notes
    for failure in failures:
        yield f"{shown(failure.path)}: {failure.message}"


def sync_sentence(result: SyncResult) -> str:
    """The offset in words, how sure it is, and what to do where there is none."""
    if result.offset_seconds is None:
        return _with_message(f"no offset found{_why(result)}{_missing_clause(result)}", result)
    if result.status == "unrelated":
        return _with_message(f"{_foreign(result)}{_missing_clause(result)}", result)
    if result.is_spliced:
        return _with_message(f"{jumps_in_words(result)}{_missing_clause(result)}", result)
    sentence = _offset_clause(result, result.offset_seconds) + _drift_clause(result) + _speaker_clause(result)
    sentence += _covered_clause(result) + _missing_clause(result) + _searched_clause(result)
    if result.status != "uncertain":
        return sentence
    rivals = " or ".join(f"{milliseconds_from_seconds(rival.offset_seconds):+.0f}" for rival in result.rivals)
    others = f"; it may also be {rivals} ms" if rivals else ""
    if result.belongs is not None and result.belongs < 0.5:
        others += f"; the sound may be of something else: it belongs with {percent(result.belongs)}"
    return _with_message(f"{sentence} — uncertain (confidence {result.confidence:.2f}{others})", result)


def stream_notes(results: Iterable[SyncResult]) -> Iterator[str]:
    """Which streams of a file were used, where there was a choice."""
    for result in results:
        if result.streams:
            yield f"{shown(result.path)}: used {shown(result.streams)} (--video-stream, --audio-stream, --channel)"


def fix_sentence(result: FixResult) -> str:
    """What was measured, what was done, and what is measured now."""
    if result.action == "failed":
        return f"nothing written: {shown(result.message)}"
    if result.action == "in_sync":
        return f"{_state('is', result.was, 0.0)}; close enough, nothing written"
    if result.was is not None and result.was.status == "unrelated" and result.action == "refused":
        return f"{_foreign(result.was)}: nothing written; --offset moves it all the same"
    if result.was is not None and result.was.is_spliced and result.action == "refused":
        return f"{jumps_in_words(result.was)}: nothing written; {shown(result.message)}"
    if result.action == "refused":
        confidence = 0.0 if result.was is None else result.was.confidence
        return (
            f"{_state('seems', result.was, 0.0)} (confidence {confidence:.2f}): nothing written without --force; "
            + (shown(result.message))
        )
    known = result.removed_seconds or 0.0
    end = "not measured" if result.now is None else f"{_state('is now', result.now, 0.0)} by the same measurement"
    note = f" ({shown(result.message)})" if result.message else ""
    return f"{_state('was', result.was, known)}, {end}; written to {shown(result.out or '')}{note}"


def _foreign(result: SyncResult) -> str:
    belongs = "" if result.belongs is None else f" (it belongs with {percent(result.belongs)})"
    return f"the sound isn't that of this picture{belongs}"


def _state(verb: str, result: SyncResult | None, known_seconds: float) -> str:
    """ "was +0.120 s and +300 ppm"; the offset that was given where nothing was measured."""
    if result is None:
        return f"{verb} {known_seconds:+.3f} s"
    if result.offset_seconds is None:
        return f"{verb} unknown"
    speed = _speed(result)
    drift = "" if result.drift_ppm is None else f" and drifts by {result.drift_ppm:+.0f} ppm"
    drift = f" and runs {speed}" if speed else drift
    doubt = " (uncertain)" if result.status == "uncertain" and verb == "is now" else ""
    return f"{verb} {result.offset_seconds:+.3f} s{drift}{doubt}"


def _offset_clause(result: SyncResult, offset_seconds: float) -> str:
    interval = _interval(result)
    if abs(offset_seconds) <= TOGETHER_SECONDS:
        return f"picture and sound are together ({result.offset_ms:+.0f} ms{interval})"
    amount, direction = lateness(offset_seconds).rsplit(" ", 1)
    frames = "" if result.offset_frames is None else f" ({abs(result.offset_frames):.1f} frames)"
    if abs(offset_seconds) >= CLOCK_FROM_SECONDS:
        amount, frames = clock_text(offset_seconds), ""
    within = f" ({interval.removeprefix(', ')})" if interval else ""
    clause = f"the sound comes {amount}{frames} {direction}{within}"
    return clause if result.verdict is None else f"{clause}; viewers {_reaction(result.verdict)}"


def _reaction(verdict: Verdict) -> str:
    if verdict == "in_sync":
        return "do not notice"
    return "notice and find it unacceptable" if verdict.endswith("unacceptable") else "notice"


def _interval(result: SyncResult) -> str:
    if result.offset_interval_seconds is None:
        return ""
    if abs(result.offset_seconds or 0.0) >= CLOCK_FROM_SECONDS:
        return f", 95 % {offset_text(result.offset_seconds, result.offset_interval_seconds).partition(' ')[2]}"
    low, high = (f"{milliseconds_from_seconds(bound):+.0f}" for bound in result.offset_interval_seconds)
    return f", 95 % {low} to {high} ms"


def _drift_clause(result: SyncResult) -> str:
    if result.drift_ppm is None:
        return ""
    if speed := _speed(result):
        return f"; it runs {speed}, a drift of {result.drift_ppm:+.0f} ppm"
    direction = "later and later" if result.drift_ppm > 0 else "earlier and earlier"
    return (
        f"; it drifts, {direction} by {abs(result.drift_ppm):.0f} ppm ({abs(result.drift_ppm) * 0.06:.1f} ms a minute)"
    )


def _speed(result: SyncResult) -> str:
    """The speed that the drift is, in words; "" where there is none."""
    if result.drift_ppm is None or result.drift_interval_ppm is None:
        return ""
    return speed_words(result.drift_ppm, result.drift_interval_ppm)


def jumps_in_words(result: SyncResult) -> str:
    """Of a sound whose offset jumps: "the sound jumps from +40 to +540 ms at 1:23.40 (95 % 1:22.00 to 1:24.10)"."""
    offsets = [f"{milliseconds_from_seconds(piece.offset_seconds):+.0f}" for piece in result.pieces]
    jumps = [
        f"to {offset} ms at {clock_time(piece.begin_seconds)}{_begin_interval(piece)}"
        for offset, piece in zip(offsets[1:], result.pieces[1:], strict=True)
    ]
    return f"the sound jumps from {offsets[0]} ms {', '.join(jumps)}"


def _begin_interval(piece: Piece) -> str:
    if piece.begin_interval_seconds is None:
        return ""
    low, high = piece.begin_interval_seconds
    return f" (95 % {clock_time(low)} to {clock_time(high)})"


def _covered_clause(result: SyncResult) -> str:
    """Where the picture has a sound, if not everywhere."""
    if len(result.pieces) != 1:
        return ""
    (piece,) = result.pieces
    begin, end = clock_time(piece.begin_seconds), clock_time(piece.end_seconds)
    return f"; the picture has sound from {begin} to {end} only, where it was measured"


def clock_time(seconds: float) -> str:
    """ "1:23.40", "1:02:03.40"."""
    minutes, rest = divmod(round(max(seconds, 0.0) * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 100:02d}.{rest % 100:02d}"


def _speaker_clause(result: SyncResult) -> str:
    """Of the longest stretch with several faces, if one of them leads clearly."""
    crowds = [speaker for speaker in result.speakers if speaker.num_faces > 1]
    if not crowds:
        return ""
    longest = max(crowds, key=lambda speaker: speaker.end_seconds - speaker.begin_seconds)
    if result.status != "ok" or longest.lead_nats < CLEAR_LEAD_NATS:
        return ""
    where = (
        longest.place
        if "from" in longest.place
        else f"one {'in' if longest.place == 'middle' else 'at'} the {longest.place}"
    )
    return f"; of {longest.num_faces} faces the {where} speaks"


def _missing_clause(result: SyncResult) -> str:
    share, seconds = result.missing_share or 0.0, result.damaged_seconds or 0.0
    if share >= NOTED_MISSING_SHARE:
        return f"; {percent(share)} of the file could not be read"
    return f"; {seconds:.1f} s of it are damaged or missing" if seconds >= NOTED_DAMAGED_SECONDS else ""


def _searched_clause(result: SyncResult) -> str:
    """That nothing fitted nearer, where the search went on."""
    if result.searched_seconds is None:
        return ""
    return f"; nothing nearer fits, so up to ±{result.searched_seconds:.0f} s were searched"


def _with_message(sentence: str, result: SyncResult) -> str:
    message = shown(result.message)
    if not message and result.reason is not None and result.offset_seconds is not None:
        message = result.reason.replace("_", " ")
    return f"{sentence}: {message}" if message else sentence


def _why(result: SyncResult) -> str:
    return "" if result.reason is None else f" ({result.reason.replace('_', ' ')})"
