"""Clips, the words spoken in them, and the tables in which people list both.

Tables are CSV (comma- or tab-separated) or Parquet, and errors name the row, so that a person can act on them.

    read_table      any table, as rows of text
    read_manifest   a list of clips: `video` and `audio`, or `path` (or `file`): a file with its own sound. Optional:
                    `group` (pieces of one recording share it), `label`, `split`, `start_seconds`, `duration_seconds`,
                    `offset_ms` (positive = the sound comes late). Other columns are left alone. Paths are relative to
                    the table.
    read_words      which words are spoken when: `file` (or `path`), `word`, `start_s` and `end_s` (both empty where
                    unknown); optional are `confidence`, and `target`: 1 marks the word that a clip was cut for. Headers
                    copied from the tables of single clips are left out: rows whose times are the words `start` and
                    `end`.

`start_s` and `duration_s`, as manifests of cut pieces have them, are places in the source, not in the file:
they are left alone.
"""

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avmatch.core.clock import seconds_from_milliseconds
from avmatch.core.errors import UsageError
from avmatch.data.cells import csv_cells, in_words, parquet_cells
from avmatch.data.paths import listed_path

MANIFEST, WORDS = "manifest.csv", "words.csv"
MANIFEST_SUFFIXES = frozenset({".csv", ".tsv", ".parquet"})
OWN_SOUND_COLUMNS = ("path", "file")
#: Of the table that `avmatch synth` writes: `kind` is the class, and files without a match have an empty side.
TRUTH_COLUMNS = ("video", "audio", "offset_ms", "kind")
#: A word may end this much after the part of its file that is meant: a frame.
WORD_SLACK_SECONDS = 0.04
_SIDES = ("video", "audio")
_SYNC = {"": False, "ok": False, "doubtful": True}
_TARGET = {"": False, "0": False, "1": True}
_COPIED_HEADER = ("start", "end")


@dataclass(frozen=True)
class Word:
    """A word and when it is spoken.

    Attributes:
        text: as the data spell it.
        start_seconds, end_seconds: on the clip's own clock; None where unknown.
        confidence: 0…1 of the speech recogniser; None where unknown.
        is_target: the clip was cut for this word, which is its class.
    """

    text: str
    start_seconds: float | None
    end_seconds: float | None
    confidence: float | None = None
    is_target: bool = False


@dataclass(frozen=True)
class Clip:
    """A picture and its sound, or one of them, with their metadata.

    Attributes:
        video, audio: the files of its picture and of its sound; the same one twice where a file has its own sound, or
            where it isn't known yet. "" is a side that is missing.
        group: pieces of one recording, or of one speaker, share it and are never separated by a split; the path where
            nothing else is known.
        labels: its classes, one in most sets; none where unknown.
        splits: where each official list puts it: `train`, `test`, `validation`, as the data call it, or "" = not in
            that list. Five fixed folds are five lists, each with another fold as its test. Empty where there is none.
        subset: a part of the set that is a set of its own, such as `esc10`.
        start_seconds, duration_seconds: the part of the files that is meant; None is from the start, to the end.
        offset_seconds: by how much the sound is known to come late.
        transcript: what is spoken, "" where unknown.
        words: with their times, where the data have them; in order of time.
        is_doubtful: picture and sound may be out of sync as they are; not to judge offsets by.
    """

    video: str
    audio: str
    group: str
    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    subset: str = ""
    start_seconds: float | None = None
    duration_seconds: float | None = None
    offset_seconds: float = 0.0
    transcript: str = ""
    words: tuple[Word, ...] = ()
    is_doubtful: bool = False

    def __post_init__(self) -> None:
        if not (self.video or self.audio):
            raise UsageError(f"a clip needs a file of its picture or of its sound, got {self}")
        start_seconds, duration_seconds = self.start_seconds or 0.0, self.duration_seconds
        if not (0 <= start_seconds < math.inf and (duration_seconds is None or 0 < duration_seconds < math.inf)):
            raise UsageError(f"{self.path}: start_seconds must be 0 or more and duration_seconds above 0, got {self}")
        if not math.isfinite(self.offset_seconds):
            raise UsageError(f"{self.path}: offset_seconds must be a number, got {self.offset_seconds}")

    @property
    def path(self) -> str:
        """Its file; that of the picture where there are two."""
        return self.video or self.audio

    @property
    def label(self) -> str:
        """Its class, the first of several; "" where unknown."""
        return self.labels[0] if self.labels else ""

    @property
    def split(self) -> str:
        """Where the first list puts it; "" where there is none."""
        return self.splits[0] if self.splits else ""


@dataclass(frozen=True)
class Row:
    """A row of a table: cells as stripped text, "" where there is nothing, and where they stand."""

    table: Path
    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str) -> str:
        """A cell; "" also where the table has no such column."""
        return self.cells.get(column, "")

    def filled(self, column: str) -> tuple[str, ...]:
        """A cell, or nothing where it is empty."""
        return tuple(filter(None, (self.get(column),)))

    def error(self, message: str) -> UsageError:
        """What to raise if this row breaks a rule."""
        return UsageError(f"{self.table}, row {self.number}: {message}")

    def number_in(self, column: str, allowed: Callable[[float], bool], rule: str) -> float | None:
        """A cell as a number, None where it is empty. Raises UsageError, with `rule`, if it isn't allowed."""
        text = self.get(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not allowed(value):
            raise self.error(f"`{column}` must be {rule}, got {text!r}")
        return value

    def choice(self, column: str, known: Mapping[str, bool]) -> bool:
        """What a cell stands for. Raises UsageError if it is none of `known`."""
        text = self.get(column)
        if text not in known:
            raise self.error(f"`{column}` must be {' or '.join(filter(None, known))}, got {text!r}")
        return known[text]

    def file(self, column: str) -> str:
        """The file that a cell names, relative to the table. Raises UsageError if it is missing."""
        if not self[column]:
            raise self.error(f"`{column}` is empty; every row needs a file there")
        file = listed_path(self.table.parent, self[column])
        if not file.is_file():
            raise self.error(f"{file} is not there; paths are relative to the table's folder")
        return os.fspath(file)


def is_table(path: Path) -> bool:
    """Whether the suffix is that of a table."""
    return path.suffix.lower() in MANIFEST_SUFFIXES


def read_table(path: Path, needed: Sequence[str] = ()) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and the rows.

    Raises:
        UsageError: the file can't be read, lacks a column that is `needed`, has two columns of one name, or a row has
            more cells than the header.
        MissingExtraError: it is a Parquet file, and pyarrow is missing.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    columns, rows = parquet_cells(path) if path.suffix.lower() == ".parquet" else csv_cells(path)
    columns = tuple(name.strip() for name in columns)
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise UsageError(f"{path}: has two columns named `{twice[0]}`; remove one")
    need_columns(path, columns, needed)
    cells = ({name.strip(): "" if cell is None else str(cell).strip() for name, cell in row.items()} for row in rows)
    numbered = (Row(path, number, row) for number, row in enumerate(cells, start=1))
    return columns, [row for row in numbered if any(row.cells.values())]  # a spreadsheet's empty rows do no harm


def need_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Raises UsageError if one of `needed` isn't among `columns`."""
    if missing := [f"`{name}`" for name in needed if name not in columns]:
        raise UsageError(f"{path}: lacks a column named {', '.join(missing)}, found: {in_words(columns)}")


def of_split(path: Path, columns: Sequence[str], rows: list[Row], split: str | None) -> list[Row]:
    """The rows whose `split` is this one; all if None. Raises UsageError if there is none."""
    if split is not None:
        need_columns(path, columns, ("split",))
        rows = [row for row in rows if row["split"] == split]
    if not rows:
        raise UsageError(f"{path}: names no item" + (f" of the split {split!r}" if split else ""))
    return rows


def read_manifest(path: Path) -> tuple[Clip, ...]:
    """The clips that a table names.

    Raises:
        UsageError: a column is missing, a cell breaks its rule, or there is no row; the message names the row.
    """
    return tuple(clip for clip, _ in _clips(path))


def read_talking(path: Path) -> tuple[Clip, ...]:
    """The clips of a table of talking people, which have their own sound, and the words of a `words.csv` beside.

    An optional column `sync` is `ok` or `doubtful`.

    Raises:
        UsageError: as `read_manifest`, or a clip has another file's sound.
    """
    found = _clips(path)
    if other := next((clip for clip, _ in found if clip.video != clip.audio), None):
        raise UsageError(
            f"{path}: gives {other.video} the sound of {other.audio}, but talking clips have their own; "
            "name them in a column `path`"
        )
    words = read_words(path.parent / WORDS) if (path.parent / WORDS).is_file() else {}
    return tuple(_talking(clip, words.get(clip.video, ()), row.choice("sync", _SYNC)) for clip, row in found)


def list_files(path: Path, split: str | None) -> tuple[Clip, ...]:
    """The files of a split, whole, with a class or without; none where the table has no column for them."""
    columns, rows = read_table(path)
    column = own_sound_column(columns)
    if column is None:
        return ()
    files = [(row, row.file(column)) for row in of_split(path, columns, rows, split)]
    return tuple(Clip(file, file, row.get("group") or file, labels=row.filled("label")) for row, file in files)


def own_sound_column(columns: Sequence[str]) -> str | None:
    """The column of files that have their own sound; None where there is none."""
    return next((name for name in OWN_SOUND_COLUMNS if name in columns), None)


def recordings(files: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """A name for each item, the same for all items that share a file, also through others: the first file.

    Args:
        files: those of each item, one or more.
    """
    parent: dict[str, str] = {}

    def root(file: str) -> str:
        parent.setdefault(file, file)
        while parent[file] != file:
            parent[file] = file = parent[parent[file]]
        return file

    for first, *others in files:
        for other in others:
            parent[root(other)] = root(first)
    names: dict[str, str] = {}
    return tuple(names.setdefault(root(first), first) for first, *_ in files)


def _clips(path: Path) -> list[tuple[Clip, Row]]:
    columns, rows = read_table(path)
    own = own_sound_column(columns)
    sides = _SIDES if set(_SIDES) <= set(columns) else own and (own, own)
    if not sides:
        raise UsageError(
            f"{path}: needs the columns `video` and `audio`, or `path` for videos with their own sound; "
            f"found: {in_words(columns)}"
        )
    is_truth = columns == TRUTH_COLUMNS
    if is_truth:
        rows = [row for row in rows if row["video"] and row["audio"]]
    if not rows:
        raise UsageError(f"{path}: names no pair")
    clips = [_clip(row, sides, is_truth) for row in rows]
    named = iter(recordings([(clip.video, clip.audio) for clip in clips if not clip.group]))
    return [
        (clip if clip.group else replace(clip, group=next(named)), row) for clip, row in zip(clips, rows, strict=True)
    ]


def _clip(row: Row, sides: tuple[str, str], is_truth: bool) -> Clip:
    video, audio = (row.file(column) for column in sides)
    offset_ms = row.number_in("offset_ms", math.isfinite, "a number")
    return Clip(
        video,
        audio,
        row.get("group"),
        labels=row.filled("kind" if is_truth else "label"),
        splits=row.filled("split"),
        start_seconds=row.number_in("start_seconds", lambda value: 0 <= value < math.inf, "0 or more"),
        duration_seconds=row.number_in("duration_seconds", lambda value: 0 < value < math.inf, "above 0"),
        offset_seconds=seconds_from_milliseconds(offset_ms or 0.0),
    )


def _talking(clip: Clip, words: tuple[Word, ...], is_doubtful: bool) -> Clip:
    begin_seconds = clip.start_seconds or 0.0
    end_seconds = begin_seconds + (math.inf if clip.duration_seconds is None else clip.duration_seconds)
    words = tuple(word for word in words if _is_between(word, begin_seconds, end_seconds))
    transcript = " ".join(word.text for word in words if not word.is_target)
    return replace(clip, transcript=transcript, words=words, is_doubtful=is_doubtful)


def _is_between(word: Word, begin_seconds: float, end_seconds: float) -> bool:
    """Whether a word is spoken in a part of its file; one without times may be."""
    if word.start_seconds is None or word.end_seconds is None:
        return True
    return begin_seconds <= word.start_seconds and word.end_seconds <= end_seconds + WORD_SLACK_SECONDS


def read_words(path: str | Path) -> dict[str, tuple[Word, ...]]:
    """The words of each file, in order of time, by the file's path, which a table gives relative to its folder.

    Raises:
        UsageError: a column is missing or a cell breaks its rule; the message names the row.
    """
    table = Path(path)
    columns, rows = read_table(table)
    own = own_sound_column(columns) or OWN_SOUND_COLUMNS[0]
    need_columns(table, columns, (own, "word", "start_s", "end_s"))
    words: defaultdict[str, list[Word]] = defaultdict(list)
    for row in rows:
        if (row["start_s"], row["end_s"]) != _COPIED_HEADER:
            words[os.fspath(table.parent / row[own])].append(_word(row))
    return {file: tuple(sorted(own, key=lambda word: word.start_seconds or 0.0)) for file, own in words.items()}


def _word(row: Row) -> Word:
    start, end = (
        row.number_in(column, lambda value: 0 <= value < math.inf, "0 or more") for column in ("start_s", "end_s")
    )
    if not row["word"] or (start is None) != (end is None) or (start or 0.0) > (end or 0.0):
        raise row.error("needs a `word`, and `start_s` not after `end_s` or neither of them")
    confidence = row.number_in("confidence", lambda value: 0 <= value <= 1, "in 0…1")
    return Word(row["word"], start, end, confidence, row.choice("target", _TARGET))


def text_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises UsageError if it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a text in UTF-8 ({error})") from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that aren't blank, stripped, with their numbers from 1."""
    return ((number, line.strip()) for number, line in enumerate(text_lines(path), start=1) if line.strip())
