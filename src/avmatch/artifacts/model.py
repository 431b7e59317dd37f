"""What MODEL may be on the command line: a run, an exported folder, or the name of a model that ships.

    open_model(path) → Model: its kind, its folder, and its graphs, each opened once, when it is asked for

What a model can do follows from its kind; a command that gets another kind than it takes names the command that does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from avmatch.artifacts.graph import (
    CLASSES,
    CLIP_TOWERS,
    COLLISIONS,
    EVENTS,
    SCENES,
    TOWERS,
    WINDOWS,
    WORDS,
    Graph,
    open_graph,
)
from avmatch.core.errors import ModelError

WEIGHTS = Path(__file__).parent.parent / "weights"
#: The graphs by which a folder is recognised, the first that is there.
_GRAPHS = ("video", "audio", "scenes", "words", "classes", "classes_sound", "classes_picture", "metric_film")


@dataclass(frozen=True)
class Kind:
    """What a person should know of a kind.

    Attributes:
        title: with its article.
        commands: what takes it.
        recipes: that train it.
    """

    title: str
    commands: str
    recipes: str


KINDS = {
    TOWERS: Kind(
        "a two-tower model of picture and sound",
        "`avmatch match`, `sync` and `evaluate`",
        "`lips`, `two_tower_media` or a published lip-sync system",
    ),
    CLIP_TOWERS: Kind(
        "a model of features of whole clips, which have no place in time",
        "`avmatch match` of such features and `avmatch evaluate retrieval`",
        "`two_tower` or `canonical`",
    ),
    EVENTS: Kind(
        "a model for any sound",
        "`avmatch match`, `sync` and `evaluate retrieval` or `sync`",
        "`events`",
    ),
    SCENES: Kind("a classifier of scenes", "`avmatch classify`", "`scene_…`"),
    WORDS: Kind("a reader of words", "`avmatch evaluate words`", "`words`"),
    COLLISIONS: Kind("a model of collisions", "`avmatch collide`", "`collision`"),
    WINDOWS: Kind("a model of single windows", "`avmatch evaluate probe`", "`avts`"),
    CLASSES: Kind("a classifier of single windows", "`avmatch evaluate probe` (its .onnx file)", "classes"),
}


@dataclass(frozen=True, eq=False)
class Model:
    """A model folder.

    Attributes:
        name: as the user gave it.
        kind: of KINDS, or one that a newer version knows.
        graphs: those that are open, by their names.
    """

    name: str
    folder: Path
    kind: str
    graphs: dict[str, Graph] = field(default_factory=dict)

    def graph(self, name: str) -> Graph:
        """The graph in `name`.onnx. Raises ModelError if there is none that can be run."""
        if name not in self.graphs:
            self.graphs[name] = open_graph(self.folder / f"{name}.onnx")
        return self.graphs[name]

    def part(self, name: str) -> Model:
        """The model that lies in a folder inside this one. Raises ModelError if there is none."""
        if not (self.folder / name).is_dir():
            raise ModelError(f"{self.folder / name}: no such model files; export {self.name} again")
        return open_model(self.folder / name)


def open_model(model: str | Path | Model, *kinds: str) -> Model:
    """Open a model; one that is open already is only checked.

    Args:
        kinds: those that will do; none = all.

    Raises:
        ModelError: there is none, it doesn't say what it is, or it is of another kind.
    """
    opened = model if isinstance(model, Model) else _opened(model, kinds)
    if kinds and opened.kind not in kinds:
        found = KINDS.get(opened.kind, Kind(f"a model of the kind {opened.kind!r}", "a newer avmatch", ""))
        raise ModelError(f"{opened.name}: is {found.title}, not {_either(kinds)}; it can be used with {found.commands}")
    return opened


def shipped_models() -> tuple[str, ...]:
    """The names of the models that came with the package."""
    return tuple(sorted(path.parent.name for path in WEIGHTS.glob("*/video.onnx")))


def _opened(model: str | Path, kinds: tuple[str, ...]) -> Model:
    given = Path(model)
    shipped_as = [WEIGHTS / given] if given.name == str(model) else []
    for folder in (given, given / "model", *shipped_as):
        if name := next((name for name in _GRAPHS if (folder / f"{name}.onnx").is_file()), None):
            graph = open_graph(folder / f"{name}.onnx")
            if not graph.kind:
                taken = graph.metadata.get("input")
                raise ModelError(
                    f"{graph.path}: no usable `avmatch` description in the graph's metadata (side "
                    f"{graph.metadata.get('side')!r} with input {taken!r} is of no known kind); export it with avmatch"
                )
            return Model(str(model), folder, graph.kind, {name: graph})
    if (given / "config.json").is_file():
        raise ModelError(f"{model}: the run has no exported model yet; finish it with `avmatch train … --resume`")
    wanted = [KINDS[kind].recipes for kind in kinds if kind not in (TOWERS, EVENTS)]
    if kinds and len(wanted) == len(kinds):
        raise ModelError(
            f"{model}: no model there; give a run of `avmatch train` with the recipe {' or '.join(wanted)}, or its "
            "model folder"
        )
    shipped = ", ".join(shipped_models()) or "none so far"
    raise ModelError(f"{model}: no model there; give a run, a folder with video.onnx, or a shipped model ({shipped})")


def _either(kinds: tuple[str, ...]) -> str:
    return " or ".join(KINDS[kind].title for kind in kinds)
