"""Layer densities of models, by every rule."""

from __future__ import annotations

import numpy as np
import pytest

import graphprune
from graphprune.errors import BadData
from graphprune.layer_densities import RULES
from tests.onnxtext import model

NET = """
    net (float[N,3,4,4] x) => (float[N,2] y) <float[8,3,3,3] a, float[8,8,3,3] b, float[2,8] c> {
        h = Conv <pads = [1, 1, 1, 1]> (x, a)
        r = Relu (h)
        i = Conv <pads = [1, 1, 1, 1]> (r, b)
        m = ReduceMean <axes = [2, 3], keepdims = 0> (i)
        y = Gemm <transB = 1> (m, c)
    }
"""
WEIGHTS = {"a": 216, "b": 576, "c": 16}


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"grasp-density", "snip-density"}))
def test_every_rule_meets_the_budget(rule: str) -> None:
    found = graphprune.densities(model(NET), params=0.5, rule=rule)
    assert found.weights == WEIGHTS
    assert 0.49 < found.kept <= 0.5 + 1e-9
    assert all(0 <= value <= 1 for value in found.values.values())
    assert found.method == rule


def test_by_default_layers_keep_equally_many_weights() -> None:
    found = graphprune.densities(model(NET), params="50%")
    kept = {name: value * WEIGHTS[name] for name, value in found.values.items()}
    assert kept == pytest.approx({"a": 194, "b": 194, "c": 16})


def test_budgets_may_bound_operations_too() -> None:
    found = graphprune.densities(model(NET), params=0.9, macs=0.25)
    macs = {"a": 216 * 16, "b": 576 * 16, "c": 16}
    used = sum(found.values[name] * macs[name] for name in macs)
    assert used == pytest.approx(0.25 * sum(macs.values()))


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(BadData) as caught:
        graphprune.densities(model(NET), params=0.5, rule="magnitude")
    assert str(caught.value) == (
        "BadData: no rule is called 'magnitude'\n"
        "  fix:   choose one of: erk, grasp-density, precrop, snip-density, "
        "synflow-density, uniform"
    )


def test_snip_needs_a_module_data_and_a_loss() -> None:
    with pytest.raises(BadData, match=r"give an nn\.Module, data= and loss="):
        graphprune.densities(model(NET), params=0.5, rule="snip-density")


def test_snip_looks_at_the_gradients_of_a_module() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3, bias=False)
    )
    batch = (torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1]))
    loss = torch.nn.CrossEntropyLoss()
    found = graphprune.densities(
        module, batch[0], params=0.5, rule="snip-density", data=[batch], loss=loss
    )
    loss(module(batch[0]), batch[1]).backward()
    weights = [module[0].weight, module[2].weight]
    scores = [(weight * weight.grad).abs().detach().double().numpy() for weight in weights]
    threshold = np.sort(np.concatenate([score.ravel() for score in scores]))[-36]
    expected = [float((score >= threshold).mean()) for score in scores]
    assert list(found.values.values()) == pytest.approx(expected)
