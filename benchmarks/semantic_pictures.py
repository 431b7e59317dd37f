"""A trial: a student for pictures of `semantic` that holds nothing of its teacher's weights. It isn't what ships.

    python benchmarks/semantic_pictures.py WORK --lite0 WEIGHTS.pth [--only N]
    python benchmarks/semantic.py WORK --video-encoder WORK/own-{fold}/video.onnx --audio-encoder …

A small residual network is trained from nothing to give EfficientNet-Lite0's vectors (WEIGHTS.pth as for
semantic_students.py). Pictures are frames of the development clips, every half second, as they are and as crops in
other light and colours. The teacher's last features, before they are averaged over the picture, lie on the same grid of
7 × 7 places as the student's: it learns each place's vector, besides their mean. So every picture teaches forty-nine
times, and a picture with a rectangle of another one in it has goals without asking the teacher again (Yun et al.,
"CutMix", ICCV 2019). It explains half as much of recordings that it has not seen as the student that ships: some two
hundred recordings are too few (docs/experiments/semantic.md).

WORK/pictures.npz keeps pictures and goals; WORK/own-N is the encoder for fold N of benchmarks/events.py.

Letters in shapes: N pictures, H rows, W columns, S places a side, D components.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import events
import numpy as np
import torch
from semantic_students import DIM, EVERYTHING, SIDE_PX, clips, write
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from avmatch.artifacts.encoder import as_input, resized
from avmatch.core.features import ColourFrames
from avmatch.media.decode import decode_with_colour
from avmatch.systems.semantic.lite0 import checked
from avmatch.systems.semantic.model import Convolution, folded, whole_lite0
from avmatch.training.closed_forms import whitening

TEACHER_PX, PLACES = 224, 7
WIDTHS, SQUARE_PX = (32, 32, 64, 64, 120, 120, 120), 4
#: Between frames; crops of each besides the whole: of events, of talking people.
FRAME_SECONDS, NUM_CROPS, NUM_CROPS_TALKING = 0.5, 4, 1
#: The group of clips that are no events (semantic_students.clips).
TALKING = "other"
_TEACHER_BATCH, _NORM_BATCHES = 32, 50


@dataclass(frozen=True, eq=False)
class Pictures:
    """What there is to learn.

    Attributes:
        looks: (N, SIDE_PX, SIDE_PX, 3) uint8.
        goals: (N, S², D) float16, in components of the teacher's vectors.
        group: (N,) the recording of each, or TALKING.
    """

    looks: np.ndarray
    goals: np.ndarray
    group: np.ndarray

    def __post_init__(self) -> None:
        assert len(self.looks) == len(self.goals) == len(self.group)


def frames_of(clips: Iterable[tuple[Path, str]]) -> Iterator[tuple[np.ndarray, str]]:
    """Frames of all clips with the recordings they are of; of talking people, who look alike, one each."""
    for path, group in clips:
        if path.suffix == ".opus":
            continue
        found = (one.data[0] for one in decode_with_colour(path, FRAME_SECONDS) if isinstance(one, ColourFrames))
        for place, frame in enumerate(found):
            if group != TALKING or place == 1:
                yield frame, group


def crop(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a frame in another light."""
    height, width = frame.shape[:2]
    share, shape = rng.uniform(0.15, 1.0), rng.uniform(0.8, 1.25)
    rows, columns = min(height, int(height * share**0.5 * shape)), min(width, int(width * share**0.5 / shape))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    part = frame[top : top + rows, left : left + columns].astype(np.float32)
    part = part[:, ::-1] if rng.random() < 0.5 else part
    if rng.random() < 0.8:
        grey = part.mean(axis=2, keepdims=True)
        part = (grey + (part - grey) * rng.uniform(0.2, 1.6)) * rng.uniform(0.6, 1.4) + rng.uniform(-20, 20, 3)
    if rng.random() < 0.15:
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.5, 2.0))
    return np.ascontiguousarray(np.clip(part, 0, 255).astype(np.uint8))


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside what comes in; where the width changes, at half the resolution.

    He et al., "Deep residual learning", CVPR 2016; the shortcut as in He et al., "Bag of tricks", CVPR 2019.
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        is_wider = channels != channels_in
        first = Convolution(channels_in, channels, 3, 2 if is_wider else 1)
        self.layers = nn.Sequential(first, Convolution(channels, channels, 3, is_last=True))
        beside = nn.Sequential(nn.AvgPool2d(2), Convolution(channels_in, channels, 1, is_last=True))
        self.shortcut = beside if is_wider else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.layers(features) + self.shortcut(features))


class OwnStudent(nn.Module):
    """Squares of 4 × 4 pixels, widths one after another, the picture's mean beside every place: 0.92 million weights,
    0.17 billion operations a picture. A picture's vector is the mean of its places'."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [Residual(before, after) for before, after in pairwise(WIDTHS)]
        self.trunk = nn.Sequential(nn.PixelUnshuffle(SQUARE_PX), Convolution(3 * SQUARE_PX**2, WIDTHS[0], 3), *blocks)
        self.context = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.output = nn.Conv2d(WIDTHS[-1], DIM, 1)

    def places(self, pictures: Tensor) -> Tensor:
        """(N, D, S, S), of red, green and blue (N, 3, H, W) in 0…1."""
        features = self.trunk(4.0 * pictures - 2.0)
        context = self.context(features.mean(dim=(2, 3)))
        return self.output(torch.relu(features + context[:, :, None, None]))

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, D)."""
        return self.places(pictures).mean(dim=(2, 3))


class Teacher:
    """EfficientNet-Lite0 before it averages."""

    def __init__(self, weights: Path) -> None:
        checked(weights)
        whole = folded(whole_lite0(torch.load(weights, map_location="cpu", weights_only=True)))
        self._network = whole.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def maps(self, pictures: list[np.ndarray]) -> np.ndarray:
        """(N, S², 1280) float32."""
        large = torch.from_numpy(as_input(np.stack([resized(one, TEACHER_PX) for one in pictures])))
        with torch.autocast("cpu", torch.bfloat16):
            features = self._network.head(self._network.trunk(large.to(memory_format=torch.channels_last))[-1])
        return features.float().flatten(2).transpose(1, 2).numpy()


def pictures(work: Path, lite0: Path, clips: Iterable[tuple[Path, str]]) -> Pictures:
    """With goals; read back where they are kept."""
    place = work / "pictures.npz"
    if not place.is_file():
        np.savez(place, **_made(Teacher(lite0), list(frames_of(clips))))
    with np.load(place) as kept:
        return Pictures(kept["looks"], kept["goals"], kept["group"])


def _made(teacher: Teacher, frames: list[tuple[np.ndarray, str]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    usual = [frame for frame, _ in frames[::3]]
    vectors = [
        teacher.maps(usual[at : at + _TEACHER_BATCH]).mean(axis=1) for at in range(0, len(usual), _TEACHER_BATCH)
    ]
    axes = whitening(np.concatenate(vectors).astype(np.float64), DIM, power=0.0)
    mean, directions = axes.mean.astype(np.float32), axes.directions.astype(np.float32)
    looks, goals, groups = [], [], []
    for frame, group in frames:
        num = NUM_CROPS_TALKING if group == TALKING else NUM_CROPS
        shown = [frame, *(crop(frame, rng) for _ in range(num))]
        looks.append(np.stack([resized(one, SIDE_PX) for one in shown]))
        goals.append(((teacher.maps(shown) - mean) @ directions).astype(np.float16))
        groups += [group] * len(shown)
    found = {"looks": np.concatenate(looks), "goals": np.concatenate(goals), "group": np.array(groups)}
    return found | {"mean": mean, "directions": directions}


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The learning rate rises over `warmup_steps` and falls as a cosine."""

    num_epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 150
    ema_decay: float = 0.996
    places_share: float = 0.5

    def rate(self, step: int, num_steps: int) -> float:
        """Share of the learning rate."""
        return min(1.0, (step + 1) / self.warmup_steps) * 0.5 * (1 + np.cos(np.pi * step / num_steps))


def batch_of(pictures: Pictures, rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) and goals (N, S, S, D): mirrored or not, a little lighter or darker, and in every other
    batch with a rectangle of another picture."""
    looks = torch.from_numpy(pictures.looks[rows]).permute(0, 3, 1, 2).float() / 255
    goals = torch.from_numpy(pictures.goals[rows]).float().reshape(len(rows), PLACES, PLACES, -1)
    mirrored = torch.from_numpy(rng.random(len(rows)) < 0.5)
    looks = torch.where(mirrored[:, None, None, None], looks.flip(3), looks)
    goals = torch.where(mirrored[:, None, None, None], goals.flip(2), goals)
    looks = looks * torch.from_numpy(rng.uniform(0.85, 1.15, (len(rows), 1, 1, 1)).astype(np.float32))
    if rng.random() < 0.5:
        cell = looks.shape[2] // PLACES
        sides = rng.integers(2, PLACES, 2)
        top, left = (int(rng.integers(0, PLACES - side + 1)) for side in sides)
        bottom, right = top + int(sides[0]), left + int(sides[1])
        other = torch.from_numpy(rng.permutation(len(rows)))
        pixels = (..., slice(top * cell, bottom * cell), slice(left * cell, right * cell))
        looks[pixels] = looks[other][pixels]
        goals[:, top:bottom, left:right] = goals[other][:, top:bottom, left:right]
    return looks.clamp(0, 1).contiguous(memory_format=torch.channels_last), goals


def loss_of(places: Tensor, goals: Tensor, spread: tuple[float, float], share: float) -> Tensor:
    """Squared errors of means and of places, each in units of the goals' variance."""
    errors = places.permute(0, 2, 3, 1) - goals
    of_means = errors.mean(dim=(1, 2)).square().sum(dim=1).mean() / spread[0]
    return of_means + share * errors.square().sum(dim=3).mean() / spread[1]


def trained(pictures: Pictures, rows: np.ndarray, schedule: Schedule, kept: Path) -> OwnStudent:
    """The moving average of a network that is trained on these rows; `kept` holds the last epoch's weights."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = OwnStudent().to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(schedule.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    spread = _spread(pictures.goals[rows[::10]].astype(np.float32))
    steps_an_epoch = len(rows) // schedule.batch_size
    begin, losses = time.monotonic(), []
    for step in range(schedule.num_epochs * steps_an_epoch):
        place = step % steps_an_epoch
        order = rng.permutation(rows) if place == 0 else order
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * schedule.rate(step, schedule.num_epochs * steps_an_epoch)
        looks, goals = batch_of(pictures, order[place * schedule.batch_size :][: schedule.batch_size], rng)
        with torch.autocast("cpu", torch.bfloat16):
            places = network.places(looks)
        loss = loss_of(places.float(), goals, spread, schedule.places_share)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
        losses.append(loss.item())
        if place == steps_an_epoch - 1:
            torch.save(average.module.state_dict(), kept)
            print(
                f"{kept.stem} epoch {step // steps_an_epoch} loss {np.mean(losses[-place:]):.3f}"
                f" after {time.monotonic() - begin:.0f} s",
                flush=True,
            )
    # Of averaged weights the features are spread otherwise than of those that were averaged.
    batches = (batch_of(pictures, np.sort(rng.choice(rows, schedule.batch_size)), rng)[0] for _ in range(_NORM_BATCHES))
    update_bn(batches, average.module)
    return average.module.eval()


def _spread(goals: np.ndarray) -> tuple[float, float]:
    means = goals.mean(axis=1)
    return float(means.var(axis=0).sum()), float(goals.reshape(-1, goals.shape[2]).var(axis=0).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--lite0", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="N", help="folds, or all; otherwise each of them")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    shown, fold_of = pictures(asked.work, asked.lite0, clips()), events.fold_of()
    own = np.array([fold_of.get(group, -1) for group in shown.group])
    for fold in (*range(events.FOLDS), EVERYTHING):
        if asked.only and str(fold) not in asked.only:
            continue
        folder, rows = asked.work / f"own-{fold}", np.flatnonzero(own != fold)
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, trained(shown, rows, Schedule(), folder / "video.pt"), "video", len(rows))
        print(folder, flush=True)


if __name__ == "__main__":
    main()
