"""The grid of degradations: what is done to sounds or pictures, and how badly.

    clean                 as they are
    white pink babble hum noise, at 20 to −5 dB under the sound; babble is made of the other clips' sounds
    reverb                a room, 0.3 to 1.2 s until its answer has fallen by 60 dB
    clipping              the loudest 1 to 30 % of the samples cut
    aac opus              codecs at low rates
    band                  only a part of the spectrum, 300–3400 Hz is a telephone's
    low_resolution        the picture at 1/2 to 1/8 of its size
    dropped_frames        10 to 50 % of the frames lost, at random
    frame_rate            the picture as cameras with other rates have it
    missing_face          faces hidden in the picture, or not found by the detector
    foreign_sound         the sound of another clip; its own is missing

Chance is a clip's own: the same noise at every level, and in every run.

Letter in shapes: S samples.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import UsageError
from avmatch.core.features import VideoFeatures
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.synth.degraded_picture import Degrader, at_rate, shrunk, with_gaps, without_faces
from avmatch.synth.degraded_sound import babble, band_limited, clipped, coded, reverberant
from avmatch.synth.sound import NoiseKind, mix_at_snr, synthetic_noise

Sound = Float32[np.ndarray, " S"]
CLEAN, BABBLE, MISSING_FACE, FOREIGN = "clean", "babble", "missing_face", "foreign_sound"
LEVELS_DB = (20, 10, 0, -5)
NOISES: tuple[NoiseKind, ...] = ("white", "pink", "hum")


@dataclass(frozen=True, eq=False)
class Source:
    """What a degradation may know of a clip.

    Attributes:
        rng: its own chance.
        video: gives the features of its picture as it is.
        others: gives sounds of a few other clips.
    """

    rng: np.random.Generator
    video: Callable[[], VideoFeatures]
    others: Callable[[], Sequence[Float32[np.ndarray, " _"]]]


@dataclass(frozen=True, eq=False)
class Cell:
    """A condition at one level.

    Attributes:
        condition, level: as tables have them.
        sound: degrades the samples of a clip; None = they stay.
        picture: makes what degrades the frames of a clip; None = they stay.
        features: changes the features of a picture, where no frame has to be looked at again.
        needs_face: whether only clips with a face are counted.
        is_foreign: whether each clip gets another clip's sound.
        is_step: whether it is one of several levels, from mild to harsh.
    """

    condition: str
    level: str = ""
    sound: Callable[[Source, Sound], Sound] | None = None
    picture: Callable[[Source], Degrader] | None = None
    features: Callable[[VideoFeatures], VideoFeatures] | None = None
    needs_face: bool = False
    is_foreign: bool = False
    is_step: bool = True

    @property
    def name(self) -> str:
        """The condition with its level."""
        return f"{self.condition} {self.level}".rstrip()

    @property
    def file_name(self) -> str:
        """The same, as files can be named."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.replace("-5", "minus 5").lower()).strip("-")

    def rng(self, seed: int, clip: str) -> np.random.Generator:
        """The chance of a clip, by the name of its content: the same at all levels."""
        return np.random.default_rng([seed, zlib.crc32(self.condition.encode()), zlib.crc32(clip.encode())])


def grid(conditions: Sequence[str] = ()) -> tuple[Cell, ...]:
    """The cells of these conditions, or of all, in the order of the story above; the clean one is always the first.

    Raises:
        UsageError: there is no such condition.
    """
    cells = tuple(_cells())
    known = tuple(dict.fromkeys(cell.condition for cell in cells))
    if unknown := [name for name in conditions if name not in known]:
        raise UsageError(f"no condition {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(cell for cell in cells if not conditions or cell.condition in (CLEAN, *conditions))


def _cells() -> Iterator[Cell]:
    yield Cell(CLEAN)
    for kind in NOISES:
        yield from (Cell(kind, f"{snr} dB", sound=partial(_in_noise, kind, snr)) for snr in LEVELS_DB)
    yield from (Cell(BABBLE, f"{snr} dB", sound=partial(_in_babble, snr)) for snr in LEVELS_DB)
    yield from (Cell("reverb", f"{rt60:g} s", sound=partial(_in_a_room, rt60)) for rt60 in (0.3, 0.6, 1.2))
    yield from (Cell("clipping", f"{100 * share:.0f} %", sound=partial(_clipped, share)) for share in (0.01, 0.1, 0.3))
    for codec, suffix, rates in (("aac", ".m4a", (32, 16)), ("opus", ".opus", (24, 12, 6))):
        yield from (Cell(codec, f"{rate} kbit/s", sound=partial(_coded, suffix, rate)) for rate in rates)
    for low, high in ((100, 6000), (300, 3400), (500, 2000)):
        yield Cell("band", f"{low}–{high} Hz", sound=partial(_band, low, high))
    yield from (Cell("low_resolution", f"1/{part}", picture=partial(_shrunk, part)) for part in (2, 4, 8))
    yield from (
        Cell("dropped_frames", f"{100 * share:.0f} %", picture=partial(_gaps, share)) for share in (0.1, 0.3, 0.5)
    )
    yield from (Cell("frame_rate", f"{fps} fps", picture=partial(_rate, fps)) for fps in (50, 24, 15))
    yield Cell(MISSING_FACE, "as it is", needs_face=True, is_step=False)
    yield Cell(MISSING_FACE, "hidden", picture=_hidden, needs_face=True, is_step=False)
    yield Cell(MISSING_FACE, "not found", features=_not_found, needs_face=True, is_step=False)
    yield Cell(FOREIGN, "another", is_foreign=True, is_step=False)


def _in_noise(kind: NoiseKind, snr_db: float, source: Source, sound: Sound) -> Sound:
    return mix_at_snr(sound, synthetic_noise(source.rng, len(sound), kind, SAMPLE_RATE_HZ), snr_db)


def _in_babble(snr_db: float, source: Source, sound: Sound) -> Sound:
    return mix_at_snr(sound, babble(source.rng, source.others(), len(sound)), snr_db)


def _in_a_room(rt60_seconds: float, source: Source, sound: Sound) -> Sound:
    return reverberant(source.rng, sound, SAMPLE_RATE_HZ, rt60_seconds)


def _clipped(share: float, source: Source, sound: Sound) -> Sound:
    return clipped(sound, share)


def _coded(suffix: str, kilobits: int, source: Source, sound: Sound) -> Sound:
    return coded(sound, SAMPLE_RATE_HZ, suffix, 1000 * kilobits)


def _band(low_hz: float, high_hz: float, source: Source, sound: Sound) -> Sound:
    return band_limited(sound, SAMPLE_RATE_HZ, low_hz, high_hz)


def _shrunk(part: int, source: Source) -> Degrader:
    return shrunk(1 / part)


def _gaps(share: float, source: Source) -> Degrader:
    return with_gaps(source.rng, share)


def _rate(fps: float, source: Source) -> Degrader:
    return at_rate(fps)


def _hidden(source: Source) -> Degrader:
    return without_faces(source.video().mouths)


def _not_found(video: VideoFeatures) -> VideoFeatures:
    return replace(video, mouths=())
