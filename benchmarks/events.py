"""Must-show of the model for any sound: five folds of recordings that it has never seen, through real files.

    python benchmarks/events.py WORK [--calibrate MODEL]

The clips of `events` are split by recording into five parts. For each, `avmatch train events` learns from the other
four into WORK/fold-N; one that is there stays. Its part is cut into silent videos and sounds of 5 s (`clips.separate`),
and matched and measured by that model and by the untrained motion cue in the same run. Intervals (95 %) are over
recordings. Offsets are searched in steps of a frame within ±2 s (within a frame, 80 ms, 200 ms), within ±1 s too, and
among 21 of 0.2 s within ±2 s, all as if every one were as probable. What `sync` says is measured on sounds that were
moved by up to 0.4 s, searched within ±1 s.

How far offsets may be believed is fitted on what the folds' models say of the parts they haven't seen when the sound is
moved. For `sync: ok`, each fold is judged by what was fitted on the other four; `--calibrate MODEL` instead
fits on all five and writes that into MODEL.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.optimize
from clips import SHARED, Gallery, Piece, gallery, pieces, rows, separate
from scipy.special import expit

from avmatch.alignment.offset import OK_CONFIDENCE, TOLERANCE_SECONDS, estimate_offset
from avmatch.cues.evidence import Cue
from avmatch.cues.motion import APART, CALIBRATION, MotionCue
from avmatch.data.items import Pairs
from avmatch.data.packing import pack_list
from avmatch.data.shards import ShardWriter
from avmatch.data.tracks import MOTION_AND_BANDS
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.models import Models, motion_cues
from avmatch.pipelines.train import train_recipe
from avmatch.systems.events.runtime import EventCue, EventModel, load_event_model
from avmatch.training.export import described_anew
from matching import LAGS_SECONDS, figures

FOLDS, LENGTH_SECONDS, FRAME_SECONDS = 5, 5.0, 0.04
#: Offsets that are distinguished, and Synchformer's 21 classes.
WIDE, NEAR = np.arange(-50, 51) * FRAME_SECONDS, np.arange(-25, 26) * FRAME_SECONDS
CLASSES = np.arange(-10, 11) * 0.2
#: How strongly the slopes of named classes are held near zero: there are few recordings of most.
CLASS_RIDGE = 0.005


@dataclass(frozen=True, eq=False)
class Part:
    """What one fold's model has never seen: pieces, their features, their names."""

    chosen: list[Piece]
    items: Gallery

    def kind(self, name: str) -> np.ndarray:
        """Which pieces are of a class group; "" are all."""
        return np.array([piece.label.startswith(name) for piece in self.chosen])


def fold_of() -> dict[str, int]:
    """Recording → fold."""
    groups = sorted({row["group"] for row in rows("events")})
    order = np.random.default_rng(0).permutation(len(groups))
    return {groups[number]: place % FOLDS for place, number in enumerate(order)}


def packed(work: Path) -> Pairs:
    """All clips, decoded once."""
    pairs, failures = pack_list(SHARED / "events", work / "packed", MOTION_AND_BANDS)
    assert not failures, failures
    return pairs


def trained(work: Path, fold: int, pairs: Pairs) -> EventModel:
    """The model that has seen every recording but those of a fold."""
    run, shards, folds = work / f"fold-{fold}", work / f"fold-{fold}-shards", fold_of()
    group, label = ({row["file"]: row[column] for row in rows("events")} for column in ("group", "label"))
    if not (run / "model" / "video.onnx").is_file():
        kinds = {"video_kind": pairs.video_kind, "audio_kind": pairs.audio_kind}
        rates = {"video_rate_hz": pairs.video_rate_hz, "audio_rate_hz": pairs.audio_rate_hz}
        with ShardWriter(shards, **kinds, **rates) as writer:
            for row, name in enumerate(pairs.names):
                if folds[group[name]] != fold and name not in writer.names:
                    writer.add(name, pairs.video[row], pairs.audio[row], group=group[name], label=label[name])
        train_recipe("events", shards, run, resume=(run / "config.json").is_file())
    return load_event_model(run)


def parts(work: Path) -> list[Part]:
    """All folds' pieces, analysed."""
    chosen, folder, folds = pieces("events", LENGTH_SECONDS), work / "pieces", fold_of()
    if not (folder / "truth.csv").exists():
        separate(folder, chosen, [0.0] * len(chosen))
    items = gallery(folder, work / "cache")
    own = np.array([folds[piece.group] for piece in chosen])
    numbers = [np.flatnonzero(own == fold) for fold in range(FOLDS)]
    return [Part([chosen[number] for number in some], items.of(some)) for some in numbers]


def matched(cues: list[Cue], part: Part) -> np.ndarray:
    """(N, N) nats, matching pairs on the diagonal."""
    prior = usual_offsets(LAGS_SECONDS)
    return fused_scores(tuple(cues), part.items.videos, part.items.audios, LAGS_SECONDS, prior).nats


def late(cue: Cue, part: Part, lags: np.ndarray) -> np.ndarray:
    """Where each piece's own sound fits best, in seconds; it is at zero. A cue that abstains is wrong."""
    found = []
    for video, audio in zip(part.items.videos, part.items.audios, strict=True):
        curves = cue.curves([video], [audio], lags)
        found.append(np.inf if curves.reason() else lags[int(curves.nats[0, 0].argmax())])
    return np.array(found)


def interval(values: np.ndarray, groups: list[str]) -> str:
    """A share with its interval over recordings."""
    interval = bootstrap_interval(values.astype(float), 0, group=np.unique(groups, return_inverse=True)[1])
    return f"{100 * values.mean():5.1f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def report(name: str, cues: list[list[Cue]], apart: list[Cue], folds: list[Part]) -> None:
    """All figures of one system; `cues` and `apart` fold by fold."""
    print(f"\n{name}")
    matrices = [matched(some, part) for some, part in zip(cues, folds, strict=True)]
    for kind in ("", "impact", "pouring", "musical", "animal"):
        lines = []
        for nats, part in zip(matrices, folds, strict=True):
            chosen = np.flatnonzero(part.kind(kind))
            if len(chosen) > 1:
                lines.append((*figures(nats[np.ix_(chosen, chosen)])[:3], len(chosen)))
        top1, top5, assigned, num = np.mean(lines, axis=0)
        print(
            f"  partners, {kind or 'all':8s} top-1 {100 * top1:5.1f}  top-5 {100 * top5:5.1f}  assigned "
            f"{100 * assigned:5.1f} of {num:.0f} in the mean of folds",
            flush=True,
        )
    groups = [piece.group for part in folds for piece in part.chosen]
    impact = np.concatenate([part.kind("impact") for part in folds])
    wide = np.abs(np.concatenate([late(cue, part, WIDE) for cue, part in zip(apart, folds, strict=True)]))
    near = np.abs(np.concatenate([late(cue, part, NEAR) for cue, part in zip(apart, folds, strict=True)]))
    classes = np.abs(np.concatenate([late(cue, part, CLASSES) for cue, part in zip(apart, folds, strict=True)]))
    for label, error, limit in (
        ("within a frame", wide, FRAME_SECONDS),
        ("within 80 ms", wide, 0.08),
        ("within 200 ms", wide, 0.2),
        ("the class of 21", classes, 0.0),
        ("within one class", classes, 0.2),
        ("within 80 ms, ±1 s", near, 0.08),
    ):
        right = error <= limit + 1e-6
        ours = [group for group, chosen in zip(groups, impact, strict=True) if chosen]
        print(f"  {label:18s} all {interval(right, groups)}   impacts {interval(right[impact], ours)}", flush=True)


def closely(model: EventModel) -> EventModel:
    """The model with a calibration that looks at all figures, whatever it makes of them."""
    return replace(model, description=replace(model.description, half_slope=1.0))


def trials(cues: list[Cue], folds: list[Part]) -> list[np.ndarray]:
    """Of each fold's pieces, the sound moved: the terms of its figures, 1, error in seconds (∞ where it abstains)."""
    rng, found = np.random.default_rng(8), []
    for cue, part in zip(cues, folds, strict=True):
        lines = []
        for video, audio in zip(part.items.videos, part.items.audios, strict=True):
            shift = rng.uniform(-0.4, 0.4)
            moved = replace(audio, start_seconds=audio.start_seconds + shift)
            one = estimate_offset((cue,), video, moved, max_offset_seconds=1.0)
            if one.offset_seconds is None or one.figures is None:
                lines.append((1.0, np.inf))
            else:
                lines.append((*one.figures.terms(), 1.0, abs(one.offset_seconds - shift)))
        longest = max(len(line) for line in lines)
        found.append(np.array([(0.0,) * (longest - len(line)) + line for line in lines]))
    return found


def calibrated(lines: np.ndarray) -> np.ndarray:
    """Slopes of log-odds of being right and their intercept, by maximum likelihood, those of classes held near zero.

    More mass, contrast or agreement never speaks against an offset.
    """
    lines = lines[np.isfinite(lines[:, -1])]
    x, hits = lines[:, :-1], lines[:, -1] <= TOLERANCE_SECONDS
    of_classes = slice(4, -1)

    def loss(w: np.ndarray) -> float:
        log_odds = x @ w
        held = CLASS_RIDGE / 2 * np.square(w[of_classes]).sum()
        return float((np.logaddexp(0.0, log_odds) - hits * log_odds).mean() + held)

    bounds = [(0.0, None)] * 3 + [(None, None)] * (x.shape[1] - 3)
    return np.asarray(scipy.optimize.minimize(loss, np.zeros(x.shape[1]), method="L-BFGS-B", bounds=bounds).x)


def believed(cues: list[Cue], folds: list[Part]) -> None:
    """What `sync` would say, within ±1 s: in each fold by a calibration that was fitted on the others."""
    lines = trials(cues, folds)
    others = [np.concatenate(lines[:fold] + lines[fold + 1 :]) for fold in range(FOLDS)]
    sure = np.concatenate([expit(own[:, :-1] @ calibrated(rest)) for own, rest in zip(lines, others, strict=True)])
    error = np.concatenate(lines)[:, -1]
    ok = (sure >= OK_CONFIDENCE) & np.isfinite(error)
    groups = [piece.group for part in folds for piece in part.chosen]
    sure_of = [group for group, chosen in zip(groups, ok, strict=True) if chosen]
    right = f", right within 100 ms {interval(error[ok] <= 0.1, sure_of)}" if ok.any() else ""
    near, impact = error <= TOLERANCE_SECONDS, np.concatenate([part.kind("impact") for part in folds])
    ours = [group for group, chosen in zip(groups, impact, strict=True) if chosen]
    print(f"  sync: within 80 ms all {interval(near, groups)}   impacts {interval(near[impact], ours)}")
    print(f"  sync: ok {interval(ok, groups)}{right}")
    reliability("folds, 80 ms", sure[np.isfinite(error)], (error <= TOLERANCE_SECONDS)[np.isfinite(error)])


def reliability(name: str, confidence: np.ndarray, good: np.ndarray) -> None:
    """How often it was right where a confidence was stated."""
    parts = []
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.01)):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            parts.append(f"{confidence[inside].mean():.2f}→{good[inside].mean():.2f} ({inside.sum()})")
    print(f"    {name:24s} told→right (n): {'  '.join(parts)}")


def calibrate(cues: list[Cue], folds: list[Part], folder: Path) -> None:
    """Write into the model what fits all folds."""
    *slopes, intercept = calibrated(np.concatenate(trials(cues, folds))).round(4).tolist()
    names = ("mass_slope", "contrast_slope", "half_slope", "strokes_slope", "uneven_slope")
    changes = dict(zip(names, slopes, strict=False)) | {"class_slopes": slopes[len(names) :], "intercept": intercept}
    print(f"calibration: {changes}")
    for side in ("video", "audio"):
        described_anew(folder / f"{side}.onnx", changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--calibrate", type=Path, metavar="MODEL")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    folds, pairs = parts(asked.work), packed(asked.work)
    models = [Models((), trained(asked.work, fold, pairs)) for fold in range(FOLDS)]
    cues = [motion_cues(model, apart=False) for model in models]
    alone = [motion_cues(model, apart=True)[0] for model in models]
    close = [EventCue(closely(model.events)) for model in models if model.events is not None]
    if asked.calibrate is not None:
        calibrate(close, folds, asked.calibrate)
        return
    report("events: accents and kinds", cues, alone, folds)
    believed(close, folds)
    untrained: list[Cue] = [MotionCue(replace(CALIBRATION, half_slope=1.0), APART)] * FOLDS
    report("untrained motion cue", [[MotionCue()]] * FOLDS, untrained, folds)
    believed(untrained, folds)


if __name__ == "__main__":
    main()
