import json
from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import pytest

from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.data.items import Pairs, padded
from avmatch.pipelines.classify import classify, scene_results
from avmatch.systems.scenes import media as scene_media
from avmatch.systems.scenes import runtime as encoders
from avmatch.systems.scenes.media import by_second, read_scene_media
from avmatch.systems.scenes.runtime import load_scenes
from scene_models import LABELS, write_scene_model

BARK, CLOCK, TRAM = np.eye(3, dtype=np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_scene_model(tmp_path / "model")


def clip(path: Path, **sides: object) -> Path:
    np.savez(path, **{side: np.asarray(steps, np.float32) for side, steps in sides.items()})
    return path


def test_label_probabilities_and_what_carried_it(model: Path, tmp_path: Path):
    files = [
        clip(tmp_path / "sound.npz", audio=[3 * BARK], video=[CLOCK]),
        clip(tmp_path / "picture.npz", audio=[BARK], video=[3 * TRAM]),
        clip(tmp_path / "both.npz", audio=[BARK], video=[2 * BARK]),
        clip(tmp_path / "together.npz", audio=[3 * BARK + 2 * TRAM], video=[3 * CLOCK + 2 * TRAM]),
    ]
    results = classify(files, model)
    assert [(result.label, result.carried_by, result.status) for result in results] == [
        ("bark", "audio", "ok"),
        ("tram", "video", "ok"),
        ("bark", "both", "ok"),
        ("tram", "together", "ok"),
    ]
    wanted = np.exp([3, 1, 0]) / np.exp([3, 1, 0]).sum()
    assert list(results[0].probabilities.values()) == pytest.approx(wanted)
    assert tuple(results[0].probabilities) == LABELS


def test_a_missing_or_broken_side_is_a_normal_case_and_said(model: Path, tmp_path: Path):
    files = [
        clip(tmp_path / "deaf.npz", video=[CLOCK]),
        clip(tmp_path / "gap.npz", audio=[[np.nan, 0, 0]], video=[CLOCK]),
        clip(tmp_path / "other.npz", audio=[BARK], video=[[1, 2]]),
        clip(tmp_path / "nothing.npz", other=[BARK]),
    ]
    deaf, gap, other, nothing = classify(files, model)
    assert (deaf.label, deaf.carried_by, deaf.status, dict(deaf.missing)) == (
        "clock",
        "video",
        "partial",
        {"audio": "missing"},
    )
    assert gap.missing == {"audio": "broken: no step is finite"}
    assert (other.label, other.missing["video"]) == ("bark", "has 2 features a step, tiny takes 3")
    assert (nothing.label, nothing.status, nothing.probabilities) == (None, "failed", {})
    assert json.loads(nothing.to_json())["missing"] == {"audio": "missing", "video": "missing"}


def test_long_items_have_a_timeline(model: Path, tmp_path: Path):
    steps = [BARK] * 12 + [TRAM] * 8
    (long,) = classify([clip(tmp_path / "long.npz", audio=steps)], model)
    first, second = long.timeline
    assert (first.label, second.label, first.begin_seconds, second.end_seconds) == ("bark", "tram", 0.0, 10.0)
    assert first.end_seconds == second.begin_seconds == pytest.approx(6.0, abs=1.0)
    (short,) = classify([clip(tmp_path / "short.npz", audio=steps[:7])], model)
    assert short.timeline == ()


def test_the_end_of_a_long_item_is_classified(tmp_path: Path):
    model = write_scene_model(tmp_path / "model", window_steps=10)
    (long,) = classify([clip(tmp_path / "long.npz", audio=[BARK] * 20 + [9 * TRAM] * 4)], model)
    assert [span.label for span in long.timeline] == ["bark", "tram"]
    assert (long.timeline[0].begin_seconds, long.timeline[1].end_seconds) == (0.0, 12.0)


def test_the_timeline_has_gaps_where_both_sides_are_missing(model: Path, tmp_path: Path):
    gap = [[np.nan] * 3] * 12
    (long,) = classify([clip(tmp_path / "gap.npz", audio=[BARK] * 8 + gap + [BARK] * 8)], model)
    assert [(span.label, span.probability > 0.5) for span in long.timeline] == [("bark", True)] * 2
    first, second = long.timeline
    assert 4.0 <= first.end_seconds < 6.0
    assert 8.0 < second.begin_seconds <= 10.0


def test_large_sets_are_read_in_blocks(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = [clip(tmp_path / f"{row}.npz", audio=[step], video=[CLOCK]) for row, step in enumerate([BARK, TRAM] * 4)]
    whole = classify(files, model)
    monkeypatch.setattr(scene_media, "BLOCK", 3)
    assert classify(files, model) == whole


def test_a_side_that_cant_be_read_ends_no_batch(model: Path):
    class Damaged(tuple):
        def __getitem__(self, row: SupportsIndex) -> np.ndarray:  # type: ignore[override]
            if row == 0:
                raise MediaError("set.hdf5", "x can't be read", stage="open", reason="unreadable")
            return super().__getitem__(row)  # type: ignore[return-value]

    sound = BARK[None]
    pairs = Pairs((CLOCK[None], CLOCK[None]), Damaged((sound, sound)), ("x", "y"), np.arange(2), np.full(2, -1), ())
    first, second = scene_results(load_scenes(model), pairs)
    assert (first.label, dict(first.missing)) == ("clock", {"audio": "x can't be read"})
    assert second.status == "ok"


def test_short_items_arent_padded_to_the_longest(model: Path, monkeypatch: pytest.MonkeyPatch):
    loaded = load_scenes(model)
    clips = [
        np.tile(step, (length, 1)) for step, length in ((BARK, 1), (CLOCK, 60), (TRAM, 1), (BARK, 2), (CLOCK, 100))
    ]
    wanted = loaded.probabilities(clips, clips[::-1])
    shapes: list[tuple[int, ...]] = []

    def watched(clips: Sequence[np.ndarray], num_features: int) -> np.ndarray:
        shapes.append(padded(clips, num_features).shape)
        return padded(clips, num_features)

    monkeypatch.setattr(encoders, "BATCH_STEPS", 64)
    monkeypatch.setattr(encoders, "padded", watched)
    np.testing.assert_allclose(loaded.probabilities(clips, clips[::-1]), wanted)
    assert all(count * length <= 64 or count == 1 for count, length, _ in shapes)


def test_results_come_in_the_order_of_the_files(model: Path, tmp_path: Path):
    np.save(tmp_path / "a.npy", BARK[None])
    (tmp_path / "table.csv").write_text("audio,video\na.npy,\n", encoding="utf-8")
    clips = [clip(tmp_path / f"{name}.npz", audio=[CLOCK]) for name in "xy"]
    results = classify([clips[0], tmp_path / "table.csv", clips[1]], model)
    assert [result.path for result in results] == [str(clips[0]), "a.npy", str(clips[1])]


def test_the_side_that_a_model_doesnt_take_isnt_missing(tmp_path: Path):
    model = write_scene_model(tmp_path / "blind", sides=["audio"])
    sound = clip(tmp_path / "sound.npz", audio=[BARK])
    mixed = clip(tmp_path / "mixed.npz", audio=[TRAM], video=[[1, 2]] * 40)
    for result, label in zip(classify([sound, mixed], model), ("bark", "tram"), strict=True):
        assert (result.label, result.status, result.carried_by, result.timeline) == (label, "ok", "audio", ())


def test_a_table_without_paths_is_no_media_file(tmp_path: Path):
    model = write_scene_model(tmp_path / "model", front_end="signals")
    (tmp_path / "table.csv").write_text("audio,video\na.npy,\n", encoding="utf-8")
    with pytest.raises(UsageError, match="tiny takes media files, and folders and tables of them"):
        classify([tmp_path / "table.csv"], model)


def test_a_model_of_one_side_ignores_the_other(tmp_path: Path):
    model = write_scene_model(tmp_path / "deaf", sides=["video"])
    (result,) = classify([clip(tmp_path / "c.npz", audio=[9 * BARK], video=[CLOCK])], model)
    assert (result.label, result.carried_by) == ("clock", "video")


def test_what_a_model_cant_take_is_named(model: Path, tmp_path: Path):
    media = tmp_path / "clip.mp4"
    media.write_bytes(b"")
    with pytest.raises(UsageError, match="is media, and tiny takes features"):
        classify([media], model)
    with pytest.raises(ModelError, match="video has 2 features a step, tiny takes 3"):
        classify([clip(tmp_path / "c.npz", audio=[BARK], video=[[1, 2]])], model)
    with pytest.raises(UsageError, match="name files"):
        classify([], model)
    with pytest.raises(ModelError, match="no model there; give a run of `avmatch train` with the recipe `scene_…`"):
        classify([media], tmp_path / "nowhere")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["one"]},
        {"sides": ["smell"]},
        {"input": "frames", "kind": "scenes"},
        {"window_steps": 0},
        {"more": 1},
    ],
)
def test_a_graph_that_doesnt_say_what_it_is_is_refused(tmp_path: Path, changes: dict[str, object]):
    with pytest.raises(ModelError, match="no usable `avmatch` description"):
        load_scenes(write_scene_model(tmp_path, **changes))


def test_a_second_holds_mean_and_deviation_of_its_ticks():
    ticks = np.arange(10.0)[:, None]
    steps = by_second(ticks, 4.0, 0.5, with_deviation=True)
    np.testing.assert_allclose(steps[:, 0], [0.5, 3.5, 7.5])
    np.testing.assert_allclose(steps[:, 1], [0.5, np.std([2, 3, 4, 5]), np.std([6, 7, 8, 9])])
    early = by_second(ticks, 4.0, -1.0, with_deviation=False)
    np.testing.assert_allclose(early[:, 0], [5.5, 8.5])
    assert by_second(ticks[:1], 4.0, -1.0, with_deviation=False).shape == (0, 0)


def test_media_become_steps_a_second_and_a_broken_file_is_kept(media: Path, tmp_path: Path):
    for label, name in (("one", "good.mp4"), ("two", "broken.mp4")):
        (tmp_path / label).mkdir()
        (tmp_path / label / name).write_bytes((media / "good.mp4").read_bytes() if name == "good.mp4" else b"nothing")
    scenes = read_scene_media(tmp_path, "signals", None)
    assert scenes.label_names == ("one", "two")
    assert len(scenes.video[0]) >= 1
    assert not np.isnan(scenes.video[0]).all()
    broken = [fault for fault in scenes.faults if fault.name.endswith("broken.mp4")]
    assert [fault.side for fault in broken] == ["audio", "video"]
