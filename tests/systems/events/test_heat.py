"""Heat: the cell that strikes with the sound is the hottest, one that strikes at other times isn't."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avmatch.systems.events.heat import heat
from avmatch.systems.events.runtime import load_event_model
from avmatch.systems.events.task import EventPairs, EventTowers
from event_scenes import event_times, picture, sound, struck


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder, pairs = tmp_path_factory.mktemp("events"), struck(6)
    torch.manual_seed(0)
    story = {"recipe": "events", "config": {}, "data": {}, "results": {}, "command": ""}
    EventPairs().export(EventTowers(EventPairs(), pairs), pairs, folder, story)
    return load_event_model(folder)


def two_strikers():
    """One strikes with the sound in cell 9, another at other times in cell 54."""
    ours, others = picture(event_times(1), cell=9), picture(event_times(2), cell=54)
    return replace(ours, motion=np.maximum(ours.motion, others.motion))


def test_the_place_that_strikes_with_the_sound_is_the_hottest(model):
    found = heat(model, two_strikers(), sound(event_times(1)))
    assert found.shape == (200, 64)
    mean = found.mean(axis=0)
    assert mean.argmax() == 9
    assert mean[9] > 3 * mean[54]
    assert heat(model, two_strikers(), sound(event_times(2))).mean(axis=0).argmax() == 54


def test_the_offset_is_taken_out(model):
    late = sound(event_times(1), start_seconds=0.6)
    assert heat(model, two_strikers(), late, 0.6).mean(axis=0).argmax() == 9
    assert heat(model, two_strikers(), late, 0.6).max() > 2 * heat(model, two_strikers(), late)[:, 9].max()


def test_where_there_is_no_sound_nothing_is_hot(model):
    short = sound(event_times(1, 4.0), seconds=4.0)
    found = heat(model, two_strikers(), short)
    assert not found[105:].any()
    assert found[:95].max() > 1
