"""Whatever is in a file, it gives blocks or a MediaError, and soon."""

import time

import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.core.features import VideoFrames
from avmatch.media.decode import decode
from avmatch.media.encode import write_audio, write_clip
from avmatch.media.sinks import BLOCK_FRAMES
from data.make_data import FPS, clicks, flip_bytes, pictures

NUM_CASES = 26


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """The content of a short file of each kind."""
    folder = tmp_path_factory.mktemp("fuzz")
    sound = clicks(16000, duration_seconds=1.5)
    for suffix in ("mp4", "mkv"):
        write_clip(folder / f"clip.{suffix}", pictures(1.5), fps=FPS, audio=sound)
    for suffix in ("wav", "flac", "mp3", "ogg"):
        write_audio(folder / f"clip.{suffix}", sound)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


def broken(content, rng):
    """Cut off, strewn with wrong bytes, or with a wrong header."""
    kind = rng.integers(3)
    if kind == 0:
        return content[: rng.integers(1, len(content))]
    if kind == 1:
        return flip_bytes(content, rng, share=0.003)
    header = np.frombuffer(content, np.uint8).copy()
    header[rng.integers(0, 200, 3)] = rng.integers(0, 256, 3)
    return header.tobytes()


@pytest.mark.parametrize("case", range(NUM_CASES))
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".wav", ".flac", ".mp3", ".ogg"])
def test_damage_gives_blocks_or_a_clear_error(whole_files, tmp_path, suffix, case):
    rng = np.random.default_rng([case, *suffix.encode()])
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(broken(whole_files[suffix], rng))
    begin, blocks, told = time.monotonic(), [], ""
    try:
        blocks = list(decode(path))
    except MediaError as error:
        told = str(error)
    assert blocks or told.startswith(f"{path}: ")
    times = [block.pts_seconds for block in blocks if isinstance(block, VideoFrames)]
    assert (np.diff(np.concatenate([[-np.inf], *times])) > 0).all()
    assert all(len(block) <= BLOCK_FRAMES for block in blocks if isinstance(block, VideoFrames))
    assert all(np.isfinite(block.data).all() for block in blocks)
    assert time.monotonic() - begin < 10
