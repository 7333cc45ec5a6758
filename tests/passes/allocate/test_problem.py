"""Choices, caps, notes and the error of an infeasible budget."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.budget import Bounds, Budget
from graphprune.cost import CostModel
from graphprune.errors import BadData, InfeasibleBudget
from graphprune.groups import Coupling
from graphprune.passes.allocate import Problem, allocate, policies, policy
from graphprune.scores import Scores, Widths
from tests.networks import chain


def problem(coupling: Coupling, budget: Budget, round_to: int = 1, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    scores = Scores({group.name: rng.random(group.units.shape) for group in coupling})
    model = CostModel.of(coupling)
    return Problem.of(
        coupling, scores, model, budget.resolve(model.full), round_to=round_to, seed=seed
    )


def test_down_gives_the_largest_choice_up_to_what_is_asked() -> None:
    asked = problem(chain(20, 20, 20, 20), Budget(), 8)
    assert asked.down(np.array([3.0, 15.9999999999, 16.0, 99.0])).tolist() == [8, 16, 16, 20]


def test_neighbours() -> None:
    asked = problem(chain(20), Budget(), 8)
    assert [asked.neighbour(0, width, 1) for width in (8, 12, 16, 20)] == [16, 16, 20, None]
    assert [asked.neighbour(0, width, -1) for width in (8, 12, 16, 20)] == [None, 8, 8, 16]


@pytest.mark.parametrize("policy_name", ["uniform", "global"])
def test_channels_keep_at_most_that_fraction_of_every_group(policy_name: str) -> None:
    widths = allocate(policy_name, problem(chain(8, 7, 30), Budget(channels=0.5)))
    assert widths.kept == {"g1": 4, "g2": 3, "g3": 15}
    assert widths.notes == ()


@pytest.mark.parametrize("policy_name", ["uniform", "global"])
def test_groups_keep_at_most_what_they_may_besides_the_budget(policy_name: str) -> None:
    asked = problem(chain(8, 7, 30), Budget(channels=0.5))
    capped = Problem.of(
        asked.coupling, asked.scores, asked.model, asked.bounds, most={"g1": 6, "g3": 11}
    )
    assert allocate(policy_name, capped).kept == {"g1": 4, "g2": 3, "g3": 11}


def test_channels_leave_at_least_one() -> None:
    widths = allocate("uniform", problem(chain(3, 40), Budget(channels=0.01)))
    assert widths.kept == {"g1": 1, "g2": 1}


def test_rounding_is_noted_where_it_moves_a_width() -> None:
    widths = allocate("uniform", problem(chain(52, 64, 12), Budget(channels=0.5), 32))
    assert widths.kept == {"g1": 32, "g2": 32, "g3": 12}
    assert widths.notes == (
        "g1: asked 50 %, got 61.5 %, because widths come in steps of 32",
        "g3: asked 50 %, got 100 %, because widths come in steps of 32",
    )


def test_no_bound_leaves_everything() -> None:
    # These take sensitivities only, or look at the model themselves.
    for name in set(policies()) - {"pfp", "grasp-density", "snip-density", "synflow-density"}:
        assert allocate(name, problem(chain(8, 5), Budget())).kept == {"g1": 8, "g2": 5}


def test_an_infeasible_bound_is_named_with_the_least_reachable() -> None:
    asked = problem(chain(8, 5), Budget(macs=0.01, params=0.9))
    with pytest.raises(InfeasibleBudget) as caught:
        allocate("uniform", asked)
    assert str(caught.value) == (
        "InfeasibleBudget: macs cannot be brought down to 255\n"
        "  where: the least reachable is 2,268 of 25,596 (8.86 %)\n"
        "  why:   all 2 groups are then at their narrowest; the rest is frozen\n"
        "  fix:   allow macs=2268, or keep fewer layers from being pruned"
    )
    assert Bounds(macs=2268).exceeded(asked.model.evaluate(asked.narrowest)) == ()


def test_the_error_mentions_what_rounding_costs() -> None:
    with pytest.raises(InfeasibleBudget) as caught:
        allocate("uniform", problem(chain(32, 32), Budget(macs=0.05), 16))
    assert "in steps that keep channels multiples of 16" in str(caught.value)
    assert "round to a smaller multiple" in str(caught.value)


def test_groups_without_a_multiple_are_narrowed_only_where_the_budget_needs_it() -> None:
    coupling = chain(32, 6)
    easy = allocate("uniform", problem(coupling, Budget(macs=0.6), 8))
    assert easy.kept == {"g1": 16, "g2": 6}
    assert easy.notes[-1].startswith("g2: asked ")
    hard = problem(coupling, Budget(macs=0.15), 8)
    widths = allocate("uniform", hard)
    assert hard.holds(widths.vector(coupling))
    assert widths.kept["g1"] == 8
    assert widths.kept["g2"] < 6
    assert widths.notes[-1] == (
        f"g2: {widths.kept['g2']} of 6 units a row, not a multiple of 8 channels, because none "
        "lies below its full width and the budget cannot be met with it"
    )


def test_rank_scores_pair_the_rows_and_ignore_the_scale() -> None:
    coupling = chain(2, 4)
    values = {"g1": np.array([[3.0, 1.0]]), "g2": np.array([[0.0, 400.0, 200.0, 200.0]])}
    model = CostModel.of(coupling)
    ranks = Problem.of(coupling, Scores(values), model, Bounds()).rank_scores()
    assert [rank.tolist() for rank in ranks] == [[1.5, 0.5], [2.0, 1.0, 1.0, 0.0]]


def test_rank_scores_are_in_the_unit_that_is_asked_for() -> None:
    coupling = chain(2)
    model, scores = CostModel.of(coupling), Scores({"g1": np.array([[3.0, -1.0]])})
    asked = Problem.of(coupling, scores, model, Bounds())
    assert asked.rank_scores(np.sum)[0].tolist() == [0.75, -0.25]
    assert asked.rank_scores(lambda magnitudes: 1.0)[0].tolist() == [3.0, -1.0]


def test_scores_of_zero_rank_as_zero() -> None:
    coupling = chain(2)
    scores = Scores({"g1": np.zeros((1, 2))})
    ranks = Problem.of(coupling, scores, CostModel.of(coupling), Bounds()).rank_scores()
    assert ranks[0].tolist() == [0.0, 0.0]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="round_to is 0"):
        problem(chain(4), Budget(), 0)
    with pytest.raises(BadData, match="no policy is called 'even'"):
        allocate("even", problem(chain(4), Budget()))
    with pytest.raises(BadData, match=r"min_keep is 1\.5"):
        allocate("global", problem(chain(4), Budget()), min_keep=1.5)


class Everything:
    def __call__(self, problem: Problem) -> Widths:
        return Widths({})


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="policy 'uniform' is registered twice"):
        policy("uniform")(Everything)
