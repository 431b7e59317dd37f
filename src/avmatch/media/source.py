"""Opening an untrusted file: only as what it is, only that file, and with errors that say what to do.

A media file may be a playlist in disguise that names other files or addresses. So the path is opened with the `file:`
protocol alone, and only with demuxers that read a single file.

Its timestamps can't be trusted either: parts may be joined end to end, stamps come out of nowhere (`StreamClock`). And
some of it may not be readable: packets that can't be decoded, a file that ends too early (`Reading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.container
import av.stream

from avmatch.core.errors import MediaError, Reason, Stage
from avmatch.media.wav import is_cut_by_header

_FORMATS = (
    "aac,ac3,aiff,amr,ape,apng,asf,au,avi,caf,dts,dv,eac3,flac,flv,gif,gxf,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp3,"
    "mpeg,mpegts,mpegvideo,mxf,nut,ogg,rm,tta,voc,w64,wav,webm,wv,yuv4mpegpipe"
)
#: Containers that don't say when a picture is shown. FFmpeg makes it up, for these codecs in the order of decoding.
_UNTIMED, _REORDERED = frozenset({"avi", "asf"}), frozenset({"h264", "hevc"})
OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}


@contextmanager
def opened(path: str | Path, stage: Stage = "open") -> Iterator[av.container.InputContainer]:
    """The file as an FFmpeg container; MediaError names what is wrong with it."""
    file = Path(path)
    _check(file, path, stage)
    try:
        options = OPTIONS | ({"ignore_length": "1"} if is_cut_by_header(file) else {})
        container = av.open(f"file:{file}", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise unreadable(path, error, stage) from error
    if container.format.name in _UNTIMED and _REORDERED & {stream.codec.name for stream in container.streams.video}:
        container.flags &= ~cast("int", av.container.Flags.gen_pts.value)
    try:
        yield container
    finally:
        container.close()


def _check(file: Path, path: str | Path, stage: Stage) -> None:
    def error(message: str, reason: Reason = "unreadable") -> MediaError:
        return MediaError(path, message, stage=stage, reason=reason)

    try:
        if not file.exists():
            raise error("there is no such file; check the name")
        if not file.is_file():
            raise error("not a file; name a media file, or a folder of them to `match` or `sync`")
        if file.stat().st_size == 0:
            raise error("the file is empty (0 bytes); copy or record it again")
    except OSError as os_error:  # a loop of links, a name too long, no permission
        raise error(f"the file can't be reached ({os_error.strerror or os_error}); check the link") from os_error


def unreadable(path: str | Path, error: Exception, stage: Stage) -> MediaError:
    """The MediaError for what FFmpeg says it can't read."""
    if isinstance(error, PermissionError):
        return MediaError(path, "no permission to read it; change its mode", stage=stage, reason="unreadable")
    detail = getattr(error, "strerror", None) or str(error)
    return MediaError(
        path,
        f"not readable as audio or video ({detail}); the file is damaged, cut off or not media: "
        "play it to see, then copy or convert it again",
        stage=stage,
        reason="unreadable",
    )


def origin_seconds(container: av.container.InputContainer) -> float:
    """Where the file's clock begins: broadcast files start at some other time than zero, and players hide it."""
    start: int | None = container.start_time
    return max(0.0, start / av.time_base) if start is not None else 0.0


#: A gap longer than this is a broken timestamp, not silence, unless another stream ran on.
MAX_GAP_SECONDS = 600.0
#: Streams of one file are stored so close to one another in time.
_INTERLEAVED_SECONDS = 10.0
#: A step back that is longer than this is a clock that starts over: parts of a recording joined end to end.
MAX_BACK_SECONDS = 1.0


@dataclass
class StreamClock:
    """Times of one stream, from the file's beginning and ever onward.

    Where a stream's times start over, or jump ahead further than can be meant, they go on from where they were; the
    file's other streams jump by the same when they get there, so that all stay together.

    Attributes:
        starts: what is taken off, jump by jump; shared by the streams of a file.
        ends: how far each stream has come, by its number in this list; shared by the streams of a file.
    """

    origin_seconds: float
    starts: list[float]
    ends: list[float] = field(default_factory=list)
    _number: int | None = None
    _place: int = 0
    _before_gap_seconds: float | None = None

    def seconds(self, ticks: int, time_base: Fraction, last_seconds: float | None, following_seconds: float) -> float:
        """The time of a frame, given that of the last one and what would follow it."""
        stamp = float(ticks * time_base) - self.origin_seconds
        while last_seconds is not None and self._jumps(stamp - self.starts[self._place], last_seconds):
            self._place += 1
            if self._place == len(self.starts):
                self.starts.append(stamp - following_seconds)
        found = stamp - self.starts[self._place]
        if last_seconds is not None and found > last_seconds + MAX_BACK_SECONDS:
            self._before_gap_seconds = last_seconds
        if self._number is None:
            self._number = len(self.ends)
            self.ends.append(found)
        self.ends[self._number] = found
        return found

    def _jumps(self, stamp_seconds: float, last_seconds: float) -> bool:
        """Back behind a gap is no new clock: the frame after the gap had a wrong time."""
        if stamp_seconds > last_seconds + MAX_GAP_SECONDS:
            others = (end for number, end in enumerate(self.ends) if number != self._number)
            return all(abs(stamp_seconds - end) > _INTERLEAVED_SECONDS for end in others)
        is_back = stamp_seconds < last_seconds - MAX_BACK_SECONDS
        return is_back and (self._before_gap_seconds is None or stamp_seconds < self._before_gap_seconds)


#: Containers whose header holds the true length. Others guess it from the bit rate, or from where the file ends.
_TRUE_LENGTHS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flac"})
#: Recordings whose last packet is called damaged where it is shorter than the others.
_BARE_SAMPLES = frozenset({"wav", "w64", "aiff", "caf", "au"})
#: A packet that is said to last longer has a damaged stamp.
_MAX_PACKET_SECONDS = 2.0
#: A stream that ends earlier than it should by less than this, or by less than two packets, is whole.
EARLY_SECONDS = 0.5


@dataclass
class _Extent:
    """The packets of one stream: how many, and from when to when, in ticks."""

    num_packets: int = 0
    num_bad: int = 0
    num_damaged: int = 0
    begin: float = float("inf")
    end: float = float("-inf")
    duration: int = 0
    last_dts: int | None = None

    def take(self, packet: av.Packet[Any]) -> None:
        """A packet has been read."""
        self.num_packets += 1
        self.num_damaged += packet.is_corrupt
        if packet.pts is not None:
            self.begin = min(self.begin, packet.pts)
            self.end = max(self.end, packet.pts + (packet.duration or 0))
        step = 0 if packet.dts is None or self.last_dts is None else packet.dts - self.last_dts
        lasts = packet.duration or step
        base = packet.time_base  # whole numbers are compared: fractions would take as long as decoding the sound
        if base and 0 < lasts * base.numerator <= _MAX_PACKET_SECONDS * base.denominator:
            self.duration += lasts
        self.last_dts = packet.dts

    def seconds(self, stream: av.stream.Stream) -> float:
        """How long they last."""
        return float((self.end - self.begin) * (stream.time_base or 0)) if self.end > self.begin else 0.0

    def damaged_seconds(self, stream: av.stream.Stream) -> float:
        """How much of that is damaged; by the length of the packets, because damage makes stamps up."""
        lasts = float(self.duration * (stream.time_base or 0))
        share = min(1.0, self.num_damaged / max(self.num_packets, 1))
        return share * (min(self.seconds(stream), lasts) if lasts else self.seconds(stream))


@dataclass
class Reading:
    """What is learned of a file while it is decoded: what can't be read of it, and which streams are used.

    Attributes:
        shares: 0…1 that can't be read of each kind of stream, "video" and "audio", once all of it has been decoded.
        damaged_seconds: the same in seconds, with what the demuxer calls damaged, and gaps in the sound.
        used: which stream of each kind, and which channels, where there was a choice; else "".
        gap_seconds: silence that was put into gaps of the sound.
        has_failed: reading ended with an error. Only then, or where the header tells it, is a length reliable.
    """

    shares: dict[str, float] = field(default_factory=dict)
    damaged_seconds: dict[str, float] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)
    gap_seconds: float = 0.0
    has_failed: bool = False
    _extents: dict[int, _Extent] = field(default_factory=dict)

    def count(self, packet: av.Packet[Any]) -> None:
        """A packet has been read."""
        self._extents.setdefault(packet.stream.index, _Extent()).take(packet)

    def count_bad(self, packet: av.Packet[Any]) -> int:
        """A packet can't be decoded. Returns how many couldn't so far."""
        extent = self._extents.setdefault(packet.stream.index, _Extent())
        extent.num_bad += 1
        extent.num_damaged += not packet.is_corrupt
        return sum(extent.num_bad for extent in self._extents.values())

    def finish(self, container: av.container.InputContainer, indices: Iterable[int]) -> None:
        """All that there is has been read: work out the shares of these streams."""
        for stream in (container.streams[index] for index in indices):
            extent = self._extents.get(stream.index, _Extent())
            bad = min(1.0, extent.num_bad / max(extent.num_packets, 1))
            early, length = self._early(container, stream, extent)
            self.shares[stream.type] = 1.0 - (1.0 - bad) * (1.0 - early / length if early else 1.0)
            damaged = 0.0 if container.format.name in _BARE_SAMPLES else extent.damaged_seconds(stream)
            gaps = self.gap_seconds if stream.type == "audio" else 0.0  # where packets can't be decoded, there is one
            self.damaged_seconds[stream.type] = early + max(damaged, gaps)

    def _early(
        self, container: av.container.InputContainer, stream: av.stream.Stream, extent: _Extent
    ) -> tuple[float, float]:
        """How many seconds are missing at the end, and of how many, by the stream's length or that of the file."""
        if not self.has_failed and container.format.name not in _TRUE_LENGTHS:
            return 0.0, 0.0
        if stream.duration and stream.time_base:
            length, read = float(stream.duration * stream.time_base), extent.seconds(stream)
        else:
            length = (container.duration or 0) / av.time_base
            read = max((found.seconds(container.streams[index]) for index, found in self._extents.items()), default=0.0)
        missing = length - read
        is_whole = missing <= max(EARLY_SECONDS, 2.0 * read / max(extent.num_packets, 1))
        return (0.0, length) if is_whole else (missing, length)
