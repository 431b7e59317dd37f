"""What pairs of one camera and one recorder have in common, in the answers of `match`: a latency, and a drift."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avmatch.alignment.latency import RANGE_SECONDS, Latency, PairOffset, shared_offsets
from avmatch.core.clock import milliseconds_from_seconds
from avmatch.core.matches import Match, MatchResult
from avmatch.core.origins import Origin
from avmatch.pipelines.pairs import Pair, PairJudge

#: A drift is said of devices when at least so many of their pairs show one.
LEAST_DRIFTS = 3


def with_latency(
    result: MatchResult, judge: PairJudge, videos: Sequence[Origin], audios: Sequence[Origin]
) -> tuple[MatchResult, tuple[str, ...]]:
    """The matches with the latency of their devices, where there is one; and remarks on it.

    Args:
        videos, audios: where the files of the rows and columns come from.
    """
    rows = {path: row for row, path in enumerate(result.videos)}
    columns = {path: column for column, path in enumerate(result.audio)}
    groups: dict[tuple[str, str], list[int]] = {}
    for place, item in enumerate(result.matches):
        if item.audio is None or item.offset_seconds is None:
            continue
        video, audio = videos[rows[item.video]], audios[columns[item.audio]]
        if video.is_known and audio.is_known:
            groups.setdefault((video.device, audio.device), []).append(place)
    matches, notes = list(result.matches), []
    for (camera, recorder), places in groups.items():
        pairs = [Pair(rows[matches[place].video], columns[matches[place].audio or ""]) for place in places]
        offsets, latency = shared_offsets(
            [_offset(matches[place]) for place in places],
            [videos[pair.row] for pair in pairs],
            [audios[pair.column] for pair in pairs],
        )
        if latency is None:
            continue
        for place, offset in zip(places, offsets, strict=True):
            matches[place] = replace(
                matches[place],
                offset_seconds=offset.seconds,
                offset_interval_seconds=offset.interval_seconds,
                offset_confidence=offset.confidence,
            )
        notes.append(_note(camera, recorder, latency, _drift_ppm(judge, pairs)))
    return replace(result, matches=tuple(matches)), tuple(notes)


def _offset(item: Match) -> PairOffset:
    """Of a match; one that nothing speaks for may be anything."""
    assert item.offset_seconds is not None
    if item.offset_interval_seconds is None:
        reach = (item.offset_seconds - RANGE_SECONDS / 2, item.offset_seconds + RANGE_SECONDS / 2)
        return PairOffset(item.offset_seconds, reach, 0.0)
    return PairOffset(item.offset_seconds, item.offset_interval_seconds, item.offset_confidence or 0.0)


def _drift_ppm(judge: PairJudge, pairs: Sequence[Pair]) -> float | None:
    """The mean of what pairs show, each by how well it is known; None where few do."""
    found = [judge.measured[pair].result for pair in pairs if pair in judge.measured]
    known = [
        (item.drift_ppm, item.drift_interval_ppm)
        for item in found
        if item.drift_ppm is not None and item.drift_interval_ppm is not None
    ]
    if len(known) < LEAST_DRIFTS:
        return None
    weights = [1.0 / max(high - low, 0.1) ** 2 for _, (low, high) in known]
    return float(np.average([drift for drift, _ in known], weights=weights))


def _note(camera: str, recorder: str, latency: Latency, drift_ppm: float | None) -> str:
    late = f"{latency.seconds:+.3f} s"
    against = " against timecode" if latency.by_timecode else ""
    drift = "" if drift_ppm is None else f", drifting by {drift_ppm:+.0f} ppm"
    return (
        f"offset of {recorder} with {camera}: {late}{against}{drift}, the same within "
        f"{milliseconds_from_seconds(latency.spread_seconds):.0f} ms in {latency.num_pairs} pairs"
    )
