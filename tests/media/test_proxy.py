"""Pictures that browsers play, and sounds that can be read from any place on."""

from fractions import Fraction

import av
import numpy as np
import pytest

from avmatch.core.errors import MediaError
from avmatch.media.info import read_info
from avmatch.media.proxy import (
    SOUND_RATE_HZ,
    can_seek,
    coarse_peaks,
    is_playable,
    pooled_peaks,
    proxy_suffix,
    sought_samples,
    thumbnail,
    write_proxy,
    write_samples,
)
from shoots import write_clip, write_recording


def picture_of(path):
    return read_info(path).picture


def flashes(path):
    """The times of bright frames, from the first frame on, and the number of lines."""
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    start = frames[0][0]
    return [time - start for time, grey in frames if grey.mean() > 128], frames[0][1].shape[0]


@pytest.mark.parametrize(
    ("name", "codec", "plays"),
    [("a.mp4", "libx264", True), ("a.mov", "prores_ks", False), ("a.avi", "mpeg4", False), ("a.mkv", "libx264", False)],
)
def test_what_browsers_play_is_played_as_it_is(tmp_path, name, codec, plays):
    path = write_clip(tmp_path / name, Fraction(25), codec=codec)
    assert is_playable(path, picture_of(path)) == plays


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_a_proxy_keeps_the_time_of_every_frame(tmp_path, rate):
    path = write_clip(tmp_path / "a.mov", rate, codec="prores_ks", size=(1280, 720), num_frames=30, flash_frame=17)
    out, shares = tmp_path / f"proxy{proxy_suffix()}", []
    write_proxy(path, out, picture_of(path), shares.append)
    (flash,), lines = flashes(out)
    assert flash == pytest.approx(17 / float(rate), abs=1e-3)
    assert lines == 540
    assert shares[-1] == pytest.approx(1.0, abs=0.1)
    assert is_playable(out, picture_of(out))


def test_varying_rates_keep_their_times(tmp_path):
    stamps = [0, 40, 90, 200, 240, 500, 540]
    path = write_clip(tmp_path / "a.mp4", Fraction(25), num_frames=7, flash_frame=5, stamps=stamps)
    out = tmp_path / f"proxy{proxy_suffix()}"
    write_proxy(path, out, picture_of(path), lambda _: None)
    assert flashes(out)[0] == [pytest.approx(0.5, abs=2e-3)]


def test_who_ends_the_work_gets_his_error(tmp_path):
    path = write_clip(tmp_path / "a.mp4", Fraction(25))

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_proxy(path, tmp_path / f"b{proxy_suffix()}", picture_of(path), stop)


def test_samples_lie_where_the_clock_says(tmp_path):
    path = write_recording(tmp_path / "a.wav", 1.25, num_channels=2)
    write_samples(path, tmp_path / "a.s16", lambda _: None, 4.0)
    samples = np.fromfile(tmp_path / "a.s16", "<i2")
    assert len(samples) == 4 * SOUND_RATE_HZ
    assert abs(int(np.abs(samples.astype(int)).argmax()) - round(1.25 * SOUND_RATE_HZ)) <= 1
    peaks = np.concatenate(list(coarse_peaks(tmp_path / "a.s16")))
    assert int(peaks.max(axis=1).argmax()) == 125
    assert int(pooled_peaks(peaks.astype(np.int16), 4)[:, 1].argmax()) == 1


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 96_000])
def test_a_piece_is_found_without_what_comes_before(tmp_path, rate_hz):
    path = write_recording(tmp_path / "a.wav", 2.5, num_channels=4, rate_hz=rate_hz)
    assert can_seek(path)
    piece = sought_samples(path, 2.25, SOUND_RATE_HZ)
    assert len(piece) == SOUND_RATE_HZ
    assert abs(int(np.abs(piece.astype(int)).argmax()) - SOUND_RATE_HZ // 4) <= 1
    around = sought_samples(path, -1.0, SOUND_RATE_HZ // 2)
    assert not around.any()
    assert len(sought_samples(path, 3.9, SOUND_RATE_HZ)) == SOUND_RATE_HZ
    assert len(sought_samples(path, 100.0, 10)) == 10


def test_a_thumbnail_is_small(tmp_path):
    path = write_clip(tmp_path / "a.mp4", Fraction(25), size=(1280, 720))
    made = thumbnail(path)
    assert made[:2] == b"\xff\xd8"
    with pytest.raises(MediaError, match="no picture"):
        thumbnail(write_recording(tmp_path / "a.wav", 1.0))
