"""Features of a front end for words, computed once, from which a head then learns alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from avmatch.data.items import Pairs
from avmatch.data.shards import ShardWriter
from avmatch.systems.lips.augmentation import MouthAugmentation, MouthFrontEnd
from avmatch.systems.lips.task import RATE_HZ
from avmatch.systems.words.model import FrontEnd


@torch.no_grad()
def save_features(front_end: FrontEnd, clips: Pairs, rows: Sequence[int], folder: Path) -> None:
    """Shards of the features of these clips, whole and unaugmented, under their names; clips that are there stay.

    Features are kept as float16, which is enough for the BatchNorm that they go through.
    """
    mouth = MouthFrontEnd(MouthAugmentation(), front_end.side_px).eval()
    network = front_end.network.eval()
    with ShardWriter(folder, video_rate_hz=RATE_HZ) as writer:
        for row in rows:
            if clips.names[row] not in writer.names:
                frames = mouth(torch.from_numpy(np.array(clips.video[row]))[None])
                ticks = network(frames)[0].numpy().astype(np.float16)
                writer.add(clips.names[row], ticks, np.zeros((1, 1), np.float16))
