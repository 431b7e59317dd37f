import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from avmatch.core.errors import UsageError
from avmatch.systems.scenes.model import (
    AUDIO_ONLY,
    BOTH,
    NOTHING,
    VIDEO_ONLY,
    AttentionConfig,
    AttentionPool,
    Discriminant,
    SceneAttention,
    SceneMixture,
    SceneStatistics,
    Side,
    Standard,
)
from avmatch.training.closed_forms import discriminants

CONFIG = AttentionConfig(width=8, num_heads=2, num_components=(3, 4))


def standard(size: int) -> Standard:
    return Standard(torch.zeros(size), torch.ones(size))


def network() -> SceneAttention:
    torch.manual_seed(0)
    sides = [Side(CONFIG, standard(size), torch.randn(size, num)) for size, num in ((3, 3), (5, 4))]
    found = SceneAttention(CONFIG, *sides, 4).eval()
    for side in sides:
        torch.nn.init.normal_(side.pool.query.weight)
    return found


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 6, 3, generator=generator), torch.randn(4, 2, 5, generator=generator)


def test_attention_begins_as_the_mean_over_the_steps_that_are_there():
    steps = torch.randn(2, 5, 8)
    there = torch.tensor([[True] * 5, [True, False, True, False, False]])
    found = AttentionPool(8, 2, 5.0)(steps, there)
    torch.testing.assert_close(found[0], steps[0].mean(dim=0))
    torch.testing.assert_close(found[1], steps[1, [0, 2]].mean(dim=0))


def test_steps_that_arent_there_change_nothing_wherever_they_stand():
    audio, video = inputs()
    gaps = torch.full((4, 3, 3), torch.nan)
    longer = torch.cat((audio[:, :2], gaps, audio[:, 2:], gaps), dim=1)
    torch.testing.assert_close(network()(longer, video), network()(audio, video))


def test_a_side_that_isnt_there_adds_no_logits_of_its_own():
    audio, video = inputs()
    audio[1] = torch.nan
    parts = network()(audio, video)
    assert parts.isfinite().all()
    assert (parts[0, 1] == 0).all()
    assert (parts[:, 0] != 0).all()


def test_width_must_be_shared_by_the_heads():
    with pytest.raises(UsageError, match="multiple of num_heads"):
        AttentionConfig(width=10, num_heads=4)


def test_discriminants_are_scikit_learns():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=200)
    points = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)) + 2 * np.eye(3)[label] @ rng.standard_normal(
        (3, 6)
    )
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(points, label)
    ours = discriminants(points, label, 3, 0.3, np.ones(6, bool))
    found = points @ ours.weights + ours.bias
    np.testing.assert_allclose(found, theirs.decision_function(points), atol=1e-6)


def test_a_class_without_items_never_wins():
    rng = np.random.default_rng(0)
    label, points = rng.integers(2, size=200), 1 + 0.1 * rng.standard_normal((200, 60))
    found = discriminants(points, label, 3, 0.3, np.ones(60, bool))
    logits = rng.standard_normal((50, 60)) * np.array([0.0, *[1.0] * 49])[:, None] @ found.weights + found.bias
    assert (logits[:, 2] < logits[:, :2].max(axis=1) - 10).all()


def test_discriminants_of_some_columns_leave_the_others_alone():
    rng = np.random.default_rng(0)
    label, points = rng.integers(2, size=50), rng.standard_normal((50, 4))
    columns = np.array([True, False, True, False])
    some, alone = (
        discriminants(points, label, 2, 0.5, columns),
        discriminants(points[:, columns], label, 2, 0.5, np.ones(2, bool)),
    )
    np.testing.assert_allclose(some.weights[columns], alone.weights)
    assert (some.weights[~columns] == 0).all()
    nothing = discriminants(points, label, 2, 0.5, np.zeros(4, bool))
    np.testing.assert_allclose(np.exp(nothing.bias), np.bincount(label) / 50, atol=1e-6)


def mixture() -> SceneMixture:
    weights = torch.stack([torch.full((16, 4), float(case)) for case in range(4)])
    biases = torch.stack([torch.arange(4.0) + 10 * case for case in range(4)])
    return SceneMixture([network()], SceneStatistics(standard(3), standard(5)), Discriminant(weights, biases)).eval()


def cases() -> tuple[torch.Tensor, torch.Tensor]:
    """Both sides, audio alone, video alone, nothing."""
    audio, video = inputs()
    audio[2:], video[1], video[3] = torch.nan, torch.nan, torch.nan
    audio[2], video[2] = torch.nan, torch.randn(2, 5)
    return audio, video


def test_what_is_there_chooses_the_discriminants():
    found = mixture()
    statistics, case = found.statistics(*cases())
    assert case.tolist() == [BOTH, AUDIO_ONLY, VIDEO_ONLY, NOTHING]
    logits = found.discriminant(statistics, case)
    for row in range(4):
        wanted = row * statistics[row].sum() + torch.arange(4.0) + 10 * row
        torch.testing.assert_close(logits[row], wanted, atol=1e-4, rtol=1e-4)


def test_weights_of_the_case_weigh_the_parts():
    found = mixture()
    audio, video = cases()
    torch.testing.assert_close(found(audio, video)[0], network()(audio, video).sum(dim=0)[0])
    found.weights[AUDIO_ONLY] = torch.tensor([0.5, 0.0, 2.0, 1.0])
    parts = network()(audio, video)[:, 1]
    linear = found.discriminant(*found.statistics(audio, video))[1]
    torch.testing.assert_close(found(audio, video)[1], 0.5 * parts[0] + 2 * parts[2] + linear)


def test_without_either_side_the_answer_is_the_shares_of_the_classes():
    found = mixture()
    torch.testing.assert_close(found(*cases())[3], torch.arange(4.0) + 30)
