"""The similarity matrix made fit for a picture: decided pairs on the diagonal, never more cells than pixels.

Letters in shapes: N videos, M audio files, R and C the rows and columns of the picture.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

import numpy as np
from jaxtyping import Float32

import avmatch
from avmatch.core.files import script_json, strict_json
from avmatch.core.results import Match, MatchResult, Preview
from avmatch.reports.wording import NOTHING, folder_and_name, is_doubtful, lateness, percent, score_text, shown

#: More cells than this a side are pooled.
MAX_CELLS = 256


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

    @property
    def pooled(self) -> bool:
        """Whether one cell stands for several pairs."""
        return self.cells.shape != (len(self.rows), len(self.columns))


def matrix_picture(result: MatchResult, max_cells: int = MAX_CELLS) -> MatrixPicture:
    """Order the matrix by the decisions (pairs first, in the order of the input); pool what is too large."""
    decided = _decided(result)
    taken = dict.fromkeys(column for column in decided if column is not None)
    columns = (*taken, *(column for column in range(len(result.audio)) if column not in taken))
    position = {column: place for place, column in enumerate(columns)}
    places = [None if column is None else position[column] for column in decided]
    # With several videos to one audio the diagonal becomes a staircase.
    rows = sorted(range(len(places)), key=lambda row: _place_or_last(places[row], len(columns)))
    cells = pooled(_finite_or_nan(result.similarity)[np.ix_(rows, columns)], max_cells)
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


def _place_or_last(place: int | None, num_columns: int) -> int:
    return num_columns if place is None else place


def _finite_or_nan(scores: Float32[np.ndarray, "N M"]) -> Float32[np.ndarray, "N M"]:
    scores = np.asarray(scores, dtype=np.float32)
    return np.where(np.isfinite(scores), scores, np.float32(np.nan))


def _colour_scale(cells: Float32[np.ndarray, "R C"]) -> tuple[float, float]:
    finite = cells[np.isfinite(cells)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(np.median(finite)), float(finite.max())
    return (low, high) if high > low else (low - 1.0, high)


# report.html: one page that shows every decision of a `match` run, offline, without any request.
#
# The rows are written here, so that the page reads, prints and can be searched without a script; page.js only
# draws the matrix, filters and sorts. A content security policy names that script by its hash and forbids all
# other scripts and every request, so that a file name can't do harm even if its escaping failed.

_NUM_BARS = 100
_WAVE_HEIGHT = 32
_NO_PREVIEW = Preview(duration_seconds=math.nan)


def page_html(result: MatchResult) -> str:
    """The whole page as one HTML document without any outside reference."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_asset("page.html")).substitute(
        script_hash=f"sha256-{digest}",
        style=_asset("page.css"),
        script=script,
        version=escape(avmatch.__version__),
        summary=_summary(result),
        matrix=_matrix(result),
        sections="".join(_sections(result)),
        data=script_json(_matrix_data(result)),
    )


def _asset(name: str) -> str:
    return resources.files("avmatch.reports").joinpath(name).read_text("utf-8")


def _paired(result: MatchResult) -> list[Match]:
    """The pairs, the least sure first; what is no number comes before all."""
    pairs = [match for match in result.matches if match.audio is not None]
    return sorted(pairs, key=lambda match: match.confidence if math.isfinite(match.confidence) else -1.0)


def _alone(result: MatchResult) -> list[Match]:
    """The usable videos without partner; one that couldn't be used stands among the errors."""
    usable = frozenset(result.videos)
    return [match for match in result.matches if match.audio is None and match.video in usable]


def _summary(result: MatchResult) -> str:
    pairs = _paired(result)
    doubtful = sum(is_doubtful(match.confidence) for match in pairs)
    figures = (
        (len(pairs), "pair", "pairs", "pairs", ""),
        (doubtful, "of them to check", "of them to check", "pairs", "doubt"),
        (len(_alone(result)), "video without partner", "videos without partner", "videos-alone", ""),
        (len(result.unmatched_audio), "sound without partner", "sounds without partner", "audio-alone", ""),
        (len(result.failures), "file not usable", "files not usable", "errors", "fault"),
    )
    return "".join(_figure(*figure) for figure in figures)


def _figure(count: int, one: str, many: str, anchor: str, tone: str) -> str:
    tone = tone if count else "none"
    text = f"<b>{count}</b> <span>{one if count == 1 else many}</span>"
    inner = f'<a href="#{anchor}">{text}</a>' if count else text
    return f'<li class="{tone}">{inner}</li>'


def _matrix(result: MatchResult) -> str:
    if not result.similarity.size:
        return '<p class="empty">There is no pair to show: one side has no usable file.</p>'
    return _asset("matrix.html")


def _matrix_data(result: MatchResult) -> dict[str, object]:
    picture = matrix_picture(result)
    cells = [[round(score, 2) if math.isfinite(score) else None for score in row] for row in picture.cells.tolist()]
    return {
        "videos": [shown(result.videos[row]) for row in picture.rows],
        "audio": [shown(result.audio[column]) for column in picture.columns],
        "videoIds": picture.rows,
        "audioIds": picture.columns,
        "partners": picture.partners,
        "cells": cells,
        "low": picture.low,
        "high": picture.high,
    }


def _sections(result: MatchResult) -> Iterable[str]:
    video_ids = {path: f"v{index}" for index, path in enumerate(result.videos)}
    audio_ids = {path: f"a{index}" for index, path in enumerate(result.audio)}
    pair_rows = [_pair_row(match, result, video_ids, audio_ids) for match in _paired(result)]
    yield _table_section(
        "pairs",
        "Pairs",
        ("Picture", "Sound", "Offset", "Confidence", "Runner-up"),
        pair_rows,
        "No pair was made.",
    )
    alone_rows = [_alone_row(match, result, video_ids) for match in _alone(result)]
    if alone_rows:
        headings = ("Picture", "Nearest sound, not taken", "Its confidence")
        yield _table_section("videos-alone", "Videos without partner", headings, alone_rows)
    sound_rows = [_sound_row(path, result, audio_ids) for path in result.unmatched_audio]
    if sound_rows:
        yield _table_section("audio-alone", "Sounds without partner", ("Sound", "Length"), sound_rows)
    if result.failures:
        rows = [
            _row("", (_name(failure.path), _text(failure.stage), _text(failure.message))) for failure in result.failures
        ]
        yield _table_section("errors", "Files that could not be used", ("File", "Stage", "What happened"), rows)
    yield from _closing_sections(result)


def _closing_sections(result: MatchResult) -> Iterable[str]:
    if result.notes:
        notes = "".join(f"<li>{_text(note)}</li>" for note in result.notes)
        yield f'<section id="notes"><h2>Notes</h2><ul>{notes}</ul></section>'
    if result.settings:
        entries = "".join(
            f"<div><dt>{_text(key)}</dt><dd>{_setting(value)}</dd></div>" for key, value in result.settings.items()
        )
        yield f'<section id="settings"><h2>Settings</h2><dl>{entries}</dl></section>'


def _table_section(anchor: str, title: str, headings: Sequence[str], rows: Sequence[str], empty: str = "") -> str:
    if not rows:
        return f'<section id="{anchor}"><h2>{title}</h2><p class="empty">{empty}</p></section>'
    # The roles are spelled out because rows laid out as grids lose them in some browsers.
    heads = "".join(f'<th role="columnheader" scope="col">{heading}</th>' for heading in headings)
    return (
        f'<section id="{anchor}"><h2>{title} <small>{len(rows)}</small></h2>'
        f'<table role="table" class="{anchor}"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table></section>'
    )


def _row(attributes: str, cells: Iterable[str]) -> str:
    inner = "".join(f'<td role="cell">{cell}</td>' for cell in cells)
    return f'<tr role="row" {attributes}>{inner}</tr>'


def _pair_row(match: Match, result: MatchResult, video_ids: dict[str, str], audio_ids: dict[str, str]) -> str:
    audio = match.audio or ""
    doubtful = is_doubtful(match.confidence)
    sureness = match.confidence if math.isfinite(match.confidence) else 0.0
    runner_up = (
        f'<span class="label">runner-up </span>{_name(match.runner_up)}'
        f"<small>score {score_text(match.runner_up_score)}</small>"
    )
    return _row(
        f'{_id(video_ids, match.video)} class="{"doubtful" if doubtful else "sure"}" data-confidence="{sureness:.4f}"',
        (
            _picture(match.video, result),
            _sound(audio, result, audio_ids),
            f'<span class="label">sound </span><b class="offset">{lateness(match.offset_seconds)}</b>'
            f"<small>by {_text(match.cue)}</small>",
            f"{_confidence(match.confidence)}<small>score {score_text(match.score)}</small>",
            runner_up if match.runner_up is not None else f'<span class="label">runner-up </span>{NOTHING}',
        ),
    )


def _alone_row(match: Match, result: MatchResult, video_ids: dict[str, str]) -> str:
    nearest = f"{_name(match.runner_up)}<small>score {score_text(match.runner_up_score)}</small>"
    return _row(
        _id(video_ids, match.video),
        (
            _picture(match.video, result),
            nearest if match.runner_up is not None else NOTHING,
            percent(match.confidence) if match.runner_up is not None else NOTHING,
        ),
    )


def _sound_row(path: str, result: MatchResult, audio_ids: dict[str, str]) -> str:
    return _row("", (_sound(path, result, audio_ids), _length(result.previews.get(path, _NO_PREVIEW))))


def _id(ids: dict[str, str], path: str) -> str:
    return f'id="{ids[path]}"' if path in ids else ""


def _picture(path: str, result: MatchResult) -> str:
    preview = result.previews.get(path, _NO_PREVIEW)
    if preview.thumbnail_jpeg is None:
        still = '<span class="still" aria-hidden="true">no picture</span>'
    else:
        data = base64.b64encode(preview.thumbnail_jpeg).decode()
        alternative = _text(f"Still from {folder_and_name(path)[1]}")
        still = (
            f'<img class="still" src="data:image/jpeg;base64,{data}" alt="{alternative}" '
            'loading="lazy" decoding="async">'
        )
    return f'{still}<div>{_name(path)}<small class="length">{_length(preview)}</small></div>'


def _sound(path: str, result: MatchResult, audio_ids: dict[str, str]) -> str:
    preview = result.previews.get(path, _NO_PREVIEW)
    wave = _waveform(preview.peaks, f"Loudness of {folder_and_name(path)[1]}, {_length(preview)}")
    # Not an id: with many videos to one sound it stands on several rows.
    return f'<div class="wave" data-sound="{audio_ids.get(path, "")}">{wave}</div>{_name(path)}'


def _waveform(peaks: Sequence[float], label: str) -> str:
    """Bars around the middle line, at most _NUM_BARS of them, each the loudest of its share of `peaks`."""
    if not peaks:
        return ""
    num_bars = min(_NUM_BARS, len(peaks))
    edges = [bar * len(peaks) // num_bars for bar in range(num_bars + 1)]
    path = ""
    for bar in range(num_bars):
        peak = max((value for value in peaks[edges[bar] : edges[bar + 1]] if math.isfinite(value)), default=0.0)
        height = max(1, round(min(1.0, max(0.0, peak)) * _WAVE_HEIGHT))
        path += f"M{2 * bar + 1} {(_WAVE_HEIGHT - height) / 2:g}v{height}"
    return (
        f'<svg viewBox="0 0 {2 * num_bars} {_WAVE_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{_text(label)}"><path d="{path}"/></svg>'
    )


def _confidence(confidence: float) -> str:
    width = 100 * min(1.0, max(0.0, confidence)) if math.isfinite(confidence) else 0
    word = '<span class="check">check</span>' if is_doubtful(confidence) else ""
    return (
        f'<span class="sureness"><b>{percent(confidence)}</b>{word}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{width:.0f}%"></i></span>'
    )


def _length(preview: Preview) -> str:
    seconds = preview.duration_seconds
    if not math.isfinite(seconds):
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _name(path: str | None) -> str:
    """A path with its folder held back; isolated, because a name may be written right to left."""
    if path is None:
        return NOTHING
    folder, name = folder_and_name(path)
    return f'<bdi class="name"><span>{escape(folder)}</span>{escape(name)}</bdi>'


def _setting(value: object) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
        return _text(", ".join(value))
    return _text(value if isinstance(value, str) else strict_json(value))


def _text(text: str) -> str:
    return escape(shown(text))
