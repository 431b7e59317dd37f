"""avmatch from Python, as a person calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest

import avmatch
from avmatch.analysis.store import default_cache_dir
from avmatch.core.errors import UsageError
from avmatch.notebook.arguments import cache_folder, names_of


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A video with its recording, drums."""
    folder = tmp_path_factory.mktemp("clips")
    avmatch.synthesise(folder, avmatch.SynthConfig(1, seed=3, duration_seconds=2.0, kinds=("drums",)))
    return folder


def kept():
    return set(default_cache_dir().rglob("*.npz"))


def test_a_file_a_folder_and_a_glob_are_files_and_no_letters(clips):
    (video,) = (clips / "videos").iterdir()
    for named in (str(video), video, clips / "videos", f"{clips}/videos/*.mp4", [video]):
        results = avmatch.sync_all(named, cache=False)
        assert [result.path for result in results] == [str(video)]
    assert avmatch.sync(video).reason == "no_audio"


def test_what_was_decoded_is_kept_unless_one_says_otherwise(clips, tmp_path):
    before = kept()
    avmatch.match(clips / "videos", clips / "audio", cache=False)
    assert kept() == before
    avmatch.match(clips / "videos", clips / "audio", cache=tmp_path)
    assert kept() == before
    assert list(tmp_path.rglob("*.npz"))
    avmatch.match(clips / "videos", [str(clips / "audio")])
    assert len(kept()) > len(before)


def test_settings_are_keywords_and_change_those_of_an_object(clips):
    settings = avmatch.MatchSettings(complete=True, top_k=3)
    result = avmatch.match(clips / "videos", clips / "audio", settings, top_k=1, use_clock=False)
    asked = [result.settings[name] for name in ("complete", "top_k", "use_clock", "use_order")]
    assert asked == [True, 1, False, True]
    assert (len(result), len(result.candidates)) == (1, 1)


def test_progress_is_shown_by_a_function_of_ones_own(clips):
    calls = []
    avmatch.match(
        clips / "videos", clips / "audio", cache=False, progress=lambda stage, done, total: calls.append((stage, done))
    )
    assert ("videos", 1) in calls


def test_results_are_plotted(clips):
    result = avmatch.match(clips / "videos", clips / "audio")
    assert result.plot().axes[0].images
    assert result.plot()._repr_png_().startswith(b"\x89PNG")  # what a notebook shows, without pyplot
    measured = avmatch.sync(clips / "videos" / "v_0001.mp4", audio=next((clips / "audio").iterdir()))
    assert np.allclose(measured.plot().axes[0].lines[0].get_ydata(), measured.curve)


WRONG = [
    ("avmatch.sync(3)", "path must be a path (str or Path), got 3 (int)"),
    ("avmatch.sync('.')", ".: is a folder; name a file, or measure all of them with sync_all"),
    ("avmatch.sync('a.mp4', max_offset_seconds='1')", "max_offset_seconds must be a number, got '1' (str)"),
    ("avmatch.sync_all(None)", "or a list of these; got None (NoneType)"),
    ("avmatch.sync_all(['a.mp4', 3])", "got ['a.mp4', 3] (list)"),
    ("avmatch.match('.', {'a': 1})", "or a list of these; got {'a': 1} (dict)"),
    (
        "avmatch.match('.', '.', {'many': True})",
        "settings must be a MatchSettings, or keywords (max_offset_seconds",
    ),
    ("avmatch.match('.', '.', many=1)", "many must be bool, got 1 (int)"),
    ("avmatch.match('.', '.', top_k=2.5)", "top_k must be int, got 2.5 (float)"),
    ("avmatch.match('.', '.', cache=3)", "cache must be a path (str or Path), got 3 (int)"),
    ("avmatch.fix('a.mp4', 5)", "out must be a path (str or Path), got 5 (int)"),
    ("avmatch.locate('a.mp4', None)", "out must be a path (str or Path), got None (NoneType)"),
    ("avmatch.train('nothing', 'data', 'run')", "no recipe 'nothing'; there are ave_net"),
    ("avmatch.train('lips', 'data', 'run', settings='a=b')", "settings must be a list of 'field=value'"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each wrong call raises, from a process of its own: here types are checked by the tests."""
    code = (
        "import avmatch, json\nsaid = []\nfor call in " + repr([call for call, _ in WRONG]) + ":\n"
        "    try:\n        eval(call)\n        said.append('')\n"
        "    except avmatch.UsageError as error:\n        said.append(str(error))\n"
        "print(json.dumps(said))"
    )
    folder = tmp_path_factory.mktemp("wrong")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return dict(zip((call for call, _ in WRONG), json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_can_t_be_is_said_in_a_sentence(said, call, message):
    assert message in said[call]


def test_training_without_its_libraries_names_the_extra(tmp_path):
    code = (  # in a process of its own: modules that are taken away are missed by other tests
        "import sys; sys.modules['torch'] = None; import avmatch\n"
        "try: avmatch.train('two_tower', '.', 'run')\n"
        "except avmatch.MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "training needs torch: pip install 'avmatch[train]'" in done.stdout


def test_names_and_caches_in_all_their_forms(tmp_path):
    assert names_of(tmp_path) == [str(tmp_path)]
    assert names_of((tmp_path, "a")) == [str(tmp_path), "a"]
    assert cache_folder(True) == default_cache_dir()
    assert cache_folder(False) is cache_folder(None) is None
    assert cache_folder("x").name == "x"
    with pytest.raises(UsageError, match="an empty list of files"):
        avmatch.match([], tmp_path)
