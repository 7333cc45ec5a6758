"""Shapes as trtexec and Polygraphy spell them, and ranges of them."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.backends.tensorrt.shapes import Range, parse, ranges, resolve
from graphprune.data import InputSpec
from graphprune.errors import BackendError, BadData

FLOAT = np.dtype("float32")
OPEN = InputSpec("x", ("batch", 3, 8, 8), FLOAT)
FIXED = InputSpec("t", (1, 4), FLOAT)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x:1x3x224x224", (1, 3, 224, 224)),
        ("x:[1,3,224,224]", (1, 3, 224, 224)),
        ("x:[1, 3, 224, 224]", (1, 3, 224, 224)),
        ("'x':1X3", (1, 3)),
        ("x:8", (8,)),
        ("x:[]", ()),
    ],
)
def test_one_shape_in_every_spelling(text: str, shape: tuple[int, ...]) -> None:
    assert parse([text]) == {"x": shape}


def test_several_at_once_and_names_with_colons() -> None:
    assert parse(["a:1x2,b:[3,4],serving:c:0:5x6", "d:7"]) == {
        "a": (1, 2),
        "b": (3, 4),
        "serving:c:0": (5, 6),
        "d": (7,),
    }
    assert parse(None) == {}


@pytest.mark.parametrize("text", ["1x3", "x:", "x:1x", "x:[1;2]", "x:-1x3", ":1x3"])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(BadData) as caught:
        parse([text], "--minShapes")
    assert str(caught.value) == (
        f"BadData: '{text}' is not a shape\n"
        "  where: --minShapes\n"
        "  fix:   give the input's name and its sizes: --minShapes x:1x3x224x224, "
        "or --minShapes x:[1,3,224,224]"
    )


def test_an_input_with_two_shapes() -> None:
    with pytest.raises(BadData, match="input 'x' is given two shapes"):
        parse(["x:1", "x:2"])


def test_what_is_left_out_of_a_range_is_the_usual_shape() -> None:
    assert ranges({"x": (1, 3)}, {}, {"x": (8, 3)}) == {"x": Range((1, 3), (8, 3), (8, 3))}
    assert ranges({}, {"x": (4, 3)}, {"x": (8, 3)}) == {"x": Range((4, 3), (4, 3), (8, 3))}
    assert ranges({"x": (1, 3)}, {}, {}) == {"x": Range.only((1, 3))}


def test_a_range_is_in_order() -> None:
    assert str(Range((1, 3), (4, 3), (8, 3))) == "1x3 to 8x3, tuned for 4x3"
    for three in (((2,), (1,), (3,)), ((1,), (4,), (3,)), ((1,), (1, 2), (3,))):
        with pytest.raises(BadData, match="are not in order"):
            Range(*three)


def test_fixed_inputs_need_no_shape_and_open_ones_do() -> None:
    found = resolve((OPEN, FIXED), {"x": (2, 3, 8, 8)}, {})
    assert found == {"x": Range.only((2, 3, 8, 8)), "t": Range.only((1, 4))}
    with pytest.raises(BackendError) as caught:
        resolve((OPEN, FIXED), {}, {})
    assert str(caught.value) == (
        "BackendError: the shape of input 'x' is open, and TensorRT builds for known shapes\n"
        "  why:   the model says x: float32[batch,3,8,8]\n"
        "  fix:   give it, such as --shapes x:1x3x8x8, or a range with --minShapes, --optShapes "
        "and --maxShapes"
    )


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(BackendError, match="no input named 'z'"):
        resolve((OPEN,), {"z": (1,)}, {})
    for shape in ((2, 4, 8, 8), (2, 3, 8)):
        with pytest.raises(BackendError, match="the shape given for input 'x' does not fit"):
            resolve((OPEN,), {"x": shape}, {})
    narrow = {"x": Range((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))}
    with pytest.raises(BackendError, match="is to run on 8x3x8x8, for which it is not built"):
        resolve((OPEN,), {"x": (8, 3, 8, 8)}, narrow)
