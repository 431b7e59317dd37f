"""Sounds as a worse microphone, room, line or codec would have given them, none of them late.

Whatever delays a sound would be measured as an offset: filters run forwards and backwards, the direct path of a room
arrives at once, and what a codec puts in front is trimmed. Every function returns a new array of the same length.
Noise is mixed in by `sound.mix_at_snr`.

Letter in shapes: S samples.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.signal
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds
from avmatch.core.features import AudioSamples
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio
from avmatch.synth.sound import with_rms

Sound = Float32[np.ndarray, " S"]

#: So many voices talk at once in babble, where there are that many.
NUM_VOICES = 5
#: The direct sound and the room's answer have the same energy: some metres from the microphone.
DIRECT_DB = 0.0
_NEPERS_OF_60_DB = float(np.log(1000))
_FILTER_ORDER = 4
#: Silence behind the sound, because containers can't hold, and encoders cut, less than a frame.
_CODEC_TAIL_SECONDS = 0.1


def babble(
    rng: np.random.Generator, voices: Sequence[Float32[np.ndarray, " _"]], num_samples: int
) -> Float32[np.ndarray, " S"]:
    """(num_samples,) of RMS 1: NUM_VOICES of these sounds, or all, each from a random place on, equally loud."""
    chosen = rng.permutation(len(voices))[:NUM_VOICES]
    mixed = np.zeros(num_samples, np.float32)
    for number in chosen.tolist():
        voice = voices[number]
        if len(voice):
            mixed += with_rms(np.take(voice, rng.integers(len(voice)) + np.arange(num_samples), mode="wrap"), 1.0)
    return with_rms(mixed, 1.0)


def reverberant(rng: np.random.Generator, sound: Sound, sample_rate_hz: int, rt60_seconds: float) -> Sound:
    """(S,) `sound` in a room: itself at once, and behind it white noise that decays exponentially (Moorer 1979).

    Args:
        rt60_seconds: in this time the room's answer falls by 60 dB.
    """
    times = np.arange(1, max(2, samples_from_seconds(rt60_seconds, sample_rate_hz))) / sample_rate_hz
    answer = rng.standard_normal(len(times)) * np.exp(-_NEPERS_OF_60_DB * times / rt60_seconds)
    answer *= 10 ** (-DIRECT_DB / 20) / np.linalg.norm(answer)
    if not len(sound):
        return sound.copy()
    return scipy.signal.oaconvolve(sound, np.concatenate([[1.0], answer]))[: len(sound)].astype(np.float32)


def clipped(sound: Sound, share: float) -> Sound:
    """(S,) `sound` with the loudest `share` of its samples cut to the level of the rest."""
    if not len(sound):
        return sound.copy()
    limit = np.float32(np.quantile(np.abs(sound), 1.0 - share))
    return np.clip(sound, -limit, limit)


def band_limited(sound: Sound, sample_rate_hz: int, low_hz: float, high_hz: float) -> Sound:
    """(S,) `sound` without what is below one corner and above the other.

    Butterworth filters of fourth order, there and back, so that nothing is delayed: −6 dB at the corner, −48 dB an
    octave further. A corner at or above half the sample rate leaves the sound as it is.
    """
    return _zero_phase(_zero_phase(sound, low_hz, sample_rate_hz, "highpass"), high_hz, sample_rate_hz, "lowpass")


def coded(sound: Sound, sample_rate_hz: int, suffix: str, bit_rate_bps: int) -> Sound:
    """(S,) `sound` after a lossy codec, in step with the input.

    Args:
        suffix: of a file with that codec (media/encode.py): ".m4a" is AAC, ".opus" Opus.
    """
    scale = max(1.0, float(np.abs(sound).max(initial=0.0)))  # encoders clip at ±1
    tail = samples_from_seconds(_CODEC_TAIL_SECONDS, sample_rate_hz)
    padded = np.pad(sound / np.float32(scale), (0, tail))
    with tempfile.TemporaryDirectory(prefix="avmatch-") as folder:
        path = Path(folder) / f"sound{suffix}"
        write_audio(path, AudioSamples(padded[np.newaxis], sample_rate_hz), bit_rate_bps=bit_rate_bps)
        decoded = read_audio(path, sample_rate_hz=sample_rate_hz)
    return _in_step(decoded, len(sound)) * np.float32(scale)


def _zero_phase(sound: Sound, corner_hz: float, sample_rate_hz: int, kind: str) -> Sound:
    if not len(sound) or corner_hz >= sample_rate_hz / 2:
        return sound.copy()
    sections = scipy.signal.butter(_FILTER_ORDER, corner_hz, kind, fs=sample_rate_hz, output="sos")
    # One period at the corner is mirrored at either end, where there is that much, so that the filter is settled.
    padding = min(samples_from_seconds(1 / corner_hz, sample_rate_hz), len(sound) - 1)
    return np.asarray(scipy.signal.sosfiltfilt(sections, sound, padlen=padding), np.float32)


def _in_step(decoded: AudioSamples, num_samples: int) -> Float32[np.ndarray, " S"]:
    """(num_samples,) from time zero on, silence where nothing was decoded."""
    start = samples_from_seconds(decoded.pts_seconds, decoded.sample_rate_hz)
    part = np.pad(decoded.data[0], (max(start, 0), 0))[max(-start, 0) :][:num_samples]
    return np.pad(part, (0, num_samples - len(part)))
