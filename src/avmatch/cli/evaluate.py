"""`avmatch evaluate`: how good is a model on these data? A command for each thing that can be measured.

`--k 1 5 10` means `--k 1 --k 5 --k 10`, the only form that the parser knows. `avmatch evaluate MODEL DATA
--protocol sync` became `avmatch evaluate sync MODEL DATA`; the former line is answered with the new one.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer
from typer.core import TyperGroup

from avmatch.cli.options import CacheOrNone, cache_folder, duration, note, progress_bars
from avmatch.core.errors import UsageError

if TYPE_CHECKING:
    from avmatch.reports.report import Report

#: Options that take one number or more, and those that take nothing; all others take one value.
SEVERAL = frozenset({"--k", "--noise", "--piece"})
_FLAGS = frozenset({"--held-out", "--json", "--per-file"})
_DEFAULT = "retrieval"


class EvaluateGroup(TyperGroup):
    """A command for each thing that can be measured."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises UsageError for a line in the former shape."""
        is_former = args and args[0] not in self.commands and "--help" not in args
        if is_former and (line := new_line(args, list(self.commands))):
            raise UsageError(f"name what to measure before MODEL and DATA; type: {line}")
        return super().parse_args(ctx, spelled_out(args))


def new_line(arguments: Sequence[str], commands: Sequence[str]) -> str:
    """What to type instead of `avmatch evaluate MODEL DATA …`; empty if the arguments aren't of that shape.

    Raises:
        UsageError: there is no such protocol.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--protocol", "--noise-kind"):
        parser.add_argument(option, nargs="?", default="", const="")
    given = [word for one in arguments for word in (("--cache", "none") if one == "--no-cache" else (one,))]
    former, kept = parser.parse_known_args(given)
    protocol, kind = former.protocol, former.noise_kind
    if protocol and protocol not in commands:
        raise UsageError(f"no protocol {protocol!r}; there are {', '.join(commands)}: avmatch evaluate WHAT MODEL DATA")
    if not protocol and len(list(_positional(spelled_out(kept)))) != 2:
        return ""
    return shlex.join(["avmatch", "evaluate", protocol or _DEFAULT, *(_of_kind(kept, kind) if kind else kept)])


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments with the option's name before each of its numbers."""
    spelled: list[str] = []
    option = ""
    for argument in arguments:
        if option and _is_number(argument):
            spelled += [argument] if spelled[-1] == option else [option, argument]
            continue
        name = argument.partition("=")[0]
        option = name if name in SEVERAL else ""
        spelled.append(argument)
    return spelled


def _of_kind(arguments: Sequence[str], kind: str) -> Iterator[str]:
    """The arguments with the kind of noise before each of its ratios."""
    option = ""
    for argument in arguments:
        name, equals, value = argument.rpartition("=")
        option = option if _is_number(argument) else name or argument
        yield f"{name}{equals}{kind}:{value}" if option == "--noise" and _is_number(value) else argument


def _positional(arguments: Sequence[str]) -> Iterator[str]:
    """What is neither an option nor its value."""
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            yield argument
        elif argument not in _FLAGS and "=" not in argument:
            next(rest, None)


def _is_number(text: str) -> bool:
    """Whether this is a number, or one of a kind of noise: `babble:20`."""
    try:
        float(text.rpartition(":")[2])
    except ValueError:
        return False
    return True


evaluate = Typer(cls=EvaluateGroup, no_args_is_help=True, help="Measure a model; ties count against it.")

Integers = list[int] | None
Numbers = list[float] | None
Model = Annotated[str, Argument(help="A run, a model folder, or the name of a shipped model.")]
Pairs = Annotated[Path, Argument(help="Matching pairs: a folder or table.")]
Clips = Annotated[Path, Argument(help="Talking clips: a folder or table.")]
Labelled = Annotated[Path, Argument(help="Items or clips with classes: a folder or table.")]
Noise = Annotated[list[str] | None, Option(help="Also in noise at these SNR in dB: 20 0, or pink:20 pink:0.")]
Split = Annotated[str | None, Option(help="Only this split of the data.")]
HeldOut = Annotated[bool, Option("--held-out", help="Only the data that the run held out.")]
AsJson = Annotated[bool, Option("--json", help="One JSON object instead of the tables.")]
Markdown = Annotated[Path | None, Option(help="Also write the tables to this file.")]


@evaluate.command()
def retrieval(
    model: Model,
    data: Pairs,
    k: Annotated[Integers, Option(help="R@k for these k: --k 1 5 10 (default: 1 5 10 50).")] = None,
    subset: Annotated[int | None, Option(help="Also in random galleries of this size; 0 = no (default: 50).")] = None,
    draws: Annotated[int, Option(help="How many random galleries.")] = 500,
    noise: Annotated[Numbers, Option(help="Also in noise at these SNR in dB: --noise 20 0.")] = None,
    also: Annotated[list[str] | None, Option(help="Another seed's model, for the spread.")] = None,
    held_out: HeldOut = False,
    json: AsJson = False,
    markdown: Markdown = None,
) -> None:
    """Find the audio of each video, and the video of each audio."""
    from avmatch.evaluation.retrieval import Protocol
    from avmatch.pipelines.evaluate import evaluate_retrieval

    protocol = Protocol(tuple(k or ()) or None, subset, draws, tuple(noise or ()), held_out)
    _deliver(evaluate_retrieval((model, *(also or ())), data, protocol).report(), json, markdown)


@evaluate.command()
def sync(
    model: Model,
    data: Annotated[Path, Argument(help="Talking clips, or pairs of any kind for `events`.")],
    k: Annotated[Integers, Option(help="From so many frames of a face (default: 5 7 9 11 13 15).")] = None,
    piece: Annotated[Numbers, Option(help="Pieces of these seconds, 0 = whole (default: 0 2 4; events: 5).")] = None,
    max_offset: Annotated[
        float | None, Option(parser=duration, metavar="DURATION", help="Search this far (default: 0.6 s; events: 2 s).")
    ] = None,
    noise: Noise = None,
    split: Split = None,
    per_file: Annotated[
        bool, Option("--per-file", help="Also each clip as it is: its offset, LSE-D and LSE-C in the model's units.")
    ] = False,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: CacheOrNone = None,
) -> None:
    """Measure known offsets."""
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.pipelines.evaluate import evaluate_sync

    protocol = TalkProtocol(tuple(k or ()) or None, tuple(piece or ()), max_offset, *_noise(noise), split)
    with progress_bars() as progress:
        result = evaluate_sync(
            model, data, protocol, per_file=per_file, cache_dir=cache_folder(cache), progress=progress
        )
    _deliver(result.report(), json, markdown)


@evaluate.command()
def match(
    model: Model,
    data: Clips,
    k: Annotated[Integers, Option(help="R@k of windows of 0.2 s (default: 1 5 10).")] = None,
    piece: Annotated[Numbers, Option(help="Pieces of these seconds, 0 = whole (default: 0 2 4).")] = None,
    max_offset: Annotated[
        float | None, Option(parser=duration, metavar="DURATION", help="Search this far (default: 0.24 s).")
    ] = None,
    noise: Noise = None,
    split: Split = None,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: CacheOrNone = None,
) -> None:
    """Find the voice of each face."""
    from avmatch.evaluation.pieces import TalkProtocol
    from avmatch.systems.lips.evaluate import evaluate_match
    from avmatch.systems.lips.talking_clips import talk_vectors

    protocol = TalkProtocol(tuple(k or ()) or None, tuple(piece or ()), max_offset, *_noise(noise), split)
    with progress_bars() as progress:
        result = evaluate_match(talk_vectors(model, data, protocol, cache_folder(cache), progress))
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
    from avmatch.systems.words.evaluate import evaluate_words

    with progress_bars() as progress:
        result = evaluate_words(model, data, split=split, held_out=held_out, progress=progress)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def classify(
    model: Model,
    data: Labelled,
    split: Split = None,
    held_out: HeldOut = False,
    out: Annotated[Path | None, Option("-o", "--out", help="Folder for tables and figures.")] = None,
    json: AsJson = False,
    markdown: Markdown = None,
    cache: CacheOrNone = None,
) -> None:
    """Say which class each item belongs to: accuracy, log loss, calibration, class by class."""
    from avmatch.systems.scenes.evaluate import evaluate_scenes, write_report

    with progress_bars() as progress:
        result = evaluate_scenes(
            model, data, split=split, held_out=held_out, cache_dir=cache_folder(cache), progress=progress
        )
    if out is not None:
        write_report(result, out)
    _deliver(result.report(), json, markdown)


@evaluate.command()
def probe(
    model: Model,
    data: Labelled,
    layer: Annotated[str | None, Option(help="Of the sound tower (default: conv_5, statistics or output).")] = None,
    split: Annotated[str | None, Option(help="Only this subset of the data, such as esc10.")] = None,
    json: AsJson = False,
    markdown: Markdown = None,
) -> None:
    """Train a linear classifier on a layer of the sound tower."""
    from avmatch.pipelines.evaluate import evaluate_probe

    with progress_bars() as progress:
        result = evaluate_probe(model, data, layer=layer, subset=split, progress=progress)
    _deliver(result.report(), json, markdown)


def _noise(values: list[str] | None) -> tuple[tuple[float, ...], str | None]:
    """The ratios in dB, and the kind; None = one that is drawn for each file."""
    ratios, kinds = [], set()
    for value in values or ():
        kind, _, ratio = value.rpartition(":")
        if not _is_number(ratio):
            raise UsageError(f"--noise {value}: give the signal-to-noise ratio in dB: 20, or babble:20")
        ratios.append(float(ratio))
        kinds.add(kind or None)
    if len(kinds) > 1:
        raise UsageError(f"--noise {' '.join(values or ())}: give one kind of noise for all ratios: babble:20 babble:0")
    return tuple(ratios), kinds.pop() if kinds else None


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
    for line in report.notes:
        note(line)
