"""Models of transformers: what goes in is what their own processors make of it, and what comes out is theirs.

Their classes are the real ones, tiny and with random weights.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import avmatch
from avmatch.analysis.features import Analyser
from avmatch.artifacts.encoder import Encoder, as_input, fitted, load_encoders
from avmatch.artifacts.windows import FrameWindows, SampleWindows, reflected
from avmatch.core.errors import MissingExtraError, ModelError, UsageError
from avmatch.core.features import AudioSamples, ColourFrames
from avmatch.data.items import Pairs
from avmatch.frontends.sound import SAMPLE_RATE_HZ
from avmatch.pipelines.models import models_with, motion_cues, open_for_match
from avmatch.systems import registry
from avmatch.systems.semantic.task import SemanticPairs

if any(find_spec(name) is None for name in ("torch", "transformers", "timm", "torchvision")):
    pytest.skip("needs the extra `pretrained`", allow_module_level=True)

import torch
import transformers

from avmatch.systems.pretrained.families import WINDOW_SECONDS, load
from avmatch.systems.pretrained.source import find
from pretrained_models import DIM, NUM_FRAMES, SIDE_PX, clap, clip, pe_av

RATE_HZ = 48000
SRC = Path(avmatch.__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model, and the folder in which it was saved."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return pe_av(folder), folder


@pytest.fixture(scope="module")
def encoders(made):
    return load_encoders(open_for_match(f"hf:{made[1]}"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    avmatch.synthesise(folder, avmatch.SynthConfig(4, seed=1, duration_seconds=6.0, kinds=("drums", "balls")))
    return folder


@pytest.fixture(scope="module")
def exported(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    registry.exported(f"hf:{made[1]}", folder)
    return folder


class Kept:
    """A session that keeps what goes in."""

    def __init__(self, session):
        self.session, self.given = session, []

    def get_inputs(self):
        return self.session.get_inputs()

    def get_modelmeta(self):
        return self.session.get_modelmeta()

    def run(self, names, inputs):
        self.given.append(inputs["input"])
        return self.session.run(names, inputs)


def keeping(encoder):
    graph = encoder.graph
    session = Kept(graph.session)
    return Encoder(encoder.description, type(graph)(graph.path, session, graph.fingerprint)), session.given


def noise(num, height=44, width=70):
    return np.random.default_rng(5).integers(0, 256, (num, height, width, 3), dtype=np.uint8)


def sound(seconds):
    return np.random.default_rng(6).normal(0, 0.1, (1, round(seconds * RATE_HZ))).astype(np.float32)


def test_frames_are_those_of_the_models_own_processor(made, encoders):
    """Which frames of a short clip, their size and their normalisation."""
    model, folder = made
    frames = noise(3)
    every = WINDOW_SECONDS / NUM_FRAMES
    encoder, given = keeping(encoders.video)
    windows = FrameWindows(encoder)
    windows.push(ColourFrames(frames, (np.arange(3) + 0.5) * every))
    found = windows.finish()
    processor = transformers.AutoVideoProcessor.from_pretrained(folder)
    video = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())
    metadata = {"total_num_frames": 3, "fps": 1 / every, "duration": 3 * every}
    wanted = processor([video], video_metadata=[metadata], return_tensors="pt")["pixel_values_videos"]
    assert wanted.shape == (1, NUM_FRAMES, 3, SIDE_PX, SIDE_PX)
    got = load(find(f"hf:{folder}"))["video"].network.normalised(torch.from_numpy(given[0]))
    assert float((got - wanted).abs().max()) <= 1.01 / 255 / 0.2  # one shade: weights are rounded otherwise
    assert float((got - wanted).abs().mean()) < 1e-3
    with torch.inference_mode():
        vector = model.video_model.video_head(model.video_model.video_encoder(wanted).pooler_output)
    np.testing.assert_allclose(found.data, vector.numpy(), atol=0.02)  # that shade, and float16


def test_samples_are_those_of_the_models_own_processor(made, encoders):
    model, folder = made
    samples = sound(1.23)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    wanted = extractor(samples[0], sampling_rate=RATE_HZ, return_tensors="pt")["input_values"]
    np.testing.assert_array_equal(reflected(samples[0], extractor.hop_length), wanted[0, 0].numpy())
    windows = SampleWindows(encoders.audio)
    windows.push(AudioSamples(samples, RATE_HZ))
    with torch.inference_mode():
        vector = model.get_audio_embeds(wanted).numpy()
    np.testing.assert_allclose(windows.finish().data, vector, atol=1e-3)


def test_both_sides_are_those_of_the_whole_model(made, encoders):
    """As its own forward pass gives them, whatever a later version of transformers calls the parts."""
    model, folder = made
    frames, samples = np.random.default_rng(0).random((2, NUM_FRAMES, 3, SIDE_PX, SIDE_PX), np.float32), sound(4)
    samples = samples.reshape(2, -1)
    normalised = load(find(f"hf:{folder}"))["video"].network.normalised(torch.from_numpy(frames))
    with torch.inference_mode():
        wanted = model(pixel_values_videos=normalised, input_values=torch.from_numpy(samples)[:, None])
    np.testing.assert_allclose(encoders.video.encode(frames), wanted.video_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoders.audio.encode(samples), wanted.audio_embeds.numpy(), atol=1e-5)


def test_an_hour_takes_no_more_memory_than_a_minute(encoders):
    """Windows go as they fill."""
    encoder, given = keeping(encoders.video)
    windows = FrameWindows(encoder)
    frame = noise(1)
    for number in range(360 * NUM_FRAMES):
        windows.push(ColourFrames(frame, np.array([(number + 0.5) * WINDOW_SECONDS / NUM_FRAMES])))
        assert len(windows._pictures) <= NUM_FRAMES
    assert len(windows.finish().data) == 360
    assert {one.shape for one in given} == {(1, NUM_FRAMES, 3, SIDE_PX, SIDE_PX)}


OFFLINE = """
import json, socket, sys
def refused(*_): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refused
import avmatch
clips, model, out = sys.argv[1:]
found = {"errors": []}
for name in (f"hf:{model}", "hf:me/tiny"):
    for side in ("video", "audio"):
        result = avmatch.embed(f"{clips}/{'videos' if side == 'video' else 'audio'}", model=name, side=side)
        found[f"{name} {side}"] = [item.pooled.tolist() for item in result]
        found["licence"] = result.licence
result = avmatch.match(f"{clips}/videos", f"{clips}/audio", model=f"hf:{model}")
found["cues"], found["notes"] = list(result.settings["cues"]), list(result.notes)
found["videos"] = [match.video for match in result.matches]
avmatch.build_index(f"{clips}/audio", f"{out}/index", model=f"hf:{model}")
hits = avmatch.search(next(item.video for item in result.matches), f"{out}/index")
found["hits"] = len(hits.hits if hasattr(hits, "hits") else hits)
try:
    avmatch.embed(f"{clips}/audio", model="hf:nobody/nothing")
except avmatch.ModelError as error:
    found["errors"].append(str(error))
print(json.dumps(found))
"""


def cached(folder, home):
    """As the hub's client keeps a repository."""
    repository = home / "hub" / "models--me--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(folder, target_is_directory=True)


def run(script, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SRC), *sys.path])} | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_embed_match_and_search_offline(made, clips, tmp_path):
    """By a folder and by an ID that is in the cache; what isn't there is named, and the network isn't asked."""
    cached(made[1], tmp_path / "home")
    found = run(OFFLINE, clips, made[1], tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"))
    for side in ("video", "audio"):
        vectors = np.array(found[f"hf:{made[1]} {side}"])
        assert vectors.shape == (4, DIM)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        np.testing.assert_array_equal(vectors, found[f"hf:me/tiny {side}"])
        assert len(np.unique(vectors.round(4), axis=0)) == 4
    assert "hf:tiny" in found["cues"]
    assert any("never fitted" in note and "hf:tiny" in note for note in found["notes"])
    assert len(found["videos"]) == 4
    assert found["hits"] >= 1
    assert found["licence"] == "apache-2.0"
    assert "neither a folder nor in the local cache" in found["errors"][0]


def test_vectors_are_kept_under_the_content_of_the_model(made, clips, tmp_path, monkeypatch):
    path = str(next((clips / "videos").iterdir()))
    models = models_with(f"hf:{made[1]}")
    assert models.encoders.name in [cue.name for cue in motion_cues(models, apart=False)]
    first = Analyser(tmp_path, encoders=models.encoders).video(path)
    monkeypatch.setattr("avmatch.analysis.vectors.decode_with_colour", None)
    again = Analyser(tmp_path, encoders=load_encoders(open_for_match(f"hf:{made[1]}"))).video(path)
    np.testing.assert_array_equal(*(one.embeddings["hf:tiny"].data for one in (first, again)))
    other = tmp_path / "other" / "tiny"
    other.mkdir(parents=True)
    for file in made[1].iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert find(f"hf:{other}").name == "hf:tiny"
    config = json.loads((other / "video_preprocessor_config.json").read_text())
    (other / "video_preprocessor_config.json").write_text(json.dumps(config | {"num_frames": 2}))
    marks = [load_encoders(open_for_match(f"hf:{folder}")).video.fingerprint for folder in (made[1], other)]
    assert marks[0] != marks[1]


WITHOUT_TORCH = """
import json, sys
class Refused:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "transformers", "torchvision", "timm"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refused())
import avmatch
clips, model = sys.argv[1:]
found = {}
for side, folder in (("video", "videos"), ("audio", "audio")):
    result = avmatch.embed(f"{clips}/{folder}", model=model, side=side)
    found[side] = [item.vectors.tolist() for item in result]
result = avmatch.match(f"{clips}/videos", f"{clips}/audio", model=model)
found["matches"] = [[match.video, match.audio, match.confidence] for match in result.matches]
print(json.dumps(found))
"""


def test_an_exported_model_gives_the_same_without_torch(made, encoders, exported, clips):
    found = run(WITHOUT_TORCH, clips, exported)
    result = avmatch.match(clips / "videos", clips / "audio", model=f"hf:{made[1]}")
    assert [pair[:2] for pair in found["matches"]] == [[match.video, match.audio] for match in result.matches]
    confidences = [match.confidence for match in result.matches]
    np.testing.assert_allclose([pair[2] for pair in found["matches"]], confidences, atol=0.01)
    for side, folder in (("video", "videos"), ("audio", "audio")):
        wanted = avmatch.embed(clips / folder, model=f"hf:{made[1]}", side=side)
        for one, other in zip(wanted, found[side], strict=True):
            np.testing.assert_allclose(one.vectors, other, atol=1e-3)
    rng = np.random.default_rng(2)
    theirs = load_encoders(open_for_match(exported))
    frames = rng.random((3, NUM_FRAMES, 3, SIDE_PX, SIDE_PX), np.float32)
    np.testing.assert_allclose(theirs.video.encode(frames), encoders.video.encode(frames), atol=1e-3)
    for length in (480000, 1920 * 11):
        samples = rng.normal(0, 0.2, (2, length)).astype(np.float32)
        np.testing.assert_allclose(theirs.audio.encode(samples), encoders.audio.encode(samples), atol=1e-3)
    assert "Licence: apache-2.0" in (exported / "card.md").read_text()


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """CLIP for pictures and CLAP for sounds: the models, and their folders."""
    folder = tmp_path_factory.mktemp("halves")
    return clip(folder / "clip"), clap(folder / "clap"), folder


def test_clips_pictures_are_prepared_as_by_its_own_processor(halves):
    model, _, folder = halves
    side = load(find(f"hf:{folder / 'clip'}"))["video"]
    described = avmatch.artifacts.encoder.EncoderDescription(
        kind="semantic", model="clip", side="video", **side.description
    )
    for picture in (noise(1)[0], noise(1, 90, 60)[0]):
        processor = transformers.AutoImageProcessor.from_pretrained(folder / "clip")
        wanted = processor(picture, return_tensors="pt")["pixel_values"]
        given = torch.from_numpy(as_input(fitted(picture, described)[None]))
        assert float((side.network.normalised(given) - wanted).abs().max()) <= 1.01 / 255 / 0.2
        with torch.inference_mode():
            vector = torch.nn.functional.normalize(model.get_image_features(wanted).pooler_output, dim=-1)
            np.testing.assert_allclose(side.network(given), vector, atol=0.02)


@pytest.mark.parametrize("seconds", [10.0, 3.0])
def test_claps_log_mel_is_that_of_its_own_extractor(halves, seconds):
    _, model, folder = halves
    side = load(find(f"hf:{folder / 'clap'}"))["audio"]
    samples = sound(seconds)[0]
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder / "clap")
    wanted = extractor(samples, sampling_rate=RATE_HZ, return_tensors="pt")["input_features"]
    whole = np.tile(samples, 480000 // len(samples))
    whole = torch.from_numpy(np.pad(whole, (0, 480000 - len(whole))))[None]
    np.testing.assert_allclose(side.network.decibels(whole)[0], wanted[0, 0], atol=2e-2)  # in decibels
    with torch.inference_mode():
        vector = model.get_audio_features(wanted).pooler_output
        np.testing.assert_allclose(side.network(whole), vector, atol=1e-3)


def coloured(num):
    """Pairs as they are packed: red pictures hum, green ones whistle."""
    rng, times = np.random.default_rng(3), np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    frames = np.zeros((num, 5, 224, 224, 3), np.uint8)
    sounds = np.zeros((num, len(times)), np.int16)
    for number in range(num):
        frames[number, ..., number % 2] = round(rng.uniform(90, 220))
        pitch = (150.0, 3000.0)[number % 2] * rng.uniform(0.9, 1.1)
        sounds[number] = 8000 * np.sin(2 * np.pi * pitch * times) + rng.normal(0, 30, len(times))
    names = tuple(f"clip {number}" for number in range(num))
    kinds = ("red", "green")
    label = np.arange(num) % 2
    return Pairs(tuple(frames), tuple(sounds), names, np.arange(num), label, kinds, "frames", "samples", 1.0, 16000.0)


def test_halves_become_a_model_that_match_takes(halves, clips, tmp_path):
    """Exported, a map is fitted between them."""
    folder = halves[2]
    for name in ("clip", "clap"):
        registry.exported(f"hf:{folder / name}", tmp_path / name)
    assert not (tmp_path / "clip" / "audio.onnx").exists()
    with pytest.raises(ModelError, match="has no encoder for audio; fit a map"):
        models_with(tmp_path / "clip")
    task = SemanticPairs(str(tmp_path / "clip"), str(tmp_path / "clap"), num_components=4)
    pairs = coloured(8)
    learner = task.learner(pairs, 0)
    task.export(
        learner, pairs, tmp_path / "map", {"recipe": "s", "config": {}, "data": {}, "results": {}, "command": ""}
    )
    described = load_encoders(open_for_match(tmp_path / "map"))
    assert (described.video.description.short_px, described.audio.description.sample_rate_hz) == (0, RATE_HZ)
    (item, *_) = avmatch.embed(clips / "audio", model=tmp_path / "map", side="audio")
    assert item.vectors.shape == (1, DIM)
    assert item.pooled is not None


def test_half_a_model_alone_is_refused(halves):
    for name, what in (("clip", "pictures"), ("clap", "sounds")):
        with pytest.raises(ModelError, match=f"has vectors of {what} alone, in no space"):
            open_for_match(f"hf:{halves[2] / name}")


def copied(folder, where, *, without):
    where.mkdir()
    for file in folder.iterdir():
        if not file.match(without):
            (where / file.name).write_bytes(file.read_bytes())
    return where


def test_what_cannot_be_used_says_what_to_do(made, tmp_path):
    folder = made[1]
    with pytest.raises(ModelError, match=r"/nowhere/at all: no such folder; give a folder, or an ID"):
        open_for_match("hf:/nowhere/at all")
    with pytest.raises(ModelError, match=r"no config.json in it.*give the folder that holds config.json"):
        open_for_match(f"hf:{copied(folder, tmp_path / 'a', without='config.json')}")
    pickled = copied(folder, tmp_path / "b", without="*.safetensors")
    with pytest.raises(ModelError, match=r"no weights in safetensors .* in it; .*Download it again"):
        open_for_match(f"hf:{pickled}")
    (pickled / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelError, match=r"only pickled weights \(pytorch_model.bin\); pickled ones can run code"):
        open_for_match(f"hf:{pickled}")
    with pytest.raises(ModelError, match="transformers can't load it"):
        open_for_match(f"hf:{copied(folder, tmp_path / 'c', without='*preprocessor*')}")
    text = copied(folder, tmp_path / "d", without="config.json")
    (text / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=r"'bert' has no vectors of picture and sound.*pe_audio_video"):
        open_for_match(f"hf:{text}")
    with pytest.raises(UsageError, match=r"lips: only models of others are exported \(hf:PATH_OR_ID\)"):
        registry.exported("lips", tmp_path)


def test_weights_that_are_missing_are_not_made_up(made, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied(made[1], tmp_path / "less", without="nothing")
    weights = load_file(folder / "model.safetensors")
    name = next(one for one in weights if "video_head" in one)
    save_file(
        {one: value for one, value in weights.items() if one != name}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match="weights of PeAudioVideoModel aren't in its files"):
        open_for_match(f"hf:{folder}")


def test_a_fused_clap_is_refused(tmp_path):
    clap(tmp_path / "fused", "fusion")
    with pytest.raises(ModelError, match="picks parts of a sound at random"):
        registry.exported(f"hf:{tmp_path / 'fused'}", tmp_path)


def test_code_of_a_repository_is_never_run(made, tmp_path):
    """Nor asked about."""
    folder = copied(made[1], tmp_path / "code", without="nothing")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Evil"}}))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert load_encoders(open_for_match(f"hf:{folder}")).video.description.dim == DIM
    assert not (tmp_path / "ran").exists()


def test_without_the_extra_it_is_named(made, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("avmatch.systems.pretrained.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        MissingExtraError, match=r"a model by hf: needs transformers: pip install 'avmatch\[pretrained\]'"
    ):
        open_for_match(f"hf:{made[1]}")
