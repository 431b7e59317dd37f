"""The events cue for blocks of files: the same evidence as its own, and nearly at a first look."""

from functools import partial

import numpy as np
import pytest

from avmatch.core.features import MouthTrack
from avmatch.cues.blocks import in_components
from avmatch.systems.events import runtime
from avmatch.systems.events.runtime import EventCue, load_event_model
from event_scenes import event_times, picture, sound

LAGS = np.arange(-25, 26) * 0.02
#: No tick of the picture lies half-way between two of the sound.
START_SECONDS = 0.003


@pytest.fixture(scope="module")
def cue():
    return EventCue(load_event_model("events"))


@pytest.fixture(scope="module")
def files():
    lengths = (8.0, 5.0, 12.0, 8.0, 0.3)
    videos = [picture(event_times(seed), length, cell=9 * seed, seed=seed) for seed, length in enumerate(lengths)]
    face = MouthTrack(np.arange(0.0, 8.0, 0.04), np.full((200, 4), 0.4, np.float32), np.zeros((200, 3), np.float32))
    videos[3] = type(videos[3])(**{**vars(videos[3]), "mouths": (face,)})
    audios = [sound(event_times(seed), length, START_SECONDS, seed) for seed, length in enumerate(lengths)]
    return videos, [*audios, sound(event_times(0), 8.0, START_SECONDS, peak=0.0)]


def evidence(blocks, videos, audios):
    out = np.zeros((len(videos), len(blocks.lags_seconds), len(audios)), np.float32)
    blocks.against(blocks.sounds(audios))(blocks.videos(videos), out)
    return out.transpose(0, 2, 1)


def test_a_first_look_is_near(cue, files):
    lags = LAGS[1::2]
    exact, rough = cue.curves(*files, lags).nats, evidence(cue.rough(files[1], lags), *files)
    assert np.abs(rough - exact).mean() < 0.1 * exact.std()
    np.testing.assert_array_equal(rough.max(axis=2)[:4, :4].argmax(axis=1), exact.max(axis=2)[:4, :4].argmax(axis=1))


def test_with_all_components_it_is_the_cue_itself(cue, files, monkeypatch):
    """At offsets that are so far apart that none is interpolated."""
    lags = np.arange(-3, 4) * 0.16
    monkeypatch.setattr(runtime, "in_components", partial(in_components, num=24))
    exact, same = cue.curves(*files, lags).nats, evidence(cue.rough(files[1], lags), *files)
    assert exact.max() > 3.0
    np.testing.assert_allclose(same, exact, atol=5e-3)
    assert not exact[4].any()
    assert not exact[:, 5].any()


def test_windows_of_short_videos_are_made_once(cue, files):
    video = files[0][0]
    assert cue.model.picture_windows(video) is cue.model.picture_windows(video)
    long = picture((1.0, 2.0), runtime.KEPT_TICKS / 25.0 + 1.0)
    assert cue.model.picture_windows(long) is not cue.model.picture_windows(long)
