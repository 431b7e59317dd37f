"""OpenTimelineIO: Resolve, Kdenlive, Raven and everything that reads its JSON.

A place in a file is counted in the file's own units, frames of a picture and samples of a sound, from the time of day
its source timecode says; a length is counted in frames of the timeline. All are exact in these numbers. What has no
place in the schema is in the metadata: `avmatch` for all, and the channels as Resolve writes them.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

from avmatch.core.errors import MissingExtraError
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Clip, Excerpt, Timeline

_DOUBTFUL, _MISSING = "YELLOW", "RED"


def otio(timeline: Timeline, places: Places) -> bytes:
    """The timeline as OpenTimelineIO's JSON.

    Raises:
        MissingExtraError: OpenTimelineIO is not installed.
    """
    return _Writer(check_otio(), timeline, places).timeline().encode()


def check_otio() -> ModuleType:
    """The library. Raises MissingExtraError if it is not installed."""
    try:
        import opentimelineio
    except ImportError as error:
        raise MissingExtraError("OpenTimelineIO", "edit", "the format otio") from error
    return opentimelineio


class _Writer:
    """Makes the library's objects for one timeline."""

    def __init__(self, library: ModuleType, timeline: Timeline, places: Places) -> None:
        self._otio, self._timeline, self._places = library, timeline, places

    def timeline(self) -> str:
        """The document."""
        schema, line = self._otio.schema, self._timeline
        found = schema.Timeline(
            name=line.name,
            global_start_time=self._frames(line.start.frame),
            metadata={"avmatch": {"drop_frame": line.is_drop}, "Resolve_OTIO": {"Resolve OTIO Meta Version": "1.0"}},
        )
        kinds = ((schema.TrackKind.Video, "V"), (schema.TrackKind.Audio, "A"))
        for kind, letter in kinds:
            for number in range(line.num_lanes):
                is_audio = letter == "A"
                track = schema.Track(name=f"{letter}{number + 1}", kind=kind, metadata=self._track_metadata(is_audio))
                track.enabled = not (is_audio and number)
                self._fill(track, line.lane(number), is_audio=is_audio)
                found.tracks.append(track)
        return str(self._otio.adapters.write_to_string(found, "otio_json"))

    def _track_metadata(self, is_audio: bool) -> dict[str, Any]:
        kinds = {1: "Mono", 2: "Stereo"}
        num = max(1, self._timeline.num_channels)
        audio = {"Audio Type": kinds.get(num, f"Adaptive {num}"), "SoloOn": False} if is_audio else {}
        return {"Resolve_OTIO": {"Locked": False, **audio}}

    def _fill(self, track: Any, clips: tuple[Clip, ...], *, is_audio: bool) -> None:
        position = 0
        for clip in clips:
            excerpt = clip.sound if is_audio else clip.picture
            if excerpt is None:
                continue
            if excerpt.at_frame > position:
                gap = self._frames(excerpt.at_frame - position)
                track.append(self._otio.schema.Gap(source_range=self._range(self._frames(0), gap)))
            track.append(self._sound(clip, excerpt) if is_audio else self._picture(clip))
            position = excerpt.end_frame

    def _picture(self, clip: Clip) -> Any:
        excerpt, picture = clip.picture, clip.pair.picture
        found = self._clip(clip, excerpt, picture.rate, picture.duration_seconds)
        if clip.doubt:
            color = _DOUBTFUL if clip.sound is not None else _MISSING
            start = found.source_range.start_time
            frame = self._otio.opentime.RationalTime(1, start.rate)
            marker = self._otio.schema.Marker(clip.doubt, self._range(start, frame), color=color, comment=clip.doubt)
            found.markers.append(marker)
        return found

    def _sound(self, clip: Clip, excerpt: Excerpt) -> Any:
        sound = clip.pair.sound
        assert sound is not None
        length = clip.pair.sound_begin_seconds + sound.duration_seconds
        found = self._clip(clip, excerpt, Fraction(sound.sample_rate_hz), length)
        channels = [
            {"Source Channel ID": channel, "Source Track ID": stream}
            for stream, num in enumerate(sound.channels)
            for channel in range(num)
        ]
        found.metadata["Resolve_OTIO"]["Channels"] = channels
        return found

    def _clip(self, clip: Clip, excerpt: Excerpt, rate: Fraction, duration_seconds: Fraction) -> Any:
        """A piece of a file, in the file's own units, `rate` of which make a second."""
        schema, media = self._otio.schema, excerpt.media
        whole = self._range(self._time(media.start_seconds, rate), self._time(duration_seconds, rate))
        reference = schema.ExternalReference(
            target_url=self._places.url(media.path), available_range=whole, metadata={"avmatch": _media(excerpt)}
        )
        reference.name = media.path.name
        found = schema.Clip(
            name=media.path.stem,
            media_reference=reference,
            source_range=self._range(self._time(excerpt.source_seconds, rate), self._frames(excerpt.num_frames)),
            metadata={
                "avmatch": _decision(clip, self._places),
                "Resolve_OTIO": {"Link Group ID": clip.number},
            },
        )
        return found

    def _frames(self, num: int) -> Any:
        return self._otio.opentime.RationalTime(num, float(self._timeline.rate))

    def _time(self, seconds: Fraction, rate: Fraction) -> Any:
        return self._otio.opentime.RationalTime(float(seconds * rate), float(rate))

    def _range(self, start: Any, duration: Any) -> Any:
        return self._otio.opentime.TimeRange(start, duration)


def _media(excerpt: Excerpt) -> dict[str, Any]:
    media = excerpt.media
    found: dict[str, Any] = {}
    if media.start is not None:
        found = {"timecode_source": media.start.source, "drop_frame": media.start.is_drop}
    if media.picture is not None:
        found |= {"width": media.picture.width, "height": media.picture.height, "rate": str(media.picture.rate)}
    if media.sound is not None:
        found |= {"channels": list(media.sound.channels), "channel_names": list(media.sound.names)}
        found |= {"sample_rate_hz": media.sound.sample_rate_hz}
    return found


def _decision(clip: Clip, places: Places) -> dict[str, Any]:
    """What `match` found, for programs."""
    match, lag = clip.pair.match, clip.pair.lag_seconds
    return {
        "video": places.path(clip.pair.video.path),
        "audio": None if match.audio is None else places.path(Path(match.audio)),
        "confidence": match.confidence,
        "offset_seconds": match.offset_seconds,
        "offset_confidence": match.offset_confidence,
        "lag_seconds": None if lag is None else str(lag),
        "cue": match.cue,
        "why": match.why,
        "sure": match.is_sure,
        "candidates": [
            {
                "audio": places.path(Path(item.audio)),
                "confidence": item.confidence,
                "offset_seconds": item.offset_seconds,
            }
            for item in clip.pair.candidates
        ],
    }
