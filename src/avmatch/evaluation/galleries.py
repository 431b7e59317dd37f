"""Pairs of media whose partners are known, from files or shards: the galleries of retrieval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int

from avmatch.core.errors import UsageError
from avmatch.data.clips import Clip
from avmatch.data.items import Pairs
from avmatch.data.packing import MediaFiles, check_packed, common_part, named_pairs
from avmatch.data.shards import INDEX, open_shards
from avmatch.data.tracks import PackSettings
from avmatch.evaluation.noise import read_in_noise

#: A clip's picture, and its sound in each condition.
Signals = tuple[np.ndarray, Sequence[np.ndarray]]


@dataclass(frozen=True)
class MediaList:
    """Pairs of media files and their names."""

    names: tuple[str, ...]
    pairs: tuple[Clip, ...]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: Int[np.ndarray, " M"]) -> MediaList:
        """The pairs of `rows`, in that order."""
        return MediaList(tuple(self.names[row] for row in rows), tuple(self.pairs[row] for row in rows))


Gallery = MediaList | Pairs


def read_media(data: str | Path) -> Gallery:
    """A list of media pairs (data/layouts.py), or the shards that were packed from one."""
    if (Path(data) / INDEX).is_file():
        return open_shards(data)
    named = named_pairs(data)
    return MediaList(tuple(named), tuple(named.values()))


def gallery_clips(
    gallery: Gallery, settings: PackSettings, conditions: Sequence[float | None], seed: int
) -> Iterator[Signals]:
    """What each pair has in common.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    if isinstance(gallery, Pairs):
        if any(snr_db is not None for snr_db in conditions):
            raise UsageError("noise is mixed into waveforms, which shards don't hold; give the media files")
        check_packed(gallery, settings, "the data")
        for row in range(len(gallery)):
            yield np.asarray(gallery.video[row]), [np.asarray(gallery.audio[row])] * len(conditions)
        return
    files = MediaFiles(gallery.pairs, partial(read_in_noise, settings, conditions, seed, None))
    for pair in gallery.pairs:
        video, sounds = files.tracks(pair)
        parts = [common_part(pair, video, sound, settings) for sound in sounds]
        yield parts[0][0], [audio for _, audio in parts]
