"""The kinds of scenes, by the name that truth.csv and the command line give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from avmatch.datasets.synth.balls import balls
from avmatch.datasets.synth.clock import clock
from avmatch.datasets.synth.drums import drums
from avmatch.datasets.synth.face import face
from avmatch.datasets.synth.stage import Act, Stage
from avmatch.datasets.synth.strings import strings

ACTS: Mapping[str, Callable[[np.random.Generator, Stage], Act]] = MappingProxyType(
    {"balls": balls, "drums": drums, "strings": strings, "clock": clock, "face": face}
)
