import torch

from netgraph import canonicalize, from_module
from netgraph.model import LossWeights
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.loss import GIVEN, MAX_SENSITIVITY, Losses, draw_given, weight_error
from tests.model.small import CONFIG, networks

GRAPHS = [canonicalize(graph) for graph in networks(3)]


def batch_of(*sensitivities: torch.Tensor) -> NetBatch:
    """The networks, with other sensitivities where there are some."""
    changed = [g.replace(sensitivity=s) for g, s in zip(GRAPHS, sensitivities, strict=False)]
    return net_batch([*changed, *GRAPHS[len(changed) :]], CONFIG)


def mask(batch: NetBatch, *given: int) -> torch.Tensor:
    """A mask of as many first elements of each network."""
    place = torch.arange(len(batch.state)) - batch.structure.state_ptr[batch.structure.element_network]
    return place < torch.tensor(given)[batch.structure.element_network]


def test_weights_count_that_follow_given_ones():
    batch = batch_of()
    given, true = mask(batch, 4, 0, 7), torch.randn(len(batch.state), generator=torch.Generator().manual_seed(0))
    assert weight_error(true, true, given, batch, False) == 0
    counted = ~given & (batch.structure.element_network != 1)
    error = torch.where(counted, 0.5, 9.0)
    torch.testing.assert_close(weight_error(true + error, true, given, batch, False), torch.tensor(0.25))
    nothing = weight_error(true + 1, true, torch.zeros_like(given), batch, False)
    assert nothing == 0
    written = (true + error).requires_grad_()
    weight_error(written, true, given, batch, True).backward()
    assert torch.equal(written.grad != 0, counted)


def test_errors_at_sensitive_nodes_weigh_more_up_to_a_limit_whatever_the_scale():
    graph = GRAPHS[0]
    sensitivity = torch.ones(graph.num_nodes)
    node = int(graph.architecture.layers[0].size)  # the first hidden one
    sensitivity[node] = 1.2
    errors = []
    for scaled in (sensitivity, 1000 * sensitivity):
        batch = batch_of(scaled)
        true, given = torch.zeros(len(batch.state)), mask(batch, 1, 0, 0)
        of_node = batch.sensitivity == scaled[node]
        of_node[int(batch.structure.state_ptr[1]) :] = False
        elsewhere = ~of_node
        elsewhere[int(batch.structure.state_ptr[1]) :] = False
        at_node, beside = (
            weight_error(where.float() / (where & ~given).sum().sqrt(), true, given, batch, True)
            for where in (of_node, elsewhere)
        )
        torch.testing.assert_close(at_node / beside, torch.tensor(1.2))
        errors.append(at_node)
    torch.testing.assert_close(*errors)
    sensitivity[node] = 1e9
    batch = batch_of(sensitivity)
    given = mask(batch, 1, 0, 0)
    rest = (batch.structure.element_network == 0) & ~given
    at_node = rest & (batch.sensitivity == 1e9)
    found = weight_error(at_node.float(), torch.zeros(len(given)), given, batch, True)
    assert 0 < MAX_SENSITIVITY * at_node.sum() < float("inf")
    torch.testing.assert_close(found, torch.tensor(1.0))  # hardly anything else counts


def test_some_networks_have_a_prefix_given_of_any_length():
    batch = net_batch(GRAPHS[:1] * 400, CONFIG)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        given = draw_given(batch).view(400, -1)
    lengths = given.sum(dim=1)
    assert torch.equal(given, torch.arange(given.shape[1]) < lengths[:, None])
    assert abs(float((lengths > 0).float().mean()) - GIVEN) < 0.08
    positive = lengths[lengths > 0]
    assert positive.min() <= 2
    assert positive.max() >= given.shape[1] - 2


def test_the_total_is_the_weighted_sum_of_all_terms():
    names = ("index", "type", "parent", "weight", "output", "kl")
    losses = Losses(*(torch.tensor(float(i + 1)) for i in range(6)))
    assert [name for name, _ in losses.items()] == list(names)
    weights = LossWeights(structure=2.0, weight=3.0, output=5.0, kl=7.0)
    assert losses.total(weights) == 2 * (1 + 2 + 3) + 3 * 4 + 5 * 5 + 7 * 6


def test_counts_of_batches_never_count():
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).eval()
    graph = canonicalize(from_module(layers))
    batch = net_batch([graph], CONFIG)
    true, given = torch.zeros(len(batch.state)), mask(batch, 1)
    counts = (batch.structure.element_kind == 4).float()
    assert weight_error(counts, true, given, batch, False) == 0
