"""Where does one offset end and the next begin?

For every place, the evidence of the picture before it at the one offset is added to that of the picture after it at the
other. Events are rarely closer than some tenths of a second, so that this alone leaves a second or two. What places a
break within a frame is that a cut shows: in the picture everything moves at once, in the sound all bands change or fall
at once. Whether it shows, and in which of the two, isn't known: a mixture of both and neither.

Where the offset grows by d, the picture lacks d seconds, or the sound has d seconds too many: one place of the picture.
Where it falls by d, the sound lacks them, and d seconds of the picture are without sound: the first offset ends where
they begin, the second begins where they end.

Letters in shapes: P places, T ticks, U band ticks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import maximum_filter1d
from scipy.special import logsumexp, softmax

from avmatch.alignment.cuts import between
from avmatch.alignment.offset import COVERAGE
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.frontends.motion import MOTION_CHANNELS

#: Evidence from this far on either side of a place counts.
CONTEXT_SECONDS = 8.0
#: Places that are tried at once, and how far below the best one another is looked at more closely, in nats.
NUM_PLACES, CLOSE_NATS = 40, 8.0
#: How far apart places are at last; evidence changes little in between.
CLOSE_STEP_SECONDS, MOST_LOOKS = 0.2, 3
#: How often a cut shows in the picture, in the sound, and in neither.
SHOWS_IN_PICTURE, SHOWS_IN_SOUND, SHOWS_NOWHERE = 0.45, 0.45, 0.1
#: How far a tick stands out is counted in what one tick in a hundred does; nats of that, and the most that count.
RARE_QUANTILE = 0.99
PICTURE_NATS, SOUND_NATS, MOST_NATS = 5.0, 2.0, 10.0
#: A cut lets all bands of the spectrum fall but some.
OTHER_BANDS = 4
_BANDS_PER_TICK = BAND_RATE_HZ // TICK_RATE_HZ
_JERK, _JERK_OFFSET = MOTION_CHANNELS.index("jerk"), 0.3


@dataclass(frozen=True)
class Border:
    """Between two offsets, on the picture's clock.

    Attributes:
        end_seconds: the first offset ends here, …
        begin_seconds: … and the second begins here.
        begin_interval_seconds: the 95 % interval of that; None where nothing is known of it.
    """

    end_seconds: float
    begin_seconds: float
    begin_interval_seconds: tuple[float, float] | None


def find_border(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    offsets_seconds: tuple[float, float],
    span_seconds: tuple[float, float],
) -> Border:
    """Where in a span of the picture the one offset ends and the other begins."""
    missing = max(0.0, offsets_seconds[0] - offsets_seconds[1])
    low, high = span_seconds[0], span_seconds[1] - missing
    context = low - CONTEXT_SECONDS, span_seconds[1] + CONTEXT_SECONDS
    for _ in range(MOST_LOOKS):
        places = np.linspace(low, max(high, low + 1.0 / TICK_RATE_HZ), NUM_PLACES)
        nats = _two_sided(cues, video, audio, offsets_seconds, places, context)
        near = places[nats >= nats.max() - CLOSE_NATS]
        step = places[1] - places[0]
        if step <= CLOSE_STEP_SECONDS:
            break
        low, high = max(low, near[0] - step), min(high, near[-1] + step)
        context = low - CONTEXT_SECONDS, high + missing + CONTEXT_SECONDS
    first = np.ceil((places[0] - video.start_seconds) * TICK_RATE_HZ)
    last = np.floor((places[-1] - video.start_seconds) * TICK_RATE_HZ)
    edges = video.start_seconds + (np.arange(first, last + 1) - 0.5) / TICK_RATE_HZ
    share = softmax(np.interp(edges, places, nats) + _shows(video, audio, offsets_seconds, edges))
    best = float(edges[share.argmax()])
    tails = np.searchsorted(np.cumsum(share), [0.5 * (1.0 - COVERAGE), 0.5 * (1.0 + COVERAGE)])
    early, late = edges[np.minimum(tails, len(edges) - 1)] + np.array([-0.5, 0.5]) / TICK_RATE_HZ
    interval = min(float(early), best) + missing, max(float(late), best) + missing
    return Border(best, best + missing, interval)


def _two_sided(
    cues: Sequence[Cue],
    video: VideoFeatures,
    audio: AudioFeatures,
    offsets_seconds: tuple[float, float],
    places: Float[np.ndarray, " P"],
    context_seconds: tuple[float, float],
) -> Float[np.ndarray, " P"]:
    """Evidence of what is before each place at the first offset, and of what is after it at the second."""
    missing = max(0.0, offsets_seconds[0] - offsets_seconds[1])
    begin, end = context_seconds
    before = [between(video, begin, place) for place in places]
    after = [between(video, place + missing, end) for place in places]
    nats = np.zeros(len(places))
    for cue in cues:
        for parts, offset in zip((before, after), offsets_seconds, strict=True):
            nats += cue.calibration.weight * cue.curves(parts, [audio], np.array([offset])).nats[:, 0, 0]
    return nats


def _shows(
    video: VideoFeatures, audio: AudioFeatures, offsets_seconds: tuple[float, float], places: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """Log-likelihood of a cut at each place, as far as picture and sound show one."""
    first, second = offsets_seconds
    missing, added = max(0.0, first - second), max(0.0, second - first)
    seen, heard = picture_cuts(video), sound_cuts(audio)
    picture_times = (places, places + missing)
    sound_times = (places + first, places + first + added)
    # A new frame is half a tick after the tick that shows the change; a tick of the sound holds the middle of a window.
    of_picture = [_at(seen, (at - video.start_seconds) * TICK_RATE_HZ - 0.5) for at in picture_times]
    of_sound = [_at(heard, (at - audio.start_seconds) * BAND_RATE_HZ) for at in sound_times]
    terms = [
        np.log(SHOWS_IN_PICTURE) + _relative(PICTURE_NATS * np.max(of_picture, axis=0)),
        np.log(SHOWS_IN_SOUND) + _relative(SOUND_NATS * np.max(of_sound, axis=0)),
        np.full(len(places), np.log(SHOWS_NOWHERE)),
    ]
    return np.asarray(logsumexp(terms, axis=0))


def _relative(nats: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """How much more probable a cut is here than elsewhere, in nats."""
    some = np.clip(nats, 0.0, MOST_NATS)
    return np.asarray(some - logsumexp(some) + np.log(len(some)))


def _at(values: Float[np.ndarray, " T"], ticks: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    return values[np.clip(np.rint(ticks).astype(int), 0, len(values) - 1)]


def picture_cuts(video: VideoFeatures) -> Float[np.ndarray, " T"]:
    """How much everything moves at once, at each tick."""
    jerk = video.motion[:, _JERK].astype(np.float32)
    return _stands_out(np.log(jerk + _JERK_OFFSET).mean(axis=1))


def sound_cuts(audio: AudioFeatures) -> Float[np.ndarray, " U"]:
    """How much all bands change, or nearly all of them fall, at each band tick or the next to it."""
    change = np.zeros(audio.spectrum.shape, np.float32)
    change[1:-1] = audio.spectrum[2:].astype(np.float32) - audio.spectrum[:-2]
    falls = np.sort(np.maximum(-change, 0.0), axis=1)[:, OTHER_BANDS]
    stands_out = np.maximum(_stands_out(np.abs(change).mean(axis=1)), _stands_out(falls))
    return np.asarray(maximum_filter1d(stands_out, _BANDS_PER_TICK + 1))


def _stands_out(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    middle = float(np.median(values))
    rare = float(np.quantile(values, RARE_QUANTILE)) - middle
    return np.asarray((values - middle) / max(rare, 1e-3))
