"""Factors of channels become factors of all weights that read them, and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.errors import PlanMismatch
from graphprune.execution import execute
from graphprune.groups import Coupling, Group
from graphprune.inspection import inspect
from graphprune.passes.couple import couple
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.reconstruct import Patch, lines, patch
from graphprune.passes.verify import Trial
from graphprune.passes.verify.proof import relative_error
from graphprune.scores import Selection
from tests.nets import NETS, build
from tests.nets.movements import wandering
from tests.nets.random_nets import image_net, token_net
from tests.networks import chain, concat, two_rows
from tests.oracle import consumers_are_weights, drawn, proven, reweighted, with_zeroed_consumers

steps = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 7)), min_size=1, max_size=4)
seeds = st.integers(0, 1000)
models = st.one_of(
    st.builds(image_net, steps, seeds),
    st.builds(token_net, steps, seeds),
    st.builds(wandering, seeds),
)
READ_BY_WEIGHTS = [n for n in NETS if consumers_are_weights(inspect(build(n)).coupling)]


def factors_of(coupling: Coupling, name: str, *numbers: float) -> Selection:
    """The first row of a group has factors; nothing is dead."""
    factors = np.ones(coupling.units + 1)
    factors[coupling.group(name).units[0]] = numbers
    return Selection(coupling.everything(), factors)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(models, seeds)
def test_every_reweighted_model_is_proven(model: onnx.ModelProto, seed: int) -> None:
    """The masked original has the factors where activations are read, the model in its weights."""
    found = inspect(model)
    alive = drawn(found.coupling, seed)
    patched = patch(found.coupling, reweighted(found.coupling, alive, seed))
    proof = proven(found, alive, seed=seed, patch=patched)
    assert proof.replay.failures == ()
    assert proof.ok


@pytest.mark.parametrize("name", READ_BY_WEIGHTS)
def test_the_same_as_weights_multiplied_in_a_copy(name: str) -> None:
    model = build(name)
    found = inspect(model)
    alive = drawn(found.coupling, 1, "half")
    selection = reweighted(found.coupling, alive, 1)
    narrowed = narrow(found.lowered, found.coupling, alive, patch(found.coupling, selection))
    feeds = Trial(execute, runs=1).inputs(found.lowered)
    (small,) = execute(materialise(narrowed), feeds)
    (large,) = execute(with_zeroed_consumers(found, model, alive, selection.factors), feeds)
    for output, array in large.items():
        assert relative_error(small[output], array) < 1e-5


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "grouped_by_rows", "concat_with_input"])
def test_a_model_without_its_factors_is_not_proven(name: str) -> None:
    found = inspect(build(name))
    alive = drawn(found.coupling, 0, "half")
    patched = patch(found.coupling, reweighted(found.coupling, alive, 0))
    assert proven(found, alive, patch=patched).ok
    plain = replace(patched, places=frozenset()) if patched is not None else None
    assert not proven(found, alive, patch=plain).ok


def test_weights_that_make_a_channel_stay_what_they_are() -> None:
    found = inspect(build("resnet"))
    alive = found.coupling.everything()
    patched = patch(found.coupling, reweighted(found.coupling, alive, 0))
    assert patched is not None
    roles = {(m.param, m.axis): m.role for g in found.coupling for m in g.members}
    assert {roles[place] for place in patched.places} == {"in"}


def test_factors_of_1_and_of_dead_channels_are_none() -> None:
    coupling = chain(4, 3)
    assert patch(coupling, Selection(coupling.everything())) is None
    assert patch(coupling, factors_of(coupling, "g1", 1, 1, 1, 1)) is None
    selection = factors_of(coupling, "g1", 5, 1, 1, 1)
    selection.alive[coupling.group("g1").units[0, 0]] = False
    assert patch(coupling, selection) is None


def masked_chain() -> Coupling:
    return couple(chain(4, 3).graph)


def test_lines_have_a_number_for_each_kept_index() -> None:
    coupling = masked_chain()
    selection = factors_of(coupling, "g1", 2, 0.5, 7, 0)
    selection.alive[coupling.group("g1").units[0, 2]] = False
    patched = patch(coupling, selection)
    assert patched is not None
    assert patched.places == {("c1.weight", 1)}
    found = lines(coupling, selection.alive, patched)
    assert {n: {k: x.tolist() for k, x in a.items()} for n, a in found.items()} == {
        "c1.weight": {"1": [2.0, 0.5, 0.0]}
    }
    assert lines(coupling, selection.alive, None) == {}


def test_lines_of_rows_go_row_by_row() -> None:
    coupling = couple(two_rows(3).graph)
    (group,) = coupling.groups
    factors, alive = np.ones(coupling.units + 1), coupling.everything()
    factors[group.units] = [[2, 3, 4], [5, 6, 7]]
    alive[group.units[:, 1]] = False
    found = lines(coupling, alive, patch(coupling, Selection(alive, factors)))
    assert found["grouped.weight"]["0,1"].tolist() == [2, 4] * 3 + [5, 7] * 3


def test_axes_that_mix_groups_and_frozen_channels_have_a_number_for_each() -> None:
    coupling = couple(concat(2, 3).graph)
    selection = factors_of(coupling, "g2", 4, 5, 6)
    found = lines(coupling, selection.alive, patch(coupling, selection))
    assert found["c.weight"]["1"].tolist() == [1, 1, 4, 5, 6, 1, 1, 1]


def test_what_cannot_be_multiplied_is_refused() -> None:
    coupling = chain(4, 3)  # written by hand, without masks: nothing is known to read it
    with pytest.raises(PlanMismatch) as caught:
        patch(coupling, factors_of(coupling, "g1", 2, 1, 1, 1))
    assert str(caught.value) == (
        "PlanMismatch: the channels of g1 cannot be given factors\n"
        "  where: group g1: c0.weight.0 c0.bias.0 c1.weight.1\n"
        "  why:   no weights multiply its channels\n"
        "  fix:   make a new plan for this model"
    )


def test_channels_of_no_group_are_refused() -> None:
    coupling = masked_chain()
    groups: tuple[Group, ...] = coupling.groups[1:]
    selection = factors_of(coupling, "g1", 2, 1, 1, 1)
    with pytest.raises(PlanMismatch, match="belong to no group"):
        patch(replace(coupling, groups=groups), selection)


def test_a_patch_says_where_it_multiplies() -> None:
    coupling = masked_chain()
    layer = coupling.layers["c1.weight"][1]
    factors = np.ones(coupling.units + 1)
    places = frozenset({("c1.weight", 1)})
    assert not Patch(factors, places).along("c1.weight", layer)
    factors[layer.line[0]] = 2
    assert Patch(factors, places).along("c1.weight", layer)
    assert not Patch(factors, places).along("c2.weight", layer)
