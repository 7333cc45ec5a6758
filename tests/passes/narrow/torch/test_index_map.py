"""Every channel that is left knows which one it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow.torch import index_maps  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan  # noqa: E402

L = torch.nn.Linear


def maps(plan: Plan) -> Any:
    return index_maps(plan.traced, plan.coupling, plan.alive)


def assert_explained(plan: Plan, module: Any) -> None:
    """What a narrowed module holds is what its maps pick from the original."""
    found = maps(plan)
    original = plan.traced.program.state_dict
    for name, held in module.state_dict().items():
        if name in found:
            picked = original[name][np.ix_(*(found[name][axis] for axis in range(held.ndim)))]
            torch.testing.assert_close(held, picked, rtol=0, atol=0)


def test_channels_of_a_convolution() -> None:
    plan = Plan(Convs().eval(), IMAGE)
    group = plan.coupling.groups[0].units[0]
    kept = np.flatnonzero(plan.alive[group])
    found = maps(plan)
    assert list(found["a.weight"]) == [0, 1, 2, 3]
    for name, axis in (("a.weight", 0), ("a.bias", 0), ("n.running_mean", 0), ("b.weight", 1)):
        np.testing.assert_array_equal(found[name][axis], kept)
    np.testing.assert_array_equal(found["a.weight"][1], [0, 1, 2])
    assert_explained(plan, plan.narrow().module)


def test_all_names_of_a_tied_tensor() -> None:
    net = Net(lambda s, x: s.c(s.a(x) + torch.relu(s.b(x))), a=L(5, 8), b=L(5, 8), c=L(8, 3))
    net.b.weight = net.a.weight
    plan = Plan(net.eval(), tensor(2, 5))
    np.testing.assert_array_equal(maps(plan)["a.weight"][0], maps(plan)["b.weight"][0])
    program = Plan(torch.export.export(net, (tensor(2, 5),)))
    np.testing.assert_array_equal(maps(program)["a.weight"][0], maps(program)["b.weight"][0])


def test_rows_that_keep_different_indices() -> None:
    """Groups of a convolution may each lose other channels of their own."""
    C = torch.nn.Conv2d
    net = Net(lambda s, x: s.c(s.b(torch.relu(s.a(x)))), a=C(3, 8, 1), b=C(8, 8, 1, groups=2),
              c=C(8, 2, 1))  # fmt: skip
    plan = Plan(net.eval(), IMAGE)
    group = next(g for g in plan.coupling if any(str(m) == "b.weight.1" for m in g.members))
    plan.alive[:] = True
    if group.rows == 2:
        plan.alive[group.units[0, [0, 1]]] = False
        plan.alive[group.units[1, [1, 3]]] = False
    found, narrowed = maps(plan), plan.proven(strict=True)
    assert narrowed.module.b.weight.shape == (8, 2, 1, 1)
    table = found["b.weight"][1]
    np.testing.assert_array_equal(table, np.repeat([[2, 3], [0, 2]], 4, axis=0))
    whole = net.b.weight.detach()[:, :, 0, 0]
    picked = np.take_along_axis(whole.numpy(), table, axis=1)
    np.testing.assert_array_equal(narrowed.module.b.weight.detach()[:, :, 0, 0], picked)
