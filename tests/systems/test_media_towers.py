"""The towers over frames and log-mel: unit vectors at every tick, of any length, that see only their surroundings."""

import pytest
import torch

from avmatch.systems.two_tower.model import FrameCnn, FrameCnnConfig, LogMelCnn, LogMelCnnConfig, TickHeadConfig

HEAD = TickHeadConfig(widths=(12, 12), kernel=3, dim=7)


@pytest.fixture
def video():
    torch.manual_seed(0)
    return FrameCnn(FrameCnnConfig(widths=(4, 8), head=HEAD)).eval()


@pytest.fixture
def audio():
    torch.manual_seed(0)
    return LogMelCnn(LogMelCnnConfig(widths=(8, 12), head=HEAD), mels_per_tick=20).eval()


@pytest.mark.parametrize("num_ticks", [1, 2, 9])
def test_a_unit_vector_for_each_tick(video, audio, num_ticks):
    for vectors in (video(torch.rand(3, num_ticks, 24, 32)), audio(torch.randn(3, num_ticks * 20, 64))):
        assert vectors.shape == (3, num_ticks, 7)
        torch.testing.assert_close(vectors.norm(dim=2), torch.ones(3, num_ticks))


def changed(tower, inputs, place):
    """Which ticks differ when one input tick does."""
    other = inputs.clone()
    other[:, place] += 1.0
    return ((tower(other) - tower(inputs)).abs().amax(dim=(0, 2)) > 1e-6).nonzero().ravel().tolist()


def test_a_frame_is_seen_by_its_surroundings_alone(video):
    """Two convolutions of three ticks reach two ticks; the difference to the frame before reaches one more behind."""
    assert changed(video, torch.rand(1, 15, 24, 24), 6) == [4, 5, 6, 7, 8, 9]


def test_a_sound_is_heard_at_its_own_tick(audio):
    """Log-mel tick 130 lies in the middle of tick 6."""
    assert changed(audio, torch.randn(1, 300, 64), 130) == [4, 5, 6, 7, 8]


def test_a_louder_sound_rises_as_much(audio):
    """Half of what the tower takes in doesn't know the level."""
    quiet = torch.randn(1, 200, 64)
    taken = []
    audio.normalise.register_forward_hook(lambda module, inputs, output: taken.append(inputs[0]))
    audio(quiet)
    audio(quiet + 2.0)
    torch.testing.assert_close(taken[0][:, 64:], taken[1][:, 64:])
    torch.testing.assert_close(taken[0][:, :64] + 2.0, taken[1][:, :64])


def test_all_parameters_learn(video, audio):
    for tower, inputs in ((video, torch.rand(2, 4, 24, 24)), (audio, torch.randn(2, 80, 64))):
        (tower.train()(inputs) * torch.randn(7)).sum().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in tower.parameters())
