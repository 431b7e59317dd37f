"""LRS2, LRS3, LRW and GRID as they are handed out.

    LRS2    `pretrain.txt`, `train.txt`, `val.txt`, `test.txt` with lines `speaker/clip`, some with ` NF` behind;
            `<speaker>/<clip>.{mp4,txt}` beside them, or in `pretrain/` and `main/`. The group is the speaker.
    LRS3    `{pretrain,trainval,test}/<YouTube id>/00001.{mp4,txt}`; the group is the YouTube id, one talk.
    LRW     `[lipread_mp4/]WORD/{train,val,test}/WORD_00001.{mp4,txt}`; the word is in the middle, and its duration is
            the second token of the txt's fifth line. Speakers are unknown: each clip is its own group.
    GRID    `s1/x.mpg` with `x.align` beside it, in `s1/align/`, `align/s1/` or `alignments/s1/`, if it is there. The
            group is the speaker.

The texts of LRS2 and LRS3 are lines `Text:`, `Ref:` and the like, then tables headed `FRAME …` (where the face was in
the source, which the clip is cut from) and `WORD START END …`, each if it is there.

A reader returns no clip where its layout isn't, and raises UsageError, with the file and the rule, where it is broken.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from avmatch.core.errors import UsageError
from avmatch.data.inputs import in_order
from avmatch.data.manifest import Clip, Word, numbered_lines, text_lines

_LRS2_SPLITS = ("pretrain", "train", "val", "test")
_LRS2_LINE = re.compile(r"(?P<speaker>[^\s/]+)/(?P<clip>[^\s/]+)(\s+NF)?")
_LRS3_SPLITS = ("pretrain", "trainval", "test")
_LRW_SPLITS = ("train", "val", "test")
#: A clip of LRW is 29 frames at 25 a second; its sound is a little longer, being whole frames of AAC.
_LRW_SECONDS = 29 / 25
_GRID_SPEAKER = re.compile(r"s\d+")
_GRID_UNITS_PER_SECOND = 25_000
_GRID_SILENCES = ("sil", "sp")


def read_lrs2(folder: Path) -> tuple[Clip, ...]:
    """Every clip that the lists name."""
    lists = [(split, folder / f"{split}.txt") for split in _LRS2_SPLITS if (folder / f"{split}.txt").is_file()]
    return tuple(_lrs2_clip(folder, split, path, *line) for split, path in lists for line in numbered_lines(path))


def _lrs2_clip(folder: Path, split: str, listed_in: Path, number: int, line: str) -> Clip:
    match = _LRS2_LINE.fullmatch(line)
    if match is None:
        raise UsageError(f"{listed_in}, line {number}: must be `speaker/clip`, got {line!r}")
    places = (folder / ("pretrain" if split == "pretrain" else "main"), folder)
    inside, beside = (place / match["speaker"] / match["clip"] for place in places)
    video = next((path for stem in (inside, beside) if (path := stem.with_suffix(".mp4")).is_file()), None)
    if video is None and (beside / "audio.wav").is_file():
        raise UsageError(
            f"{beside}: a preprocessed copy (frames and audio.wav); the clips themselves (.mp4) are needed"
        )
    return _with_text(video or inside.with_suffix(".mp4"), match["speaker"], split, listed_in, "Text")


def read_lrs3(folder: Path) -> tuple[Clip, ...]:
    """Every clip, split by split."""
    found = [(split, path) for split in _LRS3_SPLITS for path in in_order(folder.glob(f"{split}/*/*.mp4"))]
    return tuple(_with_text(path, path.parent.name, split, path.parent, "Ref") for split, path in found)


def read_lrw(folder: Path) -> tuple[Clip, ...]:
    """Every clip, word by word."""
    root = folder / "lipread_mp4" if (folder / "lipread_mp4").is_dir() else folder
    return tuple(_lrw_clip(path) for split in _LRW_SPLITS for path in in_order(root.glob(f"*/{split}/*.mp4")))


def _lrw_clip(path: Path) -> Clip:
    word = path.parent.parent.name
    if not re.fullmatch(rf"{re.escape(word)}_\d{{5}}", path.stem):
        raise UsageError(f"{path}: a clip of LRW's word {word} must be called {word}_00001.mp4 or so")
    text = _beside(path, path.parent)
    try:
        half = float(text_lines(text)[4].split()[1]) / 2
    except (IndexError, ValueError) as error:
        raise UsageError(
            f"{text}: the second token of the fifth line must be the word's duration in seconds"
        ) from error
    middle = _LRW_SECONDS / 2
    target = Word(word, max(middle - half, 0.0), min(middle + half, _LRW_SECONDS), is_target=True)
    return _clip(path, os.fspath(path), path.parent.name, "", (target,))


def read_grid(folder: Path) -> tuple[Clip, ...]:
    """Every sentence, speaker by speaker."""
    found = in_order(folder.glob("s*/*.mpg"))
    return tuple(_grid_clip(folder, path) for path in found if _GRID_SPEAKER.fullmatch(path.parent.name))


def _grid_clip(folder: Path, path: Path) -> Clip:
    speaker, name = path.parent.name, f"{path.stem}.align"
    places = (path.parent, path.parent / "align", folder / "align" / speaker, folder / "alignments" / speaker)
    text = next((place / name for place in places if (place / name).is_file()), None)
    words = () if text is None else tuple(_grid_words(text))
    return _clip(path, speaker, "", " ".join(word.text for word in words), words)


def _grid_words(text: Path) -> Iterator[Word]:
    for number, line in numbered_lines(text):
        match = re.fullmatch(r"(\d+)\s+(\d+)\s+(\S+)", line)
        if match is None or int(match[1]) > int(match[2]):
            raise UsageError(f"{text}, line {number}: must be `start end word`, {_GRID_UNITS_PER_SECOND} a second")
        if match[3] not in _GRID_SILENCES:
            yield Word(match[3], int(match[1]) / _GRID_UNITS_PER_SECOND, int(match[2]) / _GRID_UNITS_PER_SECOND)


def _clip(path: Path, group: str, split: str, transcript: str, words: tuple[Word, ...]) -> Clip:
    splits = tuple(filter(None, (split,)))
    return Clip(str(path), str(path), group, splits=splits, transcript=transcript, words=words)


def _with_text(path: Path, group: str, split: str, listed_in: Path, needed: str) -> Clip:
    """A clip of LRS2 or LRS3, whose text needs the key `needed` in its header, with its transcript and words."""
    text = _beside(path, listed_in)
    header: dict[str, str] = {}
    words: list[Word] = []
    section = ""
    for number, line in numbered_lines(text):
        cells = line.split()
        if cells[0] in ("FRAME", "WORD"):
            section = cells[0]
        elif section == "WORD":
            try:
                words.append(Word(cells[0], float(cells[1]), float(cells[2])))
            except (IndexError, ValueError) as error:
                message = f"must be `word start end`, in seconds, got {' '.join(cells)!r}"
                raise UsageError(f"{text}, line {number}: {message}") from error
        elif not section and ":" in line:
            key, _, value = line.partition(":")
            header[key.strip()] = value.strip()
    if needed not in header:
        raise UsageError(f"{text}: needs a line `{needed}: …` in its head")
    return _clip(path, group, split, header.get("Text", ""), tuple(words))


def _beside(video: Path, listed_in: Path) -> Path:
    """The text of a clip; both must be there."""
    text = video.with_suffix(".txt")
    for file in (video, text):
        if not file.is_file():
            raise UsageError(f"{file}: is not there, but {listed_in} has its clip; .mp4 and .txt belong together")
    return text


#: In this order: the lists of LRS2 distinguish it from LRS3, which also has a folder `pretrain`.
SPEECH_LAYOUTS = (read_lrs2, read_lrs3, read_lrw, read_grid)
