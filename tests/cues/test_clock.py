"""Clocks of cameras and recorders, as far as they run side by side."""

from __future__ import annotations

import numpy as np
import pytest

from avmatch.core.origins import SECONDS_PER_DAY, Origin
from avmatch.cues.clock import MAX_NATS, clock_nats

BEGAN = 36_000.0 + np.cumsum(np.random.default_rng(1).uniform(40, 300, 40))
SURE = np.stack([np.arange(0, 40, 2)] * 2, axis=1)
NO_OFFSETS = np.zeros((40, 40), np.float32)


def files(times, device="C", source="timecode"):
    return [Origin(f"{device}{number}", device, {source: float(time)}) for number, time in enumerate(times)]


def test_a_constant_difference_predicts_the_other_pairs():
    nats, (fit,) = clock_nats(files(BEGAN), files(BEGAN + 5000.0, "Z"), NO_OFFSETS, SURE)
    assert fit.lines[0].ahead_seconds == pytest.approx(5000.0, abs=0.01)
    assert np.diag(nats).min() > 3.0
    assert nats[~np.eye(40, dtype=bool)].max() < -2.0


def test_offsets_count():
    offsets = np.full((40, 40), -7.0, np.float32)  # what is seen at 7 s is heard at 0 s: the recording began later
    _, (fit,) = clock_nats(files(BEGAN), files(BEGAN + 7.0, "Z"), offsets, SURE)
    assert fit.lines[0].ahead_seconds == pytest.approx(0.0, abs=0.01)


def test_a_pair_whose_offset_is_not_known_has_that_of_the_others():
    offsets = np.random.default_rng(3).uniform(-0.5, 0.5, (40, 40)).astype(np.float32)
    offsets[tuple(SURE.T)] = 1.5
    nats, _ = clock_nats(files(BEGAN), files(BEGAN - 1.5, "Z"), offsets, SURE)
    assert np.diag(nats).min() > 3.0
    assert nats[~np.eye(40, dtype=bool)].max() < -2.0


def test_a_clock_that_drifts_is_followed():
    nats, (fit,) = clock_nats(files(BEGAN), files(BEGAN * (1 + 300e-6) + 100.0, "Z"), NO_OFFSETS, SURE)
    assert fit.lines[0].drift == pytest.approx(300e-6, rel=0.2)
    assert np.diag(nats).min() > 2.0


def test_the_day_may_change():
    late = BEGAN + 12.2 * 3600
    nats, _ = clock_nats(files(late % SECONDS_PER_DAY), files((late + 3600) % SECONDS_PER_DAY, "Z"), NO_OFFSETS, SURE)
    assert np.diag(nats).min() > 3.0


def test_a_clock_that_was_set_in_between_gives_two_lines():
    times = np.where(np.arange(40) < 20, BEGAN, BEGAN + 4000.0)
    nats, (fit,) = clock_nats(files(times), files(BEGAN, "Z"), NO_OFFSETS, SURE)
    assert sorted(round(line.ahead_seconds) for line in fit.lines) == [-4000, 0]
    assert np.diag(nats).min() > 2.0


@pytest.mark.parametrize("kind", ["random", "frozen", "one frozen", "unknown"])
def test_clocks_that_say_nothing_abstain(kind):
    rng = np.random.default_rng(2)
    times = {"random": rng.uniform(0, 1e6, 40), "frozen": np.zeros(40), "one frozen": np.zeros(40)}.get(kind, BEGAN)
    others = np.zeros(40) if kind == "frozen" else BEGAN
    audios = [Origin("Z", "Z")] * 40 if kind == "unknown" else files(others, "Z", "modified")
    nats, fits = clock_nats(files(times, "C", "modified"), audios, NO_OFFSETS, SURE)
    assert not nats.any()
    assert fits == ()


def test_times_of_a_copy_abstain():
    rng = np.random.default_rng(5)
    ends = 1e9 + 0.1 * np.arange(40)
    nats, fits = clock_nats(
        files(ends - rng.uniform(8, 12, 40), "C", "modified"), files(ends + 2.0, "Z", "modified"), NO_OFFSETS, SURE
    )
    assert not nats.any()
    assert fits == ()


def test_wrong_sure_pairs_do_not_move_the_difference():
    wrong = SURE.copy()
    wrong[:6, 1] = (wrong[:6, 1] + 7) % 40
    nats, (fit,) = clock_nats(files(BEGAN), files(BEGAN - 60.0, "Z"), NO_OFFSETS, wrong)
    assert fit.lines[0].ahead_seconds == pytest.approx(-60.0, abs=0.5)
    assert np.diag(nats).min() > 2.0
    assert nats.max() <= MAX_NATS


def test_each_camera_has_its_own_difference():
    devices = np.where(np.arange(40) % 4 < 2, "A", "B")
    ahead = np.where(devices == "A", 0.0, -7200.0)
    videos = [
        Origin(str(number), device, {"created": time})
        for number, (device, time) in enumerate(zip(devices.tolist(), (BEGAN + ahead).tolist(), strict=True))
    ]
    nats, fits = clock_nats(videos, files(BEGAN, "Z", "created"), NO_OFFSETS, SURE)
    assert {fit.camera: round(fit.lines[0].ahead_seconds) for fit in fits} == {"A": 0, "B": 7200}
    assert np.diag(nats).min() > 2.0
