"""Evidence in blocks: the same as that of the cues, or nearly, for many files at once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from avmatch.core.features import BAND_RATE_HZ, AudioFeatures, Embeddings, MouthTrack, VideoFeatures
from avmatch.cues.block_vectors import principal
from avmatch.cues.blocks import in_components, ticks_apart
from avmatch.cues.evidence import BlockEvidence, RoughCue
from avmatch.cues.learned import EmbeddingCue
from avmatch.cues.mouth import MouthCue
from avmatch.cues.sliding import picture_spectra, read_products, reading, sound_spectra
from avmatch.cues.synchrony import WINDOW_TICKS, Series, remembered, thinned, video_windows

LAGS = np.arange(-25, 26) * 0.02
#: Of a picture that doesn't stand still.
MOVING = np.ones((150, 4, 64), np.float16)


def evidence(blocks, videos, audios):
    """(N, M, L) of all, videos and sounds in two blocks each, one video after another."""
    half = len(audios) // 2
    seen, heard = blocks.videos(videos), blocks.sounds(audios)
    out = np.zeros((len(videos), len(blocks.lags_seconds), len(audios)), np.float32)
    for columns in (slice(0, half), slice(half, None)):
        add = blocks.against(heard[columns])
        for rows in (slice(0, 1), slice(1, None)):
            part = np.zeros_like(out[rows, :, columns])
            add(seen[rows], part)
            out[rows, :, columns] = part
    return out.transpose(0, 2, 1)


def mouth(rng, begin_seconds, seconds, fps=25.0):
    times = np.arange(begin_seconds, begin_seconds + seconds, 1 / fps)
    signals = gaussian_filter1d(rng.standard_normal((len(times), 3)), 1.0, axis=0).astype(np.float32)
    return MouthTrack(times, np.full((len(times), 4), 0.2, np.float32), signals)


def talking(rng, *spans):
    tracks = tuple(mouth(rng, *span) for span in spans)
    return VideoFeatures(0.0, MOVING, tracks, 25.0, 30.0)


def voice(rng, seconds, start_seconds=0.0, peak=0.5):
    level = gaussian_filter1d(rng.standard_normal((round(seconds * BAND_RATE_HZ), 8)), 5.0, axis=0)
    return AudioFeatures(start_seconds, np.zeros(level.shape, np.float16), 4 * level.astype(np.float16), seconds, peak)


@pytest.mark.parametrize("lags", [LAGS[::2], LAGS[1::2], np.arange(-1, 2) * 0.08, np.zeros(1)])
def test_mouths_in_blocks_are_the_cue_itself(lags):
    rng = np.random.default_rng(0)
    cue = MouthCue()
    assert isinstance(cue, RoughCue)
    together = ((0.0, 8.0), (2.0, 7.0), (9.0, 4.0))  # two faces at once, and a third in two windows
    videos = [talking(rng, (0.3, 6.0, 30.0)), talking(rng, *together), talking(rng), talking(rng, (1.0, 22.0))]
    audios = [voice(rng, 8.0), voice(rng, 3.0, 0.513), voice(rng, 9.0, peak=0.0), voice(rng, 25.0, -0.253)]
    blocks = cue.rough(audios, lags)
    assert isinstance(blocks, BlockEvidence)
    np.testing.assert_allclose(evidence(blocks, videos, audios), cue.curves(videos, audios, lags).nats, atol=2e-3)


@pytest.mark.parametrize("num", [3, 20])
def test_sources_of_few_components_lose_nothing(num):
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((WINDOW_TICKS, num)) @ rng.standard_normal((num, 20))).astype(np.float32)
    (window,) = video_windows(Series(0.02, 25.0, values))
    few = in_components(window.signals, window.autocorrelation, num)
    assert few.components.shape == (num, WINDOW_TICKS)
    np.testing.assert_allclose(few.mixing @ few.components, window.signals, atol=2e-4)


def test_sources_keep_their_norm_and_what_does_not_move_stays_still():
    values = np.random.default_rng(2).standard_normal((WINDOW_TICKS, 20)).astype(np.float32)
    values[:, 2] = 1.0
    (window,) = video_windows(Series(0.02, 25.0, values))
    few = in_components(window.signals, window.autocorrelation, 6)
    norms = np.linalg.norm(few.mixing @ few.components, axis=1)
    np.testing.assert_allclose(np.delete(norms, 2), 1.0, atol=1e-4)
    assert norms[2] == 0.0


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def vectors(rng, basis, num, start_seconds=0.0):
    smooth = gaussian_filter1d(rng.standard_normal((num, len(basis))), 2.0, axis=0)
    return Embeddings(unit(smooth @ basis), 25.0, start_seconds)


def seen(*faces):
    tracks = tuple(
        MouthTrack(
            face.start_seconds + np.arange(len(face.data)) / 25.0,
            np.full((len(face.data), 4), 0.2, np.float32),
            np.zeros((len(face.data), 3), np.float32),
            {"lips": face},
        )
        for face in faces
    )
    return VideoFeatures(0.0, MOVING, tracks, 25.0, 30.0)


def heard(item):
    bands = np.zeros((len(item.data) * 4, 8), np.float16)
    return AudioFeatures(item.start_seconds, bands, bands, len(item.data) / 25.0, 0.5, embeddings={"lips": item})


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_vectors_in_blocks_are_nearly_the_cue(share):
    rng = np.random.default_rng(3)
    basis = rng.standard_normal((6, 64))
    spoken = np.arange(300) % 100 < 70
    cue = EmbeddingCue(
        "lips", 4.0, 0.1, looks_at="mouth", background_share=share, voice=lambda audio: spoken[: len(audio.flux) // 4]
    )
    videos = [
        seen(vectors(rng, basis, 200)),
        seen(vectors(rng, basis, 150, 0.013), vectors(rng, basis, 180, 0.5), vectors(rng, basis, 60, 9.0)),
        seen(),
        seen(vectors(rng, basis, 290, -0.31)),
    ]
    sounds = [vectors(rng, basis, 200), vectors(rng, basis, 280, 0.017), vectors(rng, basis, 90, -0.2)]
    audios = [heard(item) for item in sounds] + [replace(heard(sounds[0]), embeddings={})]
    exact = cue.curves(videos, audios, LAGS).nats
    nearly = evidence(cue.rough(audios, LAGS), videos, audios)
    assert exact.std() > 0.5
    np.testing.assert_allclose(nearly, exact, atol=0.05 * exact.std() + 0.05)
    assert not nearly[:, 3].any()
    assert not nearly[2].any()


def test_without_any_vectors_nothing_is_said():
    rng = np.random.default_rng(4)
    audios = [voice(rng, 2.0), voice(rng, 3.0)]
    assert not evidence(EmbeddingCue("lips").rough(audios, LAGS), [talking(rng)], audios).any()
    assert principal([]).shape == (0, 0)


@pytest.mark.parametrize(("early", "late"), [(0.0, 0.0), (0.4, -0.3)])
def test_products_are_read_at_any_offset(early, late):
    """Against sums of sines, whose products are known between the ticks too."""
    num, first, last = 40, -12, 15
    lags = (-3.0, 0.0, 2.5)
    times = np.arange(num)
    wave = lambda ticks: np.stack([np.sin(0.3 * ticks), np.cos(0.5 * ticks)], axis=-1)  # noqa: E731
    pictures = np.zeros((1, num, 2), np.float32)
    pictures[0, 10:30] = wave(times[10:30] + early)
    about = np.arange(first, num + last)
    read = reading(num, lags, first, last)
    assert read.num_ticks == len(about)
    sounds = wave(about + late)[..., None].astype(np.float32)
    found = read_products(
        picture_spectra(pictures, np.array([early]), read.size),
        sound_spectra(sounds, np.array([late]), read.size),
        read,
    )
    assert found.shape == (len(lags) + 1, 1, 1)
    if early == late:
        whole = [float((pictures[0] * wave(times + lag)).sum()) for lag in range(first, last + 1)]
        assert found[-1, 0, 0] == pytest.approx(sum(whole), abs=1e-3)
    for lag, value in zip(lags, found[:-1, 0, 0], strict=True):
        there = times[10:30] + early
        assert value == pytest.approx(float((wave(there) * wave(there + lag)).sum()), abs=0.6)


def test_offsets_are_whole_ticks_apart():
    assert ticks_apart(LAGS[::4]) == 2
    with pytest.raises(ValueError, match="whole ticks apart"):
        ticks_apart(LAGS)


def test_no_more_is_kept_than_may_be():
    made = []
    files = [voice(np.random.default_rng(5), 1.0) for _ in range(3)]
    get = remembered(lambda audio: made.append(audio) or len(made), most=2, size_of=lambda one: 1)
    for _ in range(2):
        for file in files:
            get(file)
    assert len(made) == 4
    del files[:2], file
    made.clear()
    get(files[0])
    get(files[0])
    assert len(made) == 1


@pytest.mark.parametrize(
    ("step", "apart", "num"), [(0.02, 0.04, 26), (0.04, 0.04, 51), (0.04, 0.08, 26), (0.02, 0.01, 51)]
)
def test_offsets_no_farther_apart_than_that_are_thinned(step, apart, num):
    lags = np.arange(-25, 26) * step
    some, filled = thinned(lags, apart)
    assert len(some) == num
    curve = np.cos(2.0 * some / step / 25).astype(np.float32)[None, None]
    np.testing.assert_allclose(filled(curve)[0, 0], np.cos(2.0 * lags / step / 25), atol=2e-3)
