"""Which bytes of a file a request asks for: Range and If-Range as RFC 9110, sections 13.1.5 and 14, has them.

A Range of another unit, or one that breaks the grammar, is ignored: the whole file is the answer. So it is with several
ranges, which a server need not serve apart. A range that begins behind the end can't be satisfied.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)
#: More digits than a file's size can have.
_MOST_DIGITS = 19


class UnsatisfiableError(Exception):
    """No byte of what is asked for exists: 416."""


@dataclass(frozen=True)
class ByteRange:
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def num_bytes(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def byte_range(header: str | None, size: int) -> ByteRange | None:
    """The bytes that a Range header asks for; None = all of them.

    Args:
        header: its value; None where the request has none.
        size: of the file.

    Raises:
        UnsatisfiableError: the header is well formed, and none of its bytes exists.
    """
    unit, separator, text = (header or "").partition("=")
    if not separator or unit.strip().lower() != "bytes":
        return None
    specs = [spec.strip(" \t") for spec in text.split(",")]
    parsed = [_SPEC.fullmatch(spec) for spec in specs if spec]
    if not parsed or any(spec is None or not _is_valid(spec[1], spec[2]) for spec in parsed):
        return None
    ranges = [_within(spec[1], spec[2], size) for spec in parsed if spec is not None]
    satisfiable = [found for found in ranges if found is not None]
    if not satisfiable:
        raise UnsatisfiableError
    return satisfiable[0] if len(ranges) == 1 else None


def holds(if_range: str | None, etag: str, modified: str) -> bool:
    """Whether the file still is what `if_range` (an entity tag, or a date) says, so that a range of it may be given.

    Args:
        etag: the file's strong tag.
        modified: its Last-Modified.
    """
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == etag
    try:
        return parsedate_to_datetime(if_range) == parsedate_to_datetime(modified)
    except (ValueError, TypeError):
        return False


def _is_valid(first: str, last: str) -> bool:
    if not (first or last):
        return False
    return not (first and last) or _number(first) <= _number(last)


def _within(first: str, last: str, size: int) -> ByteRange | None:
    if not first:
        length = min(_number(last), size)
        return ByteRange(size - length, size - 1) if length else None
    begin = _number(first)
    return ByteRange(begin, min(_number(last), size - 1) if last else size - 1) if begin < size else None


def _number(digits: str) -> int:
    """The number; any beyond a file's size where there are too many digits."""
    digits = digits.lstrip("0")
    return 10**_MOST_DIGITS if len(digits) > _MOST_DIGITS else int(digits or "0")
