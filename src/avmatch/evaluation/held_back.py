"""What a run held back from training, as its folder records it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from avmatch.core.errors import UsageError


def held_back_names(run: Path) -> set[str]:
    """The names of the pairs. Raises UsageError if `run` isn't the folder of a run."""
    record = run / "split.json"
    if not record.is_file():
        raise UsageError(f"{run}: no record of what was held back (split.json); give the run's folder")
    return set(json.loads(record.read_text(encoding="utf-8"))["validation"])


def held_back_rows(names: Sequence[str], run: Path, *others: Path) -> Int[np.ndarray, " M"]:
    """The rows of those of `names` that the run held back.

    Raises:
        UsageError: there is none, or one of the `others` held back different pairs.
    """
    held = held_back_names(run)
    for other in others:
        if held_back_names(other) != held:
            raise UsageError(f"{other}: held back other pairs than {run}; evaluate them one by one")
    rows = np.array([row for row, name in enumerate(names) if name in held], np.int64)
    if not len(rows):
        raise UsageError(f"{run}: none of its {len(held)} held-back pairs is in these data")
    return rows
