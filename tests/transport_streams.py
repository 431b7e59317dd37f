"""Several broadcasts in one transport stream, for tests: FFmpeg's muxers are asked for one each, and joined by hand."""

from __future__ import annotations

import struct
from itertools import zip_longest
from pathlib import Path

import av

PACKET_BYTES = 188


def broadcast(source: Path, path: Path, number: int, name: str, kinds: tuple[str, ...] = ("video", "audio")) -> Path:
    """The streams of these kinds as a programme of that number."""
    options = {
        "mpegts_service_id": str(number),
        "mpegts_start_pid": str(256 * (number + 1)),
        "mpegts_pmt_start_pid": str(4096 + number),
    }
    with (
        av.open(str(source)) as original,
        av.open(str(path), "w", format="mpegts", container_options=options) as target,
    ):
        target.metadata.update(service_name=name, service_provider="Test")
        streams = [stream for stream in original.streams if stream.type in kinds]
        copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in streams}
        for packet in original.demux(streams):
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


def crc(section: bytes) -> int:
    """The checksum of tables (ISO/IEC 13818-1, annex A)."""
    value = 0xFFFFFFFF
    for byte in section:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
            value &= 0xFFFFFFFF
    return value


def association(numbers: list[int], counter: int) -> bytes:
    """The packet that lists the programmes."""
    entries = b"".join(struct.pack(">HH", number, 0xE000 | (4096 + number)) for number in numbers)
    section = b"\0" + struct.pack(">H", 0xB000 | (9 + len(entries))) + b"\0\1\xc1\0\0" + entries
    section += struct.pack(">I", crc(section))
    return (b"\x47\x40\0" + bytes([0x10 | counter % 16]) + b"\0" + section).ljust(PACKET_BYTES, b"\xff")


def joined(path: Path, parts: dict[int, Path]) -> Path:
    """One transport stream of several programmes, by their numbers."""
    packets = []
    for number, part in parts.items():
        data = part.read_bytes()
        own = [data[place : place + PACKET_BYTES] for place in range(0, len(data), PACKET_BYTES)]
        is_first = number == min(parts)  # its table of names is kept, the others would contradict it
        dropped = {0} if is_first else {0, 0x11}
        packets.append([packet for packet in own if int.from_bytes(packet[1:3], "big") & 0x1FFF not in dropped])
    mixed = [packet for row in zip_longest(*packets) for packet in row if packet is not None]
    numbers, out = sorted(parts), []
    for place, packet in enumerate(mixed):
        if place % 40 == 0:
            out.append(association(numbers, place // 40))
        out.append(packet)
    path.write_bytes(b"".join(out))
    return path
