"""How well the model for any sound matches, and finds offsets; and its layers, for probes.

*Matching* (`similarities`): the same evidence as in `match`, for galleries of which all matches are known.

*Offsets* (`evaluate_event_sync`): pairs → decode each file once → motion and bands → pieces → the sound moved → offset,
as `sync` measures it. The sound of each piece is moved five times, by multiples of 0.2 s drawn with the seed: the
classes of Synchformer (Iashin et al., ICASSP 2024), among which one is chosen as well. What is moved in from before or
after a piece is its own clip's sound, and nothing where that ends. Files that can't be used are left out, and named in
notes.

*Layers* (`EventLayer`): what the model makes of the sound of a file, in windows of a second, each from the middle of
the one before: `statistics`, on which its kinds are fitted, and `output`, the vector of the kind.

Letters in shapes: W windows, D numbers, S samples, N clips, U band ticks, B bands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from avmatch.alignment.offset import OK_CONFIDENCE, estimate_offset
from avmatch.artifacts.model import EVENTS, Model, open_model
from avmatch.artifacts.tower import ClipTower, load_clip_towers
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, AudioSamples, VideoFeatures
from avmatch.core.results import Progress
from avmatch.data.packing import MediaFiles, common_part, named_pairs
from avmatch.data.tracks import MOTION_AND_BANDS, split_bands
from avmatch.evaluation.galleries import Gallery, gallery_clips, read_in_noise
from avmatch.evaluation.pieces import TalkProtocol, percents, piece_name, piece_places, piece_report, piece_shifts
from avmatch.frontends.event_signals import BANDS_PER_TICK, MIN_TICKS, sound_statistics
from avmatch.frontends.sound import SAMPLE_RATE_HZ, SoundFrontEnd
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.media.decode import read_audio
from avmatch.metrics.intervals import Share, share_of
from avmatch.reports.report import Report
from avmatch.systems.events.runtime import KIND, EventCue, KindCue, load_event_model

WINDOW_SECONDS, STATISTICS, OUTPUT = 1.0, "statistics", "output"


@dataclass(frozen=True, eq=False)
class EventLayer:
    """A layer, which turns a file into the features of its windows.

    Attributes:
        model, layer: their names.
        tower: None = the statistics as they are.
    """

    model: str
    layer: str
    tower: ClipTower | None

    def __call__(self, path: str) -> Float32[np.ndarray, "W D"]:
        """The features of a file's windows; silence follows a sound that is shorter than a window.

        Raises:
            MediaError: it can't be read.
            ModelError: the graph can't take it.
        """
        samples = read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ).data[0]
        front_end = SoundFrontEnd()
        front_end.push(AudioSamples(np.pad(samples, (0, max(SAMPLE_RATE_HZ - len(samples), 0)))[None], SAMPLE_RATE_HZ))
        features = front_end.finish()
        assert features is not None  # a second at least
        size = round(WINDOW_SECONDS * BAND_RATE_HZ)
        begins = range(0, len(features.spectrum) - size + 1, size // 2)
        statistics = [sound_statistics(features.spectrum[begin : begin + size]) for begin in begins]
        return np.concatenate(statistics) if self.tower is None else self.tower.encode(statistics)


def event_layer(model: str, folder: Path, layer: str | None = None) -> EventLayer:
    """A layer of the model in `folder`: STATISTICS (None) or OUTPUT. Raises ModelError for any other."""
    layer = layer or STATISTICS
    if layer not in (STATISTICS, OUTPUT):
        raise ModelError(f"{model}: no layer {layer!r}; there are {STATISTICS}, {OUTPUT}")
    return EventLayer(model, layer, load_clip_towers(folder / KIND).audio if layer == OUTPUT else None)


#: Offsets at which a sound may match, as `match` has them.
LAGS_SECONDS = np.arange(-TICK_RATE_HZ, TICK_RATE_HZ + 1) / TICK_RATE_HZ


def similarities(
    model: str | Path | Model, gallery: Gallery, conditions: Sequence[float | None], seed: int
) -> list[Float32[np.ndarray, "N N"]]:
    """The evidence in nats of every video with every audio, in each condition.

    Args:
        conditions: signal-to-noise ratios in dB; None = as it is.

    Raises:
        MediaError: a file can't be used; a gallery with gaps would measure something else.
        UsageError: noise is wanted on shards, which hold no waveforms, or they were packed otherwise.
    """
    loaded = load_event_model(model)
    cues = (EventCue(loaded), KindCue(loaded))
    clips = list(gallery_clips(gallery, MOTION_AND_BANDS, conditions, seed))
    videos = [video_features(motion) for motion, _ in clips]
    matrices = []
    for place in range(len(conditions)):
        audios = [audio_features(sounds[place]) for _, sounds in clips]
        matrices.append(fused_scores(cues, videos, audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS)).nats)
    return matrices


def video_features(motion: np.ndarray) -> VideoFeatures:
    """As the analysis of a file has it."""
    return VideoFeatures(0.5 / TICK_RATE_HZ, motion, (), float(TICK_RATE_HZ), len(motion) / TICK_RATE_HZ)


def audio_features(bands: np.ndarray, start_seconds: float = 0.0) -> AudioFeatures:
    """The same of a sound that begins then."""
    flux, level, spectrum = split_bands(bands)
    seconds = len(bands) / BAND_RATE_HZ
    return AudioFeatures(start_seconds + 0.5 / BAND_RATE_HZ, flux, level, seconds, peak=1.0, spectrum=spectrum)


#: Offsets that are searched, pieces, and the classes.
MAX_OFFSET_SECONDS, PIECE_SECONDS, CLASS_SECONDS, LAST_CLASS = 2.0, 5.0, 0.2, 10
_CLASSES_SECONDS = np.arange(-LAST_CLASS, LAST_CLASS + 1) * CLASS_SECONDS
_CLASS_TICKS = round(CLASS_SECONDS * TICK_RATE_HZ)
#: Of a float's rounding.
_TINY_SECONDS = 1e-6


@dataclass(frozen=True)
class EventSyncRow:
    """Pieces of one length in one condition; shares of the moved pieces.

    Attributes:
        piece_seconds: 0 = whole clips.
        in_frame, in_80_ms, in_200_ms: whose offset is within a frame of 40 ms, 80 ms, 200 ms.
        in_class, near_class: whose class of 0.2 s is the right one, or one beside it.
        ok: of which `sync` would be sure.
        right_of_ok: of these, within 80 ms; None if there are none.
    """

    piece_seconds: float
    snr_db: float | None
    in_frame: Share
    in_80_ms: Share
    in_200_ms: Share
    in_class: Share
    near_class: Share
    ok: Share
    right_of_ok: Share | None
    num_pieces: int
    num_groups: int


@dataclass(frozen=True)
class EventSyncResult:
    """All rows of one evaluation; `notes` say what was left out, for a person."""

    model: str
    data: str
    protocol: TalkProtocol
    rows: tuple[EventSyncRow, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """Two tables: offsets, and classes of 0.2 s."""
        searched = self.protocol.max_offset_seconds or MAX_OFFSET_SECONDS
        offsets = [["piece", "±40 ms", "±80 ms", "±200 ms", "ok", "right of ok", "n", "groups"]]
        classes = [["piece", "class", "±1 class", "n", "groups"]]
        for row in self.rows:
            label = piece_name(row.piece_seconds, row.snr_db)
            size = [str(row.num_pieces), str(row.num_groups)]
            within = [row.in_frame, row.in_80_ms, row.in_200_ms, row.ok, row.right_of_ok]
            offsets.append([label, *percents(within), *size])
            classes.append([label, *percents([row.in_class, row.near_class]), *size])
        title = f"Offsets among ±{searched:g} s, and those of which sync would be sure (right: ±80 ms), %"
        tables = {title: offsets, "One of 21 classes of 0.2 s among ±2 s, %": classes}
        return piece_report("sync", "Offsets", asdict(self), tables)


@dataclass(frozen=True, eq=False)
class _Clip:
    """Motion (T, M, 64), and bands (4·T, 32) in each condition, of one time."""

    name: str
    group: str
    motion: np.ndarray
    bands: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _Trial:
    group: str
    error_seconds: float
    class_error: int
    is_sure: bool


def evaluate_event_sync(
    model: str | Path | Model, data: str | Path, protocol: TalkProtocol, *, progress: Progress | None = None
) -> EventSyncResult:
    """Measure `model` on the pairs of `data` (data/layouts.py).

    Raises:
        UsageError: no pair is there, can be used, or is as long as a piece; K frames are asked for.
        ModelError: the model can't be used.
    """
    opened = open_model(model, EVENTS)
    if protocol.ks is not None:
        raise UsageError(f"--k counts frames of talking faces; {opened.name} is measured on pieces (--piece)")
    cue = EventCue(load_event_model(opened))
    conditions: tuple[float | None, ...] = (None, *protocol.noise_snr_db)
    notes: list[str] = []
    lengths = protocol.pieces_seconds or (PIECE_SECONDS,)
    found: dict[tuple[float, int], list[list[_Trial]]] = {
        (seconds, number): [] for seconds in lengths for number in range(len(conditions))
    }
    for clip in _clips(data, protocol, conditions, notes, progress):
        for (seconds, number), pieces in found.items():
            for begin, end in piece_places(len(clip.motion), seconds, TICK_RATE_HZ):
                if end - begin >= MIN_TICKS:
                    pieces.append(list(_trials(cue, clip, begin, end, number, protocol)))
    rows = [
        _row(seconds, conditions[number], pieces, protocol.seed)
        for (seconds, number), pieces in found.items()
        if pieces
    ]
    notes += [
        f"{data}: no clip is as long as {piece_name(length)}: left out" for length in lengths if not found[length, 0]
    ]
    if not rows:
        raise UsageError(f"{data}: nothing can be measured; {notes[-1]}")
    return EventSyncResult(opened.name, str(data), protocol, tuple(rows), tuple(notes))


def _clips(
    data: str | Path,
    protocol: TalkProtocol,
    conditions: Sequence[float | None],
    notes: list[str],
    progress: Progress | None,
) -> Iterator[_Clip]:
    pairs = {name: pair for name, pair in named_pairs(data).items() if protocol.split in (None, pair.split)}
    if not pairs:
        raise UsageError(f"{data}: has no pair with the split {protocol.split!r}")
    files = MediaFiles(
        pairs.values(), partial(read_in_noise, MOTION_AND_BANDS, conditions, protocol.seed, protocol.noise_kind)
    )
    for done, (name, pair) in enumerate(pairs.items(), start=1):
        try:
            video, sounds = files.tracks(pair)
            parts = [common_part(pair, video, sound, MOTION_AND_BANDS) for sound in sounds]
            yield _Clip(name, pair.group, parts[0][0], tuple(bands for _, bands in parts))
        except MediaError as error:
            notes.append(f"{error}; left out")
        if progress is not None:
            progress("clips", done, len(pairs))


def _trials(
    cue: EventCue, clip: _Clip, begin: int, end: int, condition: int, protocol: TalkProtocol
) -> Iterator[_Trial]:
    reach = protocol.max_offset_seconds or MAX_OFFSET_SECONDS
    most = min(LAST_CLASS, int(reach / CLASS_SECONDS + _TINY_SECONDS))
    video = video_features(clip.motion[begin:end])
    for shift in piece_shifts(clip.name, (begin, end), most, protocol.seed):
        audio = _late(clip.bands[condition], begin, end, shift * _CLASS_TICKS)
        estimate = estimate_offset((cue,), video, audio, max_offset_seconds=reach)
        error = np.inf if estimate.offset_seconds is None else abs(estimate.offset_seconds - shift * CLASS_SECONDS)
        chosen = _chosen_class(cue, video, audio)
        wrong_by = 2 * LAST_CLASS + 1 if chosen is None else abs(chosen - shift)
        yield _Trial(clip.group, float(error), wrong_by, estimate.confidence >= OK_CONFIDENCE)


def _late(bands: Float[np.ndarray, "U B"], begin: int, end: int, late_ticks: int) -> AudioFeatures:
    """The sound from tick `begin` to `end` when the clip's sound comes so late."""
    first, last = max(begin - late_ticks, 0), min(end - late_ticks, len(bands) // BANDS_PER_TICK)
    missing_seconds = (first - (begin - late_ticks)) / TICK_RATE_HZ
    return audio_features(bands[first * BANDS_PER_TICK : max(last, first) * BANDS_PER_TICK], missing_seconds)


def _chosen_class(cue: EventCue, video: VideoFeatures, audio: AudioFeatures) -> int | None:
    """The class that fits best; None where the cue abstains."""
    curves = cue.curves([video], [audio], _CLASSES_SECONDS)
    return None if curves.reason() else int(curves.nats[0, 0].argmax()) - LAST_CLASS


def _row(seconds: float, snr_db: float | None, pieces: Sequence[Sequence[_Trial]], seed: int) -> EventSyncRow:
    trials = [trial for piece in pieces for trial in piece]
    groups = [trial.group for trial in trials]
    share = partial(share_of, groups=groups, seed=seed)
    error = np.array([trial.error_seconds for trial in trials])
    off = np.array([trial.class_error for trial in trials])
    sure = np.array([trial.is_sure for trial in trials])
    in_frame, in_80_ms, in_200_ms = (error <= limit + _TINY_SECONDS for limit in (1 / TICK_RATE_HZ, 0.08, 0.2))
    return EventSyncRow(
        seconds,
        snr_db,
        share(in_frame),
        share(in_80_ms),
        share(in_200_ms),
        share(off == 0),
        share(off <= 1),
        share(sure),
        share_of(in_80_ms[sure], list(compress(groups, sure)), seed) if sure.any() else None,
        len(pieces),
        len(set(groups)),
    )
