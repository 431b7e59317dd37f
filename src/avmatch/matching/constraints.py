"""What a person decided of pairs, as constraints of the assignment: pairs that are made, and pairs that are not.

A pair that was accepted or pinned is made: no other of its video, and none of its recording in one-to-one work, is
possible any more. What is left is a smaller gallery, in which rivals that belong elsewhere no longer count.

Letters in shapes: N videos, M audio files, n and m those that are left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64

#: What stands for a pair that was decided: no odds are infinite.
CERTAIN = 1.0 - 1e-9
#: Scores below all others: of pairs that were forbidden, where only their rank counts.
_FIGURE_OF_NONE = -10.0


@dataclass(frozen=True)
class Constraints:
    """What was decided, by rows and columns.

    Attributes:
        made: the column that each of these rows gets.
        accepted: those of `made` that a person watched, with the offset that he found right, None where he knew none.
        alone: the rows that get none.
        forbidden: pairs that aren't made.
    """

    made: Mapping[int, int] = field(default_factory=dict)
    accepted: Mapping[int, float | None] = field(default_factory=dict)
    alone: frozenset[int] = frozenset()
    forbidden: frozenset[tuple[int, int]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.made or self.alone or self.forbidden)

    def closed(self, shape: tuple[int, int], *, shared: bool) -> Bool[np.ndarray, "N M"]:
        """The pairs that are not made.

        Args:
            shared: a recording may serve several videos.
        """
        found = np.zeros(shape, bool)
        found[[*self.made, *self.alone]] = True
        if not shared:
            found[:, list(self.made.values())] = True
        for row, column in self.forbidden:
            found[row, column] = True
        for row, column in self.made.items():
            found[row, column] = False
        return found

    def left(self, shape: tuple[int, int], *, shared: bool) -> tuple[list[int], list[int]]:
        """The rows and the columns of which nothing was decided yet."""
        taken = set() if shared else set(self.made.values())
        rows = [row for row in range(shape[0]) if row not in self.made and row not in self.alone]
        return rows, [column for column in range(shape[1]) if column not in taken]

    def without_forbidden(self, nats: Float[np.ndarray, "N M"]) -> Float[np.ndarray, "N M"]:
        """Scores in which a forbidden pair is no rival: it scores as the least of its row."""
        if not self.forbidden:
            return nats
        found = nats.copy()
        for row, column in self.forbidden:
            found[row, column] = nats[row].min()
        return found

    def with_figures(
        self, of_left: Float64[np.ndarray, "n m 4"], shape: tuple[int, int], *, shared: bool
    ) -> Float64[np.ndarray, "N M 4"]:
        """Figures of all pairs, from those of the pairs that are left."""
        rows, columns = self.left(shape, shared=shared)
        found = np.full((*shape, 4), _FIGURE_OF_NONE)
        found[np.ix_(rows, columns)] = of_left
        return found

    def with_confidence(self, confidence: Float64[np.ndarray, "N M"], *, shared: bool) -> Float64[np.ndarray, "N M"]:
        """Confidences of which what was decided is certain."""
        shape = (confidence.shape[0], confidence.shape[1])
        found = np.where(self.closed(shape, shared=shared), 0.0, confidence)
        for row, column in self.made.items():
            found[row, column] = CERTAIN
        return found
