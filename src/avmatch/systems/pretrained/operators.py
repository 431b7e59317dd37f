"""torchvision beside a torch for the CPU alone.

torchvision's wheel on PyPI is built for CUDA. Beside a torch without CUDA its library of operators can't be loaded, and
then not even `import torchvision` succeeds: it registers properties of two operators that nobody has declared. What
processors and networks use here needs none of the operators, so these two names are declared, and no more.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.library import Library

_UNDECLARED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@lru_cache(maxsize=1)
def importable_torchvision() -> Library | None:
    """See above; None where nothing had to be done. What is declared lasts as long as what is returned."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or torch.version.cuda is not None:
        return None
    library = next(Path(spec.origin).parent.glob("_C*"), None)
    if library is None:
        return None
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        declared = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in _UNDECLARED:
            declared.define(schema)  # type: ignore[no-untyped-call]
        return declared
    return None
