"""`match`, unless the same was asked before: what it answered is kept beside the features.

    files, settings, models, program → a name → the answer, read back or made (match.py) and kept

The name holds everything that an answer depends on: the files by their paths and contents, the settings, the model and
the face detector by their contents, the remarks on what was left out, and the program itself by its code and weights.
So whatever changes, the answer is computed again, from the features of the files that are still the same. An answer in
which a file failed isn't kept: it may have failed for a reason that passes.

Nothing that decodes or computes is imported before it is needed: reading an answer back takes less time than that.
"""

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import avmatch
from avmatch.analysis import store
from avmatch.artifacts.model import folder_of
from avmatch.core.embedded import POOLED_TABLE, holds_vectors
from avmatch.core.errors import UsageError
from avmatch.core.files import strict_json
from avmatch.core.log import logger
from avmatch.core.matches import MatchResult
from avmatch.core.results import Progress
from avmatch.data.decision_store import DECISIONS, DecisionStore
from avmatch.matching.settings import MatchSettings
from avmatch.media.remote import is_url
from avmatch.pipelines.arguments import Paths, left_out, video_and_audio_paths
from avmatch.pipelines.decided import Decided, decided

#: Of the package, what answers depend on.
_PROGRAM = ("*.py", "*.onnx")


def match(
    videos: Paths,
    audios: Paths,
    settings: MatchSettings | None = None,
    *,
    model: str | Path | None = None,
    face_detector: Path | None = None,
    cache_dir: Path | None = None,
    leave_out: Sequence[Path] = (),
    decisions: Path | None = None,
    on: Literal["here", "ray"] = "here",
    num_workers: int = 0,
    progress: Progress | None = None,
) -> MatchResult:
    """Say which audio belongs to which video.

    Args:
        videos, audios: a folder, a glob, a file, a CSV/Parquet manifest with a `path` column, or a list of files; or
            two folders that `embed` wrote (embedded.py).
        settings: what to search and how to decide.
        model: a learned cue's towers: a run, an exported folder, or the name of a model that ships. With towers over
            clip features (artifacts/tower.py), `videos` and `audios` hold `.npy` files of such features.
        face_detector: a YuNet network as ONNX, or `haar` for OpenCV's cascades; None = the finder that ships.
        cache_dir: where features and answers are kept between runs; None = nowhere.
        leave_out: folders inside `videos` or `audios` that aren't searched, such as those of earlier results.
        decisions: what a person decided of these files in a review: the file that `avmatch review` keeps.
        on: here, or ray = by a cluster, which takes folders that `embed` wrote.
        num_workers: files analysed at once; 0 = one a core.
        progress: called with (stage, done, total).

    Raises:
        UsageError: an argument names nothing, a setting is out of range, or the decisions can't be read.
        ModelError: the model or the face detector can't be used.
    """
    settings = settings or MatchSettings()
    if _are_embedded(videos, audios, on):
        from avmatch.pipelines.embedded import match_embedded

        if model is not None or decisions is not None or face_detector is not None:
            raise UsageError(f"{videos} and {audios} hold vectors: leave out --model, --decisions and --face-detector")
        asked_of = Path(str(videos)), Path(str(audios)), settings
        return match_embedded(*asked_of, on=on, cache_dir=cache_dir, num_workers=num_workers, progress=progress)
    found = None if decisions is None else decided_of(decisions, videos, audios, leave_out)
    asked = (videos, audios, settings, model, face_detector, leave_out, found)
    before = None if cache_dir is None else _question(*asked)
    place = None if cache_dir is None or before is None else before.place(cache_dir)
    if place is not None and (answer := store.read(place, MatchResult)) is not None:
        logger.info("the same was asked before: the answer is from %s", place)
        return answer
    from avmatch.pipelines.match import match as made

    result = made(
        videos,
        audios,
        settings,
        model=model,
        face_detector=face_detector,
        cache_dir=cache_dir,
        leave_out=leave_out,
        contents={} if before is None else before.contents,
        decided=found,
        num_workers=num_workers,
        progress=progress,
    )
    if place is not None and before is not None and not result.failures and before.states == _states(before.contents):
        _keep(place, result)
    return result


def _are_embedded(videos: Paths, audios: Paths, on: str) -> bool:
    """Whether both arguments are folders of vectors. Raises UsageError if one is, or a cluster is to match media."""
    folders = [Path(one) for one in (videos, audios) if isinstance(one, str | Path)]
    is_there = [isinstance(one, str | Path) and holds_vectors(one) for one in (videos, audios)]
    if table := next((one for one in folders if (one / POOLED_TABLE).is_file() and not holds_vectors(one)), None):
        raise UsageError(f"{table}: holds vectors as Parquet, which match doesn't read: embed with --format npy")
    if any(is_there) and not all(is_there):
        raise UsageError(f"only one of {videos} and {audios} holds vectors of `embed`: embed the other one, too")
    if remote := next((one for one in (videos, audios) if is_url(one)), None):
        raise UsageError(f"{remote}: `avmatch embed {remote} -o EMB` reads remote files; then match what it wrote")
    if on == "ray" and not all(is_there):
        raise UsageError("--on ray matches folders of vectors: `avmatch embed VIDEOS -o EMB --on ray` first")
    return all(is_there)


def decided_of(decisions: Path, videos: Paths, audios: Paths, leave_out: Sequence[Path] = ()) -> Decided:
    """What a person decided of these files.

    Raises:
        UsageError: there is no such file of decisions, or an argument names nothing.
    """
    if not decisions.is_file():
        raise UsageError(f"{decisions}: no such file; give the {DECISIONS} of a result that `avmatch review` showed")
    video_paths, audio_paths = video_and_audio_paths(videos, audios, leave_out)
    store = DecisionStore(decisions)
    try:
        return decided(store, list(dict.fromkeys((*video_paths, *audio_paths))))
    finally:
        store.close()


@dataclass(frozen=True)
class _Question:
    """What was asked.

    Attributes:
        contents: the hashes of all files, by path.
        states: what changes when one of them is written to.
        settings: everything else, as text.
    """

    contents: dict[str, str]
    states: tuple[tuple[int, int, int], ...]
    settings: str

    def place(self, cache_dir: Path) -> Path:
        """Where its answer is kept."""
        text = strict_json([self.contents, self.settings, _program()])
        digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
        return cache_dir / "answers" / f"{digest}.npz"


def _question(
    videos: Paths,
    audios: Paths,
    settings: MatchSettings,
    model: str | Path | None,
    face_detector: Path | None,
    leave_out: Sequence[Path],
    decided: Decided | None = None,
) -> _Question | None:
    """What is asked; None where a file or a model has no content to go by."""
    try:
        video_paths, audio_paths = video_and_audio_paths(videos, audios, leave_out)
        paths = list(dict.fromkeys((*video_paths, *audio_paths)))
        states = _states(paths)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            contents = dict(zip(paths, pool.map(store.content_hash, paths), strict=True))
        others = [None if path is None else _content(Path(path)) for path in (_in_folder(model), face_detector)]
    except (OSError, UsageError):  # whoever makes the answer says what is wrong
        return None
    notes = list(left_out((videos, audios), leave_out))
    changed = [int(Path(path).stat().st_mtime) for path in paths] if settings.use_clock or settings.use_order else []
    ruled = [] if decided is None else [[path, asdict(ruling)] for path, ruling in sorted(decided.rulings.items())]
    named = [str(model), others, asdict(settings), video_paths, audio_paths, notes, changed, *ruled]
    return _Question(contents, states, strict_json(named))


def _states(paths: Sequence[str] | dict[str, str]) -> tuple[tuple[int, int, int], ...]:
    found = [Path(path).stat() for path in paths]
    return tuple((state.st_size, state.st_mtime_ns, state.st_ino) for state in found)


def _in_folder(model: str | Path | None) -> str | Path | None:
    """Without the scheme of a model of others. Raises OSError where it lies in no folder that is named."""
    scheme, colon, folder = str(model).partition(":")
    if model is None or not colon or len(scheme) < 2:  # one letter is a drive
        return model
    Path(folder).stat()
    return folder


def _content(path: Path) -> list[str]:
    """The hashes of a file, or of the files in a folder, or in that of a model of this name."""
    found = path if path.exists() else folder_of(str(path))
    if found is None:
        return []
    path = found
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [f"{file.relative_to(path)}: {store.content_hash(file)}" for file in files]


@lru_cache(maxsize=1)
def _program() -> str:
    """A name for the code and the weights that are at work."""
    root = Path(avmatch.__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(file for pattern in _PROGRAM for file in root.rglob(pattern)):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _keep(place: Path, answer: MatchResult) -> None:
    """A cache that is full costs time in the next run, not the answer of this one."""
    try:
        store.save(place, answer)
    except OSError as error:
        warnings.warn(f"{place.parent}: the answer can't be kept there ({error.strerror or error})", stacklevel=3)
