"""What is known while lowering is what PyTorch computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch.constants import LIMIT, Constants  # noqa: E402
from graphprune.frontends.torch.parameters import Parameters  # noqa: E402
from tests.frontends.torch.modules import Forward, Net, tensor  # noqa: E402


def known(function: Forward, *inputs: Any, **parts: Any) -> dict[str, Any]:
    """The contents of every node that can be computed, by its name."""
    constants = Constants()
    program = torch.export.export(Net(function, **parts), inputs)
    for node, held in Parameters(program).held.items():
        constants.learn(node, held)
    for node in program.graph.nodes:
        if node.op == "call_function":
            constants.compute(node)
    found = {node.name: constants.array(node) for node in program.graph.nodes}
    return {name: array for name, array in found.items() if array is not None}


def test_views_and_writes_behave_as_at_run_time() -> None:
    def forward(s: Any, x: Any) -> Any:
        table = torch.zeros(2, 3)
        table[1, :2] = 5
        return x + table

    np.testing.assert_array_equal(known(forward, tensor(3))["zeros"], [[0, 0, 0], [5, 5, 0]])


def test_chance_and_inputs_are_not_known() -> None:
    found = known(lambda s, x: (x + torch.rand(3), torch.arange(3) * x.shape[0]), tensor(3))
    assert set(found) == {"arange", "mul"}
    np.testing.assert_array_equal(found["mul"], [0, 3, 6])


def test_large_contents_are_not_kept() -> None:
    found = known(lambda s, x: x + torch.arange(LIMIT + 1) + torch.arange(LIMIT).sum(), tensor(1))
    assert set(found) == {"arange_1", "sum_1"}


def test_writing_something_unknown_forgets_all_views() -> None:
    constants = Constants()

    def forward(s: Any, x: Any) -> Any:
        table = torch.zeros(4)
        part = table[:2]
        part.copy_(x)
        return table + torch.ones(4)

    program = torch.export.export(Net(forward), (tensor(2),))
    named = {node.name: node for node in program.graph.nodes}
    for name in ("zeros", "slice_1", "ones"):
        assert constants.compute(named[name]), name
    constants.forget(named["slice_1"])
    assert constants.array(named["zeros"]) is None
    assert constants.array(named["ones"]) is not None
