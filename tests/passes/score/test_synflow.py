"""Synaptic flow, against torch's autograd on modules whose nonlinear parts are taken out."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.errors import BadData  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.groups import Coupling  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.score import score  # noqa: E402
from graphprune.scores import Scores  # noqa: E402
from tests.onnxtext import model  # noqa: E402
from tests.passes.score.measured import evidence_of  # noqa: E402
from tests.passes.score.modules import Case, fresh, scored  # noqa: E402


def linearised(case: Case) -> Any:
    """The module with magnitudes for weights, and without biases, norms and activations."""
    module = copy.deepcopy(case.module())
    for name, part in list(module.named_children()):
        if isinstance(part, nn.BatchNorm2d | nn.ReLU | nn.ReLU6 | nn.Tanh):
            setattr(module, name, nn.Identity())
        elif part.bias is not None:
            part.bias = None
    for parameter in module.parameters():
        parameter.data.abs_()
    return module


def naive_flows(case: Case, module: Any, how: str) -> dict[str, Any]:
    """|w| dR/d|w| of every unit, by group."""
    module.zero_grad()
    module(torch.ones(2, *case.shape, dtype=torch.float64)).sum().backward()
    named = module.named_parameters()
    found = case.by_hand({n: (p * p.grad).detach() for n, p in named if p.grad is not None})
    return {group: getattr(np, how)(pieces, axis=0) for group, pieces in found.items()}


def naive_order(case: Case, rounds: int, keep: float, how: str) -> list[tuple[str, int]]:
    """The units of a module in the order of their removal, those that are left last."""
    module = linearised(case)
    left = [(group, i) for group, (width, _) in case.groups.items() for i in range(width)]
    count, removed = len(left), list[tuple[str, int]]()
    for i in range(1, rounds + 1):
        flows = naive_flows(case, module, how)
        left.sort(key=lambda unit: flows[unit[0]][unit[1]])
        most = int(np.ceil(keep ** (i / rounds) * count))
        dead, left = left[: max(0, len(left) - most)], left[max(0, len(left) - most) :]
        removed += dead
        for group, unit in dead:
            for param, axis, at in case.groups[group][1]:
                if param.endswith("weight") and not param.startswith("n"):
                    module.get_parameter(param).data.select(axis, at + unit).zero_()
    flows = naive_flows(case, module, how)
    return removed + sorted(left, key=lambda unit: flows[unit[0]][unit[1]])


@pytest.mark.parametrize(
    ("name", "rounds", "keep", "how"),
    [
        ("residual", 1, 1.0, "sum"),
        ("residual", 20, 0.4, "sum"),
        ("residual", 5, 0.5, "max"),
        ("residual", 5, 0.5, "mean"),
        ("depthwise", 20, 0.4, "sum"),
        ("concat", 20, 0.4, "sum"),
        ("linear", 100, 0.4, "sum"),
    ],
)
def test_units_rank_by_when_they_are_removed(name: str, rounds: int, keep: float, how: str) -> None:
    case = fresh(name)
    spec = f"synflow:rounds={rounds},keep={keep},aggregate={how}"
    found = scored(case, spec)
    order = naive_order(case, rounds, keep, how)
    ranks = [found[group][0, i] for group, i in order]
    assert ranks == [(i + 1) / len(order) for i in range(len(order))]


def chain(*widths: int) -> tuple[Any, Coupling]:
    """Linear layers of these widths, inputs and outputs included."""
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    module = nn.Sequential(*[x for layer in layers for x in (layer, nn.ReLU())][:-1]).double()
    traced = trace(module, (torch.ones(2, widths[0], dtype=torch.float64),))
    return traced, couple(traced.graph)


def left(scores: Scores, count: int) -> list[int]:
    """How many units of each group are among those that rank highest."""
    every = np.sort(np.concatenate([rows.ravel() for rows in scores.values.values()]))
    return [int((rows >= every[-count]).sum()) for rows in scores.values.values()]


def test_no_layer_is_removed_whole_before_it_must() -> None:
    traced, coupling = chain(4, 60, 3, 80, 5)
    iterated = score("synflow:keep=0.02", coupling, traced.contents)
    for count in (3, 10, 50, 100):
        assert min(left(iterated, count)) >= 1
    # Taken once only, the flows of narrow layers' channels are larger than all others.
    once = score("synflow:rounds=1,keep=1", coupling, traced.contents)
    assert left(once, 3) == [0, 3, 0]


def test_channels_without_weights_rank_lowest_and_alike() -> None:
    traced, coupling = chain(4, 20, 10, 3)
    weight = traced.module[0].weight
    weight.data[[3, 7, 11]] = 0
    first = score("synflow", coupling, traced.contents)["g1"][0]
    assert first[[3, 7, 11]].tolist() == [1 / 30] * 3
    assert (np.delete(first, [3, 7, 11]) > 1 / 30).all()


def test_a_network_that_nothing_flows_through_is_refused() -> None:
    traced, coupling = chain(4, 6, 5, 3)
    traced.module[4].weight.data.zero_()
    with pytest.raises(BadData) as caught:
        score("synflow", coupling, traced.contents)
    assert str(caught.value) == (
        "BadData: criterion 'synflow' finds nothing that flows through the network\n"
        "  why:   on every path from its inputs to its outputs some weight is zero\n"
        "  fix:   draw or train layers that start at zero (often the last one) before scoring"
    )


def test_gates_are_not_ranked() -> None:
    class Gated(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)
            self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

        def forward(self, x: Any) -> Any:
            x = self.a(x)
            gate = self.excite(self.squeeze(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
            return self.b(x * gate)

    torch.manual_seed(0)
    traced = trace(Gated().eval(), (torch.ones(2, 3, 6, 6),))
    coupling = couple(traced.graph)
    found = score("synflow", coupling, traced.contents)
    squeeze = next(g.name for g in coupling if g.width == 2)
    assert found[squeeze].tolist() == [[1, 1]]
    (trunk,) = {g.name for g in coupling} - {squeeze}
    assert sorted(found[trunk][0]) == [(i + 1) / 8 for i in range(8)]
    assert found.notes == (f"synflow does not rank {squeeze}: no path leads through their weights",)


def test_onnx_models_are_ranked_without_data() -> None:
    proto = model("""
        net (float[1,3,6,6] x) => (float[1,2,6,6] y) <float[5,3,1,1] a, float[2,5,1,1] b> {
            h = Conv(x, a)
            r = Relu(h)
            y = Conv(r, b)
        }
    """)
    coupling, evidence = evidence_of(proto, [])
    found = score("synflow", coupling, evidence)["g1"][0]
    flows = np.abs(evidence("a")).sum((1, 2, 3)) * np.abs(evidence("b")).sum((0, 2, 3))
    assert np.argsort(found).tolist() == np.argsort(flows).tolist()


def test_options_out_of_range_are_refused() -> None:
    traced, coupling = chain(4, 6, 3)
    for option, text in (
        ("rounds=0", "rounds is 0"),
        ("keep=0", "keep is 0.0"),
        ("keep=2", "keep is 2"),
    ):
        with pytest.raises(BadData, match=text):
            score(f"synflow:{option}", coupling, traced.contents)


def test_flows_out_of_range_are_reported() -> None:
    traced, coupling = chain(4, 6, 5, 3)
    for i in (0, 2, 4):
        traced.module[i].weight.data *= 1e150
    with pytest.raises(BadData, match="'synflow' leaves the range of float64"):
        score("synflow", coupling, traced.contents)
