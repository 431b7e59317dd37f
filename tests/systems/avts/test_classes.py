"""Classes of clips from the towers of avts: what is learned, from which lists, beginning with which weights."""

import json
import re
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from avmatch.artifacts.model import open_graph
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import AudioSamples
from avmatch.data import packing
from avmatch.data.manifest import Clip
from avmatch.media.encode import write_audio, write_clip
from avmatch.systems.avts import classes as class_task
from avmatch.systems.avts.classes import ClipClasses
from avmatch.systems.avts.model import McVideoConfig, SoundCnnConfig
from avmatch.systems.avts.recipe import avts_finetune, sound_classes
from avmatch.systems.avts.task import Avts, AvtsTowers
from avmatch.systems.registry import recipe
from avmatch.training.config import Optimisation, TrainConfig, to_json
from avmatch.training.distributed import world
from avmatch.training.loop import train
from avmatch.training.run import save_weights
from processes import run_together

CPU = torch.device("cpu")
TINY = ClipClasses(
    video=McVideoConfig(width=1 / 16, num_stretches=2),
    audio=SoundCnnConfig(width=1 / 16),
    rate_hz=10.0,
    window_seconds=0.5,
    side_px=16,
    spare_px=4,
    dropout=0.0,
)
CLASSES = ("Archery", "Biking")


@pytest.fixture(scope="module")
def ucf(tmp_path_factory):
    """UCF101's layout: two classes of two colours without sound, two lists."""
    folder, lists = tmp_path_factory.mktemp("ucf"), {"train": [], "test": []}
    for label, name in enumerate(CLASSES):
        for group in range(1, 5):
            path = f"{name}/v_{name}_g{group:02d}_c01.avi"
            shade = np.zeros((32, 32, 3), np.uint8)
            shade[..., 2 * label] = 150 + 20 * group
            (folder / "UCF-101" / name).mkdir(parents=True, exist_ok=True)
            write_clip(folder / "UCF-101" / path, [shade] * 12, fps=10)
            lists["test" if group == 1 else "train"].append(f"{path} {label + 1}")
    (folder / "lists").mkdir()
    for split, lines in lists.items():
        (folder / "lists" / f"{split}list01.txt").write_text("\n".join(lines) + "\n")
    (folder / "lists" / "trainlist02.txt").write_text(lists["test"][0] + "\n" + lists["test"][1] + "\n")
    (folder / "lists" / "testlist02.txt").write_text(lists["train"][0] + "\n")
    return folder


@pytest.fixture(scope="module")
def esc(tmp_path_factory):
    """ESC-50's layout: two tones."""
    folder, rows = tmp_path_factory.mktemp("esc"), ["filename,fold,target,category,esc10,src_file,take"]
    (folder / "meta").mkdir()
    (folder / "audio").mkdir()
    for label, name in enumerate(("dog", "rain")):
        for fold in range(1, 6):
            wave = 0.3 * np.sin(2 * np.pi * (300, 2400)[label] * np.arange(16000) / 16000)
            write_audio(
                folder / "audio" / f"{fold}-{label}-A-{label}.wav", AudioSamples(wave.astype(np.float32)[None], 16000)
            )
            rows.append(f"{fold}-{label}-A-{label}.wav,{fold},{label},{name},True,{fold}{label},A")
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return folder


def config(task, epochs=40):
    plan = Optimisation("adamw", 3e-3, schedule="cosine", gradient_clip=1.0)
    return TrainConfig("classes", task, epochs=epochs, batch_size=6, optimisation=plan, best_by="")


@pytest.fixture(scope="module")
def run(ucf, tmp_path_factory):
    return train(config(TINY), ucf, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def test_the_official_list_decides_what_is_held_back(run):
    split = json.loads((run.run / "split.json").read_text())
    assert sorted(split["validation"]) == [f"UCF-101/{name}/v_{name}_g01_c01.avi" for name in CLASSES]
    assert len(split["train"]) == 6


def test_actions_are_learned_from_clips_without_sound(run):
    assert run.metrics["top_1"] == run.metrics["macro_top_1"] == 1.0
    graph = run.model / "classes.onnx"
    metadata = open_graph(graph).metadata
    assert (metadata["classes"], metadata["input"], metadata["num_frames"]) == (list(CLASSES), "colour_frames", 5)


def test_another_list_is_another_split(ucf, tmp_path):
    pairs = replace(TINY, list_number=2).read(ucf, tmp_path)
    held_back = [name for name, held in zip(pairs.names, pairs.is_held_back, strict=True) if held]
    assert (len(pairs), held_back) == (3, ["UCF-101/Archery/v_Archery_g02_c01.avi"])
    with pytest.raises(UsageError, match=r"has lists or folds 1…2, got 3"):
        replace(TINY, list_number=3).read(ucf, tmp_path)


def test_sounds_are_learned_from_the_fixed_folds(esc, tmp_path, monkeypatch):
    monkeypatch.setattr(ClipClasses, "export", lambda *_: None)
    task = replace(TINY, side="audio", list_number=3, subset="esc10")
    found = train(config(task, 8), esc, tmp_path / "run", device="cpu")
    split = json.loads((found.run / "split.json").read_text())
    assert sorted(split["validation"]) == ["audio/3-0-A-0.wav", "audio/3-1-A-1.wav"]
    assert found.metrics["top_1"] == 1.0


def packs(task, data, folder):
    """One process of several; each records what it packed."""
    with world(CPU) as everybody:
        pairs = task.read(data, folder / "cache", lambda _stage, done, _: (folder / f"{everybody.rank}-{done}").touch())
        assert len(pairs) == 10


def test_of_several_processes_one_packs(esc, tmp_path):
    run_together(packs, replace(TINY, side="audio"), esc, tmp_path)
    assert {path.name[0] for path in tmp_path.glob("?-*")} == {"0"}


def test_an_interrupted_packing_does_not_wait_for_all_files(tmp_path, monkeypatch):
    decoded = []

    def decode(settings, path, *_):
        decoded.append(path)
        raise MediaError(path, "broken", stage="decode", reason="unsupported")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "decode_tracks", decode)
    clips = {f"{number}.wav": Clip("", f"{tmp_path}/{number}.wav", f"{number}", ("dog",)) for number in range(200)}
    with pytest.raises(KeyboardInterrupt):
        packing.pack(clips, ("audio",), tmp_path / "cache", TINY.packing, source=tmp_path, progress=stop)
    assert len(decoded) < 100


def test_files_that_cannot_be_used_are_not_decoded_again(esc, tmp_path, monkeypatch):
    task, broken = replace(TINY, side="audio"), tmp_path / "esc" / "audio" / "1-0-A-0.wav"
    shutil.copytree(esc, tmp_path / "esc")
    broken.write_bytes(b"no sound")
    decoded, decode = [], packing.decode_tracks
    monkeypatch.setattr(packing, "decode_tracks", lambda *given: decoded.append(given[1]) or decode(*given))
    # Caught at its source: threads that decode may lose what pytest.warns records.
    messages: list[str] = []
    monkeypatch.setattr(warnings, "warn", lambda message, **_: messages.append(message))
    for num_read in (1, 2):
        assert len(task.read(tmp_path / "esc", tmp_path / "cache")) == 9
        assert len(decoded) == 10
        left_out = [message for message in messages if re.search(r"1 clips are left out; .*1-0-A-0\.wav", message)]
        assert len(left_out) == num_read
    assert list(json.loads((tmp_path / "cache" / packing.FAILURES).read_text())) == ["audio/1-0-A-0.wav"]


def test_a_list_of_which_no_clip_can_be_used_is_empty(esc, tmp_path):
    task = replace(TINY, side="audio")
    pairs = task.read(esc, tmp_path)
    root, listed = esc, [Clip("", f"{esc}/{name}", name, ("dog",), ("", "train")) for name in pairs.names]
    listed += [Clip("", f"{esc}/{split}.wav", split, ("dog",), (split, "test")) for split in ("train", "test")]
    assert len(packing.of_list(pairs, listed, root, 1)) == 0


def test_the_exported_graph_says_what_it_takes(esc, tmp_path, monkeypatch):
    windows = []
    monkeypatch.setattr(class_task, "export_model", lambda kind, graphs, *_: windows.extend(graphs.items()))
    task = replace(TINY, side="audio")
    pairs = task.read(esc, tmp_path)
    task.export(task.learner(pairs, 0), pairs, tmp_path, {})
    ((name, window),) = windows
    assert (window.samples[0].shape[1:], name) == ((49, 40), "classes")
    assert (window.description["input"], window.description["classes"]) == ("filterbank", ["dog", "rain"])


@pytest.mark.parametrize("side", ["video", "audio"])
def test_it_starts_with_the_tower_of_a_run(ucf, esc, tmp_path, side):
    """Its sizes and its weights, whatever the task's own sizes are."""
    avts = Avts(McVideoConfig("mc2", width=1 / 32, dim=8), SoundCnnConfig(width=1 / 32, dim=8))
    torch.manual_seed(3)
    learner = AvtsTowers(avts)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps(to_json(TrainConfig("avts", avts))))
    save_weights(tmp_path / "run" / "best.safetensors", learner, {}, 0)
    task = replace(TINY, side=side, front_end=str(tmp_path / "run"))
    pairs = task.read({"video": ucf, "audio": esc}[side], tmp_path / "cache")
    ours, theirs = task.learner(pairs, 0).reader.tower, getattr(learner, side)
    assert ours.config == getattr(avts, side)
    for name, value in theirs.state_dict().items():
        if not name.startswith("head."):
            torch.testing.assert_close(ours.state_dict()[name], value)


def test_a_run_without_such_a_tower_is_refused(ucf, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"task": {"video": {"widths": [1, 2]}}}))
    with pytest.raises(UsageError, match="its recipe has no tower for video; avts has"):
        replace(TINY, front_end=str(tmp_path)).learner(TINY.read(ucf, tmp_path / "cache"), 0)
    with pytest.raises(UsageError, match="side is one of video, audio, got 'both'"):
        replace(TINY, side="both")


def test_short_clips_are_repeated(ucf, tmp_path):
    pairs = TINY.read(ucf, tmp_path)
    short = replace(
        pairs,
        video=tuple(
            np.arange(3, dtype=np.uint8)[:, None, None, None] + np.zeros((3, 20, 20, 3), np.uint8)
            for _ in range(len(pairs))
        ),
    )
    assert TINY.clip_window(short, 0, 0)[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]


def test_the_recipes_are_listed():
    assert recipe("avts_finetune") == avts_finetune()
    assert recipe("sound_classes") == sound_classes()
    assert (avts_finetune().task.side, sound_classes().task.side) == ("video", "audio")
