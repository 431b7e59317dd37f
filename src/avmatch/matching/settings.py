"""What `match` is asked for."""

from dataclasses import dataclass, fields

from avmatch.core.errors import UsageError

#: A pair is made when it is more probable than not.
MIN_CONFIDENCE = 0.5
#: How far offsets are searched first.
NEAR_SECONDS = 0.5
#: What a setting may be, by the type of its default.
_KINDS: dict[type, tuple[type, ...]] = {float: (float, int), int: (int,), bool: (bool,)}


@dataclass(frozen=True)
class MatchSettings:
    """What a run was asked for.

    Attributes:
        max_offset_seconds: offsets up to this are searched (one-to-one work).
        min_confidence: a pair less probable than this is no pair.
        complete: force a match for every video; confidences stay as they are.
        many: one recording may serve several videos, each placed at its own offset inside it.
        use_duration: let similar lengths count, weakly.
        use_scratch: where a video has a sound of its own that a recording has as well, let that decide.
        top_k: candidates kept per video.
        use_clock: let the clocks of cameras and recorders count, where they turn out to run side by side.
        use_order: let the order of their files count, where it turns out to be the same.
        use_latency: let pairs of one camera and one recorder share what their offsets have in common.
        search_farther: try what got no match in wider ranges, up to the length of the files (one-to-one work).
    """

    max_offset_seconds: float = NEAR_SECONDS
    min_confidence: float = MIN_CONFIDENCE
    complete: bool = False
    many: bool = False
    use_duration: bool = True
    use_scratch: bool = True
    top_k: int = 10
    use_clock: bool = True
    use_order: bool = True
    use_latency: bool = True
    search_farther: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kinds = getattr(self, field.name), _KINDS[type(field.default)]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                wanted = " or ".join(kind.__name__ for kind in kinds)
                raise UsageError(f"{field.name} must be {wanted}, got {value!r} ({type(value).__name__})")
        if not 0.0 <= self.max_offset_seconds <= 3600.0:
            raise UsageError(f"max_offset_seconds must be in 0…3600, got {self.max_offset_seconds}")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise UsageError(f"min_confidence must be in 0…1, got {self.min_confidence}")
        if self.top_k < 1:
            raise UsageError(f"top_k must be at least 1, got {self.top_k}")
