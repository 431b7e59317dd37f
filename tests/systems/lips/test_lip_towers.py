"""Towers for talking faces: their sums, their clocks, and what they don't depend on."""

import copy

import pytest
import torch
from torch import nn

from avmatch.systems.lips.model import LipCnn, LipCnnConfig, TcnConfig, VoiceCnn, VoiceCnnConfig, _Residual

TCN = TcnConfig(width=8, dilations=(1, 2), dim=6)


@pytest.fixture
def lips():
    torch.manual_seed(0)
    return LipCnn(LipCnnConfig(first=3, widths=(4, 6), side_px=16, tcn=TCN)).eval()


@pytest.fixture
def voice():
    torch.manual_seed(0)
    return VoiceCnn(VoiceCnnConfig(widths=(2, 3, 4, 5), tcn=TCN)).eval()


def test_the_first_layer_is_a_convolution_over_space_and_time(lips):
    frames = torch.randn(2, 7, 16, 16)
    weight = lips.first[0].weight
    whole = nn.functional.conv3d(frames[:, None], weight[:, None], stride=(1, 2, 2), padding=2)
    padded = nn.functional.pad(frames, (0, 0, 0, 0, 2, 2))
    around = torch.stack([padded[:, step : step + 7] for step in range(5)], dim=2).flatten(0, 1)
    found = lips.first[0](around).reshape(2, 7, *whole.shape[1:2], *whole.shape[3:])
    torch.testing.assert_close(found, whole.transpose(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ticks", [1, 2, 9])
def test_unit_vectors_at_every_tick(lips, voice, ticks):
    video_vectors, audio_vectors = lips(torch.rand(2, ticks, 16, 16)), voice(torch.randn(2, 4 * ticks, 64))
    assert video_vectors.shape == audio_vectors.shape == (2, ticks, 6)
    torch.testing.assert_close(video_vectors.norm(dim=2), torch.ones(2, ticks))
    torch.testing.assert_close(audio_vectors.norm(dim=2), torch.ones(2, ticks))


def test_light_and_contrast_make_no_difference(lips):
    frames = torch.rand(1, 6, 16, 16)
    torch.testing.assert_close(lips(0.3 + 0.4 * frames), lips(frames), atol=0.05, rtol=0.05)


def test_a_tick_hears_only_its_surroundings(voice):
    mel = torch.randn(1, 160, 64)
    changed = mel.clone()
    changed[:, :40] += 1.0
    moved = (voice(mel) - voice(changed)).abs().amax(dim=2)[0]
    assert moved[:10].max() > 1e-3
    assert moved[16:].max() < 1e-6


def test_every_parameter_learns(lips, voice):
    lips.train(), voice.train()
    similarity = lips(torch.rand(3, 5, 16, 16)) @ voice(torch.randn(3, 20, 64)).transpose(1, 2)
    similarity.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for m in (lips, voice) for p in m.parameters())


@pytest.mark.parametrize("num_channels", [1, 2, 3, 7, 8, 15, 16, 24])
def test_gradients_of_a_strided_shortcut_are_those_of_double_precision(num_channels):
    """With few channels oneDNN's are wrong, or it breaks the heap (decision 0013); doubles don't go through it."""
    torch.manual_seed(0)
    block, images = _Residual(num_channels, 5, 2), torch.randn(24, num_channels, 20, 20)
    exact, gradients = copy.deepcopy(block).double(), []
    for layer, pixels in ((block, images.contiguous(memory_format=torch.channels_last)), (exact, images.double())):
        layer(pixels).square().mean().backward()
        gradients.append([parameter.grad.double() for parameter in layer.parameters()])
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
    weight = exact.shortcut[0].weight
    strided = nn.functional.conv2d(images.double(), weight, stride=2)
    torch.testing.assert_close(exact.shortcut[0](exact.kept(images.double())), strided)
