"""Plans drawn at random, and the two ways to say what a plan means.

One is the verify pass; the other knows nothing of it: the weights that read dead channels are set
to zero, and those that read others multiplied by their factors, in a copy of the model, which is
run as it is.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from onnx import numpy_helper

from graphprune.data import Array
from graphprune.execution import execute, execute_float64
from graphprune.groups import Alive, Coupling
from graphprune.inspection import Inspection
from graphprune.passes.narrow import narrow
from graphprune.passes.reconstruct import Patch
from graphprune.passes.select import reach
from graphprune.passes.verify import Proof, Trial, verify
from graphprune.scores import Selection

Widths = Literal["some", "one", "half"]


def drawn(coupling: Coupling, seed: int, widths: Widths = "some") -> Alive:
    """Random units of random, smallest or half the width; as many in every row of a group."""
    rng, alive = np.random.default_rng(seed), coupling.everything()
    for group in coupling:
        some = int(rng.integers(1, group.width + 1))
        counts = {"some": some, "one": 1, "half": (group.width + 1) // 2}
        for row in group.units:
            alive[rng.permutation(row)[counts[widths] :]] = False
    return alive


def reweighted(coupling: Coupling, alive: Alive, seed: int) -> Selection:
    """Random factors for all channels whose readers can be multiplied; every fifth is 0."""
    rng, found = np.random.default_rng(seed), reach(coupling)
    factors = np.ones(coupling.units + 1)
    for group in coupling:
        if not found[group.name].why:
            numbers = rng.uniform(0.2, 2, group.units.shape)
            factors[group.units] = np.where(rng.random(group.units.shape) < 0.2, 0, numbers)
    return Selection(alive, factors)


def proven(
    found: Inspection[Any],
    alive: Alive,
    *,
    runs: int = 1,
    seed: int = 0,
    patch: Patch | None = None,
) -> Proof:
    """The verdict on a plan."""
    narrowed = narrow(found.lowered, found.coupling, alive, patch)
    trial = Trial(execute, runs=runs, seed=seed, precise=execute_float64)
    return verify(found.lowered, found.coupling, alive, narrowed, trial, patch)


def consumers_are_weights(coupling: Coupling) -> bool:
    """Whether all that reads removable channels are weights, none of which also makes them."""
    nodes, values = coupling.graph.nodes, coupling.graph.values
    for mask in coupling.masks:
        node = nodes[mask.node]
        if node.family not in ("conv", "conv_transpose", "contract"):
            return False
        if values[node.inputs[1 - mask.operand]].kind != "param":
            return False
    return all(group.exact for group in coupling)


def with_zeroed_consumers(
    found: Inspection[Any], model: onnx.ModelProto, alive: Alive, factors: Array | None = None
) -> onnx.ModelProto:
    """The model, with zeros where its weights read dead channels, times the factors of others."""
    weights = alive if factors is None else alive * factors
    coupling, copy = found.coupling, onnx.ModelProto()
    copy.CopyFrom(model)
    tensors = {t.name: t for t in copy.graph.initializer}
    readers = {(m.param, m.axis) for g in coupling for m in g.members if m.role == "in"}
    for param, axis in readers:
        tensor = tensors[coupling.graph.values[param].source]
        layer = next(z for z in coupling.layers[param] if z.axis == axis)
        dtype = numpy_helper.to_array(tensor).dtype
        zeroed = numpy_helper.to_array(tensor) * weights[layer.ids]
        tensor.CopyFrom(numpy_helper.from_array(zeroed.astype(dtype, copy=False), tensor.name))
    return copy
