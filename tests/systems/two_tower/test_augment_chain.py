"""A configuration augments as often as it says, by default never, and can be written as JSON."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.systems.two_tower.augmentation import FeatureAugmentation, PictureAugmentation, SpectrogramAugmentation

#: With settings that change something whenever a step is taken.
CHAINS = {
    "spectrogram": SpectrogramAugmentation(num_time_masks=8),
    "features": FeatureAugmentation(max_shift_steps=1000, drop_share=1.0),
    "picture": PictureAugmentation(rate_kept_share=(0.4, 0.5)),
}
STEPS = [
    (kind, field.name)
    for kind, chain in CHAINS.items()
    for field in fields(chain)
    if field.name.endswith("_probability")
]


def generator(seed=0):
    return np.random.default_rng(seed)


def example(kind):
    shape = {"spectrogram": (50, 16), "features": (10, 4), "picture": (6, 24, 32)}[kind]
    noise = generator(7).standard_normal(shape, np.float32)
    return (60 * noise + 128).clip(0, 255).astype(np.uint8) if kind == "picture" else noise


def always(chain):
    steps = [field.name for field in fields(chain) if field.name.endswith("_probability")]
    return replace(chain, **dict.fromkeys(steps, 1.0))


@pytest.mark.parametrize("kind", CHAINS)
def test_by_default_nothing_changes(kind):
    for seed in range(20):
        np.testing.assert_array_equal(CHAINS[kind](generator(seed), example(kind)), example(kind))


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_probabilities_are_honoured(kind, step):
    chain, rng = replace(CHAINS[kind], **{step: 0.3}), generator(11)
    num_changed = sum(not np.array_equal(chain(rng, example(kind)), example(kind)) for _ in range(200))
    assert 60 - 26 <= num_changed <= 60 + 26  # four deviations of the binomial


@pytest.mark.parametrize("kind", CHAINS)
def test_all_steps_together_reproduce_and_leave_the_input(kind):
    chain, before = always(CHAINS[kind]), example(kind)
    first, again, other = (chain(generator(seed), example(kind)) for seed in (1, 1, 2))
    assert (first.shape, first.dtype) == (before.shape, before.dtype)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(before, example(kind))


@pytest.mark.parametrize("kind", CHAINS)
def test_json_holds_a_chain(kind):
    read = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(json.dumps(asdict(CHAINS[kind]))).items()
    }
    assert type(CHAINS[kind])(**read) == CHAINS[kind]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SpectrogramAugmentation(max_time=-1), "max_time must not be negative, got -1"),
        (lambda: FeatureAugmentation(drop_share=float("nan")), "drop_share must go from low to high, got nan"),
        (lambda: PictureAugmentation(rate_kept_share=(0.5, 1.1)), r"rate_kept_share must be within 0…1"),
        (lambda: PictureAugmentation(blur_sigma_px=(0.0, 1.0)), "blur_sigma_px must be positive"),
    ],
)
def test_impossible_settings_are_refused(build, message):
    with pytest.raises(UsageError, match=message):
        build()
