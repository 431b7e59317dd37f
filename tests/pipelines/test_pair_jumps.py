"""A pair whose offset jumps is matched all the same, and a remark says where."""

import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.core.results import Piece
from avmatch.matching.settings import MatchSettings
from avmatch.media.encode import write_audio, write_clip
from avmatch.pipelines import sync as pipeline
from avmatch.pipelines.match import match


@pytest.mark.parametrize("num_pieces", [1, 2])
def test_a_pair_made_whose_offset_jumps_is_remarked_on(monkeypatch, tmp_path, num_pieces):
    rng = np.random.default_rng(0)
    (tmp_path / "videos").mkdir()
    (tmp_path / "audio").mkdir()
    video, audio = tmp_path / "videos" / "a.mp4", tmp_path / "audio" / "b.wav"
    write_clip(video, [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(50)], fps=25)
    write_audio(audio, AudioSamples(rng.normal(0, 0.1, (1, 32_000)).astype(np.float32), 16_000))
    pieces = (Piece(0.0, 1.0, 0.1, (0.05, 0.15)), Piece(1.0, 2.0, 0.3, (0.25, 0.35), (0.9, 1.1)))
    real = pipeline.measure

    def jumping(*arguments, **options):
        return type(found := real(*arguments, **options))(found.estimate, None, pieces[:num_pieces])

    monkeypatch.setattr(pipeline, "measure", jumping)
    result = match(str(video.parent), str(audio.parent), MatchSettings(complete=True))
    assert result.matches[0].audio == str(audio)
    remarks = [note for note in result.notes if "jumps" in note]
    assert len(remarks) == num_pieces - 1
    for remark in remarks:
        assert remark == (
            f"{video} with {audio}: the sound jumps from +100 ms to +300 ms at 0:01.00 "
            "(95 % 0:00.90 to 0:01.10); one offset fits a part of it only"
        )
