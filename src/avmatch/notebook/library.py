"""build_index, search and embed, as a person calls them from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from avmatch.core.results import Progress
from avmatch.notebook.arguments import CacheLike, PathLike, PathsLike, cache_folder, checked_path, names_of
from avmatch.reports.progress import progress_shown

if TYPE_CHECKING:
    from avmatch.core.embedded import EmbedResult
    from avmatch.core.library import IndexResult, SearchResult


def build_index(
    library: PathsLike,
    index: PathLike,
    *,
    side: Literal["audio", "video"] = "audio",
    model: PathLike = "semantic",
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
    num_workers: int = 0,
) -> IndexResult:
    """Bring an index up to date with a library: what is new is added, what is gone is dropped.

    Args:
        library: a folder, a glob, a file, a table with a column `path`, or a list of files. Of an index that holds
            files of other folders too, only what lies in this one can be gone.
        index: the folder of the index; made if there is none.
        side: whether the files' sound is indexed or their picture.
        model: that makes vectors of pictures and sounds: a model folder, or the name of a shipped model.
        cache, progress: see `avmatch.notebook`.
        num_workers: files analysed at once; 0 = one a core.

    Raises:
        UsageError: there are no such files, the index is of another side or model, or somebody else writes it.
        ModelError: the model can't be used.
    """
    from avmatch.pipelines.library import build_index as run

    names = names_of(library)
    with progress_shown(progress) as update:
        return run(
            names[0] if len(names) == 1 else names,
            checked_path(index, "index"),
            side=side,
            model=model,
            cache_dir=cache_folder(cache),
            num_workers=num_workers,
            progress=update,
        )


def search(
    path: PathLike | None,
    index: PathLike,
    *,
    top_k: int = 20,
    kind: str = "",
    like: PathLike | None = None,
    preview_dir: PathLike | None = None,
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
) -> SearchResult:
    """Find what goes with a silent clip in an index of sounds, or with a sound in an index of videos.

    Args:
        path: the clip, or the sound; None = only what is like `like` is wanted.
        index: a folder that `build_index` made.
        top_k: so many hits, at most.
        kind: only windows of this kind: "speech", or part of the name of a class of the models.
        like: something that the hits are to be like: a sound in an index of sounds, a video in one of videos.
        preview_dir: films go in here in which each hit is put together with `path`.
        cache, progress: see `avmatch.notebook`.

    Raises:
        UsageError: there is no such index or kind, nothing is asked for, or previews are wanted without a clip.
        MediaError: a file can't be used.
    """
    from avmatch.pipelines.search import search as run

    with progress_shown(progress) as update:
        return run(
            None if path is None else checked_path(path, "path"),
            checked_path(index, "index"),
            top_k=top_k,
            kind=kind,
            like=None if like is None else checked_path(like, "like"),
            preview_dir=None if preview_dir is None else checked_path(preview_dir, "preview_dir"),
            cache_dir=cache_folder(cache),
            progress=update,
        )


def embed(
    files: PathsLike,
    *,
    model: PathLike = "semantic",
    side: Literal["video", "audio", "both"] = "both",
    on: Literal["here", "ray"] = "here",
    cache: CacheLike | None = True,
    progress: bool | Progress = True,
    num_workers: int = 0,
) -> EmbedResult:
    """Give the vectors that `match` compares, as arrays (T, D) with times, and one for each file as a whole.

    Args:
        files: a folder, a glob, a file, a table with a column `path`, or a list of files.
        model: a run, a model folder, or the name of a shipped model: semantic, events, lips.
        side: of the files that are embedded; both = whatever a file has.
        on: here, or ray = on a cluster: that of RAY_ADDRESS, or the cores of this machine.
        cache, progress: see `avmatch.notebook`.
        num_workers: files analysed at once; 0 = one a core.

    Raises:
        UsageError: there are no such files.
        ModelError: the model can't be used, or makes no vectors of media.
    """
    from avmatch.pipelines.embed import embed as run

    names = names_of(files)
    with progress_shown(progress) as update:
        return run(
            names[0] if len(names) == 1 else names,
            model=model,
            side=side,
            on=on,
            cache_dir=cache_folder(cache),
            num_workers=num_workers,
            progress=update,
        )
