"""Elementwise operations, norms and reductions: bypassed, or sums of what they join."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from graphprune.ir.graph import Shape
from graphprune.passes.linearise.flow import Arrays, Linear, Step, rule
from graphprune.terms import Floats

_SUMS = ("add", "sub", "subtract", "rsub", "sum", "mean", "iadd", "isub")


@rule("pointwise")
def pointwise(step: Step) -> Linear:
    """Sums and differences add up, products pass what is not their gate, functions pass all."""
    shape = step.shapes[0]
    found = [i for i, operand in enumerate(step.operands) if operand is not None]
    member = step.node.op.partition(".")[2]
    if len(found) > 1 and member not in _SUMS:
        raise step.unsupported("it joins several activations and is neither a sum nor a product")
    scale = 1 / len(found) if member == "mean" else 1.0
    parts = [np.broadcast_to(step.operand(i), shape) for i in found]
    result = scale * sum(parts, np.zeros(()))

    def pull(given: Sequence[Floats]) -> Arrays:
        gradients: list[Floats | None] = [None] * len(step.operands)
        for i in found:
            gradients[i] = _gathered(scale * given[0], step.operand(i).shape)
        return gradients

    return Linear([np.asarray(result)], pull)


def _gathered(gradient: Floats, shape: Shape) -> Floats:
    """The sum over what an operand was broadcast along."""
    lead = gradient.ndim - len(shape)
    spread = tuple(i + lead for i, n in enumerate(shape) if n == 1 < gradient.shape[i + lead])
    total = gradient.sum(axis=(*range(lead), *spread), keepdims=True)
    return np.asarray(total.reshape(shape))


@rule(
    "batch_norm", "instance_norm", "group_norm", "layer_norm", "lrn", "softmax", "quantize",
    "dequantize",
)  # fmt: skip
def bypassed(step: Step) -> Linear:
    """The first operand passes."""
    rest = [None] * (len(step.operands) - 1)
    return Linear([step.first] * len(step.shapes), lambda given: [np.sum(given, axis=0), *rest])


@rule("reduce")
def reduce(step: Step) -> Linear:
    """Sums add up; whatever else brings many to one counts as their mean."""
    x, axes = step.first, step.node.ints("axes")
    count = prod(x.shape[axis] for axis in axes)
    scale = 1.0 if step.node.op == "reduce.sum" else 1 / max(1, count)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))

    def pull(given: Sequence[Floats]) -> Arrays:
        back = np.broadcast_to(scale * given[0].reshape(kept), x.shape)
        return [np.array(back), *[None] * (len(step.operands) - 1)]

    return Linear([scale * x.sum(axis=axes).reshape(step.shapes[0])], pull)
