"""Heads that tell words: what they see, and what they don't."""

import pytest
import torch

from avmatch.systems.lips.model import TcnConfig
from avmatch.systems.words.model import Tc5, TcnBackEnd, WordHead, time_masked

BACK_ENDS = [Tc5(width=7), Tc5(width=7, num_layers=1), TcnBackEnd(TcnConfig(width=16, dilations=(1, 2), dim=5))]


def word(length, begin, end):
    is_word = torch.zeros(1, length, dtype=torch.bool)
    is_word[:, begin:end] = True
    return is_word


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_logits_see_as_far_as_the_reach_and_no_farther(back_end):
    torch.manual_seed(0)
    head = WordHead(4, 3, back_end, 0.5).eval()
    reach, ticks = back_end.reach_ticks, torch.randn(1, 30, 4)
    is_word = word(30, 12, 16)
    ticks.requires_grad_()
    head(ticks, is_word).square().sum().backward()
    reached = ticks.grad.abs().sum(dim=(0, 2)).nonzero().flatten()
    assert (int(reached.min()), int(reached.max())) == (12 - reach, 15 + reach)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_a_word_does_not_depend_on_longer_words_beside_it(back_end):
    torch.manual_seed(0)
    head = WordHead(4, 3, back_end, 0.5).eval()
    ticks, reach = torch.randn(1, 12, 4), back_end.reach_ticks
    alone = head(ticks, word(12, reach, 12 - reach))
    longer = torch.cat((ticks, torch.randn(1, 9, 4)), dim=1)
    torch.testing.assert_close(head(longer, word(21, reach, 12 - reach)), alone)


def test_the_mean_is_over_the_words_frames():
    head = WordHead(4, 3, Tc5(width=7), 0.0).eval()
    ticks = torch.randn(1, 20, 4)
    each = torch.stack([head(ticks, word(20, place, place + 1)) for place in (8, 9, 10)])
    torch.testing.assert_close(head(ticks, word(20, 8, 11)), each.mean(dim=0))


def test_masked_frames_are_the_mean_and_lie_in_one_stretch():
    torch.manual_seed(0)
    ticks = torch.randn(200, 10, 2, 2)
    masked = time_masked(ticks, 4)
    changed = (masked != ticks).any(dim=(2, 3))
    torch.testing.assert_close(masked[changed], ticks.mean(dim=1, keepdim=True).expand_as(ticks)[changed])
    assert set(changed.sum(dim=1).tolist()) == {0, 1, 2, 3, 4}
    assert ((changed[:, 1:] & ~changed[:, :-1]).sum(dim=1) + changed[:, 0]).max() == 1
    assert changed.any(dim=0).all()
    torch.testing.assert_close(time_masked(ticks, 0), ticks)
