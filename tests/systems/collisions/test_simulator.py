"""The simulated tray: textbook cases of its motion, what microphones hear, and the files that come of it."""

import json
import pickle

import cv2
import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.systems.collisions.data import CLASSES, list_task, list_training, read_sound, read_video
from avmatch.systems.collisions.frontends import impact_sound
from avmatch.systems.collisions.simulator.folder import TiltConfig, synthesise_collisions
from avmatch.systems.collisions.simulator.recording import MICROPHONES_M, SOUND_M_S, drawn_room, recorded
from avmatch.systems.collisions.simulator.world import (
    BODIES,
    GRAVITY,
    HALF_M,
    PX_PER_M,
    STEP_SECONDS,
    Slide,
    draw_start,
    read_starts,
    simulate,
)

SUDDEN = 1e-6
SPRAY, BALL, BRICK = BODIES[8], BODIES[1], BODIES[0]


def one(body, start, tilt, seconds=3.0):
    return simulate([body], [Slide(*start, *tilt)], seconds)[0]


def test_a_slide_is_uniformly_accelerated():
    """s = ½ g (sin α − μ cos α) t², until the wall."""
    angle = 0.3
    motion = one(SPRAY, (-0.1, 0.0, 0.0), (angle, 0.0, SUDDEN))
    speeding = GRAVITY * (np.sin(angle) - SPRAY.friction * np.cos(angle))
    way = HALF_M - SPRAY.radius_m + 0.1
    assert motion.hits[0].seconds == pytest.approx(np.sqrt(2 * way / speeding), abs=0.005)
    assert motion.hits[0].speed_m_s == pytest.approx(np.sqrt(2 * way * speeding), rel=0.01)
    times = np.arange(200) * STEP_SECONDS
    np.testing.assert_allclose(motion.place_m[:200, 0], -0.1 + 0.5 * speeding * times**2, atol=1e-3)


def test_friction_holds_what_lies_flat_enough():
    steep = np.arctan(1.2 * BRICK.friction)
    held = one(BRICK, (0.0, 0.0, 1.0), (0.98 * steep, 0.0, SUDDEN))
    assert not held.speed_m_s.any()
    assert not held.hits
    assert one(BRICK, (0.0, 0.0, 1.0), (1.02 * steep, 0.0, SUDDEN)).hits


def test_walls_give_back_their_share():
    """The second hit is as hard as the rebound from the first, less friction on the way out and back."""
    motion = one(BALL, (0.0, 0.0, 0.0), (0.1, 0.0, SUDDEN))
    first, second = motion.hits[:2]
    out, back = (GRAVITY * (np.sin(0.1) + sign * BALL.friction * np.cos(0.1)) for sign in (1, -1))
    rebound = BALL.restitution * first.speed_m_s
    assert second.speed_m_s == pytest.approx(rebound * np.sqrt(back / out), rel=0.03)
    assert second.seconds - first.seconds == pytest.approx(rebound / out + second.speed_m_s / back, abs=0.01)
    assert first.x_m == pytest.approx(HALF_M)
    assert first.y_m == 0.0


def test_nothing_leaves_the_tray_and_everything_comes_to_rest():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-np.pi, np.pi, 10).tolist()
    tilts = [float(np.arctan(1.2 * body.friction) + 0.1) for body in BODIES]
    slides = [Slide(0.0, 0.0, angle, tilt, 0.2, 0.4) for angle, tilt in zip(angles, tilts, strict=True)]
    for body, motion in zip(BODIES, simulate(BODIES, slides, 8.0), strict=True):
        assert np.abs(motion.place_m).max() <= HALF_M - body.radius_m + 1e-9
        assert motion.speed_m_s[-200:].max() < 0.05


def test_an_object_moves_alike_whoever_is_beside_it():
    slides = [Slide(0.01 * n, -0.02 * n, 0.7 * n, 0.5, 0.1 * n, 0.3, 0.1) for n in range(10)]
    together = simulate(BODIES, slides, 2.0)
    for number in (0, 9):
        own = slice(number, number + 1)
        alone = simulate(BODIES[own], slides[own], 2.0)
        np.testing.assert_array_equal(alone[0].place_m, together[number].place_m)
        assert alone[0].hits == together[number].hits


@pytest.mark.parametrize("angle", [0.6, -0.6, 1.2, -1.2, 2.5, -2.5])
def test_a_glancing_hit_gives_spin_by_its_torque(angle):
    """Arm × what friction took; turns go from x towards y, as the pictures' do."""
    motion = one(BALL, (0.0, 0.0, angle), (0.15, 0.0, SUDDEN))
    hit = motion.hits[0]
    step = round(hit.seconds / STEP_SECONDS)
    arm = np.array([hit.x_m, hit.y_m]) - motion.place_m[step]
    before, after = (np.diff(motion.place_m[step + shift : step + shift + 2], axis=0)[0] for shift in (-2, 1))
    torque = arm[0] * (after - before)[1] - arm[1] * (after - before)[0]
    assert motion.turn_radians[step - 1] == 0
    assert motion.turn_radians[step + 50] * torque > 0


def test_microphones_hear_a_hit_when_and_as_loud_as_it_is_near():
    motion = one(SPRAY, (-0.05, 0.05, 0.0), (0.35, 0.0, SUDDEN))
    rng = np.random.default_rng(0)
    found = impact_sound(
        np.ascontiguousarray(recorded(SPRAY, motion, drawn_room(rng), motion.hardest.seconds - 1.5, rng).T)
    )
    hit = motion.hardest
    distance = np.linalg.norm(MICROPHONES_M - (hit.x_m, hit.y_m, 0), axis=1)
    assert found.impact_seconds == pytest.approx(1.5, abs=0.005)
    np.testing.assert_allclose(found.arrival_seconds, (distance - distance.mean()) / SOUND_M_S, atol=6e-5)
    assert found.levels[8].argmax() == distance.argmin()


def test_a_slide_is_heard_before_its_hit():
    motion = one(SPRAY, (-0.1, 0.0, 0.0), (0.35, 0.5, 0.3))
    rng = np.random.default_rng(0)
    sound = recorded(SPRAY, motion, drawn_room(rng), motion.hardest.seconds - 2.0, rng)
    rests, slides = (np.square(sound[begin : begin + 6000]).mean() for begin in (10_000, 80_000))
    assert slides > 4 * rests
    assert np.abs(sound).max() <= 1


def read_all(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tray(tmp_path_factory):
    """A small set."""
    folder = tmp_path_factory.mktemp("tray")
    synthesise_collisions(folder, TiltConfig(1, 3, num_sounds=2, num_groups=1, group_size=3))
    return folder


def test_the_layout_is_the_real_one(tray):
    segments, notes = list_training(tray)
    assert [segment.label for segment in segments] == list(range(10))
    assert not notes
    held = pickle.loads(segments[0].sound.read_bytes())
    assert (held["audio"].dtype, held["audio"].shape[1], held["audio_samplerate"]) == (np.float32, 4, 44100)
    picture = cv2.imread(str(segments[0].film.frames[0][0]))
    assert picture.shape == (480, 640, 3)
    film = read_video(segments[0].film)
    assert set(np.unique(film.masks)) == {0, 255}
    assert 18 <= len(film.masks) <= 35
    truth = json.loads((tray / "truth.json").read_text())
    assert set(truth) == {"task1", "task2", "task3"}
    assert sorted(truth["task2"]["0"].values()) == [0, 1, 2]
    assert list(truth["task3"]["0"].values()).count(-1) == 1
    for task in (1, 2, 3):
        groups, _ = list_task(tray, task)
        expected = truth[f"task{task}"]
        assert {path.name for path in groups[0].sounds} == set(expected if task == 1 else expected["0"])


def test_the_mask_is_where_the_rgb_shows_the_object(tray):
    segment = list_training(tray)[0][9]  # the yellow block
    rgb, mask = segment.film.frames[-1]
    colours = cv2.imread(str(rgb))[20:-20, 100:-100].astype(int)
    yellow = (colours[..., 2] - colours[..., 0]) > 110
    shown = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 0
    assert (yellow & shown).sum() > 0.9 * (yellow | shown).sum()


def test_the_same_seed_gives_the_same_files_whoever_writes_them(tray, tmp_path):
    synthesise_collisions(tmp_path, TiltConfig(1, 3, num_sounds=2, num_groups=1, group_size=3, num_workers=2))
    assert read_all(tmp_path) == read_all(tray)


def test_what_is_there_stays(tray):
    with pytest.raises(UsageError, match="exists; name another"):
        synthesise_collisions(tray, TiltConfig(1))


@pytest.mark.parametrize("settings", [{"per_class": -1}, {"alone_share": 1.5}, {"group_size": 0}])
def test_impossible_sets_are_refused(settings):
    with pytest.raises(UsageError, match="got TiltConfig"):
        TiltConfig(**{"per_class": 1} | settings)


def test_starts_are_drawn_of_a_file(tmp_path):
    path = tmp_path / "segments.json"
    moves = {name: {"3": [[100, 200], [300, 250], 14.0], "4": [[50, 50], [51, 50], 0.0]} for name in CLASSES}
    path.write_text(json.dumps(moves))
    x_m, _, angle_radians = draw_start(read_starts(path), 4, 0.15, np.random.default_rng(0))
    assert (x_m, angle_radians) == pytest.approx(((100 - 222) / PX_PER_M, np.radians(14.0)))
    path.write_text(json.dumps({"strawberry": {}}))
    with pytest.raises(UsageError, match="expected JSON of class"):
        read_starts(path)


def test_starts_by_the_law_lie_on_the_tray_and_mostly_at_walls():
    rng = np.random.default_rng(0)
    places = np.array([draw_start((), 0, 0.12, rng)[:2] for _ in range(500)])
    assert np.abs(places).max() <= 0.12
    assert 0.8 < (np.abs(places).max(axis=1) > 0.1).mean() < 0.98


@pytest.mark.shared
def test_real_starts_give_impacts(shared_data, tmp_path):
    segments = str(shared_data / "tiltbot" / "segments.json")
    assert synthesise_collisions(tmp_path, TiltConfig(1, 0, segments, num_sounds=0, num_groups=0)) == 10
    for segment in list_training(tmp_path)[0]:
        assert read_sound(segment.sound)[0].data.shape[0] == 4
