"""A file is opened as what it is, alone; and what can't be opened is named, with a remedy."""

import os
import re

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.core.features import AudioSamples
from avmatch.media.decode import decode, read_audio
from avmatch.media.encode import write_audio
from avmatch.media.source import OPTIONS, opened
from data.make_data import CONCAT_SCRIPT, PLAYLIST
from probing import probe

DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000"><BaseURL>good.mp4</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)
SESSION = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\ngood.mp4\n"
SEGMENTS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\ngood.ts\n#EXT-X-ENDLIST\n"


def decoded(path):
    return list(decode(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.mp4", "there is no such file; check the name"),
        (".", "not a file; name a media file, or a folder"),
        ("zero.mp4", "the file is empty (0 bytes); copy or record it again"),
        ("text.mp4", "the file is damaged, cut off or not media: play it to see, then copy or convert it again"),
        ("text.wav", "the file is damaged, cut off or not media"),
        ("truncated.mp4", "the file is damaged, cut off or not media"),
        ("x" * 300 + ".mp4", "the file can't be reached (File name too long)"),
    ],
)
@pytest.mark.parametrize("reader", [probe, read_audio, decoded])
def test_what_cannot_be_opened_is_named_with_a_remedy(media, name, words, reader):
    path = media / name
    with pytest.raises(MediaError, match=re.escape(words)) as caught:
        reader(path)
    assert (caught.value.reason, caught.value.stage, caught.value.path) == ("unreadable", "open", str(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_the_stage_is_the_callers(media):
    with pytest.raises(MediaError, match="empty") as caught, opened(media / "zero.mp4", "mux"):
        pass
    assert caught.value.stage == "mux"


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "a.mp4").symlink_to("b.mp4")
    (tmp_path / "b.mp4").symlink_to("a.mp4")
    with pytest.raises(MediaError, match=r"no such file|can't be reached"):
        probe(tmp_path / "a.mp4")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read here")
def test_no_permission_is_told(media, tmp_path):
    path = tmp_path / "locked.mp4"
    path.write_bytes((media / "good.mp4").read_bytes())
    path.chmod(0)
    with pytest.raises(MediaError, match="no permission to read it; change its mode"):
        probe(path)


@pytest.mark.parametrize("suffix", ["mp4", "wav", "m3u8", "ffconcat", "txt", "mpd", "sdp"])
@pytest.mark.parametrize("script", [PLAYLIST, CONCAT_SCRIPT, DASH, SESSION, MASTER, SEGMENTS])
def test_a_script_in_disguise_opens_no_other_file(media, tmp_path, script, suffix):
    """Each of these makes a bare av.open read the file that it names, or listen at a port, under some suffix."""
    (tmp_path / "good.mp4").symlink_to(media / "good.mp4")
    path = tmp_path / f"disguise.{suffix}"
    path.write_text(script, encoding="utf-8")
    with pytest.raises(MediaError, match="not readable as audio or video"):
        list(decode(path))


def test_the_whitelist_is_what_stops_the_scripts(media, tmp_path):
    (tmp_path / "good.mp4").symlink_to(media / "good.mp4")
    script = tmp_path / "script.ffconcat"
    script.write_text(CONCAT_SCRIPT, encoding="utf-8")
    with av.open(str(script)) as container:
        assert container.streams.video
    with pytest.raises(av.FFmpegError, match="Invalid argument"):
        av.open(str(script), options=OPTIONS)


@pytest.mark.parametrize(
    "name",
    ["with space ünïcode ☃.mp4", "take 1: wide.mp4", "http:clip.mp4", "-v.mp4", "50%d #1?.mp4", "a|b.mp4", "noext"],
)
def test_odd_names_are_only_names(media, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes((media / "good.mp4").read_bytes())
    assert probe(tmp_path / name).video is not None
    monkeypatch.chdir(tmp_path)
    assert probe(name).path == name


@pytest.mark.parametrize(
    "name", ["http://localhost:1/clip.mp4", "concat:good.mp4|good.mp4", "pipe:0", "subfile,,start,0,:good.mp4"]
)
def test_an_address_is_a_file_that_is_not_there(media, monkeypatch, name):
    monkeypatch.chdir(media)
    with pytest.raises(MediaError, match="there is no such file"):
        probe(name)


def test_the_suffix_does_not_matter(media):
    info = probe(media / "wrong_suffix.mp4")
    assert info.video is not None
    assert info.audio is not None


@pytest.mark.parametrize("size", [0, 1000, 96_000, 0xFFFFFFFF])
def test_a_wav_is_read_to_its_end_whatever_size_its_header_gives(tmp_path, size):
    path = tmp_path / "sound.wav"
    tone = np.sin(np.arange(2 * 48_000) / 5).astype(np.float32)[None] / 2
    write_audio(path, AudioSamples(tone, 48_000))
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert read_audio(path).duration_seconds == pytest.approx(2.0, abs=0.01)


def test_a_chunk_behind_the_sound_is_no_sound(tmp_path):
    path = tmp_path / "sound.wav"
    write_audio(path, AudioSamples(np.ones((1, 48_000), np.float32) / 2, 48_000))
    path.write_bytes(path.read_bytes() + b"LIST" + (2000).to_bytes(4, "little") + bytes(2000))
    assert read_audio(path).duration_seconds == pytest.approx(1.0, abs=0.001)
