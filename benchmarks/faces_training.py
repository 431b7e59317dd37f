"""The recipe of the face finder that ships.

    python benchmarks/faces_training.py WORK [--write src/avmatch/weights/faces]

WORK holds the labelled frames (faces_labels.py); the training split makes the views (face_views.py). A focal loss on
where the middles of faces are (Zhou, Wang and Krähenbühl, *Objects as points*, 2019), a smooth L1 loss on size and
landmarks, AdamW, a warm-up and a cosine; the mean of the weights over time is what ships. Some 12 minutes of one core.
`python benchmarks/faces.py WORK` measures it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from face_frames import frames
from face_views import Targets, Views, targets
from torch import Tensor
from torch.nn import functional

from avmatch.systems.faces.model import FaceNet
from avmatch.training.export import Exported, export_onnx, uniform

STEPS, BATCH, WARM_UP = 7000, 24, 600
RATE, DECAY, MEAN_DECAY, CLIP = 3.5e-3, 1e-3, 0.998, 5.0
GEOMETRY_WEIGHT, SIZE_WEIGHT, BETA = 2.0, 0.3, 0.05


def loss_of(network: FaceNet, views: np.ndarray, wanted: list[Targets]) -> Tensor:
    """Of one batch."""
    given = torch.from_numpy(views[:, None].astype(np.float32)).to(memory_format=torch.channels_last)
    heat, counts, geometry, weights = (
        torch.from_numpy(np.stack([getattr(one, name) for one in wanted]))
        for name in ("heat", "counts", "geometry", "weights")
    )
    with torch.autocast("cpu", torch.bfloat16):
        maps = network.maps(given)
    log_odds = maps[:, 0].float()
    probability, is_middle = torch.sigmoid(log_odds), heat >= 1
    on = (1 - probability) ** 2 * functional.logsigmoid(log_odds)
    off = (1 - heat) ** 4 * probability**2 * functional.logsigmoid(-log_odds)
    where = -(counts * torch.where(is_middle, on, off)).sum() / max(float(is_middle.sum()), 4.0)
    parts = functional.smooth_l1_loss(maps[:, 1:].float(), geometry, reduction="none", beta=BETA)
    shares = torch.tensor([SIZE_WEIGHT, *[1.0] * (geometry.shape[1] - 1)]).view(1, -1, 1, 1)
    what = (parts * weights[:, None] * shares).sum() / max(float(weights.sum()), 1.0)
    return where + GEOMETRY_WEIGHT * what


def rate_at(step: int) -> float:
    cosine = 0.5 + 0.5 * math.cos(math.pi * max(0, step - WARM_UP) / (STEPS - WARM_UP))
    return RATE * min(1.0, (step + 1) / WARM_UP) * cosine


def trained(views: Views) -> FaceNet:
    """The mean of the weights over time."""
    torch.manual_seed(0)
    network = FaceNet().to(memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(MEAN_DECAY), use_buffers=True
    )
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    for step in range(STEPS):
        drawn = [views.draw() for _ in range(BATCH)]
        loss = loss_of(network, np.stack([view.image for view in drawn]), [targets(view) for view in drawn])
        optimiser.param_groups[0]["lr"] = rate_at(step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        mean.update_parameters(network)
        if (step + 1) % 500 == 0:
            print(f"step {step + 1}: loss {float(loss):.3f}", flush=True)
    found: FaceNet = mean.module
    return found.eval()


def write(network: FaceNet, folder: Path) -> None:
    """picture.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {"kind": "faces", "model": "faces", "side": "picture", "input": "levels"}
    samples = uniform([(1, 1, 112, 192), (1, 1, 96, 96), (1, 1, 192, 160)], 0, 255)
    exported = Exported(network, samples, description, ("levels",))
    export_onnx(exported, folder / "picture.onnx", {"recipe": "faces", "steps": STEPS}, is_half=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", type=Path, help="where the model goes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = list(frames(given.work, ("train",)))
    print(f"{len(known)} frames, {sum(len(frame.faces) for frame in known)} faces", flush=True)
    network = trained(Views(known, seed=0))
    if given.write is not None:
        write(network, given.write)


if __name__ == "__main__":
    main()
