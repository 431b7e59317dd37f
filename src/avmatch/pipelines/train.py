"""`avmatch train`, without the command line: a recipe by its name, what the user set, a run."""

import shlex
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.core.results import Progress
from avmatch.systems.registry import recipe, staged
from avmatch.training.config import override
from avmatch.training.loop import TrainResult, train


def train_recipe(
    name: str,
    data: str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    seed: int | None = None,
    epochs: int | None = None,
    device: str = "auto",
    settings: Sequence[str] = (),
    progress: Progress | None = None,
) -> TrainResult:
    """Train the recipe or system `name` on `data` into the folder `out`.

    Args:
        seed, epochs: replace the recipe's own.
        settings: `field=value`, for any field of the configuration (training/config.py).

    Raises:
        UsageError: no such recipe, field or layout, the folder is in use, or there is no run to resume.
    """
    own = {field: value for field, value in (("seed", seed), ("epochs", epochs)) if value is not None}
    options = [*((f"--{field}", str(value)) for field, value in own.items()), *(("--set", one) for one in settings)]
    command = shlex.join(["avmatch", "train", name, str(data), "-o", str(out), *chain(*options)])
    run: Callable[..., TrainResult]
    if stages := staged(name):
        build, run = stages
        config = build(settings, **own)
    else:
        config, run = override(recipe(name), [*(f"{field}={value}" for field, value in own.items()), *settings]), train
    if resume and not (Path(out) / "config.json").is_file():
        raise UsageError(f"{out}: no run to resume there (no config.json); leave out --resume to start one")
    return run(config, data, out, resume=resume, device=device, command=command, progress=progress)
