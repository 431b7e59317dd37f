"""Matching features of whole clips: order, offsets, broken files, options that make no sense."""

import numpy as np
import pytest

from avmatch.core.errors import ModelError, UsageError
from avmatch.matching.decision import MatchSettings
from avmatch.pipelines.delivery import mux_matches
from avmatch.pipelines.match import match
from avmatch.pipelines.sync import sync_all
from clip_models import write_clip_model

NUM = 12
#: The sound of video i has this number.
PARTNER = np.random.default_rng(5).permutation(NUM)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_clip_model(tmp_path_factory.mktemp("run") / "model").parent


@pytest.fixture
def features(tmp_path):
    """Folders of twelve clips that need natural order."""
    rng = np.random.default_rng(0)
    clips = 2.0 * rng.standard_normal((NUM, 1, 4)) + rng.standard_normal((NUM, 6, 4))
    for side in ("v", "a"):
        (tmp_path / side).mkdir()
    for number, clip in enumerate(clips):
        np.save(tmp_path / "v" / f"{number}.npy", clip.astype(np.float32))
        np.save(tmp_path / "a" / f"{PARTNER[number]}.npy", clip[::-1].astype(np.float32))
    return tmp_path / "v", tmp_path / "a"


def test_matches_are_found_and_have_no_offset(features, model):
    videos, audios = features
    result = match(videos, audios, MatchSettings(complete=True), model=model)
    assert [item.video for item in result.matches] == [str(videos / f"{number}.npy") for number in range(NUM)]
    assert [item.audio for item in result.matches] == [str(audios / f"{number}.npy") for number in PARTNER]
    assert {item.offset_seconds for item in (*result.matches, *result.candidates)} == {None}
    assert {item.cue for item in result.matches} == {"tiny"}
    assert result.settings["cues"] == ["tiny"]


def test_the_matrix_has_videos_as_rows_and_audio_as_columns_in_natural_order(features, model):
    videos, audios = features
    (audios / "0.npy").unlink()
    result = match(videos, audios, model=model)
    assert result.audio == tuple(str(audios / f"{number}.npy") for number in range(1, NUM))
    rows, columns = (
        np.stack([np.load(path).mean(axis=0) for path in paths]) for paths in (result.videos, result.audio)
    )
    assert result.similarity.shape == (NUM, NUM - 1)
    np.testing.assert_allclose(result.similarity, 8.0 * rows @ columns.T, rtol=1e-4, atol=1e-4)


def test_lists_of_files_and_one_inner_folder_are_taken(features, model):
    videos, audios = features
    outer = videos.parent / "outer"
    outer.mkdir()
    videos.rename(outer / "vggish")
    files = sorted(audios.iterdir())[:3]
    result = match(outer, [*files, files[0]], model=model)
    assert result.audio == tuple(map(str, files))
    assert result.videos[:2] == (str(outer / "vggish" / "0.npy"), str(outer / "vggish" / "1.npy"))


def test_files_that_cannot_be_used_become_failures_and_the_rest_goes_on(features, model):
    videos, audios = features
    (videos / "3.npy").write_bytes(b"not numpy")
    np.save(videos / "5.npy", np.zeros((6, 3), np.float32))
    np.save(audios / "7.npy", np.full((6, 4), np.nan, np.float32))
    np.save(audios / "8.npy", np.array([{"code": "evil"}]), allow_pickle=True)
    result = match(videos, audios, model=model)
    assert [(item.path, item.stage) for item in result.failures] == [
        (str(videos / "3.npy"), "open"),
        (str(videos / "5.npy"), "features"),
        (str(audios / "7.npy"), "features"),
        (str(audios / "8.npy"), "open"),
    ]
    assert len(result.matches) == NUM
    assert (result.matches[3].audio, result.matches[3].confidence) == (None, 0.0)
    assert result.similarity.shape == (NUM - 2, NUM - 2)


@pytest.mark.parametrize("broken", ["v", "a", "both"])
def test_a_side_without_a_usable_file_gives_an_empty_matrix(features, model, broken):
    for folder in features if broken == "both" else [features[broken == "a"]]:
        for path in folder.iterdir():
            path.write_bytes(b"")
    result = match(*features, model=model)
    assert result.similarity.size == 0
    assert len(result.matches) == NUM
    assert {item.audio for item in result.matches} == {None}


def test_options_that_need_time_are_refused(features, model):
    with pytest.raises(UsageError, match="features of whole clips have no place in time"):
        match(*features, MatchSettings(many=True), model=model)


def test_folders_without_features_are_told(features, model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: has no \.npy files"):
        match(features[0], tmp_path / "empty", model=model)
    with pytest.raises(UsageError, match="an empty list of files was given"):
        match([], features[1], model=model)


def test_features_without_a_model_are_told_to_name_one(features):
    with pytest.raises(UsageError, match=r"v: no video files found there, but \.npy features; .* give --model"):
        match(*features)


def test_features_cannot_be_muxed(features, model, tmp_path):
    result = match(*features, MatchSettings(complete=True), model=model)
    with pytest.raises(UsageError, match="features have no picture to write; leave out --mux"):
        mux_matches(result, str(features[0]), tmp_path / "muxed")


def test_a_model_of_clips_cannot_measure_an_offset(model):
    with pytest.raises(ModelError, match="is a model of features of whole clips, which have no place in time, not"):
        sync_all(["any.mp4"], model=model)
