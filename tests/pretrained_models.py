"""Tiny models of the classes of real pretrained ones, with random weights, saved as their owners save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from avmatch.systems.pretrained.operators import importable_torchvision

SIDE_PX, NUM_FRAMES, DIM = 32, 4, 24
HALVES = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]}
_SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
_ATTENTION = {
    "embed_dim": 32,
    "depth": 1,
    "num_heads": 2,
    "img_size": SIDE_PX,
    "patch_size": 16,
    "ref_feat_shape": (2, 2),
}


def pe_av(folder: Path) -> Any:
    """PeAudioVideoModel as facebook/pe-av-… has it: a Vision Transformer of timm, a codec of DAC, 48 kHz."""
    importable_torchvision()
    vision = transformers.TimmWrapperConfig(
        architecture="vit_pe_core_tiny_patch16_384",
        model_args=_ATTENTION,
        num_classes=16,
        do_pooling=True,
        global_pool="map",
    )
    codec = {"encoder_hidden_size": 8, "downsampling_ratios": [2, 8, 10, 12], "codebook_dim": 16, "hidden_size": 128}
    both = transformers.PeAudioVideoEncoderConfig(
        audio_config={"model_type": "pe_audio_encoder", "dac_config": {"model_type": "dac", **codec}, **_SMALL},
        video_config={"model_type": "pe_video_encoder", "vision_config": vision.to_dict(), **_SMALL},
        **_SMALL,
    )
    tokens = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1}
    text = {"model_type": "modernbert", "hidden_size": DIM, "intermediate_size": 32, "num_hidden_layers": 1}
    config = transformers.PeAudioVideoConfig(
        audio_video_config=both, text_config={**text, **tokens, "num_attention_heads": 2, "sep_token_id": 2}
    )
    model = _made(transformers.PeAudioVideoModel, config, folder)
    transformers.PeAudioFeatureExtractor().save_pretrained(folder)
    transformers.PeVideoVideoProcessor(
        size={"height": SIDE_PX, "width": SIDE_PX},
        do_resize=True,
        do_rescale=True,
        do_normalize=True,
        do_sample_frames=True,
        num_frames=NUM_FRAMES,
        **HALVES,
    ).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# tiny\n", encoding="utf-8")
    return model


def _made(kind: Any, config: Any, folder: Path) -> Any:
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():  # what is initialised with 0.02 gives every input the same vector
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3.0)
    model.save_pretrained(folder)
    return model


def clip(folder: Path) -> Any:
    """CLIPModel: pictures by the shorter side, bicubic, and the middle cut out."""
    importable_torchvision()
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        vision_config={**size, "projection_dim": DIM, "image_size": SIDE_PX, "patch_size": 8},
        text_config={**size, "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2},
        projection_dim=DIM,
    )
    model = _made(transformers.CLIPModel, config, folder)
    transformers.CLIPImageProcessor(
        size={"shortest_edge": SIDE_PX + 4}, crop_size={"height": SIDE_PX, "width": SIDE_PX}, **HALVES
    ).save_pretrained(folder)
    return model


def clap(folder: Path, truncation: str = "rand_trunc") -> Any:
    """ClapModel, unfused: log-mel of ten seconds at 48 kHz."""
    audio = {
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "projection_dim": DIM,
        "enable_fusion": truncation == "fusion",
    }
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.ClapConfig(
        audio_config=audio, text_config={**text, "vocab_size": 50, "projection_dim": DIM}, projection_dim=DIM
    )
    model = _made(transformers.ClapModel, config, folder)
    transformers.ClapFeatureExtractor(truncation=truncation).save_pretrained(folder)
    return model
