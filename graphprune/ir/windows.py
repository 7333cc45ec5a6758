"""Shape rules of what slides a window over the spatial axes: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence

from graphprune.ir.graph import Node, Shape
from graphprune.ir.shapes import rule


def _window(size: int, kernel: int, stride: int, dilation: int, pads: int, ceil: bool) -> int:
    span = size + pads - (dilation * (kernel - 1) + 1)
    if span < 0:
        raise ValueError(f"a window of {kernel} does not fit into an extent of {size}")
    count = -(-span // stride) + 1 if ceil else span // stride + 1
    return count


def _windows(node: Node, spatial: Shape, kernel: Shape) -> Shape:
    n = len(spatial)
    strides = node.ints("strides") or (1,) * n
    dilations = node.ints("dilations") or (1,) * n
    pads = node.ints("pads") or (0,) * (2 * n)
    ceil = bool(node.attrs.get("ceil", False))
    if min((*strides, *dilations, *kernel), default=1) < 1:
        raise ValueError(f"kernel {kernel}, strides {strides} and dilations {dilations}")
    sizes = []
    for i in range(n):
        out = _window(spatial[i], kernel[i], strides[i], dilations[i], pads[i] + pads[i + n], ceil)
        # A last window that would start in the end padding is dropped.
        if ceil and (out - 1) * strides[i] >= spatial[i] + pads[i]:
            out -= 1
        sizes.append(out)
    return tuple(sizes)


@rule("conv")
def _conv(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, w = shapes[0], shapes[1]
    groups = node.int("groups", 1)
    if len(x) != len(w) or len(x) < 3:
        raise ValueError(f"conv of rank {len(x)} with a weight of rank {len(w)}")
    if groups < 1 or x[1] != w[1] * groups or w[0] % groups:
        raise ValueError(
            f"conv of {x[1]} channels with a weight of {w[1]} x {groups} groups and {w[0]} filters"
        )
    _check_bias(node, shapes, w[0])
    return [(x[0], w[0], *_windows(node, x[2:], w[2:]))]


def _check_bias(node: Node, shapes: Sequence[Shape], channels: int) -> None:
    if len(shapes) > 2 and node.inputs[2] and shapes[2] != (channels,):
        raise ValueError(f"{channels} channels with a bias of shape {list(shapes[2])}")


@rule("conv_transpose")
def _conv_transpose(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x, w = shapes[0], shapes[1]
    n = len(x) - 2
    groups = node.int("groups", 1)
    if len(x) != len(w) or n < 1 or groups < 1 or x[1] != w[0] or w[0] % groups:
        raise ValueError(f"transposed conv of {list(x)} with a weight of {list(w)}")
    _check_bias(node, shapes, w[1] * groups)
    if node.ints("output_shape"):
        return [(x[0], w[1] * groups, *node.ints("output_shape")[-n:])]
    strides, dilations = node.ints("strides") or (1,) * n, node.ints("dilations") or (1,) * n
    pads = node.ints("pads") or (0,) * (2 * n)
    extra = node.ints("output_padding") or (0,) * n
    spatial = tuple(
        strides[i] * (x[i + 2] - 1)
        + extra[i]
        + dilations[i] * (w[i + 2] - 1)
        + 1
        - pads[i]
        - pads[i + n]
        for i in range(n)
    )
    return [(x[0], w[1] * groups, *spatial)]


@rule("pool")
def _pool(node: Node, shapes: Sequence[Shape]) -> list[Shape]:
    x = shapes[0]
    if node.attrs.get("everything", False):
        spatial: Shape = (1,) * (len(x) - 2)
    else:
        spatial = _windows(node, x[2:], node.ints("kernel"))
    return [(*x[:2], *spatial)] * len(node.outputs)
