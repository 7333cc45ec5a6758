"""The verify pass: replay first, then the masked original on real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.data import Feeds, InputSpec, random_feeds

from graphprune.frontends.onnx import Lowered, lower
from graphprune.groups import Alive, Coupling
from graphprune.passes.narrow import Narrowed, materialise, narrow
from graphprune.passes.verify.masked import emulated, masked
from graphprune.passes.verify.proof import Comparison, Proof, relative_error, tolerance
from graphprune.passes.verify.replay import replay


def verify(
    lowered: Lowered,
    coupling: Coupling,
    alive: Alive,
    narrowed: Narrowed,
    *,
    feeds: Sequence[Feeds] = (),
    run: bool = True,
    runs: int = 2,
    seed: int = 0,
) -> Proof:
    """Prove that a narrowed model computes what its plan says.

    Args:
        lowered: The original.
        coupling: Of its graph.
        alive: The plan.
        narrowed: What the narrow pass made of it.
        feeds: Inputs the user gave; random ones are added.
        run: Whether to run the models at all, or only replay labels.
        runs: Number of random inputs.
        seed: Of the random inputs.

    Raises:
        BackendError: The original itself cannot be run.
        BackendUnavailable: onnxruntime is not installed.
    """
    found = lower(narrowed.as_model(), lowered.inputs)
    labels = replay(coupling, alive, found)
    approximate = {
        g.name: g.approximate for g in coupling if g.approximate and not alive[g.units].all()
    }
    limit = tolerance({v.dtype for v in lowered.graph.values.values()})
    if not run:
        return Proof(labels, None, limit, approximate, why_not_run="asked not to run")
    every = [*feeds, *_random(lowered, runs, seed)]
    partial, left_out = alive, ()
    if not emulated(lowered, coupling, alive):
        partial, left_out = _exact_part(coupling, alive), tuple(approximate)
    candidate = narrowed if partial is alive else narrow(lowered, coupling, partial)
    small = _outputs(candidate, every)
    large = _outputs(masked(lowered, coupling, partial), every)
    comparison = Comparison(_errors(small, large), len(every), len(feeds))
    shift = None
    if approximate:
        plain = _outputs(Narrowed(lowered.model.proto, {}, lowered.model), every)
        shift = max(_errors(_outputs(narrowed, every), plain).values(), default=0.0)
    return Proof(labels, comparison, limit, approximate, shift, left_out)


def _exact_part(coupling: Coupling, alive: Alive) -> Alive:
    """The plan without its approximate groups."""
    partial = alive.copy()
    for group in coupling:
        if group.approximate:
            partial[group.units] = True
    return partial


def _random(lowered: Lowered, runs: int, seed: int) -> Iterable[Feeds]:
    values = lowered.graph.values
    specs = [
        InputSpec(name, values[name].known_shape, np.dtype(values[name].dtype))
        for name in lowered.graph.inputs
    ]
    return [random_feeds(specs, seed=seed + i) for i in range(runs)]


def _outputs(model: Narrowed, feeds: Sequence[Feeds]) -> list[dict[str, Any]]:
    """What a model says to every input, without any optimisation of the engine's."""
    engine = OnnxRuntime(optimization="none").build(materialise(model).SerializeToString())
    try:
        return [engine.run(feed) for feed in feeds]
    finally:
        engine.close()


def _errors(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    worst: dict[str, float] = {}
    for left, right in zip(a, b, strict=True):
        for name, value in right.items():
            error = relative_error(np.asarray(left[name]), np.asarray(value))
            worst[name] = max(worst.get(name, 0.0), error)
    return worst


