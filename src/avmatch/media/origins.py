"""Where files come from: the device by name and header, and when they began by each of their clocks.

Names tell devices apart as far as they repeat: C0001 and C0002 are of one camera, names that were drawn at random are
of as many devices as files, and then count for nothing. So the finest of four keys is used that has files enough.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import av.container

from avmatch.core.errors import MediaError
from avmatch.core.origins import Origin, TimeSource
from avmatch.media.info import read_info
from avmatch.media.source import opened

#: So many files a device has on average, at least.
_LEAST_FILES = 4
_MAKERS = (
    *("com.apple.quicktime.make", "com.apple.quicktime.model", "com.android.manufacturer", "com.android.model"),
    *("make", "model", "encoded_by"),
)
#: Times before this are of clocks that were never set.
_FIRST_YEAR = 1980


def read_origin(path: str) -> Origin:
    """What the header says; the device is the maker's name only. A file that can't be read says nothing."""
    try:
        start = read_info(path).start
        with opened(path) as container:
            tags = _tags(container)
            duration = 0.0 if container.duration is None else container.duration / av.time_base
    except MediaError:
        return Origin(path)
    times: dict[TimeSource, float] = {"modified": Path(path).stat().st_mtime - duration}
    if start is not None:
        times["timecode"] = float(start.seconds)
    if (created := created_seconds(tags)) is not None:
        times["created"], times["ended"] = created, created - duration
    maker = " ".join(dict.fromkeys(tags[name].strip() for name in _MAKERS if name in tags))
    return Origin(path, maker, MappingProxyType(times))


def _tags(container: av.container.InputContainer) -> dict[str, str]:
    """Of the streams and of the container, which goes first; names in lower case."""
    found: dict[str, str] = {}
    for metadata in (*(stream.metadata for stream in container.streams), container.metadata):
        found |= {name.lower(): value for name, value in metadata.items()}
    return found


def created_seconds(tags: Mapping[str, str]) -> float | None:
    """When a file was made by its tags, in seconds since 1970; None where they don't say. A WAV has day and time apart,
    in local time, which is taken for UTC: a difference of hours does no harm."""
    text = tags.get("creation_time", tags.get("com.apple.quicktime.creationdate", ""))
    if re.fullmatch(r"\d\d[:.-]\d\d[:.-]\d\d", text):
        text = f"{tags.get('date', '')}T{text[:2]}:{text[3:5]}:{text[6:]}"
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    if made.year < _FIRST_YEAR:
        return None
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()


def with_devices(origins: Sequence[Origin]) -> tuple[Origin, ...]:
    """The same with keys of devices: by maker, folder and name, as far as these repeat."""
    keys = [_keys(origin) for origin in origins]
    finest = next(
        (level for level in range(3) if len({key[level] for key in keys}) * _LEAST_FILES <= len(keys)),
        3,
    )
    return tuple(
        replace(origin, device=key[finest], is_known=finest < 2 or bool(origin.device))
        for origin, key in zip(origins, keys, strict=True)
    )


def _keys(origin: Origin) -> tuple[str, str, str, str]:
    """From the finest to the coarsest."""
    folder, name = origin.pattern.split("/")
    return (
        f"{origin.device} {origin.pattern}".strip(),
        f"{origin.device} {name}".strip(),
        f"{origin.device} {folder}".strip(),
        origin.device or "all",
    )
