"""The published networks, layer by layer."""

import numpy as np
import pytest
import torch
from torch import nn

from avmatch.core.errors import UsageError
from avmatch.systems.scenes.model import KINDS, Fusion, Standard, block, masked_deviation, masked_mean
from avmatch.systems.scenes.task import FusedScenes


def standard(size: int) -> Standard:
    return Standard(torch.linspace(-1, 1, size), torch.linspace(0.5, 2, size))


def network(kind: str, average: str = "logits") -> Fusion:
    torch.manual_seed(0)
    return Fusion(kind, standard(6), standard(8), 5, average).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 7, 6, generator=generator), torch.randn(4, 3, 8, generator=generator)


def words_of(layers: nn.Module) -> list[str]:
    """Each layer in a word."""
    found = []
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            found.append(f"{layer.in_features}-{layer.out_features}")
        elif isinstance(layer, nn.Dropout):
            found.append(f"dropout {layer.p}")
        elif isinstance(layer, nn.BatchNorm1d):
            found.append(f"norm {layer.num_features}")
        elif isinstance(layer, nn.ReLU):
            found.append("relu")
    return found


def of_block(num_in: int, num_out: int) -> list[str]:
    return [f"{num_in}-{num_out}", f"norm {num_out}", "relu", "dropout 0.2"]


def of_embed(num_in: int) -> list[str]:
    return [*of_block(num_in, 512), "512-128"]


HEAD = ["128-128", "128-5"]
LAYERS = {
    "audio": [*of_embed(6), *HEAD],
    "video": [*of_embed(8), *HEAD],
    "early": [*of_block(14, 1024), *of_block(1024, 512), *of_block(512, 256), "256-128", "128-5"],
    "middle": [*of_embed(6), *of_embed(8), "256-128", "128-5"],
    "late": [*of_embed(6), *of_embed(8), *HEAD, *HEAD],
    "hybrid": [*of_embed(6), *of_embed(8), *HEAD, *HEAD, "256-128", "128-5"],
}


def test_a_block_is_linear_norm_relu_dropout():
    assert words_of(block(3, 4)) == of_block(3, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_the_published_ones(kind: str):
    assert words_of(network(kind)) == LAYERS[kind]
    assert network(kind)(*inputs()).shape == (4, 5)


def test_late_is_the_mean_of_the_logits_or_of_the_probabilities():
    audio, video = inputs()
    logits, probabilities = network("late"), network("late", "probabilities")
    probabilities.load_state_dict(logits.state_dict())
    averages = [masked_mean(*logits.audio(audio)), masked_mean(*logits.video(video))]
    parts = [head(embed(average)) for head, embed, average in zip(logits.heads, logits.embeds, averages, strict=True)]
    torch.testing.assert_close(logits(audio, video), (parts[0] + parts[1]) / 2)
    wanted = (parts[0].softmax(dim=1) + parts[1].softmax(dim=1)) / 2
    torch.testing.assert_close(probabilities(audio, video).exp(), wanted)


def test_hybrid_is_four_fifths_late_and_one_fifth_joint():
    audio, video = inputs()
    hybrid, late = network("hybrid"), network("late")
    late.load_state_dict({name: value for name, value in hybrid.state_dict().items() if not name.startswith("joint")})
    averages = [masked_mean(*hybrid.audio(audio)), masked_mean(*hybrid.video(video))]
    embedded = [embed(average) for embed, average in zip(hybrid.embeds, averages, strict=True)]
    joint = hybrid.joint(torch.cat(embedded, dim=1))
    torch.testing.assert_close(hybrid(audio, video), 0.8 * late(audio, video) + 0.2 * joint)


def test_features_are_standardised_and_averaged_over_time_first():
    audio, video = inputs()
    repeated = audio.mean(dim=1, keepdim=True), video.mean(dim=1, keepdim=True)
    torch.testing.assert_close(network("early")(audio, video), network("early")(*repeated))
    steps, _ = standard(6)(audio)
    np.testing.assert_allclose(steps[0, 0], (audio[0, 0] - torch.linspace(-1, 1, 6)) / torch.linspace(0.5, 2, 6))


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_one_modality_doesnt_look_at_the_other(kind: str):
    audio, video = inputs()
    changed = (audio, video + 1) if kind == "audio" else (audio + 1, video)
    torch.testing.assert_close(network(kind)(audio, video), network(kind)(*changed))


def test_steps_that_arent_there_are_left_out_of_mean_and_deviation():
    steps = torch.randn(2, 5, 3)
    there = torch.tensor([[True, True, False, True, False], [False] * 5])
    torch.testing.assert_close(masked_mean(steps, there)[0], steps[0, there[0]].mean(dim=0))
    torch.testing.assert_close(masked_deviation(steps, there)[0], steps[0, there[0]].std(dim=0, correction=0))
    assert (masked_mean(steps, there)[1] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_modality_gives_an_answer(kind: str):
    audio, video = inputs()
    audio[1] = torch.nan
    video[2, 1:] = torch.nan
    assert network(kind)(audio, video).isfinite().all()


def test_unknown_fusion_lists_what_there_is():
    with pytest.raises(UsageError, match="early, middle, late, hybrid"):
        FusedScenes(fusion="sideways")
