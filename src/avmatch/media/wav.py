"""What the header of a WAV says, and FFmpeg doesn't read or shouldn't believe.

Polyphonic recorders name their channels in the chunk iXML. A recorder that lost its power leaves a data size that is
too small: players then go on to the end of the file.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

#: Where a WAV's chunk with the names of its channels may end at the latest.
_MAX_IXML_BYTES = 1 << 22
_UNKNOWN_SIZE = 0xFFFFFFFF
#: Chunks that may follow the sound, even if they are cut off.
_TRAILING = frozenset(
    {b"LIST", b"id3 ", b"ID3 ", b"iXML", b"bext", b"cue ", b"JUNK", b"FLLR", b"PEAK", b"_PMX", b"SMED"}
)
_CHUNK_NAME = re.compile(rb"[A-Za-z0-9_ ]{4}")


def _chunks(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its content begins, size by the header) of each chunk; none where it is no WAV."""
    with path.open("rb") as file:
        if file.read(4) not in (b"RIFF", b"RF64", b"BW64") or file.read(8)[4:] != b"WAVE":
            return
        place, data_size = 12, 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"ds64":  # the true sizes of a file above 4 GB
                data_size = int.from_bytes(file.read(16)[8:], "little")
            size = data_size if size == _UNKNOWN_SIZE and data_size else size
            yield head[:4], place + 8, size
            place += 8 + size + size % 2
            file.seek(place)


def is_cut_by_header(path: Path) -> bool:
    """Whether sound goes on behind the end that a WAV's header gives it."""
    end = next((begin + size for name, begin, size in _chunks(path) if name == b"data"), None)
    if not end or path.stat().st_size - end < 8 + 1:
        return False
    with path.open("rb") as file:
        file.seek(end + end % 2)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
    return name not in _TRAILING and (not _CHUNK_NAME.fullmatch(name) or size > path.stat().st_size)


def channel_names(path: Path) -> list[str]:
    """The names of a polyphonic WAV's channels (its iXML chunk), in the order of the channels; [] without any."""
    for name, begin, size in _chunks(path):
        if name == b"iXML" and size <= _MAX_IXML_BYTES:
            with path.open("rb") as file:
                file.seek(begin)
                return _names_in(file.read(size).decode("utf-8", "replace"))
    return []


def _names_in(xml: str) -> list[str]:
    """By patterns: a parser of XML would expand what a file from anywhere defines."""
    found: list[tuple[int, str]] = []
    for track in re.findall(r"<TRACK>(.*?)</TRACK>", xml, re.DOTALL):
        name = re.search(r"<NAME>(.*?)</NAME>", track, re.DOTALL)
        place = re.search(r"<INTERLEAVE_INDEX>\s*(\d+)\s*</INTERLEAVE_INDEX>", track)
        found.append((int(place[1]) if place else len(found) + 1, html.unescape(name[1]).strip() if name else ""))
    return [name for _, name in sorted(found) if name]
