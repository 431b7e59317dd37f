"""ok, uncertain or unrelated, and what `fix` makes of it."""

from dataclasses import dataclass

import numpy as np
import pytest

from avmatch.alignment.measurement import Measurement
from avmatch.core.features import AudioSamples
from avmatch.core.results import Piece
from avmatch.cues.evidence import Calibration, Curves
from avmatch.media.encode import write_clip
from avmatch.pipelines import sync as pipeline
from avmatch.pipelines.fix import FixSettings, fix
from avmatch.synth import SynthConfig, synthesise

PLAIN = Calibration()


@dataclass(frozen=True)
class Bump:
    """Evidence for an offset of 0.3 s, so high."""

    height: float
    calibration: Calibration = PLAIN
    name: str = "bump"

    def curves(self, videos, audios, lags_seconds):
        nats = self.height * np.exp(-0.5 * ((lags_seconds - 0.3) / 0.04) ** 2)
        return Curves(nats.astype(np.float32)[None, None], (None,), (None,))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    (only,) = synthesise(folder, SynthConfig(1, duration_seconds=2.0, sizes=((64, 48),), kinds=("drums",)))
    return folder / only.video, folder / only.audio


@pytest.mark.parametrize(
    ("height", "constant", "status", "reason"),
    [
        (20.0, -3.0, "ok", None),
        (3.0, 0.0, "uncertain", "low_confidence"),
        (3.0, -2.0, "uncertain", "low_confidence"),
        (1.0, -8.0, "unrelated", "foreign_sound"),
    ],
)
def test_the_status_follows_from_both_probabilities(monkeypatch, pair, height, constant, status, reason):
    calibration = Calibration(1.0, 1.0, 0.0, -2.0, belongs_slopes=(0.0, 0.0, 0.0, 0.5, 0.0, 0.0, constant))
    monkeypatch.setattr(pipeline, "cues_for", lambda _: (Bump(height, calibration),))
    video, audio = pair
    found = pipeline.sync(video, audio=audio)
    assert (found.status, found.reason) == (status, reason)
    assert found.offset_seconds == pytest.approx(0.3, abs=0.02)
    assert found.confidence <= found.belongs
    assert (found.status == "unrelated") == (found.belongs < 0.1)


def test_a_cue_that_knows_nothing_of_belonging_never_calls_a_sound_unrelated(monkeypatch, pair):
    monkeypatch.setattr(pipeline, "cues_for", lambda _: (Bump(0.1),))
    found = pipeline.sync(pair[0], audio=pair[1])
    assert (found.status, found.belongs) == ("uncertain", None)


@pytest.fixture
def noise_clip(tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(50)]
    sound = AudioSamples(rng.normal(0, 0.1, (1, 32_000)).astype(np.float32), 16_000)
    write_clip(tmp_path / "clip.mp4", frames, fps=25, audio=sound)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("force", [False, True])
def test_fix_leaves_a_sound_alone_whose_offset_jumps(monkeypatch, tmp_path, noise_clip, force):
    """However sure each piece is: no one shift puts both together."""
    real = pipeline.measure

    def jumping(*arguments, **options):
        estimate = real(*arguments, **options).estimate
        pieces = (Piece(0.0, 1.0, 0.1, (0.05, 0.15)), Piece(1.0, 2.0, 0.3, (0.25, 0.35), (0.9, 1.1)))
        return Measurement(estimate, None, pieces)

    monkeypatch.setattr(pipeline, "cues_for", lambda _: (Bump(20.0),))
    monkeypatch.setattr(pipeline, "measure", jumping)
    result = fix(noise_clip, tmp_path / "out.mp4", FixSettings(force=force))
    assert (result.action, result.was.status, result.was.reason) == ("refused", "uncertain", "splice")
    assert result.was.confidence > 0.9
    assert "one shift can't put it together" in result.message
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("force", [False, True])
def test_fix_leaves_a_sound_alone_that_is_not_of_this_picture(monkeypatch, tmp_path, noise_clip, force):
    calibration = Calibration(1.0, 1.0, 0.0, -6.0, belongs_slopes=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -5.0))
    monkeypatch.setattr(pipeline, "cues_for", lambda _: (Bump(3.0, calibration),))
    result = fix(noise_clip, tmp_path / "out.mp4", FixSettings(force=force))
    assert (result.action, result.was.status) == ("refused", "unrelated")
    assert not (tmp_path / "out.mp4").exists()
    known = fix(noise_clip, tmp_path / "out.mp4", FixSettings(offset_seconds=0.2))
    assert known.action == "fixed"
