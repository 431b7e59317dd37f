"""The order of files, as far as it is the same on both sides."""

from __future__ import annotations

import numpy as np

from avmatch.core.origins import Origin
from avmatch.cues.order import order_nats

SURE = np.stack([np.arange(0, 40, 3)] * 2, axis=1)


def named(numbers, device):
    return [Origin(f"{device}{number:04d}", device) for number in numbers]


def test_files_in_order_fall_between_their_neighbours():
    nats, (note,) = order_nats(named(range(40), "C"), named(range(40), "Z"), SURE)
    assert note == "C by name and Z by name"
    assert np.diag(nats).min() > 1.0
    assert nats[10, 20] < -1.8
    assert nats[1, 3] < -1.8, "the third recording is taken by the neighbour"


def test_gaps_are_bridged():
    audios = [number for number in range(40) if number not in (10, 20, 25)]
    columns = {number: column for column, number in enumerate(audios)}
    sure = np.array([[number, columns[number]] for number in range(0, 40, 3)])
    nats, _ = order_nats(named(range(40), "C"), named(audios, "Z"), sure)
    own = np.array([nats[number, columns[number]] for number in audios])
    assert own.min() > 0.5
    assert nats[10].argmax() == columns[11], "between its neighbours"


def test_shuffled_names_abstain():
    shuffled = np.random.default_rng(3).permutation(40)
    nats, notes = order_nats(named(range(40), "C"), named(shuffled, "Z"), SURE)
    assert not nats.any()
    assert notes == ()


def test_a_clock_that_is_wrong_still_knows_the_order():
    rng = np.random.default_rng(4)
    times, names = np.cumsum(rng.uniform(10, 400, 40)).tolist(), list(map(str, rng.permutation(40)))
    videos = [Origin(name, "C", {"created": time}) for name, time in zip(names, times, strict=True)]
    audios = [Origin(name, "Z", {"timecode": 2 * time}) for name, time in zip(names[::-1], times, strict=True)]
    nats, (note,) = order_nats(videos, audios, SURE)
    assert note == "C by created and Z by timecode"
    assert np.diag(nats).min() > 1.0


def test_a_sure_pair_does_not_speak_for_itself():
    sure = SURE.copy()
    sure[5, 1] = 38  # wrong, and far away
    nats, _ = order_nats(named(range(40), "C"), named(range(40), "Z"), sure)
    assert nats[15, 38] < -1.0
    assert nats[15, 15] > 1.0


def test_few_pairs_show_no_order():
    nats, _ = order_nats(named(range(40), "C"), named(range(40), "Z"), SURE[:4])
    assert not nats.any()
