"""How a sound gets into a copy: its packets as they are, its samples cut without being decoded, or encoded.

A sound that can be kept is kept. PCM is cut and padded row by row (a row holds one sample of each channel), at any
depth and with any number of channels. What is compressed without loss is decoded, cut to the sample and compressed
without loss again. What is compressed with loss keeps its packets, with other times. Only where the container can hold
none of that, or where the samples change, the sound is encoded: without loss if the container allows it, else with at
least 128 kbit/s a channel, and the plan says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import av
import av.container
import av.stream
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.core.clock import samples_from_seconds
from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples
from avmatch.media.copying import Packet, holds
from avmatch.media.encode import SoundWriter, rate_for
from avmatch.media.raw_sound import RawBlock
from avmatch.media.sound_codecs import check_sound_codec
from avmatch.media.steady import JUMP_SECONDS, SteadyTimes

BIT_RATE_A_CHANNEL = 128_000
_LOSSLESS = frozenset({"flac", "alac", "wavpack", "tta", "ape", "mlp", "truehd", "als", "shorten"})
_CUT_PCM = re.compile(r"pcm_(u8|s8|alaw|mulaw|[sf](16|24|32|64)(le|be))")
#: PCM in packets of some milliseconds, each whole by itself. (Those of DVDs go on in the next.)
_PACKED_PCM = frozenset({"pcm_bluray"})
_UNTIMED = "avi"
_ENCODERS = {"opus": "libopus"}
#: By the number of channels, where an encoder takes no other.
_ALAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)")
_AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
_OPUS_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_LAYOUTS = {"alac": _ALAC_LAYOUTS, "aac": _AAC_LAYOUTS, "libopus": _OPUS_LAYOUTS, "ac3": _AAC_LAYOUTS[:6]}
_LOSSY = ("aac", "libopus", "ac3")
#: More channels than these encoders take at once become several tracks.
MOST_CHANNELS = 8
_SPLIT = ("alac", "flac", "aac", "libopus")


@dataclass(frozen=True)
class SoundPlan:
    """How a sound gets into a container.

    Attributes:
        how: "packets" as they are, "rows" of PCM as they are, or "encode".
        codec: its name; for "encode" the encoder's.
        note: what a person should know of it, "" where nothing is lost.
    """

    how: Literal["packets", "rows", "encode"]
    codec: str
    note: str = ""


def plan_sound(
    sound: av.AudioStream,
    source: av.container.InputContainer,
    target: av.container.OutputContainer,
    wanted: str = "auto",
    *,
    why: str = "",
) -> SoundPlan:
    """How a sound is best brought into a container.

    Args:
        wanted: one of sound_codecs.SOUND_CODECS.
        why: the samples change, for this reason, so that they must be encoded.

    Raises:
        UsageError: there is no such codec.
        MediaError: the container can't hold what is wanted.
    """
    check_sound_codec(wanted)
    name = sound.codec_context.codec.canonical_name
    is_held = holds(target, name, source.format.name)
    suffix = Path(target.name).suffix
    is_pcm = _CUT_PCM.fullmatch(name) is not None
    if wanted in ("auto", "copy") and is_held and not why:
        if is_pcm:
            return SoundPlan("rows", name)
        if wanted == "copy" or not _is_lossless(name) or name in _PACKED_PCM:
            if _UNTIMED not in (source.format.name, target.format.name):
                return SoundPlan("packets", name)
            why = "AVI has no times to move"
    reason = why or (f"{name} can't be cut" if is_held else f"{suffix} can't hold {name}")
    if wanted == "copy":
        message = f"its sound can't be copied: {reason}; leave out --audio-codec copy"
        raise MediaError(source.name.removeprefix("file:"), message, stage="mux", reason="unsupported")
    codec = _encoder(sound, target, wanted, name)
    if wanted != "auto" and not why:
        reason = "as asked for"
    return SoundPlan("encode", codec, _encoding_note(sound, codec, name, reason, is_changed=bool(why)))


def _is_lossless(name: str) -> bool:
    return name in _LOSSLESS or name.startswith("pcm_")


def _encoder(sound: av.AudioStream, target: av.container.OutputContainer, wanted: str, name: str) -> str:
    """The encoder for a sound: as good as the container allows."""
    pcm = pcm_encoder(sound)
    if wanted == "pcm":
        return pcm
    if wanted != "auto":
        return _ENCODERS.get(wanted, wanted)
    if name in ("flac", "alac") and holds(target, name):
        return name
    if target.format.name == _UNTIMED and not _is_lossless(name):
        return "pcm_s16le"
    if holds(target, pcm) and (_is_lossless(name) or not holds(target, name)):
        return pcm
    if _is_lossless(name) and holds(target, "alac"):
        return "alac"
    return next((codec for codec in ("aac", "opus", "ac3") if holds(target, codec)), "aac").replace("opus", "libopus")


def pcm_encoder(sound: av.AudioStream) -> str:
    """The PCM that keeps a sound's depth."""
    context = sound.codec_context
    name, kind = context.name, context.format.packed.name
    if depth := re.match(r"pcm_([sf])(16|24|32|64)", name):
        kind_name, bits = depth.groups()
        return f"pcm_{kind_name}{bits}le" if (kind_name, bits) != ("s", "64") else "pcm_s32le"
    if kind in ("flt", "dbl") and _is_lossless(name):
        return "pcm_f32le"
    return {"u8": "pcm_u8", "s16": "pcm_s16le"}.get(kind, "pcm_s24le")


def _encoding_note(sound: av.AudioStream, codec: str, name: str, reason: str, *, is_changed: bool) -> str:
    """What a person should know of an encoded sound; "" where it is the same to the bit."""
    if codec == name and not is_changed and _is_lossless(name):
        return ""
    kind = sound.codec_context.format.packed.name
    is_narrowed = codec == "pcm_s16le" and kind not in ("s16", "u8")
    detail = "" if is_changed or is_narrowed else " without loss"
    is_deep = kind in ("flt", "dbl") or name.startswith("pcm_s32")
    if codec in ("flac", "alac") and is_deep and _is_lossless(name):
        detail = " with 24 bits a sample"
    if codec in _LOSSY:
        detail = f" at {bit_rate(sound) // 1000} kbit/s"
        if (rate := rate_for(codec, sound.codec_context.sample_rate)) != sound.codec_context.sample_rate:
            detail += f" and {rate} Hz"
    num_channels = sound.codec_context.layout.nb_channels
    if codec in _SPLIT and num_channels > MOST_CHANNELS:
        detail += f" in {-(-num_channels // MOST_CHANNELS)} tracks of up to {MOST_CHANNELS} channels"
    again = "encoded" if name.startswith("pcm") else "encoded again"
    return f"the sound is {again} as {codec.removeprefix('lib')}{detail}: {reason}"


def bit_rate(sound: av.AudioStream) -> int:
    """For a lossy encoder: not less than the sound has, if that is compressed with loss as well."""
    own = 0 if _is_lossless(sound.codec_context.codec.canonical_name) else sound.codec_context.bit_rate or 0
    return max(BIT_RATE_A_CHANNEL * sound.codec_context.layout.nb_channels, min(own, 640_000))


def encoded(
    target: av.container.OutputContainer, sound: av.AudioStream, codec: str, first: AudioSamples, begin_seconds: float
) -> SplitWriter:
    """A new track for samples such as `first`, or several where one can't hold all channels."""
    kind = None
    if codec in ("flac", "alac"):
        narrow = sound.codec_context.format.packed.name in ("s16", "u8")
        kind = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p")}[codec][not narrow]
    rate_hz, num_all = first.sample_rate_hz, len(first.data)
    most = MOST_CHANNELS if codec in _SPLIT else num_all
    writers = []
    for begin in range(0, num_all, most):
        num_channels = min(most, num_all - begin)
        bits = bit_rate(sound) * num_channels // num_all if codec in _LOSSY else None
        layout = _layout(sound, codec, num_channels)
        writers.append(SoundWriter(target, codec, num_channels, rate_hz, begin_seconds, bits, layout, kind))
    return SplitWriter(writers, most)


def _layout(sound: av.AudioStream, codec: str, num_channels: int) -> str:
    own = sound.codec_context.layout
    if codec in _LAYOUTS:
        if num_channels > len(_LAYOUTS[codec]):
            path = Path(sound.container.name.removeprefix("file:"))
            message = f"{num_channels} channels are too many for {codec}; use a .mov or .mkv, which hold PCM"
            raise MediaError(path, message, stage="mux", reason="unsupported")
        return _LAYOUTS[codec][num_channels - 1]
    return own.name if own.nb_channels == num_channels else f"{num_channels}C"


Block: TypeAlias = "AudioSamples | RawBlock"


@runtime_checkable
class Writer(Protocol):
    """Takes samples one after the other."""

    def write(self, data: np.ndarray) -> None:
        """Take samples of all channels."""

    def close(self) -> None:
        """There are no more."""


class SplitWriter:
    """Tracks that share the channels among them, in their order."""

    def __init__(self, writers: Sequence[SoundWriter], num_channels: int) -> None:
        self.streams = [writer.stream for writer in writers]
        self._writers, self._num_channels = writers, num_channels

    def write(self, data: Float32[np.ndarray, "C S"]) -> None:
        """Take samples of all channels."""
        for number, writer in enumerate(self._writers):
            writer.write(data[self._num_channels * number :][: self._num_channels])

    def close(self) -> None:
        """There are no more."""
        for writer in self._writers:
            writer.close()


class RawWriter:
    """A new track of PCM, in the bytes that the old one has."""

    def __init__(self, target: av.container.OutputContainer, sound: av.AudioStream, begin_seconds: float) -> None:
        self.stream = target.add_stream_from_template(sound, opaque=True)
        self._target, self._rate_hz = target, sound.codec_context.sample_rate
        self._position = samples_from_seconds(begin_seconds, self._rate_hz)

    def write(self, data: UInt8[np.ndarray, "B S"]) -> None:
        """Take samples as they are stored."""
        packet = av.Packet(np.ascontiguousarray(data.T).tobytes())
        packet.stream, packet.time_base = self.stream, Fraction(1, self._rate_hz)
        packet.pts = packet.dts = self._position
        packet.duration = data.shape[1]
        self._position += data.shape[1]
        self._target.mux(packet)

    def close(self) -> None:
        """Nothing is held back."""


def on_picture_clock(blocks: Iterator[Block], begin_seconds: float, shift_seconds: float) -> Iterator[Block]:
    """The sound from the picture's start on: shifted, cut to the sample, or with silence in front."""
    first = True
    for block in blocks:
        rate = block.sample_rate_hz
        excess = samples_from_seconds(begin_seconds - (block.pts_seconds + shift_seconds), rate)
        if first and excess < 0:
            fill = block.silence if isinstance(block, RawBlock) else 0
            for begin in range(0, -excess, rate):  # a long silence in pieces, so that memory stays small
                shape = (len(block.data), min(rate, -excess - begin))
                yield replace(block, data=np.full(shape, fill, block.data.dtype), pts_seconds=begin_seconds)
        data = block.data[:, max(0, excess) :]
        if data.shape[1]:
            first = False
            yield replace(block, data=data, pts_seconds=begin_seconds)


@runtime_checkable
class Track(Protocol):
    """A sound on its way into a copy, as far as the picture has come."""

    def write_until(self, time_seconds: float) -> None:
        """Write what plays before `time_seconds` of the picture's clock."""

    def close(self, *, is_cut: bool) -> None:
        """The picture ends here; what outlasts it is cut, or not."""


class SampleTrack:
    """A track of samples, encoded or as they are."""

    def __init__(self, writer: Writer, blocks: Iterator[Block], begin_seconds: float) -> None:
        self._writer, self._blocks = writer, blocks
        self._pending = next(blocks, None)
        self._written_seconds = begin_seconds

    def write_until(self, time_seconds: float) -> None:
        """Write what plays before `time_seconds` of the picture's clock."""
        while self._pending is not None and self._written_seconds < time_seconds:
            block = self._pending
            num = samples_from_seconds(time_seconds - self._written_seconds, block.sample_rate_hz)
            if num <= 0:
                return
            now, rest = block.data[:, :num], block.data[:, num:]
            self._writer.write(now)
            self._written_seconds += now.shape[1] / block.sample_rate_hz
            self._pending = replace(block, data=rest) if rest.shape[1] else next(self._blocks, None)

    def close(self, *, is_cut: bool) -> None:
        """The picture ends here."""
        while self._pending is not None and not is_cut:
            self._writer.write(self._pending.data)
            self._pending = next(self._blocks, None)
        self._writer.close()


class PacketTrack:
    """Packets of one or more streams as they are, at other times; none from before the picture begins."""

    def __init__(
        self,
        target: av.container.OutputContainer,
        packets: Iterator[Packet],
        copies: dict[int, av.stream.Stream],
        begin_seconds: float,
        shift_seconds: float,
    ) -> None:
        self._target, self._copies = target, copies
        self._packets = _moved(packets, begin_seconds, shift_seconds)
        self._pending = next(self._packets, None)

    def write_until(self, time_seconds: float) -> None:
        """Write what plays before `time_seconds` of the picture's clock."""
        while (packet := self._pending) is not None and float((packet.pts or 0) * packet.time_base) < time_seconds:
            packet.stream = self._copies[packet.stream.index]
            self._target.mux(packet)
            self._pending = next(self._packets, None)

    def close(self, *, is_cut: bool) -> None:
        """The picture ends here."""
        if not is_cut:
            self.write_until(float("inf"))


def _moved(packets: Iterator[Packet], begin_seconds: float, shift_seconds: float) -> Iterator[Packet]:
    for packet in _steady(packets):
        packet.pts = (packet.pts or 0) + round(shift_seconds / packet.time_base)
        packet.dts = packet.pts
        if packet.pts * packet.time_base >= begin_seconds:
            yield packet


def _steady(packets: Iterator[Packet]) -> Iterator[Packet]:
    """The packets with stamps that don't jitter, each after the one before."""
    steady, following = SteadyTimes[Packet](), None
    last: int | None = None

    def decided() -> Iterator[tuple[Packet, float]]:
        for packet in packets:
            if packet.pts is not None and packet.time_base:
                base = packet.time_base
                yield from steady.take(packet, float(packet.pts * base), float((packet.duration or 0) * base))
        yield from steady.flush()

    for packet, gap in decided():
        base, stamp = packet.time_base, float((packet.pts or 0) * packet.time_base)
        place = stamp if following is None else following + gap
        if not packet.duration or abs(stamp - place) <= JUMP_SECONDS:
            place = stamp
        else:
            packet.pts = round(place / base)
        if last is not None and packet.pts is not None:
            packet.pts = max(packet.pts, last + 1)
        last, following = packet.pts, place + float((packet.duration or 0) * base)
        yield packet
