"""Attributes of layers that count channels follow the plan."""

from __future__ import annotations

import onnx
import pytest

from tests.onnxtext import attribute, dims, model, operand, prove

NEWEST = 22  # a recent operator set that every onnxruntime in use knows


def net(body: str, inits: str, result: str = "float[2,5,8,8]", opset: int = 17) -> onnx.ModelProto:
    """A convolution of 3 to 12 channels, some operators, a convolution or product to 5."""
    return model(
        f"""
        net (float[2,3,8,8] x) => ({result} y) <float[12,3,3,3] w, {inits}> {{
          a = Conv<pads = [1,1,1,1]>(x, w)
          {body}
        }}
        """,
        opset=opset,
        ir=10 if opset > 20 else 8,
    )


@pytest.mark.parametrize("opset", [7, 11, NEWEST])
def test_conv_groups(opset: int) -> None:
    body = """
      h = Conv<group = 4, pads = [1,1,1,1]>(a, g, b)
      r = Relu(h)
      e = Conv<group = 12, pads = [1,1,1,1]>(r, d)
      y = Conv(e, f)
    """
    inits = "float[12,3,3,3] g, float[12] b, float[12,1,3,3] d, float[5,12,1,1] f"
    case = prove(net(body, inits, opset=opset))
    assert attribute(case.proto, "e", "group") == dims(case.proto, "d")[0] < 12
    group, weight = attribute(case.proto, "h", "group"), dims(case.proto, "g")
    assert group * weight[1] == dims(case.proto, "w")[0]
    assert group * weight[1] * weight[0] < 4 * 3 * 12


@pytest.mark.parametrize("opset", [7, 11, NEWEST])
def test_transposed_conv_groups(opset: int) -> None:
    body = """
      h = ConvTranspose<group = 4, strides = [2,2]>(a, g, b)
      r = Relu(h)
      e = ConvTranspose<group = 24>(r, d)
      y = Conv(e, f)
    """
    inits = "float[12,6,2,2] g, float[24] b, float[24,1,1,1] d, float[5,24,1,1] f"
    case = prove(net(body, inits, "float[2,5,16,16]", opset))
    assert attribute(case.proto, "e", "group") == dims(case.proto, "d")[0] < 24
    group, weight = attribute(case.proto, "h", "group"), dims(case.proto, "g")
    assert group * weight[1] == dims(case.proto, "b")[0]
    assert weight[0] == dims(case.proto, "w")[0] < 12


def test_group_normalisation_loses_whole_groups() -> None:
    body = "e = GroupNormalization<num_groups = 4>(a, scale, b)\n y = Conv(e, f)"
    case = prove(net(body, "float[12] scale, float[12] b, float[5,12,1,1] f", opset=21))
    assert attribute(case.proto, "e", "num_groups") == 2
    assert dims(case.proto, "scale") == [6]


CELLS = {"LSTM": 4, "GRU": 3, "RNN": 1}


@pytest.mark.parametrize("opset", [7, 14, NEWEST])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_cells(cell: str, opset: int) -> None:
    gates, reset = CELLS[cell], ", linear_before_reset = 1" if cell == "GRU" else ""
    case = prove(
        model(
            f"""
            net (float[5,2,3] x) => (float[5,2,4] y, float[2,2,4] z)
            <float[2,{gates * 8},3] w, float[2,{gates * 8},8] r, float[2,{gates * 16}] b,
             float[16,4] f, float[8,4] g, int64[3] join = {{0,0,-1}}> {{
              h, last = {cell}<hidden_size = 8, direction = "bidirectional"{reset}>(x, w, r, b)
              s = Transpose<perm = [0,2,1,3]>(h)
              q = Reshape(s, join)
              y = MatMul(q, f)
              z = MatMul(last, g)
            }}
            """,
            opset=opset,
            ir=10 if opset > 20 else 8,
        )
    )
    assert attribute(case.proto, "h", "hidden_size") == 4
    assert dims(case.proto, "r") == [2, gates * 4, 4]
    assert operand(case.proto, "q", 1).tolist() == [0, 0, -1]
