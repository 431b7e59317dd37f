"""A graph answers as its network does at sizes that it wasn't traced with, or isn't written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from avmatch.artifacts.tower import load_clip_towers
from avmatch.core.errors import ModelError
from avmatch.data.pairs import read_pairs
from avmatch.systems.two_tower.model import FeatureCnn, FeatureCnnConfig
from avmatch.systems.two_tower.task import export_clip_towers, fit_evidence
from avmatch.training import export as exporting
from avmatch.training.export import OPSET, Exported, export_onnx
from learnable import AUDIO_FEATURES, VIDEO_FEATURES, write_pairs

STORY = {"recipe": "small", "config": {"epochs": 3}, "data": {"train": 9}, "results": {"recall@1": 0.5}, "command": ""}


def tower(num_features: int, seed: int = 0, norm: str = "batch") -> FeatureCnn:
    torch.manual_seed(seed)
    return FeatureCnn(FeatureCnnConfig(num_features, widths=(8,), dim=4, norm=norm)).eval()


def samples(*shapes: tuple[int, int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, 5, generator=generator) for shape in shapes]


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_graph_answers_at_other_sizes(tmp_path: Path, norm: str, caplog: pytest.LogCaptureFixture) -> None:
    network, path = tower(5, norm=norm), tmp_path / "tower.onnx"
    export_onnx(Exported(network, samples((2, 10), (3, 13)), {"model": "x"}), path, STORY)
    assert "torchvision" not in caplog.text
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for sample in samples((1, 10), (1, 1), (5, 4), (64, 37)):
        (got,) = session.run(None, {"input": sample.numpy()})
        np.testing.assert_allclose(got, network(sample).detach().numpy(), atol=1e-5)


def test_half_weights_take_half_the_space_and_answer_alike(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FeatureCnn(FeatureCnnConfig(5, widths=(128, 128), dim=16)).eval()
    for name, is_half in (("whole", False), ("half", True)):
        export_onnx(Exported(network, samples((2, 10), (3, 13)), {}), tmp_path / name, STORY, is_half=is_half)
    whole, half = ((tmp_path / name).read_bytes() for name in ("whole", "half"))
    assert len(half) < 0.62 * len(whole)
    sample = samples((4, 9))[0]
    (got,) = onnxruntime.InferenceSession(half, providers=["CPUExecutionProvider"]).run(None, {"input": sample.numpy()})
    np.testing.assert_allclose(got, network(sample).detach().numpy(), atol=4e-3)


def test_the_description_is_read_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "tower.onnx"
    export_onnx(Exported(tower(5), samples((2, 10), (3, 10)), {"model": "x", "dim": 4}), path, STORY)
    graph = onnx.load(path)
    metadata = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert metadata["avmatch"] == {"model": "x", "dim": 4}
    assert metadata["avmatch_training"] == STORY
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] >= OPSET >= 18
    batch, length, width = graph.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param
    assert (length.dim_value, width.dim_value) == (10, 5)  # only what differs between the samples is free


def test_a_graph_that_answers_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, traced = tower(5), exporting._traced

    def perturbed(exported: Exported) -> onnx.ModelProto:
        graph = traced(exported)
        with torch.no_grad():
            network.embed.weight[0] += 0.01
        return graph

    monkeypatch.setattr(exporting, "_traced", perturbed)
    with pytest.raises(ModelError, match=r"the graph differs from the network by .*; it was not written"):
        export_onnx(Exported(network, samples((2, 10), (3, 10)), {}), tmp_path / "tower.onnx", STORY)
    assert list(tmp_path.iterdir()) == []


class Doubled(nn.Module):
    """Other outside of tracing than inside."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        summed = features.sum(dim=1)
        return summed if torch.compiler.is_compiling() else torch.cat((summed, summed))


def test_a_graph_of_another_shape_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the graph gives \(2, 5\) for \(2, 10, 5\), the network \(4, 5\)"):
        export_onnx(Exported(Doubled(), samples((2, 10), (3, 10)), {}), tmp_path / "tower.onnx", STORY)
    assert list(tmp_path.iterdir()) == []


def test_only_remarks_on_torchvision_and_constants_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    with exporting._quietly():
        logger.warning("torchvision is not installed. Skipping %s", "torchvision::nms")
        logger.warning("something else")
        logging.getLogger("onnxscript.optimizer._constant_folding").warning("Skipping constant folding for op Split")
    logger.warning("torchvision is not installed. Skipping %s", "afterwards")
    assert [record.getMessage() for record in caplog.records] == [
        "something else",
        "torchvision is not installed. Skipping afterwards",
    ]


def test_a_model_folder_of_clip_towers(tmp_path: Path) -> None:
    pairs = read_pairs(write_pairs(tmp_path / "data", 20))
    towers = tower(VIDEO_FEATURES), tower(AUDIO_FEATURES, seed=1)
    export_clip_towers(towers, pairs, tmp_path / "model", STORY)
    loaded = load_clip_towers(tmp_path / "model")
    assert loaded.name == "small"
    for side, network, encoder in zip(("video", "audio"), towers, (loaded.video, loaded.audio), strict=True):
        clips = [np.asarray(item, np.float32) for item in getattr(pairs, side)]
        clips[1] = clips[1][:3]  # of another length
        for clip, vector in zip(clips, encoder.encode(clips), strict=True):
            wanted = network(torch.from_numpy(clip)[None])[0].detach().numpy()
            np.testing.assert_allclose(vector, wanted, atol=1e-5)
    card = (tmp_path / "model" / "card.md").read_text()
    assert card.startswith("# small\n")
    for text in ("- train: 9", "- recall@1: 0.5", '"epochs": 3', "(unknown)"):
        assert text in card


def test_evidence_is_a_likelihood_ratio() -> None:
    """Similarities of two normal distributions have a known log-odds line: (μ₁ − μ₀)/σ² · (s − (μ₀ + μ₁)/2)."""
    rng = np.random.default_rng(0)
    similarity = rng.normal(0.1, 0.2, (600, 600))
    np.fill_diagonal(similarity, rng.normal(0.5, 0.2, 600))
    scale, baseline = fit_evidence(similarity.astype(np.float32))
    assert scale == pytest.approx(10.0, rel=0.1)
    assert baseline == pytest.approx(0.3, abs=0.02)


def test_evidence_of_few_pairs_that_are_apart_stays_finite() -> None:
    scale, baseline = fit_evidence(np.eye(3, dtype=np.float32))
    assert 1.0 < scale < 10.0
    assert 0.2 < baseline < 0.8
    assert fit_evidence(np.ones((1, 1), np.float32)) == (1.0, 0.0)


def test_nothing_of_this_machine_is_left_in_the_graph(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    export_onnx(Exported(network, [torch.randn(2, 3), torch.randn(5, 3)], {}), tmp_path / "net.onnx", {})
    assert str(Path(torch.__file__).parent.parent).encode() not in (tmp_path / "net.onnx").read_bytes()
