"""The detector that ships, on what is rendered; and the gate that it is to the cues of faces."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from avmatch.artifacts.model import open_model
from avmatch.core.errors import ModelError
from avmatch.core.features import TICK_RATE_HZ, AudioFeatures, AudioSamples, Embeddings, MouthTrack, VideoFeatures
from avmatch.cues.learned import EmbeddingCue
from avmatch.frontends.sound import SAMPLE_RATE_HZ, SoundFrontEnd
from avmatch.synth.folder import ACTS
from avmatch.synth.sound import SAMPLE_RATE_HZ as RENDERED_RATE_HZ
from avmatch.synth.stage import Stage
from avmatch.systems.voice.runtime import load_voice_detector, voice_levels


@pytest.fixture(scope="module")
def detector():
    return load_voice_detector("voice")


def features(samples):
    front_end = SoundFrontEnd()
    front_end.push(AudioSamples(np.asarray(samples, np.float32)[None], SAMPLE_RATE_HZ))
    return front_end.finish()


def played(kind, seed):
    stage = Stage(64, 48, 5.0, np.zeros(1))
    sound = ACTS[kind](np.random.default_rng(seed), stage).sound
    return 0.3 * resample_poly(sound, 1, RENDERED_RATE_HZ // SAMPLE_RATE_HZ)


@pytest.mark.parametrize("seed", range(3))
def test_a_voice_is_heard_and_strokes_are_none(detector, seed):
    assert (detector(features(played("face", seed))) > 0.5).mean() > 0.4
    for kind in ("drums", "strings", "clock", "balls"):
        assert (detector(features(played(kind, seed))) > 0.5).mean() < 0.2, kind


def test_noise_hum_and_silence_are_no_voice(detector):
    times = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for samples in (
        np.random.default_rng(0).normal(0, 0.1, len(times)),
        0.2 * np.sin(2 * np.pi * 50 * times),
        np.zeros(len(times)),
    ):
        assert (detector(features(samples)) > 0.5).mean() < 0.02


def test_the_gain_does_not_matter(detector):
    loud, quiet = (detector(features(gain * played("face", 1))) for gain in (1.0, 0.1))
    assert np.abs(loud - quiet).mean() < 0.1


def test_there_is_one_answer_a_tick_however_short_the_sound(detector):
    assert voice_levels(np.zeros((403, 16))).shape == (100, 16)
    for num in (0, 3, 4, 5):
        sound = AudioFeatures(0.0, np.zeros((num, 8)), np.zeros((num, 8)), 0.1, 1.0, spectrum=np.zeros((num, 16)))
        assert detector(sound).shape == (num // 4,)


def test_it_is_no_model_to_match_with():
    from avmatch.pipelines.models import open_for_match

    with pytest.raises(ModelError, match="voice: is a detector of voices, not"):
        open_for_match("voice")
    with pytest.raises(ModelError, match="not a detector of voices"):
        load_voice_detector(open_model("events"))


def talking(unit):
    track = MouthTrack(
        np.arange(len(unit)) / 25, np.zeros((len(unit), 4)), np.zeros((len(unit), 1)), {"m": Embeddings(unit, 25)}
    )
    return VideoFeatures(0.0, np.ones((len(unit), 8, 1)), (track,), 25.0, len(unit) / 25)


def sounding(unit):
    num = 4 * len(unit)
    bands = np.ones((num, 8))
    return AudioFeatures(0.0, bands, bands, len(unit) / 25, 1.0, embeddings={"m": Embeddings(unit, 25)})


def test_only_what_is_near_a_voice_is_compared():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    lags, answers = np.array([0.0]), {}
    for name, heard in {
        "everywhere": np.ones(200),
        "nowhere": np.zeros(200),
        "a click": np.eye(200)[100],
        "two seconds": ((np.arange(200) >= 50) & (np.arange(200) < 100)).astype(float),
    }.items():
        cue = EmbeddingCue("m", baseline=0.2, looks_at="mouth", voice=lambda _, heard=heard: heard)
        answers[name] = cue.curves([talking(unit)], [sounding(unit)], lags)
    whole = EmbeddingCue("m", baseline=0.2, looks_at="mouth").curves([talking(unit)], [sounding(unit)], lags)
    np.testing.assert_allclose(answers["everywhere"].nats, whole.nats, rtol=1e-5)
    for name in ("nowhere", "a click"):
        assert answers[name].audio_reasons == ("no_voice",)
        assert not answers[name].nats.any()
    counted = 50 + 2 * round(0.5 * TICK_RATE_HZ)  # and the pauses next to it
    assert answers["two seconds"].nats[0, 0, 0] == pytest.approx(whole.nats[0, 0, 0] * counted / 200, rel=1e-4)
