"""Media files in noise: white, pink or babble, mixed into the waveform, over the whole sound, at a stated ratio.

The kind and the samples of the noise follow from the seed and the file's name: the same at all ratios and for all
models.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.features import AudioSamples
from avmatch.data.tracks import PackSettings, Sides, Track, picture_reader, sound_reader
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.media.decode import decode
from avmatch.synth.sound import NoiseKind, mix_at_snr, synthetic_noise

NOISES: tuple[NoiseKind, ...] = ("white", "pink", "babble")


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
