"""Networks for impacts: the published size, shapes, and what must not matter."""

import pytest
import torch

from avmatch.core.errors import UsageError
from avmatch.systems.collisions.model import (
    CentroidMlpConfig,
    Frames3dConfig,
    PictureCnn,
    PictureCnnConfig,
    ResNetConfig,
    SpectrogramResNet,
)

#: ResNet-18.
PUBLISHED = ResNetConfig((64, 128, 256, 512), (2, 2, 2, 2), first_kernel=7, first_pool=True, dropout=0.0)


def test_the_published_resnet_takes_the_whole_spectrogram():
    """ResNet-18: 11.18 million weights with 3 channels and without its last layer."""
    network = SpectrogramResNet(PUBLISHED, 4, 10).eval()
    body = sum(one.numel() for part in (network.stem, network.stages) for one in part.parameters())
    assert body - 64 * 49 - 2 * 4 == 11_176_512  # one channel more, and its BatchNorm
    with torch.no_grad():
        assert network(torch.randn(1, 4, 513, 196)).shape == (1, 10)


@pytest.mark.parametrize("differences", [False, True])
def test_the_small_resnet_takes_pooled_bands(differences):
    network = SpectrogramResNet(ResNetConfig((4, 8), (1, 1), differences=differences), 4, 3).eval()
    assert network(torch.randn(2, 4, 128, 98)).shape == (2, 3)


def test_towers_of_films_give_vectors():
    assert CentroidMlpConfig().network(6).eval()(torch.rand(2, 70) * 440).shape == (2, 6)
    assert Frames3dConfig((2, 4, 4, 4)).network(6).eval()(torch.rand(2, 35, 44, 44) * 255).shape == (2, 6)


def test_the_order_of_the_pictures_does_not_matter():
    network = PictureCnn(PictureCnnConfig((4, 8)), 3).eval()
    crops = torch.rand(2, 4, 48, 48, 4) * 255
    with torch.no_grad():
        torch.testing.assert_close(network(crops), network(crops.flip(1)))


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="of one length"):
        ResNetConfig((4, 8), (1,))
