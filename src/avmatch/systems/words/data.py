"""Words in packed clips: the place and text of each, and which are held back together.

    packed clips + a table of spoken words → tokens: clip, first frame, number of frames, word → folds

Spoken words come from a table (`file, word, start_s, end_s`, optionally `confidence`, `target`) or anything that
data/layouts.py reads: LRW, GRID with its `.align`, LRS2 and LRS3, a manifest with `words.csv` beside it.

Assumed: the first packed frame is at the start of the file, or where the pair's name says (`file@seconds`). Shards
don't keep more; in a file whose face is found late, or whose sound begins late, words lie early by that much.

Letters in shapes: N tokens, K words of the vocabulary.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int, Shaped

from avmatch.core.errors import UsageError
from avmatch.data.items import Items, Pairs, numbered
from avmatch.data.layouts import read_speech
from avmatch.data.manifest import Word, is_table, read_table, read_words

#: The name that `named_pairs` (data/packing.py) gives a pair: file, start in seconds, file of the sound.
_NAME = re.compile(r"(?P<file>.+?)(@(?P<start>\d+(\.\d+)?(e[+-]?\d+)?))?( \+ .+)?")


@dataclass(frozen=True)
class WordSelection:
    """Which words count.

    Attributes:
        source: only files whose path in the table of words begins like this, or of this group; "" = all.
        min_tokens: the vocabulary is the words that are said at least so often.
        targets_only: only the words that clips were cut for (LRW), instead of the others that are said in them.
        min_confidence: of the speech recogniser; words without a confidence count as sure.
    """

    source: str = ""
    min_tokens: int = 8
    targets_only: bool = False
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        if self.min_tokens < 1 or not 0 <= self.min_confidence <= 1:
            raise UsageError(f"min_tokens must be at least 1 and min_confidence in 0…1, got {self}")

    def wants(self, word: Word) -> bool:
        """Whether this word counts, however often it is said."""
        is_sure = word.confidence is None or word.confidence >= self.min_confidence
        return word.start_seconds is not None and is_sure and word.is_target == self.targets_only


@dataclass(frozen=True)
class SpokenFile:
    """What is said in a file. `group` is its speaker or recording, "" where unknown."""

    words: tuple[Word, ...]
    group: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class WordTokens:
    """Words in packed clips.

    Attributes:
        row: (N,) the clip's place among the pairs.
        first, num_frames: (N,) where the word is; at least one frame, none beyond the clip.
        label: (N,) index into `vocabulary`.
        file, group: (N,) numbers of the file and of the speaker or recording; −1 where that is unknown.
        names: `file#first frame of the word`.
        vocabulary: the K words, sorted.
    """

    row: Int[np.ndarray, " N"]
    first: Int[np.ndarray, " N"]
    num_frames: Int[np.ndarray, " N"]
    label: Int[np.ndarray, " N"]
    file: Int[np.ndarray, " N"]
    group: Int[np.ndarray, " N"]
    names: tuple[str, ...]
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        return f"WordTokens({len(self)} of {len(self.vocabulary)} words in {len(np.unique(self.file))} files)"


def read_spoken(source: str | Path) -> dict[str, SpokenFile]:
    """The words of each file, by its path relative to the folder of `source` (see the top of this file).

    Raises:
        UsageError: it is neither a table of words nor a layout with clips, or breaks its rules.
    """
    given = Path(source)
    folder = given if given.is_dir() else given.parent
    if is_table(given) and "word" in read_table(given)[0]:
        return {relpath(file, folder): SpokenFile(words) for file, words in read_words(given).items()}
    return {relpath(clip.path, folder): SpokenFile(clip.words, clip.group) for clip in read_speech(given)}


def find_words(pairs: Pairs, spoken: Mapping[str, SpokenFile], selection: WordSelection) -> WordTokens:
    """The selected words in the clips of `pairs`, whatever folder they were packed from.

    The file of a pair is the one of `spoken` that is the longest end of the pair's path.

    Raises:
        UsageError: there is none.
    """
    found = list(_tokens(pairs, spoken, selection))
    often = Counter(text for text, *_ in found)
    kept = [token for token in found if often[token[0]] >= selection.min_tokens]
    if not kept:
        raise UsageError(
            f"no word is said {selection.min_tokens} times in these {len(pairs)} clips ({selection}); "
            f"before that rule there were {len(found)} tokens of {len(often)} words"
        )
    texts, files, rows, firsts, lengths = zip(*kept, strict=True)
    label, vocabulary = numbered(texts)
    return WordTokens(
        np.array(rows),
        np.array(firsts),
        np.array(lengths),
        label,
        numbered(files)[0],
        numbered([spoken[file].group for file in files])[0],
        tuple(f"{file}#{first}" for file, first in zip(files, firsts, strict=True)),
        vocabulary,
    )


def _tokens(
    pairs: Pairs, spoken: Mapping[str, SpokenFile], selection: WordSelection
) -> Iterator[tuple[str, str, int, int, int]]:
    """Text, file, row of the pair, first frame and number of frames of each word that counts."""
    for row, name in enumerate(pairs.names):
        match = _NAME.fullmatch(name)
        file = None if match is None else same_file(match["file"], spoken)
        if match is None or file is None:
            continue
        if not file.startswith(selection.source) and spoken[file].group != selection.source:
            continue
        start_seconds, num_ticks = float(match["start"] or 0.0), len(pairs.video[row])
        for word in filter(selection.wants, spoken[file].words):
            place = place_of(word, start_seconds, num_ticks, pairs.video_rate_hz)
            if place is not None:
                yield word.text, file, row, *place


def place_of(word: Word, start_seconds: float, num_ticks: int, rate_hz: float) -> tuple[int, int] | None:
    """First frame and number of frames of a word whose times are known; None if it lies outside these ticks.

    Args:
        start_seconds: of the first tick, on the clock of the word.
    """
    assert word.start_seconds is not None
    assert word.end_seconds is not None
    first = math.floor((word.start_seconds - start_seconds) * rate_hz + 1e-6)
    end = math.ceil((word.end_seconds - start_seconds) * rate_hz - 1e-6)
    # One frame beyond the end is rounding; more is another part of the file.
    if not 0 <= first < num_ticks or end > num_ticks + 1:
        return None
    return first, max(min(end, num_ticks) - first, 1)


def same_file(path: str, known: Collection[str]) -> str | None:
    """The one of `known` that is the longest end of `path`; None where none is its end."""
    parts = Path(path).parts
    ends = ("/".join(parts[begin:]) for begin in range(len(parts)))
    return next((end for end in ends if end in known), None)


def word_folds(tokens: WordTokens, num_folds: int, seed: int) -> Int[np.ndarray, " N"]:
    """The fold of each token, 0…num_folds − 1, every word spread over them as evenly as possible.

    Speakers or recordings stay whole where all are known and there are at least `num_folds`, else files do. The rarest
    words are dealt first, each clip to the fold that lacks its word most (iterative stratification: Sechidis, Tsoumakas
    and Vlahavas, ECML PKDD 2011).

    Raises:
        UsageError: there are fewer than two folds, or fewer files than folds.
    """
    by_group = tokens.group.min() >= 0 and len(np.unique(tokens.group)) >= num_folds
    units, unit = np.unique(tokens.group if by_group else tokens.file, return_inverse=True)
    if not 2 <= num_folds <= len(units):
        raise UsageError(f"num_folds must lie in 2…{len(units)} (the number of files), got {num_folds}")
    counts = np.zeros((len(units), len(tokens.vocabulary)))
    np.add.at(counts, (unit, tokens.label), 1)
    often = counts.sum(axis=0)
    lacking = np.tile(often / num_folds, (num_folds, 1))
    rng = np.random.default_rng(seed)
    shuffled, fold_of_unit = rng.permutation(len(units)), np.full(len(units), -1)
    for word in np.argsort(often, kind="stable"):
        for one in shuffled[(counts[shuffled, word] > 0) & (fold_of_unit[shuffled] < 0)]:
            fold = np.lexsort((rng.random(num_folds), -lacking.sum(axis=1), -lacking[:, word]))[0]
            fold_of_unit[one] = fold
            lacking[fold] -= counts[one]
    return fold_of_unit[unit]


@dataclass(frozen=True, eq=False, repr=False)
class WordFrames:
    """The frames of each token, `margin` more on either side; beyond the clip's ends, its first and last repeat."""

    clips: Items
    tokens: WordTokens
    margin: int

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: SupportsIndex, /) -> Shaped[np.ndarray, " T *rest"]:
        tokens, margin = self.tokens, self.margin
        clip = self.clips[int(tokens.row[row])]
        shown = np.arange(-margin, tokens.num_frames[row] + margin) + tokens.first[row]
        return clip[np.clip(shown, 0, len(clip) - 1)]
