"""Convolutions, pools and resizes in their many spellings."""

from __future__ import annotations

import pytest

from tests.onnxtext import emitted

ATTRS = "dilations=[1,1], groups=1, "


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ("Conv(x, w)", f"y: [1,4,5,4] = conv(x, w) {{{ATTRS}pads=[0,0,0,0], strides=[1,1]}}"),
        (
            'Conv<auto_pad = "SAME_UPPER", strides = [2,2]>(x, w)',
            f"y: [1,4,4,3] = conv(x, w) {{{ATTRS}pads=[1,0,1,1], strides=[2,2]}}",
        ),
        (
            'Conv<auto_pad = "SAME_LOWER", strides = [2,2]>(x, w)',
            f"y: [1,4,4,3] = conv(x, w) {{{ATTRS}pads=[1,1,1,0], strides=[2,2]}}",
        ),
        (
            'Conv<auto_pad = "VALID", dilations = [2,1]>(x, w)',
            "y: [1,4,3,4] = conv(x, w) {dilations=[2,1], groups=1, pads=[0,0,0,0], strides=[1,1]}",
        ),
        ("GlobalAveragePool(x)", "y: [1,2,1,1] = pool(x) {everything=true}"),
        (
            "AveragePool<kernel_shape = [2,2], strides = [2,2], ceil_mode = 1>(x)",
            "y: [1,2,4,3] = pool(x) {ceil=true, dilations=[1,1], kernel=[2,2], pads=[0,0,0,0], "
            "strides=[2,2]}",
        ),
        ("Resize(x, , s)", "y: [1,2,14,9] = resize(x) {shape=[1,2,14,9]}"),
        ("Resize(x, , , z)", "y: [1,2,9,9] = resize(x) {shape=[1,2,9,9]}"),
        ("Resize<axes = [3,-2]>(x, , , h)", "y: [1,2,5,4] = resize(x) {shape=[1,2,5,4]}"),
        (
            'Resize<keep_aspect_ratio_policy = "not_larger">(x, , , z)',
            'y: [1,2,7,6] = opaque(x, z) {reason="a resize that keeps the aspect ratio", '
            'type="Resize"}',
        ),
        (
            'Resize<coordinate_transformation_mode = "tf_crop_and_resize">(x, r, , z)',
            'y: [1,2,9,9] = opaque(x, r, z) {reason="a resize of a part of the image", '
            'type="Resize"}',
        ),
    ],
)
def test_forms(node: str, line: str) -> None:
    inits = "float[4,2,3,3] w, float[4] s = {1, 1, 2, 1.5}, int64[4] z = {1,2,9,9}"
    inits += ", int64[2] h = {4,5}, float[8] r"
    assert emitted(f"y = {node}", "float[1,2,7,6] x", inits, opset=18) == [line]


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ("", "[1,6,8,8]"),
        ("strides = [2,2], pads = [1,1,1,1], output_padding = [1,1]", "[1,6,12,12]"),
        ("strides = [2,2], output_shape = [11,12]", "[1,6,11,12]"),
        ('strides = [2,2], auto_pad = "SAME_UPPER"', "[1,6,12,12]"),
    ],
)
def test_transposed(attributes: str, shape: str) -> None:
    node = f"y = ConvTranspose<group = 2, {attributes}>(x, w)".replace(", >", ">")
    (line,) = emitted(node, "float[1,4,6,6] x", "float[4,3,3,3] w")
    assert line.startswith(f"y: {shape} = conv_transpose(x, w) {{") and "groups=2" in line


@pytest.mark.parametrize(("opset", "node"), [(9, "Upsample(x, s)"), (10, "Resize(x, s)")])
def test_old_resizes(opset: int, node: str) -> None:
    (line,) = emitted(f"y = {node}", "float[1,2,7,6] x", "float[4] s = {1, 1, 2, 1.5}", opset=opset)
    assert line == "y: [1,2,14,9] = resize(x) {shape=[1,2,14,9]}"
