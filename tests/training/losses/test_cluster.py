"""The auxiliary task: which cluster did the sound fall into?"""

import math

import jaxtyping
import pytest
import torch

from avmatch.systems.two_tower.model import ClusterHead


@pytest.fixture
def head():
    """Two dimensions, three clusters, and weights to compute with by hand."""
    head = ClusterHead(2, 3)
    with torch.no_grad():
        head.classify.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        head.classify.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    return head


def test_the_value_is_that_of_the_formula(head):
    # Logits 2, 1, 1: log(e^2 + 2·e) − 2 = log(1 + 2·e^-1) = log(1.735759) = 0.551445
    assert head(torch.tensor([[2.0, 1.0]]), torch.tensor([0])).item() == pytest.approx(0.551445, abs=1e-6)


def test_the_gradient_is_that_of_the_value(random):
    head, label = ClusterHead(4, 5), torch.tensor([0, 4, 2])

    def value(embedding, weight, bias):
        layer = {"classify.weight": weight, "classify.bias": bias}
        return torch.func.functional_call(head, layer, (embedding, label))

    assert torch.autograd.gradcheck(value, (random(3, 4), random(5, 4), random(5)))


def test_the_order_of_the_clips_doesn_t_matter(head, units):
    embedding, label, order = units(3, 2), torch.tensor([2, 0, 1]), torch.tensor([2, 0, 1])
    torch.testing.assert_close(head(embedding[order], label[order]), head(embedding, label))


def test_an_embedding_further_into_its_cluster_costs_less(head):
    assert head(torch.tensor([[3.0, 1.0]]), torch.tensor([0])) < head(torch.tensor([[2.0, 1.0]]), torch.tensor([0]))


def test_clusters_that_lie_apart_are_learned(units):
    torch.manual_seed(0)
    head, centres, label = ClusterHead(8, 4), units(4, 8), torch.arange(40) % 4
    embedding = centres[label] + 0.05 * units(40, 8)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        head(embedding, label).backward()
        optimiser.step()
    assert head(embedding, label) < 0.1 * math.log(4)


def test_an_embedding_of_zeros_has_a_finite_gradient(is_finite):
    head, embedding = ClusterHead(8, 4), torch.zeros(1, 8, requires_grad=True)
    assert is_finite(head(embedding, torch.tensor([3])), embedding, *head.parameters())


def test_low_precision_comes_in_and_float32_comes_out(is_finite, low_precision):
    head = ClusterHead(512, 22)
    low = torch.full((3, 512), 1000.0).to(low_precision).requires_grad_()
    label = torch.tensor([0, 21, 2])
    loss = head(low, label)
    torch.testing.assert_close(loss, head(low.float(), label))
    assert is_finite(loss, low)


def test_autocast_changes_nothing(head, units):
    embedding, label = units(3, 2), torch.tensor([2, 0, 1])
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(embedding, label)
    torch.testing.assert_close(loss, head(embedding, label), rtol=0, atol=0)


def test_a_label_beyond_the_clusters_is_refused(head):
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        head(torch.zeros(1, 2), torch.tensor([3]))


@pytest.mark.parametrize(("embedding", "num", "name"), [((3,), 3, "embedding"), ((3, 2), 1, "label")])
def test_wrong_shapes_are_named(head, embedding, num, name):
    with pytest.raises(jaxtyping.TypeCheckError, match=f"parameter '{name}'"):
        head(torch.zeros(embedding), torch.zeros(num, dtype=torch.int64))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("num_embeddings", "num_labels"), [(3, 1), (1, 3)])
def test_nothing_is_broadcast_in_silence(head, num_embeddings, num_labels):
    with pytest.raises(ValueError, match="batch_size"):
        head(torch.zeros(num_embeddings, 2), torch.zeros(num_labels, dtype=torch.int64))
