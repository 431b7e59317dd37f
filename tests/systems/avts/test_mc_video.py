"""Both towers: which blocks look over time, the published sizes, what comes out."""

import pytest
import torch
from torch import nn

from avmatch.core.errors import UsageError
from avmatch.systems.avts.model import KINDS, McVideo, McVideoConfig, SoundCnn, SoundCnnConfig, time_means


def num_weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("is_residual", [False, True])
@pytest.mark.parametrize(("kind", "num_3d"), KINDS.items())
def test_the_first_blocks_look_over_time_and_the_others_do_not(kind, num_3d, is_residual):
    network = McVideo(McVideoConfig(kind, is_residual, width=1 / 64))
    depths = [
        {layer.kernel_size[0] for layer in block.modules() if isinstance(layer, nn.Conv3d) and layer.kernel_size[1] > 1}
        for block in network.blocks
    ]
    assert depths == [{3}] * num_3d + [{1}] * (5 - num_3d)


def test_the_first_block_is_3_by_7_by_7_with_64_filters():
    first = McVideo(McVideoConfig()).blocks.conv_1[0]
    assert (first.kernel_size, first.out_channels, first.stride) == ((3, 7, 7), 64, (1, 2, 2))
    assert McVideo(McVideoConfig("2d", width=0.25)).blocks.conv_1[0].weight.shape == (16, 3, 1, 7, 7)


@pytest.mark.parametrize(("kind", "published"), [("mc3", 11_695_440), ("3d", 33_371_472)])
def test_the_residual_network_is_the_published_one(kind, published):
    """torchvision prints the sizes of its mc3_18 and r3d_18, with 400 classes behind 512 channels."""
    assert num_weights(McVideo(McVideoConfig(kind, is_residual=True)).blocks) == published - 400 * 513


@pytest.mark.parametrize("is_residual", [False, True])
def test_the_published_size_runs(is_residual):
    video, audio = McVideo(McVideoConfig(is_residual=is_residual)).eval(), SoundCnn(SoundCnnConfig()).eval()
    with torch.no_grad():
        assert video(torch.rand(1, 25, 112, 112, 3)).shape == (1, 128)
        assert audio(torch.rand(1, 99, 40)).shape == audio(torch.rand(1, 200, 40)).shape == (1, 128)
        assert SoundCnn(SoundCnnConfig(num_filters=99)).eval()(torch.rand(1, 200, 99)).shape == (1, 128)


@pytest.mark.parametrize(("kind", "reach"), [("2d", 0), ("mc2", 1), ("mc3", 2)])
def test_a_frame_reaches_as_far_as_the_blocks_over_time(kind, reach):
    network = McVideo(McVideoConfig(kind, width=1 / 32)).eval()
    frames = torch.rand(1, 9, 32, 32, 3)
    changed = frames.clone()
    changed[:, 4] = 1 - changed[:, 4]
    with torch.no_grad():
        apart = network.blocks(frames.permute(0, 4, 1, 2, 3)) - network.blocks(changed.permute(0, 4, 1, 2, 3))
    differs = (apart.abs() > 1e-7).any(dim=(1, 3, 4)) if apart.ndim == 4 else (apart.abs() > 1e-7).amax(dim=(1, 3, 4))
    assert differs[0].nonzero()[:, 0].tolist() == list(range(4 - reach, 5 + reach))


def test_features_are_what_the_head_takes():
    video = McVideo(McVideoConfig(width=1 / 16, num_stretches=3)).eval()
    audio = SoundCnn(SoundCnnConfig(width=1 / 16, num_stretches=2)).eval()
    for network, inputs in ((video, torch.rand(2, 8, 32, 32, 3)), (audio, torch.rand(2, 99, 40))):
        features = network.features(inputs)
        assert features.shape == (2, network.num_features)
        torch.testing.assert_close(network.head(features), network(inputs))


def test_stretches_of_time_keep_what_happens_when():
    ticks = torch.arange(14.0).reshape(1, 2, 7)
    found = time_means(ticks, 3)
    assert found.tolist() == [[0.5, 3.0, 5.5, 7.5, 10.0, 12.5]]
    torch.testing.assert_close(time_means(ticks, 1), ticks.mean(dim=2))
    torch.testing.assert_close(time_means(ticks, 7), ticks.flatten(1))


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_ticks_are_left_is_known_before(kind):
    config = McVideoConfig(kind, width=1 / 64, num_stretches=1)
    for num_frames in (1, 9, 12):
        with torch.no_grad():
            maps = McVideo(config).eval().blocks(torch.zeros(1, 3, num_frames, 32, 32))
        assert config.num_ticks(num_frames) == maps.shape[2]


@pytest.mark.parametrize(("num_filters", "num_frames"), [(24, 99), (40, 19)])
def test_too_little_to_take_means_of_is_refused(num_filters, num_frames):
    network = SoundCnn(SoundCnnConfig(num_filters, width=1 / 64)).eval()
    with pytest.raises(UsageError, match=r"3 ticks or bands can't be cut into \d stretches"):
        network(torch.rand(1, num_frames, num_filters))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is one of 2d, mc2, mc3, mc4, mc5, 3d, got 'mc9'"):
        McVideoConfig("mc9")
