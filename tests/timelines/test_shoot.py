"""Where clips and sounds are put on a timeline."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avmatch.core.matches import Candidate
from avmatch.data.result_folder import StoredMatch
from avmatch.media.info import MediaInfo, PictureInfo, SoundInfo, SourceTime
from avmatch.media.timecode import STANDARD_RATES
from avmatch.timelines.fcpxml import fcpxml
from avmatch.timelines.formats import FORMATS
from avmatch.timelines.markup import Places
from avmatch.timelines.shoot import Pair, lay_out
from timeline_readers import check_fcpxml

RATE_HZ = 48_000


def a_pair(
    offset_seconds: float | None,
    rate: Fraction = Fraction(25),
    *,
    name: str = "v",
    audio: str = "a",
    num_frames: int = 100,
    num_samples: int = 10 * RATE_HZ,
    picture_begin: Fraction = Fraction(0),
    sound_begin: Fraction = Fraction(0),
    confidence: float = 0.99,
) -> Pair:
    """A clip and its recording, without files."""
    picture = PictureInfo(rate, num_frames, picture_begin, 1920, 1080, Fraction(1))
    sound = SoundInfo(RATE_HZ, num_samples, sound_begin, (2,))
    match = StoredMatch(f"/{name}.mov", f"/{audio}.wav", confidence, offset_seconds, "events")
    candidates = (Candidate(match.video, 1, "/other.wav", 1.0, 0.2, 0.0),)
    return Pair(
        match, MediaInfo(Path(match.video), picture, None), MediaInfo(Path(f"/{audio}.wav"), None, sound), candidates
    )


def test_clips_stand_one_after_another() -> None:
    timeline = lay_out("t", [a_pair(0.0, num_frames=num) for num in (10, 20, 30)])
    assert [clip.picture.at_frame for clip in timeline.clips] == [0, 10, 30]
    assert timeline.num_frames == 60
    assert str(timeline.start) == "01:00:00:00"


def test_a_late_sound_is_entered_later() -> None:
    """Positive offsets: what is seen at 0 is heard at +offset in the recording."""
    sound = lay_out("t", [a_pair(0.121)]).clips[0].sound
    assert sound is not None
    assert (sound.at_frame, sound.begin_seconds) == (0, Fraction(121, 1000))


def test_a_recording_that_began_later_lies_later() -> None:
    sound = lay_out("t", [a_pair(-0.5)]).clips[0].sound
    assert sound is not None
    assert (sound.at_frame, sound.begin_seconds) == (13, Fraction(20, 1000))  # 12.5 frames; the next one is cut at


@given(
    offset_ms=st.integers(-30_000, 90_000),
    rate=st.sampled_from(STANDARD_RATES),
    num_frames=st.integers(1, 400),
    num_samples=st.integers(1, 500_000),
    picture_begin=st.sampled_from([Fraction(0), Fraction(209, 9000)]),
    sound_begin=st.sampled_from([Fraction(0), Fraction(1024, 48_000)]),
)
def test_sound_and_picture_stay_together(
    offset_ms: int, rate: Fraction, num_frames: int, num_samples: int, picture_begin: Fraction, sound_begin: Fraction
) -> None:
    pair = a_pair(
        offset_ms / 10_000,
        rate,
        num_frames=num_frames,
        num_samples=num_samples,
        picture_begin=picture_begin,
        sound_begin=sound_begin,
    )
    clip = lay_out("t", [pair]).clips[0]
    overlap = min(clip.picture.num_frames / rate, Fraction(num_samples, RATE_HZ) - (pair.lag_seconds or 0))
    if clip.sound is None:
        assert overlap - max(Fraction(0), -(pair.lag_seconds or Fraction(0))) < 2 / rate
        return
    seen_at = clip.sound.at_frame / rate  # of the clip's own time, from the first frame on
    heard_at = clip.sound.begin_seconds + sound_begin
    assert abs((heard_at - (seen_at + picture_begin)) - Fraction(offset_ms, 10_000)) <= Fraction(1, 2 * RATE_HZ)
    assert clip.sound.begin_seconds >= 0
    assert clip.sound.begin_seconds + clip.sound.num_frames / rate <= Fraction(num_samples, RATE_HZ)
    assert clip.picture.at_frame <= clip.sound.at_frame <= clip.sound.end_frame <= clip.picture.end_frame


@pytest.mark.parametrize("sound_begin", [Fraction(0), Fraction(3, 10), Fraction(1, 2)])
def test_a_recording_with_a_picture_counts_from_its_first_frame(sound_begin: Fraction) -> None:
    """A camera's sound, which begins before or after its picture, at 0.3 s of the file's clock."""
    pair = a_pair(0.1, sound_begin=sound_begin, num_samples=3 * RATE_HZ)
    assert pair.audio is not None
    camera = replace(pair.audio, picture=PictureInfo(Fraction(25), 70, Fraction(3, 10), 1920, 1080, Fraction(1)))
    clip = lay_out("t", [replace(pair, audio=camera)]).clips[0]
    assert clip.sound is not None
    seen_at = clip.sound.at_frame / Fraction(25)
    assert clip.sound.begin_seconds + Fraction(3, 10) == seen_at + Fraction(1, 10)
    assert clip.sound.begin_seconds >= max(Fraction(0), sound_begin - Fraction(3, 10))
    assert clip.sound.begin_seconds + clip.sound.num_frames / Fraction(25) <= sound_begin + 3 - Fraction(3, 10)
    root = ET.fromstring(fcpxml(lay_out("t", [replace(pair, audio=camera)]), Places(Path("/"))))
    check_fcpxml(root)
    (asset,) = [item for item in root.iter("asset") if item.get("name") == "a"]
    assert asset.get("duration") == f"{max(Fraction(70, 25), sound_begin + 3 - Fraction(3, 10))}s"


def test_the_rate_of_most_clips_counts() -> None:
    rates = [Fraction(25), Fraction(24), Fraction(24), Fraction(50)]
    timeline = lay_out("t", [a_pair(0.0, rate, num_frames=50) for rate in rates])
    assert timeline.rate == 24
    assert [clip.picture.num_frames for clip in timeline.clips] == [48, 50, 50, 24]


def test_a_timecode_with_drop_frame_on_a_picture_without(tmp_path: Path) -> None:
    """A file's timecode may count at another rate than its picture."""
    pair = a_pair(0.0)
    start = SourceTime(Fraction(3600), Fraction(30000, 1001), True, "timecode")
    timeline = lay_out("t", [replace(pair, video=replace(pair.video, start=start))])
    assert not timeline.is_drop
    assert str(timeline.label(25)) == "01:00:01:00"
    for form in FORMATS.values():
        assert form.document(timeline, Places(tmp_path))


def test_many_clips_of_one_recording_stand_as_they_lie_in_it() -> None:
    pairs = [a_pair(offset, name=f"v{number}") for number, offset in enumerate((60.0, 4.0, 6.0, 30.0))]
    timeline = lay_out("t", [a_pair(0.0, name="first", audio="b"), *pairs], is_many=True)
    assert [clip.name for clip in timeline.clips] == ["first", "v1", "v2", "v3", "v0"]
    assert [clip.picture.at_frame - 100 for clip in timeline.clips] == [-100, 0, 50, 26 * 25, 56 * 25]
    assert [clip.lane for clip in timeline.clips] == [0, 0, 1, 0, 0]  # v2 shows the same moment as v1
    assert [clip.is_muted for clip in timeline.clips] == [False, False, True, False, False]
    assert timeline.num_lanes == 2


def test_without_many_every_clip_has_its_own_place() -> None:
    pairs = [a_pair(offset) for offset in (4.0, 6.0)]
    assert [clip.picture.at_frame for clip in lay_out("t", pairs).clips] == [0, 100]


@pytest.mark.parametrize(
    ("pair", "doubt"),
    [
        (a_pair(0.0), ""),
        (a_pair(0.0, confidence=0.5), "check: pair 0.50, next other.wav (0.20)"),
        (a_pair(None, confidence=0.5), "check: pair 0.50, its offset is unknown, both start together, next other.wav"),
        (a_pair(100.0), "a.wav has no sound at that time"),
    ],
)
def test_what_is_to_be_looked_at(pair: Pair, doubt: str) -> None:
    found = lay_out("t", [pair]).clips[0].doubt
    assert found.startswith(doubt)
    assert bool(found) == bool(doubt)
