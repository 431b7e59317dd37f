"""Must-show of `semantic`: what encoders that know more add to the evidence of events, on recordings never fitted on.

    python benchmarks/semantic.py WORK --video-encoder V --audio-encoder A [--scale 2] [--share 0.5]

The folds, pieces and models of benchmarks/events.py in the same WORK. V and A are ONNX files, models, or "shipped";
"{fold}" in a name is the number of the fold, for encoders that have not seen its recordings. The vectors of each clip's
pieces are kept in WORK. For each fold the map is fitted to the pieces of the other four, and its evidence is added to
that of `events`. Gains have 95 % intervals over recordings, pooled over all pieces.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

import events
import numpy as np
from clips import Piece, pieces
from scipy.optimize import linear_sum_assignment

from avmatch.artifacts.encoder import FRAME_SECONDS, Encoders, PictureEncoder, SoundEncoder, load_encoders, open_encoder
from avmatch.artifacts.model import open_model
from avmatch.core.features import AudioSamples, ColourFrames, Embeddings
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.media.decode import decode_with_colour
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.models import Models, motion_cues
from avmatch.systems.semantic.runtime import SemanticCue, load_semantic_model
from avmatch.systems.semantic.task import SemanticMap, SemanticPairs

STORY = {"recipe": "semantic", "config": {}, "data": {}, "results": {}, "command": "benchmarks/semantic.py"}
SHIPPED = "shipped"
KINDS = ("", "impact", "pouring", "musical", "animal")


def encoder(name: str, side: str, fold: int):
    """One of the two, of a fold."""
    if name == SHIPPED:
        found = load_encoders(open_model("semantic"))
        return found.video if side == "video" else found.audio
    return open_encoder(name.replace("{fold}", str(fold)), side)


@dataclass(frozen=True, eq=False)
class Material:
    """What a piece's encoders take: frames about FRAME_SECONDS apart, and samples (1, S) at SAMPLE_RATE_HZ."""

    frames: list[ColourFrames]
    samples: np.ndarray


@cache
def material(chosen: tuple[Piece, ...]) -> list[Material]:
    """Of each piece; every clip is decoded once."""
    found: list[Material] = []
    for path, some in groupby(chosen, key=lambda piece: piece.path):
        blocks = list(decode_with_colour(str(path), FRAME_SECONDS))
        frames = [one for one in blocks if isinstance(one, ColourFrames)]
        samples = np.concatenate([one.data for one in blocks if isinstance(one, AudioSamples)], axis=1)
        for piece in some:
            begin, length = piece.begin_seconds, piece.length_seconds
            own = [one for one in frames if 0.0 <= one.pts_seconds[0] - begin < length]
            first, num = (round(seconds * SAMPLE_RATE_HZ) for seconds in (begin, length))
            found.append(Material(own, samples[:, first : first + num]))
    return found


def vectors(taken: Material, encoders: Encoders) -> tuple[np.ndarray, np.ndarray]:
    """Of a piece's frames and of its windows of sound."""
    looks, sounds = PictureEncoder(encoders.video), SoundEncoder(encoders.audio)
    for frame in taken.frames:
        looks.push(frame)
    sounds.push(AudioSamples(taken.samples, SAMPLE_RATE_HZ))
    found = looks.finish(), sounds.finish()
    return tuple(np.zeros((0, 0), np.float32) if one is None else one.data.astype(np.float32) for one in found)


def encoded(work: Path, chosen: list[Piece], encoders: Encoders) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of all pieces; read back where they are kept."""
    made_by = f"{encoders.video.fingerprint} {encoders.audio.fingerprint}"
    place = work / f"vectors-{hashlib.blake2b(made_by.encode(), digest_size=6).hexdigest()}.npz"
    if not place.is_file():
        found = [vectors(one, encoders) for one in material(tuple(chosen))]
        np.savez(place, **{f"{row}-{side}": one for row, both in enumerate(found) for side, one in enumerate(both)})
    with np.load(place) as kept:
        return [(kept[f"{row}-0"], kept[f"{row}-1"]) for row in range(len(chosen))]


def fitted(folder: Path, task: SemanticPairs, clips: list, names: list[str], groups: list[str]) -> SemanticCue:
    """The cue of a map that is fitted to these pieces."""
    means = [tuple(side.mean(axis=0, keepdims=True) if len(side) else side for side in clip) for clip in clips]
    learner = SemanticMap(task, means, names, np.unique(groups, return_inverse=True)[1])
    task.export(learner, None, folder, STORY)  # type: ignore[arg-type]
    return SemanticCue(load_semantic_model(open_model(folder)))


def with_vectors(features, rows: np.ndarray, name: str):
    """Features that a cue finds them in."""
    found = Embeddings(rows.astype(np.float16), 1.0)
    return replace(features, embeddings={**features.embeddings, name: found}) if len(rows) else features


def hits(nats: np.ndarray) -> np.ndarray:
    """(3, N): top-1, top-5, assigned; ties count against the system."""
    rank = (nats >= np.diag(nats)[:, None]).sum(axis=1)
    noise = np.random.default_rng(0).uniform(0, 1e-6, nats.shape)
    _, column = linear_sum_assignment(-(nats + noise))
    return np.stack([rank == 1, rank <= 5, column == np.arange(len(nats))])


def report(name: str, matrices: list[np.ndarray], folds: list[events.Part]) -> np.ndarray:
    """In the mean of folds; returns (N,) which of all pieces were assigned."""
    print(f"\n{name}")
    for kind in KINDS:
        lines = []
        for nats, part in zip(matrices, folds, strict=True):
            chosen = np.flatnonzero(part.kind(kind))
            if len(chosen) > 1:
                lines.append((*hits(nats[np.ix_(chosen, chosen)]).mean(axis=1), len(chosen)))
        top1, top5, assigned, num = np.mean(lines, axis=0)
        shares = f"top-1 {100 * top1:5.1f}  top-5 {100 * top5:5.1f}  assigned {100 * assigned:5.1f} of {num:.0f}"
        print(f"  {kind or 'all':8s} {shares}")
    assigned = np.concatenate([hits(nats)[2] for nats in matrices])
    impact = np.concatenate([part.kind("impact") for part in folds])
    print(
        f"  among all: impacts {100 * assigned[impact].mean():.1f}, others {100 * assigned[~impact].mean():.1f}",
        flush=True,
    )
    return assigned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--video-encoder", default=SHIPPED)
    parser.add_argument("--audio-encoder", default=SHIPPED)
    parser.add_argument("--scale", type=float, default=SemanticPairs.scale)
    parser.add_argument("--share", type=float, default=SemanticPairs.class_share)
    asked = parser.parse_args()
    chosen, folds, fold_of = pieces("events", events.LENGTH_SECONDS), events.parts(asked.work), events.fold_of()
    own = np.array([fold_of[piece.group] for piece in chosen])
    names = [piece.label.partition(":")[0].strip() for piece in chosen]
    packed = None
    before, after = [], []
    for fold, part in enumerate(folds):
        both = [
            encoder(name, side, fold) for name, side in ((asked.video_encoder, "video"), (asked.audio_encoder, "audio"))
        ]
        found = encoded(asked.work, chosen, Encoders(*both))
        task = SemanticPairs(
            str(both[0].graph.path), str(both[1].graph.path), scale=asked.scale, class_share=asked.share
        )
        rows = np.flatnonzero(own != fold)
        groups = [chosen[row].group for row in rows]
        cue = fitted(
            asked.work / f"map-{fold}", task, [found[row] for row in rows], [names[row] for row in rows], groups
        )
        ready = (asked.work / f"fold-{fold}" / "model" / "video.onnx").is_file()
        packed = packed if ready or packed else events.packed(asked.work)
        cues = motion_cues(Models((), events.trained(asked.work, fold, packed)), apart=False)
        before.append(events.matched(cues, part))
        for place, row in enumerate(np.flatnonzero(own == fold)):
            part.items.videos[place] = with_vectors(part.items.videos[place], found[row][0], cue.name)
            part.items.audios[place] = with_vectors(part.items.audios[place], found[row][1], cue.name)
        after.append(events.matched([*cues, cue], part))
    today, ours = report("events", before, folds), report("events and semantic", after, folds)
    gain = ours.astype(float) - today
    groups = [piece.group for part in folds for piece in part.chosen]
    interval = bootstrap_interval(gain, 0, group=np.unique(groups, return_inverse=True)[1])
    print(f"\npooled: {100 * gain.mean():+.1f} points [{100 * interval.low:.1f}, {100 * interval.high:.1f}]")


if __name__ == "__main__":
    main()
