"""Inputs that other tools read wrongly (shared/cases): each is measured as the plain film is, which gives +23 ms."""

import numpy as np
import pytest

from avmatch.media.decode import decode_sound
from avmatch.pipelines.sync import sync
from shared_files import SHARED

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no folder shared/cases")


@pytest.mark.parametrize("path", sorted(CASES.glob("0*.*")), ids=lambda path: path.stem)
def test_a_case_is_measured_as_the_plain_film_is(path):
    result = sync(str(path))
    assert result.status in ("ok", "uncertain")
    assert result.offset_ms == pytest.approx(23, abs=40)


def test_jittered_stamps_insert_no_silence():
    data = np.concatenate([block.data for block in decode_sound(CASES / "06_jittered_audio_stamps.mkv")], axis=1)
    assert (data == 0).mean() < 0.02
