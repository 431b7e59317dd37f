"""The search box of a review: clips that a person drops, or has in the review, and the sounds of an index with them.

    bytes → a file in a folder that goes with the server → its features → hits → names of sounds that may be heard

A clip that was dropped is known by an opaque name, and so is a sound once it was found; no other file can be named.
"""

import hashlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from avmatch.core.errors import MediaError, UsageError
from avmatch.core.library import Hit
from avmatch.data.inputs import MEDIA_SUFFIXES
from avmatch.index.library import Counts
from avmatch.pipelines.pooled import Features
from avmatch.pipelines.review import NotListedError
from avmatch.pipelines.review_media import ReviewMedia
from avmatch.pipelines.search import hits_for
from avmatch.pipelines.searcher import SPEECH, Searcher
from avmatch.pipelines.shelf import BusyError, NotReadyError

#: Of a clip that is dropped, and of those that are kept.
MOST_BYTES = 2 << 30
#: So many searches wait at most.
_MOST_WAITING = 8
#: How long whoever asks waits for an answer, before it is to come again.
WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Asked:
    """What is searched for: a clip by its opaque name, of which kind, and how many hits."""

    clip: str
    kind: str
    top_k: int


@dataclass(frozen=True, eq=False)
class DroppedClip:
    """A clip that was sent: its name as its owner knows it, and where it lies."""

    name: str
    path: Path
    num_bytes: int
    features: list[Features] = field(default_factory=list)


class ReviewSearch:
    """An index that the page searches. May be used by several threads.

    Args:
        index: of sounds.
        clip_path: where a clip of the review lies, by its opaque name; raises NotListedError.
        cache_dir: where features of the review's clips are kept.
        most_bytes: of a clip that is sent.

    Raises:
        UsageError: there is no such index, or it can't be used.
    """

    def __init__(
        self, index: Path, clip_path: Callable[[str], Path], cache_dir: Path, most_bytes: int = MOST_BYTES
    ) -> None:
        self.index, self.most_bytes = index, most_bytes
        self._clip_path, self._cache_dir = clip_path, cache_dir
        with Searcher(index) as searcher:
            if not searcher.holds_sounds:
                raise UsageError(f"{index}: an index of videos; the page searches one of sounds")
            self.kinds = (SPEECH, *searcher.by.rows.class_names)
        self._folder = TemporaryDirectory(prefix="avmatch-review-", ignore_cleanup_errors=True)
        self.media = ReviewMedia(Path(self._folder.name) / "made")
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._clips: dict[str, DroppedClip] = {}
        self._sounds: dict[str, str] = {}
        self._works: dict[Asked, Future[tuple[Hit, ...]]] = {}

    def close(self) -> None:
        """End what is being made, and remove all clips that were sent."""
        self.media.close()
        self._folder.cleanup()

    def counts(self) -> Counts:
        """How much the index holds now. Raises UsageError if it is gone."""
        with Searcher(self.index) as searcher:
            return searcher.store.counts()

    def new_place(self, name: str) -> Path:
        """Where a clip of this name may be written."""
        suffix = Path(name).suffix.lower()
        return Path(self._folder.name) / f"{secrets.token_hex(10)}{suffix if suffix in MEDIA_SUFFIXES else ''}"

    def take(self, place: Path, name: str) -> str:
        """Know a clip that was written to a place; the oldest go where it is too much. Returns its opaque name.

        Raises:
            MediaError: it has no picture.
        """
        state = self.media.picture_state(place)
        if state.picture is None:
            raise MediaError(name, self.own_words(state.message), stage="open", reason="no_video")
        clip = DroppedClip(name, place, place.stat().st_size)
        with self._lock:
            while self._clips and clip.num_bytes + sum(one.num_bytes for one in self._clips.values()) > self.most_bytes:
                self._clips.pop(next(iter(self._clips))).path.unlink(missing_ok=True)
            self._clips[found := f"u{place.stem}"] = clip
        return found

    def own_words(self, message: str) -> str:
        """A message without the places of clips that were sent."""
        before, separator, after = message.rpartition(f"{self._folder.name}{os.sep}")
        return after.partition(": ")[2] if separator and not before else message

    def dropped(self, name: str) -> Path:
        """Where a clip that was sent lies. Raises NotListedError."""
        with self._lock:
            if name not in self._clips:
                raise NotListedError("this clip isn't kept any more; drop it again")
            return self._clips[name].path

    def sound(self, name: str) -> Path:
        """Where a sound that was found lies. Raises NotListedError."""
        with self._lock:
            if name not in self._sounds:
                raise NotListedError("no such sound was found since the review began; search again")
            return Path(self._sounds[name])

    def sound_id(self, path: str) -> str:
        """The opaque name of a sound that was found."""
        return f"s{hashlib.blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=10).hexdigest()}"

    def hits(self, asked: Asked) -> tuple[Hit, ...]:
        """What goes with a clip, the best first.

        Raises:
            NotReadyError: it is being looked for.
            BusyError: too much is.
            NotListedError, UsageError, MediaError: it can't be.
        """
        with self._lock:
            work = self._works.get(asked) or self._started(asked)
        try:
            return work.result(WAIT_SECONDS)
        except FutureTimeoutError as error:
            raise NotReadyError(0.0) from error
        finally:
            if work.done():
                with self._lock:
                    self._works.pop(asked, None)  # the index and the clip may be others next time

    def _started(self, asked: Asked) -> "Future[tuple[Hit, ...]]":
        self._works = {one: work for one, work in self._works.items() if not work.done()}
        if len(self._works) >= _MOST_WAITING:
            raise BusyError("too much is being searched for already; ask again in a second")
        work = self._works[asked] = Future()
        threading.Thread(target=self._run, args=(asked, work), name="search", daemon=True).start()
        return work

    def _run(self, asked: Asked, work: "Future[tuple[Hit, ...]]") -> None:
        try:
            with self._turn:  # one at a time: each takes all cores
                found = self._searched(asked)
        except BaseException as error:  # noqa: BLE001  whoever waits for it raises it
            work.set_exception(error)
        else:
            with self._lock:
                self._sounds.update((self.sound_id(hit.path), hit.path) for hit in found)
            work.set_result(found)

    def _searched(self, asked: Asked) -> tuple[Hit, ...]:
        with Searcher(self.index) as searcher:
            query = self._query(searcher, asked.clip)
            return tuple(hits_for(searcher, query, asked.top_k, kind=asked.kind))

    def _query(self, searcher: Searcher, name: str) -> Features:
        with self._lock:
            clip = self._clips.get(name)
        if clip is None:
            return searcher.query(
                self.dropped(name) if name.startswith("u") else self._clip_path(name), self._cache_dir
            )
        if not clip.features:
            try:
                clip.features.append(searcher.query(clip.path))
            except MediaError as error:
                raise MediaError(clip.name, error.message, stage=error.stage, reason=error.reason) from error
        return clip.features[0]
