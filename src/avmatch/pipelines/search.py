"""Any silent clip against a library of sounds, or a sound against a library of videos.

index → windows that go with it, or are like something → places → ranked hits → films in which both are put together
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avmatch.core.errors import AvmatchError, UsageError
from avmatch.core.library import Hit, SearchResult
from avmatch.core.results import Progress
from avmatch.media.mux import mux
from avmatch.pipelines.pooled import Features
from avmatch.pipelines.searcher import LISTED, ROWS, Found, Placed, Searcher

#: How far the evidence of a search may be believed (benchmarks/search.py).
CONFIDENCE_SLOPE = 2.4
#: Cues that say less than this aren't named.
LEAST_NATS = 0.05
_WORDS = {ROWS: "of one kind"}


def search(
    path: str | Path | None,
    index: str | Path,
    *,
    top_k: int = 20,
    kind: str = "",
    like: str | Path | None = None,
    preview_dir: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Find what goes with a silent clip in an index of sounds, or with a sound in an index of videos.

    Args:
        path: the clip, or the sound, of two minutes at most; None = only what is like `like` is wanted.
        index: a folder that `build_index` made.
        top_k: so many hits, at most.
        kind: only windows of this kind: "speech", or part of the name of a class of the models.
        like: something that the hits are to be like: a sound in an index of sounds, a video in one of videos. With
            `path` it chooses the windows that are compared with it.
        preview_dir: films go in here in which each hit is put together with `path`.
        cache_dir: where features are kept between runs; None = nowhere.
        progress: called with (stage, done, total).

    Raises:
        UsageError: there is no such index or kind, nothing is asked for, or previews are wanted without a clip.
        MediaError: a file can't be used.
    """
    if path is None and (like is None or preview_dir is not None):
        raise UsageError("give a clip or a sound to search for, or --like without --preview")
    if top_k < 1:
        raise UsageError(f"top_k must be 1 or more, got {top_k}")
    if preview_dir is not None:
        _make_folder(preview_dir)
    with Searcher(index) as searcher:
        model = None if like is None else searcher.same(like, cache_dir)
        if path is None:
            assert model is not None
            listed = searcher.alike(model, kind=kind, num=max(LISTED, top_k))
            hits = hits_alike(searcher, listed, top_k)
        else:
            query = searcher.query(path, cache_dir)
            hits = hits_for(searcher, query, top_k, kind=kind, like=model)
            if preview_dir is not None:
                hits = with_previews(searcher, Path(path), hits, preview_dir, progress)
        return SearchResult(str(like if path is None else path), tuple(hits), searcher.num_windows)


def hits_for(
    searcher: Searcher, query: Features, top_k: int, *, kind: str = "", like: Features | None = None
) -> list[Hit]:
    """What goes best with something whose features are known."""
    listed = searcher.listed(query, kind=kind, num=max(LISTED, top_k))
    if like is not None:
        near = {(found.content, found.number) for found in searcher.alike(like, kind=kind)}
        listed = [found for found in listed if found[:2] in near]
    placed = searcher.placed(query, listed)
    sure = confidences([item.nats for item in placed], searcher.num_windows)
    return [
        _hit(searcher, rank, item, confidence)
        for rank, (item, confidence) in enumerate(zip(placed[:top_k], sure, strict=False), start=1)
    ]


def hits_alike(searcher: Searcher, listed: Sequence[Found], top_k: int) -> list[Hit]:
    """The files of windows that are most alike, each once."""
    best: dict[int, Found] = {}
    for found in listed:
        best.setdefault(found.content, found)
    hits = []
    for rank, found in enumerate(list(best.values())[:top_k], start=1):
        window = searcher.window(found)
        cosine = found.nats
        why = f"alike ({cosine:+.2f})" + (f", {found.kind}" if found.kind else "")
        hits.append(
            Hit(
                rank,
                searcher.path(found),
                window.begin_seconds,
                window.length_seconds,
                cosine,
                max(cosine, 0.0),
                found.kind,
                why,
            )
        )
    return hits


def confidences(nats: Sequence[float], num_windows: int, slope: float = CONFIDENCE_SLOPE) -> list[float]:
    """Probability of each that it was recorded together with what was asked for, if half of all searches have such a
    window, each of the library's as probably."""
    tempered = slope * np.asarray(nats, np.float64)
    top = max(float(tempered.max(initial=0.0)), 0.0)
    shares = np.exp(tempered - top)
    return (shares / (shares.sum() + num_windows * np.exp(-top))).tolist()


def _hit(searcher: Searcher, rank: int, item: Placed, confidence: float) -> Hit:
    why = ", ".join(
        f"{_WORDS.get(name, name)} {nats:+.1f}"
        for name, nats in sorted(item.parts.items(), key=lambda part: -part[1])
        if abs(nats) >= LEAST_NATS
    )
    found = item.found
    return Hit(rank, searcher.path(found), item.at_seconds, item.length_seconds, item.nats, confidence, found.kind, why)


def _make_folder(preview_dir: Path) -> None:
    try:
        preview_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = error.strerror or error
        raise UsageError(
            f"{preview_dir}: previews need a folder, and it can't be made ({what}); name another"
        ) from error


def with_previews(
    searcher: Searcher, path: Path, hits: Sequence[Hit], folder: Path, progress: Progress | None = None
) -> list[Hit]:
    """The hits with films in which the sound lies under the picture; one that can't be made says why."""
    made = []
    for hit in hits:
        video, audio = (path, Path(hit.path)) if searcher.holds_sounds else (Path(hit.path), path)
        offset = hit.start_seconds if searcher.holds_sounds else -hit.start_seconds
        name = re.sub(r"[^\w.-]+", "_", Path(hit.path).stem)[:60]
        out = folder / f"{hit.rank:02d}-{name}{video.suffix}"
        try:
            mux(video, audio, out, offset_seconds=offset)
            made.append(replace(hit, preview=str(out)))
        except (AvmatchError, OSError) as error:
            made.append(replace(hit, why=f"{hit.why}; no preview: {error}"))
        if progress is not None:
            progress("previews", len(made), len(hits))
    return made
