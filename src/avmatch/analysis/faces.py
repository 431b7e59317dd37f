"""The vectors of a tower that looks at mouths, for every face of a video.

located frames → crops on each face's clock → tower, a stretch at a time → vectors by track
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from avmatch.artifacts.tower import Tower, embeddings_of
from avmatch.core.features import Embeddings
from avmatch.frontends.faces import LocatedFrame, Sighting
from avmatch.frontends.mouth import MouthCrops, shades

#: What the tower takes at once: memory grows with it.
STRETCH_SECONDS = 5.0
#: What is shown to it again on either side of a stretch, as vectors depend on their neighbours.
CONTEXT_SECONDS = 0.4


class FaceEncoder:
    """Collects located frames and answers with the tower's vectors of each face on its clock."""

    def __init__(self, tower: Tower) -> None:
        rate_hz = tower.description.rate_hz
        self._tower = tower
        self._crops = MouthCrops(rate_hz, tower.description.height_px)
        self._stretch_ticks, self._context_ticks = (
            round(seconds * rate_hz) for seconds in (STRETCH_SECONDS, CONTEXT_SECONDS)
        )
        #: Of each track: crops that are still needed, how many of these have their vectors, and the vectors.
        self._ticks: dict[int, list[np.ndarray]] = {}
        self._num_done: Counter[int] = Counter()
        self._vectors: dict[int, list[np.ndarray]] = {}

    def take(self, located: LocatedFrame) -> None:
        """Take the next frame."""
        for number, tick in self._crops.take(located):
            waiting = self._ticks.setdefault(number, [])
            waiting.append(tick)
            if len(waiting) - self._num_done[number] >= self._stretch_ticks + self._context_ticks:
                self._run(number)
        for number in [number for number in self._ticks if number not in located.boxes]:
            self._end(number)  # a track that was lost never comes back

    def finish(self, sightings: Mapping[int, Sighting]) -> dict[int, Embeddings]:
        """The vectors of each track that was seen often enough, as far as it shows the face."""
        found = {}
        for number, (start_seconds, num_ticks) in self._crops.extents(sightings).items():
            self._end(number)
            vectors = embeddings_of(self._tower, self._vectors[number], start_seconds)
            assert vectors is not None
            found[number] = Embeddings(vectors.data[:num_ticks], vectors.rate_hz, start_seconds)
        return found

    def _run(self, number: int) -> None:
        """The tower over what waits of a track, but for the last ticks, whose neighbours are still to come."""
        waiting = self._ticks[number]
        end = len(waiting) - self._context_ticks
        self._encode(number, end)
        kept = max(end - self._context_ticks, 0)
        del waiting[:kept]
        self._num_done[number] = end - kept

    def _end(self, number: int) -> None:
        """The tower over all that waits of a track that has ended."""
        if number in self._ticks:
            self._encode(number, len(self._ticks[number]))
            del self._ticks[number]

    def _encode(self, number: int, end: int) -> None:
        waiting, done = self._ticks[number], self._num_done[number]
        if end > done:
            encoded = self._tower.encode(shades(np.stack(waiting)), len(waiting))
            self._vectors.setdefault(number, []).append(encoded[done:end].astype(np.float16))
