"""avmatch: match silent video to audio, measure and repair audio–video sync.

    >>> import avmatch
    >>> result = avmatch.match("videos", "audio")
    >>> avmatch.sync("clip.mp4").offset_seconds  # positive = the sound comes late

Names are loaded when they are first used: `import avmatch` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AvmatchError",
    "Candidate",
    "ExportResult",
    "Failure",
    "FixResult",
    "FixSettings",
    "Match",
    "MatchResult",
    "MatchSettings",
    "MediaError",
    "MissingExtraError",
    "ModelError",
    "SceneResult",
    "SyncResult",
    "SynthConfig",
    "UsageError",
    "__version__",
    "classify",
    "export",
    "fix",
    "fix_all",
    "fuse_predictions",
    "match",
    "plot_match",
    "plot_sync",
    "sync",
    "sync_all",
    "synthesise",
    "write_match",
]

if TYPE_CHECKING:
    from avmatch.core.errors import AvmatchError, MediaError, MissingExtraError, ModelError, UsageError
    from avmatch.core.matches import Candidate, Match, MatchResult
    from avmatch.core.results import Failure, FixResult, SyncResult
    from avmatch.matching.settings import MatchSettings
    from avmatch.pipelines.answers import match
    from avmatch.pipelines.classify import classify
    from avmatch.pipelines.export import ExportResult, export
    from avmatch.pipelines.fix import FixSettings, fix, fix_all
    from avmatch.pipelines.sync import sync, sync_all
    from avmatch.reports.output import write_match
    from avmatch.reports.plots import plot_match, plot_sync
    from avmatch.synth import SynthConfig, synthesise
    from avmatch.systems.scenes.fusing import fuse_predictions
    from avmatch.systems.scenes.runtime import SceneResult

_HOMES = {
    "avmatch.core.errors": ("AvmatchError", "MediaError", "MissingExtraError", "ModelError", "UsageError"),
    "avmatch.core.matches": ("Candidate", "Match", "MatchResult"),
    "avmatch.core.results": ("Failure", "FixResult", "SyncResult"),
    "avmatch.matching.settings": ("MatchSettings",),
    "avmatch.pipelines.answers": ("match",),
    "avmatch.pipelines.classify": ("classify",),
    "avmatch.pipelines.export": ("ExportResult", "export"),
    "avmatch.pipelines.fix": ("FixSettings", "fix", "fix_all"),
    "avmatch.pipelines.sync": ("sync", "sync_all"),
    "avmatch.synth": ("SynthConfig", "synthesise"),
    "avmatch.reports.output": ("write_match",),
    "avmatch.reports.plots": ("plot_match", "plot_sync"),
    "avmatch.systems.scenes.fusing": ("fuse_predictions",),
    "avmatch.systems.scenes.runtime": ("SceneResult",),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'avmatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
