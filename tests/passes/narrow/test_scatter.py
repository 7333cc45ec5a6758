"""Assignments to a block: their indices follow the survivors."""

from __future__ import annotations

import onnx
import pytest

from graphprune.inspection import inspect
from tests.onnxtext import model, operand, prove


def net(body: str, inits: str, opset: int = 17) -> onnx.ModelProto:
    """A convolution of 3 to 12 channels, some operators, a convolution to 5."""
    return model(
        f"""
        net (float[2,3,8,8] x) => (float[2,5,8,8] y)
        <float[12,3,3,3] w, float[5,12,1,1] f, {inits}> {{
          a = Conv<pads = [1,1,1,1]>(x, w)
          {body}
          y = Conv(b, f)
        }}
        """,
        opset=opset,
        ir=10 if opset > 20 else 8,
    )


def block(start: int, stop: int) -> str:
    """Indices of some channels of both images, as ONNX's text has them."""
    pairs = [f"{n},{c}" for n in range(2) for c in range(start, stop)]
    return f"int64[2,{stop - start},2] index = {{{','.join(pairs)}}}"


@pytest.mark.parametrize("opset", [11, 16, 22])
def test_scatter_to_a_block_of_channels(opset: int) -> None:
    body = """
      p = Conv(x, v)
      b = ScatterND(a, index, p)
    """
    inits = f"float[4,3,1,1] v, {block(5, 9)}"
    for seed in range(3):
        case = prove(net(body, inits, opset), seed=seed)
        survivors = case.alive[case.coupling.layers["a"][0].ids.ravel()]
        found = operand(case.proto, "b", 1)
        assert found[0, 0].tolist() == [0, survivors[:5].sum()]
        assert found.shape == (2, survivors[5:9].sum(), 2)


def test_scatter_along_other_axes_keeps_its_indices() -> None:
    body = """
      p = Slice(a, zero, one, zero)
      b = ScatterND(a, index, p)
    """
    inits = "int64[1] zero = {0}, int64[1] one = {1}, int64[1,1] index = {-1}"
    case = prove(net(body, inits))
    assert operand(case.proto, "b", 1).tolist() == [[-1]]


@pytest.mark.parametrize(
    "scatter", ["ScatterND(a, odd, p)", 'ScatterND<reduction = "add">(a, index, p)']
)
def test_scatter_that_is_no_assignment_to_a_block_freezes(scatter: str) -> None:
    body = f"p = Slice(a, zero, two, zero)\n b = {scatter}"
    inits = "int64[1] zero = {0}, int64[1] two = {2}"
    inits += ", int64[2,1] odd = {1, 0}, int64[2,1] index = {0, 1}"
    found = inspect(net(body, inits))
    reasons = {str(frozen).split("[")[0]: frozen.reason[-1] for frozen in found.coupling.frozen}
    assert "ScatterND 'b'" in reasons["frozen w.0"]
