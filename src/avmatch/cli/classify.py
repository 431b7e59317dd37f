"""`avmatch classify` and `collide`: which class is this, and which object made this sound?"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from avmatch.cli.options import NOTHING_USABLE, Cache, NoCache, cache_folder, note, print_results, progress_bars
from avmatch.core.errors import UsageError


def classify(
    files: Annotated[
        list[Path], Argument(help="Features (.npz, packed folder, TAU, table) or media; --fuse: prediction.csv.")
    ],
    model: Annotated[str | None, Option(help="A run of a scene_… recipe, or its model folder.")] = None,
    json: Annotated[bool, Option("--json", help="One JSON object an item; --fuse: a single one.")] = False,
    fuse: Annotated[bool, Option("--fuse", help="FILES are predictions of several systems: fuse them.")] = False,
    how: Annotated[str, Option(help="--fuse: mean, weighted or stacked, for the table of --out.")] = "mean",
    out: Annotated[Path | None, Option("-o", "--out", help="--fuse: write the fused prediction.csv here.")] = None,
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
    from avmatch.systems.scenes.runtime import SceneResult, scene_sentence, timeline_lines

    def text(result: SceneResult) -> str:
        return "\n".join((scene_sentence(result), *timeline_lines(result)))

    with progress_bars() as progress:
        results = run(files, model, cache_dir=cache_folder(cache, no_cache), progress=progress)
    print_results(results, text, as_json=json)
    if not any(result.label for result in results):
        raise Exit(NOTHING_USABLE)
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
    remark = f"{fused.num_labelled} items with a known class; fusions are cross-validated over locations"
    note(remark if fused.num_labelled else "no `scene_label`: nothing to judge by")


def collide(
    dataset: Annotated[Path, Argument(help="Folder in the Tilt-Bot's layout: dataset/task1/test/…")],
    out: Annotated[Path, Option("-o", "--out", help="Folder for answers.json, the matrices and report.html.")],
    task: Annotated[int, Option(help="1: class of each sound; 2: video of each sound; 3: as 2, or none.")],
    model: Annotated[str, Option(help="A run of avmatch train collision, or its model folder.")],
    keys: Annotated[str, Option(help="pkl or bare: how answers.json names a sound.")] = "pkl",
    two_stage: Annotated[bool, Option("--two-stage", help="Decide classes, then match within them.")] = False,
) -> None:
    """Solve the tasks of the Tilt-Bot's collisions, and write answers, distances and a report."""
    from avmatch.pipelines.collide import collide as answer
    from avmatch.pipelines.collide import write_collide
    from avmatch.reports.wording import remark_lines

    if keys not in ("pkl", "bare"):
        raise UsageError(f"--keys must be pkl or bare, got {keys!r}")
    with progress_bars() as progress:
        result = answer(dataset, task, model, two_stage=two_stage, progress=progress)
    report = write_collide(result, out, bare=keys == "bare")
    for line in remark_lines(result.notes, result.failures):
        note(line)
    print(f"{sum(len(group.sounds) for group in result.groups.values())} sounds answered; see {report}")
    if not any(group.sounds for group in result.groups.values()):
        raise Exit(NOTHING_USABLE)
