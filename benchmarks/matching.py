"""Must-show 1: pictures and sounds of real clips separated, names shuffled, and matched again.

    python benchmarks/matching.py WORK [--only events grid grid_speakers anchors wild]

WORK keeps the separated files and their features. Everything goes through files: 5 s pieces of events, whole talking
clips. "together": picture and sound begin at the same time; "apart": the sound is up to 0.4 s early or late. Ties count
against the system. Also: the events in groups as large as the quick try that the project began with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from clips import Gallery, gallery, pieces, separate
from scipy.optimize import linear_sum_assignment

from avmatch.cues.evidence import Cue
from avmatch.cues.motion import MotionCue
from avmatch.cues.mouth import MouthCue
from avmatch.cues.recording import DurationCue
from avmatch.matching.decision import MatchSettings
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.pipelines.match import LAG_STEP_SECONDS, cues_for
from avmatch.pipelines.models import face_cues, models_with

LAGS_SECONDS = np.arange(-25, 26) * LAG_STEP_SECONDS
MODELS = models_with(None)
CUES: dict[str, tuple[Cue, ...]] = {
    "all cues": cues_for(MatchSettings(), MODELS),
    "motion": (MotionCue(),),
    "mouth": (MouthCue(),),
    **{cue.name: (cue,) for cue in face_cues(MODELS.towers)},
    "duration": (DurationCue(),),
}
COLLECTIONS = {
    "events": (5.0, None),
    "grid": (None, 200),
    "grid_speakers": (None, None),
    "anchors": (None, 200),
    "wild": (None, None),
}


def scores(cues: tuple[Cue, ...], items: Gallery) -> np.ndarray:
    """(N, M) with the partner of video n in column n."""
    nats = fused_scores(cues, items.videos, items.audios, LAGS_SECONDS, usual_offsets(LAGS_SECONDS)).nats
    return nats[:, items.truth]


def figures(nats: np.ndarray) -> tuple[float, float, float, float]:
    """Top-1, top-5, assigned (shares), median rank."""
    own = np.diag(nats)[:, None]
    rank = (nats >= own).sum(axis=1)
    if np.ptp(nats) == 0:
        return 0.0, 0.0, 1 / len(nats), float(np.median(rank))
    noise = np.random.default_rng(0).uniform(0, 1e-6, nats.shape)  # so that ties don't favour the diagonal
    _, column = linear_sum_assignment(-(nats + noise))
    return np.mean(rank == 1), np.mean(rank <= 5), np.mean(column == np.arange(len(nats))), float(np.median(rank))


def show(name: str, nats: np.ndarray) -> None:
    top1, top5, assigned, median = figures(nats)
    print(
        f"  {name:12s} top-1 {top1 * 100:5.1f} %  top-5 {top5 * 100:5.1f} %  assigned {assigned * 100:5.1f} %"
        f"  = {assigned * len(nats):5.1f} × chance  median rank {median:.0f} of {len(nats)}",
        flush=True,
    )


def groups(nats: np.ndarray, size: int, draws: int = 50) -> np.ndarray:
    """Mean top-1, top-5 and assigned over random subsets."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(draws):
        rows = rng.choice(len(nats), size, replace=False)
        found.append(figures(nats[np.ix_(rows, rows)])[:3])
    return np.mean(found, axis=0) * 100


def run(collection: str, work: Path) -> None:
    chosen = pieces(collection, *COLLECTIONS[collection])
    apart = np.random.default_rng(3).uniform(-0.4, 0.4, len(chosen))
    impact = np.array([piece.is_impact for piece in chosen])
    for start, late in (("together", np.zeros(len(chosen))), ("apart", apart)):
        folder = work / f"{collection}-{start}"
        if not (folder / "truth.csv").exists():
            separate(folder, chosen, late.tolist())
        items = gallery(folder, work / "cache")
        print(f"{collection}, {start}: {len(chosen)} pairs, {int(impact.sum())} of them impacts")
        for name, cues in CUES.items():
            nats = scores(cues, items)
            show(name, nats)
            if impact.any() and name in ("all cues", "motion"):
                alone = nats[np.ix_(impact, impact)]
                show("  impacts", alone)
                print(
                    "   groups of 115 of all kinds: top-1 {:.0f} %, top-5 {:.0f} %, assigned {:.0f} %".format(
                        *groups(nats, 115)
                    )
                )
                print(
                    "   groups of 31 impacts: top-1 {:.0f} %, top-5 {:.0f} %, assigned {:.0f} %".format(
                        *groups(alone, 31)
                    )
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(COLLECTIONS), default=["events", "grid", "anchors"])
    options = parser.parse_args()
    for collection in options.only:
        run(collection, options.work)


if __name__ == "__main__":
    main()
