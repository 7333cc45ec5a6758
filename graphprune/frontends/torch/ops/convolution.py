"""Convolutions, plain and transposed."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import lowers
from graphprune.ir import Attr
from graphprune.ir.graph import Shape


def spread(values: tuple[int, ...], count: int, default: int = 1) -> tuple[int, ...]:
    """One number for every spatial axis; PyTorch repeats a single one."""
    if not values:
        return (default,) * count
    return values * count if len(values) == 1 else values


def with_batch(builder: Builder, x: str, spatial: int) -> tuple[str, bool]:
    """An image with a batch axis, and whether it had none."""
    shape = builder.shape(x)
    if len(shape) == spatial + 2:
        return x, False
    return builder.emit("reshape", [x], shape=(1, *shape)), True


def without_batch(builder: Builder, x: str, added: bool) -> str:
    """The image without the batch axis that was added."""
    return builder.emit("reshape", [x], shape=builder.shape(x)[1:]) if added else x


def _padding(call: Call, kernel: Shape, dilation: tuple[int, ...]) -> tuple[int, ...]:
    """Explicit padding, begins then ends; ``same`` puts the odd element at the end."""
    given, n = call.arguments.get("padding"), len(kernel)
    if given == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return (*(t // 2 for t in total), *(t - t // 2 for t in total))
    if given == "valid":
        return (0,) * (2 * n)
    return spread(call.ints("padding"), n, 0) * 2


def _run(call: Call, builder: Builder, transposed: bool) -> str:
    w = call.tensor("weight")
    kernel = builder.shape(w)[2:]
    n = len(kernel)
    x, added = with_batch(builder, call.tensor("input"), n)
    dilation = spread(call.ints("dilation"), n)
    attrs: dict[str, Attr] = {
        "groups": call.integer("groups", 1),
        "strides": spread(call.ints("stride"), n),
        "dilations": dilation,
        "pads": _padding(call, kernel, dilation),
    }
    if transposed:
        attrs["output_padding"] = spread(call.ints("output_padding"), n, 0)
    operands = [name for name in (x, w, call.tensor("bias")) if name]
    result = builder.emit("conv_transpose" if transposed else "conv", operands, **attrs)
    return without_batch(builder, result, added)


@lowers("conv1d", "conv2d", "conv3d")
def conv(call: Call, builder: Builder) -> str:
    """A convolution with explicit or named padding."""
    return _run(call, builder, transposed=False)


@lowers("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(call: Call, builder: Builder) -> str:
    """A transposed convolution."""
    return _run(call, builder, transposed=True)


@lowers("convolution", "_convolution")
def either(call: Call, builder: Builder) -> str:
    """What all of them are decomposed to."""
    return _run(call, builder, transposed=call.flag("transposed"))


@lowers("torchvision::deform_conv2d")
def deformable(call: Call, builder: Builder) -> str:
    """A convolution whose windows are displaced; offsets and masks are no channels."""
    x, w = call.tensor("input"), call.tensor("weight")
    for name in filter(None, (call.tensor("offset"), call.tensor("mask"))):
        builder.freeze(name, "it displaces the windows")
    if call.integer("offset_groups", 1) > 1:
        builder.freeze(x, "groups of its channels have displacements of their own")
    result = builder.emit(
        "conv",
        [x, w, call.tensor("bias")],
        groups=call.integer("groups", 1),
        strides=(call.integer("stride_h", 1), call.integer("stride_w", 1)),
        dilations=(call.integer("dilation_h", 1), call.integer("dilation_w", 1)),
        pads=(call.integer("pad_h"), call.integer("pad_w")) * 2,
    )
    return result
