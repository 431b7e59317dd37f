"""What a user can ask for as the codec of a copy's sound."""

from avmatch.core.errors import UsageError

#: "auto" keeps what can be kept.
SOUND_CODECS = ("auto", "copy", "pcm", "flac", "alac", "aac", "opus")


def check_sound_codec(name: str) -> None:
    """Raises UsageError if there is no such codec."""
    if name not in SOUND_CODECS:
        raise UsageError(f"no audio codec {name!r}; there are {', '.join(SOUND_CODECS)}")
