"""The vectors of a tower that looks at mouths, for every face of a video.

located frames → crops on each face's clock → tower, a stretch at a time → vectors by track
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from avmatch.core.features import Embeddings
from avmatch.encoders.tower import Tower, embeddings_of
from avmatch.frontends.crops import MouthCrops
from avmatch.frontends.faces import LocatedFrame, Sighting
from avmatch.frontends.picture import shades
from avmatch.frontends.sound import CHUNK_SECONDS


class FaceEncoder:
    """Collects located frames and answers with the tower's vectors of each face on its clock."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._crops = MouthCrops(tower.description.rate_hz, tower.description.height_px)
        self._chunk_ticks = round(CHUNK_SECONDS * tower.description.rate_hz)
        self._ticks: dict[int, list[np.ndarray]] = {}
        self._vectors: dict[int, list[np.ndarray]] = {}

    def take(self, located: LocatedFrame) -> None:
        """Take the next frame."""
        for number, tick in self._crops.take(located):
            waiting = self._ticks.setdefault(number, [])
            waiting.append(tick)
            if len(waiting) >= self._chunk_ticks:
                self._run(number)

    def finish(self, sightings: Mapping[int, Sighting]) -> dict[int, Embeddings]:
        """The vectors of each track that was seen often enough, as far as it shows the face."""
        found = {}
        for number, (start_seconds, num_ticks) in self._crops.extents(sightings).items():
            self._run(number)
            vectors = embeddings_of(self._tower, self._vectors[number], start_seconds)
            assert vectors is not None
            found[number] = Embeddings(vectors.data[:num_ticks], vectors.rate_hz, start_seconds)
        return found

    def _run(self, number: int) -> None:
        """The tower over what waits of a track."""
        waiting = self._ticks[number]
        if waiting:
            encoded = self._tower.encode(shades(np.stack(waiting)), len(waiting)).astype(np.float16)
            self._vectors.setdefault(number, []).append(encoded)
            waiting.clear()
