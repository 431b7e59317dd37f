"""`--k 1 5 10` means `--k 1 --k 5 --k 10`, which is the only way the parser knows."""

from __future__ import annotations

from collections.abc import Sequence

#: Options that take one number or more.
SEVERAL = frozenset({"--k", "--noise", "--piece"})


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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
