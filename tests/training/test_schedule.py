"""Iterative pruning: budgets, one plan for the original, optimizers, interruptions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import graphprune
from graphprune.errors import BadData, InfeasibleBudget
from graphprune.training import Schedule
from tests.training.networks import (
    IMAGES,
    Flattened,
    Grouped,
    convs,
    momentum,
    outputs,
    shapes,
    train,
)


def pruned(module: Any, **how: Any) -> Schedule:
    """A schedule gone through, with training after every step."""
    schedule = Schedule(module, IMAGES, optimizer=momentum(module), **how)
    for step in schedule:
        train(step.model, step.optimizer)
    return schedule


def fits(module: Any, schedule: Schedule) -> None:
    """A fresh copy narrowed by the schedule's plan takes the trained weights and computes alike."""
    result = graphprune.apply(module, schedule.plan, IMAGES)
    assert shapes(result.model) == shapes(schedule.model)
    result.model.load_state_dict(schedule.model.state_dict())
    assert torch.equal(outputs(result.model), outputs(schedule.model))


@pytest.mark.parametrize("metric", ["macs", "params", "memory"])
def test_every_step_holds_its_budget_of_the_original_s_cost(metric: str) -> None:
    module = convs()
    full = getattr(graphprune.inspect(module, IMAGES).cost_model.full, metric)
    how: Mapping[str, Any] = {metric: 0.4}
    seen = 1.0
    for step in Schedule(module, IMAGES, steps=3, **how):
        share = getattr(step.cost, metric) / full
        fraction = getattr(step.budget, metric)
        assert fraction == pytest.approx(0.4 ** ((step.index + 1) / 3))
        assert fraction - 0.15 < share <= fraction
        assert share < seen
        seen = share
        assert getattr(step.result.cost[1], metric) == getattr(step.cost, metric)


def test_a_fraction_of_channels_is_of_the_original_s_widths() -> None:
    plans = [step.plan for step in Schedule(convs(), IMAGES, channels=0.5, steps=4)]
    assert [[g.kept for g in plan.groups] for plan in plans] == [
        [int(16 * f), int(32 * f)] for f in (0.5**0.25, 0.5**0.5, 0.5**0.75, 0.5)
    ]


def test_listed_budgets_are_followed() -> None:
    schedule = Schedule(convs(), IMAGES, macs=[0.8, 0.3])
    assert [step.budget.macs for step in schedule] == [0.8, 0.3]
    assert (len(schedule), schedule.done) == (2, 2)


def test_units_go_only_one_way() -> None:
    kept = [step.plan.kept["0.weight"]["0"].tolist() for step in Schedule(convs(), IMAGES, macs=0.3)]
    for before, after in zip(kept, kept[1:], strict=False):
        assert set(after) < set(before)


def test_the_plan_leads_from_the_original_to_the_last_module() -> None:
    module = convs()
    fits(copy.deepcopy(module), pruned(module, macs=0.3))


def test_the_plan_holds_where_steps_give_graph_modules() -> None:
    module = Flattened()
    schedule = pruned(module, macs=0.3, steps=2)
    assert schedule.result().narrowed.form == "graph"
    fits(Flattened(), schedule)


def test_a_grouped_convolution_is_narrowed_as_it_was_before() -> None:
    """With three groups left, narrowing each of them would leave more units to choose from."""
    schedule = pruned(Grouped(), channels=0.25, steps=3)
    assert (schedule.model.b.groups, schedule.model.b.out_channels) == (1, 4)
    fits(Grouped(), schedule)


def test_the_result_is_one_pruning_of_the_original() -> None:
    module = convs()
    result = pruned(module, macs=0.4, steps=2).result()
    assert result.original is module
    assert result.proof.ok
    assert result.proof.masked is None
    assert "trained" in result.proof.why_not_run
    assert result.cost[0] == graphprune.inspect(module, IMAGES).cost_model.full
    assert result.cost[1] == graphprune.inspect(result.model, IMAGES).cost_model.full
    kept = result.plan.kept["0.weight"]["0"]
    assert result.index_maps["0.weight"][0].tolist() == kept.tolist()
    assert result.plan.method["steps"] == 2


def test_a_result_before_the_first_step_is_refused() -> None:
    with pytest.raises(BadData, match="no result yet"):
        Schedule(convs(), IMAGES, macs=0.5).result()


def test_the_module_that_is_given_stays_as_it_is() -> None:
    module = convs()
    before = copy.deepcopy(module.state_dict())
    pruned(module, macs=0.5, steps=2)
    assert all(torch.equal(module.state_dict()[name], t) for name, t in before.items())


def test_in_place_module_and_optimizer_stay_the_same_objects() -> None:
    module = convs()
    optimizer = momentum(module)
    schedule = Schedule(module, IMAGES, macs=0.4, steps=2, optimizer=optimizer, inplace=True)
    for step in schedule:
        assert step.model is module
        assert step.optimizer is optimizer
        train(module, optimizer)
    assert schedule.result().proof.ok
    fits(convs(), schedule)


def test_momentum_is_cut_like_the_weights_in_every_step() -> None:
    module = convs()
    optimizer = momentum(module)
    train(module, optimizer)
    for step in Schedule(module, IMAGES, macs=0.3, steps=3, optimizer=optimizer):
        maps = step.result.index_maps
        before, after = dict(module.named_parameters()), dict(step.model.named_parameters())
        for name, parameter in after.items():
            wanted = optimizer.state[before[name]]["momentum_buffer"]
            for axis, index in maps[name].items():
                wanted = wanted.index_select(axis, torch.from_numpy(index))
            assert torch.equal(step.optimizer.state[parameter]["momentum_buffer"], wanted)
        module, optimizer = step.model, step.optimizer
        train(module, optimizer)


def test_training_goes_on_after_every_step() -> None:
    module = convs()
    optimizer = momentum(module)
    train(module, optimizer, 10)
    for step in Schedule(module, IMAGES, macs=0.4, steps=2, optimizer=optimizer):
        losses = train(step.model, step.optimizer, 10)
        assert losses[-1] < 0.8 * losses[0]


def test_a_schedule_starts_from_a_plan() -> None:
    module = convs()
    first = graphprune.prune(module, IMAGES, macs=0.6)
    schedule = Schedule(module, IMAGES, macs=0.3, steps=2, plan=first.plan)
    share = first.cost[1].macs / first.cost[0].macs
    assert shapes(schedule.model) == shapes(first.model)
    assert [b.macs for b in schedule.budgets] == pytest.approx([(share * 0.3) ** 0.5, 0.3])
    for step in schedule:
        train(step.model, momentum(step.model))
    kept = schedule.plan.kept["0.weight"]["0"].tolist()
    assert set(kept) < set(first.plan.kept["0.weight"]["0"].tolist())
    fits(copy.deepcopy(module), schedule)


def test_what_is_to_stay_whole_stays_whole_in_every_step() -> None:
    schedule = Schedule(convs(), IMAGES, macs=0.5, steps=2, keep=["0"])
    list(schedule)
    assert shapes(schedule.model)["0.weight"][0] == 16
    assert shapes(schedule.model)["3.weight"][0] < 32


def test_an_interrupted_schedule_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    path = tmp_path / "schedule.gp"
    module = convs()
    schedule = Schedule(module, IMAGES, macs=0.3, steps=3, optimizer=momentum(module))
    for step in schedule:
        train(step.model, step.optimizer)
        if step.index == 1:
            schedule.save(path)
    fresh = convs(seed=5)
    again = Schedule(fresh, IMAGES, macs=0.9, optimizer=momentum(fresh))
    again.resume(path)
    assert (again.done, len(again)) == (2, 3)
    for step in again:
        assert step.index == 2
        train(step.model, step.optimizer)
    assert again.budgets == schedule.budgets
    assert again.plan.to_json() == schedule.plan.to_json()
    for name, tensor in schedule.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name


def test_the_module_of_a_saved_schedule_can_be_loaded(tmp_path: Path) -> None:
    schedule = pruned(convs(), macs=0.5, steps=1)
    schedule.save(tmp_path / "schedule.gp")
    loaded = graphprune.load(tmp_path / "schedule.gp", convs(), IMAGES)
    assert torch.equal(outputs(loaded), outputs(schedule.model))


def test_only_a_new_schedule_resumes(tmp_path: Path) -> None:
    schedule = pruned(convs(), macs=0.5, steps=1)
    schedule.save(tmp_path / "schedule.gp")
    with pytest.raises(BadData, match="already begun"):
        schedule.resume(tmp_path / "schedule.gp")


def test_a_file_of_a_module_is_no_schedule(tmp_path: Path) -> None:
    graphprune.save(graphprune.prune(convs(), IMAGES, macs=0.5), tmp_path / "module.gp")
    with pytest.raises(BadData, match="no schedule"):
        Schedule(convs(), IMAGES, macs=0.5).resume(tmp_path / "module.gp")


def test_a_budget_that_cannot_be_met_is_an_error_in_its_step() -> None:
    schedule = Schedule(convs(), IMAGES, macs=[0.5, 0.001])
    with pytest.raises(InfeasibleBudget, match="macs cannot be brought down"):
        list(schedule)
    assert schedule.done == 1


def test_stages_are_told() -> None:
    told: list[str] = []
    list(Schedule(convs(), IMAGES, macs=0.5, steps=1, stage=told.append))
    assert told[0] == "tracing the module"
    assert "proving the result" in told
