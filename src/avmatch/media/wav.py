"""What the header of a WAV says and FFmpeg doesn't read: the names of its channels, in the chunk iXML."""

from __future__ import annotations

import html
import re
from pathlib import Path

#: Where a WAV's chunk with the names of its channels may end at the latest.
_MAX_IXML_BYTES = 1 << 22
_UNKNOWN_SIZE = 0xFFFFFFFF


def channel_names(path: Path) -> list[str]:
    """The names of a polyphonic WAV's channels (its iXML chunk), in the order of the channels; [] without any."""
    with path.open("rb") as file:
        if file.read(4) not in (b"RIFF", b"RF64", b"BW64"):
            return []
        file.seek(12)
        data_size = 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"iXML" and size <= _MAX_IXML_BYTES:
                return _names_in(file.read(size).decode("utf-8", "replace"))
            if head[:4] == b"ds64":  # the true sizes of a file above 4 GB
                data_size = int.from_bytes(file.read(size)[8:16], "little")
                continue
            size = data_size if size == _UNKNOWN_SIZE else size
            file.seek(size + size % 2, 1)
    return []


def _names_in(xml: str) -> list[str]:
    """By patterns: a parser of XML would expand what a file from anywhere defines."""
    found: list[tuple[int, str]] = []
    for track in re.findall(r"<TRACK>(.*?)</TRACK>", xml, re.DOTALL):
        name = re.search(r"<NAME>(.*?)</NAME>", track, re.DOTALL)
        place = re.search(r"<INTERLEAVE_INDEX>\s*(\d+)\s*</INTERLEAVE_INDEX>", track)
        found.append((int(place[1]) if place else len(found) + 1, html.unescape(name[1]).strip() if name else ""))
    return [name for _, name in sorted(found) if name]
