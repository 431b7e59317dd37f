"""The sound of a scene, the recording of it, and noise.

**Voices**: a body that is struck or plucked rings in its modes, each a decaying sine (van den Doel & Pai 1998, "The
sounds of physical shapes"). What a thing sounds like is drawn without looking at it: colour and size say nothing about
pitch, decay or timbre, so that only the times of the events connect picture and sound.

**Speech**: source and filter (Fant 1960). A glottal pulse train with a wandering pitch goes through three resonances
for each vowel, and the vowels are faded into each other by weights that also open the mouth in the picture.

**Recording**: microphone, room, noise, level and wear. Everything that a matcher could use instead of time is drawn at
random: how bright the microphone is, how loud the recording, how much the room hums. Pieces are cut on the scene's
clock, which is what makes a recording late or early.

**Noise**: white, pink or brown, mains hum, or several people talking, mixed with any sound at a ratio of their powers
over the whole length. It follows from the generator alone.

Letters in shapes: S samples, M modes, V vowels, G weights, E events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.fft
import scipy.signal
from jaxtyping import Float, Float32

from avmatch.core.clock import samples_from_seconds
from avmatch.core.features import AudioSamples
from avmatch.synth.stage import Strike

SAMPLE_RATE_HZ = 48_000
Wave = Float[np.ndarray, " _"]
Sound = Float32[np.ndarray, " S"]

#: Zeros of the Bessel functions over the first: the modes of an ideal membrane (Rossing 2000, table 2.1).
MEMBRANE_RATIOS = (1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.600, 3.652)
HIGHEST_MODE_HZ = 15_000.0
#: A mode is followed until it has fallen by 60 dB, that is ln(1000) time constants.
AUDIBLE_TIME_CONSTANTS = 6.9


def mix(strikes: Sequence[Strike], voices: Sequence[Wave], duration_seconds: float) -> Wave:
    """(S,) each strike's voice at its time and strength, from 0 to `duration_seconds`."""
    sound = np.zeros(samples_from_seconds(duration_seconds, SAMPLE_RATE_HZ), np.float32)
    for strike in strikes:
        start = samples_from_seconds(strike.time_seconds, SAMPLE_RATE_HZ)
        target = sound[start : start + len(voices[strike.voice])]
        target += strike.strength * voices[strike.voice][: len(target)]
    return sound


def solid_voice(rng: np.random.Generator, *, longest_decay_seconds: float = 0.25) -> Wave:
    """(S,) something hard that is hit: wood, glass, metal. Modes at random inharmonic ratios."""
    num_modes = int(rng.integers(5, 12))
    ratios = np.concatenate([[1.0], 1.0 + np.cumsum(rng.uniform(0.3, 1.3, num_modes - 1))])
    decays = log_uniform(rng, 0.06 * longest_decay_seconds, longest_decay_seconds) * ratios**-0.7
    modes = _modes(log_uniform(rng, 120, 2500) * ratios, rng.lognormal(0, 0.6, num_modes) / ratios**0.5, decays)
    return _with_click(rng, modes, 0.004)


def membrane_voice(rng: np.random.Generator) -> Wave:
    """(S,) a drum, deep or high, with more or less of a rattle."""
    ratios = np.array(MEMBRANE_RATIOS)
    decays = log_uniform(rng, 0.05, 0.3) * ratios ** -rng.uniform(0.3, 1.2)
    modes = _modes(log_uniform(rng, 80, 1200) * ratios, rng.lognormal(0, 0.5, len(ratios)) / ratios, decays)
    return _with_click(rng, modes, log_uniform(rng, 0.004, 0.06))


def string_voice(rng: np.random.Generator) -> Wave:
    """(S,) a stiff string plucked at some point: the harmonics of a triangle, the high ones decaying first."""
    harmonics = np.arange(1, 15)
    place = rng.uniform(0.08, 0.45)
    frequencies = log_uniform(rng, 90, 900) * harmonics * np.sqrt(1 + rng.uniform(0, 4e-4) * harmonics**2)
    amplitudes = np.sin(np.pi * place * harmonics) / harmonics ** rng.uniform(0.6, 1.8)
    decays = log_uniform(rng, 0.1, 0.5) / harmonics**0.5
    return _with_click(rng, _modes(frequencies, amplitudes, decays), 0.004)


def coloured_noise(rng: np.random.Generator, num_samples: int, exponent: float) -> Wave:
    """(S,) noise of RMS 1 whose power falls with frequency^`exponent`: 0 is white, 1 pink, 2 brown."""
    spectrum = scipy.fft.rfft(rng.standard_normal(num_samples, np.float32))
    return with_rms(_tilted(spectrum, num_samples, -exponent / 2), 1.0)


def tilt(sound: Wave, decibels_per_octave: float) -> Wave:
    """(S,) `sound` as a duller (negative) or brighter (positive) microphone hears it."""
    exponent = decibels_per_octave / (20 * np.log10(2))
    return _tilted(scipy.fft.rfft(sound), len(sound), exponent)


def with_rms(sound: Wave, rms: float) -> Wave:
    """`sound` scaled to a root mean square of `rms`; silence stays silence."""
    power = _power(sound)
    return sound if power == 0 else np.asarray(sound * (rms / np.sqrt(power)), np.float32)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, every octave as likely as the next."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _modes(
    frequencies_hz: Float[np.ndarray, " M"],
    amplitudes: Float[np.ndarray, " M"],
    decays_seconds: Float[np.ndarray, " M"],
) -> Wave:
    num_samples = samples_from_seconds(AUDIBLE_TIME_CONSTANTS * float(decays_seconds.max()), SAMPLE_RATE_HZ)
    voice = np.zeros(num_samples, np.float32)
    for frequency_hz, amplitude, decay_seconds in zip(frequencies_hz, amplitudes, decays_seconds, strict=True):
        if frequency_hz < HIGHEST_MODE_HZ:
            end = samples_from_seconds(AUDIBLE_TIME_CONSTANTS * decay_seconds, SAMPLE_RATE_HZ)
            times = np.arange(end, dtype=np.float32) / SAMPLE_RATE_HZ
            voice[:end] += amplitude * np.exp(-times / decay_seconds) * np.sin(2 * np.pi * frequency_hz * times)
    return with_rms(voice, 1.0) * np.float32(num_samples**-0.5)


def _with_click(rng: np.random.Generator, modes: Wave, decay_seconds: float) -> Wave:
    """The modes and the noise of the contact, together of energy 1."""
    times = np.arange(len(modes), dtype=np.float32) / SAMPLE_RATE_HZ
    click = rng.standard_normal(len(modes), np.float32) * np.exp(-times / decay_seconds)
    click *= rng.uniform(0.2, 0.8) / np.linalg.norm(click)
    voice = modes + click
    return np.asarray(voice / np.linalg.norm(voice), np.float32)


def _tilted(spectrum: np.ndarray, num_samples: int, exponent: float) -> Wave:
    """Gain (f / 1 kHz)^exponent, level below 60 Hz and above 12 kHz."""
    frequencies = scipy.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE_HZ)
    gain = (np.clip(frequencies, 60, 12_000) / 1000) ** exponent
    return np.asarray(scipy.fft.irfft(spectrum * gain, num_samples), np.float32)


WEIGHT_RATE_HZ = 200


class Vowel(NamedTuple):
    """Resonances (Peterson & Barney 1952, men), and how the mouth looks: opening and width in 0…1."""

    formants_hz: tuple[float, float, float]
    opening: float
    width: float


VOWELS = (
    Vowel((730, 1090, 2440), 1.0, 0.6),  # father
    Vowel((530, 1840, 2480), 0.65, 0.8),  # bet
    Vowel((270, 2290, 3010), 0.3, 1.0),  # see
    Vowel((570, 840, 2410), 0.75, 0.25),  # law
    Vowel((300, 870, 2240), 0.35, 0.05),  # do
)
BRIGHTNESS_DB_PER_OCTAVE = (2.0, 11.0)  # of the pulses, which alone would be dull
BANDWIDTHS_HZ = (80.0, 110.0, 160.0)


@dataclass(frozen=True, eq=False)
class Speech:
    """What is spoken: how much of each vowel sounds at each time.

    Attributes:
        weights: (V, G) loudness of each of VOWELS, WEIGHT_RATE_HZ times a second; 0 where the lips are shut.
        onset_times_seconds: (E,) when each syllable is at half its loudness.
    """

    weights: Float[np.ndarray, "V G"]
    onset_times_seconds: Float[np.ndarray, " E"]

    def at(self, time_seconds: float) -> Float[np.ndarray, " V"]:
        """The weights at a time."""
        place = min(max(time_seconds * WEIGHT_RATE_HZ, 0.0), self.weights.shape[1] - 1.001)
        index, share = int(place), place - int(place)
        return np.asarray(self.weights[:, index] * (1 - share) + self.weights[:, index + 1] * share)


def random_speech(rng: np.random.Generator, duration_seconds: float) -> Speech:
    """Syllables of random vowels, lengths and loudness, with pauses here and there."""
    times = np.arange(samples_from_seconds(duration_seconds, WEIGHT_RATE_HZ) + 2) / WEIGHT_RATE_HZ
    weights = np.zeros((len(VOWELS), len(times)))
    onsets: list[float] = []
    start = rng.uniform(0.05, 0.4)
    while start < duration_seconds:
        rise, hold, fall = rng.uniform(0.05, 0.09), rng.uniform(0.02, 0.26), rng.uniform(0.06, 0.14)
        knees = np.cumsum([start, rise, hold, fall])
        bump = np.interp(times, knees, [0, 1, 1, 0])
        weights[rng.integers(len(VOWELS))] += rng.uniform(0.4, 1.0) * (0.5 - 0.5 * np.cos(np.pi * bump))
        onsets.append(start + rise / 2)
        start = knees[-1] + (rng.uniform(0.25, 0.7) if rng.random() < 0.25 else rng.uniform(-0.03, 0.12))
    return Speech(weights, np.array(onsets))


def speak(rng: np.random.Generator, speech: Speech, duration_seconds: float) -> Wave:
    """(S,) `speech` in a random voice: pitch, breath and the length of the throat."""
    num_samples = samples_from_seconds(duration_seconds, SAMPLE_RATE_HZ)
    source = _source(rng, num_samples)
    throat = rng.uniform(0.85, 1.25)
    times = np.arange(num_samples) / SAMPLE_RATE_HZ
    grid = np.arange(speech.weights.shape[1]) / WEIGHT_RATE_HZ
    sound = np.zeros(num_samples)
    for vowel, weights in zip(VOWELS, speech.weights, strict=True):
        formants_hz = throat * np.array(vowel.formants_hz)
        filtered = scipy.signal.sosfilt(_resonances(formants_hz), source)
        sound += np.interp(times, grid, weights) * with_rms(filtered, 1.0)
    return tilt(np.asarray(sound, np.float32), rng.uniform(*BRIGHTNESS_DB_PER_OCTAVE))


def _source(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, " S"]:
    """Glottal pulses with a pitch that wanders by some semitones, and breath."""
    knots = np.linspace(0, num_samples, 2 + num_samples // (SAMPLE_RATE_HZ // 3))
    octaves = np.interp(np.arange(num_samples), knots, rng.normal(0, 0.12, len(knots)))
    pitch_hz = log_uniform(rng, 85, 280) * 2**octaves
    phase = np.cumsum(pitch_hz / SAMPLE_RATE_HZ) % 1.0
    open_phase = np.minimum(phase / 0.6, 1.0)
    pulses = np.sin(np.pi * open_phase**2)  # opens slowly, shuts fast
    breath = rng.uniform(0.02, 0.1) * rng.standard_normal(num_samples)
    return np.diff(pulses + 0.2 * breath, prepend=0.0)


def _resonances(formants_hz: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 6"]:
    """Second-order sections with unit gain at 0 Hz (Klatt 1980, equation 2)."""
    radius = np.exp(-np.pi * np.array(BANDWIDTHS_HZ) / SAMPLE_RATE_HZ)
    first = -2 * radius * np.cos(2 * np.pi * formants_hz / SAMPLE_RATE_HZ)
    second = radius**2
    zeros, ones = np.zeros(3), np.ones(3)
    return np.stack([1 + first + second, zeros, zeros, ones, first, second], axis=1)


TILTS_DB_PER_OCTAVE = (-8.0, 3.0)
AMBIENCE_DB = (-45.0, -28.0)  # under the sound
LEVELS_DBFS = (-40.0, -24.0)
PEAK = 0.95
NUM_TALKERS = 4

WORN_RATE_HZ = 16_000
WORN_LEVELS = 24  # on either side of zero, on the curve of G.711
MU = 255.0


@dataclass(frozen=True)
class Take:
    """Which piece of a scene is recorded, and how well.

    Attributes:
        start_seconds, duration_seconds: the piece, on the scene's clock.
        snr_db: power of the sound over that of the added noise; None adds none.
        worn: whether it went through a narrow, coarse channel.
    """

    start_seconds: float
    duration_seconds: float
    snr_db: float | None
    worn: bool


def record(rng: np.random.Generator, sound: Wave, take: Take) -> AudioSamples:
    """One channel: the piece of `sound` that `take` asks for, at a random level, in random colours."""
    start = samples_from_seconds(take.start_seconds, SAMPLE_RATE_HZ)
    num_samples = samples_from_seconds(take.duration_seconds, SAMPLE_RATE_HZ)
    coloured = tilt(sound, rng.uniform(*TILTS_DB_PER_OCTAVE))[start : start + num_samples]
    ambience = coloured_noise(rng, num_samples, rng.uniform(0, 2))
    clean = with_rms(coloured, 1.0) + np.float32(_amplitude(rng.uniform(*AMBIENCE_DB))) * ambience
    level = _amplitude(rng.uniform(*LEVELS_DBFS))
    if take.snr_db is not None:
        clean = with_rms(clean, _amplitude(take.snr_db)) + _noise(rng, num_samples)
    rate_hz = SAMPLE_RATE_HZ
    if take.worn:
        clean, rate_hz = _worn(clean), WORN_RATE_HZ
    recorded = with_rms(clean, level)
    recorded = recorded * np.float32(min(1.0, PEAK / max(float(np.abs(recorded).max()), 1e-9)))
    return AudioSamples(recorded[np.newaxis], rate_hz)


def _noise(rng: np.random.Generator, num_samples: int) -> Wave:
    """(S,) of RMS 1: white, pink, or people talking."""
    colour = rng.integers(3)
    if colour < 2:
        return coloured_noise(rng, num_samples, float(colour))
    return with_rms(_babble(rng, NUM_TALKERS, num_samples), 1.0)


def _worn(sound: Wave) -> Wave:
    """(S,) at WORN_RATE_HZ, rounded to a few levels on the µ-law curve (ITU-T G.711)."""
    narrow = scipy.signal.resample_poly(sound, WORN_RATE_HZ, SAMPLE_RATE_HZ)
    peak = max(float(np.abs(narrow).max()), 1e-9)
    curved = np.sign(narrow) * np.log1p(MU * np.abs(narrow) / peak) / np.log1p(MU)
    coarse = np.round(curved * WORN_LEVELS) / WORN_LEVELS
    return np.asarray(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(MU)) * peak / MU, np.float32)


NoiseKind = Literal["white", "pink", "brown", "hum", "babble"]
EXPONENTS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
MAINS_HZ = (50.0, 60.0)
NUM_HARMONICS = 20
BABBLE_TALKERS = (3, 8)
#: Synthetic speech begins within this time; before it, babble would be silence.
BABBLE_LEAD_SECONDS = 0.5


def mix_at_snr(sound: Sound, noise: Sound, snr_db: float) -> Sound:
    """(S,) `sound` + scaled `noise`, the power of the one `snr_db` above the other's over the whole length.

    Where either of them is silent there is no ratio to reach: the sound comes back as it was.
    """
    sound_power, noise_power = _power(sound), _power(noise)
    if noise_power == 0:
        return sound.copy()
    scale = np.sqrt(sound_power / noise_power / 10 ** (snr_db / 10))
    return (sound + scale * noise.astype(np.float64)).astype(np.float32)


def synthetic_noise(rng: np.random.Generator, num_samples: int, kind: NoiseKind, sample_rate_hz: int) -> Sound:
    """(num_samples,) of RMS 1: a colour of noise, mains hum with its harmonics, or several people talking."""
    if num_samples == 0:
        return np.zeros(0, np.float32)
    if kind == "hum":
        return with_rms(_hum(rng, num_samples, sample_rate_hz), 1.0)
    num_synth = -(-num_samples * SAMPLE_RATE_HZ // sample_rate_hz)
    if kind == "babble":
        lead = samples_from_seconds(BABBLE_LEAD_SECONDS, SAMPLE_RATE_HZ)
        wave = _babble(rng, int(rng.integers(*BABBLE_TALKERS, endpoint=True)), num_synth, lead)
    else:
        wave = coloured_noise(rng, num_synth, EXPONENTS[kind])
    noise = scipy.signal.resample_poly(wave, sample_rate_hz, SAMPLE_RATE_HZ)[:num_samples]
    return with_rms(noise.astype(np.float32), 1.0)


def gain(rng: np.random.Generator, sound: Sound, range_db: tuple[float, float]) -> Sound:
    """(S,) `sound`, louder by a number of decibels within `range_db`."""
    return sound * np.float32(_amplitude(rng.uniform(*range_db)))


def _hum(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> Wave:
    harmonics = np.arange(1, NUM_HARMONICS + 1)
    frequencies_hz = harmonics * MAINS_HZ[rng.integers(len(MAINS_HZ))] * rng.uniform(0.998, 1.002)
    amplitudes = rng.lognormal(0.0, 0.8, NUM_HARMONICS) / harmonics * (frequencies_hz < sample_rate_hz / 2)
    phases = rng.uniform(0, 2 * np.pi, NUM_HARMONICS)
    times = np.arange(num_samples) / sample_rate_hz
    noise = np.zeros(num_samples)
    for frequency_hz, amplitude, phase in zip(frequencies_hz, amplitudes, phases, strict=True):
        noise += amplitude * np.sin(2 * np.pi * frequency_hz * times + phase)
    return noise.astype(np.float32)


def _babble(rng: np.random.Generator, num_talkers: int, num_samples: int, lead: int = 0) -> Wave:
    """(S,) voices of equal loudness, which began `lead` samples before."""
    seconds = (lead + num_samples) / SAMPLE_RATE_HZ
    babble = np.zeros(num_samples, np.float32)
    for _ in range(num_talkers):
        babble += with_rms(speak(rng, random_speech(rng, seconds), seconds)[lead:], 1.0)
    return babble


def _power(sound: Wave) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))
