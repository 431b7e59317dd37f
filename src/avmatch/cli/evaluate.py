"""`avmatch evaluate`: how good is a model on these data? A command for each thing that can be measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avmatch.cli.former import EvaluateGroup
from avmatch.cli.options import Cache, NoCache, QuietCache, QuietNoCache, cache_folder

if TYPE_CHECKING:
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.reports.report import Report

evaluate = typer.Typer(cls=EvaluateGroup, no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="A run, an exported folder, or the name of a model that ships.")]
Pairs = Annotated[Path, typer.Argument(help="Pairs that belong together: a folder or table.")]
Clips = Annotated[Path, typer.Argument(help="Talking clips: a folder or table.")]
Labelled = Annotated[Path, typer.Argument(help="Items or clips with classes: a folder or table.")]
Noise = Annotated[list[float] | None, typer.Option(help="Also in noise at these SNR in dB: --noise 20 0.")]
NoiseKind = Annotated[str | None, typer.Option(help="white, pink or babble (default: one for each file).")]
Split = Annotated[str | None, typer.Option(help="Only this split of the data.")]
HeldOut = Annotated[bool, typer.Option("--held-out", help="Only what the run held back.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of the tables.")]
Markdown = Annotated[Path | None, typer.Option(help="Also write the tables to this file.")]


@evaluate.command()
def retrieval(
    model: Model,
    data: Pairs,
    k: Annotated[
        list[int] | None, typer.Option("--k", help="R@k for these k: --k 1 5 10 (default: 1 5 10 50).")
    ] = None,
    subset: Annotated[
        int | None, typer.Option(help="In random galleries of this size too; 0 = no (default: 50).")
    ] = None,
    draws: Annotated[int, typer.Option(help="How many random galleries.")] = 500,
    noise: Noise = None,
    also: Annotated[list[str] | None, typer.Option("--also", help="Another seed's model, for the spread.")] = None,
    held_out: HeldOut = False,
    json: AsJson = False,
    markdown: Markdown = None,
) -> None:
    """Find the audio of each video, and the video of each audio."""
    from avmatch.evaluation.dispatch import evaluate_retrieval
    from avmatch.evaluation.retrieval import Protocol

    protocol = Protocol(tuple(k or ()) or None, subset, draws, tuple(noise or ()), held_out)
    _deliver(evaluate_retrieval((model, *(also or ())), data, protocol).report(), json, markdown)


@evaluate.command()
def sync(
    model: Model,
    data: Annotated[Path, typer.Argument(help="Talking clips, or pairs of any kind for `events`.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", help="From so many frames of a face (default: 5 7 9 11 13 15).")
    ] = None,
    piece: Annotated[
        list[float] | None, typer.Option(help="Pieces of these seconds, 0 = whole (default: 0 2 4; events: 5).")
    ] = None,
    max_offset: Annotated[float | None, typer.Option(help="Search so many seconds (default: 0.6; events: 2).")] = None,
    noise: Noise = None,
    noise_kind: NoiseKind = None,
    split: Split = None,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: QuietCache = None,
    no_cache: QuietNoCache = False,
) -> None:
    """Measure known offsets.

    Features are kept as in `avmatch sync`: --cache DIR, --no-cache.
    """
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.dispatch import evaluate_sync

    protocol, folder = _talk(k, piece, max_offset, noise, noise_kind, split), cache_folder(cache, no_cache)
    with progress_bars() as progress:
        result = evaluate_sync(model, data, protocol, cache_dir=folder, progress=progress)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def match(
    model: Model,
    data: Clips,
    k: Annotated[list[int] | None, typer.Option("--k", help="R@k of windows of 0.2 s (default: 1 5 10).")] = None,
    piece: Annotated[
        list[float] | None, typer.Option(help="Pieces of these seconds, 0 = whole (default: 0 2 4).")
    ] = None,
    max_offset: Annotated[float | None, typer.Option(help="Search so many seconds (default: 0.24).")] = None,
    noise: Noise = None,
    noise_kind: NoiseKind = None,
    split: Split = None,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: QuietCache = None,
    no_cache: QuietNoCache = False,
) -> None:
    """Find the voice of each face.

    Features are kept as in `avmatch match`: --cache DIR, --no-cache.
    """
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.talk_match import evaluate_match

    protocol, folder = _talk(k, piece, max_offset, noise, noise_kind, split), cache_folder(cache, no_cache)
    with progress_bars() as progress:
        result = evaluate_match(model, data, protocol, cache_dir=folder, progress=progress)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def words(
    model: Model,
    data: Clips,
    split: Split = None,
    held_out: HeldOut = False,
    json: AsJson = False,
    markdown: Markdown = None,
) -> None:
    """Read words from the lips."""
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.words import evaluate_words

    with progress_bars() as progress:
        result = evaluate_words(model, data, split=split, held_out=held_out, progress=progress)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def classify(
    model: Model,
    data: Labelled,
    split: Split = None,
    held_out: HeldOut = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for tables and pictures.")] = None,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Say which class each item belongs to: accuracy, log loss, calibration, class by class."""
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.scenes import evaluate_scenes, write_report

    folder = cache_folder(cache, no_cache)
    with progress_bars() as progress:
        result = evaluate_scenes(model, data, split=split, held_out=held_out, cache_dir=folder, progress=progress)
    if out is not None:
        write_report(result, out)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def probe(
    model: Model,
    data: Labelled,
    layer: Annotated[
        str | None,
        typer.Option(help="Of the sound tower (default: conv_5, statistics of `events`, or the output)."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this subset of the data, such as esc10.")] = None,
    json: AsJson = False,
    markdown: Markdown = None,
) -> None:
    """Train a linear classifier on a layer of the sound tower."""
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.dispatch import evaluate_probe

    with progress_bars() as progress:
        result = evaluate_probe(model, data, layer=layer, subset=split, progress=progress)
    _deliver(result.report(), json, markdown)


@evaluate.callback()
def about() -> None:
    """Measure a model; ties count against it."""


def _talk(
    k: list[int] | None,
    piece: list[float] | None,
    max_offset: float | None,
    noise: list[float] | None,
    noise_kind: str | None,
    split: str | None,
) -> TalkProtocol:
    from avmatch.evaluation.pieces import TalkProtocol

    return TalkProtocol(tuple(k or ()) or None, tuple(piece or ()), max_offset, tuple(noise or ()), noise_kind, split)


def _deliver(report: Report, as_json: bool, markdown: Path | None) -> None:
    from rich.console import Console

    from avmatch.core.files import write_text_atomically

    if markdown is not None:
        write_text_atomically(markdown, report.markdown())
    if as_json:
        print(report.json())
    else:
        console = Console()
        console.print(*report.terminal(console.width), sep="\n\n")
    print(*report.notes, sep="\n", end="\n" if report.notes else "", file=sys.stderr)
