"""Iterative pruning: budgets, one plan for the original, optimizers, interruptions."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import graphprune  # noqa: E402
from graphprune.errors import BadData, InfeasibleBudget  # noqa: E402
from graphprune.training import Schedule, Step  # noqa: E402
from tests.training.networks import (  # noqa: E402
    IMAGES,
    Flattened,
    Grouped,
    convs,
    momentum,
    outputs,
    shapes,
    train,
)


class Run:
    """A schedule of two steps, with training before, between and after."""

    def __init__(self, path: Path) -> None:
        self.module, self.path = convs(), path
        optimizer = momentum(self.module)
        train(self.module, optimizer)
        self.given = copy.deepcopy(self.module.state_dict())
        self.schedule = Schedule(self.module, IMAGES, macs=0.3, steps=2, optimizer=optimizer)
        self.steps: list[Step] = []
        self.losses: list[list[float]] = []
        self.cut_right: list[bool] = []
        held = self.module, optimizer
        for step in self.schedule:
            self.steps.append(step)
            self.cut_right.append(momentum_is_cut(held, step))
            self.losses.append(train(step.model, step.optimizer, 10))
            held = step.model, step.optimizer
            if step.index == 0:
                self.schedule.save(path)


def momentum_is_cut(before: tuple[Any, Any], step: Step) -> bool:
    """Whether every momentum is the part of the one before that its weight is."""
    names = dict(before[0].named_parameters())
    for name, parameter in step.model.named_parameters():
        wanted = before[1].state[names[name]]["momentum_buffer"]
        for axis, index in step.result.index_maps[name].items():
            wanted = wanted.index_select(axis, torch.from_numpy(index))
        if not torch.equal(step.optimizer.state[parameter]["momentum_buffer"], wanted):
            return False
    return True


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run") / "schedule.gp")


def gone_through(module: Any, **how: Any) -> Schedule:
    """A schedule after its last step, with training after each."""
    schedule = Schedule(module, IMAGES, optimizer=momentum(module), **how)
    for step in schedule:
        train(step.model, step.optimizer)
    return schedule


def fits(module: Any, schedule: Schedule) -> None:
    """A fresh module narrowed by the schedule's plan takes the weights and computes alike."""
    result = graphprune.apply(module, schedule.plan, IMAGES)
    assert shapes(result.model) == shapes(schedule.model)
    result.model.load_state_dict(schedule.model.state_dict())
    assert torch.equal(outputs(result.model), outputs(schedule.model))


def test_every_step_holds_its_budget_of_the_original_s_cost(run: Run) -> None:
    full = graphprune.inspect(run.module, IMAGES).cost_model.full
    assert [step.budget.macs for step in run.steps] == [pytest.approx(0.3**0.5), 0.3]
    for step in run.steps:
        assert step.budget.macs is not None
        assert step.budget.macs - 0.08 < step.cost.macs / full.macs <= step.budget.macs
        assert step.cost == step.result.cost[1]
        assert step.cost == graphprune.inspect(step.model, IMAGES).cost_model.full


def test_units_go_only_one_way(run: Run) -> None:
    kept = [set(step.plan.kept["3.weight"]["0"].tolist()) for step in run.steps]
    assert all(after < before for before, after in pairwise(kept))


def test_the_plan_leads_from_the_original_to_the_last_module(run: Run) -> None:
    fits(convs(seed=3), run.schedule)


def test_the_module_that_is_given_stays_as_it_is(run: Run) -> None:
    assert all(torch.equal(run.module.state_dict()[n], t) for n, t in run.given.items())


def test_momentum_is_cut_like_the_weights_in_every_step(run: Run) -> None:
    assert run.cut_right == [True, True]


def test_training_goes_on_after_every_step(run: Run) -> None:
    assert all(losses[-1] < losses[0] for losses in run.losses)


def test_the_result_is_one_pruning_of_the_original(run: Run) -> None:
    result = run.schedule.result()
    assert result.original is run.module
    assert result.model is run.schedule.model
    assert result.optimizer is run.schedule.optimizer
    assert (result.proof.ok, result.proof.masked) == (True, None)
    assert result.proof.why_not_run == (
        "the module was free to be trained since; every narrowing was proven by itself"
    )
    assert result.cost[0] == graphprune.inspect(run.module, IMAGES).cost_model.full
    assert result.cost[1] == run.steps[-1].cost
    assert result.plan.method["steps"] == 2
    kept = result.plan.kept["0.weight"]["0"]
    assert result.index_maps["0.weight"][0].tolist() == kept.tolist()


def test_specs_decide_as_in_one_pruning() -> None:
    how: dict[str, Any] = {"method": "l1", "allocation": "global:min_keep=0.3"}
    schedule = Schedule(convs(), IMAGES, macs=0.5, steps=1, **how)
    assert schedule.plan.method["method"] == "l1"
    assert schedule.plan.method["allocation"] == "global:min_keep=0.3"
    [step] = schedule
    assert step.result.plan.method == graphprune.prune(convs(), IMAGES, macs=0.5, **how).plan.method
    with pytest.raises(BadData, match="policy 'global' has no option 'keep'"):
        Schedule(convs(), IMAGES, macs=0.5, allocation="global:keep=0.3")


def test_data_and_losses_are_asked_for_at_once() -> None:
    with pytest.raises(BadData, match="criterion 'taylor' needs data"):
        Schedule(convs(), IMAGES, macs=0.5, criterion="taylor")
    with pytest.raises(BadData, match="criterion 'taylor' needs a loss"):
        Schedule(convs(), IMAGES, macs=0.5, criterion="taylor", data=[(IMAGES, IMAGES)])


def test_an_interrupted_schedule_goes_on_as_if_it_had_not_been(run: Run) -> None:
    fresh = convs(seed=5)
    again = Schedule(fresh, IMAGES, macs=0.9, optimizer=momentum(fresh))
    again.resume(run.path)
    assert (again.done, len(again)) == (1, 2)
    for step in again:
        assert step.index == 1
        train(step.model, step.optimizer, 10)
    assert again.budgets == run.schedule.budgets
    assert again.plan.to_json() == run.schedule.plan.to_json()
    for name, tensor in run.schedule.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name


def test_the_module_of_a_saved_schedule_can_be_loaded(run: Run, tmp_path: Path) -> None:
    run.schedule.save(tmp_path / "schedule.gp")
    loaded = graphprune.load(tmp_path / "schedule.gp", convs(), IMAGES)
    assert torch.equal(outputs(loaded), outputs(run.schedule.model))


def test_only_a_new_schedule_resumes(run: Run) -> None:
    with pytest.raises(BadData, match="already begun"):
        run.schedule.resume(run.path)


def test_a_file_of_a_module_is_no_schedule(run: Run, tmp_path: Path) -> None:
    graphprune.save(run.schedule.result(), tmp_path / "module.gp")
    with pytest.raises(BadData, match="no schedule"):
        Schedule(convs(), IMAGES, macs=0.5).resume(tmp_path / "module.gp")


def test_a_result_before_the_first_step_is_refused() -> None:
    with pytest.raises(BadData, match="no result yet"):
        Schedule(convs(), IMAGES, macs=0.5).result()


@pytest.mark.parametrize("metric", ["params", "memory"])
def test_other_costs_are_held_too(metric: str) -> None:
    budget: dict[str, Any] = {metric: [0.7]}
    schedule = Schedule(convs(), IMAGES, **budget)
    step = next(iter(schedule))
    full = getattr(graphprune.inspect(convs(), IMAGES).cost_model.full, metric)
    assert 0.6 < getattr(step.cost, metric) / full <= 0.7


def test_a_fraction_of_channels_is_of_the_original_s_widths() -> None:
    plans = [step.plan for step in Schedule(convs(), IMAGES, channels=[0.8, 0.65])]
    assert [[g.kept for g in plan.groups] for plan in plans] == [[12, 25], [10, 20]]


def test_steps_that_give_graph_modules_compose() -> None:
    schedule = gone_through(Flattened(), macs=0.3, steps=2)
    assert schedule.result().narrowed.form == "graph"
    assert schedule.result().proof.ok
    fits(Flattened(), schedule)


def test_a_grouped_convolution_is_narrowed_as_it_was_before() -> None:
    """With three groups left, narrowing each of them would leave more units to choose from."""
    schedule = gone_through(Grouped(), channels=[0.75, 0.25])
    assert (schedule.model.b.groups, schedule.model.b.out_channels) == (1, 4)
    fits(Grouped(), schedule)


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


def test_a_schedule_starts_from_a_plan() -> None:
    module = convs()
    first = graphprune.prune(module, IMAGES, macs=0.6)
    share = first.cost[1].macs / first.cost[0].macs
    schedule = Schedule(module, IMAGES, macs=0.3, steps=2, plan=first.plan)
    assert shapes(schedule.model) == shapes(first.model)
    assert [b.macs for b in schedule.budgets] == [pytest.approx((share * 0.3) ** 0.5), 0.3]
    next(iter(schedule))
    kept = schedule.plan.kept["3.weight"]["0"].tolist()
    assert set(kept) < set(first.plan.kept["3.weight"]["0"].tolist())
    fits(convs(), schedule)


def test_what_is_to_stay_whole_stays_whole() -> None:
    schedule = Schedule(convs(), IMAGES, macs=[0.7], keep=["0"])
    next(iter(schedule))
    assert shapes(schedule.model)["0.weight"][0] == 16
    assert shapes(schedule.model)["3.weight"][0] < 32


def test_a_budget_that_cannot_be_met_is_an_error_in_its_step() -> None:
    schedule = Schedule(convs(), IMAGES, macs=[0.5, 0.001])
    with pytest.raises(InfeasibleBudget, match="macs cannot be brought down"):
        list(schedule)
    assert schedule.done == 1


def test_stages_are_told() -> None:
    told: list[str] = []
    next(iter(Schedule(convs(), IMAGES, macs=[0.5], stage=told.append)))
    assert told[0] == "tracing the module"
    assert told[-1] == "proving the result"
