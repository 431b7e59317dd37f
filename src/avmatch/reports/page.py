"""report.html, one page that shows every decision of a `match` run offline, and the matrix in its middle.

The page is a Jinja2 template (page.html.jinja). The matrix has the decided pairs on its diagonal, and never more cells
than pixels; page.js draws it, and so does reports/plots.py.

Letters in shapes: N videos, M audio files, R and C the rows and columns of the picture.
"""

import base64
import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jaxtyping import Float32

import avmatch
from avmatch.core.files import script_json, strict_json
from avmatch.core.matches import Match, MatchResult, Preview
from avmatch.reports import wording

#: More cells than this a side are pooled.
MAX_CELLS = 256
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
    """Order the matrix by the decisions (pairs first, in the order of the input); pool what is too large."""
    decided = _decided(result)
    taken = dict.fromkeys(column for column in decided if column is not None)
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


def page_html(result: MatchResult) -> str:
    """The whole page as one HTML document without any outside reference."""
    script, pairs = _asset("page.js"), _paired(result)
    return rendered(
        "avmatch.reports",
        "page.html.jinja",
        script=script,
        script_hash=f"sha256-{_base64(hashlib.sha256(script.encode()).digest())}",
        style=_asset("page.css"),
        data=script_json(_matrix_data(result)),
        result=result,
        pairs=pairs,
        num_doubtful=sum(wording.is_doubtful(match.confidence) for match in pairs),
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
