"""Subtitles of text in the form that another container holds: MP4 and MOV hold mov_text, MKV SubRip, WebM WebVTT.

FFmpeg reads them all as ASS, which has the words, the times and the styles that these forms share (bold, italic).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.subtitles.codeccontext
import av.subtitles.stream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from avmatch.media.copying import MOV_FAMILY, Packet, take_stream_tags

_TEXTS = frozenset({"mov_text", "subrip", "ass", "webvtt", "text"})
_FORMS = {"matroska": "subrip", "webm": "webvtt"} | dict.fromkeys(MOV_FAMILY, "mov_text")
_TIME_BASE = Fraction(1, 1000)


class Converted:
    """A stream of subtitles on its way into a container that holds another form of text.

    Attributes:
        stream: the new one.
        note: what a person should know.
        num_lost: packets that couldn't be converted.

    Raises:
        ValueError: these are no subtitles of text, or the container holds none.
    """

    def __init__(self, own: av.subtitles.stream.SubtitleStream, target: av.container.OutputContainer) -> None:
        kind, form = own.codec_context.codec.canonical_name, _FORMS.get(target.format.name)
        if form is None or kind not in _TEXTS or not hasattr(own.codec_context, "encode_subtitle"):
            raise ValueError(f"no {kind} in {target.format.name}")
        self._own, self.num_lost = own, 0
        self._decoder = own.codec_context
        self._decoder.open(strict=False)  # which makes the header that the encoder wants
        stream = target.add_stream(form)
        assert isinstance(stream, av.subtitles.stream.SubtitleStream)
        self.stream, self._encoder = stream, stream.codec_context
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self._encoder.time_base = stream.time_base = _TIME_BASE
        self._encoder.open()
        take_stream_tags(own, stream, target)
        styles = ", without its styles" if kind == "ass" else ""
        suffix = Path(target.name).suffix
        self.note = f"subtitle stream {own.index} becomes {form}{styles}: {suffix} can't hold {kind}"

    def take(self, packet: Packet) -> Iterator[Packet]:
        """The packet in its new form; none where it only ends the one before."""
        made = self._made(packet)
        if made is not None:
            made.time_base, made.pts, made.dts = packet.time_base, packet.pts, packet.pts
            made.duration, made.stream = packet.duration, self._own
            yield made

    def _made(self, packet: Packet) -> Packet | None:
        try:
            found = self._decoder.decode2(packet)
            lines = [rect for rect in found or () if isinstance(rect, AssSubtitle)]
            if not lines:
                return None
            text = b"\\N".join([lines[0].ass, *(_words(line.ass) for line in lines[1:])])
            lasts = round((packet.duration or 0) * packet.time_base / _TIME_BASE)
            return self._encoder.encode_subtitle(SubtitleSet.create(text=text, start=0, end=lasts))
        except (av.FFmpegError, ValueError):  # such as text in no known encoding
            self.num_lost += 1
            return None


def _words(ass: bytes) -> bytes:
    """What is shown of a line of ASS."""
    return ass.split(b",", 8)[-1]
