"""Evaluating models on pairs whose matches are known: the numbers, what is left out, and what can't be."""

import json

import numpy as np
import pytest

from avmatch.artifacts.tower import load_clip_towers
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.data.pairs import read_pairs
from avmatch.evaluation.retrieval import Protocol
from avmatch.pipelines.evaluate import evaluate_retrieval
from avmatch.systems.two_tower.evaluate import similarity_of
from clip_models import AUDIO, VIDEO, write_clip_model


def write_data(folder, num=60, noise=0.3):
    """Packed pairs whose averages over time are alike."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((num, 6, 4))
    folder.mkdir(parents=True)
    for side in ("vfeat", "afeat"):
        np.save(folder / f"{side}.npy", (shared + noise * rng.standard_normal(shared.shape)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "packed")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_clip_model(tmp_path_factory.mktemp("run") / "model")


def run_of(folder, held_back):
    """A run's folder that says which pairs it held back."""
    write_clip_model(folder / "model")
    (folder / "split.json").write_text(json.dumps({"train": [], "validation": held_back}))
    return folder


def test_the_similarity_is_the_evidence_in_nats(tmp_path, data):
    evidence = {"scale": 3.0, "baseline": 0.25}
    towers = load_clip_towers(write_clip_model(tmp_path, VIDEO | evidence, AUDIO | evidence))
    video, audio = (np.load(data / f"{side}.npy").mean(axis=1) for side in ("vfeat", "afeat"))
    found = similarity_of(towers, read_pairs(data))
    np.testing.assert_allclose(found, 3.0 * (video @ audio.T - 0.25), rtol=1e-4, atol=1e-5)


def test_noise_is_seeded_and_the_louder_the_worse(model, data):
    towers, pairs = load_clip_towers(model), read_pairs(data)
    clean = similarity_of(towers, pairs)
    errors = [np.abs(similarity_of(towers, pairs, snr_db) - clean).mean() for snr_db in (20.0, 0.0, -20.0)]
    assert errors == sorted(errors)
    np.testing.assert_array_equal(similarity_of(towers, pairs, 0.0, 3), similarity_of(towers, pairs, 0.0, 3))
    assert np.abs(similarity_of(towers, pairs, 0.0, 3) - similarity_of(towers, pairs, 0.0, 4)).max() > 0.1


def test_every_condition_has_a_row_raw_and_normalised(model, data):
    report = evaluate_retrieval([model], data, Protocol(draws=20, noise_snr_db=(0.0,)))
    kinds = ("raw", "csls", "sinkhorn")
    assert [(row.normalisation, row.snr_db) for row in report.rows] == [
        *((kind, None) for kind in kinds),
        *((kind, 0.0) for kind in kinds),
    ]
    recalls = [row.scores.video_to_audio.recall[1].share for row in report.rows]
    assert recalls[0] > recalls[3]
    assert recalls[2] > recalls[0]
    assert report.num_pairs == 60
    assert report.notes == ()
    assert (report.protocol.ks, report.protocol.subset) == ((1, 5, 10, 50), 50)


@pytest.mark.parametrize(
    ("num", "ks", "subset", "note"),
    [
        (51, (1, 5, 10, 50), 50, ""),
        (50, (1, 5, 10, 50), 0, "too few pairs (50) for subsets of 50: left out"),
        (12, (1, 5, 10), 0, "too few pairs (12) for R@50 and subsets of 50: left out"),
        (2, (1,), 0, "too few pairs (2) for R@5 and R@10 and R@50 and subsets of 50: left out"),
    ],
)
def test_small_data_leave_out_what_says_nothing(tmp_path, model, num, ks, subset, note):
    report = evaluate_retrieval([model], write_data(tmp_path / "small", num), Protocol(draws=5))
    assert (report.protocol.ks, report.protocol.subset) == (ks, subset)
    assert tuple(report.rows[0].scores.video_to_audio.recall) == ks
    assert report.rows[0].scores.subset_size == (subset or None)
    assert " ".join(report.notes).endswith(note)
    assert len(report.notes) == bool(note)


def test_what_was_asked_for_and_does_not_fit_is_an_error(model, data):
    with pytest.raises(UsageError, match=r"60 pairs are too few for subsets of 60; set --subset 0"):
        evaluate_retrieval([model], data, Protocol(subset=60))
    with pytest.raises(UsageError, match=r"60 pairs, so R@61 says nothing; give smaller --k"):
        evaluate_retrieval([model], data, Protocol(ks=(1, 61)))


@pytest.mark.parametrize("wrong", [{"ks": (0,)}, {"draws": 0}, {"subset": -1}])
def test_protocols_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="k and draws must be at least 1 and the subset not negative"):
        Protocol(**wrong)


def test_only_the_held_back_pairs_are_measured(tmp_path, data):
    run = run_of(tmp_path / "run", ["0003", "0017", "0040", "not here"])
    report = evaluate_retrieval([run], data, Protocol(held_out=True))
    video, audio = (np.load(data / f"{side}.npy")[[3, 17, 40]].mean(axis=1) for side in ("vfeat", "afeat"))
    nats = 8.0 * video @ audio.T
    assert report.num_pairs == 3
    ranks = (nats >= np.diagonal(nats)[:, None]).sum(axis=1)
    assert report.rows[0].scores.video_to_audio.mean_rank == ranks.mean()


def test_what_was_held_back_must_be_known(tmp_path, model, data):
    with pytest.raises(UsageError, match=r"no record of what was held back \(split\.json\); give the run's folder"):
        evaluate_retrieval([model], data, Protocol(held_out=True))
    run = run_of(tmp_path / "run", ["other data"])
    with pytest.raises(UsageError, match=r"none of its 1 held-back pairs is in these data"):
        evaluate_retrieval([run], data, Protocol(held_out=True))


def test_several_models_share_one_gallery(tmp_path, data):
    one, same = run_of(tmp_path / "one", ["0003", "0017"]), run_of(tmp_path / "same", ["0017", "0003"])
    report = evaluate_retrieval([one, same], data, Protocol(held_out=True))
    assert [row.model for row in report.rows] == [str(one)] * 3 + [str(same)] * 3
    other = run_of(tmp_path / "other", ["0004", "0017"])
    with pytest.raises(UsageError, match=r"other: held back other pairs than .*one; evaluate them one by one"):
        evaluate_retrieval([one, other], data, Protocol(held_out=True))


def test_data_that_do_not_fit_the_model_are_named(tmp_path, data):
    wide = VIDEO | {"num_features": 5}
    folder = write_clip_model(tmp_path, wide, AUDIO)
    with pytest.raises(MediaError, match=r"0000: holds features \(6, 4\), but tiny's video tower takes \(any, 5\)"):
        evaluate_retrieval([folder], data, Protocol())


def test_no_data_and_no_model_are_named(tmp_path, model, data):
    with pytest.raises(UsageError, match=r"no known layout; known are STD2022"):
        evaluate_retrieval([model], tmp_path, Protocol())
    with pytest.raises(ModelError, match=r"no model there"):
        evaluate_retrieval([tmp_path], data, Protocol())
