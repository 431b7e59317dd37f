"""How sure is a pair that `match` makes? The recipe of its confidence, and what it is worth.

    python benchmarks/confidence.py WORK [--write]

On random galleries (benchmarks/galleries.py). Fitted by logistic regression with slopes of a given sign, where a face
decided and elsewhere: that a pair is right, by its figures in the gallery (and by the length of the picture, where a
face decided), and by these and those of its own best offset. All shares of missing partners count alike, families as
IMPORTANCE says. The tables are cross-fitted by recording (six folds); intervals (95 %) are over recordings.

--write puts the constants into matching/decision.py and the picture into docs/. The usual share of files that have a
match is read from there, so the tables that count are those of the next run.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from belonging import FOLDS, RIDGE
from galleries import LARGE_SIZES, MISSING, Decision, decisions, families
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from avmatch.matching import decision
from avmatch.matching.decision import adapted, log_length, matched_share, measured_terms
from avmatch.matching.settings import MIN_CONFIDENCE
from avmatch.reports.report import markdown_table

#: How much the families count in the fit.
IMPORTANCE = {"talk 4 s": 4.0, "talk 2 s": 1.0, "talk 1 s": 1.5, "events": 2.0, "mixed": 2.0, "made": 1.0, "synth": 0.0}
#: Slopes: all but those of size, length and unevenness speak for a pair; the length counts where a face decided.
FREE, UP, DOWN, NONE = (None, None), (0.0, None), (None, 0.0), (0.0, 0.0)
GALLERY_SLOPES = (UP, UP, UP, FREE, NONE)
OWN_SLOPES = (UP, UP, UP, UP, UP, DOWN)
FACE_SLOPES = (*GALLERY_SLOPES[:-1], FREE)
SURE, RESAMPLES, NUM_BINS = 0.9, 300, 10
SIZE_BANDS = ((2, 5), (6, 12), (13, 48), (LARGE_SIZES[0], LARGE_SIZES[-1]))
PICTURE = Path(__file__).parents[1] / "docs" / "confidence.png"


def fitted(terms: np.ndarray, right: np.ndarray, weight: np.ndarray, slopes: tuple) -> np.ndarray:
    """Weights, and the constant last."""
    scale = np.maximum(terms.std(axis=0), 1e-6)
    design, share = np.column_stack([terms / scale, np.ones(len(terms))]), weight / weight.sum()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = design @ weights
        slope = design.T @ (share * (expit(odds) - right))
        slope[:-1] += 2 * RIDGE * weights[:-1]
        return float(share @ (np.logaddexp(0, odds) - right * odds) + RIDGE * weights[:-1] @ weights[:-1]), slope

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=[*slopes, FREE])
    return np.append(found.x[:-1] / scale, found.x[-1])


class Fit:
    """Decisions, and logistic maps of their figures."""

    def __init__(self, found: list[Decision]) -> None:
        self.family, self.missing, self.gallery, self.size, self.group, self.has, self.given, self.right, by_face = (
            np.array([getattr(one, name) for one in found])
            for name in ("family", "missing", "gallery", "size", "group", "has", "given", "right", "by_face")
        )
        self._terms = np.array([[*one.terms, float(log_length(one.seconds))] for one in found])
        self._own = np.array([one.own is not None for one in found])
        own_face = np.array([one.own is not None and one.own.by_face for one in found])
        self._measured = np.array(
            [
                np.zeros(11) if one.own is None else measured_terms(one.terms, one.seconds, one.own.figures)
                for one in found
            ]
        )
        #: What each counts in the fit.
        self.weight = np.zeros(len(found))
        for family, importance in IMPORTANCE.items():
            for missing in MISSING:
                inside = (self.family == family) & (self.missing == missing)
                self.weight[inside] = importance / max(inside.sum(), 1)
        fitting = self.given & (self.weight > 0)
        self.usual_share = float(np.average(self.right[fitting], weights=self.weight[fitting]))
        #: Each of the four maps: which decisions it is of, what of them it takes.
        self._maps = {
            "FACE_WEIGHTS": (self.given & by_face, self._terms, FACE_SLOPES),
            "WEIGHTS": (self.given & ~by_face, self._terms, GALLERY_SLOPES),
            "FACE_MEASURED_WEIGHTS": (self._own & own_face, self._measured, (*FACE_SLOPES, *OWN_SLOPES)),
            "MEASURED_WEIGHTS": (self._own & ~own_face, self._measured, (*GALLERY_SLOPES, *OWN_SLOPES)),
        }

    def weights(self, name: str, rows: np.ndarray) -> np.ndarray:
        """One of the maps, fitted on these of its decisions."""
        inside, terms, slopes = self._maps[name]
        rows = rows & inside & (self.weight > 0)
        return fitted(terms[rows], self.right[rows].astype(float), self.weight[rows], slopes)

    def cross_fitted(self) -> np.ndarray:
        """What `match` says of each, by maps fitted on other recordings."""
        names, number = np.unique(self.group, return_inverse=True)
        part = np.random.default_rng(1).permutation(len(names))[number] % FOLDS
        found = np.zeros(len(part))
        for name, (inside, terms, _) in self._maps.items():  # those of measured pairs last
            for fold in range(FOLDS):
                weights, rows = self.weights(name, part != fold), inside & (part == fold)
                found[rows] = expit(terms[rows] @ weights[:-1] + weights[-1])
        for gallery in np.unique(self.gallery[self.given]):
            rows = (self.gallery == gallery) & self.given
            found[rows] = adapted(found[rows], matched_share(found[rows]))
        return found

    def constants(self) -> dict[str, str]:
        """As matching/decision.py has them."""
        everything = np.ones(len(self.right), bool)
        found = {
            name: "(" + ", ".join(f"{value + 0.0:.3f}" for value in self.weights(name, everything).round(3)) + ")"
            for name in self._maps
        }
        return found | {"USUAL_SHARE": f"{self.usual_share:.3f}"}


@dataclass(frozen=True, eq=False)
class Said:
    """Confidences, what was true, and what each counts: (N,) each."""

    confidence: np.ndarray
    right: np.ndarray
    has: np.ndarray
    missing: np.ndarray
    group: np.ndarray
    weight: np.ndarray

    def of(self, rows: np.ndarray) -> Said:
        """These of them."""
        return Said(*(values[rows] for values in vars(self).values()))

    def percent(self, figure: Callable[[Said, np.ndarray], float]) -> str:
        """A figure with its interval over recordings; each is drawn as often as the cluster bootstrap has it."""
        names, number = np.unique(self.group, return_inverse=True)
        rng = np.random.default_rng(0)
        drawn = [np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)) for _ in range(RESAMPLES)]
        value = figure(self, self.weight)
        if np.isnan(value):
            return "–"
        low, high = np.nanquantile([figure(self, self.weight * times[number]) for times in drawn], (0.025, 0.975))
        return f"{100 * value:.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def share(hits: np.ndarray, inside: np.ndarray, weight: np.ndarray) -> float:
    """The share of hits among these; NaN where there are none."""
    total = weight[inside].sum()
    return float(weight[inside & hits].sum() / total) if total else np.nan


def calibration_error(said: Said, weight: np.ndarray) -> float:
    """Expected calibration error in ten bins (Guo et al., "On calibration of modern neural networks", 2017)."""
    if not weight.sum():
        return np.nan
    bins = np.minimum((said.confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    return float(np.abs(np.bincount(bins, weight * (said.confidence - said.right))).sum() / weight.sum())


def sure_and_wrong(said: Said, weight: np.ndarray) -> float:
    return share(~said.right, said.confidence >= SURE, weight)


def made_in_vain(said: Said, weight: np.ndarray) -> float:
    """Pairs made where all partners are missing."""
    return share(said.confidence >= MIN_CONFIDENCE, said.missing == "all", weight)


def right_of_possible(said: Said, weight: np.ndarray, missing: str) -> float:
    return share(said.right & (said.confidence >= MIN_CONFIDENCE), said.has & (said.missing == missing), weight)


def unmatched_f1(said: Said, weight: np.ndarray) -> float:
    """F1 of "no partner" with a third missing."""
    inside = said.missing == "a third"
    none, left = inside & ~said.has, inside & (said.confidence < MIN_CONFIDENCE)
    total = weight[none].sum() + weight[left].sum()
    return float(2 * weight[none & left].sum() / total) if total else np.nan


FIGURES: dict[str, Callable[[Said, np.ndarray], float]] = {
    "ECE": calibration_error,
    f"wrong at ≥ {SURE}": sure_and_wrong,
    "made, all missing": made_in_vain,
    "right, none missing": lambda said, weight: right_of_possible(said, weight, "none"),
    "a third": lambda said, weight: right_of_possible(said, weight, "a third"),
    "half": lambda said, weight: right_of_possible(said, weight, "half"),
    "F1 of no partner, a third": unmatched_f1,
}


def report(fit: Fit, said: Said) -> None:
    """The asked figures, by family and by size of the gallery."""
    real = fit.family != "synth"
    rows = {family: fit.family == family for family in IMPORTANCE} | {"all but synth": real}
    rows |= {f"galleries of {low} to {high}": real & (fit.size >= low) & (fit.size <= high) for low, high in SIZE_BANDS}
    weighted = replace(said, weight=fit.weight).of(fit.weight > 0)
    lines = [["family", "decisions", *FIGURES]]
    for name, inside in rows.items():
        some = said.of(inside)
        lines.append([name, str(inside.sum()), *(some.percent(figure) for figure in FIGURES.values())])
    cells = [weighted.percent(figure) for figure in FIGURES.values()]
    lines.append(["all, as the fit weighs them", str(len(weighted.right)), *cells])
    print("\n".join(markdown_table(lines)))


def has_a_match(found: list[Decision], said: Said) -> dict[str, dict[str, float]]:
    """AUROC of "has a partner", by kind and cue; of the pairs that were given at first, where some are missing."""
    names = [*dict.fromkeys(cue for one in found for cue in one.parts), "confidence"]
    kinds = np.array([one.kind for one in found])
    table: dict[str, dict[str, float]] = {}
    for kind in sorted(set(kinds)):
        inside = np.flatnonzero((kinds == kind) & (said.missing != "none"))
        has = said.has[inside]
        if min(has.sum(), (~has).sum()) < 50:
            continue
        table[kind] = {}
        for name in names:
            values = (
                said.confidence[inside] if name == "confidence" else [found[n].parts.get(name, 0.0) for n in inside]
            )
            ranks = rankdata(values)
            table[kind][name] = float((ranks[has].sum() / has.sum() - (has.sum() + 1) / 2) / (~has).sum())
    return table


def draw(fit: Fit, said: Said, areas: dict[str, dict[str, float]]) -> None:
    """Reliability, risk and coverage, AUROC."""
    figure = Figure((13.0, 4.0), dpi=80, layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, 3))
    axes[0].plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for number, family in enumerate(IMPORTANCE):
        some, line = said.of(fit.family == family), {"label": family, "color": f"C{number}"}
        bins = np.minimum((some.confidence * NUM_BINS).astype(int), NUM_BINS - 1)
        kept = [inside for inside in (bins == place for place in range(NUM_BINS)) if inside.sum() >= 20]
        points = [(some.confidence[inside].mean(), some.right[inside].mean()) for inside in kept]
        axes[0].plot(*zip(*points, strict=True), marker="o", markersize=3, **line)
        order = np.argsort(-some.confidence, kind="stable")
        covered = np.arange(1, len(order) + 1)
        axes[1].plot(covered / len(order), np.cumsum(~some.right[order]) / covered, **line)
    axes[0].set(xlabel="confidence", ylabel="share right", title="reliability")
    axes[0].legend(fontsize=8)
    axes[1].set(xlabel="coverage: share of the videos, the surest first", ylabel="share wrong", title="risk")
    names = list(next(iter(areas.values())))
    image = axes[2].imshow([list(row.values()) for row in areas.values()], vmin=0.5, vmax=1.0, aspect="auto")
    axes[2].set_xticks(range(len(names)), names, rotation=30)
    axes[2].set_yticks(range(len(areas)), list(areas))
    axes[2].set_title("AUROC of “has a partner”")
    figure.colorbar(image, ax=axes[2])
    figure.savefig(PICTURE)


def write(constants: dict[str, str]) -> None:
    """Into matching/decision.py."""
    path = Path(decision.__file__)
    text = path.read_text(encoding="utf-8")
    for name, value in constants.items():
        if name == "USUAL_SHARE":
            text = re.sub(r"(?m)^(USUAL_SHARE, USUAL_FILES = )[^,]+", rf"\g<1>{value}", text)
        else:
            text = re.sub(rf"(?m)^{name} = \(.*\)$", f"{name} = {value}", text)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true", help="put the constants into the code, the picture into docs/")
    given = parser.parse_args()
    found = [one for family in families(given.work) for one in decisions(family)]
    fit = Fit(found)
    said = Said(fit.cross_fitted(), fit.right, fit.has, fit.missing, fit.group, np.ones(len(found)))
    report(fit, said)
    areas = has_a_match(found, said)
    names = list(next(iter(areas.values())))
    lines = [["kind", *names], *([kind, *(f"{row[name]:.2f}" for name in names)] for kind, row in areas.items())]
    print("\n".join(markdown_table(lines)))
    for name, value in fit.constants().items():
        print(f"{name} = {value}")
    if given.write:
        write(fit.constants())
        draw(fit, said, areas)


if __name__ == "__main__":
    main()
