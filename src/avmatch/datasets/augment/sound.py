"""Sounds as a worse microphone, room, street or connection would have given them, none of them late.

Whatever delays the sound would teach a matcher a wrong offset: filters run forwards and backwards, the direct path
of a room arrives at once, and what a codec puts in front is trimmed. Every function takes the generator first,
returns a new array of the same length, and gives equal arrays for equal seeds. Letter in shapes: S samples.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.signal
from jaxtyping import Float32

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import UsageError
from avmatch.core.signals import AudioSamples
from avmatch.datasets.synth.sound import SAMPLE_RATE_HZ as SYNTH_RATE_HZ
from avmatch.datasets.synth.sound import coloured_noise, log_uniform, with_rms
from avmatch.datasets.synth.voice import random_speech, speak
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio

Sound = Float32[np.ndarray, " S"]
NoiseKind = Literal["white", "pink", "brown", "hum", "babble"]
CodecKind = Literal["opus", "mp3", "aac"]

_EXPONENTS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_MAINS_HZ = (50.0, 60.0)
_NUM_HARMONICS = 20
_NUM_TALKERS = (3, 8)
#: Synthetic speech begins within this time; before it, babble would be silence.
_BABBLE_LEAD_SECONDS = 0.5

_FILTER_ORDER = 4
_SUFFIXES = {"opus": ".opus", "mp3": ".mp3", "aac": ".m4a"}
#: What both MP3 and AAC can hold (ISO/IEC 13818-3 with its extension to low rates); Opus resamples by itself.
MPEG_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
#: What one channel of Opus can take; MP3 and AAC go to the nearest rate that they know.
BIT_RATES_BPS = (6000, 256_000)
#: Silence behind the sound, because containers can't hold, and encoders cut, less than a frame.
_CODEC_TAIL_SECONDS = 0.1
_NEPERS_OF_60_DB = float(np.log(1000))


def mix_at_snr(sound: Sound, noise: Sound, snr_db: float) -> Sound:
    """(S,) `sound` + scaled `noise`, the power of the one `snr_db` above the other's over the whole length.

    Where either of them is silent there is no ratio to reach: the sound comes back as it was.
    """
    sound_power, noise_power = _power(sound), _power(noise)
    if noise_power == 0:
        return sound.copy()
    scale = np.sqrt(sound_power / noise_power / 10 ** (snr_db / 10))
    return (sound + scale * noise.astype(np.float64)).astype(np.float32)


def fit_noise(rng: np.random.Generator, noise: Float32[np.ndarray, " N"], num_samples: int) -> Sound:
    """(num_samples,) of `noise` from a random place on: a cut of a long one, a loop of a short one.

    Raises:
        UsageError: `noise` is empty.
    """
    if not len(noise):
        raise UsageError("a noise without samples can't be mixed in; leave it out of the noises")
    num_places = len(noise) - num_samples + 1 if len(noise) >= num_samples else len(noise)
    return np.take(noise, rng.integers(num_places) + np.arange(num_samples), mode="wrap")


def synthetic_noise(rng: np.random.Generator, num_samples: int, kind: NoiseKind, sample_rate_hz: int) -> Sound:
    """(num_samples,) of RMS 1: a colour of noise, mains hum with its harmonics, or several people talking."""
    if num_samples == 0:
        return np.zeros(0, np.float32)
    if kind == "hum":
        noise = _hum(rng, num_samples, sample_rate_hz)
    else:
        num_synth = -(-num_samples * SYNTH_RATE_HZ // sample_rate_hz)
        wave = _babble(rng, num_synth) if kind == "babble" else coloured_noise(rng, num_synth, _EXPONENTS[kind])
        noise = scipy.signal.resample_poly(wave, sample_rate_hz, SYNTH_RATE_HZ)[:num_samples]
    return with_rms(noise.astype(np.float32), 1.0)


def gain(rng: np.random.Generator, sound: Sound, range_db: tuple[float, float]) -> Sound:
    """(S,) `sound`, louder by a number of decibels within `range_db`."""
    return sound * np.float32(10 ** (rng.uniform(*range_db) / 20))


def band_limit(
    rng: np.random.Generator,
    sound: Sound,
    sample_rate_hz: int,
    high_pass_hz: tuple[float, float] = (30.0, 300.0),
    low_pass_hz: tuple[float, float] = (2500.0, 7500.0),
) -> Sound:
    """(S,) `sound` without what is below one random corner and above another.

    Butterworth filters of fourth order, there and back (scipy's sosfiltfilt), so that nothing is delayed: −6 dB at
    the corner, −48 dB an octave further. A corner at or above half the sample rate leaves the sound as it is.

    Args:
        rng: the source of chance.
        sound: (S,).
        sample_rate_hz: its rate.
        high_pass_hz, low_pass_hz: the ranges of the two corners, drawn evenly by octave; positive.
    """
    filtered = _zero_phase(sound, log_uniform(rng, *high_pass_hz), sample_rate_hz, "highpass")
    return _zero_phase(filtered, log_uniform(rng, *low_pass_hz), sample_rate_hz, "lowpass")


def codec(
    rng: np.random.Generator,
    sound: Sound,
    sample_rate_hz: int,
    kinds: tuple[CodecKind, ...] = ("opus", "mp3", "aac"),
    bit_rate_bps: tuple[float, float] = (12_000.0, 64_000.0),
) -> Sound:
    """(S,) `sound` after one of `kinds` of lossy codec, at a bit rate drawn evenly by octave; in step with the input.

    Raises:
        UsageError: a bit rate outside of BIT_RATES_BPS, or, where the codec that was drawn is not Opus, a sample rate
            that is none of MPEG_RATES_HZ.
    """
    lowest, highest = bit_rate_bps
    if not BIT_RATES_BPS[0] <= lowest <= highest <= BIT_RATES_BPS[1]:
        raise UsageError(f"bit rates go from low to high within {BIT_RATES_BPS} a second, got {bit_rate_bps}")
    kind = kinds[rng.integers(len(kinds))]
    rate_bps = round(log_uniform(rng, lowest, highest))
    if kind != "opus" and sample_rate_hz not in MPEG_RATES_HZ:
        raise UsageError(f"{kind} can't hold {sample_rate_hz} Hz; use opus, or one of {MPEG_RATES_HZ}")
    scale = max(1.0, float(np.abs(sound).max(initial=0.0)))  # encoders clip at ±1
    tail = samples_from_seconds(_CODEC_TAIL_SECONDS, sample_rate_hz)
    padded = np.pad(sound / np.float32(scale), (0, tail))
    with tempfile.TemporaryDirectory(prefix="avmatch-") as folder:
        path = Path(folder) / f"sound{_SUFFIXES[kind]}"
        write_audio(path, AudioSamples(padded[np.newaxis], sample_rate_hz), bit_rate_bps=rate_bps)
        decoded = read_audio(path, sample_rate_hz=sample_rate_hz)
    return _in_step(decoded, len(sound)) * np.float32(scale)


def reverb(
    rng: np.random.Generator,
    sound: Sound,
    sample_rate_hz: int,
    rt60_seconds: tuple[float, float] = (0.1, 0.6),
    direct_db: tuple[float, float] = (0.0, 12.0),
) -> Sound:
    """(S,) `sound` in a room: itself at once, and behind it white noise that decays exponentially (Moorer 1979).

    Args:
        rng: the source of chance.
        sound: (S,).
        sample_rate_hz: its rate.
        rt60_seconds: the range of the time in which the room's answer falls by 60 dB.
        direct_db: the range of the direct sound's energy over that of the answer.
    """
    rt60 = log_uniform(rng, *rt60_seconds)
    times = np.arange(1, max(2, samples_from_seconds(rt60, sample_rate_hz))) / sample_rate_hz
    answer = rng.standard_normal(len(times)) * np.exp(-_NEPERS_OF_60_DB * times / rt60)
    answer *= 10 ** (-rng.uniform(*direct_db) / 20) / np.linalg.norm(answer)
    if not len(sound):
        return sound.copy()
    return scipy.signal.oaconvolve(sound, np.concatenate([[1.0], answer]))[: len(sound)].astype(np.float32)


def _power(sound: Sound) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0


def _hum(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> Sound:
    harmonics = np.arange(1, _NUM_HARMONICS + 1)
    frequencies_hz = harmonics * _MAINS_HZ[rng.integers(len(_MAINS_HZ))] * rng.uniform(0.998, 1.002)
    amplitudes = rng.lognormal(0.0, 0.8, _NUM_HARMONICS) / harmonics * (frequencies_hz < sample_rate_hz / 2)
    phases = rng.uniform(0, 2 * np.pi, _NUM_HARMONICS)
    times = np.arange(num_samples) / sample_rate_hz
    noise = np.zeros(num_samples)
    for frequency_hz, amplitude, phase in zip(frequencies_hz, amplitudes, phases, strict=True):
        noise += amplitude * np.sin(2 * np.pi * frequency_hz * times + phase)
    return noise.astype(np.float32)


def _babble(rng: np.random.Generator, num_samples: int) -> Sound:
    """(num_samples,) at SYNTH_RATE_HZ: voices of equal loudness, all of them begun."""
    lead = samples_from_seconds(_BABBLE_LEAD_SECONDS, SYNTH_RATE_HZ)
    seconds = (lead + num_samples) / SYNTH_RATE_HZ
    babble = np.zeros(num_samples, np.float32)
    for _ in range(rng.integers(*_NUM_TALKERS, endpoint=True)):
        babble += with_rms(speak(rng, random_speech(rng, seconds), seconds)[lead:], 1.0)
    return babble


def _zero_phase(sound: Sound, corner_hz: float, sample_rate_hz: int, kind: Literal["highpass", "lowpass"]) -> Sound:
    if not len(sound) or corner_hz >= sample_rate_hz / 2:
        return sound.copy()
    sections = scipy.signal.butter(_FILTER_ORDER, corner_hz, kind, fs=sample_rate_hz, output="sos")
    # One period at the corner is mirrored at either end, where there is that much, so that the filter is settled.
    padding = min(samples_from_seconds(1 / corner_hz, sample_rate_hz), len(sound) - 1)
    return scipy.signal.sosfiltfilt(sections, sound, padlen=padding).astype(np.float32)


def _in_step(decoded: AudioSamples, num_samples: int) -> Sound:
    """(num_samples,) from time zero on, silence where nothing was decoded."""
    start = samples_from_seconds(decoded.pts_seconds, decoded.sample_rate_hz)
    part = np.pad(decoded.data[0], (max(start, 0), 0))[max(-start, 0) :][:num_samples]
    return np.pad(part, (0, num_samples - len(part)))
