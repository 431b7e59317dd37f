"""A result of `match` for people and for programs: the table in the terminal, and the folder of files.

Each file appears whole or not at all; other files in the folder are left alone.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

import avmatch
from avmatch.core.errors import UsageError
from avmatch.core.files import strict_json, write_array_atomically, write_text_atomically
from avmatch.core.matches import CANDIDATE_COLUMNS, FURTHER_COLUMNS, MATCH_COLUMNS, Match, MatchResult
from avmatch.core.results import FAILURE_COLUMNS, csv_text
from avmatch.reports.page import page_html
from avmatch.reports.wording import NOTHING, is_doubtful, lateness, shortened

REPORT_NAME, FURTHER_NAME = "report.html", "also_fits.csv"
UNMATCHED_COLUMNS = ("audio",)
_CUES_KEY = "cues"
_PATH_WIDTH = 44
_DOUBT_STYLE = "yellow"


def match_table(result: MatchResult) -> Table:
    """One row a video, in the order of the input; a question mark stands at what deserves a second look."""
    doubtful = sum(map(_to_check, result.matches))
    caption = Text(f"? {doubtful} to check", style=_DOUBT_STYLE) if doubtful else None
    table = Table(caption=caption, caption_justify="left")
    for heading in ("video", "audio"):
        table.add_column(heading, overflow="fold")
    for heading in ("confidence", "sound", "sure of it"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cue", no_wrap=True)
    table.add_column("runner-up", overflow="fold", style="dim")
    usable = frozenset(result.videos)
    folders = _folder(match.video for match in result.matches), _folder(result.audio)
    for match in result.matches:
        table.add_row(*_cells(match, match.video in usable, *folders))
    return table


def _folder(paths: Iterable[str]) -> str:
    """The folder in common, with its separator; "" where there is none."""
    common = os.path.commonprefix([os.path.dirname(path) + os.sep for path in paths])  # noqa: PTH120, RUF071  cut at a separator
    return common[: common.rfind(os.sep) + 1]


def _cells(match: Match, usable: bool, video_folder: str, audio_folder: str) -> tuple[Text, ...]:
    """A row; names are shown from the folder on that all of them lie in."""
    video = _name(match.video, video_folder)
    if not usable:
        # The reason stands in errors.csv; a confidence of nothing would only mislead.
        return video, Text("could not be used", style="red"), *(Text(NOTHING) for _ in range(5))
    confidence = NOTHING if match.audio is None else f"{match.confidence:.2f}"
    return (
        video,
        _name(match.audio, audio_folder),
        Text(f"? {confidence}", style=_DOUBT_STYLE) if _to_check(match) else Text(confidence),
        Text(lateness(match.offset_seconds)),
        Text(NOTHING if match.offset_confidence is None else f"{match.offset_confidence:.2f}"),
        Text(match.cue or NOTHING),
        _name(match.runner_up, audio_folder),
    )


def _name(path: str | None, folder: str) -> Text:
    return Text(NOTHING if path is None else shortened(path.removeprefix(folder), _PATH_WIDTH))


def _to_check(match: Match) -> bool:
    return match.audio is not None and is_doubtful(match.confidence)


def write_match(result: MatchResult, out: str | Path) -> Path:
    """Write every file of a `match` run into the folder `out`; returns the path of the report.

    Raises:
        UsageError: `out` is not a folder and can't be made one.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{out} can't be used as the output folder ({error.strerror}): name a folder that exists, "
            "or a new one, with -o"
        ) from error
    texts = {
        "unmatched_audio.csv": csv_text(UNMATCHED_COLUMNS, ((audio,) for audio in result.unmatched_audio)),
        "candidates.csv": csv_text(CANDIDATE_COLUMNS, (entry.row() for entry in result.candidates)),
        "errors.csv": csv_text(FAILURE_COLUMNS, (failure.row() for failure in result.failures)),
        "similarity.json": _similarity_json(result),
        REPORT_NAME: page_html(result, folder),
        # The last, so that whoever sees it change finds the others changed.
        "matches.csv": csv_text(MATCH_COLUMNS, (match.row() for match in result.matches)),
    }
    write_array_atomically(folder / "similarity.npy", result.similarity.astype(np.float32))
    further = [row for match in result.matches for row in match.further_rows()]
    if further:
        texts[FURTHER_NAME] = csv_text(FURTHER_COLUMNS, further)
    else:
        (folder / FURTHER_NAME).unlink(missing_ok=True)
    for name, text in texts.items():
        write_text_atomically(folder / name, text)
    return folder / REPORT_NAME


def _similarity_json(result: MatchResult) -> str:
    description = {
        "videos": result.videos,
        "audio": result.audio,
        "version": avmatch.__version__,
        "cues": result.settings.get(_CUES_KEY, ()),
        "settings": {key: value for key, value in result.settings.items() if key != _CUES_KEY},
    }
    return strict_json(description, indent=1) + "\n"
