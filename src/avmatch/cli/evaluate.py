"""`avmatch evaluate`: how good is a model on these data?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from avmatch.evaluation.retrieval import Protocol
    from avmatch.evaluation.talking import TalkProtocol

#: What is measured, and the options that are of no use for it.
PROTOCOLS = {
    "retrieval": {"noise-kind", "piece", "max-offset", "split", "layer", "out"},
    "sync": {"subset", "also", "held-out", "layer", "out"},
    "match": {"subset", "also", "held-out", "layer", "out"},
    "words": {"k", "subset", "noise", "noise-kind", "piece", "max-offset", "also", "cache", "layer", "out"},
    "classify": {"k", "subset", "noise", "noise-kind", "piece", "max-offset", "also", "layer"},
    "probe": {"k", "subset", "noise", "noise-kind", "piece", "max-offset", "also", "cache", "held-out", "out"},
}


@dataclass(frozen=True)
class _Answer:
    """A report in each of its forms, and remarks for stderr."""

    tables: list[Table]
    json: str
    markdown: str
    notes: tuple[str, ...]


def evaluate(
    model: Annotated[str, typer.Argument(help="A run, an exported folder, or the name of a model that ships.")],
    data: Annotated[
        Path, typer.Argument(help="Pairs with known partners, talking clips, or clips with classes: a folder or table.")
    ],
    protocol: Annotated[
        str, typer.Option(help="retrieval; sync; match, words: talking faces; classify; probe: of classes.")
    ] = "retrieval",
    k: Annotated[
        list[int] | None,
        typer.Option("--k", help="R@k for these k: --k 1 5 10 (default: 1 5 10 50); sync: from so many frames."),
    ] = None,
    subset: Annotated[
        int | None, typer.Option(help="In random galleries of this size too; 0 = no (default: 50).")
    ] = None,
    draws: Annotated[int, typer.Option(help="How many random galleries.")] = 500,
    noise: Annotated[list[float] | None, typer.Option(help="Also in noise at these SNR in dB: --noise 20 0.")] = None,
    noise_kind: Annotated[
        str | None, typer.Option(help="sync, match: white, pink or babble (default: one for each file).")
    ] = None,
    piece: Annotated[
        list[float] | None,
        typer.Option("--piece", help="sync, match: pieces of these seconds, 0 = whole (default: 0 2 4; events: 5)."),
    ] = None,
    max_offset: Annotated[
        float | None, typer.Option(help="sync, match: search so many seconds (default: 0.6 and 0.24; events: 2).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Not retrieval: only this split (subset) of the data.")] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="probe: of the sound tower (default: conv_5, statistics of `events`, or the output)."),
    ] = None,
    also: Annotated[list[str] | None, typer.Option("--also", help="Another seed's model, for the spread.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Only what the run held back.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="classify: folder for tables and pictures.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    cache: Annotated[Path | None, typer.Option(help="sync, match, classify: keep features here.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no features.")] = False,
) -> None:
    """Measure a model; ties count against it."""
    from avmatch.evaluation.retrieval import Protocol
    from avmatch.evaluation.talking import TalkProtocol

    asked: dict[str, object] = {"k": k, "subset": subset, "noise": noise, "noise-kind": noise_kind, "piece": piece}
    asked |= {"split": split, "max-offset": max_offset, "also": also, "held-out": held_out or None, "layer": layer}
    asked |= {"cache": cache, "out": out}
    _refuse(protocol, asked)
    ks, snrs_db = tuple(k or ()) or None, tuple(noise or ())
    if protocol == "retrieval":
        answer = _retrieval((model, *(also or ())), data, Protocol(ks, subset, draws, snrs_db, held_out))
    elif protocol == "words":
        answer = _words(model, data, split, held_out)
    elif protocol == "classify":
        answer = _classes(model, data, split, held_out, out, cache, no_cache)
    elif protocol == "probe":
        answer = _probe(model, data, layer, split)
    else:
        talk = TalkProtocol(ks, tuple(piece or ()), max_offset, snrs_db, noise_kind, split)
        answer = _talking(protocol, model, data, talk, cache, no_cache)
    _deliver(answer, json, markdown)


def _deliver(answer: _Answer, as_json: bool, markdown: Path | None) -> None:
    from rich.console import Console

    from avmatch.core.files import write_text_atomically

    if markdown is not None:
        write_text_atomically(markdown, answer.markdown)
    if as_json:
        print(answer.json)
    else:
        Console().print(*answer.tables, sep="\n\n")
    print(*answer.notes, sep="\n", end="\n" if answer.notes else "", file=sys.stderr)


def _retrieval(models: Sequence[str], data: Path, asked: Protocol) -> _Answer:
    from rich.console import Console

    from avmatch.evaluation.report import json_text, markdown_text, terminal_tables
    from avmatch.evaluation.retrieval import evaluate_retrieval

    report = evaluate_retrieval(models, data, asked)
    tables = terminal_tables(report, Console().width)
    return _Answer(tables, json_text(report), markdown_text(report), report.notes)


def _talking(protocol: str, model: str, data: Path, asked: TalkProtocol, cache: Path | None, no_cache: bool) -> _Answer:
    from rich.console import Console

    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.sync import evaluate_sync
    from avmatch.evaluation.talk_match import evaluate_match
    from avmatch.evaluation.talk_report import json_text, markdown_text, terminal_tables
    from avmatch.pipelines.analysis import default_cache_dir

    measure = evaluate_sync if protocol == "sync" else evaluate_match
    cache_dir = None if no_cache else cache or default_cache_dir()
    with progress_bars() as progress:
        report = measure(model, data, asked, cache_dir=cache_dir, progress=progress)
    tables = terminal_tables(report, Console().width)
    return _Answer(tables, json_text(report), markdown_text(report), report.notes)


def _words(model: str, data: Path, split: str | None, held_out: bool) -> _Answer:
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.word_report import json_text, markdown_text, terminal_tables
    from avmatch.evaluation.words import evaluate_words

    with progress_bars() as progress:
        report = evaluate_words(model, data, split=split, held_out=held_out, progress=progress)
    return _Answer(terminal_tables(report), json_text(report), markdown_text(report), report.notes)


def _probe(model: str, data: Path, layer: str | None, subset: str | None) -> _Answer:
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.probe import evaluate_probe
    from avmatch.evaluation.probe_report import json_text, markdown_text, terminal_tables

    with progress_bars() as progress:
        report = evaluate_probe(model, data, layer=layer, subset=subset, progress=progress)
    return _Answer(terminal_tables(report), json_text(report), markdown_text(report), report.notes)


def _classes(
    model: str, data: Path, split: str | None, held_out: bool, out: Path | None, cache: Path | None, no_cache: bool
) -> _Answer:
    from avmatch.cli.bars import progress_bars
    from avmatch.evaluation.scene_report import json_text, markdown_text, terminal_tables
    from avmatch.evaluation.scenes import evaluate_scenes, write_report
    from avmatch.pipelines.analysis import default_cache_dir

    cache_dir = None if no_cache else cache or default_cache_dir()
    with progress_bars() as progress:
        report = evaluate_scenes(model, data, split=split, held_out=held_out, cache_dir=cache_dir, progress=progress)
    if out is not None:
        write_report(report, out)
    return _Answer(terminal_tables(report), json_text(report), markdown_text(report), report.notes)


def _refuse(protocol: str, asked: Mapping[str, object]) -> None:
    """Raises UsageError if there is no such protocol, or an option was given that it has no use for."""
    from avmatch.core.errors import UsageError

    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if given := [f"--{name}" for name, value in asked.items() if value is not None and name in PROTOCOLS[protocol]]:
        raise UsageError(f"{' and '.join(given)} can't be used with --protocol {protocol}")
