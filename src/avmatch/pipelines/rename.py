"""Give the recordings of a match result the names of their clips: as copies or links, in a folder of their own.

    the result's pairs → a name for each → what stands in the way → copied or linked

Originals stay where they are, as they are, and nothing is overwritten. Two recordings that would get the same name are
numbered. Names count as the same that some disk can't tell apart: by capitals, or by accents in one piece or two.
"""

import errno
import filecmp
import os
import shutil
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from rich.table import Table
from rich.text import Text

from avmatch.core.errors import UsageError
from avmatch.core.files import atomic_path, taken
from avmatch.core.results import Progress
from avmatch.data.result_folder import StoredMatch, check_only
from avmatch.pipelines.delivery import check_folders
from avmatch.pipelines.reviewed import read_reviewed
from avmatch.reports.wording import shortened, shown

FIELDS = ("video_stem", "audio_stem")
DEFAULT_PATTERN, DEFAULT_FOLDER = "{video_stem}", "renamed"
How = Literal["dry-run", "copy", "link"]
State = Literal["to do", "done", "there already", "failed"]
#: What file systems allow in one name.
_MAX_NAME_BYTES = 255
_MAX_SHOWN = 80
_SEPARATORS = frozenset("/\\")
#: File systems without hard links, or a target on another one.
_NO_HARD_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EACCES})


@dataclass(frozen=True)
class Naming:
    """One recording and its name.

    Attributes:
        video: the clip that it is named after.
        audio: the recording.
        confidence: probability in 0…1 that they belong together.
        target: the file that gets the name.
        state: to do, done, there already (the same recording, from an earlier run), failed.
        note: what a person should know: a number that was added, or why it failed.
    """

    video: str
    audio: str
    confidence: float
    target: Path
    state: State = "to do"
    note: str = ""


def rename(
    result: str | Path,
    out: str | Path | None = None,
    pattern: str = DEFAULT_PATTERN,
    how: How = "dry-run",
    *,
    only: str = "all",
    progress: Progress | None = None,
) -> tuple[Naming, ...]:
    """Give the recordings of the folder `result`, which `match` wrote, the names of their clips.

    Args:
        out: the folder for the new names; None = `renamed` inside `result`.
        pattern: of the name without its suffix, which stays the recording's.
        how: say what would be done, copy, or link.
        only: "sure" (match and offset have a confidence of 0.9 or more), "accepted" (in a review), or "all" pairs.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there is no such result, the pattern isn't one, or `out` is a file.
    """
    found = read_reviewed(result)
    folder = Path(out) if out is not None else found.folder / DEFAULT_FOLDER
    return carry_out(plan(found.pairs(check_only(only)), folder, pattern), how, progress)


def check_pattern(pattern: str) -> None:
    """Raises UsageError if a pattern has no field, an unknown one, or something that no name of a file can have."""
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f"--pattern {pattern!r}: {error}; the fields are {fields}") from error
    found = [name for _, name, _, _ in parts if name is not None]
    if wrong := [name for name in found if name not in FIELDS]:
        raise UsageError(f"--pattern {pattern!r}: no field {{{wrong[0]}}}; the fields are {fields}")
    if not found:
        raise UsageError(f"--pattern {pattern!r}: names every recording alike; the fields are {fields}")
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise UsageError(f"--pattern {pattern!r}: fields take no format; write {fields}")
    if any(sign in _SEPARATORS or not sign.isprintable() for text, _, _, _ in parts for sign in text):
        raise UsageError(f"--pattern {pattern!r}: is the name of a file, without / or \\; -o names the folder")


def plan(pairs: Sequence[StoredMatch], folder: Path, pattern: str) -> tuple[Naming, ...]:
    """The name of each pair's recording in `folder`, and what stands in the way of it.

    Raises:
        UsageError: the pattern isn't one, or `folder` is a file.
    """
    check_pattern(pattern)
    check_folders(folder)
    there = {_key(path.name): path for path in folder.iterdir()} if folder.is_dir() else {}
    return tuple(_checked(naming, there) for naming in _named(pairs, folder, pattern))


def carry_out(plan: Sequence[Naming], how: How, progress: Progress | None = None) -> tuple[Naming, ...]:
    """Copy or link what is to do; one that fails says so, and the rest goes on."""
    done = []
    for number, naming in enumerate(plan, start=1):
        done.append(_carried_out(naming, how) if naming.state == "to do" and how != "dry-run" else naming)
        if progress is not None:
            progress(how, number, len(plan))
    return tuple(done)


def rename_table(namings: Sequence[Naming], how: How) -> Table:
    """One row a recording: which it is, its name, and what became of it."""
    words: dict[State, str] = {"to do": "to do", "done": {"copy": "copied", "link": "linked"}.get(how, "to do")}
    table = Table()
    for heading in ("video", "recording", "confidence", "its name", "state"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "confidence" else "left")
    for item in namings:
        is_failed = item.state == "failed"
        state = ": ".join(filter(None, (words.get(item.state, item.state), "" if is_failed else item.note)))
        cells = (Path(item.video).name, item.audio, f"{item.confidence:.2f}", item.target.name, state)
        table.add_row(*(Text(shortened(cell, _MAX_SHOWN), style="red" if is_failed else "") for cell in cells))
    return table


def failure_lines(namings: Sequence[Naming]) -> Iterator[str]:
    """A line for each recording that can't be named so: which, and why."""
    return (f"{shown(item.audio)}: {shown(item.note)}" for item in namings if item.state == "failed")


def summary(namings: Sequence[Naming], how: How) -> str:
    """The run in one line."""
    counts = {state: sum(item.state == state for item in namings) for state in get_args(State)}
    folder = namings[0].target.parent if namings else None
    if folder is None:
        return "no pair to name: nothing was matched, or nothing is sure (--only all)"
    parts = [f"{num} {state}" for state, num in counts.items() if num]
    advice = "; --copy or --link does it" if how == "dry-run" and counts["to do"] else ""
    return f"{', '.join(parts)}, in {shown(str(folder))}{advice}"


def _named(pairs: Sequence[StoredMatch], folder: Path, pattern: str) -> Iterator[Naming]:
    """The pairs with their names; a recording that already has a name keeps it, another gets a number."""
    owners: dict[str, str] = {}
    for pair in pairs:
        assert pair.audio is not None
        stem = pattern.format(video_stem=Path(pair.video).stem, audio_stem=Path(pair.audio).stem)
        name, number = stem + Path(pair.audio).suffix, 1
        while owners.setdefault(_key(name), pair.audio) != pair.audio:
            number += 1
            name = f"{stem}_{number}{Path(pair.audio).suffix}"
        note = "" if number == 1 else f"numbered, since {owners[_key(stem + Path(pair.audio).suffix)]} has the name"
        yield Naming(pair.video, pair.audio, pair.confidence, folder / name, note=note)


def _key(name: str) -> str:
    """The same for names that some disk can't tell apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _checked(naming: Naming, there: dict[str, Path]) -> Naming:
    """The naming, failed if it can't be carried out."""
    audio, target = Path(naming.audio), naming.target
    if not audio.is_file():
        note = "the recording is not there; run this in the folder that `match` ran in, or match again"
        return replace(naming, state="failed", note=note)
    if len(os.fsencode(target.name)) > _MAX_NAME_BYTES:
        return replace(naming, state="failed", note=f"the name is longer than {_MAX_NAME_BYTES} bytes")
    other = there.get(_key(target.name))
    if other is None:
        return naming
    if _is_same(audio, other):
        return replace(naming, state="there already")
    return replace(naming, state="failed", note=f"{taken(other)}")


def _is_same(audio: Path, other: Path) -> bool:
    try:
        return audio.samefile(other) or filecmp.cmp(audio, other, shallow=False)
    except OSError:  # a link that leads nowhere, a folder
        return False


def _carried_out(naming: Naming, how: How) -> Naming:
    audio, target = Path(naming.audio), naming.target
    try:
        if how == "copy":
            _copy(audio, target)
        else:
            _link(audio, target)
    except FileExistsError:
        if _is_same(audio, target):  # one recording of several clips, whose pattern has no field of theirs
            return replace(naming, state="there already")
        return replace(naming, state="failed", note=f"{taken(target)}")
    except OSError as error:
        return replace(naming, state="failed", note=f"{error.filename or audio}: {error.strerror or error}")
    return replace(naming, state="done")


def _copy(audio: Path, target: Path) -> None:
    """Content and times; of the permissions not, since a card's files can't be written."""
    with atomic_path(target, overwrite=False) as temporary:
        shutil.copyfile(audio, temporary)
        status = audio.stat()
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))


def _link(audio: Path, target: Path) -> None:
    """A hard link, or a symbolic one where the file system allows none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = audio.resolve()
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        target.symlink_to(source)
