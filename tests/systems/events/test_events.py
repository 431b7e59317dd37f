"""Retrieval by the model for any sound: from files and from shards, in noise, against its own evidence."""

import json

import numpy as np
import pytest

from avmatch.core.errors import ModelError, UsageError
from avmatch.data.packing import pack_list
from avmatch.data.tracks import MOTION_AND_BANDS
from avmatch.evaluation.galleries import read_media
from avmatch.evaluation.pieces import TalkProtocol
from avmatch.evaluation.retrieval import Protocol
from avmatch.pipelines.evaluate import evaluate_retrieval, evaluate_sync
from avmatch.systems.events.evaluate import EventSyncResult, similarities
from avmatch.systems.lips.talking_clips import talk_vectors
from media_scenes import write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 4, seed=1)


def test_files_and_shards_say_the_same(scenes, tmp_path):
    pairs, failures = pack_list(scenes, tmp_path, MOTION_AND_BANDS)
    assert failures == ()
    (of_files,) = similarities("events", read_media(scenes), [None], 0)
    (of_shards,) = similarities("events", pairs, [None], 0)
    np.testing.assert_allclose(of_files, of_shards, rtol=1e-3, atol=1e-3)
    assert (of_files.argmax(axis=1) == np.arange(4)).mean() >= 0.75


def test_noise_costs_evidence(scenes):
    clean, noisy = similarities("events", read_media(scenes), [None, -10.0], 0)
    assert np.diag(noisy).mean() < np.diag(clean).mean()


def test_the_command_takes_it(scenes, tmp_path):
    report = evaluate_retrieval(["events"], scenes, Protocol(ks=(1,), subset=0))
    assert json.dumps(report.num_pairs) == "4"
    pairs, _ = pack_list(scenes, tmp_path, MOTION_AND_BANDS)
    with pytest.raises(UsageError, match="noise is mixed into waveforms"):
        similarities("events", pairs, [10.0], 0)


def test_offsets_of_any_sound(scenes):
    report = evaluate_sync("events", scenes, TalkProtocol(pieces_seconds=(0.0, 2.0, 60.0), noise_snr_db=(-20.0,)))
    assert isinstance(report, EventSyncResult)
    clean, noisy, *_ = report.rows
    assert (clean.piece_seconds, clean.snr_db, noisy.snr_db) == (0.0, None, -20.0)
    assert clean.in_80_ms.share > 0.5 > noisy.in_80_ms.share
    assert clean.near_class.share >= clean.in_class.share > 0.5
    assert clean.in_80_ms.num_trials == 5 * clean.num_pieces == 5 * 4
    assert {row.piece_seconds for row in report.rows} == {0.0, 2.0}
    assert "no clip is as long as 60 s" in report.notes[0]
    assert json.loads(report.report().json())["kind"] == "sync"
    assert "21 classes" in report.report().markdown()


def test_frames_of_evidence_and_matching_are_for_talking_faces(scenes):
    with pytest.raises(UsageError, match="counts frames of talking faces"):
        evaluate_sync("events", scenes, TalkProtocol(ks=(5,)))
    with pytest.raises(ModelError, match=r"is a model for any sound, .*`evaluate retrieval` or `sync`"):
        talk_vectors("events", scenes, TalkProtocol())
