"""What is seen and heard in a review: pictures as browsers play them, pieces of sound, waveforms.

A picture is played as it is where every browser can; else a proxy is made of it. A sound is decoded once, by the same
decoder and clock that measured its offset, and pieces of it are read from there.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int8, Int16

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import AvmatchError, MediaError, UsageError
from avmatch.data.inputs import FEATURE_SUFFIXES
from avmatch.media.info import MediaInfo, PictureInfo, SoundInfo, read_info
from avmatch.media.proxy import (
    PEAK_SAMPLES,
    SOUND_RATE_HZ,
    can_seek,
    coarse_peaks,
    is_playable,
    pooled_peaks,
    proxy_suffix,
    sought_samples,
    thumbnail,
    wav_bytes,
    write_proxy,
    write_samples,
)
from avmatch.pipelines.shelf import Make, Share, Shelf

#: A piece of sound, and a waveform, are at most so long and so fine.
MOST_SECONDS, MOST_BINS = 120.0, 4000
#: how long whoever asks waits for a picture and for a sound, before the answer is to come again.
PICTURE_WAIT_SECONDS, SOUND_WAIT_SECONDS = 20.0, 10.0
#: Of sounds longer than this pieces are read where they lie, if they are uncompressed.
LONG_SECONDS = 600
_HIGHEST = 127
State = Literal["ready", "to make", "making", "failed"]


@dataclass(frozen=True)
class PictureState:
    """A picture, and how far it can be played.

    Attributes:
        share: 0…1 of the proxy that is made.
        is_original: the file is played as it is.
        picture: what it is; None where the file can't be used.
        message: why not.
    """

    state: State
    share: float
    is_original: bool
    picture: PictureInfo | None
    message: str = ""


@dataclass(frozen=True)
class Waveform:
    """The least and the largest sample, −127…127, of each bin of a stretch of sound."""

    begin_seconds: float
    seconds_per_bin: float
    peaks: Int16[np.ndarray, "bins 2"]


class ReviewMedia:
    """The files of a review as a browser takes them. May be used by several threads.

    Args:
        folder: where proxies are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures, self.sounds = Shelf(folder / "pictures", num_workers=1), Shelf(folder / "sounds")
        self._failed: dict[Path, str] = {}

    def close(self) -> None:
        """End what is being made."""
        self.pictures.close()
        self.sounds.close()

    def picture_state(self, path: Path, *, start: bool = False) -> PictureState:
        """How far the picture of a file can be played; with `start`, a proxy that it needs is begun."""
        try:
            picture = self._picture(path)
            if _plays(path, *_state(path)):
                return PictureState("ready", 1.0, True, picture)
            place = self._proxy(path)
        except AvmatchError as error:
            return PictureState("failed", 0.0, False, None, str(error))
        if self.pictures.ready(place):
            return PictureState("ready", 1.0, False, picture)
        if (message := self._failed.get(place)) is not None:
            return PictureState("failed", 0.0, False, picture, message)
        if start:
            self.pictures.start(place, self._proxying(path, place, picture))
        share = self.pictures.share(place)
        return PictureState("to make" if share is None else "making", share or 0.0, False, picture)

    def picture(self, path: Path) -> Path:
        """The file to play.

        Raises:
            NotReadyError, BusyError: it is being made.
            MediaError: it can't be.
        """
        picture = self._picture(path)
        if _plays(path, *_state(path)):
            return path
        place = self._proxy(path)
        return self.pictures.wait(
            place, lambda out, share: write_proxy(path, out, picture, share), PICTURE_WAIT_SECONDS
        )

    def thumbnail(self, path: Path) -> Path:
        """A small picture of a file, as a JPEG. Raises as `picture` does."""

        def make(out: Path, _: Share) -> None:
            out.write_bytes(thumbnail(path))

        return self.sounds.wait(self.sounds.place(path, "thumbnail", ".jpg"), make, SOUND_WAIT_SECONDS)

    def sound_info(self, path: Path) -> SoundInfo:
        """What the sound of a file is. Raises MediaError."""
        sound = info(path).sound
        if sound is None:
            raise MediaError(path, "there is no sound in it", stage="open", reason="no_audio")
        return sound

    def piece(self, path: Path, begin_seconds: float, seconds: float) -> bytes:
        """A WAV of exactly so many seconds, silent where the file has nothing.

        Raises:
            UsageError: too long.
            NotReadyError, BusyError: the sound is being decoded.
            MediaError: it can't be.
        """
        if not 0.0 < seconds <= MOST_SECONDS:
            raise UsageError(f"seconds must be above 0 and at most {MOST_SECONDS:g}, got {seconds:g}")
        num, begin = samples_from_seconds(seconds, SOUND_RATE_HZ), samples_from_seconds(begin_seconds, SOUND_RATE_HZ)
        if self._is_sought(path):
            return wav_bytes(sought_samples(path, begin_seconds, num))
        return wav_bytes(_between(self._samples(path), begin, begin + num))

    def waveform(self, path: Path, begin_seconds: float, end_seconds: float | None, bins: int) -> Waveform:
        """The peaks of a stretch; of all, to the end, where `end_seconds` is None. Raises as `piece` does."""
        samples = self._samples(path)
        end = len(samples) / SOUND_RATE_HZ if end_seconds is None else end_seconds
        if not (1 <= bins <= MOST_BINS and end > begin_seconds):
            raise UsageError(f"bins must be 1…{MOST_BINS}, and the end behind the beginning")
        per_bin = (end - begin_seconds) / bins
        if per_bin * SOUND_RATE_HZ >= PEAK_SAMPLES:
            coarse = self._peaks(path)
            rate = SOUND_RATE_HZ / PEAK_SAMPLES
            found = _rows_between(coarse, round(begin_seconds * rate), round(end * rate)).astype(np.int16)
        else:
            first, last = (samples_from_seconds(at, SOUND_RATE_HZ) for at in (begin_seconds, end))
            found = np.repeat(_between(samples, first, max(last, first + bins))[:, None] >> 8, 2, axis=1)
        peaks = pooled_peaks(found, bins) if len(found) >= bins else found[np.arange(bins) * len(found) // bins]
        return Waveform(begin_seconds, per_bin, np.clip(peaks, -_HIGHEST, _HIGHEST))

    def _picture(self, path: Path) -> PictureInfo:
        if path.suffix.lower() in FEATURE_SUFFIXES:
            raise MediaError(path, "these are features, which can't be played", stage="open", reason="no_video")
        picture = info(path).picture
        if picture is None:
            raise MediaError(path, "there is no picture in it", stage="open", reason="no_video")
        return picture

    def _proxy(self, path: Path) -> Path:
        return self.pictures.place(path, "picture", proxy_suffix())

    def _proxying(self, path: Path, place: Path, picture: PictureInfo) -> Make:
        def make(out: Path, share: Share) -> None:
            try:
                write_proxy(path, out, picture, share)
            except MediaError as error:
                self._failed[place] = str(error)
                raise

        return make

    def _is_sought(self, path: Path) -> bool:
        """Whether a piece is read where it lies, because to decode all would take long."""
        if self.sound_info(path).duration_seconds < LONG_SECONDS:
            return False
        return not self.sounds.ready(self.sounds.place(path, "samples", ".s16")) and _seeks(path, *_state(path))

    def _samples(self, path: Path) -> Int16[np.ndarray, " S"]:
        place = self.sounds.place(path, "samples", ".s16")
        length = float(self.sound_info(path).duration_seconds)

        def make(out: Path, share: Share) -> None:
            write_samples(path, out, share, length)

        return _mapped(self.sounds.wait(place, make, SOUND_WAIT_SECONDS), "<i2")

    def _peaks(self, path: Path) -> Int8[np.ndarray, "N 2"]:
        samples = self.sounds.place(path, "samples", ".s16")

        def make(out: Path, _: Share) -> None:
            with out.open("wb") as file:
                for block in coarse_peaks(samples):
                    file.write(block.tobytes())

        place = self.sounds.place(path, "peaks", ".s8")
        return _mapped(self.sounds.wait(place, make, SOUND_WAIT_SECONDS), "i1").reshape(-1, 2)


def info(path: Path) -> MediaInfo:
    """What a file is, by its header. Raises MediaError."""
    return _info(path, *_state(path))


@lru_cache(maxsize=4096)
def _info(path: Path, *_: int) -> MediaInfo:
    return read_info(path)


@lru_cache(maxsize=4096)
def _seeks(path: Path, *_: int) -> bool:
    return can_seek(path)


@lru_cache(maxsize=4096)
def _plays(path: Path, *_: int) -> bool:
    picture = read_info(path).picture
    return picture is not None and is_playable(path, picture)


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise MediaError(path, "there is no such file; put it back", stage="open", reason="unreadable") from error
    return status.st_size, status.st_mtime_ns


def _mapped(path: Path, kind: str) -> np.ndarray:
    """The numbers in a file, read when they are needed."""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)


def _between(samples: Int16[np.ndarray, " S"], begin: int, end: int) -> Int16[np.ndarray, " s"]:
    """Samples, zeros where there are none."""
    return _rows_between(samples[:, None], begin, end)[:, 0]


def _rows_between(rows: np.ndarray, begin: int, end: int) -> np.ndarray:
    found = np.zeros((max(end - begin, 1), rows.shape[1]), rows.dtype)
    first, last = max(begin, 0), min(end, len(rows))
    if last > first:
        found[first - begin : last - begin] = rows[first:last]
    return found
