"""The command line: each command is a few lines around a pipeline.

Results go to stdout or into files; progress and notes to stderr. EXIT_CODES says how commands end.
"""

import io
import logging
import os
import sys
from typing import Any

from typer import Exit, Option, Typer
from typer.core import TyperGroup

from avmatch.cli.classify import classify, collide
from avmatch.cli.embed import embed
from avmatch.cli.evaluate import evaluate
from avmatch.cli.export import export
from avmatch.cli.export_onnx import export_onnx
from avmatch.cli.index import index
from avmatch.cli.match import match
from avmatch.cli.models import models
from avmatch.cli.options import NOTHING_USABLE
from avmatch.cli.rename import rename
from avmatch.cli.review import review
from avmatch.cli.robustness import robustness
from avmatch.cli.search import search
from avmatch.cli.solve import solve
from avmatch.cli.sync import fix, locate, sync
from avmatch.cli.synth import synth
from avmatch.cli.train import train
from avmatch.core.log import logger

EXIT_CODES = (
    "Exit codes: 0 = every input has its row somewhere. 1 = nothing could be used, or a copy that was asked for could "
    "not be written. 2 = wrong usage. 3 = what --fail-on asks for."
)
#: Understood before the command and behind it.
EVERYWHERE = frozenset({"--quiet", "--verbose", "--debug"})


class CommandGroup(TyperGroup):
    """All commands; they share some options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes the options that are understood everywhere from wherever they stand."""
        end = args.index("--") if "--" in args else len(args)
        shared = [argument for argument in args[:end] if argument in EVERYWHERE]
        return super().parse_args(ctx, [*shared, *(one for one in args[:end] if one not in EVERYWHERE), *args[end:]])


app = Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Match silent video to audio, measure and repair audio–video sync.",
    epilog=EXIT_CODES,
)
_COMMANDS = (match, review, solve, export, export_onnx, rename, sync, fix, locate, index, search, embed)
for command in (*_COMMANDS, classify, collide, robustness, train):
    app.command()(command)
app.add_typer(evaluate, name="evaluate")
app.add_typer(models, name="models")
app.command()(synth)


@app.command()
def doctor() -> None:
    """Print versions, codecs and the shipped models."""
    from avmatch.pipelines.diagnosis import diagnosis

    print(*diagnosis(), sep="\n")


def _print_version(wanted: bool) -> bool:
    if wanted:
        import avmatch

        print(avmatch.__version__)
        raise Exit
    return wanted


@app.callback()
def options(
    version: bool = Option(
        False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
    quiet: bool = Option(False, "--quiet", help="Print results and errors only: no progress, no remarks."),
    verbose: bool = Option(False, "--verbose", help="Also say what is done, and how long it takes."),
    debug: bool = Option(False, "--debug", help="Also show where in the program an error comes from."),
) -> None:
    """Match silent video to audio, measure and repair audio–video sync."""
    if verbose or debug:
        logging.basicConfig(format="%(message)s")  # to stderr
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
    elif quiet:
        logger.setLevel(logging.CRITICAL)


def main() -> None:
    """Run the command line; errors become one line on stderr."""
    from avmatch.core.errors import AvmatchError, UsageError, bug_message

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # neither file names nor the terminal need be UTF-8
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a closed pipe is handled
    except BrokenPipeError:  # the reader of our output has gone: `avmatch … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NOTHING_USABLE)
    except (AvmatchError, OSError) as error:
        print(f"avmatch: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else NOTHING_USABLE)
    except Exception as error:  # noqa: BLE001  nobody else would catch it
        print(f"avmatch: {bug_message(error)}", file=sys.stderr)
        sys.exit(NOTHING_USABLE)
