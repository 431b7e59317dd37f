"""`avmatch classify`: one label from sound and picture together; or the fusion of published predictions."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avmatch.cli.options import Cache, NoCache, cache_folder, progress_bars
from avmatch.core.errors import UsageError


def classify(
    files: Annotated[
        list[Path], typer.Argument(help="Features (.npz, packed folder, TAU, table) or media; --fuse: prediction.csv.")
    ],
    model: Annotated[str | None, typer.Option(help="A run of a scene_… recipe, or its model folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an item; --fuse: a single one.")] = False,
    fuse: Annotated[bool, typer.Option("--fuse", help="FILES are predictions of several systems: fuse them.")] = False,
    how: Annotated[str, typer.Option(help="--fuse: mean, weighted or stacked, for the table of --out.")] = "mean",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="--fuse: write the fused prediction.csv here.")
    ] = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Classify items by sound and picture together: the class, which side decides it, and when in long files."""
    if fuse == (model is not None):
        raise UsageError("give either --model, to classify, or --fuse, with prediction files")
    if fuse:
        return _fuse(files, how, out, json)
    assert model is not None
    if out is not None or how != "mean":
        raise UsageError("--out and --how belong to --fuse; `avmatch evaluate classify -o` writes predictions")
    from avmatch.pipelines.classify import classify as run
    from avmatch.reports.wording import result_lines
    from avmatch.systems.scenes.runtime import SceneResult, scene_sentence, timeline_lines

    def text(result: SceneResult) -> str:
        return "\n".join((scene_sentence(result), *timeline_lines(result)))

    with progress_bars() as progress:
        results = run(files, model, cache_dir=cache_folder(cache, no_cache), progress=progress)
    print(*result_lines(results, text, as_json=json), sep="\n")
    if not any(result.label for result in results):
        raise typer.Exit(1)
    return None


def _fuse(files: list[Path], how: str, out: Path | None, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from avmatch.systems.scenes.fusing import fuse_predictions, write_predictions

    fused = fuse_predictions(files, how)
    if out is not None:
        write_predictions(out, fused.predictions)
    if as_json:
        systems = [asdict(system) for system in fused.systems]
        fields = {"how": fused.how, "num_labelled": fused.num_labelled, "systems": systems}
        print(json.dumps(fields, allow_nan=False))
        return
    for system in fused.systems:
        figures = ["     –" if one is None else f"{one:.4f}" for one in (system.accuracy, system.log_loss)]
        weights = [f"({', '.join(f'{weight:.3f}' for weight in system.weights)})"] if system.weights else []
        print(*figures, system.name, *weights, sep="  ")
    note = f"{fused.num_labelled} items with a known class; fusions are cross-validated over locations"
    print(note if fused.num_labelled else "no `scene_label`: nothing to judge by", file=sys.stderr)
