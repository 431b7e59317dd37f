"""Classes of transformers → networks and how they want pictures and samples, read off their own processors.

What a processor does is done by artifacts/encoder.py and artifacts/windows.py in numpy, so that an exported model needs
neither torch nor transformers; tests hold both against the processors themselves.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers.utils import logging

from avmatch.core.errors import AvmatchError, MissingExtraError, ModelError
from avmatch.systems.pretrained.networks import (
    Decibels,
    Normalised,
    SinglePictures,
    StretchPictures,
    StretchSounds,
    WindowSounds,
)
from avmatch.systems.pretrained.operators import importable_torchvision
from avmatch.systems.pretrained.source import Source

#: Of pictures and sounds, what makes one vector; longer stretches are mixtures, shorter ones cost more.
WINDOW_SECONDS = 10.0
#: Frames of a stretch where the processor names no number: that of PE-AV's smaller variants.
NUM_FRAMES = 16
#: What a cosine counts as evidence, of vectors in one space. Nobody has fitted them (docs/pretrained.md).
SCALE, BASELINE = 10.0, 0.1
#: Filters by Pillow's numbers.
_FITS = {2: "bilinear", 3: "bicubic"}
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, eq=False)
class Side:
    """A network and what its encoder's description says."""

    network: nn.Module
    description: Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """What is made of a class of models.

    Attributes:
        sides: what it has vectors of.
        make: loads them.
    """

    sides: tuple[str, ...]
    make: Callable[[Source], dict[str, Side]]


def load(source: Source) -> dict[str, Side]:
    """The networks of a model by their side. Raises ModelError if it has none, or can't be loaded."""
    family = family_of(source)
    importable_torchvision()
    try:
        return family.make(source)
    except AvmatchError:
        raise
    except ImportError as error:
        raise MissingExtraError("timm and torchvision", "pretrained", f"{source.name} ({source.model_type})") from error
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        what = " ".join(str(error).split())
        raise ModelError(f"{source.name}: transformers can't load it ({what}); download it again") from error


def family_of(source: Source) -> Family:
    """The family of a model's class. Raises ModelError if it has vectors of neither pictures nor sounds."""
    if source.model_type not in FAMILIES:
        raise ModelError(
            f"{source.name}: a model of the type {source.model_type!r} has no vectors of picture and sound that can be "
            f"used here; those of {', '.join(FAMILIES)} have"
        )
    return FAMILIES[source.model_type]


def _loaded(name: str, source: Source) -> Any:
    """A model whose every weight is in the files."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    with redirect_stdout(io.StringIO()):  # some classes print remarks on their own docstrings
        model, info = getattr(transformers, name).from_pretrained(
            source.folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **_LOCAL
        )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{source.name}: {len(missing)} weights of {name} aren't in its files ({missing[0]} …); download it again"
        )
    return model.eval()


def _pe_av(source: Source) -> dict[str, Side]:
    model = _loaded("PeAudioVideoModel", source)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(source.folder, **_LOCAL)
    processor = transformers.AutoVideoProcessor.from_pretrained(source.folder, **_LOCAL)
    hop_samples = int(extractor.hop_length)
    rate_hz = int(extractor.sampling_rate)
    common = {"dim": model.config.text_config.hidden_size, "is_common": True, "scale": SCALE, "baseline": BASELINE}
    num_frames = processor.num_frames or (round(WINDOW_SECONDS * processor.fps) if processor.fps else NUM_FRAMES)
    pictures, normalised = _pictures(source, processor)
    pictures |= {"num_frames": num_frames, "frame_seconds": WINDOW_SECONDS / num_frames}
    window = round(WINDOW_SECONDS * rate_hz / hop_samples) * hop_samples
    sounds = {"input": "samples", "window": window, "sample_rate_hz": rate_hz, "hop_samples": hop_samples}
    return {
        "video": Side(StretchPictures(model.video_model, normalised), common | pictures),
        "audio": Side(StretchSounds(model.audio_model), common | sounds),
    }


def _clip(source: Source) -> dict[str, Side]:
    model = _loaded("CLIPVisionModelWithProjection", source)
    described, normalised = _pictures(source, transformers.AutoImageProcessor.from_pretrained(source.folder, **_LOCAL))
    return {"video": Side(SinglePictures(model, normalised), {"dim": model.config.projection_dim} | described)}


def _clap(source: Source) -> dict[str, Side]:
    model = _loaded("ClapAudioModelWithProjection", source)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(source.folder, **_LOCAL)
    if model.config.enable_fusion or extractor.truncation == "fusion":
        raise ModelError(
            f"{source.name}: a CLAP with feature fusion picks parts of a sound at random, so that its vectors can't be "
            "repeated; take an unfused one, such as laion/clap-htsat-unfused"
        )
    decibels = Decibels(extractor.fft_window_size, extractor.hop_length, extractor.mel_filters_slaney)
    described = {
        "dim": model.config.projection_dim,
        "input": "samples",
        "window": int(extractor.nb_max_samples),
        "sample_rate_hz": int(extractor.sampling_rate),
        "repeats": True,
    }
    return {"audio": Side(WindowSounds(model, decibels), described)}


def _pictures(source: Source, processor: Any) -> tuple[dict[str, Any], Normalised]:
    """How a processor of pictures gets them to their size, and its normalisation."""
    fit = _FITS.get(int(processor.resample))
    size, crop = processor.size, processor.crop_size if processor.do_center_crop else None
    side_px = (crop or size).get("height")
    short_px = 0 if crop is None else size.get("shortest_edge")
    is_square = side_px and side_px == (crop or size).get("width")
    if fit is None or not is_square or short_px is None or not processor.do_rescale:
        raise ModelError(
            f"{source.name}: its processor makes pictures of {size} and {crop} by Pillow's filter "
            f"{processor.resample}; squares by bilinear (2) or bicubic (3) can be made here"
        )
    factor = float(processor.rescale_factor) * 255.0  # pictures come in 0…1
    mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
    normalised = Normalised([one / factor for one in mean], [one / factor for one in std])
    return {"input": "colour", "side_px": side_px, "short_px": short_px, "fit": fit}, normalised


FAMILIES = {
    "pe_audio_video": Family(("video", "audio"), _pe_av),
    "clip": Family(("video",), _clip),
    "clip_vision_model": Family(("video",), _clip),
    "clap": Family(("audio",), _clap),
    "clap_audio_model": Family(("audio",), _clap),
}
