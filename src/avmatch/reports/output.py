"""A result of `match` for people and for programs: the table in the terminal, and the folder of files.

Each file appears whole or not at all; other files in the folder are left alone.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

import avmatch
from avmatch.core.clock import offset_text
from avmatch.core.errors import UsageError
from avmatch.core.files import strict_json, write_array_atomically, write_text_atomically
from avmatch.core.matches import CANDIDATE_COLUMNS, FURTHER_COLUMNS, MATCH_COLUMNS, Match, MatchResult
from avmatch.core.results import FAILURE_COLUMNS, csv_text
from avmatch.reports.page import page_html
from avmatch.reports.wording import NOTHING, is_doubtful, shortened, shown

REPORT_NAME, FURTHER_NAME = "report.html", "also_fits.csv"
UNMATCHED_COLUMNS = ("audio",)
_CUES_KEY = "cues"
_DOUBT_STYLE = "yellow"
#: Names are never cut to fewer characters than this, and what a border costs a column.
_LEAST_NAME_WIDTH, _READABLE_NAME_WIDTH, _BORDER_WIDTH = 12, 16, 3


def match_table(result: MatchResult, width: int) -> Table:
    """One row a video, in the order of the input; a question mark stands at what deserves a second look.

    Args:
        width: of the terminal. Where the table is wider, the candidate that came second is left out first, then names
            are cut in the middle; what decided is left out where little would be left of them.
    """
    usable = frozenset(result.videos)
    folders = _folder(match.video for match in result.matches), _folder(result.audio)
    rows = [_cells(match, match.video in usable, *folders) for match in result.matches]
    doubtful = sum(map(_to_check, result.matches))
    caption = Text(f"? {doubtful} to check", style=_DOUBT_STYLE) if doubtful else None
    headings = _that_fit(rows, width)
    table = Table(caption=caption, caption_justify="left")
    for heading in headings:
        is_name = heading in _NAMES
        table.add_column(
            heading,
            justify="left" if is_name or heading == "cue" else "right",
            no_wrap=True,
            style="dim" if heading == "runner-up" else "",
        )
    name_width = _name_width(rows, headings, width)
    for row in rows:
        cells = {name: _cut(cell, name_width) if name in _NAMES else cell for name, cell in row.items()}
        table.add_row(*(cells[heading] for heading in headings))
    return table


_NAMES = ("clip", "recording", "runner-up")
_HEADINGS = ("clip", "recording", "confidence", "offset", "sure", "cue", "runner-up")
_Row = dict[str, Text]


def _that_fit(rows: Sequence[_Row], width: int) -> tuple[str, ...]:
    """The headings of the columns that there is room for."""
    without = [heading for heading in _HEADINGS if heading != "runner-up"]
    if sum(_widths(rows, _HEADINGS)) + _borders(_HEADINGS) <= width:
        return _HEADINGS
    if _name_width(rows, without, width) >= min(_READABLE_NAME_WIDTH, max(_widths(rows, _NAMES[:2]))):
        return tuple(without)
    return tuple(heading for heading in without if heading != "cue")


def _name_width(rows: Sequence[_Row], headings: Sequence[str], width: int) -> int:
    """How many characters names may have, so that the table is no wider than the terminal: all the same."""
    others = [heading for heading in headings if heading not in _NAMES]
    left = width - _borders(headings) - sum(_widths(rows, others))
    widths = sorted(_widths(rows, [heading for heading in headings if heading in _NAMES]))
    for place, widest in enumerate(widths):
        share = left // (len(widths) - place)
        if widest > share:
            return max(_LEAST_NAME_WIDTH, share)
        left -= widest
    return max(widths)


def _widths(rows: Sequence[_Row], headings: Iterable[str]) -> list[int]:
    return [max([cell_len(heading), *(row[heading].cell_len for row in rows)]) for heading in headings]


def _borders(headings: Sequence[str]) -> int:
    return _BORDER_WIDTH * len(headings) + 1


def _cut(cell: Text, width: int) -> Text:
    return Text(shortened(cell.plain, width), style=cell.style)


def _folder(paths: Iterable[str]) -> str:
    """The folder in common, with its separator; "" where there is none."""
    common = os.path.commonprefix([os.path.dirname(path) + os.sep for path in paths])  # noqa: PTH120, RUF071  cut at a separator
    return common[: common.rfind(os.sep) + 1]


def _cells(match: Match, usable: bool, video_folder: str, audio_folder: str) -> _Row:
    """A row; names are shown from the folder on that all of them lie in."""
    video = _name(match.video, video_folder)
    if not usable:
        # The reason stands in errors.csv; a confidence of nothing would only mislead.
        nothing = dict.fromkeys(_HEADINGS, Text(NOTHING))
        return nothing | {"clip": video, "recording": Text("could not be used", style="red")}
    confidence = NOTHING if match.audio is None else f"{match.confidence:.2f}"
    return {
        "clip": video,
        "recording": _name(match.audio, audio_folder),
        "confidence": Text(f"? {confidence}", style=_DOUBT_STYLE) if _to_check(match) else Text(confidence),
        "offset": Text(offset_text(match.offset_seconds, match.offset_interval_seconds)),
        "sure": Text(NOTHING if match.offset_confidence is None else f"{match.offset_confidence:.2f}"),
        "cue": Text(match.cue or NOTHING),
        "runner-up": _name(match.runner_up, audio_folder),
    }


def _name(path: str | None, folder: str) -> Text:
    return Text(NOTHING if path is None else shown(path.removeprefix(folder)))


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
