"""Names that project files can't hold spoil nothing but themselves; all others come out as they are."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import pytest

from avmatch.pipelines.export import export
from avmatch.timelines.formats import FORMATS
from avmatch.timelines.markup import Places
from shoots import Row, write_clip, write_recording, write_result
from timeline_readers import read_ale, read_edl, read_fcpxml, read_otio, read_xmeml

RATE = Fraction(25)
BAD = ["a\x01b", "a\nb", "a\x85b", "a\u2028b", "a\ufffeb", "a\udcffb"]


def row(folder: Path, name: str = "v", audio: str = "a") -> Row:
    """A clip and its recording."""
    video = write_clip(folder / f"{name}.mov", RATE, num_frames=10)
    return Row(video, write_recording(folder / f"{audio}.wav", 0.1, duration_seconds=1.0), 10.0, confidence=0.5)


def renamed(result: Path, old: str, new: str) -> None:
    """Another name in the tables, as `match` writes it."""
    for table in ("matches.csv", "candidates.csv"):
        text = (result / table).read_text(encoding="utf-8")
        changed = "\n".join(f'"{new}"'.join(line.split(old)) for line in text.split("\n"))
        (result / table).write_bytes(changed.encode("utf-8", "backslashreplace"))


def read(path: Path, to: str) -> None:
    """Raises whatever is wrong with a file."""
    if to == "otio":
        read_otio(path)
    elif to == "fcpxml":
        read_fcpxml(path)
    elif to == "xmeml":
        read_xmeml(path)
    elif to == "edl":
        read_edl(path, RATE)
    elif to == "ale":
        read_ale(path)
    elif to == "mlt":
        ET.parse(path)
    elif to == "jsonl":
        assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("to", list(FORMATS))
@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_a_name_that_cannot_be_written_spoils_nothing_else(tmp_path: Path, bad: str, to: str) -> None:
    """It may be that of a folder, of a candidate, or of a recording, which is left out then."""
    rows = [row(tmp_path), row(tmp_path, "w", "b")]
    result = write_result(tmp_path / "OUT", rows)
    renamed(result, str(tmp_path / "other.wav"), str(tmp_path / f"{bad}.wav"))
    renamed(result, str(rows[1].audio), str(write_recording(tmp_path / f"{bad}b.wav", 0.1, duration_seconds=1.0)))
    result = result.rename(tmp_path / f"OUT {bad}")
    exported = export(result, to, tmp_path / f"t.{to}")
    assert (exported.num_clips, exported.num_sounds) == (2, 1)
    assert [failure.message for failure in exported.failures] == [
        "its path has characters that no project file can hold; rename it"
    ]
    read(exported.paths[0], to)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Project files hold whole paths, however the clip was named."""
    folder = tmp_path / "a\x01b"
    result = write_result(tmp_path / "OUT", [row(tmp_path), row(folder)])
    assert export(result, "mlt").num_clips == 1


@pytest.mark.parametrize("name", ["a  b ", "a\u00a0 b", " -x", "BL", "AX", "\u3000a", "$HOME", "a\\b", "ü – 漢字 🎬"])
def test_other_names_come_out_as_they_are(tmp_path: Path, name: str) -> None:
    item = row(tmp_path, name, f"{name} sound")
    assert item.audio is not None
    result = write_result(tmp_path / "OUT", [item])
    cells = export(result, "ale").paths[0].read_text(encoding="utf-8").split("\nData\n")[1].split("\t")
    assert cells[0] == name
    assert (cells[7], cells[8], cells[9]) == (str(item.video), item.audio.stem, str(item.audio))
    events = export(result, "edl").paths[0].read_text(encoding="utf-8").splitlines()
    assert f"* FROM CLIP NAME:  {item.video.name}" in events
    assert f"* FROM CLIP NAME:  {item.audio.name}" in events
    reels = [line.split()[1] for line in events if line[:3].isdigit()]
    assert not {"BL", "AX"} & set(reels)  # black, and an auxiliary source


def test_reels_differ_by_more_than_capitals(tmp_path: Path) -> None:
    rows = [row(tmp_path, "Clip", "sound"), row(tmp_path / "b", "clip", "SOUND")]
    lines = export(write_result(tmp_path / "OUT", rows), "edl").paths[0].read_text(encoding="utf-8").splitlines()
    reels = [line.split()[1] for line in lines if line[:3].isdigit()]
    assert reels == ["Clip", "sound", "clip_2", "SOUND_2"]


def test_relative_paths_hold_behind_links(tmp_path: Path) -> None:
    """The system follows a link first, and then "..": not the way that is written."""
    item = row(tmp_path / "far" / "away" / "shoot")
    result = write_result(item.video.parent / "OUT", [item])
    link = tmp_path / "link"
    link.symlink_to(result)
    for folder in (result, link):
        path = Places(folder, is_relative=True).path(item.video)
        assert path == "../v.mov"
        assert (folder / path).samefile(item.video)
    media = tmp_path / "shoot" / "media"  # a link that both lie behind, and one that only the media lie behind
    media.parent.symlink_to(tmp_path / "far" / "away" / "shoot")
    assert Places(tmp_path / "shoot" / "OUT", is_relative=True).path(tmp_path / "shoot" / "v.mov") == "../v.mov"
    media.symlink_to(item.video.parent)
    assert Places(tmp_path / "shoot" / "OUT", is_relative=True).path(media / "v.mov") == "../media/v.mov"
