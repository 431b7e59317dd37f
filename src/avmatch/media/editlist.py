"""End a track of a MOV or MP4 earlier, by its edit list: pictures that others need for decoding stay hidden behind it.

FFmpeg's muxer lets an edit list begin anywhere, and end where the packets end. So the end is set afterwards,
in the file: moov → trak → edts → elst (ISO/IEC 14496-12, 8.6.6).
"""

from __future__ import annotations

from pathlib import Path

from avmatch.media.boxes import boxes, number_at


def end_track(path: Path, number: int, shown_seconds: float) -> bool:
    """Let track `number` (from 0 on) be shown for so long. Returns whether there is an edit list to say so."""
    with path.open("rb+") as file:
        moov = next(boxes(file, b"moov", 0, path.stat().st_size), None)
        if moov is None:
            return False
        tracks = list(boxes(file, b"trak", *moov))
        edits = [edit for edts in boxes(file, b"edts", *tracks[number]) for edit in boxes(file, b"elst", *edts)]
        header = next(boxes(file, b"mvhd", *moov), None)
        if header is None or not edits:
            return False
        is_long = number_at(file, header[0], 1) == 1
        timescale = number_at(file, header[0] + (20 if is_long else 12), 4)
        begin = edits[0][0]
        size = 8 if number_at(file, begin, 1) == 1 else 4
        num_entries = number_at(file, begin + 4, 4)
        last = begin + 8 + (num_entries - 1) * (2 * size + 4)
        shown = min(number_at(file, last, size), round(shown_seconds * timescale))
        file.seek(last)
        file.write(shown.to_bytes(size, "big"))
        return True
