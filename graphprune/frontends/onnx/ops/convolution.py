"""Convolutions and pools."""

from __future__ import annotations

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native
from graphprune.ir.graph import Attr, Shape


def _pads(node: Native, spatial: Shape, kernel: Shape) -> tuple[int, ...]:
    """Explicit padding; ``auto_pad`` SAME keeps ceil(extent / stride)."""
    n = len(spatial)
    auto = node.attrs.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        return node.ints("pads") or (0,) * (2 * n)
    if auto == "VALID":
        return (0,) * (2 * n)
    strides = node.ints("strides") or (1,) * n
    dilations = node.ints("dilations") or (1,) * n
    total = []
    for i in range(n):
        out = -(-spatial[i] // strides[i])
        span = (out - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1
        total.append(max(span - spatial[i], 0))
    less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return less + more if auto == "SAME_UPPER" else more + less


def window_attrs(node: Native, builder: Builder, x: str, w: str) -> dict[str, Attr]:
    """Groups, strides, dilations and explicit padding of a convolution of ``x`` with ``w``."""
    spatial, kernel = builder.shape(x)[2:], builder.shape(w)[2:]
    n = len(spatial)
    return {
        "groups": int(node.attrs.get("group", 1)),
        "strides": node.ints("strides") or (1,) * n,
        "dilations": node.ints("dilations") or (1,) * n,
        "pads": _pads(node, spatial, kernel),
    }


@lowers("Conv")
def conv(node: Native, builder: Builder) -> None:
    """A convolution of any rank."""
    attrs = window_attrs(node, builder, node.operand(0), node.operand(1))
    builder.emit("conv", list(node.proto.input), list(node.proto.output), dtype="", **attrs)


@lowers("ConvInteger")
def conv_integer(node: Native, builder: Builder) -> None:
    """An integer convolution with zero points of the whole tensor."""
    if any(builder.shape(n) not in ((), (1,)) for n in node.proto.input[2:] if n):
        raise UnsupportedForm("zero points along an axis")
    attrs = window_attrs(node, builder, node.operand(0), node.operand(1))
    outputs = list(node.proto.output)
    builder.emit("conv", list(node.proto.input[:2]), outputs, dtype="int32", **attrs)


@lowers("ConvTranspose")
def conv_transpose(node: Native, builder: Builder) -> None:
    """A transposed convolution; SAME padding fixes the result's extents."""
    x = builder.shape(node.operand(0))
    n = len(x) - 2
    strides = node.ints("strides") or (1,) * n
    fixed = node.ints("output_shape") or ()
    if str(node.attrs.get("auto_pad", "NOTSET")).startswith("SAME"):
        fixed = tuple(size * stride for size, stride in zip(x[2:], strides, strict=True))
    builder.emit(
        "conv_transpose",
        list(node.proto.input),
        list(node.proto.output),
        groups=int(node.attrs.get("group", 1)),
        strides=strides,
        dilations=node.ints("dilations") or (1,) * n,
        pads=node.ints("pads") or (0,) * (2 * n),
        output_padding=node.ints("output_padding") or (0,) * n,
        output_shape=fixed,
    )


@lowers("MaxPool", "AveragePool", "LpPool")
def pool(node: Native, builder: Builder) -> None:
    """Windows over the spatial axes."""
    if any(builder.is_read(name) for name in node.proto.output[1:]):
        raise UnsupportedForm("the indices of the maxima are read")
    kernel = node.ints("kernel_shape") or ()
    spatial = builder.shape(node.operand(0))[2:]
    builder.emit(
        "pool",
        [node.operand(0)],
        [node.proto.output[0]],
        kernel=kernel,
        strides=node.ints("strides") or (1,) * len(kernel),
        dilations=node.ints("dilations") or (1,) * len(kernel),
        pads=_pads(node, spatial, kernel),
        ceil=bool(node.attrs.get("ceil_mode", 0)),
    )


@lowers("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(node: Native, builder: Builder) -> None:
    """One window of the whole image."""
    builder.emit("pool", [node.operand(0)], list(node.proto.output), everything=True)


@lowers("Resize", "Upsample")
def resize(node: Native, builder: Builder) -> None:
    """Interpolation to given sizes or by given scales."""
    x = builder.shape(node.operand(0))
    if node.attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedForm("a resize that keeps the aspect ratio")
    if node.attrs.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise UnsupportedForm("a resize of a part of the image")
    axes = node.ints("axes") or tuple(range(len(x)))
    legacy = node.op_type == "Upsample" or node.opset < 11
    shape = list(x)
    if not legacy and node.operand(3):
        for axis, size in zip(axes, builder.needed_ints(node.operand(3)), strict=True):
            shape[axis] = size
    else:
        for axis, scale in zip(axes, _scales(node, builder, legacy), strict=True):
            shape[axis] = int(x[axis] * scale + 1e-6)
    builder.emit("resize", [node.operand(0)], list(node.proto.output), shape=tuple(shape))


def _scales(node: Native, builder: Builder, legacy: bool) -> tuple[float, ...]:
    if "scales" in node.attrs:
        return tuple(float(s) for s in node.attrs["scales"])
    return tuple(float(s) for s in builder.needed(node.operand(1 if legacy else 2)).ravel())


@lowers("GridSample")
def grid_sample(node: Native, builder: Builder) -> None:
    """Interpolation at computed places; channels are only copied."""
    x, grid = builder.shape(node.operand(0)), builder.shape(node.operand(1))
    builder.freeze(node.operand(1), "its last axis holds coordinates")
    shape = (*x[:2], *grid[1:-1])
    builder.emit("resize", [node.operand(0)], list(node.proto.output), shape=shape)
