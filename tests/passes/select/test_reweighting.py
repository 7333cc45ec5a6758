"""Rows are drawn from one by one; what cannot be reweighted keeps its most sensitive units."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.errors import BadData
from graphprune.groups import Coupling
from graphprune.ir.text import parse
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.allocate.pfp import epsilon_of, factor_of
from graphprune.passes.couple import couple
from graphprune.passes.select import select
from graphprune.passes.select.draw import draws_for
from graphprune.passes.select.reweighting import keep_certain, keep_drawn
from graphprune.scores import Guarantee, Scores, Selection, Widths
from tests.networks import ALL, chain, two_rows

VARIANTS = ("top", "sample", "mixed")
DRAWN = ("sample", "mixed")


def coupled(name: str) -> Coupling:
    """A network with the groups that the couple pass finds."""
    return couple(ALL[name].graph)


def sensitivities(coupling: Coupling, seed: int, dead: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    values = {group.name: rng.random(group.units.shape) ** 2 for group in coupling}
    for rows in values.values():
        rows[:, :dead] = 0
    return Scores(values, "pfp")


def chosen(
    coupling: Coupling, name: str, width: int, seed: int = 0, scores: Scores | None = None
) -> Selection:
    kept = {group.name: min(width, group.width) for group in coupling}
    given_scores = scores or sensitivities(coupling, seed)
    return select(name, coupling, given_scores, Widths(kept), seed)


CHAIN = couple(chain(12, 9).graph)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(ALL)), st.sampled_from(DRAWN), st.integers(1, 8), st.integers(0, 1000)
)
def test_every_row_keeps_its_width_exactly(name: str, variant: str, width: int, seed: int) -> None:
    coupling = coupled(name)
    found = chosen(coupling, variant, width, seed)
    for group in coupling:
        living = found.alive[group.units]
        assert (living.sum(axis=1) == min(width, group.width)).all()
        if found.factors is not None:
            factors = found.factors[group.units]
            assert np.isfinite(factors).all() and (factors >= 0).all()
            assert (factors[~living] == 1).all()
    assert found.factors is None or found.factors[0] == 1


@pytest.mark.parametrize("variant", DRAWN)
def test_equal_seeds_give_equal_results_and_others_do_not(variant: str) -> None:
    one, again, other = (
        chosen(CHAIN, variant, 3, seed, sensitivities(CHAIN, 0)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.alive, again.alive)
    assert np.array_equal(np.asarray(one.factors), np.asarray(again.factors))
    assert not np.array_equal(np.asarray(one.factors), np.asarray(other.factors))


@pytest.mark.parametrize("variant", DRAWN)
def test_what_is_drawn_for_a_group_does_not_depend_on_the_others(variant: str) -> None:
    scores, (first, second) = sensitivities(CHAIN, 0), CHAIN.groups
    narrow = select(variant, CHAIN, scores, Widths({first.name: 4, second.name: 3}), 7)
    wide = select(variant, CHAIN, scores, Widths({first.name: 6, second.name: 3}), 7)
    assert np.array_equal(narrow.alive[second.units], wide.alive[second.units])
    assert narrow.factors is not None and wide.factors is not None
    assert np.array_equal(narrow.factors[second.units], wide.factors[second.units])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_dead_channels_are_pruned_before_any_other(variant: str, width: int) -> None:
    scores = sensitivities(CHAIN, 3, dead=5)
    for seed in range(20):
        found = chosen(CHAIN, variant, width, seed, scores)
        for group in CHAIN:
            dead, living = group.units[0, :5], group.units[0, 5:]
            spare = max(0, width - len(living))
            assert found.alive[dead].sum() == spare
            assert spare == 0 or found.alive[living].all()


@pytest.mark.parametrize("variant", DRAWN)
def test_where_all_that_have_a_share_fit_nothing_is_drawn(variant: str) -> None:
    scores = sensitivities(CHAIN, 3, dead=5)
    found = chosen(CHAIN, variant, 8, 0, scores)
    first, second = CHAIN.groups
    assert found.alive[first.units[0, 5:]].all()
    assert found.alive[second.units[0, 5:]].all()
    assert found.factors is None


@pytest.mark.parametrize("variant", DRAWN)
def test_a_row_without_any_share_keeps_its_first_units(variant: str) -> None:
    scores = Scores({g.name: np.zeros(g.units.shape) for g in CHAIN}, "pfp")
    found = chosen(CHAIN, variant, 2, 0, scores)
    assert found.factors is None
    for group in CHAIN:
        assert np.flatnonzero(found.alive[group.units[0]]).tolist() == [0, 1]


def test_room_that_draws_leave_goes_to_the_most_sensitive_others_with_factor_0() -> None:
    shares = np.array([0.9, 0.05, 0.03, 0.01, 0.01])
    rng, seen = np.random.default_rng(0), 0
    for _ in range(50):
        row = keep_drawn(shares, np.zeros(5, np.bool_), 3, rng)
        idle = row.alive & (row.factors == 0)
        seen += int(idle.any())
        if idle.any():
            left_out = ~row.alive
            assert shares[idle].min() >= shares[left_out].max()
    assert seen > 10


def test_certain_units_keep_their_weights() -> None:
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    certain = keep_certain(shares, 2).alive
    for seed in range(20):
        row = keep_drawn(shares, certain, 3, np.random.default_rng(seed))
        assert row.alive[:2].all() and row.factors[:2].tolist() == [1.0, 1.0]
        assert row.total == pytest.approx(0.3)
        assert row.factors[2:][row.alive[2:]] == pytest.approx([3.0])


def test_groups_that_cannot_be_reweighted_keep_the_most_sensitive_and_say_so() -> None:
    coupling = couple(
        parse("""
        input x: [2,3]
        param a: [8,3]
        param b: [8,3]
        param c: [5,8]
        p: [2,8] = contract(x, a) {equation="bk,ok->bo"}
        s: [2,2] = contract(p, p) {equation="bk,ck->bc"}
        q: [2,8] = contract(x, b) {equation="bk,ok->bo"}
        r: [2,8] = contract(s, q) {equation="bc,ck->bk"}
        y: [2,5] = contract(r, c) {equation="bk,ok->bo"}
        return y
    """)
    )
    scores = sensitivities(coupling, 0)
    found = chosen(coupling, "sample", 4, 0, scores)
    assert found.notes == (
        "g1: the most sensitive channels are kept, none are drawn: 's' does not multiply them by "
        "a parameter of floating point",
    )
    first, second = coupling.groups
    top = chosen(coupling, "top", 4, 0, scores)
    assert np.array_equal(found.alive[first.units], top.alive[first.units])
    assert found.factors is not None
    assert (found.factors[first.units] == 1).all()
    assert (found.factors[second.units] != 1).any()


@pytest.mark.parametrize("variant", DRAWN)
def test_scores_that_are_no_sensitivities_are_refused(variant: str) -> None:
    scores = Scores(sensitivities(CHAIN, 0).values, "l2")
    with pytest.raises(BadData) as caught:
        chosen(CHAIN, variant, 2, 0, scores)
    assert str(caught.value) == (
        f"BadData: selection '{variant}' cannot use the scores of criterion 'l2'\n"
        "  why:   it takes them for shares of channels in the results of layers\n"
        "  fix:   choose criterion 'pfp', or selection 'top'"
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(6, 30), min_size=2, max_size=4),
    st.sampled_from(DRAWN),
    st.sampled_from(["macs", "params", "memory"]),
    st.floats(0.2, 0.9),
    st.sampled_from([1, 4]),
    st.integers(0, 1000),
)
def test_budgets_are_never_exceeded(
    widths: list[int], variant: str, metric: str, fraction: float, round_to: int, seed: int
) -> None:
    coupling = couple(chain(*widths, size=4).graph)
    scores, model = sensitivities(coupling, seed), CostModel.of(coupling)
    bounds = Budget.parse({metric: fraction}).resolve(model.full)
    asked = Problem.of(coupling, scores, model, bounds, round_to=round_to)
    if bounds.exceeded(model.evaluate(asked.narrowest)):
        return
    kept, found = fit(
        asked, allocate("pfp", asked), lambda w: select(variant, coupling, scores, w, seed)
    )
    assert bounds.exceeded(model.exact(found.alive)) == ()
    assert [int(found.alive[g.units].sum()) for g in coupling] == list(kept.kept.values())


def promised(widths: Widths, coupling: Coupling, scores: Scores, variant: str) -> list[Guarantee]:
    return list(select(variant, coupling, scores, widths, 0).guarantees or ())


def test_guarantees_are_those_of_the_draws_that_were_made() -> None:
    scores, width = sensitivities(CHAIN, 0), 4
    total = float(scores["g1"].sum())
    given_one = Guarantee("g1", total, 9.0, 0.5, 1e-3, log_events=20.0)
    widths = Widths({"g1": width, "g2": 9}, guarantees=(given_one,))
    (found,) = promised(widths, CHAIN, scores, "sample")
    assert found.sampled and found.delta == given_one.delta
    selection = select("sample", CHAIN, scores, widths, 0)
    assert selection.factors is not None
    row = CHAIN.group("g1").units[0]
    shares = scores["g1"][0] / total
    counts = selection.factors[row] * shares * found.draws
    counts = counts[selection.alive[row]]
    assert counts == pytest.approx(counts.round(), abs=1e-6)
    assert counts.sum() == pytest.approx(found.draws)
    # Of m' possible numbers of draws each gets an equal part of delta.
    exponent = found.draws / (total * factor_of(found.epsilon)) - 20.0
    assert found.draws <= round(np.exp(exponent)) <= 40
    assert epsilon_of(factor_of(found.epsilon)) == pytest.approx(found.epsilon)
    assert exponent == pytest.approx(log(round(np.exp(exponent))), abs=1e-6)


def test_guarantees_of_what_is_kept_whole_or_lost_say_so() -> None:
    dead = sensitivities(CHAIN, 0, dead=8)
    given_one = Guarantee("g1", 1.0, 9.0, 0.5, 1e-3, log_events=20.0)
    widths = Widths({"g1": 4, "g2": 9}, guarantees=(given_one,))
    (exact,) = promised(widths, CHAIN, dead, "sample")
    assert (exact.epsilon, exact.sampled) == (0.0, False)
    kept = Widths({"g1": 12, "g2": 9}, guarantees=(given_one,))
    assert promised(kept, CHAIN, sensitivities(CHAIN, 0), "sample") == [exact]
    even = Scores({g.name: np.full(g.units.shape, 0.5) for g in CHAIN}, "pfp")
    many = Widths({"g1": 11, "g2": 9}, guarantees=(given_one,))
    assert promised(many, CHAIN, even, "mixed") == [given_one]  # all certain, one is lost
    assert promised(many, CHAIN, even, "top") == []


def test_of_several_rows_the_worst_decides() -> None:
    coupling = couple(two_rows(6).graph)
    (group,) = coupling.groups
    scores = Scores({group.name: np.array([[0.9] * 6, [0.1] * 6])}, "pfp")
    given_one = Guarantee(group.name, 6.0, 9.0, 0.5, 1e-3, log_events=20.0)
    widths = Widths({group.name: 3}, guarantees=(given_one,))
    (found,) = promised(widths, coupling, scores, "sample")
    # Both rows are drawn from alike, so the one with nine times the sensitivities is the worse.
    logarithm = 20.0 + 2 * log(draws_for(np.full(6, 1 / 6), 3))
    number = factor_of(found.epsilon) * 5.4 * logarithm
    assert number == pytest.approx(round(number), abs=1e-6)
    assert 1 <= round(number) < found.draws
