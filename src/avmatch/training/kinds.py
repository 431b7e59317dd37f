"""What there is in a picture and in a sound: vectors that are alike where they match, and named classes.

    statistics of pieces ─ standardised ─ canonical correlations → unit vectors        (kinds)
                                        ─ softmax regression → probabilities           (classes)

Both are fitted in closed form. What the cosine of two kinds is worth is judged by cosines of pictures whose recordings
weren't fitted on: the recordings are cut into parts, each of which is judged by the correlations of the others.

A class is what stands before ":" in a label: "impact" of "impact: wood". Sound and picture of one piece are of one
class g, and are taken to be independent beyond that. What a pair then says for matching is

    log Σ_g p(g | picture) · p(g | sound) / p(g)        p(g): the share of the training pieces

Letters in shapes: C clips, N pieces, X and Y statistics of the sides, F statistics of one, G classes, P matching pairs,
Q others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.metrics.calibration import fit_nats
from avmatch.training.closed_forms import Classes, Linear, canonical, softmax_regression

LEAST_DEVIATION = 1e-6
#: A class of fewer recordings is left out: it would be known by what is that recording's own.
MIN_RECORDINGS = 2

#: Statistics (N, X) and (N, Y) of a clip's pieces.
Statistics = tuple[Float32[np.ndarray, "_ _"], Float32[np.ndarray, "_ _"]]
Towers = tuple[Linear, Linear]


@dataclass(frozen=True)
class KindConfig:
    """The fit.

    Attributes:
        ridge: of the canonical correlations, in units of the mean variance.
        dim: of the vectors.
        num_parts: into which recordings are cut to measure what cosines are worth.
        class_ridge: of the regressions of named classes, over standardised statistics.
        standardise: whether statistics are divided by their deviations before both; else they count as they are.
    """

    ridge: float = 3.0
    dim: int = 32
    num_parts: int = 5
    class_ridge: float = 0.3
    standardise: bool = True


@dataclass(frozen=True, eq=False)
class FittedClasses:
    """Towers over statistics, of picture and sound, and the names of their classes."""

    towers: tuple[Classes, Classes]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FittedKinds:
    """Towers over statistics.

    Attributes:
        towers: of picture and sound.
        baseline: the cosine at which a pair is as probably a matching one as another.
        cosines: (C, C) of the clips' pictures and sounds, by correlations of recordings that the picture isn't of.
    """

    towers: Towers
    baseline: float
    cosines: Float32[np.ndarray, "C C"]


def fitted_kinds(clips: Sequence[Statistics], group: Int[np.ndarray, " C"], config: KindConfig) -> FittedKinds:
    """Fit to clips, whose recordings are `group`.

    Raises:
        UsageError: there are fewer than two pieces of a second or more.
    """
    has_pieces = np.array([len(video) > 0 for video, _ in clips])
    whole, known = together(clips), np.flatnonzero(has_pieces)
    if len(whole[0]) < 2:
        raise UsageError(
            f"{len(clips)} pairs have {len(whole[0])} pieces of a second or more; give more, or longer ones"
        )
    part = np.unique(group, return_inverse=True)[1] % config.num_parts
    cosines = np.zeros((len(clips), len(clips)), np.float32)
    for number in range(config.num_parts):
        ours = known[part[known] == number]
        fitted = together([clip for clip, own in zip(clips, part == number, strict=True) if not own])
        if len(ours) and len(fitted[0]) > 1:
            video, audio = _towers(fitted, config)
            video_vectors = _vectors(video, [clips[row][0] for row in ours.tolist()])
            audio_vectors = _vectors(audio, [clips[row][1] for row in known.tolist()])
            cosines[np.ix_(ours, known)] = video_vectors @ audio_vectors.T
    is_other = (group[:, None] != group[None]) & has_pieces[:, None] & has_pieces[None]
    baseline = _baseline(np.diag(cosines)[has_pieces].astype(float), cosines[is_other].astype(float))
    return FittedKinds(_towers(whole, config), baseline, cosines)


def together(clips: Sequence[Statistics]) -> Statistics:
    """One after another; those that lack a side are left out."""
    whole = [(video, audio) for video, audio in clips if len(video) and len(audio)]
    if not whole:
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
    return np.concatenate([video for video, _ in whole]), np.concatenate([audio for _, audio in whole])


def _deviations(side: Float[np.ndarray, "N F"], *, each: bool) -> Float[np.ndarray, " F"]:
    """Of each statistic, or the root of their mean variance for all."""
    found = side.std(axis=0) if each else np.full(side.shape[1], np.sqrt(side.var(axis=0).mean()))
    return np.maximum(found, LEAST_DEVIATION)


def _towers(fitted: Statistics, config: KindConfig) -> Towers:
    deviations = [_deviations(side, each=config.standardise) for side in fitted]
    standard = [side / deviation for side, deviation in zip(fitted, deviations, strict=True)]
    found = canonical(standard[0], standard[1], (config.ridge, config.ridge), config.dim)
    video, audio = (
        Linear(tensor(side.mean(axis=0)), tensor(own.directions / deviation[:, None]), with_deviation=False)
        for side, own, deviation in zip(fitted, found, deviations, strict=True)
    )
    return video, audio


def tensor(values: np.ndarray) -> Tensor:
    """In single precision."""
    return torch.from_numpy(np.asarray(values, np.float32))


@torch.no_grad()
def _vectors(tower: Linear, clips: Sequence[Float32[np.ndarray, "_ F"]]) -> Float32[np.ndarray, "C D"]:
    """Of whole clips: the tower takes the mean over their pieces."""
    return np.concatenate([tower(tensor(clip)[None]).numpy() for clip in clips])


def _baseline(matching: Float[np.ndarray, " P"], others: Float[np.ndarray, " Q"]) -> float:
    """Where logistic regression, in which matching and other pairs weigh alike, is undecided."""
    if not len(others):
        return float(matching.mean())
    start = 1.0, float((matching.mean() + others.mean()) / 2)
    _, baseline = fit_nats(lambda line, scores: line[0] * (scores - line[1]), start, matching, others)
    return float(np.clip(baseline, -1.0, 1.0))


def class_names(pairs: Pairs) -> list[str]:
    """Of each clip; empty without a label."""
    names = [name.partition(":")[0].strip() for name in pairs.label_names]
    return [names[number] if number >= 0 else "" for number in pairs.label.tolist()]


def fitted_classes(
    clips: Sequence[Statistics], names: Sequence[str], group: Int[np.ndarray, " C"], config: KindConfig
) -> FittedClasses | None:
    """Towers of picture and sound; the picture's probabilities are divided by the classes' shares.

    Args:
        names: the clips' classes, empty where it isn't known; those clips are left out.
        group: their recordings.

    Returns:
        None where fewer than two classes have MIN_RECORDINGS or more.
    """
    known = [row for row, (video, audio) in enumerate(clips) if len(video) and len(audio) and names[row]]
    recordings = Counter(name for name, _ in {(names[row], int(group[row])) for row in known})
    classes = sorted(name for name, num in recordings.items() if num >= MIN_RECORDINGS)
    if len(classes) < 2:
        return None
    ours = [row for row in known if names[row] in classes]
    video, audio = together([clips[row] for row in ours])
    label = np.repeat([classes.index(names[row]) for row in ours], [len(clips[row][0]) for row in ours])
    share = np.bincount(label) / len(label)
    towers = _tower(video, label, 1.0 / share, config), _tower(audio, label, np.ones(len(classes)), config)
    return FittedClasses(towers, tuple(classes))


def _tower(
    side: Float32[np.ndarray, "N F"], label: Int[np.ndarray, " N"], gains: Float[np.ndarray, " G"], config: KindConfig
) -> Classes:
    points = side.astype(np.float64)
    mean, deviation = points.mean(axis=0), _deviations(points, each=config.standardise)
    found = softmax_regression((points - mean) / deviation, label, len(gains), config.class_ridge)
    return Classes(tensor(mean), tensor(found.weights / deviation[:, None]), tensor(found.bias), tensor(gains))
