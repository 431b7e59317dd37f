"""Of many channels what there is to hear is heard: never a plain mean where one of them spoils it."""

from fractions import Fraction

import numpy as np
import pytest

from avmatch.core.features import AudioSamples
from avmatch.media.decode import decode, read_audio
from avmatch.media.downmix import TIMECODE_ALONE, Downmix
from avmatch.media.encode import write_audio
from avmatch.media.source import Reading
from ltc_sound import ltc_sound

RATE_HZ = 48_000
SECONDS = 12.0
TIMES = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
RNG = np.random.default_rng(3)


def noise(level):
    return RNG.normal(0.0, level, len(TIMES)).astype(np.float32)


def voice(seed, *, level=0.05, pauses=0.4):
    """Noise of a voice's colour in syllables and pauses, in the faint noise of a room."""
    rng = np.random.default_rng(seed)
    syllables = np.repeat(rng.uniform(size=round(SECONDS * 5)) > pauses, RATE_HZ // 5)[: len(TIMES)]
    shape = np.convolve(syllables, np.hanning(2400) / np.hanning(2400).sum(), "same")
    coloured = np.convolve(rng.normal(size=len(TIMES)), np.hanning(12) / 3, "same")
    return (level * shape * coloured).astype(np.float32) + noise(level * 1e-3)


VOICE = voice(0)
HUM = (0.5 * np.sign(np.sin(2 * np.pi * 60 * TIMES))).astype(np.float32)
LTC = ltc_sound(86_400, SECONDS, fps=Fraction(25))


def mixed(*channels, block=1024, **options):
    downmix = Downmix(len(channels), RATE_HZ, **options)
    data = np.stack(channels)
    parts = [part for begin in range(0, data.shape[1], block) for part in downmix.push(data[:, begin : begin + block])]
    found = np.concatenate([*parts, *downmix.flush()], axis=1)
    assert found.shape == (1, data.shape[1])
    return found[0], downmix.mix


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (np.zeros_like(VOICE), "channel 1 of 2"),
        (np.round(noise(0.6)) / np.float32(32768), "channel 1 of 2"),
        (HUM, "channel 1 of 2"),
        (noise(0.3), "channel 1 of 2"),
        (noise(0.3) + VOICE / 4, "channel 1 of 2"),
        (LTC, "channel 1 of 2 (2 carries timecode)"),
        (VOICE, ""),
        (-VOICE, ""),
        (np.full_like(VOICE, 0.3), "channel 1 of 2"),
    ],
    ids=["dead", "dithered", "hum", "noise", "noise with a little voice", "timecode", "same", "opposed", "constant"],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_a_voice_is_heard_as_it_is_whatever_the_other_channel_holds(other, words, is_first):
    channels = (other, VOICE) if is_first else (VOICE, other)
    found, mix = mixed(*channels)
    sign = -1.0 if is_first and np.array_equal(other, -VOICE) else 1.0
    np.testing.assert_allclose(found * sign, VOICE, atol=1e-6)
    if is_first and words:
        words = words.replace("channel 1", "channel 2").replace("(2", "(1")
    assert mix.words() == words


def test_two_people_with_a_microphone_each_are_both_heard():
    often, seldom = voice(1), voice(2, pauses=0.95)
    found, mix = mixed(often, seldom)
    np.testing.assert_allclose(found, (often + seldom) / 2, atol=1e-6)
    assert mix.words() == ""


def test_of_four_channels_those_that_live_are_heard():
    other = voice(4)
    found, mix = mixed(HUM, VOICE, LTC, other)
    np.testing.assert_allclose(found, (VOICE + other) / 2, atol=1e-6)
    assert mix.words() == "channels 2, 4 of 4 (3 carries timecode)"


def test_what_begins_late_is_heard_and_a_change_is_faded_in():
    late = np.where(TIMES < 7.0, noise(5e-5), VOICE)
    found, mix = mixed(noise(0.01), late)
    np.testing.assert_allclose(found[8 * RATE_HZ :], late[8 * RATE_HZ :], atol=1e-6)
    assert mix.words() == "channel 2 of 2"


@pytest.mark.parametrize("channels", [(HUM, HUM), (noise(0.1), noise(0.1)), (LTC, LTC), (TIMES * 0, TIMES * 0)])
def test_where_nothing_lives_all_is_heard(channels):
    channels = [channel.astype(np.float32) for channel in channels]
    found, mix = mixed(*channels)
    np.testing.assert_allclose(found, (channels[0] + channels[1]) / 2, atol=1e-6)
    assert mix.words() == (TIMECODE_ALONE if np.array_equal(channels[0], LTC) else "")


@pytest.mark.parametrize("num_channels", [1, 2])
def test_timecode_alone_is_said_also_where_it_ends_early(num_channels):
    ended = np.where(TIMES[-1] - 0.4 > TIMES, LTC, 0.0).astype(np.float32)
    for sound in (LTC, ended):
        found, mix = mixed(*[sound] * num_channels)
        assert mix.words() == TIMECODE_ALONE
        np.testing.assert_allclose(found, sound, atol=1e-6)


@pytest.mark.parametrize("num_channels", [1, 2])
def test_what_follows_timecode_is_a_sound(num_channels):
    both = np.where(TIMES < 4.0, LTC, VOICE).astype(np.float32)
    found, mix = mixed(*[both] * num_channels)
    assert mix is None or mix.words() == ""
    np.testing.assert_allclose(found, both, atol=1e-6)


def test_a_channel_may_be_asked_for():
    found, mix = mixed(HUM, VOICE, channel=1)
    np.testing.assert_array_equal(found, HUM)
    assert mix.words() == "channel 1 of 2"


def test_the_blocks_do_not_matter():
    whole, _ = mixed(VOICE, HUM, block=len(VOICE))
    parts, _ = mixed(VOICE, HUM, block=777)
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_a_file_with_timecode_is_read_without_it_and_says_so(tmp_path):
    path, reading = tmp_path / "take.wav", Reading()
    write_audio(path, AudioSamples(np.stack([LTC, VOICE]), RATE_HZ))
    write_audio(tmp_path / "voice.wav", AudioSamples(VOICE[None], RATE_HZ))
    blocks = list(decode(path, reading=reading))
    assert reading.used["audio"] == "channel 2 of 2 (1 carries timecode)"
    found = np.concatenate([block.data for block in blocks], axis=1)
    np.testing.assert_allclose(found, read_audio(tmp_path / "voice.wav").data, atol=2e-4)
    assert max(block.duration_seconds for block in blocks) < 3.0
    assert [block.pts_seconds for block in blocks[1:]] == pytest.approx(
        np.cumsum([block.duration_seconds for block in blocks])[:-1]
    )
