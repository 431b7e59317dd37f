"""The nouns of media before decoding: a clip, its metadata, and the words spoken in it."""

import math
from dataclasses import dataclass

from avmatch.core.errors import UsageError


@dataclass(frozen=True)
class Word:
    """A word and when it is spoken.

    Attributes:
        text: as the data spell it.
        start_seconds, end_seconds: on the clip's own clock; None where unknown.
        confidence: 0…1 of the speech recogniser; None where unknown.
        is_target: the clip was cut for this word, which is its class.
    """

    text: str
    start_seconds: float | None
    end_seconds: float | None
    confidence: float | None = None
    is_target: bool = False


@dataclass(frozen=True)
class Clip:
    """A picture and its sound, or one of them, with their metadata.

    Attributes:
        video, audio: the files of its picture and of its sound; the same one twice where a file has its own sound, or
            where it isn't known yet. "" is a side that is missing.
        group: pieces of one recording, or of one speaker, share it and are never separated by a split; the path where
            nothing else is known.
        labels: its classes, one in most sets; none where unknown.
        splits: where each official list puts it: `train`, `test`, `validation`, as the data call it, or "" = not in
            that list. Five fixed folds are five lists, each with another fold as its test. Empty where there is none.
        subset: a part of the set that is a set of its own, such as `esc10`.
        start_seconds, duration_seconds: the part of the files that is meant; None is from the start, to the end.
        offset_seconds: by how much the sound is known to come late.
        transcript: what is spoken, "" where unknown.
        words: with their times, where the data have them; in order of time.
        is_doubtful: picture and sound may be out of sync as they are; not to judge offsets by.
    """

    video: str
    audio: str
    group: str
    labels: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    subset: str = ""
    start_seconds: float | None = None
    duration_seconds: float | None = None
    offset_seconds: float = 0.0
    transcript: str = ""
    words: tuple[Word, ...] = ()
    is_doubtful: bool = False

    def __post_init__(self) -> None:
        if not (self.video or self.audio):
            raise UsageError(f"a clip needs a file of its picture or of its sound, got {self}")
        start_seconds, duration_seconds = self.start_seconds or 0.0, self.duration_seconds
        if not (0 <= start_seconds < math.inf and (duration_seconds is None or 0 < duration_seconds < math.inf)):
            raise UsageError(f"{self.path}: start_seconds must be 0 or more and duration_seconds above 0, got {self}")
        if not math.isfinite(self.offset_seconds):
            raise UsageError(f"{self.path}: offset_seconds must be a number, got {self.offset_seconds}")

    @property
    def path(self) -> str:
        """Its file; that of the picture where there are two."""
        return self.video or self.audio

    @property
    def label(self) -> str:
        """Its class, the first of several; "" where unknown."""
        return self.labels[0] if self.labels else ""

    @property
    def split(self) -> str:
        """Where the first list puts it; "" where there is none."""
        return self.splits[0] if self.splits else ""
