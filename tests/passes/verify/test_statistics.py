"""Norms over survivors: the masked original takes statistics as the narrowed network does."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.execution import execute
from graphprune.frontends.onnx import Lowered
from graphprune.inspection import Inspection, inspect
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.verify import Trial
from graphprune.passes.verify.masked import masked
from graphprune.passes.verify.proof import relative_error
from graphprune.passes.verify.statistics import emulated, touched
from tests.nets import Draft
from tests.oracle import drawn


def layer_norm(m: Draft, kind: str, bias: bool = True) -> None:
    x = m.linear(m.input("x", 2, 4, 3), 8)
    operands = [m.param("scale", 8, scale=1)] + ([m.param("bias", 8, scale=1)] if bias else [])
    m.output(m.linear(m.op(kind, x, *operands, axis=-1, epsilon=1e-3), 4))


def image_norm(m: Draft, kind: str, channels: int = 12, **attrs: int) -> None:
    x = m.conv(m.input("x", 2, 3, 4, 4), channels, 3)
    scale, bias = (m.param(n, channels, scale=1) for n in ("scale", "bias"))
    m.output(m.conv(m.op(kind, x, scale, bias, **attrs), 4))


def drafted(kind: str) -> Inspection[Lowered]:
    m = Draft(opset=23 if kind.startswith("RMS") else 21)
    if kind == "RMSNormalization":
        layer_norm(m, kind, bias=False)
    elif kind == "LayerNormalization":
        layer_norm(m, kind)
    elif kind == "whole groups":
        image_norm(m, "GroupNormalization", num_groups=6)
    elif kind == "GroupNormalization":
        image_norm(m, "GroupNormalization", num_groups=2)
    else:
        image_norm(m, kind)
    return inspect(m.proto())


@pytest.mark.parametrize("kind", ["LayerNormalization", "GroupNormalization"])
@pytest.mark.parametrize("seed", range(3))
def test_narrowed_equals_masked_with_statistics_over_survivors(kind: str, seed: int) -> None:
    found = drafted(kind)
    alive = drawn(found.coupling, seed, "half")
    assert any(touched(found.coupling, alive, node) for node in found.coupling.graph.nodes)
    assert emulated(found.lowered, found.coupling, alive)
    feeds = Trial(execute, runs=1).inputs(found.lowered)
    small = execute(materialise(narrow(found.lowered, found.coupling, alive)), feeds)
    large = execute(materialise(masked(found.lowered, found.coupling, alive)), feeds)
    assert relative_error(*(next(iter(r[0].values())) for r in (small, large))) < 1e-5


@pytest.mark.parametrize("kind", ["InstanceNormalization", "whole groups"])
def test_norms_whose_statistics_stay_are_left_as_they_are(kind: str) -> None:
    found = drafted(kind)
    alive = drawn(found.coupling, 0, "half")
    assert not any(touched(found.coupling, alive, node) for node in found.coupling.graph.nodes)
    proto = materialise(masked(found.lowered, found.coupling, alive))
    assert {n.op_type for n in proto.graph.node} <= {
        "Conv", "InstanceNormalization", "GroupNormalization", "Mul",
    }  # fmt: skip


def test_a_plan_that_does_not_touch_a_norm_leaves_it() -> None:
    found = drafted("LayerNormalization")
    alive = found.coupling.everything()
    assert not any(touched(found.coupling, alive, node) for node in found.coupling.graph.nodes)
    assert materialise(masked(found.lowered, found.coupling, alive)) == found.lowered.model.proto


def test_the_survivors_mean_and_variance() -> None:
    m = Draft()
    x = m.op("Gather", m.input("x", 1, 8), m.ints(*range(8)), axis=1)
    w = m.linear(x, 8, bias=False)
    m.output(m.op("ReduceSum", m.op("LayerNormalization", w, m.tensor("s", np.ones(8))), m.ints(1)))
    found = inspect(m.proto())
    alive = found.coupling.everything()
    alive[[1, 2, 3, 4, 5]] = False
    feeds = Trial(execute, runs=1).inputs(found.lowered)
    (large,) = execute(materialise(masked(found.lowered, found.coupling, alive)), feeds)
    assert abs(next(iter(large.values()))).max() < 1e-5, "what is normalised sums to zero"


def test_windows_across_channels_cannot_be_emulated() -> None:
    m = Draft()
    m.output(m.conv(m.op("LRN", m.conv(m.input("x", 1, 3, 4, 4), 8), size=3), 4))
    found = inspect(m.proto())
    assert not emulated(found.lowered, found.coupling, drawn(found.coupling, 0, "half"))
    assert emulated(found.lowered, found.coupling, found.coupling.everything())
