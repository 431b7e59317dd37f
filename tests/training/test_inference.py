"""What is done with a learner while nothing is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from avmatch.training.batches import cropped, held, random_begin, spread_begins, waveform, wrapped
from avmatch.training.task import blocks, evaluating, outputs, outputs_of_clips

CPU = torch.device("cpu")


def test_each_part_has_its_mode_again_after_an_error_too() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)).train()
    network[1].eval()
    with evaluating(network):
        assert not any(part.training for part in network.modules())
        assert not torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="stop"), evaluating(network):
        raise RuntimeError("stop")
    assert [part.training for part in network.modules()] == [True, True, False]
    assert torch.is_grad_enabled()


def test_blocks_are_all_items_in_turn() -> None:
    assert [rows.tolist() for rows in blocks(5, 2)] == [[0, 1], [2, 3], [4]]


def test_outputs_are_those_of_evaluation() -> None:
    items = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(outputs(nn.Dropout(0.9).train(), items, CPU, 2), items)


def test_clips_may_be_of_any_length() -> None:
    clips = [(np.ones((num, 2), np.float32), np.zeros((2 * num, 2), np.float32)) for num in (3, 5)]
    video, audio = outputs_of_clips(nn.Dropout(0.9), nn.Identity(), clips, CPU)
    assert [one.shape for one in (*video, *audio)] == [(3, 2), (5, 2), (6, 2), (10, 2)]
    assert all((one == 1).all() for one in video)


def test_windows() -> None:
    clip, rng = np.arange(5), np.random.default_rng(0)
    assert {random_begin(5, 3, rng) for _ in range(50)} == {0, 1, 2}
    assert random_begin(2, 3, rng) == 0
    assert spread_begins(13, 3, 3) == [0, 5, 10]
    assert spread_begins(4, 3, 10) == [0, 1]
    assert spread_begins(2, 3, 10) == [0]
    assert held(clip, -1, 4).tolist() == [0, 0, 1, 2]
    assert held(clip, 3, 4).tolist() == [3, 4, 4, 4]
    assert wrapped(clip, 3, 4).tolist() == [3, 4, 0, 1]
    assert waveform(np.array([-32767, 0, 32767], np.int16)).tolist() == [-1, 0, 1]


def test_frames_are_cut_out_in_the_middle_or_anywhere() -> None:
    frames = np.arange(6 * 6).reshape(1, 6, 6, 1).repeat(3, axis=3)
    assert cropped(frames, 4, 2)[0, 0, 0, 0] == 7
    found = {int(cropped(frames, 4, 2, 0.5, np.random.default_rng(seed))[0, 0, 0, 0]) for seed in range(100)}
    assert found == {6 * row + column for row in range(3) for column in range(6)}
