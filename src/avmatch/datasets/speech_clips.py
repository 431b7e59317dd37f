"""The nouns of talking faces: clips of people who speak, and the words that they say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word and when it is said.

    Attributes:
        text: as the data spell it.
        start_seconds, end_seconds: on the clip's own clock; None where nobody knows.
        confidence: 0…1 of the machine that heard it; None where nobody says.
        is_target: the clip was cut for this word, which is its class.
    """

    text: str
    start_seconds: float | None
    end_seconds: float | None
    confidence: float | None = None
    is_target: bool = False


@dataclass(frozen=True)
class TalkingClip:
    """A video of somebody talking, with its own sound.

    Attributes:
        path: the file.
        group: the speaker, or the recording, or the path where nothing else is known; a group is never cut through.
        start_seconds, duration_seconds: the part of the file that is meant; None is from the start, to the end.
        split: as the data call it (train, val, validation, test …); "" where they don't.
        transcript: what is said, "" where unknown.
        words: with their times, where the data have them; in order of time.
        offset_seconds: how late the sound is known to be.
        is_doubtful: picture and sound may be out of sync as they are; not to judge offsets by.
    """

    path: str
    group: str
    start_seconds: float | None = None
    duration_seconds: float | None = None
    split: str = ""
    transcript: str = ""
    words: tuple[Word, ...] = ()
    offset_seconds: float = 0.0
    is_doubtful: bool = False
