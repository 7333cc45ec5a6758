"""Tensors made while the network runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.recurrent import RECURRENT, stacked
from graphprune.frontends.torch.rules import lowers
from graphprune.ir.graph import Shape

_NUMPY = {"bool": np.bool_, "int32": np.int32, "int64": np.int64, "float64": np.float64}


@lowers(
    "zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty",
    "rand", "randn", "randint", "empty_permuted", "empty_strided",
)  # fmt: skip
def fill(call: Call, builder: Builder) -> str:
    """One number, or noise, of any extents: a scalar broadcast, so that it may be narrowed."""
    scalar = builder.constant(np.zeros((), _NUMPY.get(call.dtype(), np.float32)))
    shape = call.shape()
    if len(shape) == 3 and call.node.users and all(map(_is_recurrent, call.node.users)):
        return _states(builder, scalar, shape)
    return builder.emit("expand", [scalar], shape=shape)


def _is_recurrent(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.name.removeprefix("aten::") in RECURRENT


def _states(builder: Builder, scalar: str, shape: Shape) -> str:
    """Initial states: every layer and direction may lose other units."""
    rows, batch, size = shape
    parts = [builder.emit("expand", [scalar], shape=(1, batch, size)) for _ in range(rows)]
    return stacked(builder, parts)
