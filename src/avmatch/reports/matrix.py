"""The similarity matrix made fit for a picture: decided pairs on the diagonal, never more cells than pixels.

Letters in shapes: N videos, M audio files, R and C the rows and columns of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from avmatch.core.results import MatchResult

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
