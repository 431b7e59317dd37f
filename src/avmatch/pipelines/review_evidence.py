"""What speaks for a pair: its score over the offsets, and where in the picture its sound comes from.

The same measurement as that of `match` and `sync`, of a pair that a person looks at, whether `match` made it or not.
"""

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from avmatch.analysis.features import Analyser
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, MouthTrack, VideoFeatures
from avmatch.core.results import SyncResult
from avmatch.cues.learned import EmbeddingCue
from avmatch.data.result_tables import ResultTables
from avmatch.frontends.motion import GRID
from avmatch.pipelines.locate import HOT_NATS
from avmatch.pipelines.models import Models, models_with
from avmatch.pipelines.sync import DEFAULT_MAX_OFFSET_SECONDS, cues_for, measured_pair
from avmatch.systems.events.heat import heat

#: Heat and faces are given so many times a second.
OVERLAY_RATE_HZ = 12.5
_STEP = round(TICK_RATE_HZ / OVERLAY_RATE_HZ)
_WHITE = 255


@dataclass(frozen=True, eq=False)
class Face:
    """A face while it is there.

    Attributes:
        boxes: x, y, width and height as shares of the picture's, OVERLAY_RATE_HZ a second from `begin_seconds` on.
        nats: how well it goes with the sound; None where no model can say.
    """

    begin_seconds: float
    boxes: Float[np.ndarray, "T 4"]
    nats: float | None


@dataclass(frozen=True, eq=False)
class Overlay:
    """What lies over a picture, on its own clock, which begins with the first frame.

    Attributes:
        cells: how hot each cell is, 255 the hottest, OVERLAY_RATE_HZ a second; None where no model can say.
    """

    cells: UInt8[np.ndarray, "T G"] | None
    faces: tuple[Face, ...]


class ReviewEvidence:
    """Measures pairs, one at a time. May be used by several threads.

    Args:
        cache_dir: where features are kept.
        model, face_detector: those of the run.
        max_offset_seconds: the run's range.
    """

    def __init__(
        self, cache_dir: Path, max_offset_seconds: float, model: str | None = None, face_detector: Path | None = None
    ) -> None:
        self._cache_dir, self._model, self._face_detector = cache_dir, model, face_detector
        self._reach = max(DEFAULT_MAX_OFFSET_SECONDS, max_offset_seconds)
        self._lock = threading.Lock()
        self._features = lru_cache(maxsize=8)(self._read)

    def measured(self, video: Path, audio: Path, place_seconds: float | None) -> SyncResult:
        """The score over the offsets, in the range of the run about the place where the pair was found.

        Raises:
            MediaError: a file can't be used.
        """
        with self._lock:
            picture, sound = self._pair(video, audio)
            longer, place = sound.duration_seconds - picture.duration_seconds, place_seconds or 0.0
            near = 0.0 if abs(place) <= self._reach or longer <= self._reach else float(round(place))
            return measured_pair(cues_for(self._models), str(video), picture, sound, self._reach, near).result

    def overlay(self, video: Path, audio: Path, offset_seconds: float) -> Overlay:
        """Where the sound comes from at this offset. Raises MediaError."""
        with self._lock:
            picture, sound = self._pair(video, audio)
            events, cells = self._models.events, None
            if events is not None and picture.motion.size:
                nats = heat(events, picture, sound, offset_seconds)[::_STEP]
                cells = np.round(np.clip(nats / HOT_NATS, 0.0, 1.0) * _WHITE).astype(np.uint8)
            looking = [cue for cue in cues_for(self._models) if isinstance(cue, EmbeddingCue)]
            faces = [_face(track, picture, sound, offset_seconds, looking) for track in picture.mouths if len(track)]
            return Overlay(cells, tuple(faces))

    @cached_property
    def _models(self) -> Models:
        return models_with(self._model)

    def _pair(self, video: Path, audio: Path) -> tuple[VideoFeatures, AudioFeatures]:
        states = [path.stat().st_mtime_ns if path.exists() else 0 for path in (video, audio)]
        picture, sound = self._features(video, "video", states[0]), self._features(audio, "audio", states[1])
        assert isinstance(picture, VideoFeatures)
        assert isinstance(sound, AudioFeatures)
        return picture, sound

    def _read(self, path: Path, side: str, _: int) -> VideoFeatures | AudioFeatures:
        analyser = Analyser(self._cache_dir, self._models.towers, 1, self._face_detector)
        return analyser.video(str(path)) if side == "video" else analyser.audio(str(path))


def evidence_of(tables: ResultTables, cache_dir: Path) -> ReviewEvidence:
    """What measures as the run of this result did."""
    range_seconds, model, detector = (
        tables.settings.get(name) for name in ("max_offset_seconds", "model", "face_detector")
    )
    return ReviewEvidence(
        cache_dir,
        float(range_seconds) if isinstance(range_seconds, int | float) else 0.0,
        model if isinstance(model, str) else None,
        Path(detector) if isinstance(detector, str) else None,
    )


def _face(
    track: MouthTrack, video: VideoFeatures, audio: AudioFeatures, offset_seconds: float, cues: list[EmbeddingCue]
) -> Face:
    begin, end = float(track.pts_seconds[0]), float(track.pts_seconds[-1])
    times = np.arange(begin, end + 1.0 / OVERLAY_RATE_HZ, 1.0 / OVERLAY_RATE_HZ)
    boxes = np.stack([np.interp(times, track.pts_seconds, column) for column in track.boxes.T], axis=1)
    nats = None
    for cue in cues:
        if cue.looks_at == "mouth" and cue.model in track.embeddings and cue.model in audio.embeddings:
            vectors = [track.embeddings[cue.model]]
            nats = float(cue.face_nats(vectors, audio.embeddings[cue.model], offset_seconds)[0])
    return Face(begin - video.start_seconds, boxes, nats)


#: Of the heat's grid.
NUM_CELLS_A_SIDE = GRID
