"""Word recognition: what a batch shows, front ends of runs, what is learned, held back and exported."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from word_features import save_features

from avmatch.core.errors import ModelError, UsageError
from avmatch.data.shards import ShardWriter, open_shards
from avmatch.systems.lips.augmentation import MouthAugmentation
from avmatch.systems.lips.model import LipCnn, LipCnnConfig, TcnConfig, VggMConfig, VoiceCnnConfig
from avmatch.systems.lips.published_task import MultiWay, SyncWindows
from avmatch.systems.lips.recipe import lips, perfect_match
from avmatch.systems.lips.task import LipPairs
from avmatch.systems.registry import recipe
from avmatch.systems.words.data import WordSelection
from avmatch.systems.words.model import Tc5, TcnBackEnd, lip_front_end, read_front_end
from avmatch.systems.words.recipe import words, words_tc_5
from avmatch.systems.words.task import WordBatches, Words, word_logits
from avmatch.training.config import Optimisation
from avmatch.training.loop import train
from avmatch.training.run import RunFolder, save_weights

CPU = torch.device("cpu")
WORDS = ("left", "right")
TCN = TcnConfig(width=8, dilations=(1,), dim=6)
LIPS = LipCnnConfig(first=2, widths=(3, 4), tcn=TCN, side_px=80)
GENTLE = MouthAugmentation(mirror_probability=0.0, coarse_probability=0.0, compression_probability=0.0, ramp=0.0)
TINY = Words(
    video=LIPS,
    back_end=Tc5(width=8),
    mouth=GENTLE,
    selection=WordSelection(min_tokens=2),
    mask_ticks=2,
    dropout=0.0,
    label_smoothing=0.0,
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """20 clips of 30 ticks; in each, one side of the mouth lights up while its word is said."""
    folder = tmp_path_factory.mktemp("packed")
    rng = np.random.default_rng(0)
    lines = ["file,word,start_s,end_s"]
    with ShardWriter(
        folder, video_kind="mouths", audio_kind="samples", video_rate_hz=25, audio_rate_hz=16000
    ) as writer:
        for number in range(20):
            frames = rng.integers(60, 90, size=(30, 112, 112), dtype=np.uint8)
            for place, word in enumerate(rng.permutation(WORDS)):
                begin = 4 + 12 * place
                side = slice(20, 56) if word == "left" else slice(56, 92)
                frames[begin : begin + 8, 20:92, side] += 120
                lines.append(f"{number}.mp4,{word},{begin / 25},{(begin + 8) / 25}")
            writer.add(f"{number}.mp4", frames, np.zeros(30 * 640, np.int16))
    (folder / "words.csv").write_text("\n".join(lines), "utf-8")
    return folder


def config(task, epochs=2, rate=1e-2):
    return replace(
        words(), task=task, epochs=epochs, batch_size=8, bf16=False, optimisation=Optimisation("adamw", rate)
    )


def test_the_recipes_are_listed_and_have_the_same_budget():
    assert {name: recipe(name) for name in ("words", "words_tc_5")} == {"words": words(), "words_tc_5": words_tc_5()}
    task = replace(words_tc_5().task, back_end=TcnBackEnd())
    assert replace(words_tc_5(), recipe="words", task=task) == words()


def test_a_batch_shows_the_word_with_its_context(packed, tmp_path):
    pairs = TINY.read(packed, tmp_path)
    batch = WordBatches(TINY, pairs, 0)(np.arange(4), 0, np.random.default_rng(0))
    assert batch.video.shape[:2] == (4, 8 + 2 * TINY.context_ticks)
    inside = slice(TINY.context_ticks, TINY.context_ticks + 8)
    for row in range(4):
        left, right = (batch.video[row, inside, 20:92, side].float().mean() for side in (slice(20, 56), slice(56, 92)))
        assert WORDS[batch.audio[row].max()] == ("left" if left > right else "right")
        assert (batch.audio[row] >= 0).nonzero().flatten().tolist() == list(range(inside.start, inside.stop))


def test_begin_and_end_move_by_a_few_frames_and_the_shorter_words_are_held(packed, tmp_path):
    pairs = TINY.read(packed, tmp_path)
    source = WordBatches(TINY, pairs, TINY.jitter_ticks)
    lengths = set()
    for seed in range(20):
        batch = source(np.arange(8), 0, np.random.default_rng(seed))
        num = (batch.audio >= 0).sum(dim=1)
        lengths |= set(num.tolist())
        assert batch.video.shape[1] == num.max() + 2 * TINY.context_ticks
        assert (batch.audio[:, TINY.context_ticks] >= 0).all()
    assert lengths == set(range(4, 13))


def test_of_the_shortest_word_a_frame_is_left(packed, tmp_path):
    """Whatever its begin and end do; and they stay within the frames that are there."""
    (tmp_path / "words.csv").write_text(
        "\n".join(["file,word,start_s,end_s", *(f"{number}.mp4,short,0.4,0.44" for number in range(5))]), "utf-8"
    )
    task = replace(TINY, words=str(tmp_path / "words.csv"))
    pairs = task.read(packed, tmp_path)
    lengths = set()
    for seed in range(50):
        batch = WordBatches(task, pairs, task.jitter_ticks)(np.arange(1), 0, np.random.default_rng(seed))
        lengths.add(int((batch.audio >= 0).sum()))
        assert batch.video.shape[1] == int((batch.audio >= 0).sum()) + 2 * task.context_ticks
    assert lengths == {1, 2, 3, 4, 5}


def test_folds_share_no_clip(packed, tmp_path):
    pairs = TINY.read(packed, tmp_path)
    files = np.array([name.partition("#")[0] for name in pairs.names])
    assert len(pairs) == 40
    assert all(len(set(pairs.group[files == file])) == 1 for file in files)


@pytest.mark.parametrize("name", ["words", "words_tc_5"])
def test_a_few_steps_learn_the_words(packed, tmp_path, name):
    back_end = TINY.back_end if name == "words_tc_5" else TcnBackEnd(replace(TCN, dropout=0.0))
    result = train(config(replace(TINY, back_end=back_end), epochs=6), packed, tmp_path / "run", device="cpu")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]
    assert result.metrics["top_1"] == 1.0
    assert result.metrics["num_words"] == 8
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    files = [{name.partition("#")[0] for name in split[part]} for part in ("train", "validation")]
    assert not files[0] & files[1]


def test_what_is_exported_is_what_was_learned(packed, tmp_path):
    pairs = TINY.read(packed, tmp_path)
    torch.manual_seed(0)
    learner = TINY.learner(pairs, 0).eval()
    TINY.export(learner, pairs, tmp_path, {"recipe": "words", "data": "", "results": "", "command": "", "config": {}})
    session = onnxruntime.InferenceSession(tmp_path / "words.onnx")
    described = json.loads(session.get_modelmeta().custom_metadata_map["avmatch"])
    assert described["vocabulary"] == list(WORDS)
    margin, crop = TINY.jitter_ticks, slice(16, 96)
    frames = pairs.video[3][margin:-margin, crop, crop].astype(np.float32)[None] / 255
    assert frames.shape[1] == 8 + 2 * described["context_frames"]
    logits = session.run(None, {"input": frames})[0]
    np.testing.assert_allclose(logits[0], word_logits(learner, pairs, CPU)[3], atol=1e-4)
    assert (tmp_path / "card.md").is_file()


def test_a_frozen_front_end_stays_to_the_bit(packed, tmp_path):
    pairs = TINY.read(packed, tmp_path)
    batch = WordBatches(TINY, pairs, 0)(np.arange(8), 0, np.random.default_rng(0))
    moved = []
    for epoch in (0, 1):
        torch.manual_seed(0)
        learner = replace(TINY, frozen_epochs=1).learner(pairs, 0).train()
        before = {name: value.clone() for name, value in learner.state_dict().items()}
        learner(batch, epoch)["loss"].backward()
        torch.optim.SGD(learner.parameters(), 0.1).step()
        changed = {
            name.partition(".")[0] for name, value in learner.state_dict().items() if (value != before[name]).any()
        }
        moved.append(changed)
    assert moved == [{"head"}, {"front_end", "head"}]


def lips_run(folder, data):
    untrained_run(replace(lips(), task=LipPairs(LIPS, VoiceCnnConfig((2, 2, 3, 4), tcn=TCN))), folder, data)


def syncnet_run(folder, data):
    task = SyncWindows(MultiWay(3), VggMConfig(side_px=56, colours=1, width=1 / 32, dim=6))
    untrained_run(replace(perfect_match(), task=task), folder, data)


def untrained_run(config, folder, data):
    run = RunFolder(folder)
    run.open(config, "", resume=False)
    save_weights(run.best, config.task.learner(open_shards(data), 0), {}, 0)


@pytest.mark.parametrize(("make", "shape"), [(lips_run, (4 * 10 * 10, 80)), (syncnet_run, (6, 56))])
def test_front_ends_of_runs(packed, tmp_path, make, shape):
    make(tmp_path / "run", packed)
    torch.manual_seed(1)
    front_end = read_front_end(tmp_path / "run")
    assert (front_end.num_channels, front_end.side_px) == shape
    torch.manual_seed(2)
    again = read_front_end(tmp_path / "run").network.state_dict()
    assert all((again[name] == value).all() for name, value in front_end.network.state_dict().items())
    ticks = front_end.network(torch.rand(2, 7, shape[1], shape[1]))
    assert ticks.shape == (2, 7, shape[0])
    task = replace(TINY, front_end=str(tmp_path / "run"))
    pairs = task.read(packed, tmp_path)
    assert word_logits(task.learner(pairs, 0), pairs, CPU).shape == (40, 2)


def test_the_front_end_of_lips_is_its_tower_up_to_the_layers_over_time(packed, tmp_path):
    torch.manual_seed(0)
    front_end = lip_front_end(LIPS)
    torch.manual_seed(0)
    tower = LipCnn(LIPS).eval()
    frames = torch.rand(1, 6, 80, 80)
    torch.testing.assert_close(tower.tcn(front_end.network.eval()(frames)), tower(frames))


def test_no_run_and_damaged_weights_are_refused(packed, tmp_path):
    with pytest.raises(UsageError, match="not the folder of a run"):
        read_front_end(tmp_path)
    (tmp_path / "config.json").write_text('{"task": {"video": {"width": 3}}}', "utf-8")
    with pytest.raises(UsageError, match="has no front end for words; lips"):
        read_front_end(tmp_path)
    lips_run(tmp_path / "run", packed)
    (tmp_path / "run" / "best.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="not the weights of its own configuration"):
        read_front_end(tmp_path / "run")


def test_features_that_were_saved_train_the_head_as_pictures_do(packed, tmp_path):
    torch.manual_seed(0)
    front_end = lip_front_end(LIPS)
    clips = open_shards(packed)
    save_features(front_end, clips, range(10), tmp_path / "features")
    save_features(front_end, clips, range(20), tmp_path / "features")
    task = replace(TINY, words=str(packed / "words.csv"))
    features, pictures = task.read(tmp_path / "features", tmp_path), task.read(packed, tmp_path)
    assert features.names == pictures.names
    torch.manual_seed(1)
    of_features = task.learner(features, 0)
    of_pictures = task.learner(pictures, 0)
    of_pictures.front_end = front_end.network
    of_pictures.head.load_state_dict(of_features.head.state_dict())
    logits = [word_logits(learner, pairs, CPU) for learner, pairs in ((of_features, features), (of_pictures, pictures))]
    np.testing.assert_allclose(*logits, atol=5e-3)
    result = train(config(task, epochs=6), tmp_path / "features", tmp_path / "run", device="cpu")
    assert result.metrics["top_1"] > 0.8
    assert (result.model / "words.onnx").is_file()


def test_a_missing_table_of_words_is_asked_for(packed, tmp_path):
    save_features(lip_front_end(LIPS), open_shards(packed), [0], tmp_path / "features")
    with pytest.raises(UsageError, match=r"words.csv: no such table of words; name one with --set task\.words=PATH"):
        TINY.read(tmp_path / "features", tmp_path)
