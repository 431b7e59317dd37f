"""Where in the picture is the sound?

decode → features → offset → evidence of every cell → heat over the picture

The file is decoded a second time to draw on it: what is drawn depends on all of it, and frames of two hours don't fit
into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avmatch.alignment.measurement import measure
from avmatch.alignment.offset import OK_CONFIDENCE
from avmatch.analysis.features import Analyser
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.features import TICK_RATE_HZ, VideoFeatures, VideoFrames
from avmatch.core.files import taken, write_bytes_atomically
from avmatch.core.results import Progress
from avmatch.frontends.motion import GRID
from avmatch.media.choice import BEST, StreamChoice, check_streams
from avmatch.media.decode import decode, read_audio
from avmatch.media.encode import write_clip
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import check_range, cues_for
from avmatch.reports.plots import heated
from avmatch.reports.wording import shown
from avmatch.systems.events.heat import heat

#: Nats at which a cell is as hot as can be shown, in one window; less evidence glows less.
HOT_NATS = 6.0
#: A clip without motion is called too short below this, and else still.
LEAST_SECONDS = 0.5
PICTURES = (".png", ".jpg", ".jpeg")
CLIPS = (".mp4", ".mov", ".mkv")


@dataclass(frozen=True)
class Located:
    """What was found.

    Attributes:
        path, out: the file, and what was written.
        x_share, y_share: the hottest place, as shares of the picture's width and height from its upper left corner.
        nats: evidence there, in the mean over time; near 0 the place means nothing.
        offset_seconds: by how much the sound was taken to be late; 0 where that is unsure.
    """

    path: str
    out: str
    x_share: float
    y_share: float
    nats: float
    offset_seconds: float


def locate(
    path: str | Path,
    out: str | Path,
    *,
    max_offset_seconds: float = 1.0,
    model: str | Path | None = None,
    cache_dir: Path | None = None,
    choice: StreamChoice = BEST,
    progress: Progress | None = None,
) -> Located:
    """Draw where the sound comes from, over every frame (.mp4, .mov, .mkv) or as one picture (.png, .jpg).

    Raises:
        UsageError: another suffix, `out` is there already, a range that `sync` refuses, or streams that the file lacks.
        ModelError: the model isn't one for any sound.
        MediaError: the file can't be used.
    """
    target = Path(out)
    is_picture = target.suffix.lower() in PICTURES
    if not is_picture and target.suffix.lower() not in CLIPS:
        raise UsageError(f"{out}: give a name that ends in one of {' '.join((*PICTURES, *CLIPS))}")
    if target.exists():
        raise UsageError(str(taken(target)))
    check_range(max_offset_seconds)
    check_streams([str(path)], choice)
    models = models_with(model)
    if models.events is None:
        raise ModelError("no model for any sound takes part, so places can't be found; give one with --model")
    video, audio = Analyser(cache_dir, models.towers, choice=choice).both(str(path))
    if not video.motion.any():
        raise _no_motion(str(path), video)
    found = measure(cues_for(models), video, audio, max_offset_seconds=max_offset_seconds).estimate
    offset_seconds = (found.offset_seconds or 0.0) if found.confidence >= OK_CONFIDENCE else 0.0
    nats = heat(models.events, video, audio, offset_seconds)
    shares = np.clip(nats / HOT_NATS, 0.0, 1.0)
    if is_picture:
        _write_picture(str(path), choice, target, video, _hottest(shares))
    else:
        _write_clip(str(path), choice, target, video, shares, progress)
    mean = nats.mean(axis=0)
    row, column = divmod(int(mean.argmax()), GRID)
    place = (column + 0.5) / GRID, (row + 0.5) / GRID
    return Located(str(path), str(out), *place, float(mean.max()), offset_seconds)


def _no_motion(path: str, video: VideoFeatures) -> MediaError:
    is_short = video.duration_seconds < LEAST_SECONDS
    what = "has too few frames" if is_short else "shows nothing that moves"
    message = f"{what}; where its sound comes from can't be found"
    return MediaError(path, message, stage="features", reason="too_short" if is_short else "static_picture")


def located_line(found: Located) -> str:
    """One sentence."""
    place = f"{100 * found.x_share:.0f} % from the left, {100 * found.y_share:.0f} % from the top"
    return f"{shown(found.path)}: loudest evidence {place} (score {found.nats:.1f}); {shown(found.out)} is written"


def _hottest(shares: Float32[np.ndarray, "T G"]) -> Float32[np.ndarray, "g g"]:
    """The whole file's, scaled to its hottest cell where that is hot at all."""
    mean = shares.mean(axis=0)
    return np.asarray(mean * (shares.max() / max(float(mean.max()), 1e-6)), np.float32).reshape(GRID, GRID)


def _write_picture(
    path: str, choice: StreamChoice, target: Path, video: VideoFeatures, cells: Float32[np.ndarray, "g g"]
) -> None:
    """Over a frame from the middle of the first minute."""
    middle_seconds = video.start_seconds + min(video.duration_seconds, 60.0) / 2
    frames = _frames(path, choice)
    picture, time_seconds = next(frames)
    while time_seconds < middle_seconds:
        picture, time_seconds = next(frames, (picture, middle_seconds))
    _, encoded = cv2.imencode(target.suffix, cv2.cvtColor(heated(picture, cells), cv2.COLOR_RGB2BGR))
    write_bytes_atomically(target, bytes(encoded))


def _write_clip(
    path: str,
    choice: StreamChoice,
    target: Path,
    video: VideoFeatures,
    shares: Float32[np.ndarray, "T G"],
    progress: Progress | None,
) -> None:
    times: list[float] = []
    total = max(1, round(video.fps * video.duration_seconds))

    def drawn() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        for number, (picture, time_seconds) in enumerate(_frames(path, choice), start=1):
            tick = round((time_seconds - video.start_seconds) * TICK_RATE_HZ)
            times.append(time_seconds)
            yield heated(picture, shares[min(max(tick, 0), len(shares) - 1)].reshape(GRID, GRID))
            if progress is not None:
                progress("draw", min(number, total), total)

    write_clip(target, drawn(), fps=video.fps, audio=read_audio(path, choice=choice), frame_times_seconds=times)


def _frames(path: str, choice: StreamChoice) -> Iterator[tuple[UInt8[np.ndarray, "H W"], float]]:
    for block in decode(path, audio=False, choice=choice):
        if isinstance(block, VideoFrames):
            yield from zip(block.data, block.pts_seconds.tolist(), strict=True)
