"""The samples of PCM as they are stored, of any depth and with any number of channels, in time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from avmatch.core.clock import samples_from_seconds
from avmatch.media.choice import audio_stream
from avmatch.media.copying import Packet
from avmatch.media.source import StreamClock, opened, origin_seconds
from avmatch.media.steady import SteadyTimes

#: The byte that stands for silence, where it isn't 0.
_SILENCE = {"pcm_u8": 0x80, "pcm_alaw": 0xD5, "pcm_mulaw": 0xFF}


@dataclass(frozen=True)
class RawBlock:
    """PCM as it is stored: a row a byte of the sample of all channels, a column a sample."""

    data: UInt8[np.ndarray, "B S"]
    sample_rate_hz: int
    pts_seconds: float = 0.0
    silence: int = 0


def raw_blocks(path: Path, number: int | None = None) -> Iterator[RawBlock]:
    """The samples of a PCM stream as they are stored, in time, with silence in its gaps.

    Args:
        number: the stream's, in the file; None = the one that a player would choose.
    """
    with opened(path, "mux") as container:
        sound = audio_stream(container) if number is None else container.streams[number]
        assert isinstance(sound, av.AudioStream)
        context = sound.codec_context
        rate, silence = context.sample_rate, _SILENCE.get(context.name, 0)
        width = _num_bytes(context.name) * context.layout.nb_channels
        clock, steady = StreamClock(origin_seconds(container), [0.0]), SteadyTimes[np.ndarray]()
        following: float | None = None
        begin = 0.0
        for packet in container.demux(sound):
            data, skipped = np.frombuffer(bytes(packet), np.uint8), _num_skipped(packet)
            if packet.is_discard or len(data) < width:
                continue
            data = data[: len(data) // width * width].reshape(-1, width).T[:, skipped:]
            time = following or 0.0
            if packet.pts is not None and packet.time_base:
                time = clock.seconds(packet.pts, packet.time_base, following, time) + skipped / rate
            if following is None:
                following = begin = time
            following += data.shape[1] / rate
            for piece, gap in steady.take(data, time, data.shape[1] / rate):
                following += gap
                for block in _placed(piece, gap, rate, silence):
                    yield replace(block, pts_seconds=begin)
                    begin += block.data.shape[1] / rate
        for piece, gap in steady.flush():
            for block in _placed(piece, gap, rate, silence):
                yield replace(block, pts_seconds=begin)
                begin += block.data.shape[1] / rate


def _num_bytes(name: str) -> int:
    """Of a sample: "pcm_s24le" has three."""
    digits = "".join(filter(str.isdigit, name))
    return int(digits) // 8 if digits else 1


def _placed(data: UInt8[np.ndarray, "B S"], gap_seconds: float, rate: int, silence: int) -> Iterator[RawBlock]:
    """Silence in front where there is a gap; samples whose time has passed already are cut off."""
    num = samples_from_seconds(abs(gap_seconds), rate)
    for begin in range(0, num if gap_seconds > 0 else 0, rate):
        yield RawBlock(np.full((len(data), min(rate, num - begin)), silence, np.uint8), rate, 0.0, silence)
    kept = data[:, num:] if gap_seconds < 0 else data
    if kept.shape[1]:
        yield RawBlock(kept, rate, 0.0, silence)


def _num_skipped(packet: Packet) -> int:
    """How many samples at a packet's beginning an edit list hides."""
    data = bytes(packet.get_sidedata("skip_samples"))
    return int.from_bytes(data[:4], "little") if packet.has_sidedata("skip_samples") else 0
