"""The statistics of a clip's pieces, on which kinds and classes are fitted (training/kinds.py).

Letters in shapes: N pieces.
"""

import numpy as np
from jaxtyping import Int

from avmatch.core.features import TICK_RATE_HZ
from avmatch.data.items import Pairs
from avmatch.data.tracks import split_bands
from avmatch.frontends.event_signals import BANDS_PER_TICK, picture_statistics, sound_statistics
from avmatch.training.kinds import Statistics, together

#: Clips are fitted on, and judged, in pieces as long as this; some ticks of the last one may be missing.
PIECE_TICKS, _MISSING_TICKS = 5 * TICK_RATE_HZ, 2


def statistics_of(pairs: Pairs, row: int) -> Statistics:
    """Of a clip's pieces, both sides of the same time."""
    return together(
        [(picture_statistics(motion), sound_statistics(split_bands(bands)[2])) for motion, bands in cut(pairs, row)]
    )


def cut(pairs: Pairs, row: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A clip in pieces of PIECE_TICKS; what is shorter stays whole, what remains is left out."""
    motion, bands = np.asarray(pairs.video[row]), np.asarray(pairs.audio[row])
    num = max(1, (len(motion) + _MISSING_TICKS) // PIECE_TICKS)
    places = [slice(number * PIECE_TICKS, (number + 1) * PIECE_TICKS) for number in range(num)]
    return [(motion[place], bands[place.start * BANDS_PER_TICK : place.stop * BANDS_PER_TICK]) for place in places]


def whole_pieces(pairs: Pairs) -> tuple[list[tuple[np.ndarray, np.ndarray]], Int[np.ndarray, " N"]]:
    """The pieces of all clips that are as long as PIECE_TICKS, and their recordings."""
    every = [(piece, group) for row, group in enumerate(pairs.group) for piece in cut(pairs, row)]
    whole = [(piece, group) for piece, group in every if len(piece[1]) == PIECE_TICKS * BANDS_PER_TICK]
    return [piece for piece, _ in whole], np.array([group for _, group in whole], np.int64)
