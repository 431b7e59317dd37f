"""What an index keeps of a file."""

from dataclasses import replace

import numpy as np
import pytest

from avmatch.core.features import AudioFeatures, Embeddings, VideoFeatures
from avmatch.index.grid import num_windows
from avmatch.pipelines.models import models_with
from avmatch.pipelines.pooled import comparison, content_of, features_of
from event_scenes import event_times, picture, sound

SECONDS = 130.0


@pytest.fixture(scope="module")
def by():
    return comparison(models_with(None))


def spoken(by, share):
    """The same, where somebody speaks for this share of every sound."""
    return replace(by, rows=replace(by.rows, voice=lambda audio: np.linspace(0.0, 1.0, 101) > 1.0 - share))


def with_vectors(features):
    vectors = Embeddings(np.ones((int(SECONDS * 25), 192), np.float16), 25.0)
    return replace(features, embeddings={"lips": vectors, "semantic": vectors})


def test_voices_are_listened_for(by):
    quiet = by.voice(sound(event_times(0)))
    assert quiet.shape == (200,)
    assert (quiet < 0.5).all()


@pytest.mark.parametrize(
    ("share", "names"), [(0.5, {"lips", "semantic", "events accents"}), (0.0, {"semantic", "events accents"})]
)
def test_a_long_sound_is_kept_in_parts_of_a_minute(by, share, names):
    whole = with_vectors(sound(event_times(0, SECONDS), SECONDS))
    kept = content_of(spoken(by, share), whole, "hash")
    assert len(kept.parts) == 3
    assert kept.vectors.shape == (num_windows(SECONDS), by.rows.width)
    again = features_of(kept.parts, AudioFeatures)
    np.testing.assert_array_equal(again.flux, whole.flux)
    assert set(again.embeddings) == names
    middle = features_of(kept.parts[1:2], AudioFeatures)
    np.testing.assert_array_equal(middle.level, whole.level[6000:12000])
    assert middle.start_seconds == pytest.approx(60.0)


def test_a_long_picture_is_kept_likewise(by):
    whole = picture(event_times(0, SECONDS), SECONDS)
    kept = content_of(by, whole, "hash")
    np.testing.assert_array_equal(features_of(kept.parts, VideoFeatures).motion, whole.motion)


def test_what_is_damaged_or_of_the_other_side_is_no_features(by):
    kept = content_of(by, sound(event_times(0)), "hash")
    assert features_of(kept.parts, VideoFeatures) is None
    assert features_of([kept.parts[0][:50]], AudioFeatures) is None
    assert features_of([], AudioFeatures) is None
