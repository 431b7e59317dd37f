"""`avmatch index` and `avmatch search`: as a person runs them, interrupted ones too."""

import json
import os
import shutil
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import avmatch as package
from avmatch.core.features import AudioSamples
from avmatch.media.decode import decode_sound
from avmatch.media.encode import write_audio
from avmatch.synth import SynthConfig, synthesise

FPS = Fraction(25)
SECONDS = 6.0
NUM = 4
#: Where the first clip's sound begins in the long recording.
BEGIN_SECONDS = 11.4


def samples(path):
    blocks = list(decode_sound(path))
    return np.concatenate([block.data.mean(axis=0, dtype=np.float32) for block in blocks]), blocks[0].sample_rate_hz


@pytest.fixture(scope="module")
def shoot(tmp_path_factory):
    """Silent clips of drums with their sounds, in the same order; the first sound once more within a long recording."""
    folder = tmp_path_factory.mktemp("library")
    config = SynthConfig(
        NUM, seed=3, duration_seconds=SECONDS, fps_choices=(FPS,), sizes=((160, 120),), kinds=("drums",)
    )
    clips = synthesise(folder, config)
    sound, rate = samples(folder / clips[0].audio)
    before = np.zeros(round(BEGIN_SECONDS * rate), np.float32)
    hiss = np.random.default_rng(0).normal(0, 1e-3, len(before) + len(sound) + 9 * rate).astype(np.float32)
    hiss[len(before) : len(before) + len(sound)] += sound
    (folder / "long").mkdir()
    write_audio(folder / "long" / "reel.wav", AudioSamples(hiss[None], rate))
    return folder, [folder / clip.video for clip in clips], [folder / clip.audio for clip in clips]


@pytest.fixture
def library(shoot, tmp_path):
    """A copy of the sounds, 0.wav and so on, that may be changed."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, sound in enumerate(shoot[2]):
        data, rate = samples(sound)
        write_audio(folder / f"{number}.wav", AudioSamples(data[None], rate))
    return folder


@pytest.fixture(scope="module")
def index(avmatch, shoot, tmp_path_factory):
    """Of the sounds and the long recording."""
    out = tmp_path_factory.mktemp("index") / "sounds"
    avmatch("index", shoot[0] / "audio", "-o", out)
    avmatch("index", shoot[0] / "long", "-o", out)
    return out


def hits(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.slow
def test_a_clip_finds_its_sound_and_where_it_begins(avmatch, shoot, index, tmp_path):
    _, videos, sounds = shoot
    run = avmatch("search", videos[0], "--in", index, "--json", "-o", tmp_path / "hits.csv")
    found = hits(run)
    assert [hit["rank"] for hit in found] == list(range(1, len(found) + 1))
    assert [hit["score"] for hit in found] == sorted((hit["score"] for hit in found), reverse=True)
    best = {Path(hit["path"]).name: hit for hit in reversed(found)}
    assert {Path(hit["path"]).name for hit in found[:2]} == {sounds[0].name, "reel.wav"}
    assert best[sounds[0].name]["start_seconds"] == pytest.approx(0.0, abs=0.08)
    assert best["reel.wav"]["start_seconds"] == pytest.approx(BEGIN_SECONDS, abs=0.08)
    assert best["reel.wav"]["confidence"] > best[sounds[1].name]["confidence"]
    assert "events" in found[0]["why"]
    assert (tmp_path / "hits.csv").read_text().startswith("rank,path,start_seconds,length_seconds,score,confidence")


@pytest.mark.slow
def test_previews_have_the_sound_under_the_picture(avmatch, shoot, index, tmp_path):
    run = avmatch("search", shoot[1][0], "--in", index, "--json", "--top-k", 2, "--preview", tmp_path)
    for hit in hits(run):
        result = package.sync(hit["preview"])
        assert result.offset_seconds == pytest.approx(0.0, abs=0.08)


@pytest.mark.slow
def test_a_sound_finds_its_video(avmatch, shoot, tmp_path):
    folder, videos, sounds = shoot
    avmatch("index", folder / "videos", "-o", tmp_path, "--side", "video")
    found = hits(avmatch("search", sounds[1], "--in", tmp_path, "--json"))
    assert found[0]["path"] == str(videos[1])
    assert found[0]["start_seconds"] == pytest.approx(0.0, abs=0.08)
    refused = avmatch("index", folder / "audio", "-o", tmp_path, exits=2)
    assert "an index of video" in refused.stderr


@pytest.mark.slow
def test_what_sounds_alike_and_kinds(avmatch, shoot, index):
    sounds = shoot[2]
    found = hits(avmatch("search", "--like", sounds[2], "--in", index, "--json"))
    assert found[0]["path"] == str(sounds[2])
    assert found[0]["score"] == pytest.approx(1.0, abs=0.01)
    kinds = {hit["kind"] for hit in found if hit["kind"]}
    for kind in kinds:
        only = hits(avmatch("search", shoot[1][0], "--in", index, "--json", "--kind", kind[:6]))
        assert {hit["kind"] for hit in only} == {kind}
    refused = avmatch("search", shoot[1][0], "--in", index, "--kind", "whales", exits=2)
    assert "there are speech, animal" in refused.stderr


def counts(run):
    found = json.loads(run.stdout)
    return [found[name] for name in ("added", "known", "dropped", "unchanged", "files", "failures")]


@pytest.mark.slow
def test_an_index_follows_its_library(avmatch, shoot, library, tmp_path):
    out = library / "index"  # inside of what is indexed

    def again():
        return counts(avmatch("index", library, "-o", out, "--json", exits=0))

    first, second, third, fourth = (library / f"{number}.wav" for number in range(NUM))
    (library / "broken.wav").write_bytes(b"RIFF and then nothing")
    assert again() == [NUM, 0, 0, 0, NUM, 1]
    before = (out / "library.sqlite").read_bytes()
    assert again() == [0, 0, 0, NUM + 1, NUM, 1]
    assert (out / "library.sqlite").read_bytes() == before
    (library / "moved").mkdir()
    first.rename(library / "moved" / "new name.wav")
    shutil.copy2(second, library / "copy.wav")
    data, rate = samples(third)
    third.unlink()
    write_audio(third, AudioSamples(data[None, : rate * 4], rate))
    fourth.unlink()
    assert again() == [1, 2, 2, 2, 4, 1]
    found = hits(avmatch("search", shoot[1][0], "--in", out, "--json"))
    names = {Path(hit["path"]).name for hit in found}
    assert names == {"new name.wav", second.name, third.name}  # a copy is the same sound


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise")
def test_a_killed_run_loses_nothing_and_is_read_meanwhile(command, avmatch, library, tmp_path):
    out = tmp_path / "index"
    for copy in range(4):  # other contents: a run that takes a while
        for number in range(NUM):
            data, rate = samples(library / f"{number}.wav")
            cut = AudioSamples(data[None, copy * 100 + 100 :], rate)
            write_audio(library / f"{number}-{copy}.wav", cut)
    total = 5 * NUM
    process = command("index", library, "-o", out, "--no-cache")
    while not (out / "library.sqlite").is_file() or not _files(out):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    seen = _files(out)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = _files(out)
    assert kept >= seen > 0
    added, known, dropped, unchanged, files, failures = counts(avmatch("index", library, "-o", out, "--json"))
    assert (added, known, dropped, unchanged, failures) == (total - kept, 0, 0, kept, 0)
    assert files == total


def _files(out):
    """As another process sees them."""
    from avmatch.core.errors import AvmatchError
    from avmatch.index.library import Library

    try:
        with Library(out) as reader:
            return reader.counts().files
    except AvmatchError:  # being made
        return 0


def test_wrong_usage_is_said(avmatch, shoot, tmp_path):
    clip = shoot[1][0]
    assert "--in INDEX" in avmatch("search", clip, exits=2).stderr
    assert "no index there" in avmatch("search", clip, "--in", tmp_path / "none", exits=2).stderr
    assert ".csv or .jsonl" in avmatch("search", clip, "--in", tmp_path, "-o", tmp_path / "x.txt", exits=2).stderr
    assert "'both' is not one of" in avmatch("index", tmp_path, "-o", tmp_path / "i", "--side", "both", exits=2).stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208
