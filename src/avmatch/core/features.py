"""Decoded sound and picture, and the small features that are kept of them: arrays with a clock.

Cues see features only. Every array of these runs on a regular clock of its own rate; `start_seconds` is the time of its
first tick on the file's clock.

Letters in shapes: C channels, S samples, T frames or ticks, H rows, W columns, G grid cells, B bands, K signals,
D dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, UInt8


@dataclass(frozen=True, eq=False, repr=False)
class AudioSamples:
    """A stretch of sound.

    Attributes:
        data: (C, S) samples, about ±1.
        sample_rate_hz: samples a second.
        pts_seconds: presentation time of the first sample, on the file's own clock.
    """

    data: Float32[np.ndarray, "C S"]
    sample_rate_hz: int
    pts_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.data.ndim != 2:
            raise ValueError(f"AudioSamples.data must be (channels, samples), got shape {self.data.shape}")
        if self.sample_rate_hz <= 0:
            raise ValueError(f"sample_rate_hz must be positive, got {self.sample_rate_hz}")

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return self.data.shape[1] / self.sample_rate_hz

    def __repr__(self) -> str:
        return (
            f"AudioSamples(data: {tuple(self.data.shape)} {self.data.dtype}, "
            f"sample_rate_hz: {self.sample_rate_hz}, pts_seconds: {self.pts_seconds:.3f})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class _Frames:
    data: np.ndarray
    pts_seconds: Float[np.ndarray, " T"]

    def __post_init__(self) -> None:
        if self.pts_seconds.shape != self.data.shape[:1]:
            raise ValueError(f"{self.data.shape[0]} frames but {self.pts_seconds.shape} times")

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(data: {tuple(self.data.shape)} {self.data.dtype})"


@dataclass(frozen=True, eq=False, repr=False)
class VideoFrames(_Frames):
    """A stretch of grey picture.

    Attributes:
        data: (T, H, W) luma, upright (rotation applied).
        pts_seconds: (T,) presentation time of each frame, increasing, on the file's own clock.
    """

    data: UInt8[np.ndarray, "T H W"]

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise ValueError(f"VideoFrames.data must be (frames, height, width), got shape {self.data.shape}")
        super().__post_init__()


@dataclass(frozen=True, eq=False, repr=False)
class ColourFrames(_Frames):
    """A stretch of picture in colour.

    Attributes:
        data: (T, H, W, 3) red, green and blue, upright (rotation applied).
        pts_seconds: (T,) presentation time of each frame, increasing, on the file's own clock.
    """

    data: UInt8[np.ndarray, "T H W 3"]

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[3] != 3:
            raise ValueError(f"ColourFrames.data must be (frames, height, width, 3), got shape {self.data.shape}")
        super().__post_init__()


#: Ticks a second of the motion and mouth signals, and of everything that is compared with them.
TICK_RATE_HZ = 25
#: Ticks a second of the audio bands.
BAND_RATE_HZ = 100
#: Bands of the spectrum, which are finer than those of flux and level.
NUM_SPECTRUM_BANDS = 16


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Unit vectors of a learned tower at a regular rate: (T, D), `rate_hz` a second."""

    data: Float[np.ndarray, "T D"]
    rate_hz: float
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.data.ndim != 2:
            raise ValueError(f"Embeddings.data must be (ticks, dimensions), got shape {self.data.shape}")


@dataclass(frozen=True, eq=False, repr=False)
class SoundSigns:
    """A sound to the sample in one bit each: on which side of zero it is once its low end is taken down.

    Levels and most of the spectrum are gone, so automatic gain, distance and tone don't matter; what is left is enough
    for cross-correlation.

    Attributes:
        data: (U,) eight samples a byte, the first in the highest bit.
        num_samples: how many there are.
        rate_hz: samples a second.
        start_seconds: time of the first.
    """

    data: UInt8[np.ndarray, " U"]
    num_samples: int
    rate_hz: int
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        if len(self.data) != -(-self.num_samples // 8):
            raise ValueError(f"{self.num_samples} samples, but {len(self.data)} bytes")

    def __len__(self) -> int:
        return self.num_samples

    def samples(self, first: int, num: int) -> Float32[np.ndarray, " S"]:
        """`num` samples from `first` on, ±1; 0 where there are none."""
        begin, end = max(0, first), min(self.num_samples, first + num)
        found = np.zeros(num, np.float32)
        if end > begin:
            bits = np.unpackbits(self.data[begin // 8 : -(-end // 8)])[begin % 8 :][: end - begin]
            found[begin - first : end - first] = 2.0 * bits - 1.0
        return found


@dataclass(frozen=True, eq=False, repr=False)
class MouthTrack:
    """The mouth of one face, from its appearance to its leaving or to a shot cut.

    Attributes:
        pts_seconds: (T,) times of the frames.
        boxes: (T, 4) smoothed face box: x, y, width, height as shares of the picture's width and height.
        signals: (T, K) mouth signals, in the order of frontends.mouth.MOUTH_CHANNELS.
        embeddings: unit vectors by model name, of models that look at mouths.
    """

    pts_seconds: Float[np.ndarray, " T"]
    boxes: Float[np.ndarray, "T 4"]
    signals: Float[np.ndarray, "T K"]
    embeddings: Mapping[str, Embeddings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        num = len(self.pts_seconds)
        if self.boxes.shape != (num, 4) or self.signals.ndim != 2 or len(self.signals) != num:
            raise ValueError(f"{num} times, but boxes {self.boxes.shape} and signals {self.signals.shape}")

    def __len__(self) -> int:
        return len(self.pts_seconds)


@dataclass(frozen=True, eq=False, repr=False)
class AudioFeatures:
    """What is kept of a sound.

    Attributes:
        start_seconds: time of the first band tick.
        flux: (T, B) rise of the log-mel spectrum, mean per band, BAND_RATE_HZ a second.
        level: (T, B) mean log-mel power per band (nepers), same clock.
        duration_seconds: length of the stream.
        peak: largest absolute sample, to tell silence.
        peaks: about 200 values in 0…1, the loudness contour for the report.
        embeddings: unit vectors by model name.
        spectrum: (T, 16) mean log-mel power per band over an absolute floor, same clock; (0, 16) where it isn't known.
        signs: the same sound to the sample, for comparing it with others; of the whole stream, also in parts of it.
        missing_share: 0…1 of the stream that could not be read.
        damaged_seconds: how much of it that is, with what is damaged, and gaps that silence was put into.
        used: which stream and channels of the file it was made from, where there was a choice; else "".
    """

    start_seconds: float
    flux: Float[np.ndarray, "T B"]
    level: Float[np.ndarray, "T B"]
    duration_seconds: float
    peak: float
    peaks: tuple[float, ...] = ()
    embeddings: Mapping[str, Embeddings] = field(default_factory=dict)
    spectrum: Float[np.ndarray, "U 16"] = field(default_factory=lambda: np.zeros((0, NUM_SPECTRUM_BANDS), np.float16))
    signs: SoundSigns | None = None
    missing_share: float = 0.0
    damaged_seconds: float = 0.0
    used: str = ""

    def __post_init__(self) -> None:
        if self.flux.shape != self.level.shape or self.flux.ndim != 2:
            raise ValueError(f"flux {self.flux.shape} and level {self.level.shape} must be equal (ticks, bands)")
        if self.spectrum.shape not in ((0, NUM_SPECTRUM_BANDS), (len(self.flux), NUM_SPECTRUM_BANDS)):
            raise ValueError(f"{len(self.flux)} ticks, but spectrum {self.spectrum.shape}")

    def __repr__(self) -> str:
        return f"AudioFeatures(bands: {self.flux.shape}, duration_seconds: {self.duration_seconds:.2f})"


@dataclass(frozen=True, eq=False, repr=False)
class VideoFeatures:
    """What is kept of a picture.

    Attributes:
        start_seconds: time of the first motion tick.
        motion: (T, C, G) motion levels, TICK_RATE_HZ a second; channels as in frontends.motion.MOTION_CHANNELS.
        mouths: the face tracks.
        fps: mean frames a second.
        duration_seconds: from the first frame to the end of the last.
        thumbnail_jpeg: a small picture for the report.
        scratch: the features of the video's own sound, where it was asked for and there is one.
        embeddings: unit vectors by model name, of models that look at the whole picture.
        missing_share: 0…1 of the stream that could not be read.
        damaged_seconds: how much of it that is, with what is damaged.
        used: which stream of the file it was made from, where there was a choice; else "".
    """

    start_seconds: float
    motion: Float[np.ndarray, "T C G"]
    mouths: tuple[MouthTrack, ...]
    fps: float
    duration_seconds: float
    thumbnail_jpeg: bytes = b""
    scratch: AudioFeatures | None = None
    embeddings: Mapping[str, Embeddings] = field(default_factory=dict)
    missing_share: float = 0.0
    damaged_seconds: float = 0.0
    used: str = ""

    def __post_init__(self) -> None:
        if self.motion.ndim != 3:
            raise ValueError(f"motion must be (ticks, channels, cells), got shape {self.motion.shape}")

    def __repr__(self) -> str:
        return (
            f"VideoFeatures(motion: {self.motion.shape}, {len(self.mouths)} mouths, fps: {self.fps:.2f}, "
            f"duration_seconds: {self.duration_seconds:.2f})"
        )
