"""Match silent video to audio, measure and repair audio–video sync.

    >>> import avmatch
    >>> result = avmatch.match("videos", "audio")
    >>> avmatch.sync("clip.mp4").offset_seconds  # positive = late sound

Work on files; `help(avmatch.match)` and so on say more:

    match            which recording belongs to which video
    write_match      its folder: tables, matrix, report.html
    export           a written match as a timeline for editors
    sync, sync_all   how late the sound comes
    fix, fix_all     copies in which picture and sound are together
    locate           where in the picture the sound comes from
    classify         a label from sound and picture; fuse_predictions
    build_index      a library of sounds or videos
    search           what of it goes with a silent clip, or with a sound
    embed            the vectors that match compares
    plot_match, plot_sync
    synthesise       clips with known truth

Models:

    train            a recipe and data → a model
    evaluate         .retrieval, .sync, .match, .words, .classify, .probe

Results have len, can be gone through, and are tables in notebooks;
to_frame, to_json, to_csv, to_parquet and plot() give them in other forms:
MatchResult (of Match, Candidate, Failure), SyncResults (of SyncResult),
FixResult, ExportResult, SceneResult, IndexResult, SearchResult (of Hit),
EmbedResult (of Embedded).

Settings: MatchSettings, FixSettings, SynthConfig. Features are kept between
calls and progress is shown; cache=False and progress=False turn that off.

Errors: AvmatchError is the root of UsageError, MediaError, ModelError and
MissingExtraError. What goes on is logged to the logger "avmatch".

Names are loaded when they are first used: `import avmatch` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_HOMES = {
    "avmatch.core.embedded": ("EmbedResult", "Embedded"),
    "avmatch.core.errors": ("AvmatchError", "MediaError", "MissingExtraError", "ModelError", "UsageError"),
    "avmatch.core.library": ("Hit", "IndexResult", "SearchResult"),
    "avmatch.core.matches": ("Candidate", "Match", "MatchResult"),
    "avmatch.core.results": ("Failure", "FixResult", "SyncResult", "SyncResults"),
    "avmatch.matching.settings": ("MatchSettings",),
    "avmatch.notebook": ("evaluate",),
    "avmatch.notebook.jobs": ("classify", "fix", "fix_all", "locate", "match", "sync", "sync_all", "train"),
    "avmatch.notebook.library": ("build_index", "embed", "search"),
    "avmatch.pipelines.export": ("ExportResult", "export"),
    "avmatch.pipelines.fix": ("FixSettings",),
    "avmatch.synth": ("SynthConfig", "synthesise"),
    "avmatch.reports.output": ("write_match",),
    "avmatch.reports.plots": ("plot_match", "plot_sync"),
    "avmatch.systems.scenes.fusing": ("fuse_predictions",),
    "avmatch.systems.scenes.runtime": ("SceneResult",),
}

if TYPE_CHECKING:
    from avmatch.core.embedded import Embedded, EmbedResult
    from avmatch.core.errors import AvmatchError, MediaError, MissingExtraError, ModelError, UsageError
    from avmatch.core.library import Hit, IndexResult, SearchResult
    from avmatch.core.matches import Candidate, Match, MatchResult
    from avmatch.core.results import Failure, FixResult, SyncResult, SyncResults
    from avmatch.matching.settings import MatchSettings
    from avmatch.notebook import evaluate
    from avmatch.notebook.jobs import classify, fix, fix_all, locate, match, sync, sync_all, train
    from avmatch.notebook.library import build_index, embed, search
    from avmatch.pipelines.export import ExportResult, export
    from avmatch.pipelines.fix import FixSettings
    from avmatch.reports.output import write_match
    from avmatch.reports.plots import plot_match, plot_sync
    from avmatch.synth import SynthConfig, synthesise
    from avmatch.systems.scenes.fusing import fuse_predictions
    from avmatch.systems.scenes.runtime import SceneResult

    # For type checkers alone: with it, help(avmatch) would print every class in full, 1400 lines.
    __all__ = [
        "AvmatchError",
        "Candidate",
        "EmbedResult",
        "Embedded",
        "ExportResult",
        "Failure",
        "FixResult",
        "FixSettings",
        "Hit",
        "IndexResult",
        "Match",
        "MatchResult",
        "MatchSettings",
        "MediaError",
        "MissingExtraError",
        "ModelError",
        "SceneResult",
        "SearchResult",
        "SyncResult",
        "SyncResults",
        "SynthConfig",
        "UsageError",
        "__version__",
        "build_index",
        "classify",
        "embed",
        "evaluate",
        "export",
        "fix",
        "fix_all",
        "fuse_predictions",
        "locate",
        "match",
        "plot_match",
        "plot_sync",
        "search",
        "sync",
        "sync_all",
        "synthesise",
        "train",
        "write_match",
    ]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            module = import_module(home)
            value = getattr(module, name, None) or import_module(f"{home}.{name}")
            globals()[name] = value
            return value
    raise AttributeError(f"module 'avmatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(["__version__", *(name for names in _HOMES.values() for name in names)])
