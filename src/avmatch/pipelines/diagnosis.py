"""What is installed here, and what it can do: the text of `avmatch doctor`."""

import os
from collections.abc import Iterator
from importlib import metadata

from avmatch.analysis.store import default_cache_dir
from avmatch.artifacts.model import shipped_models
from avmatch.core.errors import version_line
from avmatch.media.probe import codec_report, library_versions

_LIBRARIES = ("numpy", "scipy", "av", "opencv-python-headless", "onnxruntime", "matplotlib")
_OPTIONAL = {"pyarrow": "parquet", "pandas": "pandas", "opentimelineio": "edit", "torch": "train"}


def diagnosis() -> Iterator[str]:
    """Lines for a person, or for a bug report."""
    yield version_line()
    yield f"{os.cpu_count()} cores; features are kept in {default_cache_dir()}"
    yield "libraries: " + ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    yield "FFmpeg: " + ", ".join(f"{name} {version}" for name, version in library_versions().items())
    codecs = codec_report()
    yield "codecs: " + ", ".join(name for name, there in codecs.items() if there)
    missing = [name for name, there in codecs.items() if not there]
    yield "codecs missing: " + (", ".join(missing) or "none")
    for name, extra in _OPTIONAL.items():
        found = _version(name)
        yield f"optional: {name} {found}" if found else f"optional: {name} absent (pip install 'avmatch[{extra}]')"
    yield "models: " + (
        ", ".join(shipped_models()) or "none shipped with this version; cues that need no training are used"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
