"""What lowering rules write with."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import load
from graphprune.frontends.onnx.builder import (
    RULES,
    Builder,
    UnsupportedForm,
    dtype_name,
    lowers,
)
from graphprune.frontends.onnx.native import Native, flatten
from tests.onnxtext import model


@pytest.fixture
def builder() -> Builder:
    proto = model(
        """
        net (float[2,4] x) => (float[2,4] y) <float[4] v, float[4,4] m, int64[2] k = {3,4},
         float[1,4,1] wide> {
          y = Add(x, v)
        }
        """
    )
    opened = load(proto)
    found = Builder(opened, {"x", "v", "y"})
    found.begin(flatten(opened)[0])
    found.define("x", (2, 4), "float32")
    return found


def later(builder: Builder, index: int) -> None:
    """The next node begins."""
    assert builder._node is not None
    builder.begin(Native(index, builder._node.proto, index, 17, False))


def test_a_vector_gets_a_value_a_use_and_a_matrix_one(builder: Builder) -> None:
    assert [builder.use(n) for n in ("v", "m", "wide", "x", "")] == ["v", "m", "wide", "x", ""]
    later(builder, 5)
    assert [builder.use(n) for n in ("v", "m", "wide")] == ["v@5", "m", "wide@5"]
    assert builder.values["v@5"].source == "v" and builder.values["v@5"].kind == "param"


def test_contents_are_read_when_they_are_needed(builder: Builder) -> None:
    assert builder.needed_ints("k") == (3, 4)
    assert builder.const("x") is None
    with pytest.raises(UnsupportedForm, match="operand 'x' is computed at run time"):
        builder.needed("x")


def test_shapes_of_everything(builder: Builder) -> None:
    builder.define("open", None, "float32")
    builder.learn("number", np.array([1, 2]))
    assert [builder.shape(n) for n in ("x", "m", "number")] == [(2, 4), (4, 4), (2,)]
    assert builder.shape_or_none("open") is None
    with pytest.raises(UnsupportedForm, match="the shape of 'open' is not known"):
        builder.shape("open")
    with pytest.raises(InvalidModel, match="operand 'none' is read before it is computed"):
        builder.use("none")
    assert [builder.dtype(n) for n in ("x", "k", "number")] == ["float32", "int64", "int64"]


def test_small_things_fold_and_weights_do_not(builder: Builder) -> None:
    k = builder.small("k")
    assert k is not None and k.tolist() == [3, 4]
    assert builder.small("v") is None and builder.small("x") is None


@pytest.mark.parametrize("name", ["x", "v", "number"])
def test_names_are_taken_once(name: str, builder: Builder) -> None:
    builder.learn("number", np.array(1))
    with pytest.raises(InvalidModel, match=f"'{name}' is computed twice"):
        builder.define(name, (1,), "float32")
    with pytest.raises(InvalidModel, match=f"'{name}' is computed twice"):
        builder.learn(name, np.array(1))


def test_emitted_nodes_have_shapes_or_are_refused(builder: Builder) -> None:
    assert builder.emit("pointwise.add", ["x", "v"], ["y"]) == "y"
    assert builder.values["y"].shape == (2, 4) and builder.nodes[-1].origin == (0,)
    with pytest.raises(InvalidModel) as caught:
        builder.emit("contract", ["m", "x"], ["z"], equation="ij,jk->ik")
    assert caught.value.what == "the operands of a node do not fit together"
    assert caught.value.where == "contract 'y'"
    assert builder.temporary() == "y~1" and builder.temporary() == "y~2"


def test_filled_tensors_are_parameters(builder: Builder) -> None:
    builder.fill("zeros", (1, 4), "float32")
    assert builder.values["zeros"].kind == "param" and builder.values["zeros"].source == "zeros"


def test_an_operator_has_one_rule() -> None:
    assert RULES
    with pytest.raises(ValueError, match="'Relu' is lowered twice"):
        lowers("Relu")(lambda node, builder: None)


@pytest.mark.parametrize(
    ("data_type", "name"),
    [(1, "float32"), (16, "bfloat16"), (22, "int4"), (8, "string"), (0, "undefined")],
)
def test_names_of_element_types(data_type: int, name: str) -> None:
    assert dtype_name(data_type) == name
