"""Quantised networks."""

from __future__ import annotations

import numpy as np

from tests.nets.draft import Draft
from tests.nets.registry import net


def _activation(m: Draft, x: str) -> str:
    scale, zero = m.number(0.05), m.tensor(m.name("zero"), np.array(0, np.int8))
    return m.op("DequantizeLinear", m.op("QuantizeLinear", x, scale, zero), scale, zero)


def _weight(m: Draft, *shape: int, axis: int = 0) -> str:
    base, n = m.name("q"), shape[axis]
    w = m.tensor(base, m.rng.integers(-127, 128, shape).astype(np.int8))
    scale = m.tensor(f"{base}.scale", m.rng.uniform(0.001, 0.004, n))
    zero = m.tensor(f"{base}.zero", np.zeros(n, np.int8))
    return m.op("DequantizeLinear", w, scale, zero, axis=axis)


@net
def quantised_convs(m: Draft) -> None:
    x = _activation(m, m.input("x", 1, 3, 5, 5))
    x = m.op("Conv", x, _weight(m, 8, 3, 3, 3), m.param("ba", 8), pads=[1, 1, 1, 1])
    x = _activation(m, m.op("Relu", x))
    y = m.op("Conv", x, _weight(m, 8, 8, 3, 3), m.param("bb", 8), pads=[1, 1, 1, 1])
    x = _activation(m, m.op("Add", x, _activation(m, y)))
    m.output(m.op("Conv", x, _weight(m, 4, 8, 1, 1)))


@net
def quantised_linear(m: Draft) -> None:
    x = m.op("MatMul", m.input("x", 2, 3), _weight(m, 3, 8, axis=1))
    x = _activation(m, m.op("Relu", x))
    m.output(m.op("MatMul", x, _weight(m, 8, 4, axis=1)))


@net
def quantised_rows(m: Draft) -> None:
    x = m.op("Relu", m.linear(m.input("x", 2, 3), 8))
    x = m.op("MatMul", x, _weight(m, 8, 6, axis=0))
    m.output(m.linear(m.op("Relu", x), 4))
