"""What a copy keeps: `fix` and `--mux` over a matrix of containers × codecs, compared stream by stream.

    python benchmarks/copies.py OUT [--only mov_prores mp4_h264 …]

Needs the programs `ffmpeg` and `ffprobe` (any version since 5), which make the originals and look at the copies, so
that what avmatch says of its copies is checked by somebody else. Two seconds each, three minutes in all.

1. Each original is given to `fix` (0.2 s are taken out) and to `--mux` (with a 24-bit recording of four channels), into
   its own container and into MOV, MP4 and MKV.
2. ffprobe describes both sides: codec, tag, profile, pixel format, colours, frame rate, shape, rotation, channels,
   depth, rate, languages, titles, dispositions; timecode, chapters, tags of the file, subtitles, attachments, data.
3. What streams hold is compared by MD5: the packets as they are; where a container stores them in another form, the
   decoded pictures; of sounds the samples, which must be those of the original from the cut on.
4. Each difference must be said in avmatch's notes, or be one of EXPLAINED, or the script ends with 1.

OUT/copies.md has a row for each copy, and the differences with their reasons.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copies_originals import ORIGINALS, make, recording, run

from avmatch.core.errors import MediaError
from avmatch.media.mux import mux
from avmatch.media.repair import repair

FIX_SECONDS, MUX_SECONDS = 0.2, 0.1
TARGETS = (".mov", ".mp4", ".mkv")
_OLD = "it describes the old file"
_USUAL = "said by the codec itself, or the usual"
#: Differences that lose nothing, by a pattern.
EXPLAINED = {
    r"^audio \d+: codec_name mp2 → mp3$": "MP4 has one name for MPEG audio",
    r"^\w+ \d+: tag (handler_name|vendor_id|encoder|duration|bps|number_of_\w+|_statistics\S*) ": "how it was stored",
    r"^\w+ \d+: tag (file_package_\w+|track_name|reel_\w+|data_type) ": "names of MXF's packages",
    r"^file: tag (major_brand|minor_version|compatible_brands|encoder|software) ": _OLD,
    r"^file: tag (operational_pattern_ul|uid|generation_uid|company_name|product_\w+|application_platform) ": _OLD,
    r"^file: tag (modification_date|material_\w+|project_name|toolkit_version) ": _OLD,
    r"^file: tag creation_time (\S+:\d\d)(\.0+)?Z → \1(\.0+)?Z$": "the same second",
    r"^video \d+: tag creation_time ": "the file has it",
    r"^(audio|data) \d+: tag creation_time ": "the file has it",
    r"^video \d+: (avg_frame_rate|r_frame_rate) ": "ffprobe counts it from rounded times",
    r"^video \d+: field_order (None|unknown|progressive) → (None|unknown|progressive)$": _USUAL,
    r"^video \d+: (color_range|color_space|color_primaries|color_transfer) None → ": _USUAL,
    r"^video \d+: sample_aspect_ratio (0:1|None|1:1) → (0:1|None|1:1)$": _USUAL,
    r"^\w+ \d+: tag language (und|eng) → None$": "MKV's default, or nothing was said",
    r"^audio \d+: bits_per_raw_sample (None|16|24) → (None|16|24)$": "the samples are compared",
    r"^audio \d+: channel_layout (None|mono|4 channels|4.0) → (None|mono|4 channels|4.0)$": "named or not",
    r"^\w+ \d+: disposition default ": "the recorder's sound is the default; MOV has one a kind, AVI and TS none",
    r"^subtitle \d+: codec_tag_string tx3g → text$": "QuickTime's name for it",
    r"^video \d+: codec_tag_string FFV1 → \[0\]": "MKV's own name instead of that of AVI",
    r"^video \d+: color_range tv → None$": _USUAL,
    r"^audio recording: .* isn't the default": "AVI and TS have no defaults; it is the first",
    r"^data \d+: (bin_data|text) → none": "QuickTime's track for chapters; the chapters are compared",
    r"^data \d+: tmcd → none": "the timecode is kept as a tag",
}


def described(path: Path) -> dict[str, Any]:
    """All that ffprobe says."""
    return json.loads(
        run("ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_chapters", "-of", "json", path)
    )


PROPERTIES = {
    "video": "codec_name codec_tag_string profile pix_fmt width height sample_aspect_ratio color_range color_space "
    "color_primaries color_transfer field_order r_frame_rate avg_frame_rate",
    "audio": "codec_name codec_tag_string sample_rate channels channel_layout bits_per_raw_sample",
    "subtitle": "codec_name codec_tag_string",
    "data": "codec_tag_string",
    "attachment": "codec_name",
}


def properties(stream: dict[str, Any], *, has_tag: bool) -> dict[str, object]:
    """What is compared of a stream.

    Args:
        has_tag: the codec's name in the container is, too: MOV and MP4 have the same, others their own.
    """
    found: dict[str, object] = {name: stream.get(name) for name in PROPERTIES[stream["codec_type"]].split()}
    if not has_tag:
        found.pop("codec_tag_string", None)
    found |= {f"tag {key.lower()}": value for key, value in stream.get("tags", {}).items()}
    if stream["codec_type"] in ("video", "audio"):
        found |= {f"disposition {key}": value for key, value in stream.get("disposition", {}).items()}
    for side in stream.get("side_data_list", ()):
        if "rotation" in side:
            found["rotation"] = side["rotation"]
    return found


def tags(tags: dict[str, str]) -> dict[str, str]:
    return {f"tag {key.lower()}": value for key, value in tags.items()}


def changes(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """A line for each thing that says something else."""
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        same = old == new or (isinstance(old, str) and isinstance(new, str) and old.strip() == new.strip())
        if not same and not (old is None and key.startswith("tag")):
            yield f"{name}: {key} {old} → {new}"


def stored(path: Path, number: int) -> bytes:
    """A stream's packets, one after the other."""
    command = (
        ["ffmpeg", "-v", "error", "-ignore_editlist", "1"]
        if path.suffix in (".mov", ".mp4")
        else ["ffmpeg", "-v", "error"]
    )
    return run(*command, "-i", path, "-map", f"0:{number}", "-c", "copy", "-f", "data", "-", text=False)


def pictures(path: Path, number: int) -> str:
    """MD5 of the decoded frames."""
    return run("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{number}", "-fps_mode", "passthrough", "-f", "md5", "-")


def samples(path: Path, number: int) -> bytes:
    """A sound's samples, four bytes each."""
    return run(
        "ffmpeg", "-v", "error", "-i", path, "-map", f"0:{number}", "-f", "s32le", "-c:a", "pcm_s32le", "-", text=False
    )


@dataclass
class Copy:
    """One copy, and what was found out about it."""

    original: str
    how: str
    out: Path
    notes: tuple[str, ...] = ()
    refused: str = ""
    same: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def unexplained(self) -> list[str]:
        """Differences that nobody spoke of."""
        return [line for line in self.differences if not explanation(line, self.notes)]


def explanation(line: str, notes: tuple[str, ...]) -> str:
    """Why something is different; "" where nobody knows."""
    for pattern, reason in EXPLAINED.items():
        if re.search(pattern, line):
            return reason
    kind, number = re.match(r"(\w+) ?(\d*)", line).groups()  # type: ignore[union-attr]  # every line begins so
    for note in notes:
        if f"{kind} stream {number}" in note or (kind == "audio" and "the sound is" in note) or line in note:
            return f"said: {note}"
        words = [word for word in ("timecode", "chapters", "audio track") if word in note]
        if any(word.split()[0] in line for word in words):
            return f"said: {note}"
        if "tag" in note and (name := re.search(r": tag (\S+) ", line)) and name[1] in note.lower():
            return f"said: {note}"
    return ""


def same_streams(before: dict[str, Any], after: dict[str, Any], numbers: dict[int, int]) -> Iterator[tuple[Any, Any]]:
    """Streams and their copies; None where there is none. Data that a muxer makes anew (timecode) are found by kind."""
    taken: set[int] = set()
    for stream in before["streams"]:
        new = numbers.get(stream["index"])
        if new is None and stream["codec_type"] == "data":
            tag = stream["codec_tag_string"]
            found = (other["index"] for other in after["streams"] if other["codec_tag_string"] == tag)
            new = next((number for number in found if number not in taken), None)
        taken.add(-1 if new is None else new)
        yield stream, None if new is None else after["streams"][new]


def compare(copy: Copy, source: Path, numbers: dict[int, int]) -> None:
    """All streams, chapters and tags."""
    before, after = described(source), described(copy.out)
    for own, new in same_streams(before, after, numbers):
        name = f"{own['codec_type']} {own['index']}"
        if new is None:
            copy.differences.append(f"{name}: {own.get('codec_name') or own['codec_tag_string']} → none")
            continue
        has_tag = source.suffix == copy.out.suffix or {source.suffix, copy.out.suffix} == {".mov", ".mp4"}
        has_tag &= own.get("codec_name") == new.get("codec_name")
        copy.differences += changes(name, properties(own, has_tag=has_tag), properties(new, has_tag=has_tag))
        same = content(source, own, copy.out, new)
        (copy.same if same else copy.differences).append(f"{name}: {same or 'what it holds is different'}")
    copy.differences += changes("file", tags(before["format"].get("tags", {})), tags(after["format"].get("tags", {})))
    marks = [[(mark["start_time"], mark["tags"].get("title")) for mark in side["chapters"]] for side in (before, after)]
    if marks[0] != marks[1]:
        copy.differences.append(f"file: chapters {marks[0]} → {marks[1]}")


def content(source: Path, own: dict[str, Any], out: Path, new: dict[str, Any]) -> str:
    """In what a copied stream is the same; "" where it isn't."""
    kind = own["codec_type"]
    old_bytes, new_bytes = stored(source, own["index"]), stored(out, new["index"])
    if old_bytes == new_bytes:
        return f"packets {hashlib.md5(new_bytes).hexdigest()[:8]}"
    if kind == "video":
        return "decoded pictures" if pictures(source, own["index"]) == pictures(out, new["index"]) else ""
    if kind == "audio":
        if new_bytes and old_bytes.endswith(new_bytes):
            return "packets from the cut on"
        return same_sound(samples(source, own["index"]), samples(out, new["index"]))
    if kind == "subtitle":
        texts = [
            run("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{number}", "-f", "srt", "-")
            for path, number in ((source, own["index"]), (out, new["index"]))
        ]
        shown = [re.sub(r"\d\d:\d\d:\d\d,\d{3}", "", text) for text in texts]
        return "words" if shown[0] == shown[1] else ""
    return "timecode" if own.get("tags", {}).get("timecode") == new.get("tags", {}).get("timecode") else ""


def same_sound(old: bytes, new: bytes) -> str:
    """Whether samples are those of the original from some place on."""
    head = new[: 1 << 16]
    place = old.find(head) if len(head) > 1 << 12 else -1
    if place < 0:
        return ""
    num = min(len(old) - place, len(new))
    return "samples" if old[place : place + num] == new[:num] and num > len(old) // 2 else ""


def compare_recording(copy: Copy, audio: Path) -> None:
    """The recorder's sound is the first sound of a muxed file."""
    streams = described(copy.out)["streams"]
    new = next(stream for stream in streams if stream["codec_type"] == "audio")
    text = f"{new['codec_name']}, {new['channels']} channels"
    same = same_sound(samples(audio, 0), samples(copy.out, new["index"]))
    line = f"audio recording: {text}"
    (copy.same if same else copy.differences).append(f"{line}, {same or 'what it holds is different'}")
    if not new["disposition"]["default"]:
        copy.differences.append(f"{line} isn't the default")


def own_numbers(source: Path, out: Path, notes: tuple[str, ...]) -> dict[int, int]:
    """Where the streams of a clip are in its muxed file: in their order, but behind the recorder's sound."""
    left_out = {int(number) for note in notes for number in re.findall(r"stream (\d+) .*is left out", note)}
    waiting: dict[str, list[int]] = {}
    for stream in described(out)["streams"]:
        waiting.setdefault(stream["codec_type"], []).append(stream["index"])
    waiting["audio"] = waiting.get("audio", [])[1:]
    numbers = {}
    for stream in described(source)["streams"]:
        if stream["index"] not in left_out and waiting.get(stream["codec_type"]):
            numbers[stream["index"]] = waiting[stream["codec_type"]].pop(0)
    return numbers


def copies(names: list[str], folder: Path) -> Iterator[Copy]:
    """All of them, one after the other."""
    audio = recording(folder)
    for name in names:
        source = make(name, folder)
        before = source.read_bytes()
        for suffix in dict.fromkeys((source.suffix, *TARGETS)):
            for how in ("fix", "mux"):
                copy = Copy(name, how, folder / "copies" / f"{name}_{how}{suffix}")
                copy.out.unlink(missing_ok=True)
                try:
                    if how == "fix":
                        made = repair(source, copy.out, offset_seconds=FIX_SECONDS)
                        copy.notes = made.notes
                        compare(copy, source, dict(made.numbers))
                    else:
                        copy.notes = mux(source, audio, copy.out, offset_seconds=MUX_SECONDS)
                        compare(copy, source, own_numbers(source, copy.out, copy.notes))
                        compare_recording(copy, audio)
                except MediaError as error:
                    copy.refused = error.message
                assert source.read_bytes() == before, f"{source} was changed"
                yield copy


def row(copy: Copy) -> str:
    """One line of the table."""
    head = f"| {copy.original} | {copy.how} | {copy.out.suffix} "
    if copy.refused:
        return f"{head}| refused: {copy.refused} | |"
    said = "<br>".join(copy.notes)
    return f"{head}| {'<br>'.join(copy.same)} | {said} |"


def matrix(made: list[Copy]) -> list[str]:
    """Originals × containers: what is kept, and what is said, by number."""
    said: dict[str, int] = {}

    def cell(copy: Copy) -> str:
        if copy.refused:
            return "refused"
        notes = [re.sub(r" (stream|track) \d+", r" \1", note) for note in copy.notes]
        marks = sorted(said.setdefault(note, len(said) + 1) for note in dict.fromkeys(notes))
        return f"kept ({', '.join(map(str, marks))})" if marks else "kept"

    lines = ["| original | its own | MOV | MP4 | MKV |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(copy.original for copy in made):
        own = ORIGINALS[name][0]
        cells = {copy.out.suffix: "" for copy in made if copy.original == name}
        for suffix in cells:
            both = [cell(copy) for copy in made if copy.original == name and copy.out.suffix == suffix]
            cells[suffix] = both[0] if both[0] == both[1] else f"fix {both[0]}; mux {both[1]}"
        columns = [cells[own], *("as its own" if suffix == own else cells[suffix] for suffix in TARGETS)]
        lines.append(f"| {name.replace('_', ', ')} ({own}) | {' | '.join(columns)} |")
    return [*lines, "", *(f"{number}. {note}" for note, number in said.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=ORIGINALS, default=list(ORIGINALS))
    asked = parser.parse_args()
    if missing := [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]:
        sys.exit(f"{' and '.join(missing)} can't be found; install FFmpeg (apt install ffmpeg, brew install ffmpeg)")
    asked.out.mkdir(parents=True, exist_ok=True)
    made, reasons, num_unexplained = list[Copy](), dict[str, set[str]](), 0
    for copy in copies(asked.only, asked.out):
        unexplained = copy.unexplained()
        num_unexplained += len(unexplained)
        print(f"{copy.original} {copy.how} {copy.out.suffix}: {copy.refused or '; '.join(copy.same)}", flush=True)
        for line in unexplained:
            print(f"  NOT EXPLAINED: {line}   notes: {copy.notes}", flush=True)
        made.append(copy)
        for line in copy.differences:
            if reason := explanation(line, copy.notes):
                reasons.setdefault(reason, set()).add(re.sub(r"^(\w+) \d+", r"\1", line))
    head = ["| original | how | into | the same | said |", "|---|---|---|---|---|"]
    listed = [f"- {reason}: {'; '.join(sorted(lines)[:6])}" for reason, lines in sorted(reasons.items())]
    text = "\n".join([*matrix(made), "", *head, *map(row, made), "", "## Differences, and why", "", *listed, ""])
    (asked.out / "copies.md").write_text(text, encoding="utf-8")
    print(f"{len(made)} copies, {num_unexplained} differences that nobody explains; {asked.out / 'copies.md'}")
    sys.exit(1 if num_unexplained else 0)


if __name__ == "__main__":
    main()
