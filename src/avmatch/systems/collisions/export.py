"""Networks for impacts → ONNX graphs with their descriptions.

The graph's metadata property `avmatch` is a JSON object:

    {"kind": "collisions", "model": "collision_classify", "side": "sound", "shape": [4, 128, 98], "bins": 4, "ticks": 2,
     "outputs": "classes", "classes": ["061_foam_brick", …]}

`side` is what goes in: "sound" (log bands), "picture" (pictures of the object), "path" (centroids) or "masks";
`outputs` is "classes" (logits) or "vector". Batches are free.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from avmatch.systems.collisions.features import Bands
from avmatch.training.export import Exported, normal

#: Middle and spread of what goes in, for the parity check.
_USUAL = {"sound": (-15.0, 3.0), "picture": (128.0, 60.0), "path": (220.0, 100.0), "masks": (20.0, 40.0)}


def impact_graph(
    network: nn.Module, side: str, shape: tuple[int, ...], bands: Bands, classes: Sequence[str] = ()
) -> Exported:
    """A classifier of `classes`, or without them a tower; `shape` is that of an item."""
    outputs = {"outputs": "classes", "classes": list(classes)} if classes else {"outputs": "vector"}
    description = {"side": side, "shape": list(shape), "bins": bands.bins, "ticks": bands.ticks, **outputs}
    return Exported(network, normal([(num, *shape) for num in (2, 1, 5)], *_USUAL[side]), description)
