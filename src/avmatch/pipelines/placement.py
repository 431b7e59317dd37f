"""Where in a sound a clip fits, or where in a clip a sound: one against many, each within a range of its own.

As in matching/fusion.py, the weighted nats of the cues are added offset by offset, and the score is the evidence with
the unknown place averaged out: any place of the range is as probable. That both last alike says nothing in a library,
where many sounds do.

Letters in shapes: M others, L offsets, C cues.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from avmatch.alignment.cuts import moved_audio, moved_video, padded_audio
from avmatch.alignment.measurement import SILENT_NATS
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, VideoFeatures
from avmatch.cues.evidence import Cue
from avmatch.cues.mouth import looks_at_faces
from avmatch.index.grid import HOP_SECONDS, Window
from avmatch.matching.fusion import NO_FACTORS, refined_peaks, weight_of
from avmatch.matching.shortlist import side_by_side

#: Offsets are tried this far apart, as in `match`.
STEP_SECONDS = 0.02
#: Places may lie this far outside what fits, and so much more of a file is read.
SLACK_SECONDS, MARGIN_SECONDS = 0.5, 0.5
#: Of a picture, so much must have a sound, or half of all of a short one.
HEARD_SHARE = 0.3
#: Others times offsets that are looked at together.
BLOCK_VALUES = 30_000


@dataclass(frozen=True)
class Span:
    """Where an offset is looked for, in seconds; positive = the sound comes late."""

    first_seconds: float
    last_seconds: float

    @property
    def length_seconds(self) -> float:
        """How wide it is."""
        return self.last_seconds - self.first_seconds


@dataclass(frozen=True, eq=False)
class Placements:
    """How well each of M others fits, and where.

    Attributes:
        nats: evidence, the place averaged out.
        offset_seconds: where it is strongest; the middle of the span where no cue says anything.
        parts: of each cue there.
        cue_names: their names.
    """

    nats: Float32[np.ndarray, " M"]
    offset_seconds: Float32[np.ndarray, " M"]
    parts: Float32[np.ndarray, "C M"]
    cue_names: tuple[str, ...]


def placements(
    cues: Sequence[Cue],
    one: VideoFeatures | AudioFeatures,
    others: Sequence[VideoFeatures | AudioFeatures],
    spans: Sequence[Span],
    spoken: Sequence[bool] | None = None,
) -> Placements:
    """Compare a picture with sounds, or a sound with pictures, each at the offsets of its span.

    Args:
        spoken: of each pair, whether its sound is speech; None = all. Faces are compared with speech alone: what they
            say of cries and of music is wrong by far more than their evidence admits.
    """
    heard = np.ones(len(others), bool) if spoken is None else np.array(spoken, bool)
    if not heard.any() or (isinstance(one, VideoFeatures) and not one.mouths):
        cues = [cue for cue in cues if not looks_at_faces(cue)]
    nats, offsets = np.zeros(len(others), np.float32), np.zeros(len(others), np.float32)
    parts = np.zeros((len(cues), len(others)), np.float32)
    blocks = _blocks(spans)

    def compare(number: int) -> None:
        block = blocks[number]
        found = _block(cues, one, [others[place] for place in block], [spans[place] for place in block], heard[block])
        nats[block], offsets[block], parts[:, block] = found

    side_by_side(compare, range(len(blocks)), "places", None)
    return Placements(nats, offsets, parts, tuple(cue.name for cue in cues))


def _blocks(spans: Sequence[Span]) -> list[list[int]]:
    """Those with spans of similar length together, at most BLOCK_VALUES offsets at once."""
    order = sorted(range(len(spans)), key=lambda number: spans[number].length_seconds)
    blocks: list[list[int]] = []
    for number in order:
        if not blocks or (len(blocks[-1]) + 1) * _num_lags(spans[number]) > BLOCK_VALUES:
            blocks.append([])
        blocks[-1].append(number)
    return blocks


@dataclass(frozen=True)
class Place:
    """Where in a file something may begin, in seconds of the file.

    Attributes:
        begin_seconds, end_seconds: what of the file is needed to look for it.
    """

    first_seconds: float
    last_seconds: float
    begin_seconds: float
    end_seconds: float

    def span(self, *, is_sound: bool) -> Span:
        """The offsets, where the file is the sound, or where it is the picture."""
        if is_sound:
            return Span(self.first_seconds, self.last_seconds)
        return Span(-self.last_seconds, -self.first_seconds)


def place_in(window: Window, duration_seconds: float, length_seconds: float) -> Place:
    """Where something of this length may begin so that it lies within a window, or the window within it; at least as
    far as half-way to where the next window looks.

    Args:
        duration_seconds: of the file.
    """
    spare = window.length_seconds - length_seconds
    is_whole = window.length_seconds >= duration_seconds
    slack = min(SLACK_SECONDS, length_seconds / 2, window.length_seconds / 2)  # something of both stays together
    reach = (abs(spare) if is_whole else max(abs(spare), HOP_SECONDS)) / 2 + slack
    middle = window.begin_seconds + spare / 2
    first, last = middle - reach, middle + reach
    return Place(first, last, max(first - MARGIN_SECONDS, 0.0), last + length_seconds + MARGIN_SECONDS)


def in_silence(audio: AudioFeatures, video_seconds: float) -> AudioFeatures:
    """A sound that is shorter than a picture, with silence around it: nothing else is heard with that picture."""
    is_short = len(audio.flux) / BAND_RATE_HZ < video_seconds - SLACK_SECONDS
    return padded_audio(audio, video_seconds) if is_short else audio


def _num_lags(span: Span) -> int:
    return 2 * int(np.ceil(span.length_seconds / (2 * STEP_SECONDS))) + 1


def _block(
    cues: Sequence[Cue],
    one: VideoFeatures | AudioFeatures,
    others: Sequence[VideoFeatures | AudioFeatures],
    spans: Sequence[Span],
    spoken: Bool[np.ndarray, " m"],
) -> tuple[Float32[np.ndarray, " m"], Float32[np.ndarray, " m"], Float32[np.ndarray, "C m"]]:
    """Of some others, each moved so that its span begins at 0."""
    lags = np.arange(max(map(_num_lags, spans))) * STEP_SECONDS
    moved = [_moved(other, span.first_seconds) for other, span in zip(others, spans, strict=True)]
    videos, audios = ([one], moved) if isinstance(one, VideoFeatures) else (moved, [one])
    curves = [weight_of(cue, NO_FACTORS) * cue.curves(videos, audios, lags).nats for cue in cues]  # type: ignore[arg-type]
    flat = np.stack([nats.reshape(len(others), len(lags)) for nats in curves])
    faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
    flat[np.ix_(np.array(faces, np.int64), np.flatnonzero(~spoken))] = 0.0
    for place, other in enumerate(moved):
        video, audio = (one, other) if isinstance(one, VideoFeatures) else (other, one)
        assert isinstance(video, VideoFeatures)
        assert isinstance(audio, AudioFeatures)
        silent = ~_is_heard(video, audio, lags)
        flat[:, place, silent] = np.minimum(flat[:, place, silent], 0.0)
    evidence = flat.sum(axis=0)
    posterior = evidence + np.stack([_log_prior(lags, span) for span in spans]).astype(np.float32)
    lengths = np.array([span.length_seconds for span in spans])
    inside = lags <= lengths[:, None] + STEP_SECONDS / 2
    says_nothing = ~(inside & (evidence != 0.0)).any(axis=1)
    rows, middle = np.arange(len(others)), np.rint(lengths / (2 * STEP_SECONDS)).astype(int)
    peak = np.where(says_nothing, middle, posterior.argmax(axis=1))
    height = posterior[rows, peak]
    nats = height + np.log(np.exp(posterior - height[:, None]).sum(axis=1))
    refined = refined_peaks(posterior[None], peak[None], lags)[0]
    firsts = np.array([span.first_seconds for span in spans], np.float32)
    return nats.astype(np.float32), (firsts + refined).astype(np.float32), flat[:, rows, peak]


def _is_heard(
    video: VideoFeatures, audio: AudioFeatures, lags_seconds: Float[np.ndarray, " L"]
) -> Bool[np.ndarray, " L"]:
    """At which offsets enough of a picture has a sound above its floor; what lies at the floor agrees with anything."""
    level = audio.level.mean(axis=1, dtype=np.float32)
    heard = level > level.min(initial=np.inf) + SILENT_NATS
    num_heard = np.concatenate([[0], np.cumsum(heard)])
    length = len(video.motion) / TICK_RATE_HZ
    first = np.rint((lags_seconds + video.start_seconds - audio.start_seconds) * BAND_RATE_HZ).astype(int)
    begin, end = (np.clip(at, 0, len(heard)) for at in (first, first + round(length * BAND_RATE_HZ)))
    enough = min(HEARD_SHARE * length * BAND_RATE_HZ, 0.5 * float(num_heard[-1]))
    return np.asarray(num_heard[end] - num_heard[begin] >= max(enough, 1.0))


def _moved(other: VideoFeatures | AudioFeatures, first_seconds: float) -> VideoFeatures | AudioFeatures:
    if isinstance(other, VideoFeatures):
        return moved_video(other, first_seconds)
    return moved_audio(other, -first_seconds)


def _log_prior(lags_seconds: Float[np.ndarray, " L"], span: Span) -> Float[np.ndarray, " L"]:
    """Over the offsets of a span, the first at 0."""
    inside = lags_seconds <= span.length_seconds + STEP_SECONDS / 2
    return np.log(np.maximum(inside / inside.sum(), 1e-30))
