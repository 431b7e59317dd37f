"""Changes of motion: where a ball bounces, at any frame rate, and nothing where nothing moves."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from avmatch.core.features import TICK_RATE_HZ, VideoFrames
from avmatch.frontends.motion import GRID, MOTION_CHANNELS, MotionFrontEnd, TickAverages, resample_steps

HEIGHT, WIDTH = 120, 160
SECONDS = 4.0
BOUNCES = np.array([0.53, 1.08, 1.61, 2.24, 2.77, 3.41])


def height_above_floor(time_seconds):
    """Of a ball that is thrown up again by each bounce, in pixels."""
    edges = np.concatenate([[0.0], BOUNCES, [SECONDS]])
    index = np.clip(np.searchsorted(edges, time_seconds, side="right") - 1, 0, len(edges) - 2)
    begin, end = edges[index], edges[index + 1]
    return 600.0 * (time_seconds - begin) * (end - time_seconds)


def picture(time_seconds, x=40.0):
    """A ball with a pattern in front of a wall with a pattern."""
    image = np.random.default_rng(0).integers(60, 90, (HEIGHT, WIDTH)).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 1.5)
    y = HEIGHT - 20.0 - height_above_floor(time_seconds)
    for radius, level in ((11, 230), (7, 120), (3, 20)):
        cv2.circle(image, (round(16 * x), round(16 * y)), 16 * radius, level, -1, cv2.LINE_AA, 4)
    return image


def frame_times(kind):
    if kind == "varying":
        gaps = np.random.default_rng(3).uniform(0.031, 0.05, 200)
        times = np.cumsum(gaps)
        return times[times < SECONDS]
    return np.arange(round(SECONDS * kind)) / kind


def frames(times, shift_seconds=0.0, **kwargs):
    return VideoFrames(np.stack([picture(time, **kwargs) for time in times]), times + shift_seconds)


def answer(*blocks):
    front_end = MotionFrontEnd()
    for block in blocks:
        front_end.push(block)
    return front_end.finish()


def motion(*blocks):
    """(tick times, levels by channel) of what the front end makes of some blocks."""
    start, levels = answer(*blocks)
    return start + np.arange(len(levels)) / TICK_RATE_HZ, {
        name: levels[:, channel].astype(np.float32) for channel, name in enumerate(MOTION_CHANNELS)
    }


def strongest(times, signal):
    """Times of the highest peaks, as many as there are bounces, in order."""
    signal, found = signal.copy(), []
    for _ in BOUNCES:
        at = int(signal.argmax())
        found.append(times[at])
        signal[max(0, at - 4) : at + 5] = -1.0
    return np.sort(found)


@pytest.mark.parametrize("kind", [25, 30000 / 1001, 50, "varying"])
@pytest.mark.parametrize("channel", ["acceleration", "bounce", "reversal"])
@pytest.mark.parametrize("shift_seconds", [0.0, 1.913])
def test_bounces_are_found_within_a_frame(kind, channel, shift_seconds):
    times, levels = motion(frames(frame_times(kind), shift_seconds))
    found = strongest(times, levels[channel].mean(axis=1))
    np.testing.assert_allclose(found - shift_seconds, BOUNCES, atol=0.04)


@pytest.mark.parametrize("kind", [30, 50, "varying"])
def test_every_frame_rate_looks_much_the_same(kind):
    times, reference = motion(frames(frame_times(25)))
    other_times, other = motion(frames(frame_times(kind)))
    at = np.interp(times, other_times, other["acceleration"].mean(axis=1))
    correlation = np.corrcoef(reference["acceleration"].mean(axis=1), at)[0, 1]
    assert correlation > 0.75


def test_the_cell_is_where_the_ball_is():
    for x, column in ((30.0, 1), (130.0, 6)):
        _, levels = motion(frames(frame_times(25), x=x))
        by_column = levels["change"].mean(axis=0).reshape(GRID, GRID).sum(axis=0)
        assert by_column.argmax() == column
        assert by_column[[0, 3, 4, 7]].sum() < 0.1 * by_column.sum()


def test_throws_have_no_bounce_upside_down():
    """At the top of its flight the ball turns as well, but slowly and downwards."""
    times, levels = motion(frames(frame_times(25)))
    tops = (BOUNCES[:-1] + BOUNCES[1:]) / 2
    bounce = levels["bounce"].mean(axis=1)
    assert np.interp(tops, times, bounce).max() < 0.2 * np.interp(BOUNCES, times, bounce).min()


def test_a_static_picture_gives_no_motion():
    still = picture(0.3)
    times = np.arange(100) / 25
    _, levels = motion(VideoFrames(np.repeat(still[None], len(times), axis=0), times))
    assert all(len(signal) == 0 for signal in levels.values())


def test_a_still_picture_with_grain_gives_hardly_any():
    rng = np.random.default_rng(0)
    times = np.arange(50) / 25
    grain = rng.normal(0, 1.0, (len(times), HEIGHT, WIDTH))
    _, still = motion(VideoFrames(np.clip(picture(0.3) + grain, 0, 255).astype(np.uint8), times))
    _, moving = motion(frames(times))
    for channel, share in (("acceleration", 0.3), ("bounce", 0.2), ("reversal", 0.02)):
        assert still[channel].mean(axis=1).max() < share * moving[channel].mean(axis=1).max()


def test_repeated_frames_are_passed_over():
    """The same 25 pictures a second, each shown twice as in a 50 fps file, give the same answer."""
    once = frames(frame_times(25))
    times = np.repeat(once.pts_seconds, 2)
    times[1::2] += 0.02
    twice = VideoFrames(np.repeat(once.data, 2, axis=0), times)
    np.testing.assert_array_equal(motion(once)[1]["acceleration"], motion(twice)[1]["acceleration"])


@pytest.mark.parametrize("size", [1, 7, 32])
def test_blocks_of_any_size_give_the_same_answer(size):
    whole = frames(frame_times(25))
    blocks = [
        VideoFrames(whole.data[begin : begin + size], whole.pts_seconds[begin : begin + size])
        for begin in range(0, len(whole), size)
    ]
    times, levels = motion(*blocks)
    expected_times, expected = motion(whole)
    np.testing.assert_array_equal(times, expected_times)
    for name in MOTION_CHANNELS:
        np.testing.assert_array_equal(levels[name], expected[name])


def test_a_change_of_size_in_the_middle_is_survived():
    times = frame_times(25)
    wide = frames(times[:50])
    tall = VideoFrames(np.ascontiguousarray(frames(times[50:]).data.transpose(0, 2, 1)), times[50:])
    found, levels = motion(wide, tall)
    assert found[-1] > times[-2] - 0.1
    np.testing.assert_array_equal(levels["change"][found < 1.9], motion(wide)[1]["change"][: np.sum(found < 1.9)])


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_fewer_than_three_frames_have_no_motion(num_frames):
    times = np.arange(num_frames) / 25
    data = np.zeros((num_frames, HEIGHT, WIDTH), np.uint8)
    data[1:] = 200
    start, levels = answer(VideoFrames(data, times))
    assert (start, levels.shape) == (0.0, (0, len(MOTION_CHANNELS), GRID * GRID))


@pytest.mark.parametrize("shape", [(4, 300), (300, 4), (1, 1), (37, 53)])
def test_odd_pictures_are_survived(shape):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 255, (10, *shape)).astype(np.uint8)
    _, levels = answer(VideoFrames(data, np.arange(10) / 25))
    assert levels.shape[1:] == (len(MOTION_CHANNELS), GRID * GRID)
    assert np.isfinite(levels).all()


@given(
    first_seconds=st.floats(-2.0, 100.0),
    widths=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=40),
    rate_hz=st.sampled_from([10.0, 25.0, 100.0]),
    data=st.data(),
)
def test_resampling_keeps_the_integral(first_seconds, widths, rate_hz, data):
    edges = first_seconds + np.concatenate([[0.0], np.cumsum(widths)])
    levels = data.draw(hypothesis_numpy.arrays(np.float64, (len(widths), 2), elements=st.floats(0.0, 100.0)))
    start, ticks = resample_steps(edges, levels, rate_hz)
    expected = (levels * np.diff(edges)[:, None]).sum(axis=0)
    # float16 keeps eleven bits, and 6e-8 at the least.
    np.testing.assert_allclose(ticks.astype(float).sum(axis=0) / rate_hz, expected, rtol=1e-3, atol=1e-5)
    assert start - 0.5 / rate_hz <= edges[0] + 1e-9
    assert start + (len(ticks) - 0.5) / rate_hz >= edges[-1] - 1e-9


def test_resampling_steps_that_fit_the_clock_changes_nothing():
    levels = np.arange(5.0)
    start, ticks = resample_steps(0.4 + np.arange(6) / TICK_RATE_HZ, levels, TICK_RATE_HZ)
    assert start == pytest.approx(0.42)
    np.testing.assert_allclose(ticks[:5], levels, atol=2e-3)


@given(st.integers(0, 2**32 - 1), st.sampled_from([7, 100, 1024]))
def test_averages_settled_piece_by_piece_are_those_of_the_whole(seed, waiting):
    rng = np.random.default_rng(seed)
    widths = rng.choice(
        [0.02, 0.033, 0.04, 0.0417, 0.3, 3.0], rng.integers(1, 300), p=[0.2, 0.3, 0.3, 0.15, 0.04, 0.01]
    )
    edges = rng.uniform(0, 5) + np.concatenate([[0.0], np.cumsum(widths)])
    levels = rng.gamma(1, 1, (len(widths), 2, 3)).astype(np.float16)
    start, expected = resample_steps(edges, levels, 25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avmatch.frontends.motion.STEPS_WAITING", waiting)
        averages = TickAverages(25)
        for begin, end, level in zip(edges, edges[1:], levels, strict=False):
            averages.push(float(begin), float(end), level)
        found_start, found = averages.finish()
    assert found_start == start
    np.testing.assert_allclose(found, expected, atol=4e-3, rtol=2e-3)
