"""Silent video ↔ audio retrieval: how well models find the matching sound of each clip of a gallery, and vice versa.

    gallery → similarity in each condition → metrics, raw and normalised over the gallery

Each kind of model scores a gallery, and adds noise, in its own way: `Similarities`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import UsageError
from avmatch.evaluation.galleries import Gallery, held_back_rows
from avmatch.evaluation.pieces import condition_name
from avmatch.matching.galleries import NORMALISATIONS
from avmatch.metrics.intervals import Spread, spread
from avmatch.metrics.retrieval import DirectionScores, RetrievalScores, evaluate
from avmatch.reports.report import TIES, Report, ReportTable

#: The defaults, as far as the data have enough pairs.
DEFAULT_KS = (1, 5, 10, 50)
DEFAULT_SUBSET = 50
_DIRECTIONS = {"video → audio": "video_to_audio", "audio → video": "audio_to_video"}
_INTERVAL = "± half of the 95 % bootstrap interval"

#: (gallery, conditions, seed) → the evidence in nats of every video with every audio, in each condition.
Similarities = Callable[[Gallery, Sequence[float | None], int], Iterable[Float32[np.ndarray, "N N"]]]


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Attributes:
        ks: of R@k over the whole gallery; None = those of DEFAULT_KS that the data have enough pairs for.
        subset: size of the random galleries; 0 = none, None = DEFAULT_SUBSET if there are more pairs than that.
        draws: how many of them.
        noise_snr_db: also in noise at each of these ratios.
        held_out: only the pairs that the run held back.
    """

    ks: tuple[int, ...] | None = None
    subset: int | None = None
    draws: int = 500
    noise_snr_db: tuple[float, ...] = ()
    held_out: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.ks or (1,)) < 1 or (self.subset or 0) < 0 or self.draws < 1:
            raise UsageError(
                f"k and draws must be at least 1 and the subset not negative, got k {self.ks}, draws {self.draws} and "
                f"subset {self.subset}"
            )


@dataclass(frozen=True)
class Row:
    """One model, one normalisation, one condition."""

    model: str
    normalisation: str
    snr_db: float | None
    scores: RetrievalScores


@dataclass(frozen=True)
class RetrievalResult:
    """All rows of one evaluation.

    Attributes:
        protocol: as it was carried out, sizes filled in.
        notes: what was left out, for a person.
    """

    data: str
    num_pairs: int
    protocol: Protocol
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """A table for each direction."""
        names = self._names()
        num_labels = 1 + (len(names) > 1)
        tables = [
            ReportTable(f"{title}, {self.num_pairs} pairs", self._lines(direction), num_labels, unit=", R@k in %")
            for title, direction in _DIRECTIONS.items()
        ]
        tables[-1] = replace(tables[-1], caption=TIES, interval=_INTERVAL)
        rows = [
            {"model": row.model, "normalisation": row.normalisation, "snr_db": row.snr_db, **asdict(row.scores)}
            for row in self.rows
        ]
        values = {"data": self.data, "num_pairs": self.num_pairs, "protocol": asdict(self.protocol), "rows": rows}
        return Report(
            f"Retrieval on {Path(self.data).name}: {', '.join(names.values())}",
            tuple(tables),
            values | {"spread": self._spreads()},
            self.notes,
            f"R@k in %; {tables[-1].full_caption}",
            alike=True,
        )

    def _lines(self, direction: str) -> list[list[str]]:
        """The cells of a direction's table, the headings first; mean and deviation of several models last."""
        names = self._names()
        several = len(names) > 1
        lines = [[*(["model"] if several else []), "matrix", *_figures(self.rows[0].scores, direction)]]
        for row in self.rows:
            model = [names[row.model]] if several else []
            name = condition_name(row.normalisation, row.snr_db)
            lines.append([*model, name, *_cells(getattr(row.scores, direction))])
        for (kind, snr_db), rows in self._by_condition().items():
            found, name = _spreads_of(rows, direction).values(), condition_name(kind, snr_db)
            lines.append([f"mean of {len(rows)}", name, *(f"{item.mean:.1f}" for item in found)])
            lines.append([f"sd of {len(rows)}", name, *(f"{item.sd:.1f}" for item in found)])
        return lines

    def _by_condition(self) -> dict[tuple[str, float | None], list[Row]]:
        """The rows of all models (seeds) under each condition; empty for one model."""
        groups: dict[tuple[str, float | None], list[Row]] = {}
        for row in self.rows if len(self._names()) > 1 else ():
            groups.setdefault((row.normalisation, row.snr_db), []).append(row)
        return groups

    def _spreads(self) -> list[dict[str, object]]:
        """Mean and deviation over the models of each condition."""
        found: list[dict[str, object]] = []
        for (kind, snr_db), rows in self._by_condition().items():
            for direction in _DIRECTIONS.values():
                figures = {name: asdict(one) for name, one in _spreads_of(rows, direction).items()}
                found.append({"normalisation": kind, "snr_db": snr_db, "direction": direction, "of": figures})
        return found

    def _names(self) -> dict[str, str]:
        """The name of each model: the last part of its path, unless two would have the same."""
        models = list(dict.fromkeys(row.model for row in self.rows))
        short = [Path(model).resolve().name for model in models]
        return dict(zip(models, short if len(set(short)) == len(models) else models, strict=True))


def measure_retrieval(
    models: Mapping[str, Similarities], data: str | Path, gallery: Gallery, protocol: Protocol
) -> RetrievalResult:
    """Measure each of `models` on a gallery.

    Args:
        models: by name, which is a run's folder where `protocol.held_out` is asked for.

    Raises:
        UsageError: a k or subset larger than the gallery, no record of what was held back, or the models held back
            different pairs.
    """
    if protocol.held_out:
        gallery = gallery.take(held_back_rows(gallery.names, *map(Path, models)))
    protocol, notes = _fitted(protocol, len(gallery), data)
    conditions = (None, *protocol.noise_snr_db)
    rows: list[Row] = []
    for name, similarities in models.items():
        for snr_db, similarity in zip(conditions, similarities(gallery, conditions, protocol.seed), strict=True):
            for kind, normalise in NORMALISATIONS.items():
                scores = evaluate(
                    similarity,
                    ks=protocol.ks or DEFAULT_KS,
                    subset_size=protocol.subset or None,
                    draws=protocol.draws,
                    seed=protocol.seed,
                    normalise=normalise,
                )
                rows.append(Row(name, kind, snr_db, scores))
    return RetrievalResult(str(data), len(gallery), protocol, tuple(rows), notes)


def _figures(scores: RetrievalScores, direction: str) -> dict[str, float]:
    """A direction's figures by their headings, shares in %."""
    found: DirectionScores = getattr(scores, direction)
    recalls = {f"R@{k}": 100 * item.share for k, item in found.recall.items()}
    subset = {f"{k}/{scores.subset_size}": 100 * share for k, share in found.subset_recall.items()}
    return {**recalls, "MedR": found.median_rank, "mean": found.mean_rank, **subset}


def _cells(scores: DirectionScores) -> list[str]:
    """The same as text, with intervals."""
    recalls = [f"{100 * item.share:.1f}±{50 * (item.high - item.low):.1f}" for item in scores.recall.values()]
    subset = [f"{100 * share:.1f}" for share in scores.subset_recall.values()]
    return [*recalls, f"{scores.median_rank:g}", f"{scores.mean_rank:.1f}", *subset]


def _spreads_of(rows: Sequence[Row], direction: str) -> dict[str, Spread]:
    """Mean and deviation of each figure over the rows."""
    figures = [_figures(row.scores, direction) for row in rows]
    return {name: spread(np.array([one[name] for one in figures])) for name in figures[0]}


def _fitted(protocol: Protocol, num_pairs: int, data: str | Path) -> tuple[Protocol, tuple[str, ...]]:
    """The protocol with its sizes filled in, and a note on what was left out of the defaults."""
    if protocol.subset and protocol.subset >= num_pairs:
        raise UsageError(f"{data}: {num_pairs} pairs are too few for subsets of {protocol.subset}; set --subset 0")
    if protocol.ks and max(protocol.ks) > num_pairs:
        raise UsageError(f"{data}: {num_pairs} pairs, so R@{max(protocol.ks)} says nothing; give smaller --k")
    ks = protocol.ks or tuple(k for k in DEFAULT_KS if k <= num_pairs)
    subset = protocol.subset
    if subset is None:
        subset = DEFAULT_SUBSET if num_pairs > DEFAULT_SUBSET else 0
    left_out = [f"R@{k}" for k in DEFAULT_KS if protocol.ks is None and k > num_pairs]
    left_out += [f"subsets of {DEFAULT_SUBSET}"] if protocol.subset is None and not subset else []
    notes = (f"{data}: too few pairs ({num_pairs}) for {' and '.join(left_out)}: left out",) if left_out else ()
    return replace(protocol, ks=ks, subset=subset), notes
