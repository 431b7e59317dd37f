"""The command line: each command is a few lines around a pipeline.

Results go to stdout or into files; progress and notes to stderr. Exit codes: 0 = every input has its row somewhere,
1 = nothing could be done, or a copy that was asked for (`fix`, `match --mux`) could not be written, 2 = wrong usage.
"""

import io
import logging
import os
import sys

from typer import Exit, Option, Typer

from avmatch.cli.classify import classify, collide
from avmatch.cli.evaluate import evaluate
from avmatch.cli.export import export
from avmatch.cli.match import match
from avmatch.cli.models import models
from avmatch.cli.rename import rename
from avmatch.cli.review import review
from avmatch.cli.robustness import robustness
from avmatch.cli.solve import solve
from avmatch.cli.sync import fix, locate, sync
from avmatch.cli.synth import synth
from avmatch.cli.train import train

app = Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Match silent video to audio, measure and repair audio–video sync.",
)
for command in (match, review, solve, export, rename, sync, fix, locate, classify, collide, robustness, train):
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
    debug: bool = Option(False, "--debug", help="Show where in the program an error comes from."),
) -> None:
    """Match silent video to audio, measure and repair audio–video sync."""
    if debug:
        logging.basicConfig(format="%(message)s")  # to stderr
        logging.getLogger("avmatch").setLevel(logging.DEBUG)


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
        sys.exit(1)
    except (AvmatchError, OSError) as error:
        print(f"avmatch: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:  # noqa: BLE001  nobody else would catch it
        print(f"avmatch: {bug_message(error)}", file=sys.stderr)
        sys.exit(1)
