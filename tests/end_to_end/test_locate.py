"""`avmatch locate` on a drawn ball: the heat lies on it, the clip keeps its length and sound."""

import math

import av
import cv2
import numpy as np
import pytest

from avmatch.core.errors import MediaError, UsageError
from avmatch.media.decode import read_audio
from avmatch.media.encode import write_clip
from avmatch.pipelines.locate import locate


@pytest.fixture(scope="module")
def ball(tmp_path_factory, avmatch):
    folder = tmp_path_factory.mktemp("ball")
    avmatch("synth", folder, "--scenes", 1, "--duration", 6, "--kind", "balls", "--seed", 3)
    (_film,), (_sound,) = ((folder / side).iterdir() for side in ("videos", "audio"))
    avmatch("match", folder / "videos", folder / "audio", "-o", folder / "out", "--mux", folder / "muxed", "--no-cache")
    (whole,) = (folder / "muxed").glob("*.mp4")
    return whole


def test_a_picture_and_a_film(ball, avmatch, tmp_path):
    said = avmatch("locate", ball, "-o", tmp_path / "heat.png", "--no-cache").stdout
    assert "% from the left" in said
    picture = cv2.imread(str(tmp_path / "heat.png"))
    assert np.ptp(picture.astype(int), axis=2).max() > 60  # coloured, where the original is grey
    found = locate(ball, tmp_path / "heat.mp4")
    assert found.nats > 0.5
    with av.open(str(tmp_path / "heat.mp4")) as clip, av.open(str(ball)) as original:
        assert {stream.type for stream in clip.streams} == {"video", "audio"}
        assert clip.duration == pytest.approx(original.duration, rel=0.05)


def test_what_cannot_be_done_is_told(ball, tmp_path):
    with pytest.raises(UsageError, match="give a name that ends in one of"):
        locate(ball, tmp_path / "heat.gif")
    (tmp_path / "there.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="exists already"):
        locate(ball, tmp_path / "there.png")
    write_clip(tmp_path / "still.mp4", [np.zeros((64, 64, 3), np.uint8)], fps=25, audio=read_audio(ball))
    with pytest.raises(MediaError, match="has too few frames; where its sound comes from can't be found"):
        locate(tmp_path / "still.mp4", tmp_path / "out.png")
    black = [np.zeros((64, 64, 3), np.uint8)] * 50
    write_clip(tmp_path / "black.mp4", black, fps=25, audio=read_audio(ball))
    with pytest.raises(MediaError, match="shows nothing that moves"):
        locate(tmp_path / "black.mp4", tmp_path / "out.png")
    for seconds in (-1.0, 0.0, math.nan, 1e9):
        with pytest.raises(UsageError, match="max_offset_seconds must be above 0"):
            locate(ball, tmp_path / "out.png", max_offset_seconds=seconds)
    with pytest.raises(MediaError, match=r"no such file|does not exist|No such"):
        locate(tmp_path / "missing.mp4", tmp_path / "out.png")
