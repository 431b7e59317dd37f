"""A folder of sounds, or of videos, becomes an index that `search` looks through.

paths → what is new or changed → known by its content? → decode → features → rows and parts → one commit a file

Whatever ends it, what was committed stays, and the next run goes on from there.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.files import content_hash
from avmatch.core.library import IndexResult
from avmatch.core.results import Failure, Progress
from avmatch.data.inputs import list_audio, list_videos
from avmatch.index.library import LIBRARY, FileState, Library
from avmatch.index.rows import write_rows
from avmatch.media.remote import is_url
from avmatch.pipelines.arguments import Paths, listed
from avmatch.pipelines.models import models_with
from avmatch.pipelines.pooled import Comparison, comparison, content_of

Side = Literal["audio", "video"]
#: Whose vectors are in the rows, beside those of `events`.
MODEL = "semantic"
#: So many files are taken between two looks at whether the array of rows is to be written again.
FILES_AT_ONCE = 1000


def build_index(
    library: Paths,
    index: str | Path,
    *,
    side: Side = "audio",
    model: str | Path = MODEL,
    cache_dir: Path | None = None,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> IndexResult:
    """Bring an index up to date with a library: what is new is added, what is gone is dropped.

    Args:
        library: a folder, a glob, a file, a manifest with a `path` column, or a list of files. Of an index that holds
            files of other folders too, only what lies in this one can be gone.
        index: the folder of the index; made if there is none.
        side: whether the files' sound is indexed or their picture.
        model: that makes vectors of pictures and sounds.
        cache_dir: where features are kept besides; None = nowhere.
        num_workers: files analysed at once; 0 = one a core.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there are no such files, the index is of another side or model, or somebody else writes it.
        ModelError: the model can't be used.
    """
    if side not in ("audio", "video"):
        raise UsageError(f"side must be audio or video, got {side!r}")
    folder = Path(index)
    if isinstance(library, str | Path) and (Path(library) / LIBRARY).is_file():
        raise UsageError(f"{library}: is an index itself; name the folder of the sounds, or of the videos")
    paths = listed(library, list_audio if side == "audio" else list_videos, [folder])
    if remote := next((path for path in paths if is_url(path)), None):
        raise UsageError(f"{remote}: an index is of files on this machine; fetch them first")
    with Library(folder, writes=True) as store:
        states, failed = store.states(), store.failed()
        wanted = {os.path.abspath(path): _state(path) for path in paths}  # noqa: PTH100  doesn't follow links
        news = [path for path, state in wanted.items() if state not in (None, states.get(path), failed.get(path))]
        taken = _take_all(store, news, side, model, cache_dir, num_workers, progress)
        gone = [
            path
            for path in states.keys() | failed.keys()
            if (wanted[path] is None if path in wanted else _is_inside(path, library))
        ]
        if gone:
            store.drop(gone)
        if news or gone:
            store.drop(())  # contents that changed files held
            write_rows(store, int(store.setting("width") or 0), least_added=1)
        counts = store.counts()
        missing = [
            Failure(path, "open", "there is no such file, or it is a pipe")
            for path, state in wanted.items()
            if state is None
        ]
        return IndexResult(
            len(news) - taken.num_known - len(taken.failures),
            taken.num_known,
            len(gone),
            len(wanted) - len(news) - len(missing),
            counts.files,
            counts.seconds,
            (*store.failures(), *(one for one in taken.failures if not taken.is_kept(one)), *missing),
        )


@dataclass(frozen=True)
class _Outcome:
    """What became of files that are new.

    Attributes:
        num_known: how many had a known content.
        failures: those that can't be used.
        kept: the paths of those of them that are not tried again until they change.
    """

    num_known: int
    failures: tuple[Failure, ...]
    kept: frozenset[str]

    def is_kept(self, failure: Failure) -> bool:
        """Whether the library has it."""
        return failure.path in self.kept


def _take_all(
    store: Library,
    paths: Sequence[str],
    side: Side,
    model: str | Path,
    cache_dir: Path | None,
    num_workers: int,
    progress: Progress | None,
) -> _Outcome:
    """Take files, if there are any. Raises UsageError if the index is of another side, version or model."""
    by = comparison(models_with(model))
    _check_settings(store, side, str(model), by)
    taken = _Taken(store, by, _analyse(by, side, cache_dir))
    outcomes = []
    for begin in range(0, len(paths), FILES_AT_ONCE):
        some = paths[begin : begin + FILES_AT_ONCE]
        outcomes.append(_take(taken, some, num_workers, _from(progress, begin, len(paths))))
        write_rows(store, by.rows.width)
    return _Outcome(
        sum(one.num_known for one in outcomes),
        tuple(failure for one in outcomes for failure in one.failures),
        frozenset(path for one in outcomes for path in one.kept),
    )


@dataclass(frozen=True, eq=False)
class _Taken:
    """Takes files into a library."""

    store: Library
    by: Comparison
    analyse: Callable[[str], object]

    def __call__(self, path: str) -> bool:
        """Returns whether its content was known. Raises MediaError."""
        state = _state(path)
        if state is None:
            raise MediaError(path, "is gone; run `avmatch index` again", stage="open", reason="unreadable")
        found = content_hash(path)
        if self.store.holds(found):
            self.store.put(path, state, found)
            return True
        features = self.analyse(path)
        content = content_of(self.by, features, found)  # type: ignore[arg-type]
        if _state(path) != state:
            raise MediaError(path, "was written to while it was read; run it again", stage="open", reason="unreadable")
        self.store.put(path, state, content)
        return False


def _take(taken: _Taken, paths: Sequence[str], num_workers: int, progress: Progress | None) -> _Outcome:
    """Take files; the library keeps those as failures that can't be used as they are."""
    before = {path: _state(path) for path in paths}
    answers = analyse_all(taken, paths, "files", progress, num_workers)
    failures, kept = [], set()
    for path, answer in zip(paths, answers, strict=True):
        if not isinstance(answer, Failure):
            continue
        failures.append(answer)
        state = before[path]
        if state is not None and _state(path) == state:
            taken.store.put_failure(answer, state)
            kept.add(path)
    return _Outcome(sum(answer is True for answer in answers), tuple(failures), frozenset(kept))


def _analyse(by: Comparison, side: Side, cache_dir: Path | None) -> Callable[[str], object]:
    analyser = Analyser(cache_dir, by.models.towers, 1, encoders=by.models.encoders)
    return analyser.audio if side == "audio" else analyser.video


def _check_settings(store: Library, side: Side, model: str, by: Comparison) -> None:
    """Write down how the index is made. Raises UsageError if it was made otherwise."""
    made = {"side": side, "model": model, "fingerprint": by.fingerprint}
    known = {name: store.setting(name) for name in made}
    if known["fingerprint"] is None:
        store.set(**made, width=str(by.rows.width))
    elif known["side"] != side:
        raise UsageError(f"{store.folder}: an index of {known['side']}; name another folder for {side}")
    elif known["fingerprint"] != by.fingerprint:
        raise UsageError(
            f"{store.folder}: made by another version or model ({known['model']}); remove it, or name another folder"
        )


def _state(path: str) -> FileState | None:
    try:
        return FileState.of(path)
    except OSError:
        return None


def _is_inside(path: str, library: Paths) -> bool:
    """Whether a file that isn't listed any more is gone: it lay in the folder, or isn't on the disk."""
    root = os.path.abspath(library) if isinstance(library, str | Path) else ""  # noqa: PTH100
    return path.startswith(f"{root}{os.sep}") if root and Path(root).is_dir() else not os.path.lexists(path)


def _from(progress: Progress | None, begin: int, total: int) -> Progress | None:
    """Reports of one block as those of all."""
    if progress is None:
        return None
    return lambda stage, done, _: progress(stage, begin + done, total)
