"""An index that is open: the windows that go best with something, and where in them it fits.

    index → all rows ┬ evidence of one vector each → the best few hundred windows       listed
    clip  → row      ┘
    these → their features ┬ evidence over time at every place → one a place of a file  placed
    clip  → features       ┘

Letters in shapes: W numbers of a row, n rows.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from avmatch.analysis.features import Analyser
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.index.grid import Window, num_windows, window
from avmatch.index.library import Library
from avmatch.index.rows import Rows, read_rows
from avmatch.media.info import read_info
from avmatch.pipelines.models import models_with
from avmatch.pipelines.placement import in_silence, place_in, placements
from avmatch.pipelines.pooled import Comparison, Features, comparison, end_seconds, features_of, row_of, stretch

#: So many windows are compared over time.
LISTED = 300
#: Rows that are multiplied at once.
BLOCK_ROWS = 1 << 16
SPEECH = "speech"
#: From this share on a window is speech.
LEAST_SPEECH = 0.2
#: Places of one file closer than this share of what was asked for are one.
APART_SHARE = 0.5
#: What is searched for lasts no longer: to compare it over time takes the square of its length.
LONGEST_SECONDS = 120.0
ROWS = "rows"


class Found(NamedTuple):
    """A window, how well it goes with what was asked for, its kind, and how much of it is speech, 0…1."""

    content: int
    number: int
    nats: float
    kind: str
    speech: float


@dataclass(frozen=True, eq=False)
class Placed:
    """A window and the place in its file.

    Attributes:
        at_seconds: where in the file what was asked for begins.
        length_seconds: of the file from there on, as far as it is used.
        nats: all evidence.
        parts: what each cue says there.
    """

    found: Found
    at_seconds: float
    length_seconds: float
    nats: float
    parts: dict[str, float]


class Searcher:
    """An index that is open.

    Args:
        index: its folder.
        by: how it is compared; None = by the models with which it was made.

    Raises:
        UsageError: there is none, or it was made by another version or model.
    """

    def __init__(self, index: str | Path, by: Comparison | None = None) -> None:
        self.store = Library(Path(index))
        made_by = self.store.setting("model")
        if made_by is None:
            self.close()
            raise UsageError(f"{index}: nothing is indexed there yet; run `avmatch index LIBRARY -o {index}`")
        self.by = by or comparison(models_with(made_by))
        self.holds_sounds = self.store.setting("side") == "audio"
        if self.by.fingerprint != self.store.setting("fingerprint"):
            self.close()
            raise UsageError(f"{index}: made by another version or model ({made_by}); remove it, and index again")

    def close(self) -> None:
        """Let go of it."""
        self.store.close()

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def rows(self) -> list[Rows]:
        """All windows, as they were when they were first asked for."""
        return read_rows(self.store, self.by.rows.width)

    @property
    def num_windows(self) -> int:
        """How many there are."""
        return sum(int(block.is_there.sum()) for block in self.rows)

    def query(self, path: str | Path, cache_dir: Path | None = None) -> Features:
        """The features of what is asked for: the picture of a clip in a library of sounds, the sound in one of videos.

        Raises:
            MediaError: it can't be used, or is longer than LONGEST_SECONDS.
        """
        found = read_info(Path(path))
        side = found.picture if self.holds_sounds else found.sound
        if side is not None:
            _check_length(path, float(side.duration_seconds))
        analyser = Analyser(cache_dir, self.by.models.towers, encoders=self.by.models.encoders)
        features = analyser.video(str(path)) if self.holds_sounds else analyser.audio(str(path))
        _check_length(path, end_seconds(features))  # headers may say less
        return features

    def same(self, path: str | Path, cache_dir: Path | None = None) -> Features:
        """The features of something that the library could hold itself. Raises MediaError."""
        analyser = Analyser(cache_dir, self.by.models.towers, encoders=self.by.models.encoders)
        return analyser.audio(str(path)) if self.holds_sounds else analyser.video(str(path))

    def listed(self, query: Features, *, kind: str = "", num: int = LISTED) -> list[Found]:
        """The windows that go best with something of the other side. Raises UsageError for an unknown kind."""
        row = row_of(self.by, query)
        return self._best(lambda part: self.by.rows.nats(row, part), kind, num)

    def alike(self, same: Features, *, kind: str = "", num: int = LISTED) -> list[Found]:
        """The windows that are most like something of the same side, by cosines instead of nats."""
        row = row_of(self.by, same)
        return self._best(lambda part: self.by.rows.likeness(row, part), kind, num)

    def _best(
        self, score: Callable[[Float32[np.ndarray, "n W"]], Float32[np.ndarray, " n"]], kind: str, num: int
    ) -> list[Found]:
        scores = [self._scores(block, score, kind) for block in self.rows]
        nats = np.concatenate([*scores, np.zeros(0, np.float32)])
        num = min(num, int(np.isfinite(nats).sum()))
        if num == 0:
            return []
        best = np.argpartition(-nats, num - 1)[:num]
        best = best[np.argsort(-nats[best], kind="stable")]
        places, rows = self._rows_at(best)
        return [
            Found(content, number, value, name, speech)
            for (content, number), value, name, speech in zip(
                places.tolist(), nats[best].tolist(), self._kinds(rows), self.by.rows.speech(rows).tolist(), strict=True
            )
        ]

    def _scores(
        self, block: Rows, score: Callable[[Float32[np.ndarray, "n W"]], Float32[np.ndarray, " n"]], kind: str
    ) -> Float32[np.ndarray, " n"]:
        found = np.empty(len(block), np.float32)
        for begin in range(0, len(block), BLOCK_ROWS):
            part = block.vectors[begin : begin + BLOCK_ROWS]
            found[begin : begin + BLOCK_ROWS] = score(part)
            if kind:
                found[begin : begin + BLOCK_ROWS][~self._is_kind(part, kind)] = -np.inf
        found[~block.is_there] = -np.inf
        return found

    def _rows_at(self, wanted: Int64[np.ndarray, " n"]) -> tuple[Int64[np.ndarray, "n 2"], Float32[np.ndarray, "n W"]]:
        places, rows = np.zeros((len(wanted), 2), np.int64), np.zeros((len(wanted), self.by.rows.width), np.float32)
        begin = 0
        for block in self.rows:
            inside = np.flatnonzero((wanted >= begin) & (wanted < begin + len(block)))
            places[inside] = block.places[wanted[inside] - begin]
            rows[inside] = block.vectors[wanted[inside] - begin]
            begin += len(block)
        return places, rows

    def _is_kind(self, rows: Float32[np.ndarray, "n W"], kind: str) -> Bool[np.ndarray, " n"]:
        if kind == SPEECH:
            return np.asarray(self.by.rows.speech(rows) >= LEAST_SPEECH)
        names = self.by.rows.class_names
        chosen = [place for place, name in enumerate(names) if kind.casefold() in name.casefold()]
        if not chosen:
            raise UsageError(f"no kind {kind!r}; there are {', '.join((SPEECH, *names))}")
        classes = self.by.rows.classes(rows)
        return np.isin(classes.argmax(axis=1), chosen) & classes.any(axis=1)

    def _kinds(self, rows: Float32[np.ndarray, "n W"]) -> list[str]:
        names, classes = np.array([*self.by.rows.class_names, ""]), self.by.rows.classes(rows)
        best = classes.argmax(axis=1) if classes.shape[1] else np.zeros(len(rows), np.int64)
        named = np.where(classes.any(axis=1), names[best], "")
        return np.where(self.by.rows.speech(rows) >= LEAST_SPEECH, SPEECH, named).tolist()

    def placed(self, query: Features, listed: Sequence[Found]) -> list[Placed]:
        """Windows compared over time, the best first, one a place of a file."""
        length = end_seconds(query)
        chosen: list[tuple[Found, float]] = []
        others: list[Features] = []
        places = []
        for found in listed:
            duration = self.store.duration_seconds(found.content)
            if not duration or found.number >= num_windows(duration):
                continue  # dropped meanwhile
            place = place_in(window(found.number, duration), duration, length)
            if (other := self._read(found.content, place.begin_seconds, place.end_seconds)) is not None:
                chosen.append((found, duration))
                others.append(other)
                places.append(place)
        if not chosen:
            return []
        query, compared = _together(query, others)
        spans = [place.span(is_sound=self.holds_sounds) for place in places]
        spoken = [self._is_spoken(found, query) for found, _ in chosen]
        at = placements(self.by.over_time, query, compared, spans, spoken)
        sign = 1.0 if self.holds_sounds else -1.0
        placed = [
            _placed(found, sign * offset, min(length, duration - sign * offset), nats, parts, at.cue_names)
            for (found, duration), offset, nats, parts in zip(
                chosen, at.offset_seconds.tolist(), at.nats.tolist(), at.parts.T.tolist(), strict=True
            )
        ]
        return one_a_place(sorted(placed, key=lambda item: -item.nats), APART_SHARE * length)

    def _is_spoken(self, found: Found, query: Features) -> bool:
        """Whether the sound of a pair is speech."""
        if self.holds_sounds or isinstance(query, VideoFeatures):
            return found.speech >= LEAST_SPEECH
        return float(self.by.rows.speech(row_of(self.by, query)[None])[0]) >= LEAST_SPEECH

    def window(self, found: Found) -> Window:
        """Where a window lies in its file."""
        return window(found.number, self.store.duration_seconds(found.content))

    def path(self, found: Found) -> str:
        """The first of the files that hold it, of those that are there: a library may have been moved."""
        paths = self.store.paths(found.content)
        return next(filter(os.path.exists, paths), next(iter(paths), ""))

    def _read(self, content: int, begin_seconds: float, end_seconds: float) -> Features | None:
        """A stretch of what is kept of a file; None where it is gone."""
        parts = self.store.parts(content, begin_seconds, end_seconds)
        found = features_of(parts, AudioFeatures if self.holds_sounds else VideoFeatures)
        return None if found is None else stretch(found, begin_seconds, end_seconds)


def _check_length(path: str | Path, seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        most = f"a search compares {LONGEST_SECONDS:.0f} s at most"
        message = f"lasts {seconds:.0f} s, and {most}; cut out the part in question"
        raise MediaError(path, message, stage="open", reason="unsupported")


def _together(query: Features, others: Sequence[Features]) -> tuple[Features, Sequence[Features]]:
    """Sounds that are shorter than the pictures with which they are compared, in silence."""
    if isinstance(query, VideoFeatures):
        seconds = end_seconds(query)
        return query, [in_silence(other, seconds) if isinstance(other, AudioFeatures) else other for other in others]
    return in_silence(
        query, max(len(other.motion) / TICK_RATE_HZ for other in others if isinstance(other, VideoFeatures))
    ), others


def _placed(
    found: Found, at_seconds: float, length_seconds: float, nats: float, parts: list[float], names: Sequence[str]
) -> Placed:
    said = dict(zip(names, parts, strict=True)) | {ROWS: found.nats}
    return Placed(found, at_seconds, length_seconds, found.nats + nats, said)


def one_a_place(placed: Sequence[Placed], apart_seconds: float) -> list[Placed]:
    """The best of those that lie close together in one file, in the order given."""
    kept: dict[int, list[float]] = {}
    found = []
    for item in placed:
        known = kept.setdefault(item.found.content, [])
        if all(abs(item.at_seconds - other) > apart_seconds for other in known):
            known.append(item.at_seconds)
            found.append(item)
    return found
