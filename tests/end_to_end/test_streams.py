"""`--video-stream`, `--audio-stream`, `--channel`: what is measured, fixed and drawn, and what is said of it."""

import json

import av
import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_audio
from avmatch.media.mux import mux
from end_to_end.test_fix import clip


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """One picture; stream 1: a sound that is late; stream 2: its two channels are early, and on time."""
    folder = tmp_path_factory.mktemp("take")
    sounds = [
        read_audio(clip(folder / f"{number}.mp4", seconds=8, offset_seconds=offset_seconds)).data[0]
        for number, offset_seconds in enumerate((0.25, -0.25, 0.0))
    ]
    num = min(map(len, sounds))
    late, early, good = (sound[:num] for sound in sounds)
    write_audio(folder / "two.wav", AudioSamples(np.stack([early, good]), 16_000))
    write_audio(folder / "one.wav", AudioSamples(late[None], 16_000))
    silent = folder / "silent.mkv"
    with av.open(str(folder / "0.mp4")) as source, av.open(str(silent), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    mux(silent, folder / "two.wav", folder / "half.mkv", offset_seconds=0.0)
    mux(folder / "half.mkv", folder / "one.wav", folder / "take.mkv", offset_seconds=0.0)
    return folder / "take.mkv"


def measured(run):
    answer = json.loads(run.stdout)
    return answer["offset_ms"], answer["streams"]


def test_the_stream_and_the_channel_that_are_asked_for_are_measured(avmatch, take, tmp_path):
    """With one cache: each has an entry of its own."""
    arguments = ("sync", take, "--json", "--cache", tmp_path)
    for _ in range(2):
        run = avmatch(*arguments)
        assert measured(run) == (pytest.approx(250, abs=80), "audio stream 1 of 1, 2")
        assert "take.mkv: used audio stream 1 of 1, 2 (--video-stream, --audio-stream, --channel)\n" in run.stderr
        run = avmatch(*arguments, "--audio-stream", 2, "--channel", 1)
        assert measured(run) == (pytest.approx(-250, abs=80), "audio stream 2 of 1, 2, channel 1 of 2")
        run = avmatch(*arguments, "--audio-stream", 2, "--channel", 2)
        assert measured(run) == (pytest.approx(0, abs=80), "audio stream 2 of 1, 2, channel 2 of 2")


def test_of_another_file_the_sound_is_chosen(avmatch, take):
    run = avmatch("sync", take, "--audio", take.with_name("two.wav"), "--channel", 1, "--json")
    assert measured(run) == (pytest.approx(-250, abs=80), "channel 1 of 2")


def test_fix_takes_out_what_was_measured_there_and_measures_it_there_again(avmatch, take, tmp_path):
    out = tmp_path / "out.mkv"
    run = avmatch("fix", take, "-o", out, "--audio-stream", 2, "--channel", 1, "--json", "--no-cache")
    answer = json.loads(run.stdout)
    assert answer["action"] == "fixed"
    assert answer["was_ms"] == pytest.approx(-250, abs=80)
    assert answer["is_ms"] == pytest.approx(0, abs=20)
    assert "take.mkv: used audio stream 2 of 1, 2, channel 1 of 2 (" in run.stderr
    ((offset_ms, _),) = [measured(avmatch("sync", out, "--json", "--audio-stream", 1))]
    assert offset_ms == pytest.approx(500, abs=80)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--audio-stream", 0), "stream 0 is no audio that can be decoded; it has 0: video h264, 96×72"),
        (("--video-stream", 1), "stream 1 is no video that can be decoded; it has 0: video h264, 96×72"),
        (("--audio-stream", 2, "--channel", 3), "there is no channel 3; audio stream 2 has 2 channels"),
        (("--channel", 0), "channels are counted from 1 on, got 0"),
    ],
)
@pytest.mark.parametrize("verb", ["sync", "fix", "locate"])
def test_a_wrong_number_ends_with_2_and_says_what_there_is(avmatch, take, tmp_path, verb, option, message):
    out = {"sync": (), "fix": ("-o", tmp_path / "out.mkv"), "locate": ("-o", tmp_path / "out.png")}[verb]
    run = avmatch(verb, take, *out, *option, "--no-cache", exits=2)
    assert message in " ".join(run.stderr.split())
    assert not list(tmp_path.iterdir())


def test_match_says_which_streams_it_used(avmatch, take, tmp_path):
    run = avmatch("match", take.with_name("0.mp4"), take, "-o", tmp_path, "--complete", "--no-cache")
    assert "take.mkv: used audio stream 1 of 1, 2\n" in run.stderr
