"""One measurement of graphprune on one ONNX file: seconds a stage, or peak memory of analysis.

Seconds are the processor's: with one thread these are the clock's on a machine that does nothing
else, and they bear other work on it better. The clock's seconds of it all stand beside them.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from graphprune.budget import Budget
from graphprune.cost import CostModel
from graphprune.frontends.onnx import load, lower
from graphprune.passes.allocate import Problem, allocate, fit
from graphprune.passes.couple import couple
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.score import score
from graphprune.passes.select import select
from graphprune.passes.verify import replay

CHANNELS = 0.5


class Clock:
    """Seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Times what is inside."""
        start = time.process_time()
        yield
        self.seconds[stage] = time.process_time() - start


def prune(source: Path | ModelProto) -> dict[str, Any]:
    """Keeps half of every group's channels, from the file to whole tensors in memory.

    Returns:
        Seconds of `load`, `lower`, `couple`, `decide` (cost, scores, widths, choice of channels),
        `narrow` (the edited graph), `cut` (the tensors) and `replay` (the proof on labels), the
        clock's seconds of it all, `wall`, and `kept`, the share of the parameters that is left.
    """
    clock = Clock()
    start = time.perf_counter()
    with clock("load"):
        model = load(source)
    with clock("lower"):
        lowered = lower(model)
    with clock("couple"):
        coupling = couple(lowered.graph)
    with clock("decide"):
        cost = CostModel.of(coupling)
        scores = score("l2", coupling, lowered.contents, 0)
        bounds = Budget(channels=CHANNELS).resolve(cost.full)
        problem = Problem.of(coupling, scores, cost, bounds)
        _, selection = fit(
            problem,
            allocate("uniform", problem),
            lambda candidate: select("top", coupling, scores, candidate, 0),
        )
        alive = selection.alive
    with clock("narrow"):
        narrowed = narrow(lowered, coupling, alive)
    with clock("cut"):
        materialise(narrowed)
    with clock("replay"):
        proof = replay(coupling, alive, lower(narrowed.as_model(), lowered.inputs).graph)
    if not proof.ok:
        raise RuntimeError("; ".join(proof.failures))
    kept = cost.exact(alive).params / cost.full.params
    return {**clock.seconds, "wall": time.perf_counter() - start, "kept": kept}


def memory(path: Path) -> dict[str, Any]:
    """By how much the process's peak grows when it loads, lowers and couples a file, in bytes."""
    unit = 1024  # Linux gives ru_maxrss in KiB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    couple(lower(load(path)).graph)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": (after - before) * unit, "baseline": before * unit}


def tiny() -> ModelProto:
    """Two convolutions: pruning them imports whatever is imported when first used."""
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("a", (4, 3, 3, 3)), ("b", (2, 4, 3, 3)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Conv", ["r", "b"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 8, 8]), ("y", [1, 2, 4, 4]))
    ]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def main() -> None:
    """Prints the measurement as one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--memory", action="store_true", help="measure memory, not time")
    given = parser.parse_args()
    prune(tiny())
    print(json.dumps(memory(given.model) if given.memory else prune(given.model)))


if __name__ == "__main__":
    main()
