"""Shape arithmetic computed while lowering: Shape–Gather–Concat chains become numbers.

Only small integer, boolean and scalar tensors are folded; weights never are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from graphprune.frontends.onnx.native import Native
from graphprune.ir import Node
from graphprune.ir.shapes import ranges

Array = NDArray[Any]
Fold = Callable[[Native, Sequence[Array]], list[Array]]
LIMIT = 1 << 16  # elements; larger results stay symbolic
REALS = 16  # as many real numbers: scales and paddings on their way to integers
FOLDS: dict[str, Fold] = {}


def _fold(*ops: str) -> Callable[[Fold], Fold]:
    def register(function: Fold) -> Fold:
        for op in ops:
            FOLDS[op] = function
        return function

    return register


def foldable(array: Array) -> bool:
    """Whether contents may take part: integers and booleans up to a limit, a few real numbers."""
    return array.size <= REALS or (array.dtype.kind in "iub" and array.size <= LIMIT)


def fold(node: Native, operands: Sequence[Array]) -> list[Array] | None:
    """The results of a node whose operands are all known, or None where it is not folded.

    Args:
        node: Any operation.
        operands: Its operands' contents, empty for omitted ones.
    """
    rule = FOLDS.get(node.op_type)
    if rule is None or any(not foldable(a) for a in operands):
        return None
    with np.errstate(all="ignore"):
        results = [np.asarray(r) for r in rule(node, operands)]
    # A state of zeros may have any extent; numbers would pin it.
    spread = node.op_type in ("ConstantOfShape", "Expand", "Tile")
    if spread and any(r.size > 1 and r.dtype.kind not in "iub" for r in results):
        return None
    return results if all(foldable(r) for r in results) else None


def _divide(a: Array, b: Array) -> Array:
    if np.asarray(a).dtype.kind in "iu":
        quotient = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
        return np.asarray(quotient, np.asarray(a).dtype)
    return np.divide(a, b)


def _power(a: Array, b: Array) -> Array:
    return np.asarray(np.power(a, np.asarray(b).astype(a.dtype)))


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": _divide, "Pow": _power,
    "Equal": np.equal, "Greater": np.greater, "Less": np.less, "And": np.logical_and,
    "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal, "Or": np.logical_or,
    "Min": np.minimum, "Max": np.maximum, "Xor": np.logical_xor,
}  # fmt: skip
_UNARY: dict[str, Callable[[Array], Array]] = {
    "Neg": np.negative, "Floor": np.floor, "Ceil": np.ceil, "Sqrt": np.sqrt, "Abs": np.abs,
    "Not": np.logical_not, "Round": np.round, "Reciprocal": np.reciprocal, "Sign": np.sign,
    "Exp": np.exp, "Log": np.log, "Identity": np.asarray,
}  # fmt: skip


@_fold(*_BINARY)
def _binary(node: Native, x: Sequence[Array]) -> list[Array]:
    function = _BINARY[node.op_type]
    result = x[0]
    for other in x[1:]:
        result = function(result, other)
    return [result]


@_fold(*_UNARY)
def _unary(node: Native, x: Sequence[Array]) -> list[Array]:
    return [_UNARY[node.op_type](x[0])]


@_fold("Mod")
def _mod(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.fmod(x[0], x[1]) if node.attrs.get("fmod") else np.mod(x[0], x[1])]


@_fold("Clip")
def _clip(node: Native, x: Sequence[Array]) -> list[Array]:
    low, high = (x[i] if len(x) > i and x[i].size else None for i in (1, 2))
    low, high = node.attrs.get("min", low), node.attrs.get("max", high)
    result = x[0] if low is None else np.maximum(x[0], low)
    return [result if high is None else np.minimum(result, high)]


@_fold("Cast")
def _cast(node: Native, x: Sequence[Array]) -> list[Array]:
    return [x[0].astype(helper.tensor_dtype_to_np_dtype(int(node.attrs["to"])))]


@_fold("CastLike")
def _cast_like(node: Native, x: Sequence[Array]) -> list[Array]:
    return [x[0].astype(x[1].dtype)]


@_fold("Shape", "Size")
def _shape(node: Native, x: Sequence[Array]) -> list[Array]:
    return [of_shape(node, x[0].shape)]


def of_shape(node: Native, shape: Sequence[int]) -> Array:
    """What ONNX's Shape or Size gives for a tensor of that shape.

    Args:
        node: The operation; ``start`` and ``end`` of a Shape are respected.
        shape: Of its operand.
    """
    if node.op_type == "Size":
        return np.array(prod(shape), np.int64)
    start, end = node.attrs.get("start", 0), node.attrs.get("end", len(shape))
    return np.array(list(shape)[start:end], np.int64)


@_fold("Gather")
def _gather(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.take(x[0], x[1].astype(np.int64), axis=node.attrs.get("axis", 0))]


@_fold("Concat")
def _concat(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.concatenate(x, axis=node.attrs.get("axis", 1))]


@_fold("Slice")
def _slice(node: Native, x: Sequence[Array]) -> list[Array]:
    if node.opset < 10:
        starts, ends = node.ints("starts") or (), node.ints("ends") or ()
        axes, steps = node.ints("axes") or tuple(range(len(starts))), (1,) * len(starts)
    else:
        starts, ends = tuple(x[1].tolist()), tuple(x[2].tolist())
        axes = _given(x, 3) or tuple(range(len(starts)))
        steps = _given(x, 4) or (1,) * len(starts)
    axes = tuple(a + x[0].ndim if a < 0 else a for a in axes)
    attrs = {"starts": starts, "ends": ends, "steps": steps, "axes": axes}
    return [x[0][ranges(Node("slice", ("x",), ("y",), attrs), x[0].shape)]]


def _given(x: Sequence[Array], index: int) -> tuple[int, ...] | None:
    """An optional operand's numbers; None where it is omitted or empty."""
    return tuple(x[index].ravel().tolist()) or None if len(x) > index else None


@_fold("Squeeze")
def _squeeze(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.squeeze(x[0], axis=node.ints("axes") or _given(x, 1))]


@_fold("Unsqueeze")
def _unsqueeze(node: Native, x: Sequence[Array]) -> list[Array]:
    axes = node.ints("axes") or tuple(x[1].ravel().tolist())
    return [np.expand_dims(x[0], axes)]


@_fold("Reshape")
def _reshape(node: Native, x: Sequence[Array]) -> list[Array]:
    keep_zero = bool(node.attrs.get("allowzero", 0))
    shape = [x[0].shape[i] if n == 0 and not keep_zero else n for i, n in enumerate(x[1].tolist())]
    return [x[0].reshape(shape)]


@_fold("Flatten")
def _flatten(node: Native, x: Sequence[Array]) -> list[Array]:
    axis = node.attrs.get("axis", 1)
    lead = int(np.prod(x[0].shape[:axis], dtype=np.int64))
    return [x[0].reshape(lead, -1)]


@_fold("Transpose")
def _transpose(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.transpose(x[0], node.ints("perm"))]


@_fold("Expand")
def _expand(node: Native, x: Sequence[Array]) -> list[Array]:
    shape = np.broadcast_shapes(x[0].shape, tuple(x[1].tolist()))
    if prod(shape) > LIMIT:
        return [np.broadcast_to(x[0], shape)]
    return [np.broadcast_to(x[0], shape).copy()]


@_fold("Tile")
def _tile(node: Native, x: Sequence[Array]) -> list[Array]:
    if x[0].size * prod(x[1].tolist()) > LIMIT:
        return [_too_large(x[0])]
    return [np.tile(x[0], x[1].tolist())]


def _too_large(array: Array) -> Array:
    """Stands for a result that is not folded, and takes no memory."""
    return np.broadcast_to(array.ravel()[:1], (LIMIT + 1,))


@_fold("Where")
def _where(node: Native, x: Sequence[Array]) -> list[Array]:
    return [np.where(x[0], x[1], x[2])]


@_fold("Range")
def _range(node: Native, x: Sequence[Array]) -> list[Array]:
    if abs(float(x[1].item()) - float(x[0].item())) > LIMIT * abs(float(x[2].item())):
        return [_too_large(x[0])]
    return [np.arange(x[0].item(), x[1].item(), x[2].item(), dtype=x[0].dtype)]


@_fold("ConstantOfShape")
def _constant_of_shape(node: Native, x: Sequence[Array]) -> list[Array]:
    return [filled(node, tuple(x[0].tolist()))]


def filled(node: Native, shape: tuple[int, ...]) -> Array:
    """What a ConstantOfShape node gives; one number in memory, whatever the shape."""
    value = node.attrs.get("value")
    number = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
    return np.broadcast_to(number.reshape(()), shape)


_REDUCE: dict[str, Callable[..., Array]] = {
    "ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min,
}  # fmt: skip


@_fold(*_REDUCE)
def _reduce(node: Native, x: Sequence[Array]) -> list[Array]:
    axes = node.ints("axes") or _given(x, 1)
    if axes is None and node.attrs.get("noop_with_empty_axes"):
        return [x[0]]
    keep = bool(node.attrs.get("keepdims", 1))
    result = _REDUCE[node.op_type](x[0], axis=axes, keepdims=keep)
    return [np.asarray(result).astype(x[0].dtype)]


@_fold("Split")
def _split(node: Native, x: Sequence[Array]) -> list[Array]:
    axis = node.attrs.get("axis", 0)
    sizes = node.ints("split") or _given(x, 1)
    if sizes is None:
        piece = -(-x[0].shape[axis] // len(node.proto.output))
        sizes = (piece,) * len(node.proto.output)
    elif sum(sizes) != x[0].shape[axis]:
        raise ValueError(f"pieces of {sizes} of an extent of {x[0].shape[axis]}")
    return list(np.split(x[0], np.cumsum(sizes)[:-1], axis=axis))
