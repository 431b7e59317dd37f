"""The published layer tables: parameters counted by hand, shapes, and what a vector depends on."""

import pytest
import torch
from torch import nn

from avmatch.systems.lips.model import VggMConfig, VggMPicture, VggMSound

REDUCED = VggMConfig(side_px=96, colours=1, width=0.5, dim=512)
TINY = VggMConfig(side_px=51, colours=1, width=1 / 32, dim=6)


def convolution(before, after, rows, columns):
    """Weights and bias, and what normalisation adds."""
    return before * after * rows * columns + after + 2 * after


def num_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


HEAD = (512 * 512 + 512) + 2 * 512 + (512 * 1024 + 1024)
PICTURE = (
    convolution(3 * 5, 96, 7, 7)
    + convolution(96, 256, 5, 5)
    + 3 * convolution(256, 256, 3, 3)
    + convolution(256, 512, 6, 6)
    + HEAD
)
SOUND = (
    convolution(1, 64, 3, 3)
    + convolution(64, 192, 3, 3)
    + convolution(192, 384, 3, 3)
    + convolution(384, 256, 3, 3)
    + convolution(256, 256, 3, 3)
    + convolution(256, 512, 5, 4)
    + HEAD
)


def test_the_published_size_has_the_published_parameters():
    assert num_parameters(VggMPicture(VggMConfig())) == PICTURE == 7966912
    assert num_parameters(VggMSound(VggMConfig())) == SOUND == 5664704


def test_the_published_size_takes_five_colour_frames_and_twenty_steps():
    with torch.no_grad():
        video_vectors = VggMPicture(VggMConfig()).eval()(torch.rand(1, 5, 3, 224, 224))
        audio_vectors = VggMSound(VggMConfig()).eval()(torch.randn(1, 20, 13))
    assert video_vectors.shape == audio_vectors.shape == (1, 1, 1024)


def layer_shapes(network, images):
    """Height, width and channels after each convolution and pooling."""
    shapes = []
    for layer in network.layers:
        images = layer(images)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            shapes.append((*images.shape[2:], images.shape[1]))
    return shapes


def test_layers_have_the_sizes_of_the_table():
    with torch.no_grad():
        of_video = layer_shapes(VggMPicture(VggMConfig()).eval(), torch.rand(1, 15, 224, 224))
        of_audio = layer_shapes(VggMSound(VggMConfig()).eval(), torch.randn(1, 1, 13, 20))
    sides, channels = (109, 54, 26, 13, 13, 13, 13, 6, 1), (96, 96, 256, 256, 256, 256, 256, 256, 512)
    assert of_video == [(side, side, num) for side, num in zip(sides, channels, strict=True)]
    assert of_audio == [
        (13, 20, 64), (13, 20, 192), (11, 9, 192), (11, 9, 384), (11, 9, 256), (11, 9, 256), (5, 4, 256), (1, 1, 512),
    ]  # fmt: skip


def test_the_reduced_size_is_the_same_code():
    picture, sound = VggMPicture(REDUCED), VggMSound(REDUCED)
    assert picture.layers[0].weight.shape == (48, 5, 7, 7)
    assert sound.layers[-3].weight.shape == (256, 128, 5, 4)
    assert picture(torch.rand(2, 6, 96, 96)).shape == sound(torch.randn(2, 24, 13)).shape == (2, 2, 512)


def test_the_first_layer_is_a_convolution_over_space_and_time():
    torch.manual_seed(0)
    picture = VggMPicture(VggMConfig(side_px=51, colours=3, width=1 / 32, dim=6))
    first, frames = picture.layers[0], torch.rand(1, 5, 3, 51, 51)
    over_time = first.weight.reshape(3, 5, 3, 7, 7).transpose(1, 2)
    wanted = nn.functional.conv3d(frames.transpose(1, 2), over_time, first.bias, stride=(1, 2, 2))
    torch.testing.assert_close(first(frames.flatten(1, 2)), wanted[:, :, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "stream", "per_tick"),
    [(VggMPicture, torch.rand(2, 9, 51, 51), 1), (VggMSound, torch.randn(2, 36, 13), 4)],
)
def test_a_clip_at_once_gives_what_its_windows_give(network, stream, per_tick):
    torch.manual_seed(0)
    tower = network(TINY).eval()
    whole = tower(stream)
    assert whole.shape == (2, 5, 6)
    for tick in range(5):
        part = tower(stream[:, per_tick * tick : per_tick * (tick + 5)])
        torch.testing.assert_close(whole[:, tick : tick + 1], part, rtol=1e-4, atol=1e-5)


def shared_and_windowed():
    torch.manual_seed(0)
    shared = VggMSound(VggMConfig(51, 1, 1 / 32, 6, shared=True)).eval()
    windowed = VggMSound(TINY).eval()
    windowed.load_state_dict(shared.state_dict())
    return shared, windowed


def test_a_shared_sound_has_the_weights_and_the_single_window_of_the_published():
    shared, windowed = shared_and_windowed()
    mfcc = torch.randn(2, 20, 13)
    torch.testing.assert_close(shared(mfcc), windowed(mfcc))


def test_a_shared_sound_sees_35_steps():
    shared, _ = shared_and_windowed()
    mfcc = torch.randn(1, 60, 13, requires_grad=True)
    shared(mfcc)[0, 5].sum().backward()
    reached = torch.nonzero(mfcc.grad[0].abs().sum(dim=1)).flatten()
    assert (int(reached.min()), int(reached.max())) == (20 - 8, 20 + 26)


def test_vectors_have_length_1_where_that_is_wanted():
    frames = torch.rand(1, 7, 51, 51)
    unit = VggMPicture(VggMConfig(51, 1, 1 / 32, 6, unit=True)).eval()
    torch.testing.assert_close(unit(frames).norm(dim=2), torch.ones(1, 3))


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="side_px must be at least 51"):
        VggMPicture(VggMConfig(side_px=50))


def test_vectors_begin_about_1_apart():
    torch.manual_seed(0)
    video_vectors = VggMPicture(REDUCED)(torch.rand(4, 8, 96, 96)).flatten(0, 1)
    audio_vectors = VggMSound(REDUCED)(torch.randn(4, 32, 13)).flatten(0, 1)
    assert 0.7 < torch.cdist(video_vectors, audio_vectors).mean() < 1.4
