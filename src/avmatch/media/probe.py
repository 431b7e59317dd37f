"""What this FFmpeg can do."""

from typing import Literal

import av
import av.codec

_DECODERS = ("h264", "hevc", "vp9", "av1", "prores", "mpeg4", "aac", "opus", "vorbis", "mp3", "flac")
_ENCODERS = ("libx264", "aac", "libopus")


def codec_report() -> dict[str, bool]:
    """Whether this FFmpeg decodes and encodes what users bring."""
    decoders = {f"{name} decoding": _has(name, "r") for name in _DECODERS}
    return decoders | {f"{name} encoding": _has(name, "w") for name in _ENCODERS}


def library_versions() -> dict[str, str]:
    """Versions of FFmpeg's libraries."""
    return {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}


def _has(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True
