"""How the arguments of `avmatch evaluate` are read: several numbers for one option, and the command's former shape.

`--k 1 5 10` means `--k 1 --k 5 --k 10`, which is the only way the parser knows. `avmatch evaluate MODEL DATA
--protocol sync` became `avmatch evaluate sync MODEL DATA`; whoever types the old line is told the new one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperGroup

#: Options that take one number or more, and those that take nothing; all others take one value.
SEVERAL = frozenset({"--k", "--noise", "--piece"})
_FLAGS = frozenset({"--held-out", "--json", "--no-cache"})
_FORMER, _DEFAULT = "--protocol", "retrieval"


class EvaluateGroup(TyperGroup):
    """A command for each thing that can be measured."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises UsageError for a line in the former shape."""
        from avmatch.core.errors import UsageError

        if args and args[0] not in self.commands and not {"--help"} & set(args):
            line = new_line(args, list(self.commands))
            if line:
                raise UsageError(f"what is measured stands before MODEL and DATA now; type: {line}")
        return super().parse_args(ctx, spelled_out(args))


def new_line(arguments: Sequence[str], commands: Sequence[str]) -> str:
    """What to type instead of `avmatch evaluate MODEL DATA …`; empty if the arguments aren't of that shape.

    Raises:
        UsageError: there is no such protocol.
    """
    from avmatch.core.errors import UsageError

    protocol, kept = _without_protocol(arguments)
    if protocol not in (None, *commands):
        raise UsageError(f"no protocol {protocol!r}; there are {', '.join(commands)}: avmatch evaluate WHAT MODEL DATA")
    if protocol is None and len(list(_positional(spelled_out(kept)))) != 2:
        return ""
    return shlex.join(["avmatch", "evaluate", protocol or _DEFAULT, *kept])


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


def _without_protocol(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of --protocol, and everything else as it was typed."""
    protocol, kept = None, []
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name == _FORMER:
            protocol = value or next(rest, "")
        else:
            kept.append(argument)
    return protocol, kept


def _positional(arguments: Sequence[str]) -> Iterator[str]:
    """What is neither an option nor its value."""
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            yield argument
        elif argument not in _FLAGS and "=" not in argument:
            next(rest, None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
