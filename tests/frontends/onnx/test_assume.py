"""Concrete input shapes: declared, given, or guessed until one fits."""

from __future__ import annotations

import pytest

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.ir.graph import Shape
from tests.onnxtext import model

RELU = "y = Relu(x)"


def lowered(shape: str, body: str = RELU, given: dict[str, Shape] | None = None) -> Lowered:
    return lower(load(model(f"net ({shape} x) => (float y) {{ {body} }}")), given)


def assumed(shape: str, body: str = RELU, x: Shape | None = None) -> tuple[Shape, bool]:
    found = lowered(shape, body, {"x": x} if x is not None else None)
    return found.inputs["x"], found.symbolic


@pytest.mark.parametrize(
    ("declared", "shape", "symbolic"),
    [
        ("float[2,3,8,8]", (2, 3, 8, 8), False),
        ("float[N,3,8,8]", (1, 3, 8, 8), True),
        ("float[N,3,H,W]", (1, 3, 224, 224), True),
        ("float[N,C,H,W]", (1, 3, 224, 224), True),
        ("float[time,batch_size,8]", (1, 1, 8), True),
        ("float[?,7]", (1, 7), True),
        ("float", (), False),
    ],
)
def test_open_extents_are_guessed(declared: str, shape: Shape, symbolic: bool) -> None:
    assert assumed(declared) == (shape, symbolic)


def test_a_guess_that_does_not_fit_is_followed_by_another() -> None:
    """A Reshape to 512 pixels refuses 224 x 224."""
    body = """
      t = Constant<value_ints = [1,3,512,512]>()
      y = Reshape(x, t)
    """
    assert assumed("float[N,3,H,W]", body) == ((1, 3, 512, 512), True)


def test_where_no_guess_fits_the_first_failure_is_told() -> None:
    body = """
      t = Constant<value_ints = [1,3,7,7]>()
      y = Reshape(x, t)
    """
    with pytest.raises(InvalidModel) as caught:
        lowered("float[N,3,H,W]", body)
    assert caught.value.why == "reshape of [1, 3, 224, 224] to [1, 3, 7, 7]"
    assert "--shape" in str(caught.value.fix)
    assert assumed("float[N,3,H,W]", body, x=(1, 3, 7, 7)) == ((1, 3, 7, 7), True)


def test_given_shapes_leave_the_model_symbolic() -> None:
    assert assumed("float[N,3,H,W]", x=(4, 3, 6, 9)) == ((4, 3, 6, 9), True)
    assert assumed("float[4,3]", x=(4, 3)) == ((4, 3), False)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"x": (1, 4, 8, 8)}, "shape [1, 4, 8, 8] does not fit input 'x'"),
        ({"x": (1, 3)}, "shape [1, 3] does not fit input 'x'"),
        ({"z": (1, 3)}, "there is no input 'z'"),
    ],
)
def test_given_shapes_must_fit(given: dict[str, Shape], text: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        lowered("float[N,3,H,W]", RELU, given)
    assert caught.value.what == text
    explained = caught.value.why or caught.value.fix
    assert explained in ("the model declares ['N', 3, 'H', 'W']", "inputs are: x")


def test_initializers_are_no_inputs() -> None:
    proto = model("net (float[N,3] x, float[3] w) => (float y) <float[3] v> { y = Mul(x, w) }")
    proto.graph.initializer[0].name = "w"
    assert lower(load(proto)).inputs == {"x": (1, 3)}
    with pytest.raises(InvalidModel, match="there is no input 'w'"):
        lower(load(proto), {"w": (3,)})
