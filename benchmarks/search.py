"""Must-show of `search`: silent pieces of real recordings against ESC-10's 400 sounds and their own recording.

    python benchmarks/search.py WORK [--folds 0 1 2 3 4] [--encoders WORK/student-{fold}] [--every 1]

Folds and models are those of benchmarks/events.py in the same WORK; with --encoders those of benchmarks/semantic.py as
well, for which a map is fitted to the pieces of the other folds. So neither has learned from any recording of a fold.

The library of a fold holds the 400 sounds of ESC-10 and the whole sound of each clip, up to 10 s. A query is the
picture of 5 s of a clip, cut out of its features. *Own*: its own clip's sound among ESC-10's, other clips left out; the
place is right within 80 ms. *Own among all*: among ESC-10's and the sounds of all other recordings of the collection,
which other folds' models have learned from, so that only the own sound and those of its fold are new to the models.
*Kinds*: the first ten sounds of other recordings of the fold; how many have the class of the query. Ties count against
the system; intervals are over recordings.

What is found is kept piece by piece in WORK/answers-FOLD.jsonl; a run that is broken off goes on from there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import events
import numpy as np
import semantic
from clips import SHARED, Piece, pieces, usable
from scipy.optimize import minimize_scalar

from avmatch.alignment.cuts import between, moved_video
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.encoder import Encoders, open_encoder
from avmatch.core.files import content_hash
from avmatch.data.inputs import list_audio
from avmatch.index.library import FileState, Library
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.models import Models, models_with
from avmatch.pipelines.pooled import Comparison, comparison, content_of
from avmatch.pipelines.search import confidences
from avmatch.pipelines.searcher import LISTED, Found, Placed, Searcher
from avmatch.systems.semantic.task import SemanticPairs

WAYS = ("one vector", "over time", "both")
TOPS = (1, 5, 20)
NEAR_SECONDS = 0.08


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found for one piece.

    Attributes:
        rank: of its own sound among ESC-10's, by each of WAYS.
        rank_among_all: of its own sound among all, by each of WAYS.
        error_seconds: of its place; infinite where it wasn't compared over time.
        same_kind: share of the first ten of other recordings that have its class, by each of WAYS; NaN where there are
            fewer than ten.
        usual_kind: share of all sounds of other recordings.
        nats: of its own sound, then of ESC-10's.
    """

    piece: Piece
    rank: np.ndarray
    rank_among_all: np.ndarray
    error_seconds: float
    same_kind: np.ndarray
    usual_kind: float
    nats: np.ndarray

    def to_json(self) -> str:
        """All but the piece."""
        kept = {name: one for name, one in vars(self).items() if name != "piece"}
        return json.dumps({name: one.tolist() if isinstance(one, np.ndarray) else one for name, one in kept.items()})

    @classmethod
    def of(cls, piece: Piece, text: str) -> Answer:
        """Back."""
        return cls(piece, **{k: np.array(v) if isinstance(v, list) else v for k, v in json.loads(text).items()})


@dataclass(frozen=True)
class Sounds:
    """What lies in a fold's library.

    Attributes:
        contents: the content of each path.
        labels: a piece of each content of the collection.
        of_fold: the contents of the fold's own clips.
    """

    contents: dict[str, int]
    labels: dict[int, Piece]
    of_fold: frozenset[int]

    def is_foreign(self, content: int, piece: Piece) -> bool:
        """Whether it is of ESC-10, or of another recording."""
        return content not in self.labels or self.labels[content].group != piece.group


def compared(work: Path, fold: int, encoders: str | None, chosen: list[Piece]) -> Comparison:
    """By models that have learned from no recording of the fold."""
    usual = models_with(None)
    model = events.trained(work, fold, None if encoders or ready(work, fold) else events.packed(work))
    if encoders is None:
        return comparison(Models(usual.towers, model))
    folder = Path(encoders.replace("{fold}", str(fold)))
    both = Encoders(*(open_encoder(folder / f"{side}.onnx", side) for side in ("video", "audio")))
    folds = events.fold_of()
    others = [piece for piece in chosen if folds[piece.group] != fold]
    found = semantic.encoded(work, chosen, both)
    rows = [row for row, piece in enumerate(chosen) if folds[piece.group] != fold]
    task = SemanticPairs(str(both.video.graph.path), str(both.audio.graph.path))
    names = [piece.label.partition(":")[0].strip() for piece in others]
    groups = [piece.group for piece in others]
    cue = semantic.fitted(work / f"map-{fold}", task, [found[row] for row in rows], names, groups)
    return comparison(Models(usual.towers, model, (cue,), cue.encoders))


def ready(work: Path, fold: int) -> bool:
    """Whether the fold's model is there."""
    return (work / f"fold-{fold}" / "model" / "video.onnx").is_file()


def indexed(folder: Path, by: Comparison, paths: list[str], cache: Path) -> None:
    """An index of sounds by any models; what is there stays."""
    analyser = Analyser(cache, by.models.towers, 1, encoders=by.models.encoders)
    with Library(folder, writes=True) as store:
        store.set(side="audio", model="events", fingerprint=by.fingerprint, width=str(by.rows.width))

        def take(path: str) -> None:
            found = content_hash(path)
            if not store.holds(found):
                store.put(path, FileState.of(path), content_of(by, analyser.audio(path), found))

        usable(analyse_all(take, paths, "sounds"))


def own_first(placed: list[Placed], own: int, way: str) -> tuple[int, np.ndarray]:
    """The rank of a content among all, each once, and their evidence, its own first."""

    def worth(item: Placed) -> float:
        of_rows = item.found.nats
        return {"one vector": of_rows, "over time": item.nats - of_rows, "both": item.nats}[way]

    best: dict[int, float] = {}
    for item in placed:
        best[item.found.content] = max(best.get(item.found.content, -np.inf), worth(item))
    ours = best.pop(own, -np.inf)
    others = np.array(list(best.values()))
    return 1 + int((others >= ours).sum()), np.concatenate([[ours], others])


def answered(searcher: Searcher, piece: Piece, query, sounds: Sounds) -> Answer:
    """Search for one piece."""
    own, labels = sounds.contents[str(piece.path)], sounds.labels
    listed = searcher.listed(query, num=1 << 20)
    among = [found for found in listed if found.content == own or found.content not in labels][:LISTED]
    placed = searcher.placed(query, among)
    ranks = [own_first(placed, own, way) for way in WAYS]
    at = next((item.at_seconds for item in placed if item.found.content == own), np.inf)
    foreign = [found for found in listed if found.content == own or sounds.is_foreign(found.content, piece)][:LISTED]
    among_all = [own_first(searcher.placed(query, foreign), own, way)[0] for way in WAYS]
    others = [one for one in listed if one.content in sounds.of_fold and labels[one.content].group != piece.group]
    shares = [same_kind(rows, piece, labels) for rows in by_ways(searcher.placed(query, others), others)]
    usual = float(np.mean([kind_of(labels[found.content]) == kind_of(piece) for found in others]))
    rank = np.array([rank for rank, _ in ranks])
    error = float(at - piece.begin_seconds)
    return Answer(piece, rank, np.array(among_all), error, np.array(shares), usual, ranks[-1][1])


def by_ways(placed: list[Placed], listed: list[Found]) -> list[list[int]]:
    """Contents, the best first, by each of WAYS."""
    over_time = sorted(placed, key=lambda item: item.found.nats - item.nats)
    return [[one.content for one in listed], *([item.found.content for item in some] for some in (over_time, placed))]


def same_kind(contents: list[int], piece: Piece, labels: dict[int, Piece]) -> float:
    """Among the first ten."""
    first = list(dict.fromkeys(contents))[:10]
    return float(np.mean([kind_of(labels[one]) == kind_of(piece) for one in first])) if len(first) == 10 else np.nan


def kind_of(piece: Piece) -> str:
    return piece.label.partition(":")[0].strip()


def searched(work: Path, fold: int, encoders: str | None, chosen: list[Piece], every: int) -> list[Answer]:
    """All pieces of a fold."""
    folds = events.fold_of()
    asked = {f"{one.path.name} {one.begin_seconds:g}": one for one in chosen if folds[one.group] == fold}
    asked = dict(list(asked.items())[::every])
    log = work / f"answers-{fold}{'' if encoders else '-events'}.jsonl"
    known = dict(line.split("\t", 1) for line in log.read_text().splitlines()) if log.is_file() else {}
    missing = {name: piece for name, piece in asked.items() if name not in known}
    if missing:
        with log.open("a") as file:
            for name, answer in zip(missing, found(work, fold, encoders, chosen, list(missing.values())), strict=True):
                known[name] = answer.to_json()
                print(name, known[name], sep="\t", file=file, flush=True)
    return [Answer.of(piece, known[name]) for name, piece in asked.items()]


def found(work: Path, fold: int, encoders: str | None, chosen: list[Piece], asked: list[Piece]) -> Iterator[Answer]:
    """Search for pieces of a fold."""
    folds, cache = events.fold_of(), work / "cache"
    by = compared(work, fold, encoders, chosen)
    clips = list(dict.fromkeys(str(piece.path) for piece in chosen))
    folder = work / f"index-{fold}-{'semantic' if encoders else 'events'}"
    indexed(folder, by, [*list_audio(SHARED / "esc10"), *clips], cache)
    analyser = Analyser(cache, by.models.towers, 1, encoders=by.models.encoders)
    with Searcher(folder, by) as searcher:
        rows = dict(searcher.store._all("SELECT path, content FROM file"))
        labels = {rows[str(piece.path)]: piece for piece in chosen}
        own = frozenset(rows[str(piece.path)] for piece in chosen if folds[piece.group] == fold)
        for piece in asked:
            begin, end = piece.begin_seconds, piece.begin_seconds + piece.length_seconds
            video = usable(analyse_all(analyser.video, [str(piece.path)], "videos"))[0]
            query = moved_video(between(video, begin, end), -begin)
            yield answered(searcher, piece, query, Sounds(rows, labels, own))


def share(values: np.ndarray, groups: list[str]) -> str:
    """In %, with an interval over recordings."""
    known = np.isfinite(values)
    ours = np.unique([group for group, one in zip(groups, known, strict=True) if one], return_inverse=True)[1]
    interval = bootstrap_interval(values[known].astype(float), 0, group=ours)
    return f"{100 * values[known].mean():5.1f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def report(answers: list[Answer]) -> None:
    """All figures."""
    for kind in ("", "impact", "pouring", "musical", "animal"):
        some = [answer for answer in answers if answer.piece.label.startswith(kind)]
        if not some:
            continue
        groups = [answer.piece.group for answer in some]
        print(f"\n{kind or 'all'}: {len(some)} pieces of {len(set(groups))} recordings")
        for place, way in enumerate(WAYS):
            rank = np.array([answer.rank[place] for answer in some])
            tops = "  ".join(f"top {top} {share(rank <= top, groups)}" for top in TOPS)
            same = np.array([answer.same_kind[place] for answer in some])
            print(f"  {way:10s} own {tops}   class precision@10 {share(same, groups)}")
            rank = np.array([answer.rank_among_all[place] for answer in some])
            tops = "  ".join(f"top {top} {share(rank <= top, groups)}" for top in TOPS)
            print(f"  {'':10s} own among all {tops}")
        usual = 100 * np.mean([answer.usual_kind for answer in some])
        print("  chance     own " + "  ".join(f"top {top} {100 * top / 401:.1f}" for top in TOPS), end="")
        print(f"   class precision@10 {usual:.1f}")
        near = np.array([abs(answer.error_seconds) <= NEAR_SECONDS for answer in some])
        print(f"  place within 80 ms {share(near, groups)}")


def believed(answers: list[Answer]) -> None:
    """The slope of confidences: of the first hit, with its own sound in the library and without it."""
    hits = [(answer.nats, answer.nats[0] > answer.nats[1:].max()) for answer in answers]
    cases = [*hits, *((answer.nats[1:], False) for answer in answers)]

    def sure(slope: float) -> np.ndarray:
        return np.array([max(confidences(nats[np.isfinite(nats)], len(nats), slope)) for nats, _ in cases])

    def loss(slope: float) -> float:
        chance, right = np.clip(sure(slope), 1e-6, 1 - 1e-6), np.array([one for _, one in cases])
        return float(-np.log(np.where(right, chance, 1 - chance)).mean())

    best = minimize_scalar(loss, bounds=(0.0, 3.0), method="bounded")
    print(f"\nconfidence of the first hit: slope {best.x:.2f}, loss {best.fun:.3f}; slope 1: {loss(1.0):.3f}")
    events.reliability("first hit", sure(best.x), np.array([one for _, one in cases]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(events.FOLDS)))
    parser.add_argument("--encoders", help="a folder a fold: video.onnx and audio.onnx")
    parser.add_argument("--every", type=int, default=1, help="only each of so many pieces")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    chosen = pieces("events", events.LENGTH_SECONDS)
    answers = []
    for fold in asked.folds:
        answers += searched(asked.work, fold, asked.encoders, chosen, asked.every)
        print(f"fold {fold}: {len(answers)} pieces so far", flush=True)
    report(answers)
    believed(answers)


if __name__ == "__main__":
    main()
