"""Each format, read back by something that isn't its writer, says what is true of the shoot."""

from __future__ import annotations

import csv
import json
import math
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet
import pytest

from avmatch.media.timecode import Timecode
from avmatch.pipelines.export import export
from shoots import (
    CLIP_FRAMES,
    RECORDING_SECONDS,
    KnownClip,
    Row,
    Shoot,
    write_clip,
    write_recording,
    write_result,
)
from timeline_readers import Piece, Seen, read_ale, read_edl, read_fcpxml, read_otio, read_xmeml

SAMPLE = Fraction(1, 48_000)


def written(shoot: Shoot, to: str, tmp_path: Path) -> Path:
    out = tmp_path / f"t.{to}"
    export(shoot.folder, to, out)
    return out


def check_pieces(shoot: Shoot, seen: Seen, tolerance: Fraction, *, is_laid_out: bool = True) -> None:
    """All clips are there, one after another, each with its sound where it belongs."""
    videos = seen.of("V") if is_laid_out else [piece for piece in seen.pieces if piece.kind == "V"]
    assert [piece.file for piece in videos] == [clip.video for clip in shoot.clips]
    frame = 1 / shoot.rate
    for number, (piece, clip) in enumerate(zip(videos, shoot.clips, strict=True)):
        assert piece.at_seconds == (CLIP_FRAMES * number * frame if is_laid_out else 0)
        assert piece.duration_seconds == CLIP_FRAMES * frame
        assert piece.source_seconds == clip.video_start.seconds
        sounds = [item for item in seen.pieces if item.kind == "A" and item.file == clip.audio]
        assert bool(sounds) == (clip.audio is not None)
        for sound in sounds:
            check_sound(piece, clip, sound, frame, tolerance)
    marks = ["check" in "".join(piece.markers) or "no recording" in "".join(piece.markers) for piece in videos]
    assert marks == [False, True, False, True]


def check_sound(picture: Piece, clip: KnownClip, sound: Piece, frame: Fraction, tolerance: Fraction) -> None:
    """What is heard at a time of the clip lies so much later in the recording as the offset says."""
    at = sound.at_seconds - picture.at_seconds
    error = (sound.source_seconds - clip.audio_start) - (at + clip.offset_seconds)
    assert abs(error) <= tolerance, float(error)
    begin, end = (
        max(Fraction(0), -clip.offset_seconds),
        min(CLIP_FRAMES * frame, RECORDING_SECONDS - clip.offset_seconds),
    )
    assert 0 <= at - begin < frame
    assert 0 <= end - (at + sound.duration_seconds) < frame


def test_otio(shoot: Shoot, tmp_path: Path) -> None:
    seen = read_otio(written(shoot, "otio", tmp_path))
    check_pieces(shoot, seen, SAMPLE / 2)
    assert seen.channels == {clip.audio.name: clip.num_channels for clip in shoot.clips if clip.audio is not None}
    for piece, clip in zip(seen.of("V"), shoot.clips, strict=True):
        assert piece.file_start_seconds == clip.video_start.seconds
    for piece in seen.of("A"):
        assert piece.file_start_seconds == next(clip.audio_start for clip in shoot.clips if clip.audio == piece.file)


def test_fcpxml(shoot: Shoot, tmp_path: Path) -> None:
    project, event = read_fcpxml(written(shoot, "fcpxml", tmp_path))
    check_pieces(shoot, project, SAMPLE / 2)
    check_pieces(shoot, Seen(event.start_seconds, tuple(rebased(shoot, event))), SAMPLE / 2, is_laid_out=False)
    root = ET.fromstring((tmp_path / "t.fcpxml").read_bytes())
    assert len(root.findall("library/event/sync-clip")) == sum(clip.audio is not None for clip in shoot.clips)
    wanted = {clip.audio.name: clip.num_channels for clip in shoot.clips if clip.audio is not None}
    assert {name: num for name, num in project.channels.items() if num} == wanted
    assert all(
        piece.file_start_seconds == clip.video_start.seconds
        for piece, clip in zip(project.of("V"), shoot.clips, strict=True)
    )


def test_the_cameras_own_sound_is_switched_off(tmp_path: Path) -> None:
    """In Final Cut's clip it is there and inactive; in the project it is left out, so that nothing sounds twice."""
    path = tmp_path / "camera.mkv"
    with av.open(str(path), "w") as container:
        picture, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=48_000)
        picture.width, picture.height = 64, 36
        sound.codec_context.layout = "mono"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((36, 64, 3), 90, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(picture.encode(frame))
        hiss = av.AudioFrame.from_ndarray(np.ones((1, 48_000), np.int16), "s16", "mono")
        hiss.sample_rate, hiss.pts = 48_000, 0
        for stream, last in ((sound, hiss), (sound, None), (picture, None)):
            container.mux(stream.encode(last))
    rows = [Row(path, write_recording(tmp_path / "a.wav", 0.5), 20.0), Row(path, None, None)]
    out = export(write_result(tmp_path / "OUT", rows), "fcpxml", tmp_path / "t.fcpxml").paths[0]
    read_fcpxml(out)
    root = ET.fromstring(out.read_bytes())
    with_sound, alone = root.findall(".//spine/asset-clip")
    assert (with_sound.get("srcEnable"), alone.get("srcEnable")) == ("video", None)
    sources = {item.get("sourceID"): item[0].get("active") for item in root.iter("sync-source")}
    assert sources == {"storyline": "0", "connected": None}


def rebased(shoot: Shoot, event: Seen) -> list[Piece]:
    """A loose clip begins at its own `offset`, which is 0."""
    assert [piece.file for piece in event.pieces if piece.kind == "V"] == [clip.video for clip in shoot.clips]
    return list(event.pieces)


def test_xmeml(shoot: Shoot, tmp_path: Path) -> None:
    path = written(shoot, "xmeml", tmp_path)
    seen = read_xmeml(path)
    half_frame = 1 / shoot.rate / 2
    # The adapter adds the file's start, which is a whole frame, to the place in the file.
    in_file = [
        Piece(**{**vars(piece), "source_seconds": piece.source_seconds - piece.file_start_seconds + start})
        for piece in seen.pieces
        if (start := file_start(shoot, piece)) is not None and piece.file_start_seconds is not None
    ]
    check_pieces(shoot, Seen(seen.start_seconds, tuple(in_file)), half_frame)
    for clip in shoot.clips:
        channels = [piece.channel for piece in seen.of("A") if piece.file == clip.audio]
        assert sorted(channels) == ([] if clip.audio is None else list(range(1, clip.num_channels + 1)))
    for piece in seen.pieces:
        start = file_start(shoot, piece)
        assert start is not None
        assert piece.file_start_seconds is not None
        assert 0 <= start - piece.file_start_seconds < 1 / shoot.rate
    check_links(ET.fromstring(path.read_bytes()))
    assert round(seen.start_seconds * shoot.rate) == hour_frames(shoot)


def check_links(root: ET.Element) -> None:
    """A clip's picture and the channels of its sound are linked with one another, at their places on the tracks."""
    items = {item.attrib["id"]: item for item in root.iter("clipitem")}
    places = {}
    for kind in ("video", "audio"):
        for track_number, track in enumerate(root.findall(f"sequence/media/{kind}/track"), start=1):
            for number, item in enumerate(track.findall("clipitem"), start=1):
                places[item.attrib["id"]] = (kind, track_number, number)
    for item in items.values():
        links = item.findall("link")
        names = {link.findtext("linkclipref") for link in links}
        assert item.attrib["id"] in names
        for link in links:
            name = link.findtext("linkclipref")
            assert name in places
            found = (
                link.findtext("mediatype"),
                int(link.findtext("trackindex", "0")),
                int(link.findtext("clipindex", "0")),
            )
            assert places[name] == found
            assert {other.findtext("linkclipref") for other in items[name].findall("link")} == names


def file_start(shoot: Shoot, piece: Piece) -> Fraction | None:
    starts = {clip.video: clip.video_start.seconds for clip in shoot.clips}
    starts |= {clip.audio: clip.audio_start for clip in shoot.clips if clip.audio is not None}
    return starts.get(piece.file)


def hour_frames(shoot: Shoot) -> int:
    """01:00:00:00 in frames."""
    nominal = math.ceil(shoot.rate)
    return 3_600 * nominal - (108 * nominal // 30 if shoot.is_drop else 0)


def test_edl(shoot: Shoot, tmp_path: Path) -> None:
    path = written(shoot, "edl", tmp_path)
    text = path.read_text(encoding="utf-8")
    assert f"FCM: {'DROP FRAME' if shoot.is_drop else 'NON-DROP FRAME'}" in text
    timeline = read_edl(path, shoot.rate)
    frame, first = 1 / shoot.rate, hour_frames(shoot)
    tracks = {track.name: track for track in timeline.tracks}
    assert list(tracks) == ["V", "A1", "A2"]
    for name, track in tracks.items():
        clips = [clip for clip in shoot.clips if name == "V" or clip.audio is not None]
        seen = list(track.find_clips())
        assert [clip.name for clip in seen] == [(clip.video if name == "V" else clip.audio).name for clip in clips]
        zero = track.source_range.start_time.value if track.source_range else 0
        for item, clip in zip(seen, clips, strict=True):
            at = Fraction(track.range_of_child(item).start_time.value - zero) - first
            source = Fraction(item.source_range.start_time.value)
            picture_at = CLIP_FRAMES * shoot.clips.index(clip)
            if name == "V":
                assert (at, source) == (picture_at, clip.video_start.frame)
            else:
                error = (source * frame - clip.audio_start) - ((at - picture_at) * frame + clip.offset_seconds)
                assert abs(error) <= frame / 2, float(error)
    assert text.count("AUD   3    4") == 1
    assert text.count("AUD   3") == 2
    marked = [item.name for item in tracks["V"].find_clips() if item.markers]
    # The reader knows locators without drop-frame only.
    assert marked == ([] if shoot.is_drop else ["clip 1.mov", "clip 3.mov"])


def test_ale(shoot: Shoot, tmp_path: Path) -> None:
    clips = read_ale(written(shoot, "ale", tmp_path))
    assert [clip.name for clip in clips] == [clip.video.stem for clip in shoot.clips]
    for item, clip in zip(clips, shoot.clips, strict=True):
        assert item.source_range.start_time.value == clip.video_start.frame
        assert item.source_range.duration.value == CLIP_FRAMES
        cells = item.metadata["ALE"]
        assert cells["Tracks"] == "V"  # of the clip itself, which is silent
        if clip.audio is None:
            assert cells["Soundroll"] == ""
            continue
        assert (cells["Soundroll"], cells["Sound Channels"]) == (clip.audio.stem, str(clip.num_channels))
        offset = int(cells["Sound Offset Frames"]) + Fraction(int(cells["Sound Offset Subframes"]), 100)
        assert abs(offset - clip.offset_seconds * shoot.rate) <= Fraction(1, 200) + shoot.rate * SAMPLE
        sound = frames_of(cells["Sound TC"], shoot) + Fraction(int(cells["Sound Subframes"]), 100)
        wanted = (clip.audio_start + clip.offset_seconds) * shoot.rate
        assert abs(sound - wanted) <= Fraction(1, 200) + shoot.rate * SAMPLE


def frames_of(label: str, shoot: Shoot) -> int:
    """By OpenTimelineIO."""
    import opentimelineio

    assert (";" in label) == shoot.is_drop
    return round(opentimelineio.opentime.from_timecode(label, float(shoot.rate)).value)


def test_tables(shoot: Shoot, tmp_path: Path) -> None:
    with written(shoot, "csv", tmp_path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in written(shoot, "jsonl", tmp_path).read_text(encoding="utf-8").splitlines()]
    columns = pyarrow.parquet.read_table(written(shoot, "parquet", tmp_path)).to_pylist()
    assert lines == columns
    for row, line, clip in zip(rows, lines, shoot.clips, strict=True):
        assert row == {name: "" if cell is None else str(cell) for name, cell in line.items()}
        assert frames_of(line["video_timecode"], shoot) == clip.video_start.frame
        assert line["video"] == str(clip.video)
        if clip.audio is not None:
            assert line["offset_samples"] == round(clip.offset_seconds * 48_000)
            assert frames_of(line["audio_timecode"], shoot) == math.floor(clip.audio_start * shoot.rate)
            at_clip = math.floor((clip.audio_start + Fraction(line["offset_samples"], 48_000)) * shoot.rate)
            assert frames_of(line["audio_timecode_at_clip"], shoot) == at_clip
    assert [bool(line["check"]) for line in lines] == [False, True, False, True]
    assert [line["channels"] for line in lines] == [4, 3, 2, None]


@pytest.mark.parametrize("to", ["otio", "fcpxml", "xmeml", "mlt", "csv"])
def test_paths_can_be_relative(shoot: Shoot, tmp_path: Path, to: str) -> None:
    out = shoot.folder.parent / f"t.{to}"
    export(shoot.folder, to, out, paths="relative")
    text = out.read_text(encoding="utf-8")
    assert str(shoot.folder.parent) not in text
    assert ("video/clip%200.mov" in text) or ("video/clip 0.mov" in text)


READERS = {"otio": read_otio, "fcpxml": lambda path: read_fcpxml(path)[0], "xmeml": read_xmeml}


@pytest.mark.parametrize("to", list(READERS))
def test_several_clips_on_one_recording(tmp_path: Path, to: str) -> None:
    """They stand as they lie in it; the sound of the same moment is heard once."""
    rate, frame = Fraction(24), Fraction(1, 24)
    audio = write_recording(tmp_path / "long.wav", 1.0, duration_seconds=30.0)
    starts_ms = (20_000.0, 3_000.0, 3_500.0, 4_010.0, 9_000.0)
    rows = [
        Row(write_clip(tmp_path / f"v{number}.mov", rate, num_frames=48), audio, start_ms)
        for number, start_ms in enumerate(starts_ms)
    ]
    result = export(write_result(tmp_path / "OUT", rows, many=True), to, tmp_path / f"t.{to}")
    assert result.notes[-1] == "clips of the same moment lie above one another on 3 tracks; the upper ones are muted"
    seen = READERS[to](result.paths[0])
    videos = {piece.file.stem: piece for piece in seen.of("V")}
    assert len(videos) == len(rows)
    for row in rows:
        wanted = Fraction(str(row.offset_ms)) / 1000 - 3
        assert abs(videos[row.video.stem].at_seconds - wanted) <= frame / 2
    sounds = seen.of("A")
    assert len(sounds) == len(rows)
    starts = {
        piece.at_seconds: Fraction(str(row.offset_ms)) / 1000 for row in rows for piece in [videos[row.video.stem]]
    }
    for piece in sounds:
        assert piece.file == audio
        assert abs(piece.source_seconds - starts[piece.at_seconds]) <= (frame / 2 if to == "xmeml" else SAMPLE / 2)
    if to != "xmeml":  # its adapter doesn't read what is switched off
        assert sum(piece.is_on for piece in sounds) == 3
    else:
        root = ET.fromstring(result.paths[0].read_bytes())
        items = root.findall("sequence/media/audio/track/clipitem")
        assert [item.findtext("enabled") for item in items].count("FALSE") == 2


@pytest.mark.parametrize("to", list(READERS))
def test_rates_can_be_mixed(tmp_path: Path, to: str) -> None:
    """Each clip is entered at its own first frame, cut at frames of the timeline, and its sound keeps to it."""
    rows = []
    for number, text in enumerate(("25", "25", "24000/1001", "60000/1001", "50", "30")):
        rate = Fraction(text)
        start = Timecode(round(rate * 3600), rate)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=70, timecode=start)
        rows.append(Row(video, write_recording(tmp_path / f"a{number}.wav", 0.5), 110.0))
    seen = READERS[to](export(write_result(tmp_path / "OUT", rows), to, tmp_path / f"t.{to}").paths[0])
    at_frame = 0
    for piece, sound, row in zip(seen.of("V"), seen.of("A"), rows, strict=True):
        assert (piece.file, sound.file) == (row.video, row.audio)
        assert piece.at_seconds == sound.at_seconds == Fraction(at_frame, 25)
        assert piece.source_seconds == piece.file_start_seconds
        assert abs(sound.source_seconds - Fraction(110, 1000)) <= (Fraction(1, 50) if to == "xmeml" else SAMPLE / 2)
        assert sound.duration_seconds == Fraction(math.floor(piece_seconds(row) * 25), 25)
        at_frame += math.floor(piece_seconds(row) * 25)


def piece_seconds(row: Row) -> Fraction:
    """How long a clip of 70 frames is."""
    return 70 / Fraction(("25", "25", "24000/1001", "60000/1001", "50", "30")[int(row.video.stem[1:])])


@pytest.mark.parametrize("to", ["edl", "ale"])
def test_a_file_keeps_its_way_of_counting(tmp_path: Path, to: str) -> None:
    """Drop-frame clips in a list without, and the other way round: found again by the label that the file shows."""
    rate = Fraction(30000, 1001)
    rows = []
    for number, is_drop in enumerate((True, False, True)):
        start = Timecode(108_000 * 10 + number, rate, is_drop)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=30, timecode=start)
        samples = round((36_000 * Fraction(1001, 1000)) * 48_000)
        audio = write_recording(
            tmp_path / f"a{number}.wav", 0.5, time_reference=samples, label_rate=rate, is_drop=not is_drop
        )
        rows.append(Row(video, audio, 0.0))
    text = export(write_result(tmp_path / "OUT", rows), to).paths[0].read_text(encoding="utf-8")
    labels = {"10:00:36;00": 2, "10:00:00:01": 1, "10:00:36;02": 1, "10:00:00:00": 2}  # v0 and a1, v1, v2, a0 and a2
    assert {label: text.count(label) for label in labels} == labels
    if to == "edl":
        assert len(list(read_edl(tmp_path / "OUT" / "timeline.edl", rate).find_clips())) == 6
