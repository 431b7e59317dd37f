"""Where a file comes from, as far as its name and its header say: which device made it, and when by its clocks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

#: What says when a file began: its timecode (a tmcd track, a recorder's time reference, or linear timecode), in seconds
#: since midnight; the time of creation in its header, taken for the beginning or for the end, and that of its last
#: change on the disk, in seconds since 1970.
TimeSource = Literal["timecode", "created", "ended", "modified"]
SECONDS_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Origin:
    """Where a file comes from.

    Attributes:
        path: the file.
        device: a key that files of one camera or recorder share.
        times_seconds: when its first frame or sample was, by each clock that says so. Clocks are as wrong as they are.
        is_known: whether the header or the name speaks of that device; else files are only from the same folder.
    """

    path: str
    device: str = ""
    times_seconds: Mapping[TimeSource, float] = field(default_factory=lambda: MappingProxyType({}))
    is_known: bool = False

    @property
    def pattern(self) -> str:
        """Folder and name with any number in the place of digits: what files of one device mostly share."""
        path = Path(self.path)
        return f"{path.parent.name}/{re.sub(r'[0-9]+', '#', path.name)}"

    def is_of_another(self, other: "Origin") -> bool:
        """Whether two files are of different devices; where few files say, by their folders and names."""
        if self.is_known and other.is_known:
            return self.device != other.device
        return self.pattern != other.pattern
