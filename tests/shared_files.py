"""Where the development clips and cases are, which are no part of the project."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("AVMATCH_SHARED", Path(__file__).parents[2] / "shared"))
