"""Features of degraded clips, where `match` and `sync` look for features: in a cache of their own for each cell.

An entry of such a cache has the name that the clip's own features would have, and holds those of a cell: degraded on
one side, as they are on the other. So a degraded sound costs no look at the picture, and a degraded picture none at the
sound. Every sound is decoded once; every picture once for its own features, and once for all cells that degrade it.
"""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from avmatch.alignment.cuts import moved_audio
from avmatch.analysis import store
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.analysis.watching import PictureWatcher
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.core.files import write_bytes_atomically
from avmatch.core.results import Failure, Progress
from avmatch.data.manifest import Clip
from avmatch.evaluation.degradations import Cell, Source
from avmatch.media.decode import decode, read_audio
from avmatch.synth.degraded_picture import Degrader
from avmatch.synth.degraded_sound import NUM_VOICES

#: Sounds are analysed in blocks of this length, as they are decoded.
BLOCK_SECONDS = 1.0
#: A sound is degraded as a whole, in memory.
LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Item:
    """A clip that can be used.

    Attributes:
        clip: its files, and by how much its sound is late as it is.
        video_content, audio_content: name the content of its files; its chance follows from them.
        has_face: whether a face was found.
        moved_seconds: how much later its sound comes where `sync` measures it.
    """

    clip: Clip
    video_content: str
    audio_content: str
    has_face: bool
    moved_seconds: float

    @property
    def content(self) -> str:
        """Names the content of both files."""
        return f"{self.video_content}/{self.audio_content}"


@dataclass(frozen=True, eq=False)
class DegradedClips:
    """Makes the caches of the cells.

    Attributes:
        items: the clips of the grid, no two of the same content.
        analyser: how files are turned into features; its cache holds those of the clips as they are.
        work: a folder for decoded sounds and for the cells' caches.
        seed: of all chance.
    """

    items: tuple[Item, ...]
    analyser: Analyser
    work: Path
    seed: int = 0

    def degrade_pictures(self, cells: Sequence[Cell], progress: Progress | None = None) -> None:
        """Put the degraded pictures of every clip into the caches of these cells. Raises as `fill`."""
        if cells:
            self._each(partial(self._degrade_picture, cells), "pictures", progress)

    def fill(self, cell: Cell, progress: Progress | None = None) -> Path:
        """The cache of a cell, filled; its degraded pictures must be there already.

        Raises:
            UsageError: a file can't be read any more.
        """
        if cell.sound is not None:
            self._each(partial(self._degrade_sound, cell), "sounds", progress)
        cell_cache = self._cached(cell)
        for item in self.items:
            if cell.features is not None:
                video = cell.features(self.analyser.video(item.clip.video))
                store.save(self._entry(cell_cache, item.clip.video, "video"), video)
            elif cell.picture is None:
                _link(*(self._entry(one, item.clip.video, "video") for one in (self.analyser, cell_cache)))
            if cell.sound is None:
                _link(*(self._entry(one, item.clip.audio, "audio") for one in (self.analyser, cell_cache)))
        return self._folders(cell)[0]

    def moved(self, cell: Cell) -> Path:
        """A copy of the cell's cache in which every sound comes later by what its clip says."""
        folder = self._folders(cell)[1]
        cell_cache, target = self._cached(cell), replace(self.analyser, cache_dir=folder)
        for item in self.items:
            _link(*(self._entry(one, item.clip.video, "video") for one in (cell_cache, target)))
            sound = moved_audio(cell_cache.audio(item.clip.audio), item.moved_seconds)
            store.save(self._entry(target, item.clip.audio, "audio"), sound)
        return folder

    def num_entries(self, cell: Cell) -> list[int]:
        """How many features each of the cell's caches holds."""
        return [sum(1 for _ in folder.rglob("*.npz")) for folder in self._folders(cell) if folder.exists()]

    def forget(self, cell: Cell) -> None:
        """Remove a cell's caches."""
        for folder in self._folders(cell):
            shutil.rmtree(folder, ignore_errors=True)

    def _degrade_picture(self, cells: Sequence[Cell], item: Item) -> None:
        """Decode the picture once for all cells that don't have it yet."""
        path = item.clip.video
        places = {self._entry(self._cached(cell), path, "video"): cell for cell in cells}
        missing = {place: cell for place, cell in places.items() if not place.exists()}
        if not missing:
            return
        chains: list[tuple[Path, Degrader, PictureWatcher]] = []
        for place, cell in missing.items():
            assert cell.picture is not None
            chains.append((place, cell.picture(self._source(cell, item)), self.analyser.watcher()))
        for frames in decode(path, audio=False, num_threads=1):
            assert isinstance(frames, VideoFrames)
            for _, degrade, watcher in chains:
                if len(left := degrade(frames)):
                    watcher.push(left)
        for place, _, watcher in chains:
            found = watcher.finish()
            assert found is not None  # every degradation leaves a frame
            store.save(place, found)

    def _degrade_sound(self, cell: Cell, item: Item) -> None:
        place = self._entry(self._cached(cell), item.clip.audio, "audio")
        if place.exists():
            return
        assert cell.sound is not None
        clean = self._sound(item)
        samples = cell.sound(self._source(cell, item), clean.data[0])
        listener = self.analyser.listener()
        for block in _blocks(AudioSamples(samples[None], clean.sample_rate_hz, clean.pts_seconds)):
            listener.push(block)
        found = listener.finish()
        assert found is not None  # every degradation keeps the length
        store.save(place, found)

    def _source(self, cell: Cell, item: Item) -> Source:
        rng = cell.rng(self.seed, item.content)
        others = [other for other in self.items if other.clip.group != item.clip.group]
        others = others or [other for other in self.items if other is not item]
        chosen = rng.permutation(len(others))[:NUM_VOICES].tolist()
        return Source(
            rng,
            lambda: self.analyser.video(item.clip.video),
            lambda: [self._sound(others[number]).data[0] for number in chosen],
        )

    def _sound(self, item: Item) -> AudioSamples:
        """Decoded once, and kept in the work folder."""
        place = self.work / "sounds" / f"{item.audio_content}.npz"
        if not place.exists():
            decoded = read_audio(item.clip.audio)
            buffer = io.BytesIO()
            np.savez(buffer, data=decoded.data, clock=np.array([decoded.sample_rate_hz, decoded.pts_seconds]))
            write_bytes_atomically(place, buffer.getvalue())
        with np.load(place, allow_pickle=False) as kept:
            rate_hz, start_seconds = kept["clock"].tolist()
            return AudioSamples(kept["data"], round(rate_hz), start_seconds)

    def _each(self, work: Callable[[Item], None], stage: str, progress: Progress | None) -> None:
        """Side by side, over all clips."""
        items = {item.content: item for item in self.items}
        for answer in analyse_all(lambda content: work(items[content]), list(items), stage, progress):
            if isinstance(answer, Failure):
                path = items[answer.path].clip.path if answer.path in items else answer.path
                raise UsageError(f"{path}: {answer.message}; run again, what is done is kept")

    def _folders(self, cell: Cell) -> tuple[Path, Path]:
        """The cell's cache, and that with moved sounds."""
        return self.work / cell.file_name, self.work / f"{cell.file_name} moved"

    def _cached(self, cell: Cell) -> Analyser:
        return replace(self.analyser, cache_dir=self._folders(cell)[0])

    @staticmethod
    def _entry(analyser: Analyser, path: str, side: str) -> Path:
        entries = {str(name): place for name, place in analyser.entries(path).items()}
        if side not in entries:
            raise UsageError(f"{path}: is not there any more; run again when it is")
        return entries[side]


def usable_items(
    clips: Sequence[Clip], analyser: Analyser, seed: int, most_moved_seconds: float, progress: Progress | None = None
) -> tuple[tuple[Item, ...], tuple[Failure, ...], tuple[str, ...]]:
    """The clips that can be used, why others can't, and remarks; features as they are lie in the analyser's cache."""
    by_path = {clip.video: clip for clip in clips}

    def item_of(path: str) -> Item:
        clip = by_path[path]
        video = analyser.both(path)[0] if clip.audio == path else analyser.video(path)
        if clip.audio != path:
            analyser.audio(clip.audio)
        if video.duration_seconds > LONGEST_SECONDS:
            message = f"is longer than {LONGEST_SECONDS:g} s, too long to be degraded at once; cut it into pieces"
            raise MediaError(path, message, stage="features", reason="unsupported")
        contents = store.content_hash(path), store.content_hash(clip.audio)
        rng = Cell("moved").rng(seed, "/".join(contents))
        moved = float(rng.uniform(-most_moved_seconds, most_moved_seconds))
        return Item(clip, *contents, bool(video.mouths), moved)

    answers = analyse_all(item_of, list(by_path), "clips", progress)
    kept: dict[str, Item] = {}
    notes = []
    for answer in answers:
        if isinstance(answer, Failure):
            continue
        twin = kept.get(answer.video_content) or kept.get(answer.audio_content)
        if twin is not None:
            notes.append(f"{answer.clip.path}: left out, since {twin.clip.path} has the same content")
        else:
            kept |= {answer.video_content: answer, answer.audio_content: answer}
    failures = tuple(answer for answer in answers if isinstance(answer, Failure))
    return tuple(dict.fromkeys(kept.values())), failures, tuple(notes)


def _blocks(sound: AudioSamples) -> Iterator[AudioSamples]:
    length = round(BLOCK_SECONDS * sound.sample_rate_hz)
    for begin in range(0, sound.data.shape[1], length):
        start_seconds = sound.pts_seconds + begin / sound.sample_rate_hz
        yield AudioSamples(sound.data[:, begin : begin + length], sound.sample_rate_hz, start_seconds)


def _link(own: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no such thing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(own, target)
    except OSError:
        shutil.copyfile(own, target)
