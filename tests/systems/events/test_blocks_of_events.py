"""The events cue for blocks of files: the same evidence as its own, and nearly at a first look."""

import numpy as np
import pytest

from avmatch.core.features import MouthTrack
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


@pytest.mark.parametrize("lags", [LAGS, LAGS[1::2], np.arange(-2, 3) * 0.02])
def test_blocks_have_the_evidence_of_the_cue(cue, files, lags):
    exact = cue.curves(*files, lags).nats
    assert exact.max() > 3.0
    np.testing.assert_allclose(evidence(cue.in_blocks(lags), *files), exact, atol=5e-3)
    assert not exact[4].any()
    assert not exact[:, 5].any()


def test_a_first_look_is_near(cue, files):
    lags = LAGS[1::2]
    exact, rough = cue.curves(*files, lags).nats, evidence(cue.rough(files[1], lags), *files)
    assert np.abs(rough - exact).mean() < 0.1 * exact.std()
    np.testing.assert_array_equal(rough.max(axis=2)[:4, :4].argmax(axis=1), exact.max(axis=2)[:4, :4].argmax(axis=1))


def test_windows_are_made_once(cue, files):
    video = files[0][0]
    assert cue.in_blocks(LAGS).videos([video])[0] is cue.rough(files[1], LAGS[1::2]).windows_of(video)
