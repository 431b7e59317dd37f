"""`avmatch export-onnx`: a pretrained model of others as ONNX."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def export_onnx(
    model: Annotated[str, Argument(metavar="hf:PATH_OR_ID", help="A folder, or an ID of the hub.")],
    out: Annotated[Path, Option("-o", "--out", help="Folder for the model; it is then used as --model OUT.")],
) -> None:
    """Export a model of transformers to ONNX, so that using it needs neither torch nor transformers.

    Each graph is compared with the model before it is written. One of pictures alone, or of sounds, is an encoder for
    `avmatch train semantic`.
    """
    from avmatch.pipelines.installation import exported

    print(*exported(model, out), sep="\n")
