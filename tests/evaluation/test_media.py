"""Evaluating towers over media on media files: what training measured, in noise, each file decoded once."""

from collections import Counter

import numpy as np
import pytest

from avmatch.artifacts.tower import load_pair
from avmatch.core.errors import MediaError, UsageError
from avmatch.data.packing import pack_list
from avmatch.data.tracks import PackSettings
from avmatch.evaluation import galleries
from avmatch.evaluation.galleries import media_similarities, read_media
from avmatch.evaluation.retrieval import Protocol
from avmatch.pipelines.evaluate import evaluate_retrieval
from avmatch.training.loop import train
from clip_models import write_clip_model
from media_scenes import tiny, write_list, write_scenes

PLAIN = Protocol(ks=(1, 5), subset=0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 15, seed=5)


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    """Nine pairs train, six are held back."""
    config = tiny("epochs=1", "validation_share=0.4")
    return train(config, scenes, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def test_held_back_pairs_are_told_by_name_wherever_the_list_is_read_from(run, scenes, monkeypatch):
    monkeypatch.chdir(scenes.parent)
    protocol = Protocol(ks=(1, 5), subset=0, held_out=True)
    reports = [evaluate_retrieval([run.run], data, protocol) for data in (scenes, scenes.name, scenes / "truth.csv")]
    assert [report.num_pairs for report in reports] == [6, 6, 6]
    assert reports[0].rows[0].scores == reports[1].rows[0].scores == reports[2].rows[0].scores


def test_files_and_their_shards_say_the_same(run, scenes, tmp_path):
    towers = load_pair(run.model)
    pack_list(scenes, tmp_path, PackSettings(10.0, 24, 24))
    files, shards = read_media(scenes), read_media(tmp_path)
    assert files.names == shards.names
    nats = [media_similarities(towers, pairs, (None,), 0)[0] for pairs in (files, shards)]
    np.testing.assert_allclose(nats[0], nats[1], atol=1e-4)
    assert nats[0].std() > 1e-5


def test_each_file_is_decoded_once_for_all_ratios(run, scenes, monkeypatch):
    counts = Counter()
    real = galleries.decode

    def decode(path, **options):
        counts[path] += 1
        return real(path, **options)

    monkeypatch.setattr(galleries, "decode", decode)
    report = evaluate_retrieval([run.run], scenes, Protocol(ks=(1,), subset=0, noise_snr_db=(20.0, 0.0)))
    assert [row.snr_db for row in report.rows[::3]] == [None, 20.0, 0.0]
    assert len(counts) == 30
    assert set(counts.values()) == {1}


def test_noise_follows_from_the_seed_and_grows(run, scenes):
    towers, pairs = load_pair(run.model), read_media(scenes)
    few = pairs.take(np.arange(10, 14))
    clean, faint, loud = media_similarities(towers, few, (None, 60.0, 0.0), 0)
    change = [np.abs(noisy - clean).mean() for noisy in (faint, loud)]
    assert 0 < change[0] < 0.5 * change[1]
    (again,) = media_similarities(towers, few, (0.0,), 0)
    np.testing.assert_array_equal(again, loud)
    (alone,) = media_similarities(towers, pairs.take(np.array([12])), (0.0,), 0)
    np.testing.assert_allclose(alone[0, 0], loud[2, 2], rtol=1e-5)
    (other,) = media_similarities(towers, few, (0.0,), 1)
    assert not np.allclose(other, loud, rtol=1e-3)


def test_what_cannot_be_measured_says_why(run, scenes, media, tmp_path):
    pack_list(scenes, tmp_path / "packed", PackSettings(10.0, 24, 24))
    with pytest.raises(UsageError, match="noise is mixed into waveforms, which shards don't hold"):
        evaluate_retrieval([run.run], tmp_path / "packed", Protocol(ks=(1,), subset=0, noise_snr_db=(0.0,)))
    pack_list(scenes, tmp_path / "other", PackSettings(10.0, 32, 24))
    with pytest.raises(UsageError, match="the data: was packed as"):
        evaluate_retrieval([run.run], tmp_path / "other", PLAIN)
    clips = write_clip_model(tmp_path / "clips")
    with pytest.raises(UsageError, match="some take media; evaluate them one by one"):
        evaluate_retrieval([run.run, clips], scenes, PLAIN)
    rows = ({"path": media / name} for name in ("good.mp4", "zero.mp4"))
    with pytest.raises(MediaError, match=r"zero\.mp4: "):
        evaluate_retrieval([run.run], write_list(tmp_path / "list.csv", *rows), Protocol(ks=(1,), subset=0))
