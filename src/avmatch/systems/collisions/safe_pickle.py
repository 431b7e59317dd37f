"""Pickles from untrusted sources: only numbers, texts, dicts, lists and plain numpy arrays come out; nothing ever runs.

A pickle is a program. Its opcodes are checked before it runs: which there are, and that none asks for more memory than
the file has bytes. While it runs, the few names of numpy that a pickled array calls lead to stand-ins, which only note
what was asked; every other name is refused. The notes are checked afterwards, and the array is made by
`numpy.frombuffer`: numpy's own `__setstate__`, which trusts its caller, never gets the file. Arrays of objects, of
records or of anything but numbers are refused, as are containers that hold themselves.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from avmatch.core.errors import MediaError

#: Larger files aren't read: 4 s of four channels in float64 are 6 MB.
MAX_BYTES = 256 << 20
#: Containers inside containers.
MAX_DEPTH = 32
_NUMBER = re.compile(r"[iuf][1248]|b1|\?")
_DTYPE_STATE = (None, None, None, -1, -1, 0)
#: Opcodes that reach outside the file, or into the registry of extensions.
_FOREIGN = frozenset({"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"})
#: What the unpickler raises on programs that aren't whole, or that make no sense.
_DAMAGES = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    MemoryError,
    ImportError,
)
_PLAIN = (str, bytes, bool, int, float, type(None))


class Refused(ValueError):
    """The pickle wants something that isn't allowed; the message says what."""


def load_plain(path: str | Path) -> object:
    """What a pickle holds.

    Raises:
        MediaError: it can't be read, isn't a pickle, or asks for anything but plain values and arrays of numbers.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MediaError(path, f"can't be read ({error.strerror})", stage="open", reason="unreadable") from error
    try:
        return loads_plain(content)
    except Refused as error:
        message = f"refused: {error}; only numpy arrays of numbers, str, int, float, dict and list are read"
        raise MediaError(path, message, stage="open", reason="unsupported") from error
    except _DAMAGES as error:
        reported = " ".join(str(error).split()) or type(error).__name__
        raise MediaError(path, f"not a whole pickle ({reported})", stage="open", reason="unreadable") from error


def loads_plain(content: bytes) -> object:
    """The same of bytes. Raises Refused, or what the unpickler raises on damaged programs."""
    if len(content) > MAX_BYTES:
        raise Refused(f"more than {MAX_BYTES >> 20} MiB")
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _FOREIGN:
            raise Refused(f"the opcode {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise Refused(f"a memo of {argument} entries in {len(content)} bytes")
    return _Solid()(_Unpickler(io.BytesIO(content), encoding="latin1").load(), 0)


class _StandIn:
    """Takes no state and no attributes: a program that sets any is refused."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise Refused(f"a state for {_name_of(self)}")


class _Name(_StandIn):
    """`numpy.ndarray`, as an argument; it can't be called."""

    __slots__ = ()


class _Call(_StandIn):
    """What a pickle calls in place of a function."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[..., object]) -> None:
        self._answer = answer

    def __call__(self, *arguments: object) -> object:
        return self._answer(*arguments)


class _Dtype(_StandIn):
    """A type of numbers that was asked for."""

    __slots__ = ("real",)

    def __init__(self, code: object, *flags: object) -> None:
        if not isinstance(code, str) or not _NUMBER.fullmatch(code):
            raise Refused(f"an array of {code!r:.40}, which isn't a type of numbers")
        self.real = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 8 and state[1] in ("<", ">", "|", "=")):
            raise Refused("a type of numbers with an unknown state")
        if state[2:] != _DTYPE_STATE:
            raise Refused("a type of records, or of another size than its name says")
        self.real = self.real.newbyteorder("=" if state[1] == "|" else state[1])


class _Array(_StandIn):
    """An array that was asked for: empty until its state comes."""

    __slots__ = ("content", "dtype", "order", "shape")

    def __init__(self, shape: object, dtype: object, order: object, content: object) -> None:
        self.fill(shape, dtype, order == "F", content)

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise Refused("an array with an unknown state")
        self.fill(*state[1:])

    def fill(self, shape: object, dtype: object, is_fortran: object, content: object) -> None:
        """Note it. Raises Refused if it is no array of numbers."""
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray | str):
            raise Refused("an array of objects")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise Refused("an array whose shape is no tuple of numbers")
        self.shape, self.dtype, self.content = shape, dtype, content
        self.order: Literal["F", "C"] = "F" if is_fortran else "C"

    def real(self) -> Shaped[np.ndarray, ...]:
        """Numpy's, a copy of the bytes."""
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content  # str: Python 2's
        flat = np.frombuffer(content, self.dtype.real)
        if int(np.prod([1, *self.shape], dtype=object)) != flat.size:
            raise Refused(f"an array of shape {self.shape} in {len(self.content)} bytes")
        return flat.reshape(self.shape, order=self.order).astype(flat.dtype.newbyteorder("="))


def _reconstruct(subtype: object, shape: object, code: object) -> _Array:
    if not isinstance(subtype, _Name) or shape != (0,):
        raise Refused("an array of another kind than numpy.ndarray")
    return _Array((0,), _Dtype("u1"), "C", b"")


def _encoded(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"an encoding {encoding!r:.40}")
    return text.encode("latin1")


def _no_bytes(*arguments: object) -> bytes:
    """What old protocols make of b""."""
    if arguments:
        raise Refused("bytes made of something")
    return b""


class _Unpickler(pickle.Unpickler):
    """Knows nothing but stand-ins, which are its own: no file leaves anything behind for the next."""

    def __init__(self, file: io.BytesIO, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._known: dict[str, _StandIn] = {
            "numpy.ndarray": _Name(),
            "numpy.dtype": _Call(_Dtype),
            "_codecs.encode": _Call(cache(_encoded)),  # one text over and over is encoded once
            **dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), _Call(_no_bytes)),
        }
        for core in ("numpy.core", "numpy._core"):
            self._known |= {
                f"{core}.multiarray._reconstruct": _Call(_reconstruct),
                f"{core}.multiarray.scalar": _Call(lambda dtype, content: _Array((), dtype, "C", content)),
                f"{core}.numeric._frombuffer": _Call(
                    lambda content, dtype, shape, order: _Array(shape, dtype, order, content)
                ),
            }

    def find_class(self, module: str, name: str) -> object:
        """The stand-in. Raises Refused if there is none."""
        path = f"{module}.{name}"
        if path not in self._known:
            raise Refused(f"it asks for {path}")
        return self._known[path]


class _Solid:
    """The value with numpy's arrays in the place of the stand-ins; what is shared is made once."""

    def __init__(self) -> None:
        self.done: dict[int, object] = {}
        self.bytes_left = MAX_BYTES

    def __call__(self, value: object, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise Refused(f"containers {MAX_DEPTH} deep, or one that holds itself")
        if id(value) in self.done:
            return self.done[id(value)]
        if isinstance(value, _Array):
            self.bytes_left -= len(value.content)  # many may be asked for of the same bytes: each is a copy
            if self.bytes_left < 0:
                raise Refused(f"arrays of more than {MAX_BYTES >> 20} MiB together")
            made: object = value.real()[()]
        elif isinstance(value, dict):
            made = {_key(key): self(entry, depth + 1) for key, entry in value.items()}
        elif isinstance(value, list | tuple):
            made = type(value)([self(entry, depth + 1) for entry in value])
        elif isinstance(value, _PLAIN):
            return value
        else:
            raise Refused(f"a value of the type {_name_of(value)}")
        self.done[id(value)] = made
        return made


def _key(key: object) -> object:
    if not isinstance(key, str | int | float):
        raise Refused(f"a key of the type {type(key).__name__}")
    return key


def _name_of(value: object) -> str:
    return type(value).__name__.strip("_").lower()
