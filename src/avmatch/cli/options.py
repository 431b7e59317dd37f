"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str | None, typer.Option(help="A trained run, a model folder, or a shipped model's name.")]
FaceDetector = Annotated[Path | None, typer.Option(help="A YuNet ONNX file instead of Haar cascades.")]
MaxOffset = Annotated[float, typer.Option(help="Search offsets up to this many seconds.")]
Cache = Annotated[Path | None, typer.Option(help="Keep features here instead of the user's cache.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no features.")]
#: The same two in commands whose help names them in its text.
QuietCache = Annotated[Path | None, typer.Option("--cache", hidden=True)]
QuietNoCache = Annotated[bool, typer.Option("--no-cache", hidden=True)]


def cache_folder(cache: Path | None, no_cache: bool) -> Path | None:
    """Where features are kept; None = nowhere."""
    from avmatch.pipelines.analysis import default_cache_dir

    return None if no_cache else cache or default_cache_dir()
