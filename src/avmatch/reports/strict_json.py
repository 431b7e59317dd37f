"""JSON that every reader accepts: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping


def strict_json(value: object, indent: int | None = None) -> str:
    """`value` as JSON without NaN and Infinity. Raises TypeError for what JSON can't hold."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def script_json(value: object) -> str:
    """`strict_json(value)` for the inside of an HTML script element: no text in it can close the element."""
    text = strict_json(value)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value
