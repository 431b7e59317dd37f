"""How well a model reads words from the lips, clip by clip, with the times of the words given.

    clips → decode each file once → mouths of the face that is longest in sight → each word's frames → logits → ranks

A word counts if it is in the model's vocabulary and its face is in sight while it is said. Letters in shapes: N words,
K words of the vocabulary.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avmatch.analysis.features import analyse_all
from avmatch.core.errors import UsageError
from avmatch.core.results import Failure, Progress
from avmatch.data.layouts import read_speech
from avmatch.data.manifest import Clip, Word
from avmatch.data.tracks import PackSettings, decode_tracks
from avmatch.evaluation.galleries import held_back_names
from avmatch.metrics.classes import Mistake, commonest_mistakes, macro_mean, top_k_hits
from avmatch.metrics.intervals import Share, share_of
from avmatch.reports.report import TIES, Report, ReportTable, mistake_tables
from avmatch.systems.words.data import WordSelection, place_of, same_file
from avmatch.systems.words.runtime import WordModel, load_words

_INTERVAL = "± half of the 95 % bootstrap interval over people, or files of one"


@dataclass(frozen=True)
class WordResult:
    """One evaluation.

    Attributes:
        top_1, top_5: of the words said; intervals are over people or recordings where there are several, else files.
        macro_top_1: the mean over the vocabulary, as far as it is said.
        num_words, num_said: of the vocabulary, and those of them that are said.
        mistakes: the commonest.
        notes: which files can't be used, and why.
    """

    model: str
    data: str
    top_1: Share
    top_5: Share
    macro_top_1: float
    num_words: int
    num_said: int
    num_files: int
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...] = ()

    def report(self) -> Report:
        """The shares, and the commonest mistakes where there are any."""
        shares = [self.top_1.percent(), self.top_5.percent(), f"{100 * self.macro_top_1:.1f}"]
        sizes = [str(self.num_said), str(self.top_1.num_trials), str(self.num_files)]
        lines = [["top-1", "top-5", "macro top-1", "words", "n", "files"], [*shares, *sizes]]
        title = f"Which of {self.num_words} words do the lips say? %"
        mistakes = [one.values("said", "heard", "count", "num_said") for one in self.mistakes]
        return Report(
            f"Words in {Path(self.data).name}: {Path(self.model).resolve().name}",
            (ReportTable(title, lines, 0, TIES, _INTERVAL), *mistake_tables(self.mistakes, "said")),
            {"kind": "words", **asdict(self), "mistakes": mistakes},
            self.notes,
        )


#: A spoken word, its number in the vocabulary, and the model's logits.
_Said = tuple[Clip, int, Float32[np.ndarray, " K"]]


def evaluate_words(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    held_out: bool = False,
    progress: Progress | None = None,
) -> WordResult:
    """Measure `model` on the talking clips of `data` (data/layouts.py).

    Args:
        split: only the clips that the data put there; None = all.
        held_out: only the files that the run `model` held back.

    Raises:
        UsageError: none of the model's words is said there, or in none of the files that can be used.
        ModelError: the model can't be used.
    """
    reader = load_words(model)
    clips = [clip for clip in read_speech(data) if split in (None, clip.split) and _known_words(reader, clip)]
    if held_out:
        files = {name.rpartition("#")[0] for name in held_back_names(Path(model))}  # of `file#first frame`
        clips = [clip for clip in clips if same_file(clip.path, files)]
    if not clips:
        num = len(reader.description.vocabulary)
        raise UsageError(f"{data}: none of the {num} words of {model} is said in the clips that are asked for")
    by_path: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_path[clip.path].append(clip)
    answers = analyse_all(lambda path: _read(reader, by_path[path]), list(by_path), "clips", progress)
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    notes = tuple(f"{failure.path}: {failure.message}; left out" for failure in failures)
    said = [one for answer in answers if not isinstance(answer, Failure) for one in answer]
    if not said:
        raise UsageError(f"{data}: no word is in sight; {(*notes, 'no face is in sight while one is said')[0]}")
    return _result(str(model), str(data), reader.description.vocabulary, said, notes)


def _known_words(reader: WordModel, clip: Clip) -> list[Word]:
    """Those of the model's vocabulary whose times are known."""
    selection = WordSelection(targets_only=reader.description.targets_only)
    return [word for word in clip.words if selection.wants(word) and word.text in reader.description.vocabulary]


def _read(reader: WordModel, clips: Sequence[Clip]) -> list[_Said]:
    """The model's answers to the words of one file. Raises MediaError."""
    description = reader.description
    settings = PackSettings(description.rate_hz, description.height_px, description.width_px, "mouth")
    mouths = decode_tracks(settings, clips[0].path, video=True, audio=False).video
    assert mouths is not None
    found: list[_Said] = []
    for clip in clips:
        for word in _known_words(reader, clip):
            place = place_of(word, mouths.start_seconds, len(mouths.data), settings.rate_hz)
            if place is not None:
                label = description.vocabulary.index(word.text)
                found.append((clip, label, reader.logits(mouths.data, *place)))
    return found


def _result(
    model: str, data: str, vocabulary: Sequence[str], said: Sequence[_Said], notes: tuple[str, ...]
) -> WordResult:
    clips, numbers, answers = zip(*said, strict=True)
    logits, label = np.stack(answers), np.array(numbers)
    first, five = (top_k_hits(logits, label, k) for k in (1, 5))
    files, groups = [clip.path for clip in clips], [clip.group for clip in clips]
    drawn = groups if len(set(groups)) > 1 else files
    return WordResult(
        model,
        data,
        share_of(first, drawn, 0),
        share_of(five, drawn, 0),
        macro_mean(first, label),
        len(vocabulary),
        len(np.unique(label)),
        len(set(files)),
        commonest_mistakes(logits, label, vocabulary),
        notes,
    )
