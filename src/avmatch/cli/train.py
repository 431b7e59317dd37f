"""`avmatch train`: a recipe and data → a model."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from avmatch.cli.options import note, progress_bars
from avmatch.core.errors import MissingExtraError, UsageError


def train(
    recipe: Annotated[str, Argument(help="Name of the recipe; none lists them.", show_default=False)] = "",
    data: Annotated[Path | None, Argument(help="What to train on, in a layout that the recipe reads.")] = None,
    out: Annotated[Path | None, Option("-o", "--out", help="Folder of the run; must be new or empty.")] = None,
    resume: Annotated[bool, Option("--resume", help="Continue the run in OUT.")] = False,
    seed: Annotated[int | None, Option(help="Seed of all random draws (default: the recipe's).")] = None,
    epochs: Annotated[int | None, Option(help="Passes over the data (default: the recipe's).")] = None,
    device: Annotated[str, Option(help="auto, cpu or cuda.")] = "auto",
    settings: Annotated[
        list[str] | None, Option("--set", help="field=value of the configuration; may be repeated.")
    ] = None,
    video_encoder: Annotated[
        str | None, Option(help="Of `semantic`: a model, or an ONNX file that takes pictures (N, 3, H, H) in 0…1.")
    ] = None,
    audio_encoder: Annotated[
        str | None, Option(help="Of `semantic`: the same for log-mel (N, T, 64) or 16 kHz samples (N, S).")
    ] = None,
) -> None:
    """Train a recipe; OUT gets the model, its card, curves, and what resuming or repeating the run needs."""
    from avmatch.systems.registry import check_recipe, recipes_by_system

    if not recipe:
        for system, names in recipes_by_system().items():
            print(f"{system:>12}  {', '.join(names)}")
        return
    check_recipe(recipe)
    if data is None or out is None:
        raise UsageError(f"training needs data and a folder for the run: avmatch train {recipe} DATA -o RUN")
    given = {"video_encoder": video_encoder, "audio_encoder": audio_encoder}
    encoders = [f"task.{name}={json.dumps(path)}" for name, path in given.items() if path is not None]
    try:
        from avmatch.pipelines.train import train_recipe

        with progress_bars() as progress:
            result = train_recipe(
                recipe,
                data,
                out,
                resume=resume,
                seed=seed,
                epochs=epochs,
                device=device,
                settings=[*(settings or []), *encoders],
                progress=progress,
            )
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("avmatch"):
            raise
        raise MissingExtraError(error.name.partition(".")[0], "train", "training") from error
    for name, value in result.metrics.items():
        if name != "epoch":  # counted from 0 in the files
            print(f"{name:>16} {value:.4g}")
    note(f"the model is {result.model} (best epoch {result.best_epoch + 1} of {result.epochs})")
