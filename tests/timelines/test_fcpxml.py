"""FCPXML as Final Cut wants it where clips differ from their project."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avmatch.media.timecode import Timecode
from avmatch.pipelines.export import export
from avmatch.timelines.fcpxml import fcpxml
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import lay_out
from shoots import Row, write_clip, write_recording, write_result
from timeline_readers import check_fcpxml, check_fcpxml_frames, fcpxml_seconds, read_fcpxml
from timelines.test_shoot import a_pair

RATES = ("25", "25", "24000/1001", "24", "60000/1001", "50", "30", "15", "48000/1001")


def test_clips_of_other_rates_are_not_retimed(tmp_path: Path) -> None:
    """Final Cut plays 23.976, 24 and 25 for one another at another speed, unless it is told not to."""
    rows = []
    for number, text in enumerate(RATES):
        rate = Fraction(text)
        video = write_clip(tmp_path / f"v{number}.mov", rate, num_frames=70, timecode=Timecode(1000 + number, rate))
        rows.append(Row(video, write_recording(tmp_path / f"a{number}.wav", 0.5), 110.0))
    path = export(write_result(tmp_path / "OUT", rows), "fcpxml").paths[0]
    read_fcpxml(path)
    root = ET.fromstring(path.read_bytes())
    conformed = [clip.find("conform-rate") for clip in root.findall(".//spine/asset-clip")]
    assert [None if item is None else item.attrib for item in conformed] == [
        None if name is None else {"scaleEnabled": "0"} | ({"srcFrameRate": name} if name else {})
        for name in (None, None, "23.98", "24", "59.94", "50", "30", "", "47.95")
    ]
    clips = root.findall("library/event/sync-clip")
    assert all(clip.find(".//conform-rate") is None for clip in clips)
    lengths = [fcpxml_seconds(clip.get("duration")) for clip in clips]  # whole, though the project cuts some shorter
    assert lengths == [70 / Fraction(text) for text in RATES]


def test_cameras_of_one_moment_at_several_rates() -> None:
    """In the project one of them is heard; in the event each clip is for itself."""
    pairs = [a_pair(4.0, name="v0"), a_pair(4.03, Fraction(24), name="v1"), a_pair(4.5, Fraction(50), name="v2")]
    timeline = lay_out("t", pairs, is_many=True)
    assert timeline.num_lanes == 3
    root = ET.fromstring(fcpxml(timeline, Places(Path("/"))))
    check_fcpxml(root)
    check_fcpxml_frames(root)
    sounds = root.findall(".//project//asset-clip[@srcEnable='audio']")
    assert sorted(item.get("enabled", "1") for item in sounds) == ["0", "0", "1"]
    clips = root.findall("library/event/sync-clip")
    assert [clip.get("name") for clip in clips] == ["v0", "v1", "v2"]
    assert all(item.get("enabled") is None for clip in clips for item in clip.iter("asset-clip"))
    upper = root.findall(".//project//sync-clip")
    assert [item.find("conform-rate").get("srcFrameRate") for item in upper] == ["24", "50"]  # type: ignore[union-attr]
    assert [fcpxml_seconds(item.get("duration")) for item in upper] == [Fraction(104, 25), Fraction(2)]
    for clip in (*clips, *upper):  # the sound's first sample lies where the offset says
        (sound,) = clip.findall("asset-clip/asset-clip")
        heard = fcpxml_seconds(sound.get("start")) - fcpxml_seconds(sound.get("offset"))
        assert heard == {"v0": Fraction(4), "v1": Fraction(403, 100), "v2": Fraction(9, 2)}[clip.attrib["name"]]


def test_pixels_that_are_not_square() -> None:
    pair = a_pair(0.0)
    assert pair.video.picture is not None
    wide = replace(pair.video.picture, width=720, height=576, pixel_aspect=Fraction(64, 45))
    root = ET.fromstring(fcpxml(lay_out("t", [replace(pair, video=replace(pair.video, picture=wide))]), Places(Path())))
    check_fcpxml(root)
    (found,) = root.iter("format")
    assert (found.get("paspH"), found.get("paspV")) == ("64", "45")
