"""The checker of types and shapes while tests run (see `--jaxtyping-packages` in pyproject.toml)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype

_with_shapes = jaxtyping.jaxtyped
#: An int is as good as a float, as in PEP 484.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))


def jaxtyped(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """Stands in for jaxtyping's, which takes a fifth of the time that tests need.

    Checks are written at a function's first call, as a process calls only some of all functions; and where no argument
    and nothing returned has a shape, the checker of types is enough.
    """

    def decorated(target: Any) -> Any:
        if inspect.isfunction(target):
            return _checked_when_called(target)
        if dataclasses.is_dataclass(target) and not hasattr(target.__init__, "__wrapped__"):
            target.__init__ = _checked_when_called(target.__init__)
        return target

    def _checked_when_called(function: Callable[..., Any]) -> Callable[..., Any]:
        written: Callable[..., Any] | None = None

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            nonlocal written
            if written is None:
                written = _with_shapes(function, typechecker=typechecker) if _shaped(function) else checked(function)
            return written(*arguments, **named)

        return call

    return decorated


def _shaped(function: Callable[..., Any]) -> bool:
    try:
        hints = get_type_hints(function)
    except (AttributeError, NameError, TypeError):  # not to be evaluated outside of a type checker
        return True
    return any(map(_has_shape, hints.values()))


def _has_shape(hint: Any) -> bool:
    is_array = isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
    return is_array or any(map(_has_shape, get_args(hint)))
