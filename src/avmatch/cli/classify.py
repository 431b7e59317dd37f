"""`avmatch classify`: one label from sound and picture together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avmatch.cli.options import Cache, NoCache, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avmatch.systems.scenes.fusing import FusedPredictions, System


def classify(
    files: Annotated[
        list[Path], typer.Argument(help="Features (.npz, packed folder, TAU, table) or media; --fuse: prediction.csv.")
    ],
    model: Annotated[str | None, typer.Option(help="A run of a scene_… recipe, or its model folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an item; --fuse: a single one.")] = False,
    fuse: Annotated[bool, typer.Option("--fuse", help="FILES are predictions of several systems: fuse them.")] = False,
    how: Annotated[
        str, typer.Option(help="--fuse: mean, weighted or stacked, for the table that is written.")
    ] = "mean",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="--fuse: write the fused prediction.csv here.")
    ] = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Say which class each item belongs to, which side carried it, and in long files when."""
    from avmatch.cli.options import progress_bars
    from avmatch.core.errors import UsageError

    if fuse == (model is not None):
        raise UsageError("give either --model, to classify, or --fuse, with prediction files")
    if fuse:
        return _fuse(files, how, out, json)
    assert model is not None
    if out is not None or how != "mean":
        raise UsageError("--out and --how belong to --fuse; `avmatch evaluate classify -o` writes predictions")
    from avmatch.pipelines import delivery
    from avmatch.pipelines.classify import classify as run

    with progress_bars() as progress:
        results = run(files, model, cache_dir=cache_folder(cache, no_cache), progress=progress)
    print(*delivery.scene_lines(results, as_json=json), sep="\n")
    if not any(result.label for result in results):
        raise typer.Exit(1)
    return None


def _fuse(files: list[Path], how: str, out: Path | None, as_json: bool) -> None:
    from avmatch.systems.scenes.fusing import fuse_predictions, write_predictions

    fused = fuse_predictions(files, how)
    if out is not None:
        write_predictions(out, fused.predictions)
    if as_json:
        print(_json_text(fused))
    else:
        print(*map(_line, fused.systems), sep="\n")
        told = f"{fused.num_labelled} items with a known class; fusions are cross-validated over locations"
        print(told if fused.num_labelled else "no `scene_label`: nothing to judge by", file=sys.stderr)


def _json_text(fused: FusedPredictions) -> str:
    import json
    from dataclasses import asdict

    told = {"how": fused.how, "num_labelled": fused.num_labelled, "systems": [asdict(one) for one in fused.systems]}
    return json.dumps(told, allow_nan=False)


def _line(system: System) -> str:
    return "  ".join(_cells(system))


def _cells(system: System) -> Iterator[str]:
    known = system.accuracy is not None and system.log_loss is not None
    yield f"{system.accuracy:.4f}" if known else "     –"
    yield f"{system.log_loss:.4f}" if known else "     –"
    yield system.name
    if system.weights:
        yield "(" + ", ".join(f"{weight:.3f}" for weight in system.weights) + ")"
