"""One offset out of the curves of cues: its place, its doubts, and the reasons of the silent."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import logit

from avmatch.alignment.measurement import measure
from avmatch.alignment.offset import (
    EDGE_CONFIDENCE,
    JUDGED_SECONDS,
    WIDE_SECONDS,
    estimate_offset,
    offset_interval,
    offset_lags,
    with_prior,
)
from avmatch.core.errors import Reason
from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.cues.evidence import Calibration, Curves
from avmatch.cues.learned import EmbeddingCue

VIDEO = VideoFeatures(0.0, np.ones((1, 8, 1)), (), 25.0, 5.0)
AUDIO = AudioFeatures(0.0, np.zeros((1, 1)), np.zeros((1, 1)), 5.0, 1.0)
PLAIN = Calibration()


@dataclass(frozen=True)
class FakeCue:
    """Gaussian bumps of evidence at these seconds, so high; silent for a reason."""

    bumps: tuple[tuple[float, float], ...] = ()
    name: str = "fake"
    calibration: Calibration = PLAIN
    video_reason: Reason | None = None
    audio_reason: Reason | None = None

    def curves(self, videos, audios, lags_seconds):
        nats = sum(high * np.exp(-0.5 * ((lags_seconds - at) / 0.04) ** 2) for at, high in self.bumps)
        nats = np.broadcast_to(nats, (1, 1, len(lags_seconds))).astype(np.float32)
        return Curves(nats, (self.video_reason,), (self.audio_reason,))


def estimate(*cues, max_offset_seconds=1.0):
    return estimate_offset(cues, VIDEO, AUDIO, max_offset_seconds=max_offset_seconds)


@pytest.mark.parametrize("at", [-0.333, -0.1, 0.0, 0.0042, 0.257, 0.87])
def test_a_clear_peak_is_found_between_the_steps(at):
    found = estimate(FakeCue(((at, 30.0),)))
    assert found.offset_seconds == pytest.approx(at, abs=0.003)
    assert found.confidence > 0.9
    assert (found.cue, found.reasons) == ("fake", {})


@pytest.mark.parametrize("at", [-7.5, 12.34])
def test_wide_ranges_take_larger_steps_and_are_refined_too(at):
    found = estimate(FakeCue(((at, 30.0),)), max_offset_seconds=20.0)
    assert found.offset_seconds == pytest.approx(at, abs=0.002)
    assert found.nats.shape == found.lags_seconds.shape == (1001,)


@pytest.mark.parametrize("max_offset_seconds", [0.5, 1.0, WIDE_SECONDS, 60.0])
def test_the_offsets_tried_are_even_symmetric_and_reach_the_range(max_offset_seconds):
    lags = offset_lags(max_offset_seconds)
    np.testing.assert_allclose(lags, -lags[::-1])
    np.testing.assert_allclose(np.diff(lags), lags[1] - lags[0])
    assert lags[-1] == pytest.approx(max_offset_seconds)


@pytest.mark.parametrize("at", [-1.5, 1.5])
def test_a_peak_at_the_edge_belongs_to_something_outside(at):
    class Slope(FakeCue):
        def curves(self, videos, audios, lags_seconds):
            nats = (100.0 * np.sign(at) * lags_seconds).astype(np.float32)[None, None]
            return Curves(nats, (None,), (None,))

    found = estimate(Slope())
    assert found.offset_seconds == pytest.approx(np.sign(at) * 1.0)
    assert found.confidence <= EDGE_CONFIDENCE


def test_two_peaks_alike_are_doubtful():
    twice = FakeCue(((-0.3, 12.0), (0.3, 12.0)))
    assert estimate(twice).confidence < 0.6 < estimate(FakeCue(((0.3, 12.0),))).confidence


def test_nothing_in_the_curve_is_no_confidence():
    assert estimate(FakeCue(((0.0, 0.0),))).confidence < 0.3


def test_both_halves_of_the_picture_have_to_agree():
    """The whole says the same of both pictures; one half of the second says something else."""
    video = VideoFeatures(2.0, np.ones((100, 8, 1)), (), 25.0, 4.0)

    @dataclass(frozen=True)
    class Halved(FakeCue):
        second_at: float = 0.2

        def curves(self, videos, audios, lags_seconds):
            assert len(videos[0].motion) in (50, 100)
            is_second = len(videos[0].motion) == 50 and videos[0].start_seconds == 4.0
            at = self.second_at if is_second else 0.2
            return FakeCue(((at, 12.0),)).curves(videos, audios, lags_seconds)

    close = Calibration(half_slope=1.0)
    agreeing, torn, unasked = (
        estimate_offset((cue,), video, AUDIO, max_offset_seconds=1.0)
        for cue in (Halved(calibration=close), Halved(calibration=close, second_at=-0.5), Halved(second_at=-0.5))
    )
    assert agreeing.offset_seconds == torn.offset_seconds == unasked.offset_seconds
    assert agreeing.confidence > 0.99 > 0.5 > torn.confidence
    assert agreeing.figures.weaker_half > 0.9
    assert torn.figures.weaker_half < 0.01
    assert unasked.confidence == pytest.approx(unasked.figures.mass)


def test_what_the_event_is_counts_where_the_calibration_asks():
    @dataclass(frozen=True)
    class Naming(FakeCue):
        def classes(self, video, audio):
            return (1.0, 0.0)

    video = VideoFeatures(2.0, np.ones((100, 8, 1)), (), 25.0, 4.0)
    slopes = {"class_slopes": (-3.0, 0.0)}
    doubted, unasked, nameless = (
        estimate_offset((cue,), video, AUDIO, max_offset_seconds=1.0)
        for cue in (
            Naming(((0.2, 12.0),), calibration=Calibration(half_slope=1.0, **slopes)),
            Naming(((0.2, 12.0),), calibration=Calibration(half_slope=1.0)),
            FakeCue(((0.2, 12.0),), calibration=Calibration(half_slope=1.0, **slopes)),
        )
    )
    assert doubted.figures.classes == (1.0, 0.0)
    assert nameless.figures.classes == ()
    assert unasked.confidence == nameless.confidence
    assert logit(nameless.confidence) - logit(doubted.confidence) == pytest.approx(3.0)


def test_cues_add_up():
    """Each cue has a higher peak elsewhere; together they agree."""
    first = FakeCue(((0.2, 10.0), (-0.5, 12.0)), "first")
    second = FakeCue(((0.2, 10.0), (0.6, 12.0)), "second")
    assert estimate(first).offset_seconds == pytest.approx(-0.5, abs=0.01)
    assert estimate(second).offset_seconds == pytest.approx(0.6, abs=0.01)
    assert estimate(first, second).offset_seconds == pytest.approx(0.2, abs=0.01)


def test_a_weight_counts():
    loud = FakeCue(((0.4, 10.0),), "loud", Calibration(weight=0.5))
    trusted = FakeCue(((-0.2, 8.0),), "trusted")
    found = estimate(loud, trusted)
    assert found.offset_seconds == pytest.approx(-0.2, abs=0.01)
    assert found.cue == "trusted"


def test_the_calibration_is_that_of_the_deciding_cue():
    doubter = Calibration(intercept=-20.0)
    small, large = ((0.1, 3.0),), ((0.1, 20.0),)
    assert estimate(FakeCue(large, "a", doubter), FakeCue(small, "b")).confidence < 0.1
    assert estimate(FakeCue(small, "a", doubter), FakeCue(large, "b")).confidence > 0.9


def test_silent_cues_say_why_and_the_others_go_on():
    silent = FakeCue(name="mouth", video_reason="no_face")
    found = estimate(silent, FakeCue(((0.1, 20.0),), "motion"))
    assert found.offset_seconds == pytest.approx(0.1, abs=0.01)
    assert (found.cue, found.reasons) == ("motion", {"mouth": "no_face"})


def test_where_every_cue_is_silent_there_is_no_offset():
    found = estimate(
        FakeCue(name="motion", video_reason="static_picture"), FakeCue(name="mouth", audio_reason="silence")
    )
    assert found.offset_seconds is None
    assert (found.confidence, found.cue) == (0.0, "")
    assert found.reasons == {"motion": "static_picture", "mouth": "silence"}


def test_the_interval_of_a_clear_peak_is_about_a_frame_to_either_side():
    found = estimate(FakeCue(((0.257, 40.0),)))
    low, high = offset_interval(found)
    assert -0.06 < low - 0.257 < -0.03
    assert 0.03 < high - 0.257 < 0.06


def test_an_unsure_offset_has_a_wide_interval():
    """Two peaks alike: both are in it. Nothing at all: most of the range is."""
    low, high = offset_interval(estimate(FakeCue(((-0.3, 12.0), (0.3, 12.0)))))
    assert low < -0.3
    assert high > 0.3
    low, high = offset_interval(estimate(FakeCue(((0.0, 0.0),))))
    assert high - low > 1.2


@pytest.mark.parametrize("max_offset_seconds", [1.0, 60.0])
@pytest.mark.parametrize("at", [-0.93, 0.0, 0.5])
def test_the_offset_lies_in_its_interval(at, max_offset_seconds):
    found = estimate(FakeCue(((at, 15.0),)), max_offset_seconds=max_offset_seconds)
    low, high = offset_interval(found)
    assert low <= found.offset_seconds <= high


def test_no_offset_has_no_interval():
    silent = estimate(FakeCue(name="motion", video_reason="static_picture"))
    with pytest.raises(ValueError, match="no cue could tell an offset"):
        offset_interval(silent)


def test_belonging_is_a_question_of_its_own():
    """How high the peak is tells whether the sound belongs; it can't be less probable than a right offset."""
    asked = Calibration(half_slope=1.0, belongs_slopes=(0.0, 0.0, 0.0, 0.5, 0.0, 0.0, -3.0))
    high, low, unknown = (
        estimate(cue)
        for cue in (
            FakeCue(((0.2, 12.0),), calibration=asked),
            FakeCue(((0.2, 2.0),), calibration=asked),
            FakeCue(((0.2, 2.0),)),
        )
    )
    assert logit(high.belongs) == pytest.approx(max(3.0, logit(high.confidence)), abs=1e-6)
    assert low.belongs == pytest.approx(max(0.119, low.confidence), abs=1e-3)
    assert unknown.belongs is None


def test_a_voice_and_a_face_decide_where_there_are_both():
    class Lips(EmbeddingCue):
        def curves(self, videos, audios, lags_seconds):
            return FakeCue(((0.1, 3.0),)).curves(videos, audios, lags_seconds)

    audio = replace(AUDIO, embeddings={"lips": Embeddings(np.eye(3, dtype=np.float32), 25)})
    lips, events = Lips("lips", looks_at="mouth"), FakeCue(((0.1, 9.0),), name="events")
    assert estimate_offset((events, lips), VIDEO, audio, max_offset_seconds=1.0).cue == "lips"
    picture = Lips("lips", looks_at="picture")
    assert estimate_offset((events, picture), VIDEO, audio, max_offset_seconds=1.0).cue == "events"


@pytest.mark.parametrize("max_offset_seconds", [0.5, 2.0, 20.0, 120.0])
def test_the_offset_does_not_depend_on_the_range(max_offset_seconds):
    found = estimate(FakeCue(((0.237, 9.0), (0.31, 6.0))), max_offset_seconds=max_offset_seconds)
    once = estimate(FakeCue(((0.237, 9.0), (0.31, 6.0))))
    assert found.offset_seconds == pytest.approx(once.offset_seconds, abs=1e-4)


def test_a_range_within_the_tolerance_has_an_interval_too():
    low, high = offset_interval(estimate(FakeCue(((0.0, 9.0),)), max_offset_seconds=0.02))
    assert -0.1 < low <= high < 0.1


def measured(*bumps, max_offset_seconds):
    return measure([FakeCue(bumps)], VIDEO, AUDIO, max_offset_seconds=max_offset_seconds).estimate


@pytest.mark.parametrize("max_offset_seconds", [0.004, 0.02, 0.1, 0.5, JUDGED_SECONDS])
def test_a_narrow_range_makes_nothing_sure(max_offset_seconds):
    """Five strangers' peaks, one of them within the range: what is said of it is what a second says."""
    strangers = ((0.0, 2.2), (0.3, 2.1), (0.7, 2.0), (-0.4, 2.1), (-0.8, 2.0))
    found, whole = (measured(*strangers, max_offset_seconds=reach) for reach in (max_offset_seconds, JUDGED_SECONDS))
    assert found.confidence == whole.confidence < 0.7
    assert offset_interval(found) == offset_interval(whole)


@pytest.mark.parametrize("max_offset_seconds", [0.004, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("at", [-0.7, 0.35])
def test_an_offset_outside_the_range_leaves_those_inside_it_unsure(max_offset_seconds, at):
    found = measured((0.0, 3.0), (at, 12.0), max_offset_seconds=max_offset_seconds)
    assert abs(found.offset_seconds) <= max(max_offset_seconds, 0.01) + 1e-9
    assert found.confidence <= EDGE_CONFIDENCE
    low, high = offset_interval(found)
    assert low <= at + 0.05
    assert high >= at - 0.05


def test_what_is_known_of_the_offset_chooses_between_peaks():
    found = estimate(FakeCue(((-0.3, 12.0), (0.3, 12.0))))
    usual = np.zeros(len(found.lags_seconds))
    known = -0.5 * ((found.lags_seconds - 0.3) / 0.1) ** 2
    chosen = with_prior(found, usual, known)
    assert chosen.offset_seconds == pytest.approx(0.3, abs=0.01)
    assert chosen.offset_confidence > 0.9 > found.offset_confidence
    assert chosen.confidence >= found.confidence
    other = with_prior(found, usual, known[::-1])
    assert other.offset_seconds == pytest.approx(-0.3, abs=0.01)


def test_nothing_new_known_of_the_offset_changes_nothing():
    found = estimate(FakeCue(((0.257, 30.0),)))
    usual = -np.abs(found.lags_seconds)
    same = with_prior(found, usual, usual)
    assert same.offset_seconds == found.offset_seconds
    assert same.offset_confidence == pytest.approx(found.offset_confidence, abs=0.02)
    nothing = estimate(FakeCue(video_reason="static_picture"))
    assert with_prior(nothing, usual, usual) is nothing
