"""Soft filter pruning: zeroed after the epoch, revived in the next, removed in the end."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import graphprune  # noqa: E402
from graphprune.errors import BadData  # noqa: E402
from graphprune.training import SoftPruning  # noqa: E402
from tests.training.networks import IMAGES, Flattened, convs, momentum, outputs, shapes, train  # noqa: E402


def silent(module: Any, name: str) -> list[int]:
    """The filters of a convolution that are all zero."""
    weight = module.get_submodule(name).weight
    return torch.nonzero(weight.flatten(1).abs().sum(1) == 0).flatten().tolist()  # type: ignore[no-any-return]


def dead(soft: SoftPruning, name: str) -> list[int]:
    """The filters of a convolution that the plan does not keep."""
    assert soft.plan is not None
    kept = soft.plan.kept[f"{name}.weight"]["0"].tolist()
    return [i for i in range(16 if name == "0" else 32) if i not in kept]


def test_after_a_step_the_filters_that_the_plan_lacks_are_zero_and_no_others() -> None:
    module = convs()
    soft = SoftPruning(module, IMAGES, channels=0.5)
    plan = soft.step()
    assert soft.plan is plan
    assert [(g.width, g.kept) for g in plan.groups] == [(16, 8), (32, 16)]
    assert (silent(module, "0"), silent(module, "3")) == (dead(soft, "0"), dead(soft, "3"))


def test_a_training_with_l2_and_as_many_of_every_layer_is_that_of_the_paper() -> None:
    module, theirs = convs(), convs()
    optimizers = momentum(module), momentum(theirs)
    soft = SoftPruning(module, IMAGES, channels=0.5, criterion="l2", allocation="uniform")
    for _ in range(4):
        assert train(module, optimizers[0]) == train(theirs, optimizers[1])
        soft.step()
        for weight in (theirs[0].weight, theirs[3].weight):
            norms = weight.detach().flatten(1).norm(dim=1)
            weight.data[norms.argsort()[: len(norms) // 2]] = 0
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name])
    result = soft.finish()
    for name, axis in (("0.weight", 0), ("3.weight", 0), ("3.weight", 1)):
        weight = theirs[0 if axis or name == "0.weight" else 3].weight.detach()
        left = weight.flatten(1).any(1).nonzero().ravel().tolist()
        assert result.index_maps[name][axis].tolist() == left


def test_biases_and_norms_stay_so_that_gradients_reach_the_filters() -> None:
    module = convs()
    before = copy.deepcopy(module.state_dict())
    SoftPruning(module, IMAGES, channels=0.5).step()
    changed = [n for n, t in module.state_dict().items() if not torch.equal(t, before[n])]
    assert changed == ["0.weight", "3.weight"]


def test_zeroed_filters_come_back_by_gradients() -> None:
    module = convs()
    module[1].bias.data.fill_(0.1)  # where it is negative the ReLU lets no gradient through
    soft = SoftPruning(module, IMAGES, channels=0.5)
    soft.step()
    assert (len(silent(module, "0")), len(silent(module, "3"))) == (8, 16)
    train(module, torch.optim.SGD(module.parameters(), lr=0.05), 1)
    assert (silent(module, "0"), silent(module, "3")) == ([], [])


def test_filters_are_chosen_by_the_weights_as_they_are_then() -> None:
    module = convs()
    soft = SoftPruning(module, IMAGES, channels=0.5)
    first = dead(soft, "0") if soft.step() else []
    with torch.no_grad():
        module[0].weight[first] += 1.0
    soft.step()
    assert dead(soft, "0") != first
    assert set(first).isdisjoint(dead(soft, "0"))


def test_weights_that_are_loaded_later_are_seen() -> None:
    module, other = convs(), convs(seed=4)
    soft = SoftPruning(module, IMAGES, channels=0.5)
    module.load_state_dict(other.state_dict())
    soft.step()
    direct = graphprune.prune(other, IMAGES, channels=0.5)
    assert soft.plan is not None
    assert soft.plan.to_json() == direct.plan.to_json()


def test_specs_decide_as_in_one_pruning() -> None:
    how: dict[str, Any] = {"method": "l1", "allocation": "global:min_keep=0.3"}
    plan = SoftPruning(convs(), IMAGES, macs=0.5, **how).step()
    assert plan.to_json() == graphprune.prune(convs(), IMAGES, macs=0.5, **how).plan.to_json()
    assert plan.method["criterion"] == "l1"
    with pytest.raises(BadData, match="criterion 'pfp' needs data"):
        SoftPruning(convs(), IMAGES, macs=0.5, method="pfp")


def test_the_module_is_traced_once_only(monkeypatch: pytest.MonkeyPatch) -> None:
    soft = SoftPruning(convs(), IMAGES, macs=0.5)
    monkeypatch.delattr(torch.export, "export")
    soft.step()
    soft.step()


def test_finish_removes_what_the_last_step_zeroed() -> None:
    module = convs()
    optimizer = momentum(module)
    soft = SoftPruning(module, IMAGES, macs=0.5)
    for _ in range(2):
        train(module, optimizer)
        plan = soft.step()
    result = soft.finish(optimizer=optimizer)
    assert result.plan is plan
    assert result.proof.ok
    assert result.cost[1].macs <= 0.5 * result.cost[0].macs
    for name in ("0", "3"):
        assert result.index_maps[f"{name}.weight"][0].tolist() == [
            i for i in range(len(module.get_submodule(name).weight)) if i not in dead(soft, name)
        ]
        assert silent(result.model, name) == []
    losses = train(result.model, result.optimizer, 10)
    assert losses[-1] < losses[0]


def test_finish_carries_the_momentum_over() -> None:
    module = convs()
    optimizer = momentum(module)
    train(module, optimizer)
    soft = SoftPruning(module, IMAGES, channels=0.5)
    soft.step()
    result = soft.finish(optimizer=optimizer)
    held = optimizer.state[module[0].weight]["momentum_buffer"]
    found = result.optimizer.state[result.model[0].weight]["momentum_buffer"]
    assert torch.equal(found, held[result.index_maps["0.weight"][0]])


def test_finish_chooses_anew_when_filters_came_back() -> None:
    module = convs()
    soft = SoftPruning(module, IMAGES, channels=0.5)
    before = soft.step()
    train(module, torch.optim.SGD(module.parameters(), lr=0.05), 1)
    result = soft.finish()
    assert result.plan is not before
    assert result.plan is soft.plan
    assert result.proof.ok


def test_finish_without_a_step_is_plain_pruning() -> None:
    module = convs()
    wanted = graphprune.prune(module, IMAGES, macs=0.5)
    found = SoftPruning(module, IMAGES, macs=0.5).finish()
    assert shapes(found.model) == shapes(wanted.model)
    assert torch.equal(outputs(found.model), outputs(wanted.model))


def test_finish_in_place() -> None:
    module = convs()
    optimizer = momentum(module)
    soft = SoftPruning(module, IMAGES, macs=0.5)
    soft.step()
    result = soft.finish(optimizer=optimizer, inplace=True)
    assert result.model is module
    assert result.optimizer is optimizer
    assert module[0].weight.shape[0] < 16


def test_a_module_that_becomes_a_graph_module_can_be_pruned_softly() -> None:
    soft = SoftPruning(Flattened(), IMAGES, macs=0.5)
    soft.step()
    result = soft.finish()
    assert (result.narrowed.form, result.proof.ok) == ("graph", True)
