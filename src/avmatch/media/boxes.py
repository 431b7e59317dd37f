"""The boxes that a MOV or MP4 is made of (ISO/IEC 14496-12), where FFmpeg doesn't say or write what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

#: From a timecode track to its sample description (QuickTime File Format, "Timecode sample description").
_TO_DESCRIPTIONS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def boxes(file: BinaryIO, kind: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of boxes of one kind begin and end, between two places."""
    while begin + 8 <= end:
        size, head = number_at(file, begin, 4), 8
        file.seek(begin + 4)
        found = file.read(4)
        if size == 1:  # the true size follows
            size, head = number_at(file, begin + 8, 8), 16
        if size < head:
            return
        if found == kind:
            yield begin + head, begin + size
        begin += size


def number_at(file: BinaryIO, place: int, size: int) -> int:
    """The number of `size` bytes at a place."""
    file.seek(place)
    return int.from_bytes(file.read(size), "big")


def timecode_rate(path: Path) -> Fraction | None:
    """How many frames a second the first timecode track of a MOV or MP4 counts; None without one.

    Cameras at 50 or 60 frames a second may count every other one.
    """
    with path.open("rb") as file:
        for begin, end in _inside(file, _TO_DESCRIPTIONS, 0, path.stat().st_size):
            for entry, _ in boxes(file, b"tmcd", begin + 8, end):  # behind version, flags and number of entries
                timescale, duration = number_at(file, entry + 16, 4), number_at(file, entry + 20, 4)
                if timescale and duration:
                    return Fraction(timescale, duration)
    return None


def is_turned(path: Path) -> bool:
    """Whether the first picture of a MOV or MP4 is shown on its side, as telephones store it."""
    with path.open("rb") as file:
        for begin, end in _inside(file, (b"moov", b"trak"), 0, path.stat().st_size):
            handlers = [place for place, _ in _inside(file, (b"mdia", b"hdlr"), begin, end)]
            if not handlers or number_at(file, handlers[0] + 8, 4) != int.from_bytes(b"vide", "big"):
                continue
            for header, _ in boxes(file, b"tkhd", begin, end):
                matrix = header + (52 if number_at(file, header, 1) == 1 else 40)
                return number_at(file, matrix, 4) == 0 and number_at(file, matrix + 4, 4) != 0
    return False


def _inside(file: BinaryIO, kinds: tuple[bytes, ...], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The contents of the innermost of boxes that lie in one another."""
    if not kinds:
        yield begin, end
        return
    for inner in boxes(file, kinds[0], begin, end):
        yield from _inside(file, kinds[1:], *inner)
