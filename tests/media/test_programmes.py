"""Transport streams of several programmes: the picture's own is read and copied, the others are named."""

import av
import numpy as np
import pytest

from avmatch.core.errors import UsageError
from avmatch.media.choice import audio_stream, video_stream
from avmatch.media.mux import mux
from avmatch.media.programmes import multiplex, programmes
from avmatch.media.repair import repair
from media.test_copies import film, poly_wav
from media.test_streams import NOISE, write
from transport_streams import broadcast, joined


@pytest.fixture(scope="module")
def radio_first(tmp_path_factory):
    """A radio programme, then one with a larger picture and two sounds."""
    folder = tmp_path_factory.mktemp("broadcast")
    film(folder / "film.mkv", sounds=("ac3", "mp2"))
    parts = {
        1: broadcast(folder / "film.mkv", folder / "1.ts", 1, "Radio", kinds=("audio",)),
        2: broadcast(folder / "film.mkv", folder / "2.ts", 2, "TV"),
    }
    return joined(folder / "both.ts", parts)


def described(path):
    with av.open(str(path)) as container:
        return [(found.number, found.name, sorted(found.streams)) for found in programmes(container)]


def test_the_tables_say_what_belongs_together(radio_first):
    found = described(radio_first)
    assert [(number, len(streams)) for number, _, streams in found] == [(1, 2), (2, 3)]
    assert found[0][1] == "Radio"


@pytest.mark.parametrize("num_extra", [4, 16])
def test_packets_may_have_something_in_front_or_behind(radio_first, tmp_path, num_extra):
    data = radio_first.read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    path = tmp_path / "long.ts"
    path.write_bytes(b"".join(b"\1" * 4 + each if num_extra == 4 else each + b"\1" * 16 for each in packets))
    assert [(number, len(streams)) for number, _, streams in described(path)] == [(1, 2), (2, 3)]


def test_a_file_of_another_kind_or_without_tables_has_none(radio_first, tmp_path):
    assert described(film(tmp_path / "film.mkv")) == []
    data = radio_first.read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    bare = tmp_path / "bare.ts"
    bare.write_bytes(b"".join(packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF != 0))
    with av.open(str(bare)) as container:
        assert programmes(container) == ()
        assert not multiplex(container, container.streams[0]).has_apart(0)


def test_a_silent_sound_isn_t_replaced_by_that_of_another_programme(tmp_path):
    write(tmp_path / "loud.mkv", sounds=(NOISE,), codec="mp2")
    write(tmp_path / "silent.mkv", pictures=((320, 240),), sounds=(np.zeros_like(NOISE),), codec="mp2")
    parts = {
        1: broadcast(tmp_path / "loud.mkv", tmp_path / "1.ts", 1, "Radio", kinds=("audio",)),
        2: broadcast(tmp_path / "silent.mkv", tmp_path / "2.ts", 2, "TV"),
    }
    with av.open(str(joined(tmp_path / "both.ts", parts))) as container:
        picture, sound = video_stream(container), audio_stream(container)
        assert not multiplex(container, picture).has_apart(sound.index)


@pytest.mark.parametrize("how", ["fix", "mux"])
@pytest.mark.parametrize("suffix", [".ts", ".mov", ".mkv"])
def test_a_copy_holds_the_pictures_programme_and_names_the_others(radio_first, tmp_path, how, suffix):
    out = tmp_path / f"out{suffix}"
    if how == "fix":
        notes = repair(radio_first, out, offset_seconds=0.1).notes
    else:
        poly_wav(tmp_path / "sound.wav")
        notes = mux(radio_first, tmp_path / "sound.wav", out, offset_seconds=0.1)
    (radio, _) = described(radio_first)
    numbers = ", ".join(map(str, radio[2]))
    assert f"programme 1 (Radio) is left out, stream {numbers}: a copy holds the picture's programme" in notes
    with av.open(str(out)) as container:
        assert len(container.streams.video) == 1
        assert len(container.streams.audio) == 2 + (how == "mux")


def test_the_programme_keeps_its_name(tmp_path):
    film(tmp_path / "film.mkv", sounds=("mp2",))
    source = broadcast(tmp_path / "film.mkv", tmp_path / "one.ts", 1, "Erstes")
    assert repair(source, tmp_path / "out.ts", offset_seconds=0.1).notes == ()
    assert [name for _, name, _ in described(tmp_path / "out.ts")] == ["Erstes"]


def test_a_track_of_another_programme_isn_t_moved(radio_first, tmp_path):
    (radio, _) = described(radio_first)
    with av.open(str(radio_first)) as container:
        track = 1 + [stream.index for stream in container.streams.audio].index(radio[2][0])
    with pytest.raises(UsageError, match=f"audio track {track} belongs to another programme than the picture"):
        repair(radio_first, tmp_path / "out.ts", offset_seconds=0.1, track=track)
