"""The programmes of a transport stream: which of its streams belong together (ISO/IEC 13818-1, 2.4.4).

A multiplex holds several broadcasts, and FFmpeg's muxer would make one of them. So a copy takes the picture's own. The
programme association table lists the programmes, and each one's map table its streams; the service description table
(ETSI EN 300 468, 5.2.3) has their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av.container
import av.stream

_PACKET_BYTES, _SYNC = 188, 0x47
_PACKETS_WITH = (188, 192, 204)  # plain, with a time stamp in front, with a checksum behind
#: Tables come several times a second.
_HEAD_BYTES = 4 << 20
_PAT_PID, _SDT_PID = 0x00, 0x11
_PAT, _PMT, _SDT = 0x00, 0x02, 0x42
_SERVICE_DESCRIPTOR = 0x48


@dataclass(frozen=True)
class Programme:
    """One broadcast of a multiplex.

    Attributes:
        number: as the multiplex counts it.
        streams: numbers of the file's streams, from 0 on.
        name, provider: "" where nothing says them.
    """

    number: int
    streams: frozenset[int]
    name: str = ""
    provider: str = ""


def programmes(container: av.container.InputContainer) -> tuple[Programme, ...]:
    """The programmes of a transport stream that have streams; none of another file."""
    if container.format.name != "mpegts":
        return ()
    numbers: dict[int, set[int]] = {}
    for stream in container.streams:
        numbers.setdefault(stream.id, set()).add(stream.index)
    with Path(container.name.removeprefix("file:")).open("rb") as file:
        packets = list(_packets(file.read(_HEAD_BYTES)))
    names = _names(packets)
    found = []
    for number, pid in _maps(packets):
        streams = frozenset(index for each in _streams(packets, pid, number) for index in numbers.get(each, ()))
        if streams:
            found.append(Programme(number, streams, *names.get(number, ("", ""))))
    return tuple(found)


@dataclass(frozen=True)
class Multiplex:
    """The programmes of a file, as a picture sees them.

    Attributes:
        own: those that it belongs to.
        others: what the rest has beside that.
    """

    own: tuple[Programme, ...] = ()
    others: tuple[Programme, ...] = ()

    def has_apart(self, number: int) -> bool:
        """Whether a stream belongs to others only."""
        return any(number in programme.streams for programme in self.others)


def multiplex(container: av.container.InputContainer, picture: av.stream.Stream | None) -> Multiplex:
    """The programmes of a file; nothing where the picture is missing or belongs to none."""
    found = programmes(container) if picture is not None else ()
    own = tuple(programme for programme in found if picture is not None and picture.index in programme.streams)
    if not own:
        return Multiplex()
    streams = frozenset[int]().union(*(programme.streams for programme in own))
    others = (replace(programme, streams=programme.streams - streams) for programme in found)
    return Multiplex(own, tuple(programme for programme in others if programme.streams))


def _packets(data: bytes) -> Iterator[bytes]:
    """The packets of 188 bytes."""
    for size in _PACKETS_WITH:
        begin = next((place for place in range(size) if set(data[place : place + 8 * size : size]) == {_SYNC}), None)
        if begin is not None:
            for place in range(begin, len(data) - _PACKET_BYTES + 1, size):
                if data[place] == _SYNC:
                    yield data[place : place + _PACKET_BYTES]
            return


def _sections(packets: list[bytes], wanted: int, table: int) -> Iterator[bytes]:
    """The content of whole sections of a table, without header and checksum."""
    section: bytearray | None = None
    for packet in packets:
        if (packet[1] & 0x1F) << 8 | packet[2] != wanted or packet[1] & 0x80 or not packet[3] & 0x10:
            continue
        payload = packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
        if packet[1] & 0x40 and payload:  # a section begins, behind the rest of the one before
            section = bytearray(payload[1 + payload[0] :])
        elif section is not None:
            section += payload
        if section is not None and len(section) >= 3:
            size = 3 + ((section[1] & 0x0F) << 8 | section[2])
            if len(section) >= size:
                if section[0] == table:
                    yield bytes(section[3 : size - 4])
                section = None


def _maps(packets: list[bytes]) -> list[tuple[int, int]]:
    """The number of each programme, and where its map is."""
    found: dict[int, int] = {}
    for section in _sections(packets, _PAT_PID, _PAT):
        for place in range(5, len(section) - 3, 4):
            number = int.from_bytes(section[place : place + 2], "big")
            if number:  # 0 is the network's own table
                found.setdefault(number, int.from_bytes(section[place + 2 : place + 4], "big") & 0x1FFF)
    return sorted(found.items())


def _streams(packets: list[bytes], pid: int, number: int) -> Iterator[int]:
    """Where the streams of a programme are; several programmes may share a place for their maps."""
    for section in _sections(packets, pid, _PMT):
        if len(section) < 9 or int.from_bytes(section[:2], "big") != number:
            continue
        place = 9 + (int.from_bytes(section[7:9], "big") & 0x0FFF)
        while place + 5 <= len(section):
            yield int.from_bytes(section[place + 1 : place + 3], "big") & 0x1FFF
            place += 5 + (int.from_bytes(section[place + 3 : place + 5], "big") & 0x0FFF)


def _names(packets: list[bytes]) -> dict[int, tuple[str, str]]:
    """Name and provider of each programme."""
    names: dict[int, tuple[str, str]] = {}
    for section in _sections(packets, _SDT_PID, _SDT):
        place = 8
        while place + 5 <= len(section):
            number = int.from_bytes(section[place : place + 2], "big")
            end = place + 5 + (int.from_bytes(section[place + 3 : place + 5], "big") & 0x0FFF)
            place += 5
            while place + 2 <= min(end, len(section)):
                tag, size = section[place], section[place + 1]
                content = section[place + 2 : place + 2 + size]
                if tag == _SERVICE_DESCRIPTOR and len(content) > 2:
                    split = 2 + content[1]
                    names[number] = _text(content[split + 1 :]), _text(content[2:split])
                place += 2 + size
            place = end
    return names


def _text(coded: bytes) -> str:
    """Text of a broadcast (EN 300 468, annex A): its first byte may say which alphabet it is in."""
    if coded[:1] == b"\x15":
        return coded[1:].decode("utf-8", "replace")
    if coded[:1] and 1 <= coded[0] <= 0x0B and coded[0] != 8:
        return coded[1:].decode(f"iso8859-{coded[0] + 4}", "replace")
    return coded.decode("latin-1")
