"""Files that no browser plays, names that nobody expects, and files that are gone, in a real browser."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from review_page import VIDEO, until, wait_for_clip, wait_for_count, wait_for_text
from shoots import Row, write_clip, write_recording, write_result

pytestmark = pytest.mark.slow
RATE = Fraction(25)
#: File, codec, and what the page calls it.
CLIPS = [
    ("hevc.mp4", "libx265", "hevc.mp4"),
    ("prores.mov", "prores_ks", "prores.mov"),
    ("old.avi", "mpeg4", "old.avi"),
    ("""it's "quoted" & <b>.mp4""", "libx264", """it's "quoted" & <b>.mp4"""),
    ("new\nline.mp4", "libx264", "new␊line.mp4"),
    ("100% #1 ?a=b;.mp4", "libx264", "100% #1 ?a=b;.mp4"),
    ("emoji 🎬👩‍👧.mp4", "libx264", "emoji 🎬👩‍👧.mp4"),
    ("\u202egpj.שלום.mp4", "libx264", "�gpj.שלום.mp4"),
]


def test_whatever_a_camera_writes_is_played_under_its_name(tmp_path, reviewing, opened) -> None:
    rows = []
    for number, (name, codec, _) in enumerate(CLIPS):
        video = write_clip(tmp_path / "video" / name, RATE, codec=codec, size=(128, 72), flash_frame=number + 10)
        audio = write_recording(tmp_path / "audio" / f"{name}.wav", 1.0 + number / 10, num_channels=2)
        rows.append(Row(video, audio, 100.0, 0.5 + number / 100))
    page = opened(reviewing(write_result(tmp_path / "OUT", rows)))
    for _, _, shown in CLIPS:
        wait_for_clip(page)
        wait_for_text(page, "#title", shown)
        page.wait_for_selector(".candidate .name")
        assert page.inner_text(".candidate:has(input:checked) .name") == f"{shown}.wav"
        page.keyboard.press(" ")
        until(page, f"{VIDEO}.currentTime > 0")
        assert page.is_hidden("#wait"), page.inner_text("#wait")
        page.keyboard.press("ArrowDown")


def test_files_that_hold_nothing_are_said_and_the_others_go_on(tmp_path, reviewing, opened) -> None:
    sound_only = tmp_path / "video" / "only sound.mp4"
    sound_only.parent.mkdir()
    with av.open(str(sound_only), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
        frame.rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    good = write_clip(tmp_path / "video" / "good.mp4", RATE, codec="libx264")
    audio = write_recording(tmp_path / "audio" / "good.wav", 1.0)
    empty = tmp_path / "audio" / "other.wav"  # the second candidate of each
    empty.write_bytes(b"")
    result = write_result(tmp_path / "OUT", [Row(sound_only, audio, 0.0, 0.4), Row(good, audio, 0.0, 0.5)], many=True)
    page = opened(reviewing(result))
    wait_for_text(page, "#title", "only sound.mp4")
    page.wait_for_selector("#wait:has-text('there is no picture in it')")
    page.keyboard.press("ArrowDown")
    wait_for_text(page, "#title", "good.mp4")
    wait_for_clip(page)
    page.keyboard.press("2")
    page.wait_for_selector("#toasts .fault")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    wait_for_count(page, "decided", 1)


def test_files_that_vanish_are_said_and_the_others_go_on(tmp_path, reviewing, opened) -> None:
    rows = []
    for number in range(3):
        video = write_clip(tmp_path / "video" / f"{number}.mp4", RATE, codec="libx264", flash_frame=number + 10)
        audio = write_recording(tmp_path / "audio" / f"{number}.wav", 1.0 + number / 10, duration_seconds=30)
        rows.append(Row(video, audio, 0.0, 0.5 + number / 100))
    page = opened(reviewing(write_result(tmp_path / "OUT", rows)))
    wait_for_text(page, "#title", "0.mp4")
    wait_for_clip(page)
    page.keyboard.press("k")
    until(page, f"{VIDEO}.currentTime > 0.2")
    assert rows[0].audio is not None
    rows[0].audio.unlink()
    rows[1].video.unlink()
    page.keyboard.press("Enter")  # its bytes can't be read, so nothing says which recording it is
    page.wait_for_selector("#toasts .fault:has-text('put it back')")
    wait_for_count(page, "to check", 3)
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#wait:has-text('1.mp4: there is no such file; put it back')")
    page.keyboard.press("ArrowDown")
    wait_for_text(page, "#title", "2.mp4")
    wait_for_clip(page)
    page.keyboard.press("Enter")
    wait_for_count(page, "decided", 1)
