"""Words in packed clips: where they lie, which count, who is held back with whom."""

from dataclasses import replace

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.data.items import Pairs
from avmatch.data.manifest import Word
from avmatch.systems.words.data import SpokenFile, WordFrames, WordSelection, find_words, read_spoken, word_folds

ONCE = WordSelection(min_tokens=1)


def clips(names, num_ticks=50):
    """Pairs whose frames say which tick they are."""
    video = tuple(np.arange(num_ticks, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2) for _ in names)
    place, label = np.arange(len(names)), np.full(len(names), -1)
    audio = np.zeros((len(names), 1), np.int16)
    return Pairs(video, audio, tuple(names), place, label, (), "mouths", "samples", 25.0, 16000.0)


def said(*words, group=""):
    return SpokenFile(tuple(Word(*word) for word in words), group)


def test_a_word_is_the_frames_that_it_touches():
    tokens = find_words(clips(["../far/a.mp4"]), {"a.mp4": said(("now", 0.1, 0.3), ("bin", 0.4, 0.44))}, ONCE)
    assert (tokens.first.tolist(), tokens.num_frames.tolist()) == ([2, 10], [6, 1])
    assert [tokens.vocabulary[label] for label in tokens.label] == ["now", "bin"]
    assert tokens.names == ("a.mp4#2", "a.mp4#10")


def test_a_pair_that_begins_later_in_its_file_has_its_words_earlier():
    pairs = clips(["s/a.mp4", "s/a.mp4@1", "s/a.mp4@1.5 + b.wav"])
    tokens = find_words(pairs, {"s/a.mp4": said(("now", 1.2, 1.4), ("then", 3.4, 3.48))}, ONCE)
    assert list(zip(tokens.row.tolist(), tokens.first.tolist(), strict=True)) == [(0, 30), (1, 5), (2, 47)]
    assert len(set(tokens.file)) == 1


def test_words_that_were_not_packed_are_left_out():
    spoken = {"a.mp4": said(("in", 1.9, 2.03), ("out", 1.9, 2.2), ("after", 2.4, 2.5))}
    tokens = find_words(clips(["a.mp4"]), spoken, ONCE)
    assert tokens.vocabulary == ("in",)
    assert tokens.first + tokens.num_frames == [50]


def test_a_file_is_known_by_the_longest_end_of_its_path():
    spoken = {"b/a.mp4": said(("inner", 0.1, 0.2)), "a.mp4": said(("outer", 0.1, 0.2))}
    tokens = find_words(clips(["x/b/a.mp4", "y/a.mp4", "z/c.mp4"]), spoken, ONCE)
    assert [tokens.vocabulary[label] for label in tokens.label] == ["inner", "outer"]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (ONCE, {"low", "high", "unsaid"}),
        (replace(ONCE, min_confidence=0.5), {"high", "unsaid"}),
        (replace(ONCE, targets_only=True), {"target"}),
        (replace(ONCE, source="b/"), {"unsaid"}),
        (replace(ONCE, source="anna"), {"low", "high"}),
        (WordSelection(min_tokens=2), {"high"}),
    ],
)
def test_which_words_count(selection, words):
    spoken = {
        "a.mp4": said(
            ("low", 0.0, 0.2, 0.4),
            ("high", 0.2, 0.4, 0.6),
            ("high", 0.4, 0.6, 0.7),
            ("target", 0.6, 0.8, None, True),
            ("timeless", None, None),
            group="anna",
        ),
        "b/a.mp4": said(("unsaid", 0.0, 0.2), group="ben"),
    }
    assert set(find_words(clips(["a.mp4", "b/a.mp4"]), spoken, selection).vocabulary) == words


def test_no_word_is_refused_with_the_numbers():
    with pytest.raises(UsageError, match=r"said 8 times in these 1 clips .* 1 tokens of 1 words"):
        find_words(clips(["a.mp4"]), {"a.mp4": said(("now", 0.0, 0.2))}, WordSelection())


def many(num_files, group=lambda number: "", seed=0):
    """Files of three words each; "rare" is in every tenth."""
    rng = np.random.default_rng(seed)
    spoken = {}
    for number in range(num_files):
        words = [str(word) for word in rng.integers(6, size=3)]
        words[0] = "rare" if number % 10 == 0 else words[0]
        spoken[f"{number}.mp4"] = said(
            *((word, place / 2, place / 2 + 0.3) for place, word in enumerate(words)), group=group(number)
        )
    return find_words(clips(list(spoken)), spoken, ONCE)


def test_folds_share_no_file_and_have_about_as_many_of_each_word():
    tokens = many(100)
    fold = word_folds(tokens, 5, 0)
    counts = np.zeros((5, len(tokens.vocabulary)), int)
    np.add.at(counts, (fold, tokens.label), 1)
    assert all(len(set(fold[tokens.file == file])) == 1 for file in set(tokens.file))
    assert counts[:, tokens.vocabulary.index("rare")].tolist() == [2] * 5
    assert np.ptp(counts, axis=0).max() <= 5  # of about ten
    assert (fold == word_folds(tokens, 5, 0)).all()
    assert (fold != word_folds(tokens, 5, 1)).any()


def test_people_stay_whole_where_there_are_enough():
    tokens = many(60, lambda number: f"person {number % 7}")
    fold = word_folds(tokens, 5, 0)
    assert all(len(set(fold[tokens.group == person])) == 1 for person in range(7))
    two = many(60, lambda number: f"person {number % 2}")
    fold = word_folds(two, 5, 0)
    assert all(len(set(fold[two.group == person])) == 5 for person in range(2))
    with pytest.raises(UsageError, match=r"must lie in 2…3 \(the number of files\), got 4"):
        word_folds(many(3), 4, 0)


def test_frames_of_a_word_hold_the_ends_of_the_clip():
    spoken = {"a.mp4": said(("first", 0.04, 0.12), ("last", 1.92, 2.0))}
    pairs = clips(["a.mp4"])
    frames = WordFrames(pairs.video, find_words(pairs, spoken, ONCE), margin=3)
    assert frames[0][:, 0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert frames[1][:, 0, 0].tolist() == [45, 46, 47, 48, 49, 49, 49, 49]


def test_words_of_a_table_and_of_talking_clips(tmp_path):
    (tmp_path / "words.csv").write_text("file,word,start_s,end_s\ns1/a.mpg,bin,0.2,0.4\n", "utf-8")
    assert read_spoken(tmp_path / "words.csv") == {"s1/a.mpg": said(("bin", 0.2, 0.4))}
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "a.mpg").touch()
    (tmp_path / "s1" / "a.align").write_text("0 5000 sil\n5000 10000 bin\n", "utf-8")
    assert read_spoken(tmp_path) == {"s1/a.mpg": said(("bin", 0.2, 0.4), group="s1")}
