"""End a track of a MOV or MP4 earlier, by its edit list: pictures that others need for decoding stay hidden behind it.

FFmpeg's muxer lets an edit list begin anywhere, and end where the packets end. So the end is set afterwards,
in the file: moov → trak → edts → elst (ISO/IEC 14496-12, 8.6.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def end_track(path: Path, number: int, shown_seconds: float) -> bool:
    """Let track `number` (from 0 on) be shown for so long. Returns whether there is an edit list to say so."""
    with path.open("rb+") as file:
        moov = next(_boxes(file, b"moov", 0, path.stat().st_size), None)
        if moov is None:
            return False
        tracks = list(_boxes(file, b"trak", *moov))
        edits = [edit for edts in _boxes(file, b"edts", *tracks[number]) for edit in _boxes(file, b"elst", *edts)]
        header = next(_boxes(file, b"mvhd", *moov), None)
        if header is None or not edits:
            return False
        is_long = _number(file, header[0], 1) == 1
        timescale = _number(file, header[0] + (20 if is_long else 12), 4)
        begin = edits[0][0]
        size = 8 if _number(file, begin, 1) == 1 else 4
        num_entries = _number(file, begin + 4, 4)
        last = begin + 8 + (num_entries - 1) * (2 * size + 4)
        shown = min(_number(file, last, size), round(shown_seconds * timescale))
        file.seek(last)
        file.write(shown.to_bytes(size, "big"))
        return True


def _boxes(file: BinaryIO, kind: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of boxes of one kind begin and end, between two places."""
    while begin + 8 <= end:
        size, head = _number(file, begin, 4), 8
        file.seek(begin + 4)
        found = file.read(4)
        if size == 1:  # the true size follows
            size, head = _number(file, begin + 8, 8), 16
        if size < head:
            return
        if found == kind:
            yield begin + head, begin + size
        begin += size


def _number(file: BinaryIO, place: int, size: int) -> int:
    file.seek(place)
    return int.from_bytes(file.read(size), "big")
