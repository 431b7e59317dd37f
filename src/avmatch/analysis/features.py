"""Turn each file once into small features.

    decode → front ends → features (→ cache)

Every file is decoded once, streaming; what the cache has is not decoded at all. A file that can't be used becomes a
Failure, and the others go on.
"""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import cv2

from avmatch.analysis import store
from avmatch.analysis.vectors import Side, VectorCollector, blocks_of, kept_vectors, with_vectors
from avmatch.analysis.watching import PictureWatcher, SoundListener
from avmatch.artifacts.encoder import Encoders
from avmatch.artifacts.finder import shipped_finder
from avmatch.artifacts.tower import TowerPair
from avmatch.core.errors import AvmatchError, MediaError, Reason, UsageError, bug_message
from avmatch.core.features import (
    AudioFeatures,
    AudioSamples,
    Embeddings,
    VideoFeatures,
    VideoFrames,
)
from avmatch.core.results import Failure, Progress
from avmatch.frontends.faces import HAAR, FaceDetector, HaarDetector, YuNetDetector
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.media.choice import BEST, StreamChoice
from avmatch.media.downmix import TIMECODE_ALONE
from avmatch.media.remote import is_url, local_copy
from avmatch.media.source import Reading

#: The features of a file, as far as it has any.
Found = dict[Side, VideoFeatures | AudioFeatures]
_ABSENT: dict[type, tuple[Reason, str]] = {
    VideoFeatures: ("no_video", "there is no picture in it that can be decoded; check that it is a video"),
    AudioFeatures: (
        "no_audio",
        "there is no sound in it that can be decoded; name the sound's file (`sync --audio`) or check the recording",
    ),
}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Analyser:
    """How files are turned into features.

    Attributes:
        cache_dir: where features are kept; None = nowhere.
        models: learned towers to run as well.
        num_threads: decoder threads per file; 0 = as many as there are cores.
        face_detector: a YuNet network, or HAAR for Haar cascades (frontends/faces.py); None = the finder that ships.
        choice: which streams and channel of each file, where a person says so.
        contents: the content hashes of files, where they are known already.
        encoders: of single pictures and windows of sound, to run as well; what they give is kept by itself, so that
            what is kept of the rest stays valid.

    Raises:
        UsageError: nothing can be written into `cache_dir`.
        ModelError: the face detector can't be used.
    """

    cache_dir: Path | None = None
    models: tuple[TowerPair, ...] = ()
    num_threads: int = 0
    face_detector: Path | None = None
    choice: StreamChoice = BEST
    contents: Mapping[str, str] = field(default_factory=dict)
    encoders: Encoders | None = None

    def __post_init__(self) -> None:
        self._detector()
        if self.cache_dir is None:
            return
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.cache_dir).close()
        except OSError as error:
            raise UsageError(
                f"{self.cache_dir}: features can't be kept there ({error.strerror}); "
                "name another folder (--cache) or keep none (--no-cache)"
            ) from error

    def video(self, path: str) -> VideoFeatures:
        """Features of a file's picture. Raises MediaError."""
        return _there(path, self._analyse(path, "video"), VideoFeatures)

    def audio(self, path: str) -> AudioFeatures:
        """Features of a file's sound. Raises MediaError."""
        return _there(path, self._analyse(path, "audio"), AudioFeatures)

    def video_with_scratch(self, path: str) -> VideoFeatures:
        """Features of a file's picture, and of its own sound if there is any. Raises MediaError."""
        found = self._analyse(path, "video", "audio")
        scratch = found.get("audio")
        if not isinstance(scratch, AudioFeatures) or is_timecode(scratch):
            scratch = None
        return replace(_there(path, found, VideoFeatures), scratch=scratch)

    def both(self, path: str) -> tuple[VideoFeatures, AudioFeatures]:
        """Features of a file's picture and of its sound, in one pass. Raises MediaError if one is missing."""
        found = self._analyse(path, "video", "audio")
        return _there(path, found, VideoFeatures), _there(path, found, AudioFeatures)

    def sides(self, path: str) -> Found:
        """Features of whatever a file has, in one pass. Raises MediaError if it has neither picture nor sound."""
        return self._analyse(path, "video", "audio")

    def watcher(self) -> PictureWatcher:
        """Takes frames that are at hand and gives their features, as those of a file."""
        return PictureWatcher(self.models, self._detector())

    def _detector(self) -> FaceDetector:
        if self.face_detector == HAAR:
            return HaarDetector()
        return (shipped_finder() or HaarDetector()) if self.face_detector is None else YuNetDetector(self.face_detector)

    def listener(self) -> SoundListener:
        """Takes samples that are at hand and gives their features, as those of a file."""
        return SoundListener(self.models)

    def _analyse(self, path: str, *sides: Side) -> Found:
        """The features of a file, or of a copy of a remote one."""
        if not is_url(path):
            return self._found(path, *sides)
        with local_copy(path, None if self.cache_dir is None else self.cache_dir / "downloads") as copy:
            try:
                return self._found(str(copy), *sides)
            except MediaError as error:
                raise MediaError(path, error.message, stage=error.stage, reason=error.reason) from error

    def _found(self, path: str, *sides: Side) -> Found:
        """Look into the cache, decode what is missing, and keep it."""
        entries = self.entries(path)
        places = self._vector_entries(path)
        kept = {side: features for side in sides if entries and (features := store.load(entries[side]))}
        vectors = kept_vectors(places)
        missing = [side for side in sides if side not in kept]
        unencoded = [side for side in sides if self.encoders is not None and side not in vectors]
        if missing or unencoded:
            try:
                made, encoded = self._decode(path, missing, unencoded)
            except MediaError as error:
                # In one pass a missing stream is no error, so it is none either when its sibling is kept.
                if not kept or error.reason not in ("no_video", "no_audio", "no_frames"):
                    raise
                made, encoded = {}, {}
            for side, features in made.items():
                if entries:
                    self._keep(entries[side], features)
            for side, found in encoded.items():
                if side in places:
                    self._keep(places[side], found)
            kept, vectors = kept | made, vectors | encoded
        name = "" if self.encoders is None else self.encoders.name
        return {side: with_vectors(features, name, vectors.get(side)) for side, features in kept.items()}

    def _keep(self, place: Path, made: VideoFeatures | AudioFeatures | Embeddings) -> None:
        """A cache that is full costs time in the next run, not the answer of this one."""
        try:
            store.save(place, made)
        except OSError as error:
            warnings.warn(f"{self.cache_dir}: features can't be kept there ({error.strerror or error})", stacklevel=2)

    def entries(self, path: str) -> dict[Side, Path]:
        """Where the features of each side of a file are kept (analysis/store.py); nowhere without a cache."""
        if self.cache_dir is None or not Path(path).is_file():
            return {}
        settings: dict[Side, str] = {
            "video": "+".join(pair.video.fingerprint for pair in self.models),
            "audio": "+".join(pair.audio.fingerprint for pair in self.models),
        }
        if self.face_detector is not None and self.face_detector != HAAR:
            settings["video"] += f"/{store.content_hash(self.face_detector)}"
        elif self.face_detector is None and (finder := shipped_finder()):
            settings["video"] += f"/{finder.fingerprint}"
        return self._places(path, settings)

    def _places(self, path: str, settings: Mapping[Side, str], kind: str = "") -> dict[Side, Path]:
        """Where what was made of each side by these settings, and from the streams that are chosen, is kept."""
        assert self.cache_dir is not None
        made_by = dict(settings)
        if self.choice.video is not None:
            made_by["video"] += f"/stream {self.choice.video}"
        if self.choice.audio is not None or self.choice.channel is not None:
            made_by["audio"] += f"/stream {self.choice.audio}, channel {self.choice.channel}"
        content = self.contents.get(path) or store.content_hash(path)
        return {side: store.entry(self.cache_dir, content, side + kind, how) for side, how in made_by.items()}

    def _vector_entries(self, path: str) -> dict[Side, Path]:
        """The same of the encoders' vectors."""
        if self.encoders is None or self.cache_dir is None or not Path(path).is_file():
            return {}
        settings: dict[Side, str] = {
            "video": self.encoders.video.fingerprint,
            "audio": self.encoders.audio.fingerprint,
        }
        return self._places(path, settings, "-vectors")

    def _decode(
        self, path: str, sides: Sequence[Side], to_encode: Sequence[Side]
    ) -> tuple[Found, dict[Side, Embeddings]]:
        """The features of some sides, and the vectors of some, in one pass."""
        collector = VectorCollector(self.encoders, to_encode)
        watcher = self.watcher() if "video" in sides else None
        listener = self.listener() if "audio" in sides else None
        reading = Reading()
        blocks = blocks_of(path, {*sides, *to_encode}, self.num_threads, self.choice, reading, collector)
        for block in blocks:
            if isinstance(block, VideoFrames) and watcher is not None:
                watcher.push(block)
            elif isinstance(block, AudioSamples) and listener is not None and block.sample_rate_hz == SAMPLE_RATE_HZ:
                listener.push(block)
            collector.push(block)
        found: Found = {}
        if watcher is not None and (video := watcher.finish()):
            found["video"] = replace(
                video,
                missing_share=reading.shares["video"],
                damaged_seconds=reading.damaged_seconds["video"],
                used=reading.used["video"],
            )
        if listener is not None and (audio := listener.finish()):
            found["audio"] = replace(
                audio,
                missing_share=reading.shares["audio"],
                damaged_seconds=reading.damaged_seconds["audio"],
                used=reading.used["audio"],
            )
        return found, collector.finish()


def analyse_all(
    analyse: Callable[[str], Answer],
    paths: Sequence[str],
    stage: str,
    progress: Progress | None = None,
    num_workers: int = 0,
) -> list[Answer | Failure]:
    """Analyse files side by side; the answers come in the order of `paths`, failures in the place of features."""

    def guarded(path: str) -> Answer | Failure:
        try:
            return analyse(path)
        except MediaError as error:
            return Failure.from_error(error)
        except AvmatchError:  # not this file's fault: every other one would fail as well
            raise
        except (OSError, MemoryError, cv2.error) as error:
            message = f"could not be analysed ({type(error).__name__}: {error}); copy or convert it again"
            return Failure(path, "features", message)
        except Exception as error:  # noqa: BLE001  a bug of ours, which the other files may not meet
            return Failure(path, "features", bug_message(error))

    answers: list[Answer | Failure] = []
    with one_thread_each, ThreadPoolExecutor(num_workers or os.cpu_count() or 1) as pool:
        for answer in pool.map(guarded, paths):
            answers.append(answer)
            if progress is not None:
                progress(stage, len(answers), len(paths))
    return answers


class _OneThreadEach:
    """Keeps OpenCV to the thread that calls it: files go side by side, and its own threads make flow unrepeatable.

    The number of threads is the process's: the first that enters sets it, the last that leaves restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_users = self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._num_users == 0:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._num_users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_users -= 1
            if self._num_users == 0:
                cv2.setNumThreads(self._before)


one_thread_each = _OneThreadEach()


def is_timecode(audio: AudioFeatures) -> bool:
    """Whether a sound holds linear timecode alone, which is no sound of a scene."""
    return audio.used.endswith(TIMECODE_ALONE)


def _there(path: str, found: Found, kind: type[Answer]) -> Answer:
    """The features of this kind. Raises MediaError if there are none."""
    for features in found.values():
        if isinstance(features, AudioFeatures) and is_timecode(features) and kind is AudioFeatures:
            message = "its sound is timecode (LTC) and nothing else; name the recording of the scene"
            raise MediaError(path, message, stage="decode", reason="no_audio")
        if isinstance(features, kind):
            return features
    reason, message = _ABSENT[kind]
    raise MediaError(path, message, stage="decode", reason=reason)
