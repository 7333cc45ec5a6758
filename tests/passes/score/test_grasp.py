"""Gradient signal preservation, against torch's own Hessian-vector products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.func import functional_call  # noqa: E402

from graphprune.errors import BadData  # noqa: E402
from tests.passes.score.modules import CASES, Case, fresh, scored  # noqa: E402

F = torch.nn.functional


def naive(case: Case, module: Any, batches: Any, temperature: float = 200.0) -> dict[str, Any]:
    """w (H g) summed over every piece of every unit, ``(pieces, units)`` by group."""
    named = {name: p.detach() for name, p in module.named_parameters()}

    def mean_loss(*values: Any) -> Any:
        params = dict(zip(named, values, strict=True))
        outputs = [functional_call(module, params, (x,)) / temperature for x, _ in batches]
        losses = [F.cross_entropy(z, y) for z, (_, y) in zip(outputs, batches, strict=True)]
        return sum(losses) / len(losses)

    values = tuple(named.values())
    gradient = torch.autograd.functional.jacobian(mean_loss, values)
    _, product = torch.autograd.functional.hvp(mean_loss, values, gradient)
    return case.by_hand({n: w * hg for (n, w), hg in zip(named.items(), product, strict=True)})


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "sum") for name in sorted(CASES)), ("residual", "mean"), ("residual", "max")],
)
def test_a_unit_scores_weight_times_hessian_times_gradient(name: str, how: str) -> None:
    case = fresh(name)
    module, batches = case.module(), case.batches()
    found = scored(case, f"grasp:aggregate={how}", batches, F.cross_entropy)
    for group, pieces in naive(case, module, batches).items():
        expected = getattr(np, how)(pieces, axis=0)
        np.testing.assert_allclose(found[group], [expected], rtol=1e-7, atol=1e-16)


def test_the_temperature_divides_the_outputs() -> None:
    case = fresh("residual")
    module, batches = case.module(), case.batches(1)
    found = scored(case, "grasp:temperature=2", batches, F.cross_entropy)
    expected = naive(case, module, batches, 2.0)
    np.testing.assert_allclose(found["b"], [expected["b"].sum(axis=0)], rtol=1e-7)


def test_a_module_that_is_called_by_the_loss_is_cooled_as_well() -> None:
    case = fresh("linear")
    batches = case.batches()
    one = scored(case, "grasp", batches, F.cross_entropy)
    other = scored(case, "grasp", batches, lambda module, b: F.cross_entropy(module(b[0]), b[1]))
    for group in case.groups:
        np.testing.assert_array_equal(one[group], other[group])


def test_the_score_is_what_the_norm_of_the_gradient_loses_with_the_weight() -> None:
    case = fresh("linear")
    module, ((x, y),) = case.module(), case.batches(1)
    found = scored(case, "grasp:temperature=1", [(x, y)], F.cross_entropy)["a"][0]

    def norm() -> float:
        gradients = torch.autograd.grad(
            F.cross_entropy(module(x), y),
            [p for n, p in module.named_parameters() if "spare" not in n],
        )
        return float(sum(g.square().sum() for g in gradients))

    pieces, step = [(module.get_parameter(p), axis) for p, axis, _ in case.groups["a"][1]], 1e-5
    for unit in range(3):
        full, before = norm(), [p.detach().clone() for p, _ in pieces]
        with torch.no_grad():
            for p, axis in pieces:
                p.select(axis, unit).mul_(1 - step)
        shrunk = norm()
        with torch.no_grad():
            for (p, _), old in zip(pieces, before, strict=True):
                p.copy_(old)
        # To first order in the step; the sign says that the largest are to be kept.
        assert (full - shrunk) / (2 * step) == pytest.approx(found[unit], rel=1e-3)


def test_a_channel_without_weights_scores_zero() -> None:
    case = fresh("depthwise")
    module = case.module()
    with torch.no_grad():
        for param, axis, at in case.groups["a"][1]:
            module.get_parameter(param).select(axis, at + 2).zero_()
    found = scored(case, "grasp", case.batches(), F.cross_entropy)["a"][0]
    assert found[2] == 0
    assert np.delete(found, 2).all()


def test_batches_of_every_kind() -> None:
    case = fresh("concat")
    batches = case.batches()
    (x, y), (other, targets) = batches
    expected = scored(case, "grasp", batches, F.cross_entropy)
    found = scored(case, "grasp", [{"x": x, "labels": y}, [other, targets]], F.cross_entropy)
    for group in case.groups:
        np.testing.assert_array_equal(found[group], expected[group])


def test_what_cannot_be_scored_says_why() -> None:
    case = fresh("linear")
    batches = case.batches()
    with pytest.raises(BadData, match="criterion 'grasp' needs data"):
        scored(case, "grasp")
    with pytest.raises(BadData, match="gradients need a loss"):
        scored(case, "grasp", batches)
    with pytest.raises(BadData, match="data can be read only once"):
        scored(case, "grasp", iter(batches), F.cross_entropy)
    with pytest.raises(BadData, match=r"temperature is 0\.0"):
        scored(case, "grasp:temperature=0", batches, F.cross_entropy)
