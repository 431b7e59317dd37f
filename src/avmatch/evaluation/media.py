"""The evidence of towers over frames and log-mel on pairs of media files, clean and in noise.

    pairs → decode each file once → (waveform + noise → log-mel) for each ratio → cut to the common time → towers

Noise (white, pink or babble) is mixed into the waveform, over the whole sound, at a stated ratio. Which kind, and its
samples, follow from the seed and the file's name, and are the same at all ratios and for all models.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, UInt8

from avmatch.artifacts.tower import TowerPair
from avmatch.core.errors import UsageError
from avmatch.core.signals import AudioSamples, VideoFrames
from avmatch.datasets.augment.sound import NoiseKind, mix_at_snr, synthetic_noise
from avmatch.datasets.clips import Clip
from avmatch.datasets.items import Pairs
from avmatch.datasets.packing import MediaFiles, check_packed, common_part, named_pairs
from avmatch.datasets.shards import INDEX, open_shards
from avmatch.datasets.tracks import PackSettings, Sides, frame_track, mel_track
from avmatch.frontends.picture import FrameClock, shades
from avmatch.frontends.sound import CHUNK_SECONDS, SAMPLE_RATE_HZ, LogMelClock
from avmatch.matching.aligned import aligned_similarity
from avmatch.media.decode import decode

NOISES: tuple[NoiseKind, ...] = ("white", "pink", "babble")

#: A clip's frames, and its log-mel in each condition.
Signals = tuple[UInt8[np.ndarray, "T H W"], Sequence[Float32[np.ndarray, "U 64"]]]


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


def read_media(data: str | Path) -> MediaList | Pairs:
    """A list of media pairs (datasets/layouts.py), or the shards that were packed from one."""
    if (Path(data) / INDEX).is_file():
        return open_shards(data)
    named = named_pairs(data)
    return MediaList(tuple(named), tuple(named.values()))


def media_similarities(
    towers: TowerPair, pairs: MediaList | Pairs, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence in nats of every video with every audio, in each condition.

    A clip is what a pair has in common, at most CHUNK_SECONDS of it.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    told = towers.video.description
    settings = PackSettings(told.rate_hz, told.height_px, told.width_px, told.crop)
    if isinstance(pairs, MediaList):
        clips = _decoded(pairs, settings, conditions, seed)
    else:
        clips = _packed(pairs, settings, conditions)
    seen, heard = _vectors(towers, clips, settings, len(conditions))
    matrices = []
    for sounds in heard:
        similarity, num_ticks = aligned_similarity(seen, sounds)
        steps = (num_ticks / (told.rate_hz * told.independent_seconds)).astype(np.float32)
        matrices.append(np.float32(told.scale) * steps * (similarity - np.float32(told.baseline)))
    return matrices


def _vectors(
    towers: TowerPair, clips: Iterable[Signals], settings: PackSettings, num_conditions: int
) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Of each clip's picture, and of its sound in each condition."""
    seen: list[np.ndarray] = []
    heard: list[list[np.ndarray]] = [[] for _ in range(num_conditions)]
    for frames, mels in clips:
        num_ticks = min(len(frames), round(CHUNK_SECONDS * settings.rate_hz))
        seen.append(towers.video.encode(shades(frames[:num_ticks]), num_ticks))
        for place, mel in zip(heard, mels, strict=True):
            place.append(towers.audio.encode(mel[: num_ticks * settings.mels_per_tick], num_ticks))
    return seen, heard


def _packed(pairs: Pairs, settings: PackSettings, conditions: Sequence[float | None]) -> Iterator[Signals]:
    if any(snr_db is not None for snr_db in conditions):
        raise UsageError("noise is mixed into waveforms, which shards don't hold; give the media files")
    check_packed(pairs, settings, "the data")
    return ((pairs.video[row], [np.asarray(pairs.audio[row])] * len(conditions)) for row in range(len(pairs)))


def _decoded(
    media: MediaList, settings: PackSettings, conditions: Sequence[float | None], seed: int
) -> Iterator[Signals]:
    files = MediaFiles(media.pairs, partial(_in_noise, settings, conditions, seed))
    for pair in media.pairs:
        video, sounds = files.tracks(pair)
        parts = [common_part(pair, video, sound, settings) for sound in sounds]
        yield parts[0][0], [mel for _, mel in parts]


def _in_noise(
    settings: PackSettings, conditions: Sequence[float | None], seed: int, path: str, video: bool, audio: bool
) -> Sides:
    """Both sides of a file, its sound in each condition."""
    frames = FrameClock(settings.rate_hz, settings.height_px, settings.width_px)
    ticks: list[np.ndarray] = []
    blocks: list[AudioSamples] = []
    for block in decode(path, video=video, audio=audio):
        if isinstance(block, VideoFrames):
            ticks.extend(frames.push(block))
        else:
            blocks.append(block)
    ticks.extend(frames.finish())
    if not blocks:
        return Sides(frame_track(ticks, frames), (None,) * len(conditions))
    sound = np.concatenate([block.data[0] for block in blocks])
    noise = noise_of(path, len(sound), seed) if set(conditions) - {None} else sound
    tracks = []
    for snr_db in conditions:
        mixed = sound if snr_db is None else mix_at_snr(sound, noise, snr_db)
        clock = LogMelClock(settings.rate_hz)
        samples = AudioSamples(mixed[None], SAMPLE_RATE_HZ, blocks[0].pts_seconds)
        tracks.append(mel_track([*clock.push(samples), *clock.finish()], clock))
    return Sides(frame_track(ticks, frames), tuple(tracks))


def noise_of(path: str, num_samples: int, seed: int, kind: str | None = None) -> Float32[np.ndarray, " S"]:
    """The noise that is mixed into the sound of a file, of `kind` (one of NOISES) or the one that is drawn."""
    rng = np.random.default_rng([seed, zlib.crc32(Path(path).name.encode(errors="surrogateescape"))])
    drawn = NOISES[rng.integers(len(NOISES))]
    asked = next((one for one in NOISES if one == kind), drawn)
    return synthetic_noise(rng, num_samples, asked, SAMPLE_RATE_HZ)
