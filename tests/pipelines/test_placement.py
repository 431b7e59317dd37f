"""Where something fits, each file within a range of its own."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from avmatch.alignment.cuts import audio_between, between, joined_audio, joined_video, moved_video, padded_audio
from avmatch.core.features import Embeddings
from avmatch.index.grid import Window, window, windows
from avmatch.pipelines.placement import SLACK_SECONDS, Place, Span, in_silence, place_in, placements
from avmatch.systems.events.runtime import EventCue, load_event_model
from event_scenes import event_times, picture, sound

LONG_SECONDS = 30.0
TIMES = event_times(3, LONG_SECONDS)


@pytest.fixture(scope="module")
def cue():
    return EventCue(load_event_model("events"))


@pytest.mark.parametrize("begin", [3.0, 11.4, 20.2])
def test_a_clip_is_placed_in_a_long_sound(cue, begin):
    clip = picture([time - begin for time in TIMES if time >= begin], 8.0)
    long = sound(TIMES, LONG_SECONDS)
    places = [place_in(window(number, LONG_SECONDS), LONG_SECONDS, 8.0) for number in range(5)]
    others = [audio_between(long, place.begin_seconds, place.end_seconds) for place in places]
    found = placements([cue], clip, others, [place.span(is_sound=True) for place in places])
    best = int(found.nats.argmax())
    assert found.offset_seconds[best] == pytest.approx(begin, abs=0.06)
    assert places[best].first_seconds <= found.offset_seconds[best] <= places[best].last_seconds
    assert found.parts[0, best] > 5.0


@pytest.mark.parametrize("begin", [3.0, 11.4])
def test_a_sound_is_placed_in_a_long_picture(cue, begin):
    short = sound([time - begin for time in TIMES if time >= begin], 8.0)
    long = picture(TIMES, LONG_SECONDS)
    places = [place_in(window(number, LONG_SECONDS), LONG_SECONDS, 8.0) for number in range(4)]
    others = [between(long, place.begin_seconds, place.end_seconds) for place in places]
    found = placements([cue], short, others, [place.span(is_sound=False) for place in places])
    assert -found.offset_seconds[int(found.nats.argmax())] == pytest.approx(begin, abs=0.06)


def test_a_short_sound_is_laid_where_it_fits(cue):
    bangs = np.array([0.3, 0.7, 1.6])
    clip = picture(bangs + 3.7, 8.0)
    short = in_silence(sound(bangs, 2.0, seed=2), 8.0)
    place = place_in(Window(0.0, 2.0), 2.0, 8.0)
    found = placements([cue], clip, [short], [place.span(is_sound=True)])
    assert found.offset_seconds[0] == pytest.approx(-3.7, abs=0.08)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.8])
def test_a_very_short_clip_lies_within_its_sound(cue, seconds):
    clip = picture([], seconds)
    place = place_in(Window(0.0, 3.0), 3.0, seconds)
    found = placements([cue], clip, [sound([1.0], 3.0)], [place.span(is_sound=True)])
    overlap = min(found.offset_seconds[0] + seconds, 3.0) - max(found.offset_seconds[0], 0.0)
    assert overlap >= 0.4 * seconds


def test_where_nothing_is_said_both_lie_in_the_middle(cue):
    still = replace(picture([], 2.0), motion=np.zeros_like(picture([], 2.0).motion))
    quiet = sound([], 6.0)
    quiet = replace(quiet, flux=np.zeros_like(quiet.flux), level=np.full_like(quiet.level, -9.0))
    place = place_in(Window(0.0, 6.0), 6.0, 2.0)
    found = placements([cue], still, [quiet], [place.span(is_sound=True)])
    assert found.offset_seconds[0] == pytest.approx(2.0, abs=0.03)
    assert not found.parts.any()


def test_silence_agrees_with_nothing(cue):
    """Small numbers behind a sound that ends in digital silence; a picture is never laid there."""
    clip = picture(event_times(5, 2.0), 2.0)
    whole = sound(event_times(6, 10.0), 10.0)
    level, flux, spectrum = whole.level.copy(), whole.flux.copy(), whole.spectrum.copy()
    level[300:], flux[300:], spectrum[300:] = level[:300].min(), 0.0, np.log(1e-6)
    quiet = replace(whole, level=level, flux=flux, spectrum=spectrum)
    drift = np.linspace(0.0, 1e-2, len(flux), dtype=np.float16)[:, None] ** 2
    accents = Embeddings(np.where(np.arange(1000)[:, None] < 300, 1.0, drift) * np.ones(4, np.float16), 100.0)
    quiet = replace(quiet, embeddings={"events accents": accents})
    found = placements([cue], clip, [quiet], [place_in(Window(0.0, 10.0), 10.0, 2.0).span(is_sound=True)])
    assert found.nats[0] < 5.0
    whole_clip = picture(event_times(6, 2.0), 2.0)
    found = placements([cue], whole_clip, [replace(quiet, embeddings={})], [Span(-0.5, 8.5)])
    assert found.offset_seconds[0] == pytest.approx(0.0, abs=0.06)


def test_a_clip_and_a_file_lie_within_one_another():
    assert place_in(Window(0.0, 5.25), 5.25, 5.0) == Place(-0.5, 0.75, 0.0, 6.25)
    assert place_in(Window(0.0, 2.0), 2.0, 5.0) == Place(-3.5, 0.5, 0.0, 6.0)


@pytest.mark.parametrize("length", [0.5, 4.0, 7.5, 10.0, 60.0])
def test_windows_leave_no_place_out(length):
    places = [place_in(one, 100.0, length) for one in windows(100.0)]
    for one, after in pairwise(places):
        assert after.first_seconds <= one.last_seconds
    assert places[0].first_seconds <= 0.0
    assert places[-1].last_seconds >= 100.0 - length


def test_each_keeps_to_its_own_span_whatever_the_others_are(cue):
    clip, long = picture(TIMES, 8.0), sound(TIMES, LONG_SECONDS)
    places = [place_in(Window(0.0, 8.0), 8.0, 8.0), place_in(Window(0.0, 30.0), 30.0, 8.0)]
    others = [audio_between(long, 0.0, 9.0), long]
    spans = [place.span(is_sound=True) for place in places]
    together = placements([cue], clip, others, spans)
    alone = [placements([cue], clip, [other], [span]) for other, span in zip(others, spans, strict=True)]
    np.testing.assert_allclose(together.nats, [one.nats[0] for one in alone], atol=1e-3)
    np.testing.assert_allclose(together.offset_seconds, [one.offset_seconds[0] for one in alone], atol=1e-3)
    assert abs(together.offset_seconds[0]) <= SLACK_SECONDS + 0.02


def test_parts_that_are_joined_are_the_whole():
    long, film = sound(TIMES, LONG_SECONDS), picture(TIMES, LONG_SECONDS)
    again = joined_audio([audio_between(long, begin, begin + 10.0) for begin in (0.0, 10.0, 20.0)])
    np.testing.assert_array_equal(again.flux, long.flux)
    np.testing.assert_array_equal(again.spectrum, long.spectrum)
    assert (again.start_seconds, again.duration_seconds) == (long.start_seconds, LONG_SECONDS)
    seen = joined_video([between(film, begin, begin + 10.0) for begin in (0.0, 10.0, 20.0)])
    np.testing.assert_array_equal(seen.motion, film.motion)
    assert moved_video(seen, 2.5).start_seconds == film.start_seconds + 2.5


def test_silence_around_a_sound_keeps_its_clock():
    short = sound([0.3], 1.0)
    padded = padded_audio(short, 2.0)
    assert padded.start_seconds == short.start_seconds - 2.0
    np.testing.assert_array_equal(padded.flux[200:300], short.flux)
    assert not padded.flux[:200].any()
    assert in_silence(sound(TIMES, 8.0), 8.2).duration_seconds == 8.0
