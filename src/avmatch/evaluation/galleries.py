"""Galleries: clips whose matching sounds are known, from files or shards, all or only those a run held back.

    gallery → (frames, log-mel in each condition) of the common time → towers over time → evidence in nats

A condition is a signal-to-noise ratio in dB, or None: the sound as it is. Noise is white, pink or babble, mixed into
the waveform, over the whole sound. Its kind and samples follow from the seed and the file's name: the same at all
ratios and for all models.

Letters in shapes: N and M clips, S samples.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

from avmatch.artifacts.tower import TowerDescription, TowerPair
from avmatch.core.errors import UsageError
from avmatch.core.features import AudioSamples
from avmatch.data.items import Pairs
from avmatch.data.manifest import Clip
from avmatch.data.packing import MediaFiles, check_packed, common_part, named_pairs
from avmatch.data.shards import INDEX, open_shards
from avmatch.data.tracks import PackSettings, Sides, Track, picture_reader, sound_reader
from avmatch.frontends.mouth import shades
from avmatch.frontends.sound import CHUNK_SECONDS, SAMPLE_RATE_HZ
from avmatch.matching.galleries import aligned_similarity
from avmatch.media.decode import decode
from avmatch.synth.sound import NoiseKind, mix_at_snr, synthetic_noise

NOISES: tuple[NoiseKind, ...] = ("white", "pink", "babble")
#: The picture of a clip, and its sound in each condition.
Signals = tuple[np.ndarray, Sequence[np.ndarray]]


@dataclass(frozen=True)
class MediaList:
    """Clips with their names."""

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
    """Both sides of each pair, over the time they have in common.

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


def read_in_noise(
    settings: PackSettings,
    conditions: Sequence[float | None],
    seed: int,
    kind: str | None,
    path: str,
    video: bool,
    audio: bool,
) -> Sides:
    """Both sides of a file, decoded once, its sound in each condition.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.
    """
    picture = picture_reader(settings, path) if video else None
    blocks: list[AudioSamples] = []
    for block in decode(path, video=video, audio=audio):
        if isinstance(block, AudioSamples):
            blocks.append(block)
        elif picture is not None:
            picture.push(block)
    video_track = None if picture is None else picture.finish()
    if not blocks:
        return Sides(video_track, (None,) * len(conditions))
    samples = np.concatenate([block.data[0] for block in blocks])
    noise = noise_of(path, len(samples), seed, kind) if set(conditions) - {None} else samples
    tracks: list[Track | None] = []
    for snr_db in conditions:
        sound = sound_reader(settings)
        mixed = samples if snr_db is None else mix_at_snr(samples, noise, snr_db)
        sound.push(AudioSamples(mixed[None], SAMPLE_RATE_HZ, blocks[0].pts_seconds))
        tracks.append(sound.finish())
    return Sides(video_track, tuple(tracks))


def noise_of(path: str, num_samples: int, seed: int, kind: str | None = None) -> Float32[np.ndarray, " S"]:
    """The noise that is mixed into the sound of a file, of `kind` (one of NOISES) or of one that is drawn."""
    rng = np.random.default_rng([seed, zlib.crc32(Path(path).name.encode(errors="surrogateescape"))])
    drawn = NOISES[rng.integers(len(NOISES))]
    asked = next((one for one in NOISES if one == kind), drawn)
    return synthetic_noise(rng, num_samples, asked, SAMPLE_RATE_HZ)


def media_similarities(
    towers: TowerPair, gallery: Gallery, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence of towers over time for every video with every audio, in each condition.

    At most CHUNK_SECONDS of a clip are compared. Raises as `gallery_clips`.
    """
    description = towers.video.description
    settings = PackSettings(description.rate_hz, description.height_px, description.width_px, description.crop)
    video_vectors: list[np.ndarray] = []
    audio_vectors: list[list[np.ndarray]] = [[] for _ in conditions]
    for frames, mels in gallery_clips(gallery, settings, conditions, seed):
        num_ticks = min(len(frames), round(CHUNK_SECONDS * settings.rate_hz))
        video_vectors.append(towers.video.encode(shades(frames[:num_ticks]), num_ticks))
        for vectors, mel in zip(audio_vectors, mels, strict=True):
            vectors.append(towers.audio.encode(mel[: num_ticks * settings.mels_per_tick], num_ticks))
    return [evidence_of_ticks(description, *aligned_similarity(video_vectors, vectors)) for vectors in audio_vectors]


def evidence_of_ticks(
    description: TowerDescription, similarity: Float32[np.ndarray, "N M"], num_ticks: Int[np.ndarray, "N M"]
) -> Float32[np.ndarray, "N M"]:
    """Nats of every pair from its mean cosine over so many ticks."""
    steps = (num_ticks / (description.rate_hz * description.independent_seconds)).astype(np.float32)
    return np.float32(description.scale) * steps * (similarity - np.float32(description.baseline))


def held_back_names(run: Path) -> set[str]:
    """The names of the pairs that a run held back from training. Raises UsageError if `run` isn't a run's folder."""
    record = run / "split.json"
    if not record.is_file():
        raise UsageError(f"{run}: no record of what was held back (split.json); give the run's folder")
    return set(json.loads(record.read_text(encoding="utf-8"))["validation"])


def held_back_rows(names: Sequence[str], run: Path, *others: Path) -> Int[np.ndarray, " M"]:
    """The rows of those of `names` that the run held back.

    Raises:
        UsageError: there is none, or one of the `others` held back different pairs.
    """
    held = held_back_names(run)
    for other in others:
        if held_back_names(other) != held:
            raise UsageError(f"{other}: held back other pairs than {run}; evaluate them one by one")
    rows = np.array([row for row, name in enumerate(names) if name in held], np.int64)
    if not len(rows):
        raise UsageError(f"{run}: none of its {len(held)} held-back pairs is in these data")
    return rows
