from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from avmatch.core.errors import UsageError
from avmatch.metrics.classes import log_loss
from avmatch.systems.scenes.fusing import (
    METHODS,
    Predictions,
    cross_validated,
    fuse_predictions,
    log_weights,
    mixture_weights,
    read_predictions,
    write_predictions,
)
from scene_models import LABELS


def systems(num: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A good system, a worse one, and noise, of three classes."""
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=num)
    clues = [strength * np.eye(3)[label] + rng.standard_normal((num, 3)) for strength in (2.0, 1.0, 0.0)]
    return np.stack([softmax(clue, axis=1) for clue in clues]), label


def test_one_system_that_is_too_bold_gets_its_temperature_back():
    rng = np.random.default_rng(0)
    honest = 2 * rng.standard_normal((20_000, 4))
    label = np.array([rng.choice(4, p=own) for own in softmax(honest, axis=1)])
    assert log_weights((honest * 5)[None], label)[0] == pytest.approx(1 / 5, rel=0.03)


def test_the_likeliest_mixture_is_found():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(4, 0.3), (2, 20_000))
    source = rng.random(20_000) < 0.25
    label = np.array([rng.choice(4, p=probabilities[int(own), row]) for row, own in enumerate(source)])
    assert mixture_weights(probabilities, label) == pytest.approx([0.75, 0.25], abs=0.02)


def test_weights_are_a_minimum_of_the_log_loss():
    outputs, label = systems()
    way = METHODS["stacked"]
    weights = way.fit(outputs, label)
    best = log_loss(way.fuse(outputs, weights), label)
    for place in range(3):
        for step in (-0.02, 0.02):
            other = weights.copy()
            other[place] = max(0, other[place] + step)
            assert log_loss(way.fuse(outputs, other), label) >= best - 1e-9


def test_stacking_adds_independent_clues_and_leaves_noise_alone():
    outputs, label = systems()
    fold = np.arange(len(label)) % 5
    losses = {name: log_loss(cross_validated(way, outputs, label, fold), label) for name, way in METHODS.items()}
    alone = [log_loss(one, label) for one in outputs]
    assert losses["stacked"] < min(alone) < losses["mean"]
    assert losses["stacked"] < losses["weighted"] <= min(alone) + 0.01
    assert METHODS["stacked"].fit(outputs, label)[2] < 0.1


def test_cross_validation_leaves_out_the_fold_that_it_judges():
    outputs, label = systems(60)
    fold = np.repeat([0, 1], 30)
    way = METHODS["stacked"]
    weights = way.fit(outputs[:, fold == 0], label[fold == 0])
    found = cross_validated(way, outputs, label, fold)
    np.testing.assert_allclose(found[fold == 1], way.fuse(outputs[:, fold == 1], weights))


def test_equal_logits_fuse_to_the_same():
    logits = np.random.default_rng(0).standard_normal((50, 4))
    outputs = np.stack([softmax(logits, axis=1)] * 2)
    fused = METHODS["stacked"].fuse(outputs, np.array([0.5, 0.5]))
    np.testing.assert_allclose(np.log(fused), log_softmax(logits, axis=1), atol=1e-9)


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(UsageError, match="mean, weighted, stacked"):
        fuse_predictions(["a.csv", "b.csv"], "median")


def write_systems(folder: Path, *, labelled: bool = True) -> list[Path]:
    """A good system and a worse one, 40 locations, items in different orders."""
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=400)
    names = tuple(f"{LABELS[own]}-city-{row // 10}-{row}" for row, own in enumerate(label))
    paths = []
    for number, strength in enumerate((2.0, 1.0)):
        logits = strength * np.eye(3)[label] + rng.standard_normal((400, 3))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        order = rng.permutation(400)
        known = label if labelled else np.full(400, -1)
        path = folder / f"system{number}.csv"
        table = Predictions(tuple(names[row] for row in order), LABELS, probabilities[order], known[order])
        write_predictions(path, table)
        paths.append(path)
    return paths


def test_published_predictions_are_fused_whatever_their_order(tmp_path: Path):
    fused = fuse_predictions(write_systems(tmp_path), "stacked")
    systems = {Path(system.name).stem: system for system in fused.systems}
    assert fused.num_labelled == 400
    assert systems["stacked"].log_loss < systems["mean"].log_loss < systems["system1"].log_loss
    table = fused.predictions
    assert systems["stacked"].log_loss == pytest.approx(log_loss(table.probabilities, table.label))
    assert systems["stacked"].accuracy == (table.probabilities.argmax(axis=1) == table.label).mean()
    first = read_predictions(tmp_path / "system0.csv")
    assert table.names == first.names


def test_without_labels_only_the_mean_is_possible(tmp_path: Path):
    paths = write_systems(tmp_path, labelled=False)
    fused = fuse_predictions(paths)
    assert [system.accuracy for system in fused.systems] == [None] * 3
    with pytest.raises(UsageError, match="--how weighted is fitted to known classes"):
        fuse_predictions(paths, "weighted")


def test_tables_that_dont_belong_together_are_refused(tmp_path: Path):
    first, second = write_systems(tmp_path)
    with pytest.raises(UsageError, match="two prediction files or more"):
        fuse_predictions([first])
    lines = second.read_text(encoding="utf-8").splitlines(keepends=True)
    second.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UsageError, match=r"system1.csv: has other items: .* than .*system0.csv"):
        fuse_predictions([first, second])
