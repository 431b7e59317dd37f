import av
import numpy as np
import pytest

from avmatch.core.features import AudioSamples, VideoFrames
from avmatch.media import decode as decoder
from avmatch.media import source
from avmatch.media.decode import decode
from avmatch.media.encode import write_audio, write_clip
from avmatch.media.source import Reading
from data.make_data import FPS, clicks, pictures

SECONDS = 4.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A clip with its index in front, as the web likes it, one of another kind, and a recording."""
    folder = tmp_path_factory.mktemp("whole")
    sound = clicks(16000, duration_seconds=SECONDS)
    write_clip(folder / "made.mp4", pictures(SECONDS), fps=FPS, audio=sound)
    write_clip(folder / "clip.mkv", pictures(SECONDS), fps=FPS, audio=sound)
    write_audio(folder / "sound.flac", sound)
    write_audio(folder / "sound.mp3", sound)
    options = {"movflags": "faststart"}
    with av.open(str(folder / "made.mp4")) as source, av.open(str(folder / "clip.mp4"), "w", options=options) as target:
        copies = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return folder


def read(path, **streams):
    reading = Reading()
    blocks = list(decode(path, reading=reading, **streams))
    assert blocks
    return reading, blocks


def shares(path, **streams):
    reading, blocks = read(path, **streams)
    return reading.shares, blocks


def seconds(blocks):
    """How long the picture and the sound last that were decoded."""
    frames = sum(len(block) for block in blocks if isinstance(block, VideoFrames))
    return frames / FPS, sum(block.duration_seconds for block in blocks if isinstance(block, AudioSamples))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "made.mp4", "sound.flac", "sound.mp3"])
def test_of_a_whole_file_nothing_is_missing(whole, name):
    reading, _ = read(whole / name)
    assert set(reading.shares.values()) == set(reading.damaged_seconds.values()) == {0.0}


@pytest.mark.parametrize("kept", [0.5, 0.8])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "sound.flac"])
def test_of_a_file_cut_off_the_share_after_the_cut_is_missing(whole, tmp_path, name, kept):
    content = (whole / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(kept * len(content))])
    found, blocks = read(tmp_path / name)
    for kind, length in zip(("video", "audio"), seconds(blocks), strict=True):
        if kind in found.shares:
            assert found.shares[kind] == pytest.approx(1.0 - length / SECONDS, abs=0.06)
            assert 0.1 < found.shares[kind] < 0.7
            assert found.damaged_seconds[kind] == pytest.approx(SECONDS - length, abs=0.25)


def test_a_sound_that_is_shorter_than_its_picture_is_whole(tmp_path):
    write_clip(tmp_path / "a.mp4", pictures(SECONDS), fps=FPS, audio=clicks(16000, duration_seconds=1.0))
    write_clip(tmp_path / "a.mkv", pictures(SECONDS), fps=FPS, audio=clicks(16000, duration_seconds=1.0))
    for name in ("a.mp4", "a.mkv"):
        assert shares(tmp_path / name)[0] == {"video": 0.0, "audio": 0.0}
        assert shares(tmp_path / name, video=False)[0] == {"audio": 0.0}


class Demuxed:
    """A container with other packets."""

    __class__ = av.container.InputContainer  # for who asks isinstance

    def __init__(self, container, packets):
        self._container, self._packets = container, packets

    def __getattr__(self, name):
        return getattr(self._container, name)

    def demux(self):
        return self._packets(self._container.demux())


@pytest.fixture
def demuxed(monkeypatch):
    """Returns a function that changes what comes out of files."""
    opened = source.opened

    class Opened:
        def __init__(self, path, packets):
            self._opened, self._packets = opened(path), packets

        def __enter__(self):
            return Demuxed(self._opened.__enter__(), self._packets)

        def __exit__(self, *error):
            return self._opened.__exit__(*error)

    return lambda packets: monkeypatch.setattr(source, "opened", lambda path: Opened(path, packets))


@pytest.mark.parametrize(("name", "num_packets"), [("clip.mp4", 80), ("sound.mp3", 55)])
def test_an_error_of_the_demuxer_keeps_what_came_before_and_is_not_silent(whole, demuxed, name, num_packets):
    def failing(packets):
        for number, packet in enumerate(packets):
            if number == num_packets:
                raise av.error.InvalidDataError(1, "the disk has a bad sector")
            yield packet

    demuxed(failing)
    found, blocks = shares(whole / name)
    assert 0.3 < found["audio"] < 0.7
    assert found["audio"] == pytest.approx(1.0 - seconds(blocks)[1] / SECONDS, abs=0.05)


class Bad:
    """A packet that can't be decoded."""

    __class__ = av.Packet

    def __init__(self, packet):
        self._packet = packet

    def __getattr__(self, name):
        return getattr(self._packet, name)

    def decode(self):
        raise av.error.InvalidDataError(1, "damaged")


def test_packets_that_cannot_be_decoded_are_counted(whole, demuxed):
    def every_second_is_bad(packets):
        for number, packet in enumerate(packets):
            yield Bad(packet) if packet.size and number % 2 else packet

    demuxed(every_second_is_bad)
    reading, _ = read(whole / "sound.flac")
    assert reading.shares["audio"] == pytest.approx(0.5, abs=0.02)
    assert reading.damaged_seconds["audio"] == pytest.approx(SECONDS / 2, abs=0.1)


def test_too_many_of_them_end_the_file_and_what_follows_is_missing(whole, demuxed, monkeypatch):
    monkeypatch.setattr(decoder, "MAX_BAD_PACKETS", 3)

    def bad_from_ten_on(packets):
        for number, packet in enumerate(packets):
            yield Bad(packet) if number >= 10 else packet

    demuxed(bad_from_ten_on)
    found, blocks = shares(whole / "sound.flac")
    assert found["audio"] == pytest.approx(1.0 - seconds(blocks)[1] / SECONDS, abs=0.02)
    assert np.concatenate([block.data for block in blocks], axis=1).size


def test_a_hole_in_a_broadcast_is_counted_in_seconds(whole, tmp_path):
    """25 packets of 188 bytes out of the middle: none is said to be missing, but sound and pictures are."""
    path = tmp_path / "hole.ts"
    with av.open(str(whole / "clip.mp4")) as original, av.open(str(path), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in original.streams]
        for packet in original.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert read(path)[0].damaged_seconds == {"video": 0.0, "audio": 0.0}
    content = path.read_bytes()
    middle = len(content) // 188 // 2
    path.write_bytes(content[: 188 * middle] + content[188 * (middle + 25) :])
    reading, _ = read(path)
    assert reading.damaged_seconds["audio"] == pytest.approx(0.5, abs=0.35)
    assert 0.0 < reading.damaged_seconds["video"] < 0.5


def test_stamps_that_damage_made_up_do_not_make_the_damage_longer_than_the_file(whole, tmp_path):
    """One wrong bit in a stamp of 33 bits is up to 13 hours."""
    with av.open(str(whole / "clip.mkv")) as original, av.open(str(tmp_path / "clip.ts"), "w") as target:
        copies = [target.add_stream_from_template(stream) for stream in original.streams]
        for packet in original.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    content = bytearray((tmp_path / "clip.ts").read_bytes())
    begins = [place for place in range(0, len(content), 188) if content[place + 1] & 0x40]
    begins = [place for place in begins if content[place + 4 : place + 188].find(b"\0\0\1\xe0") >= 0]
    place = content.index(b"\0\0\1\xe0", begins[len(begins) // 2]) + 9
    content[place] ^= 0x06  # the highest bits of the stamp
    lost = 188 * (len(content) // (4 * 188))
    content[lost : lost + 8 * 188] = bytes(8 * 188)
    (tmp_path / "damaged.ts").write_bytes(content)
    reading, _ = read(tmp_path / "damaged.ts")
    assert 0.0 < reading.damaged_seconds["video"] < SECONDS


@pytest.mark.parametrize("kind", ["0", "too small", "unknown", "RF64 without sizes"])
def test_a_wav_whose_header_has_wrong_sizes_is_whole(tmp_path, kind):
    """A recorder that lost its power: every sample that is stored is read, and nothing is called damaged."""
    path = tmp_path / "take.wav"
    write_audio(path, clicks(48000, duration_seconds=SECONDS))
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    if kind == "RF64 without sizes":
        content[place : place + 4] = b"\xff" * 4
        content[0:8] = b"RF64" + b"\xff" * 4
        content[12:12] = b"ds64" + (28).to_bytes(4, "little") + bytes(28)
    else:
        content[place : place + 4] = {"0": 0, "too small": 1000, "unknown": 0xFFFFFFFF}[kind].to_bytes(4, "little")
    path.write_bytes(content)
    reading, blocks = read(path, video=False)
    assert seconds(blocks)[1] == pytest.approx(SECONDS, abs=0.01)
    assert reading.damaged_seconds == reading.shares == {"audio": 0.0}
