"""Files → what an index keeps of them: a row for each window, and features in parts of a minute.

features → windows → rows (cues/pooled.py)
         → parts, without what no comparison over time needs
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from avmatch.alignment.cuts import audio_between, between, joined_audio, joined_video
from avmatch.analysis import store
from avmatch.artifacts.model import VOICE
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue, PreparedCue, TimelessCue
from avmatch.cues.pooled import PooledCue, PooledRows
from avmatch.index.grid import HOP_SECONDS, WINDOW_SECONDS, windows
from avmatch.index.library import PART_SECONDS, Content
from avmatch.pipelines.models import Models, face_cues, motion_cues
from avmatch.systems.voice.runtime import load_voice_detector

#: Vectors of voices are kept of parts in which somebody speaks for so much of the time.
LEAST_SPEECH = 0.02
Features = AudioFeatures | VideoFeatures


@dataclass(frozen=True, eq=False)
class Comparison:
    """How a library is compared: at once by rows, and over time.

    Attributes:
        models: that features come from.
        rows: of windows.
        over_time: the cues that look for a place.
    """

    models: Models
    rows: PooledRows
    over_time: tuple[Cue, ...]

    @property
    def voice(self) -> Callable[[AudioFeatures], np.ndarray] | None:
        """Hears voices."""
        return self.rows.voice

    @property
    def fingerprint(self) -> str:
        """Follows what rows and parts depend on."""
        made_by = [f"{store.FEATURES_VERSION}/{WINDOW_SECONDS}/{HOP_SECONDS}/{PART_SECONDS}/{self.rows.width}"]
        made_by += [f"{cue.name} {cue.terms}" for cue in self.rows.cues]
        made_by += [f"{pair.video.fingerprint} {pair.audio.fingerprint}" for pair in self.models.towers]
        if self.models.encoders is not None:
            made_by += [self.models.encoders.video.fingerprint, self.models.encoders.audio.fingerprint]
        return hashlib.blake2b("\n".join(made_by).encode(), digest_size=8).hexdigest()


def comparison(models: Models) -> Comparison:
    """By the cues that `match` has with these models."""
    cues = [*motion_cues(models, apart=False), *face_cues(models.towers, apart=False)]
    pooled = tuple(cue for cue in cues if isinstance(cue, PooledCue))
    return Comparison(
        models,
        PooledRows(pooled, load_voice_detector(VOICE)),
        tuple(cue for cue in cues if not isinstance(cue, TimelessCue)),
    )


def end_seconds(features: Features) -> float:
    """Where a file ends, on its own clock."""
    if isinstance(features, VideoFeatures):
        return features.start_seconds + len(features.motion) / TICK_RATE_HZ
    return features.start_seconds + len(features.flux) / BAND_RATE_HZ


def stretch(features: Features, begin_seconds: float, end_seconds: float) -> Features:
    """A part of them on the file's clock."""
    if isinstance(features, VideoFeatures):
        return between(features, begin_seconds, end_seconds)
    return audio_between(features, begin_seconds, end_seconds)


def content_of(by: Comparison, features: Features, content_hash: str) -> Content:
    """What is kept of a file."""
    length = end_seconds(features)
    features = _prepared(by, features)
    rows = [_row(by, stretch(features, one.begin_seconds, one.end_seconds)) for one in windows(length)]
    num_parts = max(1, int(np.ceil(length / PART_SECONDS)))
    parts = [
        store.as_bytes(_kept(by, stretch(features, place * PART_SECONDS, (place + 1) * PART_SECONDS)))
        for place in range(num_parts)
    ]
    return Content(content_hash, length, np.stack(rows), parts)


def _prepared(by: Comparison, features: Features) -> Features:
    """With what cues make of a whole sound."""
    if isinstance(features, VideoFeatures):
        return features
    made = {
        name: one
        for cue in by.over_time
        if isinstance(cue, PreparedCue)
        for name, one in cue.prepared(features).items()
    }
    return replace(features, embeddings={**features.embeddings, **made})


def _row(by: Comparison, features: Features) -> np.ndarray:
    return by.rows.of_video(features) if isinstance(features, VideoFeatures) else by.rows.of_audio(features)


def row_of(by: Comparison, features: Features) -> np.ndarray:
    """The row (W,) of what is asked for, as a whole."""
    return _row(by, features)


def _kept(by: Comparison, features: Features) -> Features:
    """Features for comparing over time."""
    names = {pair.name for pair in by.models.towers}
    encoded = "" if by.models.encoders is None else by.models.encoders.name
    vectors = {name: one for name, one in features.embeddings.items() if name != encoded}
    if isinstance(features, VideoFeatures):
        return replace(features, embeddings=vectors, thumbnail_jpeg=b"", scratch=None)
    is_spoken = by.voice is None or _speech(by.voice(features)) >= LEAST_SPEECH
    kept = {name: one for name, one in vectors.items() if is_spoken or name not in names}
    return replace(features, embeddings=kept, signs=None, peaks=())


def _speech(voice: np.ndarray) -> float:
    return float((voice > 0.5).mean()) if len(voice) else 0.0


def features_of(parts: Sequence[bytes], kind: type[Features]) -> Features | None:
    """Kept parts of this kind, as one; None where one is gone or damaged."""
    found = [store.from_bytes(part, kind) for part in parts]
    videos = [part for part in found if isinstance(part, VideoFeatures)]
    audios = [part for part in found if isinstance(part, AudioFeatures)]
    if not found or len(videos) + len(audios) < len(found):
        return None
    return joined_video(videos) if videos else joined_audio(audios)
