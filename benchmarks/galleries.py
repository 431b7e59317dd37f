"""Random galleries of real and made pieces, as `match` decides them: what benchmarks/confidence.py is fitted on.

WORK as in benchmarks/belonging.py, which cuts the pieces: talking people that `lips` wasn't trained on, and events by
the model of the fold that hasn't seen the recording. All pictures of a family are scored with all its sounds, which
begin together with them or up to 0.4 s apart:

    talk 4 s, 2 s, 1 s    pieces of so many seconds
    events, mixed         pieces of 5 s of one fold; the same and a fifth of the people
    made                  700 pieces of people and one fold, cropped, shifted and perturbed (noise on vectors and
                          signals). Two of one clip aren't foreign: their score is that with another clip's sound
    synth                 scenes that were made (`avmatch synth`)

Galleries of 2 to 48 (of `made` 300 to 700) are drawn, with none, a third, half or all of the partners missing on both
sides. They are assigned as `match` does it at first, and the pairs are measured as `sync` does it; of large galleries
those of 60 videos. Scores and measured pairs stay in WORK/confidence: delete it after a change of features or models.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import events
import numpy as np
from belonging import MAX_OFFSET_SECONDS, Piece, fold_models, pieces
from clips import gallery

from avmatch.alignment.cuts import between, moved_video
from avmatch.alignment.offset import estimate_offset
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import PeakFigures
from avmatch.cues.mouth import looks_at_faces
from avmatch.matching.assignment import one_to_one
from avmatch.matching.decision import by_gallery, figures
from avmatch.matching.fusion import usual_offsets
from avmatch.matching.settings import MatchSettings
from avmatch.matching.shortlist import gallery_scores
from avmatch.pipelines.match import cues_for
from avmatch.pipelines.models import Models, models_with
from avmatch.pipelines.pairs import LEAST_CONFIDENCE
from avmatch.pipelines.sync import cues_for as sync_cues_for
from avmatch.synth import SynthConfig, synthesise
from matching import LAGS_SECONDS

MISSING = {"none": 0.0, "a third": 1 / 3, "half": 0.5, "all": 1.0}
SIZES, LARGE_SIZES = (2, 3, 5, 8, 12, 20, 30, 48), (300, 450, 700)
#: Galleries of each part of a family for each share that is missing; of the large ones, one of each size.
NUM_GALLERIES = {"talk 4 s": 20, "talk 2 s": 20, "talk 1 s": 20, "events": 5, "mixed": 5, "made": 3, "synth": 10}
NUM_MADE, NUM_VIDEOS, NUM_SYNTH = 700, 60, 60
MOST_NOISE, MOST_LATE_SECONDS = 0.5, 0.4


class Own(NamedTuple):
    """What was measured of a pair, and whether a face decided."""

    figures: PeakFigures
    by_face: bool


@dataclass(frozen=True, eq=False)
class Family:
    """Pictures and sounds, the own sound of each in its place, and what is known of their pairs.

    Attributes:
        kept: where that lies.
        paths, groups, kinds: (N,) clip, recording and kind of each.
        nats, by_face, parts: (N, N), (N, N), (C of N, N), as in matching/fusion.py.
        others: (N, N) which sound was compared; that of another clip instead of another piece of the same.
        measured: pairs so far; None where no cue could tell.
    """

    name: str
    kept: Path
    models: Models
    paths: np.ndarray
    groups: np.ndarray
    kinds: np.ndarray
    videos: list[VideoFeatures]
    audios: list[AudioFeatures]
    nats: np.ndarray = field(init=False)
    by_face: np.ndarray = field(init=False)
    parts: dict[str, np.ndarray] = field(init=False)
    others: np.ndarray = field(init=False)
    measured: dict[tuple[int, int], Own | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kept.exists():
            self.__dict__.update(pickle.loads(self.kept.read_bytes()))
            return
        cues = cues_for(MatchSettings(), self.models)
        found = gallery_scores(cues, self.videos, self.audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS))
        faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
        num, rng = len(self.videos), np.random.default_rng(5)
        others = np.tile(np.arange(num), (num, 1))
        while (
            self.name == "made"
            and (same := (self.paths[others] == self.paths[:, None]) & ~np.eye(num, dtype=bool)).any()
        ):
            others[same] = rng.integers(num, size=same.sum())
        chosen = np.arange(num)[:, None], others
        parts = {cue: part[chosen].astype(np.float16) for cue, part in zip(found.cue_names, found.parts, strict=True)}
        by_face = np.isin(found.deciding, faces)[chosen]
        self.__dict__.update(nats=found.nats[chosen], by_face=by_face, parts=parts, others=others.astype(np.int16))

    def own(self, row: int, column: int) -> Own | None:
        """As `sync` measures it, once."""
        pair = row, int(self.others[row, column])
        if pair not in self.measured:
            cues, video, audio = sync_cues_for(self.models), self.videos[row], self.audios[pair[1]]
            found = estimate_offset(cues, video, audio, max_offset_seconds=MAX_OFFSET_SECONDS)
            by_face = any(cue.name == found.cue and looks_at_faces(cue) for cue in cues)
            self.measured[pair] = None if found.figures is None else Own(found.figures, by_face)
        return self.measured[pair]

    def keep(self) -> None:
        names = ("nats", "by_face", "parts", "others", "measured")
        self.kept.write_bytes(pickle.dumps({name: getattr(self, name) for name in names}))


def families(work: Path) -> Iterator[Family]:
    """All of them, one at a time."""
    (work / "confidence").mkdir(exist_ok=True)
    talk, some_events = pieces(work, "talk"), pieces(work, "events")
    known = events.fold_of()
    for start in ("together", "apart"):
        yield paired(work, "talk 4 s", start, talk, 0)
        yield paired(work, "talk 2 s", start, [part for piece in talk for part in shorter(piece, 2.0)], 0)
        yield paired(work, "talk 1 s", start, [part for piece in talk for part in shorter(piece, 1.0)], 0)
    for fold in range(events.FOLDS):
        of_fold = [piece for piece in some_events if known.get(piece.group, by_name(piece)) == fold]
        people = [piece for piece in talk if by_name(piece) == fold]
        start = ("together", "apart")[fold % 2]
        yield paired(work, "events", f"{fold} {start}", of_fold, fold)
        yield paired(work, "mixed", f"{fold} {start}", of_fold + people, fold)
        if fold == 0:
            yield paired(work, "made", "apart", talk + of_fold, fold)
    yield synthetic(work)


def by_name(piece: Piece) -> int:
    """The fold of a recording that no model of `events` has seen."""
    return zlib.crc32(piece.group.encode()) % events.FOLDS


def paired(work: Path, name: str, part: str, cut: list[Piece], fold: int) -> Family:
    """The pictures and the sounds of these pieces."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {part}".encode()))
    if name == "made":
        cut = [cropped(cut[number], rng) for number in rng.integers(len(cut), size=NUM_MADE)]
    lates = rng.uniform(-MOST_LATE_SECONDS, MOST_LATE_SECONDS, len(cut)) * part.endswith("apart")
    videos = [piece.video for piece in cut]
    audios = [piece.sound(float(late)) for piece, late in zip(cut, lates, strict=True)]
    if name == "made":
        videos, audios = [noisy_video(one, rng) for one in videos], [noisy_audio(one, rng) for one in audios]
    return Family(
        name,
        work / "confidence" / f"{name} {part}.pkl",
        fold_models(work, fold),
        paths=np.array([piece.path for piece in cut]),
        groups=np.array([piece.group for piece in cut]),
        kinds=np.array(["talk" if piece.family == "talk" else piece.label.split(":")[0] for piece in cut]),
        videos=videos,
        audios=audios,
    )


def synthetic(work: Path) -> Family:
    """Scenes that were made."""
    folder = work / "synth"
    if not (folder / "truth.csv").exists():
        synthesise(folder, SynthConfig(NUM_SYNTH, seed=105))
    items = gallery(folder, work / "cache")
    scenes = np.array([f"scene {number}" for number in range(len(items.truth))])
    audios = [items.audios[column] for column in items.truth]
    kept = work / "confidence" / "synth.pkl"
    return Family("synth", kept, models_with(None), scenes, scenes, np.full(len(scenes), "synth"), items.videos, audios)


def shorter(piece: Piece, length: float) -> Iterator[Piece]:
    """Its parts of this length, every other second."""
    for begin in np.arange(0.0, piece.length_seconds - length + 0.1, 2.0):
        yield part_of(piece, float(begin), length)


def part_of(piece: Piece, begin: float, length: float) -> Piece:
    video = moved_video(between(piece.video, begin, begin + length), -begin)
    return replace(piece, begin_seconds=piece.begin_seconds + begin, length_seconds=length, video=video)


def cropped(piece: Piece, rng: np.random.Generator) -> Piece:
    """A half of it or more."""
    length = piece.length_seconds * rng.uniform(0.5, 1.0)
    return part_of(piece, rng.uniform(0.0, piece.length_seconds - length), length)


def noisy_video(video: VideoFeatures, rng: np.random.Generator) -> VideoFeatures:
    """With noise on signals and vectors."""
    noise = rng.uniform(0.0, MOST_NOISE)
    mouths = tuple(
        replace(track, signals=noisy(track.signals, noise, rng), embeddings=noisy_vectors(track.embeddings, noise, rng))
        for track in video.mouths
    )
    vectors = noisy_vectors(video.embeddings, noise, rng)
    return replace(video, motion=noisy(video.motion, noise, rng), mouths=mouths, embeddings=vectors)


def noisy_audio(audio: AudioFeatures, rng: np.random.Generator) -> AudioFeatures:
    """The same of a sound."""
    noise = rng.uniform(0.0, MOST_NOISE)
    signals = {name: noisy(getattr(audio, name), noise, rng) for name in ("flux", "level", "spectrum")}
    return replace(audio, **signals, embeddings=noisy_vectors(audio.embeddings, noise, rng))


def noisy(values: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """`noise` of each channel's deviation over time; within its range."""
    exact = values.astype(np.float32)
    if not len(exact):
        return values
    changed = exact + noise * exact.std(axis=0) * rng.standard_normal(exact.shape, np.float32)
    return np.clip(changed, exact.min(axis=0), exact.max(axis=0)).astype(values.dtype)


def noisy_vectors(vectors: Mapping[str, Embeddings], noise: float, rng: np.random.Generator) -> dict[str, Embeddings]:
    """`noise` of their length, and of length one again."""
    found = {}
    for name, one in vectors.items():
        data = one.data + noise * rng.standard_normal(one.data.shape) / np.sqrt(one.data.shape[1])
        length = np.maximum(np.linalg.norm(data, axis=1, keepdims=True), 1e-6)
        found[name] = replace(one, data=(data / length).astype(one.data.dtype))
    return found


@dataclass(frozen=True, eq=False)
class Decision:
    """What is known of a video in a gallery, and of the pair that it was given at first.

    Attributes:
        missing, gallery: the share of partners that is missing, and which gallery of the family that is.
        has: whether the video's partner is there; `right`: it was given.
        terms: (4,) figures of the pair in the gallery; zeros where it was given none.
        seconds: length of the picture.
        own: what was measured of the pair; None where nothing was.
        parts: nats of the pair by cue.
    """

    family: str
    missing: str
    gallery: str
    size: int
    group: str
    kind: str
    has: bool
    given: bool
    right: bool
    by_face: bool
    terms: np.ndarray
    seconds: float
    own: Own | None
    parts: dict[str, float]


def decisions(family: Family) -> list[Decision]:
    """Those of random galleries."""
    found: list[Decision] = []
    num, is_large = len(family.nats), family.name == "made"
    rng = np.random.default_rng(zlib.crc32(family.kept.name.encode()))
    for missing, share in MISSING.items():
        for number in range(NUM_GALLERIES[family.name]):
            size = LARGE_SIZES[number] if is_large else int(rng.choice(SIZES))
            size = min(size, int(num / (1 + share)))
            drawn, own = rng.permutation(num), round(size * (1 - share))
            rows = rng.permutation(drawn[:size])
            columns = rng.permutation(np.concatenate([drawn[:own], drawn[size : 2 * size - own]]))
            found += _decided(family, missing, f"{family.kept.stem} {missing} {number}", rows, columns)
    family.keep()
    return found


def _decided(family: Family, missing: str, name: str, rows: np.ndarray, columns: np.ndarray) -> Iterator[Decision]:
    pairs = np.ix_(rows, columns)
    terms, by_face = figures(family.nats[pairs]), family.by_face[pairs]
    seconds = np.array([family.videos[int(row)].duration_seconds for row in rows])
    partner = one_to_one(by_gallery(terms, by_face, seconds), min_confidence=LEAST_CONFIDENCE)
    has = np.isin(rows, columns)
    for place in range(min(len(rows), NUM_VIDEOS)):
        row, given = int(rows[place]), int(partner[place])
        column = int(columns[given])
        yield Decision(
            *(family.name, missing, name, len(rows), str(family.groups[row]), str(family.kinds[row]), bool(has[place])),
            given=given >= 0,
            right=given >= 0 and column == row,
            by_face=bool(by_face[place, given]) and given >= 0,
            terms=terms[place, given] * (given >= 0),
            seconds=float(seconds[place]),
            own=family.own(row, column) if given >= 0 else None,
            parts={cue: float(part[row, column]) * (given >= 0) for cue, part in family.parts.items()},
        )
