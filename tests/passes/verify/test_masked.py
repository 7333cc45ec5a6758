"""The masked original: what is read is masked, not what is made."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphprune.data import Array, Feeds
from graphprune.execution import execute
from graphprune.frontends.onnx import Lowered
from graphprune.groups import Alive
from graphprune.inspection import Inspection, inspect
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.verify import Trial
from graphprune.passes.verify.masked import masked
from graphprune.passes.verify.proof import relative_error
from tests.nets import Draft, build
from tests.oracle import drawn


def kept(found: Inspection[Lowered], *units: int) -> Alive:
    """All units but these die."""
    alive = found.coupling.everything()
    alive[1:] = False
    alive[list(units)] = True
    return alive


def run(model: onnx.ModelProto, feeds: Feeds) -> Array:
    (result,) = execute(model, [feeds])
    return next(iter(result.values()))


def feeds(found: Inspection[Lowered]) -> Feeds:
    return Trial(execute, runs=1).inputs(found.lowered)[0]


def test_a_sigmoid_of_zero_is_no_zero() -> None:
    """Zeroing the filters instead of the columns that read them leaves one half behind."""
    m = Draft()
    x = m.op("Sigmoid", m.conv(m.input("x", 1, 3, 4, 4), 6, bias=False))
    m.output(m.conv(x, 4, bias=False))
    proto = m.proto()
    found = inspect(proto)
    alive, given = kept(found, 2, 3), feeds(found)
    small = run(materialise(narrow(found.lowered, found.coupling, alive)), given)
    assert (
        relative_error(run(materialise(masked(found.lowered, found.coupling, alive)), given), small)
        < 1e-5
    )
    without = m.tensors["c1.w"]
    filters = onnx.numpy_helper.to_array(without) * alive[1:, None, None, None]
    without.CopyFrom(onnx.numpy_helper.from_array(filters.astype(np.float32), "c1.w"))
    assert relative_error(run(m.proto(), given), small) > 0.05


def masks(proto: onnx.ModelProto) -> list[tuple[str, str]]:
    """What is multiplied by a mask, and what reads the product."""
    readers = {name: n.op_type for n in proto.graph.node for name in n.input}
    found = []
    constants = {t.name for t in proto.graph.initializer if t.name.count(".narrowed")}
    for n in proto.graph.node:
        if n.op_type == "Mul" and constants & set(n.input):
            found.append((n.input[0].split(".narrowed")[0], readers[n.output[0]]))
    return found


def test_only_what_is_read_by_a_contraction_is_masked() -> None:
    found = inspect(build("resnet"))
    proto = materialise(masked(found.lowered, found.coupling, drawn(found.coupling, 0, "half")))
    assert masks(proto) == [
        ("relu1", "Conv"),
        ("relu2", "Conv"),
        ("relu3", "Conv"),
        ("relu4", "Conv"),
        ("flatten1", "Gemm"),
    ]


def test_nothing_dead_nothing_masked() -> None:
    found = inspect(build("resnet"))
    alive = found.coupling.everything()
    assert materialise(masked(found.lowered, found.coupling, alive)) == found.lowered.model.proto


def test_two_channel_axes_of_one_operand_are_both_masked() -> None:
    m = Draft()
    x = m.op("Einsum", m.input("x", 2, 3), m.param("w", 3, 4, 5), equation="nc,chd->nhd")
    m.output(m.op("Einsum", m.op("Sigmoid", x), m.param("v", 4, 5, 6), equation="nhd,hdo->no"))
    found = inspect(m.proto())
    alive = kept(found, 1, 4, 5, 7)
    given = feeds(found)
    small = run(materialise(narrow(found.lowered, found.coupling, alive)), given)
    large = run(materialise(masked(found.lowered, found.coupling, alive)), given)
    assert relative_error(small, large) < 1e-5


def test_means_divide_by_the_survivors() -> None:
    m = Draft()
    x = m.op("Sigmoid", m.linear(m.input("x", 2, 3), 8))
    m.output(m.op("ReduceMean", x, m.ints(1)))
    found = inspect(m.proto())
    alive, given = kept(found, 1, 4, 6), feeds(found)
    small = run(materialise(narrow(found.lowered, found.coupling, alive)), given)
    large = run(materialise(masked(found.lowered, found.coupling, alive)), given)
    assert relative_error(small, large) < 1e-5
    weights = [onnx.numpy_helper.to_array(m.tensors[n]) for n in ("l1.w", "l1.b")]
    rows = 1 / (1 + np.exp(-(given["x"] @ weights[0] + weights[1])))
    assert relative_error(large, rows[:, [0, 3, 5]].mean(axis=1, keepdims=True)) < 1e-5


@pytest.mark.parametrize("op", ["ConvInteger", "MatMulInteger"])
def test_integers_are_masked_by_their_zero_point(op: str) -> None:
    """Zero means nothing there: the zero point is what a dead channel holds."""
    m, image = Draft(), op == "ConvInteger"
    shape = (4, 4) if image else ()
    x = m.conv(m.input("x", 1, 3, *shape), 6) if image else m.linear(m.input("x", 1, 3), 6)
    scale, zero = m.number(0.05), m.tensor("zero", np.array(7, np.uint8))
    q = m.op("QuantizeLinear", x, scale, zero)
    size = (4, 6, 1, 1) if image else (6, 4)
    w = m.tensor("w", m.rng.integers(-9, 9, size).astype(np.int8))
    y = m.op("Cast", m.op(op, q, w, zero), to=1)
    m.output(y)
    found = inspect(m.proto())
    assert [g.width for g in found.coupling] == [6]
    alive, given = kept(found, 1, 5), feeds(found)
    small = run(materialise(narrow(found.lowered, found.coupling, alive)), given)
    large = run(materialise(masked(found.lowered, found.coupling, alive)), given)
    assert np.array_equal(small, large)
