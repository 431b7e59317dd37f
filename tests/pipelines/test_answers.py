"""An answer is read back while nothing has changed that it depends on, and made anew otherwise."""

import shutil
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest

from avmatch.analysis import store
from avmatch.core.matches import MatchResult
from avmatch.core.results import Failure
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines import answers
from avmatch.pipelines import match as made
from avmatch.synth import SynthConfig, synthesise


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    config = SynthConfig(
        3, seed=2, duration_seconds=1.5, sizes=((96, 72),), fps_choices=(Fraction(15),), kinds=("balls", "drums")
    )
    synthesise(folder, config)
    return folder


@pytest.fixture
def clips(rendered, tmp_path):
    shutil.copytree(rendered, tmp_path / "clips")
    return tmp_path / "clips"


@pytest.fixture
def asked(clips, tmp_path, monkeypatch):
    """Asks for a match, and how often one was made."""
    calls = []
    inner = made.match

    def counted(*arguments, **options):
        calls.append(arguments)
        return inner(*arguments, **options)

    monkeypatch.setattr(made, "match", counted)

    def ask(settings=None, **options):
        options = {"cache_dir": tmp_path / "cache"} | options
        every = settings or MatchSettings(complete=True)  # such short clips are doubtful
        return answers.match(clips / "videos", clips / "audio", every, **options), len(calls)

    return ask


def answer_files(tmp_path):
    return list((tmp_path / "cache" / "answers").glob("*.npz"))


def assert_same(a, b):
    assert len(fields(a)) == len(fields(MatchResult))
    for item in fields(MatchResult):
        one, other = getattr(a, item.name), getattr(b, item.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        elif item.name == "settings":
            assert {key: value for key, value in one.items() if key != "cues"} == {
                key: value for key, value in other.items() if key != "cues"
            }
            assert list(one["cues"]) == list(other["cues"])
        else:
            assert one == other, item.name


def test_the_second_answer_is_the_first(asked):
    first, num = asked()
    second, still = asked()
    assert (num, still) == (1, 1)
    assert_same(second, first)
    assert any(match.audio for match in first.matches)
    assert all(preview.thumbnail_jpeg or preview.peaks for preview in second.previews.values())


def test_it_is_the_answer_of_who_makes_it(asked, clips):
    assert_same(asked()[0], made.match(clips / "videos", clips / "audio", MatchSettings(complete=True)))


def test_without_a_cache_nothing_is_kept(asked):
    assert asked(cache_dir=None)[1] == 1
    assert asked(cache_dir=None)[1] == 2


@pytest.mark.parametrize(
    "settings", [MatchSettings(min_confidence=0.1), MatchSettings(use_duration=False), MatchSettings(top_k=1)]
)
def test_other_settings_are_another_question(asked, settings):
    asked()
    assert asked(settings)[1] == 2


def altered(clips):
    first, second, *_ = sorted((clips / "audio").iterdir())
    shutil.copy(second, first)


def renamed(clips):
    first, *_ = sorted((clips / "videos").iterdir())
    first.rename(first.with_name("other.mp4"))


def added(clips):
    first, *_ = sorted((clips / "videos").iterdir())
    shutil.copy(first, first.with_name("more.mp4"))


def unknown(clips):
    (clips / "videos" / "clip.unknown").write_text("remarked on")


@pytest.mark.parametrize("change", [altered, renamed, added, unknown])
def test_what_changes_in_a_folder_makes_another_answer(asked, clips, change):
    before, _ = asked()
    change(clips)
    after, num = asked()
    assert num == 2
    assert (after.matches, after.notes) != (before.matches, before.notes) or change is altered
    assert_same(after, made.match(clips / "videos", clips / "audio", MatchSettings(complete=True)))


def test_another_program_is_not_trusted(asked, monkeypatch):
    asked()
    monkeypatch.setattr(answers, "_program", lambda: "another")
    assert asked()[1] == 2


def test_the_program_is_its_code_and_its_weights(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    for name in ("__init__.py", "weights/video.onnx"):
        (tmp_path / name).write_text("a")
    monkeypatch.setattr(answers.avmatch, "__file__", str(tmp_path / "__init__.py"))
    names = []
    for name in (None, "__init__.py", "weights/video.onnx"):
        if name:
            (tmp_path / name).write_text("b")
        names.append(answers._program.__wrapped__())
    assert len(set(names)) == 3


def test_another_model_and_another_detector_are_another_question(clips, tmp_path):
    def place(model=None, detector=None):
        question = answers._question(clips / "videos", clips / "audio", MatchSettings(), model, detector, [])
        return question.place(tmp_path)

    (tmp_path / "model").mkdir()
    graph = tmp_path / "model" / "video.onnx"
    graph.write_bytes(b"one")
    places = [place(), place("lips"), place(tmp_path / "model"), place(None, graph)]
    graph.write_bytes(b"two")
    places += [place(tmp_path / "model"), place(None, graph)]
    assert len(set(places)) == len(places)


def test_a_damaged_answer_is_made_again(asked, tmp_path):
    first, _ = asked()
    (file,) = answer_files(tmp_path)
    whole = file.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"x" * len(whole), whole[:200] + b"\0" * 50 + whole[250:]):
        file.write_bytes(content)
        assert_same(asked()[0], first)
    assert file.read_bytes() == whole
    assert asked()[1] <= 5


def test_features_in_the_place_of_an_answer_are_none(asked, tmp_path):
    asked()
    (file,) = answer_files(tmp_path)
    shutil.copy(next((tmp_path / "cache").glob("??/*-audio-*.npz")), file)
    assert asked()[1] == 2


def test_an_answer_with_a_failure_is_not_kept(asked, clips, tmp_path):
    (clips / "videos" / "text.mp4").write_text("this is not a video")
    result, _ = asked()
    assert isinstance(result.failures[0], Failure)
    assert not answer_files(tmp_path)
    assert asked()[1] == 2


def test_what_changes_while_it_is_looked_at_is_not_kept(asked, clips, tmp_path, monkeypatch):
    inner = made.match

    def meanwhile(*arguments, **options):
        result = inner(*arguments, **options)
        altered(clips)
        return result

    monkeypatch.setattr(made, "match", meanwhile)
    asked()
    assert not answer_files(tmp_path)


def test_a_full_disk_costs_the_answer_of_the_next_run_only(asked, monkeypatch):
    def full(path, made):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(store, "save", full)
        with pytest.warns(UserWarning, match="can't be kept there"):
            result, _ = asked()
    assert any(match.audio for match in result.matches)


def test_nothing_is_pickled(asked, tmp_path):
    result, _ = asked()
    (file,) = answer_files(tmp_path)
    with np.load(file, allow_pickle=False) as stored:
        assert all(array.dtype != object for array in stored.values())
    assert_same(replace(result), store.read(file, MatchResult))
