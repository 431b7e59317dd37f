"""report.html, one page that shows every decision of a `match` run offline, and the matrix in its middle.

The page is a Jinja2 template (page.html.jinja). The matrix has the decided pairs on its diagonal, those that are easily
taken for one another side by side, and never more cells than pixels; page.js draws it, and so does reports/plots.py.

Letters in shapes: N videos, M audio files, R and C the rows and columns of the picture.
"""

import base64
import hashlib
import itertools
import math
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jaxtyping import Float32

import avmatch
from avmatch.core.files import script_json, strict_json
from avmatch.core.matches import Match, MatchResult, Preview
from avmatch.reports import wording

#: More cells than this a side are pooled.
MAX_CELLS = 256
#: From so many pairs on, names have no room beside the matrix, and pairs are ordered by what they look like; above so
#: many that takes too long.
LEAST_CLUSTERED, MOST_CLUSTERED = 30, 2000
#: With so few recordings that cover several clips each, every clip has one of them anyway.
FEW_RECORDINGS = 3
#: A list that fits a screen.
MOST_TO_CHECK = 12
#: A recording longer than its clip by this factor is shown with the clip's place in it.
LONGER = 1.5
_NUM_BARS = 100
_WAVE_HEIGHT = 32
_NO_PREVIEW = Preview(duration_seconds=math.nan)


@dataclass(frozen=True, eq=False, repr=False)
class MatrixPicture:
    """A similarity matrix in the order it is drawn.

    Attributes:
        rows: for each row drawn, the index in MatchResult.videos; all N of them.
        columns: for each column drawn, the index in MatchResult.audio; all M of them.
        partners: for each row drawn, the position in `columns` of its decided audio, or None.
        cells: (R, C) scores in nats, NaN where there is none; the largest of a block where N or M exceed
            MAX_CELLS. Block r holds the rows r·N//R up to (r+1)·N//R.
        low, high: the scores at the two ends of the scale of colours: the median, so that the chance level is
            calm background, and the largest.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    partners: tuple[int | None, ...]
    cells: Float32[np.ndarray, "R C"]
    low: float
    high: float


def matrix_picture(result: MatchResult, max_cells: int = MAX_CELLS) -> MatrixPicture:
    """Order the matrix by the decisions (pairs first, in the order of the input, or many by what they look like); pool
    what is too large."""
    decided = _decided(result)
    taken = _clustered(result, decided)
    columns = (*taken, *(column for column in range(len(result.audio)) if column not in taken))
    position = {column: place for place, column in enumerate(columns)}
    places = [None if column is None else position[column] for column in decided]
    # With several videos to one audio the diagonal becomes a staircase.
    rows = sorted(range(len(places)), key=lambda row: (places[row] is None, places[row] or 0))
    scores = np.asarray(result.similarity, dtype=np.float32)[np.ix_(rows, columns)]
    cells = pooled(np.where(np.isfinite(scores), scores, np.float32(np.nan)), max_cells)
    low, high = _colour_scale(cells)
    partners = tuple(places[row] for row in rows)
    return MatrixPicture(tuple(rows), columns, partners, cells, low, high)


def _clustered(result: MatchResult, decided: Sequence[int | None]) -> list[int]:
    """The columns of the pairs made, in the order in which they are drawn.

    Average linkage (Sokal and Michener, 1958): near are two pairs of which one's video scores high with the other's
    recording.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    columns = list(dict.fromkeys(column for column in decided if column is not None))
    if not LEAST_CLUSTERED < len(columns) <= MOST_CLUSTERED:
        return columns
    row_of = {column: row for row, column in reversed(list(enumerate(decided))) if column is not None}
    rows = [row_of[column] for column in columns]
    scores = np.nan_to_num(np.asarray(result.similarity, np.float64)[np.ix_(rows, columns)], posinf=0.0, neginf=0.0)
    alike = np.maximum(scores, scores.T)
    apart = alike.max() - alike
    np.fill_diagonal(apart, 0.0)
    links = linkage(squareform(apart, checks=False), "average")
    return [columns[place] for place in leaves_list(links).tolist()]


def pooled(scores: Float32[np.ndarray, "N M"], max_cells: int) -> Float32[np.ndarray, "R C"]:
    """The largest score of each block, at most `max_cells` blocks a side; NaN where a block has no score."""
    for axis in (0, 1):
        size = scores.shape[axis]
        if size > max_cells:
            starts = np.arange(max_cells) * size // max_cells
            scores = np.fmax.reduceat(scores, starts, axis=axis)
    return scores


def _decided(result: MatchResult) -> list[int | None]:
    column_of = {audio: column for column, audio in enumerate(result.audio)}
    audio_of = {match.video: match.audio for match in result.matches if match.audio is not None}
    return [column_of.get(audio_of[video]) if video in audio_of else None for video in result.videos]


def _colour_scale(cells: Float32[np.ndarray, "R C"]) -> tuple[float, float]:
    finite = cells[np.isfinite(cells)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(np.median(finite)), float(finite.max())
    return (low, high) if high > low else (low - 1.0, high)


def page_html(result: MatchResult, folder: Path | None = None) -> str:
    """The whole page as one HTML document that loads nothing.

    Args:
        folder: where it will lie, from where links lead to the files; None = no links.
    """
    script, pairs = _asset("page.js"), _paired(result)
    has_matrix = _says_something(result)
    checks = _to_check(pairs)
    return rendered(
        "avmatch.reports",
        "page.html.jinja",
        script=script,
        script_hash=f"sha256-{_base64(hashlib.sha256(script.encode()).digest())}",
        style=_asset("page.css"),
        data=script_json(_matrix_data(result) if has_matrix else {"videos": [], "audio": [], "cells": []}),
        has_matrix=has_matrix,
        checks=checks[:MOST_TO_CHECK],
        num_checks=len(checks),
        least_clustered=LEAST_CLUSTERED,
        link=lambda path: _link(path, folder),
        place=lambda match: _place(result, match),
        result=result,
        pairs=pairs,
        alone=_alone(result),
        video_ids={path: f"v{index}" for index, path in enumerate(result.videos)},
        audio_ids=defaultdict(str, {path: f"a{index}" for index, path in enumerate(result.audio)}),
        preview_of=lambda path: result.previews.get(path, _NO_PREVIEW),
        version=avmatch.__version__,
        wording=wording,
        base64=_base64,
        finite=_finite,
        length=_length,
        setting=_setting,
        share=_share,
        waveform=_waveform,
    )


def rendered(package: str, template: str, **values: object) -> str:
    """A template that lies in a package, filled in; every value is escaped but those marked safe in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)


def _asset(name: str) -> str:
    return resources.files("avmatch.reports").joinpath(name).read_text("utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _paired(result: MatchResult) -> list[Match]:
    """The pairs, the least sure first; what is no number comes before all."""
    pairs = [match for match in result.matches if match.audio is not None]
    return sorted(pairs, key=lambda match: match.confidence if math.isfinite(match.confidence) else -1.0)


def _alone(result: MatchResult) -> list[Match]:
    """The usable videos without a match; one that couldn't be used stands among the errors."""
    usable = frozenset(result.videos)
    return [match for match in result.matches if match.audio is None and match.video in usable]


def _says_something(result: MatchResult) -> bool:
    """Whether a matrix of the scores is worth looking at."""
    num_audio = len(result.audio)
    return bool(result.similarity.size) and not (result.settings.get("many") and num_audio <= FEW_RECORDINGS)


def _to_check(pairs: Sequence[Match]) -> list[Match]:
    """The pairs of which the recording or the offset is doubtful, the most doubtful first."""
    sure = {match.video: _finite(match.confidence) * _offset_share(match) for match in pairs}
    return sorted(
        (
            match
            for match in pairs
            if wording.is_doubtful(match.confidence) or wording.is_doubtful(_offset_share(match))
        ),
        key=lambda match: sure[match.video],
    )


def _offset_share(match: Match) -> float:
    return 1.0 if match.offset_confidence is None else _finite(match.offset_confidence)


def _link(path: str, folder: Path | None) -> str:
    """The address of a file, relative to the page; "" without a folder."""
    if folder is None:
        return ""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return Path(path).absolute().as_uri()
    return "./" + quote(Path(relative).as_posix().encode("utf-8", "surrogateescape"))


def _place(result: MatchResult, match: Match) -> dict[str, object] | None:
    """Where a clip lies in its recording, as shares of it, where that is much longer."""
    preview_of = result.previews.get
    recording, clip = preview_of(match.audio or "", _NO_PREVIEW), preview_of(match.video, _NO_PREVIEW)
    length, own, begin = recording.duration_seconds, clip.duration_seconds, match.offset_seconds
    if begin is None or not (math.isfinite(length) and math.isfinite(own)) or length < LONGER * own or length <= 0:
        return None
    first, last = (min(max(at / length, 0.0), 1.0) for at in (begin, begin + own))
    return {"left": first, "width": max(last - first, 0.005), "begin": wording.clock_time(begin)}


def _matrix_data(result: MatchResult) -> dict[str, object]:
    """What page.js draws; `script_json` turns NaN into null."""
    picture = matrix_picture(result)
    return {
        "videos": [wording.shown(result.videos[row]) for row in picture.rows],
        "audio": [wording.shown(result.audio[column]) for column in picture.columns],
        "videoIds": picture.rows,
        "audioIds": picture.columns,
        "partners": picture.partners,
        "cells": [[round(score, 2) for score in row] for row in picture.cells.tolist()],
        "low": picture.low,
        "high": picture.high,
    }


def _waveform(peaks: Sequence[float]) -> dict[str, object]:
    """Bars around the middle line, at most _NUM_BARS of them, each the loudest of its share of `peaks`, as SVG."""
    num_bars = min(_NUM_BARS, len(peaks))
    edges = [bar * len(peaks) // num_bars for bar in range(num_bars + 1)]
    path = ""
    for bar, (begin, end) in enumerate(itertools.pairwise(edges)):
        peak = max((value for value in peaks[begin:end] if math.isfinite(value)), default=0.0)
        height = max(1, round(_share(peak) * _WAVE_HEIGHT))
        path += f"M{2 * bar + 1} {(_WAVE_HEIGHT - height) / 2:g}v{height}"
    return {"width": 2 * num_bars, "height": _WAVE_HEIGHT, "path": path}


def _length(preview: Preview) -> str:
    seconds = preview.duration_seconds
    if not math.isfinite(seconds):
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _setting(value: object) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
        return wording.shown(", ".join(value))
    return wording.shown(value if isinstance(value, str) else strict_json(value))


def _finite(confidence: float) -> float:
    return confidence if math.isfinite(confidence) else 0.0


def _share(value: float) -> float:
    return min(1.0, max(0.0, _finite(value)))
