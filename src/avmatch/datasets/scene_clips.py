"""One clip a file: `.npz` with `audio` (T, F) and `video` (U, G), or one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.core.errors import UsageError
from avmatch.datasets.items import Pairs, stored_array
from avmatch.datasets.scene_items import SIDES, Fault, Scenes, Side, absent, missing_steps, whole_steps


def read_clips(paths: Sequence[str]) -> Scenes:
    """The clips of these files; what is missing or broken is told as a fault.

    Raises:
        UsageError: a file isn't there.
    """
    if gone := next((path for path in paths if not Path(path).is_file()), None):
        raise UsageError(f"{gone}: no such file")
    read = {side: [_read(path, side) for path in paths] for side in SIDES}
    faults = [Fault(path, side, why) for side in SIDES for path, (_, why) in zip(paths, read[side], strict=True) if why]
    audio, video = (tuple(clip for clip, _ in read[side]) for side in SIDES)
    pairs = Pairs(video, audio, tuple(paths), np.arange(len(paths)), np.full(len(paths), -1), ())
    return Scenes(pairs, tuple(faults))


def _read(path: str, side: Side) -> tuple[Float32[np.ndarray, "_ _"], str]:
    """The steps of one side, and what is missing of them, or wrong."""
    try:
        array = stored_array(Path(path), side)
    except ValueError as error:
        return absent(), f"broken: not a readable .npz ({error})"
    if array is None:
        return absent(), "missing"
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        return absent(), f"broken: must be numbers (steps, features), is {array.dtype} {array.shape}"
    clip = whole_steps(array)
    return clip, missing_steps(clip)
