"""What the header of a WAV says, and FFmpeg doesn't read or shouldn't believe.

Polyphonic recorders name their channels in the chunk iXML, and the rate of their timecode; the chunk bext has the time
of day. A recorder that lost its power leaves a data size that is too small: players then go on to the end of the file.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
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
    """Whether sound goes on behind the end that a WAV's header gives it, or is of no length by it (a ds64 of zeros)."""
    begin, size = next(((begin, size) for name, begin, size in _chunks(path) if name == b"data"), (0, 0))
    if size == _UNKNOWN_SIZE and path.stat().st_size < begin + size:
        return True
    end = begin + size if begin else None
    if not end or path.stat().st_size - end < 8 + 1:
        return False
    with path.open("rb") as file:
        file.seek(end + end % 2)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
    return name not in _TRAILING and (not _CHUNK_NAME.fullmatch(name) or size > path.stat().st_size)


def channel_names(path: Path) -> list[str]:
    """The names of a polyphonic WAV's channels (its iXML chunk), in the order of the channels; [] without any."""
    return _names_in(_ixml(path))


def _ixml(path: Path) -> str:
    """The chunk iXML; "" without one."""
    return _chunk(path, b"iXML", _MAX_IXML_BYTES).decode("utf-8", "replace")


def _chunk(path: Path, wanted: bytes, most_bytes: int) -> bytes:
    """The content of the first chunk of that name; nothing where it is missing or longer than can be."""
    for name, begin, size in _chunks(path):
        if name == wanted and size <= most_bytes:
            with path.open("rb") as file:
                file.seek(begin)
                return file.read(size)
    return b""


@dataclass(frozen=True)
class BroadcastTime:
    """When a recording began.

    Attributes:
        num_samples: since midnight.
        rate_hz: that these samples are counted with, where the recorder says it; else the file's.
        label_rate: frames a second of the recorder's timecode; None where it doesn't say.
        is_drop: whether that is drop-frame.
    """

    num_samples: int
    rate_hz: int | None = None
    label_rate: Fraction | None = None
    is_drop: bool = False


#: Of the chunk bext (EBU Tech 3285): where the time reference lies, and what may come behind it.
_REFERENCE, _MAX_BEXT_BYTES = slice(338, 346), 1 << 24


def broadcast_time(path: Path) -> BroadcastTime | None:
    """The time reference of a recorder's WAV (its bext, or else its iXML chunk); None without any."""
    xml = _ixml(path)
    counted = int.from_bytes(_chunk(path, b"bext", _MAX_BEXT_BYTES)[_REFERENCE], "little")
    high, low = (_number(xml, f"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_{half}") for half in ("HI", "LO"))
    num_samples = counted or ((high or 0) << 32) + (low or 0)
    if not num_samples and low is None:
        return None
    rate = re.search(r"<TIMECODE_RATE>\s*(\d+)/(\d+)\s*<", xml)
    label_rate = Fraction(int(rate[1]), int(rate[2])) if rate and int(rate[1]) and int(rate[2]) else None
    is_drop = re.search(r"<TIMECODE_FLAG>\s*DF\s*<", xml) is not None
    return BroadcastTime(num_samples, _number(xml, "TIMESTAMP_SAMPLE_RATE") or None, label_rate, is_drop)


def _number(xml: str, tag: str) -> int | None:
    found = re.search(rf"<{tag}>\s*(\d{{1,12}})\s*</{tag}>", xml)
    return int(found[1]) if found else None


def _names_in(xml: str) -> list[str]:
    """By patterns: a parser of XML would expand what a file from anywhere defines."""
    found: list[tuple[int, str]] = []
    for track in re.findall(r"<TRACK>(.*?)</TRACK>", xml, re.DOTALL):
        name = re.search(r"<NAME>(.*?)</NAME>", track, re.DOTALL)
        place = re.search(r"<INTERLEAVE_INDEX>\s*(\d+)\s*</INTERLEAVE_INDEX>", track)
        found.append((int(place[1]) if place else len(found) + 1, html.unescape(name[1]).strip() if name else ""))
    return [name for _, name in sorted(found) if name]
