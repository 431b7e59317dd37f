"""MLT shortens an entry that goes beyond its file, which would move whatever follows on the track."""

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import pytest

from avmatch.media.info import MediaInfo, SoundInfo
from avmatch.timelines.mlt import _playlist
from avmatch.timelines.shoot import Excerpt

RATE = 24000


@pytest.mark.parametrize(("num_samples", "out"), [(460_800, 229), (480_000, 230)])
def test_an_entry_ends_where_its_file_does(num_samples, out):
    sound = SoundInfo(48_000, num_samples, Fraction(0), (2,), (), 24, (0,))
    media = MediaInfo(Path("/a.wav"), None, sound)
    root = ET.Element("mlt")
    ET.SubElement(root, "profile", frame_rate_num=str(RATE), frame_rate_den="1001")
    entries = [(Excerpt(media, Fraction(9 * 1001, RATE), 0, 222), "s0"), (Excerpt(media, Fraction(0), 300, 50), "s1")]
    _playlist(root, "A1", "audio", entries)
    first, blank, second = [item for item in root.find("playlist") if item.tag in ("entry", "blank")]
    assert (int(first.get("in")), int(first.get("out"))) == (9, out)
    length = int(first.get("out")) - int(first.get("in")) + 1
    assert length + int(blank.get("length")) == 300
    assert (second.get("in"), second.get("out")) == ("0", "49")
