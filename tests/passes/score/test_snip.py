"""Connection sensitivity, against the module's own backward pass and slices by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import BadData  # noqa: E402
from tests.passes.score.modules import CASES, Case, fresh, scored  # noqa: E402

F = torch.nn.functional


def naive(case: Case, module: Any, batches: Any) -> dict[str, Any]:
    """|w dL/dw| summed over every piece of every unit, ``(pieces, units)`` by group."""
    module.zero_grad()
    losses = [F.cross_entropy(module(x), y) for x, y in batches]
    (sum(losses) / len(losses)).backward()
    named = module.named_parameters()
    return case.by_hand({n: (p * p.grad).detach().abs() for n, p in named if p.grad is not None})


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "sum") for name in sorted(CASES)), ("residual", "mean"), ("residual", "max")],
)
def test_a_unit_scores_weight_times_gradient_of_all_its_parameters(name: str, how: str) -> None:
    case = fresh(name)
    module, batches = case.module(), case.batches()
    found = scored(case, f"snip:aggregate={how}", batches, F.cross_entropy)
    for group, pieces in naive(case, module, batches).items():
        expected = getattr(np, how)(pieces, axis=0)
        np.testing.assert_allclose(found[group], [expected], rtol=1e-9)


def test_the_gradient_is_that_of_all_batches_and_not_of_each() -> None:
    case = fresh("linear")
    batches = case.batches(2)
    (x, y), (other, _) = batches
    opposed = [(x, y), (other, (y + 1) % 3)]
    together = scored(case, "snip", opposed, F.cross_entropy)["a"]
    apart = [scored(case, "snip", [batch], F.cross_entropy)["a"] for batch in opposed]
    assert (together < np.mean(apart, axis=0)).all()


def test_batches_of_every_kind() -> None:
    case = fresh("concat")
    batches = case.batches()
    (x, y), (other, targets) = batches
    mixed = [{"x": x, "labels": y}, [other, targets]]
    expected = scored(case, "snip", batches, F.cross_entropy)
    for data in (mixed, iter(batches)):
        found = scored(case, "snip", data, F.cross_entropy)
        for group in case.groups:
            np.testing.assert_array_equal(found[group], expected[group])


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_channel_without_weights_scores_nothing(name: str) -> None:
    case = fresh(name)
    module = case.module()
    with torch.no_grad():
        for param, axis, at in case.groups["a"][1]:
            module.get_parameter(param).select(axis, at + 2).zero_()
    found = scored(case, "snip", case.batches(), F.cross_entropy)["a"][0]
    assert found[2] == 0
    assert (np.delete(found, 2) > 0).all()


def test_what_the_loss_does_not_depend_on_scores_nothing() -> None:
    case = fresh("concat")

    def loss(module: Any, batch: Any) -> Any:
        return module(batch[0])[:, 0].square().mean()

    module = case.module()
    with torch.no_grad():
        module.fc.weight[0, 4:] = 0
    found = scored(case, "snip", case.batches(), loss)
    assert not found["b"].any()
    assert found["a"].all()


def test_it_needs_data_and_a_loss() -> None:
    case = fresh("linear")
    with pytest.raises(BadData, match="criterion 'snip' needs data"):
        scored(case, "snip")
    with pytest.raises(BadData, match="gradients need a loss"):
        scored(case, "snip", case.batches())
