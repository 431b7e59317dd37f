"""The numbers of each epoch for TensorBoard: a file of events for each session of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class Events:
    """A session's file. What an earlier session wrote of `first_epoch` and later is taken back."""

    def __init__(self, folder: Path, first_epoch: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def write(self, row: Mapping[str, float]) -> None:
        """Every number of an epoch's row but the epoch, at once."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def close(self) -> None:
        """The session is over."""
        self._writer.close()
