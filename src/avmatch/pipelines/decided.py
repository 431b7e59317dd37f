"""The decisions of a review, brought to the files that a result lists.

    decisions, by content → which of the files have that content → what was said of each path

Decisions are kept by content, so they survive a new `match`, other folders and other names. A path whose size and time
of change are as they were when it was last read needn't be read again.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avmatch.core.decisions import Ruling
from avmatch.core.errors import MediaError
from avmatch.core.files import content_hash
from avmatch.data.decision_store import Decisions, DecisionStore, KnownFile
from avmatch.data.result_folder import located


@dataclass(frozen=True)
class Decided:
    """What was said of the files of a result.

    Attributes:
        rulings: by path; the recordings in them are paths as well.
        revisions: of the last change of each path, 0 where there was none.
        contents: the contents that decisions name, by path.
        decisions: all, by content.
    """

    rulings: Mapping[str, Ruling] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    decisions: Decisions = field(default_factory=Decisions)

    def ruling(self, path: str) -> Ruling:
        """What was said of a file."""
        return self.rulings.get(path, Ruling())

    def device(self, path: str) -> str:
        """The camera or recorder of a file, "" where nobody said."""
        return self.ruling(path).device

    def path_of(self, content: str | None) -> str | None:
        """The file with this content, where a decision names it."""
        return next((path for path, found in self.contents.items() if found == content), None)


def decided(store: DecisionStore, paths: Sequence[str]) -> Decided:
    """What was said of these files, videos and recordings."""
    decisions = store.read()
    named = {key for subject, ruling in decisions.rulings.items() for key in (subject, *ruling.recordings())}
    named.update(decisions.revisions, (item.subject for item in (*decisions.undo, *decisions.redo)))
    contents = _contents(store, paths, named)
    path_of = {content: path for path, content in reversed(contents.items())}
    rulings, revisions = {}, {}
    for path, content in contents.items():
        if content in decisions.rulings:
            rulings[path] = _by_path(decisions.rulings[content], path_of)
        revisions[path] = decisions.revision_of(content)
    return Decided(rulings, revisions, contents, decisions)


def content_of(store: DecisionStore, path: str) -> str:
    """The content of a file, which is noted, so that decisions on it find it again.

    Raises:
        MediaError: it is not there, or can't be read.
    """
    known = _read(path)
    if store.known_files().get(path) != known:
        store.remember({path: known})
    return known.content


def _by_path(ruling: Ruling, path_of: Mapping[str, str]) -> Ruling:
    """A ruling with paths instead of contents; a pair whose recording the result lacks is open."""
    forbidden = tuple(path_of[key] for key in ruling.forbidden if key in path_of)
    found = replace(ruling, forbidden=forbidden, pinned=path_of.get(ruling.pinned or ""))
    if ruling.verdict != "accepted":
        return found
    recording = path_of.get(ruling.recording or "")
    is_there = recording is not None
    return replace(found, recording=recording) if is_there else replace(found, verdict="open", recording=None)


def _contents(store: DecisionStore, paths: Sequence[str], wanted: set[str]) -> dict[str, str]:
    """Those of `paths` whose content is wanted; a file that is gone has what it had."""
    known = store.known_files() if wanted else {}
    found = {}
    for path in paths:
        if path in known and known[path].content in wanted:
            content = _still(path, known[path])
            if content in wanted:
                found[path] = content
    missing = wanted - set(found.values())
    sizes = {file.size for file in known.values() if file.content in missing}
    moved = _of_sizes([path for path in paths if path not in found], sizes)
    fresh = {path: file for path, file in moved.items() if file.content in missing}
    if fresh:
        store.remember(fresh)
    found |= {path: file.content for path, file in fresh.items()}
    return {path: found[path] for path in paths if path in found}


def _still(path: str, known: KnownFile) -> str:
    try:
        status = Path(located(path)).stat()
    except OSError:
        return known.content
    if (status.st_size, status.st_mtime_ns) == (known.size, known.changed_ns):
        return known.content
    try:
        return _read(path).content
    except MediaError:
        return known.content


def _of_sizes(paths: Iterable[str], sizes: set[int]) -> dict[str, KnownFile]:
    found = {}
    for path in paths if sizes else ():
        try:
            if Path(located(path)).stat().st_size in sizes:
                found[path] = _read(path)
        except (OSError, MediaError):
            continue
    return found


def _read(path: str) -> KnownFile:
    file = located(path)
    try:
        status = Path(file).stat()
        return KnownFile(content_hash(file), status.st_size, status.st_mtime_ns)
    except OSError as error:
        message = f"can't be read ({os.strerror(error.errno or 0)}); put it back, and try again"
        raise MediaError(path, message, stage="open", reason="unreadable") from error
