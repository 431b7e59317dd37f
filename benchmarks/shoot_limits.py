"""Do the limits on false pairs hold with all that a shoot knows? Real pieces, with clocks and names that were made.

    python benchmarks/shoot_limits.py WORK

WORK as in benchmarks/belonging.py, which cuts the pieces: talking people that `lips` wasn't trained on (4 s), and these
together with events of the fold whose model hasn't seen them (5 s). Of random galleries of 12 to 48 with none, a third,
half or all of the partners missing, each is a shoot: takes follow one another, made by two cameras and two recorders in
turns, and recordings begin up to 0.4 s before or after their clip. `match` decides by what it knows of content alone,
and with clocks and order that are right, drift, are random, or stood still; names follow the takes, or are shuffled.

Of the same galleries under each condition, with 95 % intervals over galleries: wrong pairs among those of 0.9 or more;
clips without a partner that are given one, and with so much; pairs made where all partners are missing; right pairs
among those possible.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import events
import numpy as np
from belonging import Piece, fold_models, pieces
from confidence import SURE
from galleries import MISSING, MOST_LATE_SECONDS, by_name
from made_shoots import USUAL_RUN, File, origins

from avmatch.matching.constraints import Constraints
from avmatch.matching.decision import partners
from avmatch.matching.settings import MatchSettings
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.lessons import Lessons
from avmatch.pipelines.match import judge_of
from avmatch.pipelines.models import Models
from avmatch.reports.report import markdown_table

SIZES = (12, 20, 30, 48)
CONTENT = MatchSettings(use_clock=False, use_order=False, use_scratch=False)
#: (clocks, names): what is asked; the first is content alone.
CONDITIONS = (
    ("none", "shuffled"),
    ("right", "in order"),
    ("drifting", "shuffled"),
    ("set anew", "in order"),
    ("random", "shuffled"),
    ("frozen", "in order"),
)


@dataclass(frozen=True)
class Outcome:
    """Of one clip: its gallery, the share of partners missing there, whether its own is there, what it was given."""

    gallery: str
    missing: str
    has: bool
    given: bool
    right: bool
    confidence: float


def shoot(
    models: Models, cut: list[Piece], rows: np.ndarray, columns: np.ndarray, seed: int, name: str, missing: str
) -> dict[tuple[str, str], list[Outcome]]:
    """What is decided of one gallery, under each condition."""
    takes = np.random.default_rng([25, seed]).permutation(sorted({*rows.tolist(), *columns.tolist()}))
    place = {int(number): at for at, number in enumerate(takes)}
    rng = np.random.default_rng([26, seed])
    devices = (
        np.cumsum(rng.random(len(takes)) < 1 / USUAL_RUN) % 2,
        np.cumsum(rng.random(len(takes)) < 1 / USUAL_RUN) % 2,
    )
    began = 15 * 3600.0 + np.cumsum(rng.exponential(90, len(takes)) + 10.0)
    late = rng.uniform(-MOST_LATE_SECONDS, MOST_LATE_SECONDS, len(takes))
    clips = [File(at, int(devices[0][at]), float(began[at])) for at in (place[int(row)] for row in rows)]
    sounds = [File(at, int(devices[1][at]), float(began[at] - late[at])) for at in (place[int(one)] for one in columns)]
    videos = tuple(cut[row].video for row in rows)
    audios = tuple(cut[column].sound(float(late[place[int(column)]])) for column in columns)
    found = {}
    for clocks, names in CONDITIONS:
        settings = CONTENT if (clocks, names) == CONDITIONS[0] else replace(CONTENT, use_clock=True, use_order=True)
        rng = np.random.default_rng([27, seed])
        of_files = (
            tuple(origins(rng, clips, "camera", clocks, names)),
            tuple(origins(rng, sounds, "recorder", clocks, names)),
        )
        nothing = Lessons(Constraints(), tuple(o.device for o in of_files[0]), tuple(o.device for o in of_files[1]))
        judge, _, _ = judge_of(models, videos, audios, of_files, settings, nothing, 1, None)
        confidence = judge.settled()
        partner = partners(confidence, settings)
        found[clocks, names] = [
            Outcome(
                name,
                missing,
                bool(row in columns),
                bool(partner[at] >= 0),
                bool(partner[at] >= 0 and columns[partner[at]] == row),
                float(confidence[at, partner[at]]) if partner[at] >= 0 else 0.0,
            )
            for at, row in enumerate(rows)
        ]
    return found


def all_shoots(work: Path, num: int) -> dict[tuple[str, str], list[Outcome]]:
    """All galleries of both families."""
    talk, some_events = pieces(work, "talk"), pieces(work, "events")
    known = events.fold_of()
    found: dict[tuple[str, str], list[Outcome]] = {condition: [] for condition in CONDITIONS}
    for seed in range(num):
        fold = seed % events.FOLDS
        of_fold = [piece for piece in some_events if known.get(piece.group, by_name(piece)) == fold]
        people = [piece for piece in talk if by_name(piece) == fold]
        for family, cut in (("talk", talk), ("mixed", of_fold + people)):
            models = fold_models(work, fold)
            rng = np.random.default_rng([28, seed, family == "talk"])
            for missing, share in MISSING.items():
                size = min(int(rng.choice(SIZES)), int(len(cut) / (1 + share)))
                drawn, own = rng.permutation(len(cut)), round(size * (1 - share))
                rows = rng.permutation(drawn[:size])
                columns = rng.permutation(np.concatenate([drawn[:own], drawn[size : 2 * size - own]]))
                name = f"{family} {missing} {seed}"
                for condition, outcomes in shoot(models, cut, rows, columns, seed, name, missing).items():
                    found[condition] += outcomes
        print(f"{seed + 1} of {num}", flush=True)
    return found


def percent(hits: list[bool], outcomes: list[Outcome]) -> str:
    """A share with its interval over galleries."""
    if not hits:
        return "–"
    galleries = np.unique([one.gallery for one in outcomes], return_inverse=True)[1]
    share = f"{100 * np.mean(hits):.1f}"
    if galleries.max() == 0:
        return f"{share} of {len(hits)}"
    interval = bootstrap_interval(np.array(hits, float), 0, group=galleries)
    return f"{share} [{100 * interval.low:.1f}, {100 * interval.high:.1f}] of {len(hits)}"


def row(outcomes: list[Outcome]) -> list[str]:
    """The figures of one condition."""
    sure = [one for one in outcomes if one.confidence >= SURE]
    alone = [one for one in outcomes if not one.has]
    in_vain = [one for one in outcomes if one.missing == "all"]
    possible = [one for one in outcomes if one.has]
    return [
        percent([not one.right for one in sure], sure),
        percent([one.given for one in alone], alone),
        percent([one.confidence >= SURE for one in alone], alone),
        percent([one.given for one in in_vain], in_vain),
        percent([one.right for one in possible], possible),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--num", type=int, default=10, help="galleries of each kind and share of partners missing")
    given = parser.parse_args()
    found = all_shoots(given.work, given.num)
    lines = [
        [
            *("clocks", "names", f"wrong at ≥ {SURE}", "alone, but given one", f"… with ≥ {SURE}"),
            *("made, all missing", "right of possible"),
        ]
    ]
    for number, ((clocks, names), outcomes) in enumerate(found.items()):
        lines.append([clocks if number else "content alone", names if number else "", *row(outcomes)])
    print("\n".join(markdown_table(lines)))


if __name__ == "__main__":
    main()
