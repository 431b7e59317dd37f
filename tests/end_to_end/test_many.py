"""`avmatch match --many`: clips cut out of a long recording, each placed where it belongs."""

from fractions import Fraction

import numpy as np
import pytest

from avmatch.core.features import VideoFrames
from avmatch.media.decode import decode
from avmatch.media.encode import write_clip
from avmatch.synth import SynthConfig, synthesise

FPS = Fraction(25)
STARTS_SECONDS = (2.0, 11.4, 21.0)
LENGTH_SECONDS = 6.0


@pytest.fixture(scope="module")
def long_takes(tmp_path_factory):
    """Two long recordings of drums, and clips of the first one's picture, named by their starts in milliseconds."""
    folder = tmp_path_factory.mktemp("long")
    config = SynthConfig(2, seed=1, duration_seconds=30.0, fps_choices=(FPS,), sizes=((160, 120),), kinds=("drums",))
    first, _ = synthesise(folder, config)
    blocks = [block for block in decode(folder / first.video, audio=False) if isinstance(block, VideoFrames)]
    picture = np.concatenate([block.data for block in blocks])
    for start in STARTS_SECONDS:
        begin = round(start * FPS)
        frames = picture[begin : begin + round(LENGTH_SECONDS * FPS), ..., None].repeat(3, axis=3)
        write_clip(folder / "clips" / f"{round(1000 * start)}.mp4", frames, fps=FPS)
    return folder, str(folder / first.audio)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--many", "--complete"])
def test_clips_are_placed_inside_their_recording(avmatch, long_takes, table, tmp_path, option):
    folder, recording = long_takes
    avmatch("match", folder / "clips", folder / "audio", "-o", tmp_path, "--many", option)
    rows = table(tmp_path / "matches.csv")
    assert [row["video"] for row in rows] == [str(folder / "clips" / f"{n}.mp4") for n in (2000, 11400, 21000)]
    for row, start in zip(rows, STARTS_SECONDS, strict=True):
        assert row["audio"] == recording
        assert float(row["offset_ms"]) == pytest.approx(1000 * start, abs=80)
    assert len(table(tmp_path / "unmatched_audio.csv")) == 1


def test_without_many_the_lengths_are_remarked_on(avmatch, long_takes, tmp_path):
    folder, _ = long_takes
    run = avmatch("match", folder / "clips", folder / "audio", "-o", tmp_path)
    assert "3 of 3 videos have no recording of their own length" in run.stderr
    assert "--many" in run.stderr
