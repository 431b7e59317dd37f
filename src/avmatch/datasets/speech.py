"""Clips of talking people, from whatever layout they lie in.

    LRS2, LRS3, LRW, GRID   as they are handed out (datasets/speech_layouts.py)
    a CSV or Parquet file   a list of clips with their own sound (datasets/pair_lists.py), optional column `sync`: `ok`
                            or `doubtful`; a `words.csv` beside it tells the words
    a folder                with such a `manifest.csv`, or of clips; clips in one subfolder are one speaker's

`words.csv` has the columns `file` (or `path`), `word`, `start_s` and `end_s` (both empty where nobody knows); optional
are `confidence` and `target`: 1 marks the word that a clip was cut for. Headers that were copied in from the tables of
single clips are left out: rows whose times are the words `start` and `end`.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.datasets.inputs import MANIFEST_SUFFIXES, list_videos
from avmatch.datasets.pair_lists import OWN_SOUND_COLUMNS, MediaPair, read_pair_list
from avmatch.datasets.speech_clips import TalkingClip, Word
from avmatch.datasets.speech_layouts import LAYOUTS
from avmatch.datasets.tables import Row, need_columns, number_in, read_table

MANIFEST, WORDS = "manifest.csv", "words.csv"
_SYNC = {"": False, "ok": False, "doubtful": True}
_TARGET = {"": False, "0": False, "1": True}
#: A word may end this much after the part of its file that is meant: a frame.
WORD_SLACK_SECONDS = 0.04
_COPIED_HEADER = ("start", "end")


def read_speech(path: str | Path) -> tuple[TalkingClip, ...]:
    """The clips that a folder, a table, a glob or a single video names; the layout is told by what is there.

    Raises:
        UsageError: there is no clip, or a layout is broken; the message names the file and the rule.
        MissingExtraError: it is a Parquet file, and pyarrow isn't there.
    """
    given = Path(path)
    if given.suffix.lower() in MANIFEST_SUFFIXES:
        return _manifest(given)
    if (given / MANIFEST).is_file():
        return _manifest(given / MANIFEST)
    if given.is_dir():
        for read in LAYOUTS:
            if clips := read(given):
                return clips
    return tuple(TalkingClip(video, _speaker(given, video)) for video in list_videos(path))


def read_words(path: str | Path) -> dict[str, tuple[Word, ...]]:
    """The words of each file, in order of time, by the file's path, which a table gives relative to its folder.

    Raises:
        UsageError: a column is missing or a cell breaks its rule; the message names the row.
    """
    table = Path(path)
    columns, rows = read_table(table)
    own = next((name for name in OWN_SOUND_COLUMNS if name in columns), OWN_SOUND_COLUMNS[0])
    need_columns(table, columns, (own, "word", "start_s", "end_s"))
    words: defaultdict[str, list[Word]] = defaultdict(list)
    for number, row in enumerate(rows, start=1):
        if (row["start_s"], row["end_s"]) != _COPIED_HEADER:
            words[os.fspath(table.parent / row[own])].append(_word(table, number, row))
    return {file: tuple(sorted(said, key=_start)) for file, said in words.items()}


def _start(word: Word) -> float:
    return word.start_seconds or 0.0


def _word(path: Path, number: int, row: Row) -> Word:
    start = number_in(path, number, row, "start_s", lambda value: 0 <= value < math.inf, "0 or more")
    end = number_in(path, number, row, "end_s", lambda value: 0 <= value < math.inf, "0 or more")
    if not row["word"] or (start is None) != (end is None) or (start or 0.0) > (end or 0.0):
        raise UsageError(f"{path}, row {number}: needs a `word`, and `start_s` not after `end_s` or neither of them")
    confidence = number_in(path, number, row, "confidence", lambda value: 0 <= value <= 1, "in 0…1")
    return Word(row["word"], start, end, confidence, _choice(path, number, row, "target", _TARGET))


def _manifest(path: Path) -> tuple[TalkingClip, ...]:
    _, rows = read_table(path)
    pairs = read_pair_list(path)
    if strangers := [pair for pair in pairs if pair.video != pair.audio]:
        raise UsageError(
            f"{path}: gives {strangers[0].video} the sound of {strangers[0].audio}, but talking clips have their own; "
            "name them in a column `path`"
        )
    beside = path.parent / WORDS
    words = read_words(beside) if beside.is_file() else {}
    return tuple(
        _clip(pair, words.get(pair.video, ()), is_doubtful=_choice(path, number, row, "sync", _SYNC))
        for number, (pair, row) in enumerate(zip(pairs, rows, strict=True), start=1)
    )


def _clip(pair: MediaPair, words: tuple[Word, ...], *, is_doubtful: bool) -> TalkingClip:
    begin_seconds = pair.start_seconds or 0.0
    end_seconds = begin_seconds + (math.inf if pair.duration_seconds is None else pair.duration_seconds)
    words = tuple(word for word in words if _is_between(word, begin_seconds, end_seconds))
    return TalkingClip(
        pair.video,
        pair.group,
        pair.start_seconds,
        pair.duration_seconds,
        pair.split,
        transcript=" ".join(word.text for word in words if not word.is_target),
        words=words,
        offset_seconds=pair.offset_seconds,
        is_doubtful=is_doubtful,
    )


def _is_between(word: Word, begin_seconds: float, end_seconds: float) -> bool:
    """Whether a word is said in a part of its file; one without times may be."""
    if word.start_seconds is None or word.end_seconds is None:
        return True
    return begin_seconds <= word.start_seconds and word.end_seconds <= end_seconds + WORD_SLACK_SECONDS


def _choice(path: Path, number: int, row: Row, column: str, known: dict[str, bool]) -> bool:
    text = row.get(column, "")
    if text not in known:
        raise UsageError(f"{path}, row {number}: `{column}` must be {' or '.join(filter(None, known))}, got {text!r}")
    return known[text]


def _speaker(folder: Path, video: str) -> str:
    """The subfolder that a clip lies in; the clip itself where it lies in none."""
    if not folder.is_dir():
        return video
    inside = Path(video).relative_to(folder).parts
    return inside[0] if len(inside) > 1 else video
