"""Recordings in a row, and second recorders: by the camera's own sound, and by the recorder's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_groups import FRAME_SECONDS, render

from avmatch.alignment.sounds import SoundAlignment
from avmatch.core.features import AudioFeatures, VideoFeatures
from avmatch.core.matches import FurtherAudio, Match, MatchResult
from avmatch.core.origins import Origin
from avmatch.data.result_folder import read_result
from avmatch.matching.fusion import no_scores
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.export import export
from avmatch.pipelines.groups import with_further
from avmatch.pipelines.match import match
from avmatch.pipelines.pairs import PairJudge
from avmatch.reports.output import write_match


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    """A folder with a clip of two recorders and one of a split recorder, and the truth."""
    folder = tmp_path_factory.mktemp("shoot")
    return folder, render(folder, 1)


@pytest.fixture(scope="module")
def result(shoot):
    folder, _ = shoot
    sounds = [path for device in ("zoom", "tascam") for path in sorted((folder / device).iterdir())]
    return match(folder / "camera", sounds)


def test_both_recordings_are_found_and_placed(shoot, result):
    _, truth = shoot
    for item in result.matches:
        own = truth[Path(item.video).name]
        found = {Path(item.audio).name: item.offset_seconds}
        found |= {Path(more.audio).name: more.offset_seconds for more in item.further}
        assert found == pytest.approx({name: offset for name, (_, offset) in own.items()}, abs=FRAME_SECONDS)
        assert [more.role for more in item.further] == [next(iter(own.values()))[0]]
        assert item.cue == "scratch"
        assert item.confidence > 0.9
    assert result.unmatched_audio == ()


def test_they_go_into_the_tables_and_onto_tracks_of_their_own(shoot, result, tmp_path):
    write_match(result, tmp_path)
    for item, stored in zip(result.matches, read_result(tmp_path).matches, strict=True):
        assert [(more.audio, more.role) for more in stored.further] == [
            (more.audio, more.role) for more in item.further
        ]
        for more, other in zip(stored.further, item.further, strict=True):
            assert more.offset_seconds == pytest.approx(other.offset_seconds, abs=1e-3)
    for kind in ("otio", "fcpxml", "edl"):
        written = export(tmp_path, kind)
        assert (written.num_clips, written.num_sounds) == (4, 4)
        text = written.paths[0].read_text(encoding="utf-8")
        assert all(Path(path).stem in text for path in result.audio)


def test_without_scratch_nothing_is_heard(shoot):
    folder, _ = shoot
    found = match(folder / "camera", folder / "zoom", MatchSettings(use_scratch=False))
    assert all(item.audio is None for item in found.matches)


def silence(seconds):
    return AudioFeatures(0.0, np.zeros((0, 8), np.float16), np.zeros((0, 8), np.float16), seconds, 0.0)


def answered(times, devices, offset_seconds, doubles=None):
    """A clip of 10 s that got the first of these recordings of 4 s each."""
    num = len(times)
    names = tuple(f"{device}{number}" for number, device in enumerate(devices))
    video = VideoFeatures(0.0, np.zeros((0, 4, 64), np.float16), (), 25.0, 10.0)
    audios = [silence(4.0)] * num
    scores = no_scores((), (1, num))
    judge = PairJudge((), [video], audios, scores, np.zeros((1, num, 4)), np.zeros((1, num)), MatchSettings())
    made = Match("clip", names[0], 0.9, 5.0, offset_seconds, "events")
    result = MatchResult((made,), names[1:], (), ("clip",), names, np.zeros((1, num), np.float32))
    audio_origins = [
        Origin(name, device, {} if time is None else {"timecode": time}, is_known=True)
        for name, device, time in zip(names, devices, times, strict=True)
    ]
    return with_further(result, judge, doubles or {}, [Origin("clip")], audio_origins)


def test_a_recorder_that_split_its_file_is_followed_by_its_clock():
    found = answered([100.0, 108.0, 104.0, 112.0, 300.0], "ZZZZZ", 0.5)
    assert found.matches[0].further == (
        FurtherAudio("Z2", "continues", -3.5),
        FurtherAudio("Z1", "continues", -7.5),
    )
    assert found.unmatched_audio == ("Z3", "Z4")


def test_and_backwards():
    (item,) = answered([104.0, 100.0], "ZZ", -2.0).matches
    assert item.further == (FurtherAudio("Z1", "continues", 2.0),)


def test_and_over_midnight():
    (item,) = answered([86_398.0, 2.0], "ZZ", 0.5).matches
    assert item.further == (FurtherAudio("Z1", "continues", -3.5),)


@pytest.mark.parametrize(("times", "devices"), [([100.0, 106.0], "ZZ"), ([100.0, 104.0], "ZT"), ([None, None], "ZZ")])
def test_other_recordings_do_not_go_on(times, devices):
    found = answered(times, devices, 0.0)
    assert found.matches[0].further == ()
    assert len(found.unmatched_audio) == 1


@pytest.mark.parametrize("columns", [(0, 1), (1, 0)])
def test_a_second_recorder_is_placed_by_the_sound_of_the_first(columns):
    apart = 3.0 if columns == (0, 1) else -3.0
    doubles = {columns: SoundAlignment(apart, 0.0, 100.0, 1, (apart, apart), (0.0, 4.0))}
    (item,) = answered([None, None], "ZT", 0.5, doubles).matches
    assert item.further == (FurtherAudio("T1", "also_fits", 3.5),)
