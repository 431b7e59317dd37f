"""The formats that a timeline can be written in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from avmatch.core.errors import UsageError
from avmatch.timelines.ale import ale
from avmatch.timelines.edl import edl
from avmatch.timelines.fcpxml import fcpxml
from avmatch.timelines.markup import Places
from avmatch.timelines.mlt import mlt, unplayable
from avmatch.timelines.otio import check_otio, otio
from avmatch.timelines.shoot import Timeline
from avmatch.timelines.table import check_parquet, csv, jsonl, parquet
from avmatch.timelines.xmeml import xmeml


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: what `--to` takes.
        suffix: of its files.
        document: makes the file's content.
        has_lanes: clips of the same moment can lie above one another; else all stand one after another.
        has_rates: clips of several rates can stand in one file; else each rate has its own.
        counts_frames: what a sound lacks to a frame is lost, counted from the file's beginning or as a time of day.
        check: raises MissingExtraError where a library is not installed.
        remarks: what a person should know of a timeline in this format.
    """

    name: str
    suffix: str
    document: Callable[[Timeline, Places], bytes]
    has_lanes: bool = True
    has_rates: bool = True
    counts_frames: Literal["", "in file", "of day"] = ""
    check: Callable[[], object] = lambda: None
    remarks: Callable[[Timeline], Iterable[str]] = lambda _: ()


FORMATS = {
    item.name: item
    for item in (
        Format("otio", ".otio", otio, check=check_otio),
        Format("fcpxml", ".fcpxml", fcpxml),
        Format("xmeml", ".xml", xmeml, counts_frames="in file"),
        Format("edl", ".edl", edl, has_lanes=False, has_rates=False, counts_frames="of day"),
        Format("ale", ".ale", ale, has_lanes=False, has_rates=False),
        Format("mlt", ".mlt", mlt, remarks=unplayable),
        Format("csv", ".csv", csv),
        Format("parquet", ".parquet", parquet, check=check_parquet),
        Format("jsonl", ".jsonl", jsonl),
    )
}


def format_named(name: str) -> Format:
    """Raises UsageError if there is no such format."""
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]
