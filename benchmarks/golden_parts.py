"""The parts of `golden.py`: which command lines are run, and which of their outputs are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from golden_place import INTERRUPTED_NAME, Place, training_line
from golden_runs import INTERRUPTED, RUNS, Run

Part = Callable[[Place], None]


def synth(place: Place) -> None:
    """Everything that is rendered, as hashes and truth."""
    for name in ("scenes", "learn", "late", "faces", "collisions"):
        place.keep(place.data(name), f"synth/{name}")
        place.keep_printed(f"synth/{name}", "synth")


def match(place: Place) -> None:
    """Videos with recordings: options, cues and models."""
    scenes, copies, scratch = (place.data(name).relative_to(place.out) for name in ("scenes", "copies", "scratch"))
    videos, audio = scenes / "videos", scenes / "audio"
    _match(place, "plain", videos, audio, "--matrix", "work/match/plain/matrix.npy")
    _match(place, "many", copies / "videos", audio, "--many", "--json")
    _match(place, "complete", videos, audio, "--complete", "--no-duration", "--top-k", 2)
    _match(place, "scratch", scratch / "videos", audio, "--use-scratch", "--max-offset", 0.3)
    _match(place, "strict", videos, audio, "--min-confidence", 0.9, "--mux", "work/match/strict/mux")
    raw = ("--normalise", "raw", "--matrix", "work/match/events/matrix.npy")
    _match(place, "events", videos, audio, "--model", "events", *raw)
    _match(place, "lips", videos, audio, "--model", "lips")
    _match(place, "media", videos, audio, "--model", place.run("two_tower_media"))
    _match(place, "lips_run", videos, audio, "--model", place.run("lips"))
    _match(place, "exported", videos, audio, "--model", place.run("events") / "model")


def features(place: Place) -> None:
    """Folders of features."""
    folder = place.data("features").relative_to(place.out)
    sides = (folder / "videos", folder / "audio")
    matrix = ("--matrix", "work/features/two_tower/matrix.npy")
    _match(place, "two_tower", *sides, "--model", place.run("two_tower"), *matrix, part="features")
    csls = ("--normalise", "csls", "--complete", "--json")
    _match(place, "best", *sides, "--model", place.run("two_tower_best"), *csls, part="features")


def _match(place: Place, name: str, *arguments: object, part: str = "match") -> None:
    out = f"work/{part}/{name}"
    place.avmatch(f"{part}/{name}", "match", *arguments, "-o", out, "--no-cache")
    place.keep(place.out / out, f"{part}/{name}")


def sync(place: Place) -> None:
    """Offsets in each form."""
    late = place.data("late").relative_to(place.out)
    call = place.avmatch
    call("sync/table", "sync", late / "clips", "-o", "work/sync/table.csv", "--no-cache")
    call("sync/json", "sync", late / "clips", "--json", "--max-offset", 0.5, "--no-cache")
    call("sync/plot", "sync", late / "clips", "--plot", "work/sync/plots", "--cache", "work/sync/cache")
    call("sync/cached", "sync", late / "clips", "--json", "--cache", "work/sync/cache")
    one = sorted((place.out / late / "clips").iterdir())[0].relative_to(place.out)
    sound = sorted((place.out / late / "audio").iterdir())[0].relative_to(place.out)
    call("sync/audio", "sync", one, "--audio", sound, "--json", "--no-cache")
    call("sync/shipped", "sync", late / "clips", "--model", "events", "--json", "--no-cache")
    call("sync/trained", "sync", late / "clips", "--model", place.run("lips"), "--json", "--no-cache")
    shutil.rmtree(place.out / "work/sync/cache", ignore_errors=True)
    place.keep(place.out / "work/sync", "sync")


def fix(place: Place) -> None:
    """Copies in which both sides are together, and what `sync` says of them."""
    clips = place.data("late").relative_to(place.out) / "clips"
    place.avmatch("fix/measured", "fix", clips, "-o", "work/fix/measured", "--json", "--no-cache")
    known = ("--offset", 0.2, "--force")
    place.avmatch("fix/known", "fix", clips, "-o", "work/fix/known", *known, "--no-cache")
    place.avmatch("fix/after", "sync", "work/fix/known", "--json", "--no-cache")
    place.keep(place.out / "work/fix", "fix")


def locate(place: Place) -> None:
    """Pictures of where the sound comes from."""
    clips = sorted((place.data("late") / "clips").iterdir())
    (place.out / "work/locate").mkdir(parents=True, exist_ok=True)
    for name, clip, more in (
        ("heat.png", clips[0], ()),
        ("heat.mp4", clips[1], ("--max-offset", 0.5)),
        ("trained.png", clips[2], ("--model", place.run("events"))),
    ):
        out = f"work/locate/{name}"
        place.avmatch(f"locate/{name}", "locate", clip.relative_to(place.out), "-o", out, *more, "--no-cache")
    place.keep(place.out / "work/locate", "locate")


def classify(place: Place) -> None:
    """Classes of features, and of several systems together."""
    test = place.data("classes").relative_to(place.out) / "test"
    for name in ("scene_best", "scene_late", "scene_hybrid"):
        place.avmatch(f"classify/{name}", "classify", test, "--model", place.run(name), "--json", "--no-cache")
    place.avmatch("classify/table", "classify", test, "--model", place.run("scene_early") / "model", "--no-cache")
    fused = sorted(path.relative_to(place.out) for path in place.data("predictions").iterdir())
    for how in ("mean", "weighted", "stacked"):
        out = f"work/classify/{how}/prediction.csv"
        (place.out / out).parent.mkdir(parents=True, exist_ok=True)
        place.avmatch(f"classify/fuse_{how}", "classify", *fused, "--fuse", "--how", how, "-o", out, "--json")
    place.avmatch("classify/fuse_table", "classify", *fused, "--fuse")
    place.keep(place.out / "work/classify", "classify")


def collide(place: Place) -> None:
    """The three tasks of the collisions."""
    data, model = place.data("collisions").relative_to(place.out), place.run("collision")
    for name, task, more in (
        ("task1", 1, ()),
        ("task1_bare", 1, ("--keys", "bare")),
        ("task2", 2, ()),
        ("task2_stages", 2, ("--two-stage",)),
        ("task3", 3, ()),
    ):
        out = f"work/collide/{name}"
        place.avmatch(f"collide/{name}", "collide", data, "--task", task, "--model", model, "-o", out, *more)
        place.keep(place.out / out, f"collide/{name}")


def evaluate_retrieval(place: Place) -> None:
    """Partners in a gallery."""
    pairs, learn = (place.data(name).relative_to(place.out) for name in ("pairs", "learn"))
    few = ("--draws", 20, "--subset", 5)
    also = ("--also", place.run("two_tower_sampled"), "--held-out")
    call = partial(_evaluate, place, "retrieval")
    call("features", place.run("two_tower"), pairs, *few, "--k", 1, "--k", 3)
    call("seeds", place.run("two_tower"), pairs, *few, *also)
    call("best", place.run("two_tower_best"), pairs, *few)
    call("media", place.run("two_tower_media"), learn / "list.csv", *few, "--noise", 10)
    call("events", "events", learn / "list.csv", *few, "--noise", 0)


def evaluate_offsets(place: Place) -> None:
    """Offsets and partners of pieces of clips: `sync` and `match`."""
    learn, faces = (place.data(name).relative_to(place.out) for name in ("learn", "faces"))
    learn, faces = learn / "list.csv", faces / "clips"
    sync, match = (partial(_evaluate, place, protocol) for protocol in ("sync", "match"))
    sync("events", "events", learn, "--piece", 0, "--piece", 2, "--noise", 5, "--cache", "none")
    sync("lips", "lips", faces, "--piece", 0, "--piece", 2, "--cache", "none")
    sync("trained", place.run("lips"), faces, "--k", 5, "--noise", "pink:10", "--cache", "none")
    sync("distances", place.run("syncnet"), faces, "--cache", "none")
    match("lips", "lips", faces, "--piece", 2, "--split", "train", "--cache", "none")


def evaluate_classes(place: Place) -> None:
    """Words, classes and probes of layers: `words`, `classify` and `probe`."""
    faces, test, sounds = (place.data(name).relative_to(place.out) for name in ("faces", "classes", "sounds"))
    faces, test = faces / "clips", test / "test"
    call = partial(_evaluate, place)
    call("words", "all", place.run("words"), faces)
    call("words", "split", place.run("words_tc_5"), faces, "--split", "test")
    call("classify", "best", place.run("scene_best"), test, "-o", "work/evaluate/classify", "--cache", "none")
    call("classify", "late", place.run("scene_late"), "data/classes/train", "--held-out", "--cache", "none")
    call("probe", "avts", place.run("avts"), sounds, "--layer", "conv_2", "--split", "esc10")
    call("probe", "events", "events", sounds)
    place.keep(place.out / "work/evaluate/classify", "evaluate-classes/classify")


def _evaluate(place: Place, protocol: str, name: str, model: object, data: object, *options: object) -> None:
    part = {"retrieval": "evaluate-retrieval", "sync": "evaluate-offsets", "match": "evaluate-offsets"}
    kept = f"{part.get(protocol, 'evaluate-classes')}/{protocol}_{name}"
    markdown = f"work/{kept}.md"
    (place.out / markdown).parent.mkdir(parents=True, exist_ok=True)
    place.evaluate(kept, protocol, model, data, *options, "--markdown", markdown, "--json")
    place.keep(place.out / markdown, str(Path(kept).parent))


def _train(names: tuple[str, ...]) -> Part:
    def part(place: Place) -> None:
        for name in names:
            folder, kept = place.out / place.run(name), _part_of(name)
            place.keep(folder, f"{kept}/{name}")
            place.keep_printed(f"train/{name}", kept)

    part.__doc__ = f"Runs of {', '.join(names)}."
    return part


TRAINING = {
    "train-features": ("two_tower", "two_tower_kmeans", "two_tower_sampled", "two_tower_best", "two_tower_cca"),
    "train-media": ("two_tower_media", "events", "avts", "l3_net", "avts_finetune", "sound_classes"),
    "train-faces": ("lips", "syncnet", "ave_net", "perfect_match", "words", "words_tc_5"),
    "train-scenes": tuple(name for name in RUNS if name.startswith("scene_")),
    "train-collisions": tuple(name for name in RUNS if name.startswith("collision")),
}


def _part_of(run: str) -> str:
    return next(part for part, names in TRAINING.items() if run in names)


def old_runs(place: Place) -> None:
    """Runs and models of an earlier commit, or of this one: resumed, measured and used."""
    old = place.old_runs()
    for name in ("two_tower", "scene_late", "events"):  # finished, and now for an epoch more
        _resume(place, old, name, RUNS[name], RUNS[name].epochs + 1)
    _resume(place, old, INTERRUPTED_NAME, INTERRUPTED, INTERRUPTED.epochs)
    for protocol, name, data, *options in (
        ("retrieval", "two_tower_best", "pairs", "--held-out"),
        ("retrieval", "two_tower_media", "learn", "--draws", 5),
        ("sync", "lips", "faces/clips", "--cache", "none"),
        ("sync", "syncnet", "faces/clips", "--cache", "none"),
        ("sync", "perfect_match", "faces/clips", "--cache", "none"),
        ("match", "lips", "faces/clips", "--cache", "none"),
        ("words", "words", "faces/clips"),
        ("classify", "scene_best", "classes/test", "--cache", "none"),
        ("probe", "avts", "sounds", "--layer", "conv_2"),
    ):
        where = (protocol, f"runs/{name}", f"data/{data}", *options, "--json")
        place.evaluate(f"old-runs/{protocol}_{name}", *where, root=old)
    _use_old(place, old)


def _resume(place: Place, old: Path, name: str, run: Run, epochs: int) -> None:
    folder = Path("runs", name)
    line = (*training_line(run, folder), "--epochs", epochs, "--resume")
    place.avmatch(f"old-runs/resume_{name}", *line, root=old)
    place.keep(old / folder, f"old-runs/resumed/{name}")


def _use_old(place: Place, old: Path) -> None:
    scenes = ("data/scenes/videos", "data/scenes/audio")
    pairs = ("data/features/videos", "data/features/audio")
    classes = ("classify", "data/classes/test", "--model", "runs/scene_middle", "--json", "--no-cache")
    commands: dict[str, tuple[object, ...]] = {
        "match_features": ("match", *pairs, "--model", "runs/two_tower_cca", "-o", "out/match_features"),
        "match_media": ("match", *scenes, "--model", "runs/two_tower_media", "-o", "out/match_media", "--no-cache"),
        "match_lips": ("match", *scenes, "--model", "runs/lips/model", "-o", "out/match_lips", "--no-cache"),
        "match_events": ("match", *scenes, "--model", "runs/events/model", "-o", "out/match_events", "--no-cache"),
        "sync_events": ("sync", "data/late/clips", "--model", "runs/events", "--json", "--no-cache"),
        "classify": classes,
        "collide": ("collide", "data/collisions", "--task", 2, "--model", "runs/collision", "-o", "out/collide"),
    }
    for name, arguments in commands.items():
        place.avmatch(f"old-runs/{name}", *arguments, root=old)
    place.keep(old / "out", "old-runs/out")


PARTS: dict[str, Part] = {
    **{name: _train(names) for name, names in TRAINING.items()},
    "synth": synth,
    "match": match,
    "features": features,
    "sync": sync,
    "fix": fix,
    "locate": locate,
    "classify": classify,
    "collide": collide,
    "evaluate-retrieval": evaluate_retrieval,
    "evaluate-offsets": evaluate_offsets,
    "evaluate-classes": evaluate_classes,
    "old-runs": old_runs,
}
