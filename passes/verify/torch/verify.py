"""The verify pass for PyTorch modules: replay first, then the masked original on inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import Example, TracedModule
from graphprune.groups import Alive, Coupling, Left
from graphprune.passes.narrow.torch import NarrowedModule
from graphprune.passes.reconstruct import Patch
from graphprune.passes.verify.proof import Comparison, Proof, relative_error, tolerance
from graphprune.passes.verify.replay import replay
from graphprune.passes.verify.torch.align import aligned
from graphprune.passes.verify.torch.execution import Execution
from graphprune.passes.verify.torch.masked import Masked
from graphprune.passes.verify.torch.trial import ModuleTrial, run

Tensors = list[Any]
_RANDOM = "the module draws random numbers in evaluation mode: two runs differ"
_NOT_FINITE = "no output is finite on these inputs; give others"


@dataclass(frozen=True, eq=False)
class _Case:
    """What is proven, and on which inputs."""

    traced: TracedModule
    coupling: Coupling
    alive: Alive
    narrowed: NarrowedModule
    feeds: Sequence[Example]
    given: int
    patch: Patch | None

    def masked(self, *, survivors: bool = True, double: bool = False) -> list[Tensors]:
        """What the masked original gives."""
        original = Masked(
            self.traced,
            self.coupling,
            self.alive,
            survivors=survivors,
            patch=self.patch,
            double=double,
        )
        return [original.outputs(feed) for feed in self.feeds]

    def errors(self, small: list[Tensors], large: list[Tensors]) -> dict[str, float]:
        """The largest relative error of every output."""
        worst: dict[str, float] = {}
        for left, right in zip(small, large, strict=True):
            for name, error in zip(self._names(right), _errors(left, right), strict=True):
                worst[name] = max(worst.get(name, 0.0), error)
        return worst

    def _names(self, tensors: Tensors) -> list[str]:
        """Of the outputs, by the graph; by their positions where a tensor is returned twice."""
        names = self.traced.graph.outputs
        unique = len(set(names)) == len(names) == len(tensors)
        return list(names) if unique else [str(i) for i in range(len(tensors))]


def verify_module(
    traced: TracedModule,
    coupling: Coupling,
    alive: Left,
    narrowed: NarrowedModule,
    trial: ModuleTrial | None,
    patch: Patch | None = None,
) -> Proof:
    """Prove that a narrowed module computes what its plan (the units alive, factors) says.

    The proof on labels checks that channels which meet are the same by the plan; labels cannot
    tell which numbers a parameter holds, the run can.

    Args:
        traced: The original.
        coupling: Of its graph.
        alive: The plan: whether each unit lives, or how many channels stand for it.
        narrowed: What the narrow pass made of it.
        trial: What to run the modules on; None to replay labels only.
        patch: What kept weights are multiplied by; only the run proves that.

    Raises:
        BackendError: A module fails when it is run.
    """
    labels = replay(coupling, alive, aligned(traced, narrowed.traced))
    touched = (g for g in coupling if g.approximate and (alive[g.units] != 1).any())
    approximate = {g.name: g.approximate for g in touched}
    dtypes = {value.dtype for value in traced.graph.values.values()}
    proof = Proof(labels, None, tolerance(dtypes), approximate, why_not_run="asked not to run")
    if trial is None:
        return proof
    feeds = trial.inputs(traced.example)
    given = len(trial.feeds)
    with torch.random.fork_rng():
        return _run(_Case(traced, coupling, alive > 0, narrowed, feeds, given, patch), proof)


def _run(case: _Case, proof: Proof) -> Proof:
    """The proof on labels completed by what the modules compute."""
    try:
        large = case.masked()
    except UnsupportedModel as error:
        return replace(proof, why_not_run=f"{error.what}: {error.why}")
    small = [run(case.narrowed.module, feed) for feed in case.feeds]
    if not any(_finite(tensor) for tensors in large for tensor in tensors):
        return replace(proof, why_not_run=_NOT_FINITE)
    if proof.approximate:
        shift = max(case.errors(small, case.masked(survivors=False)).values(), default=0.0)
        proof = replace(proof, shift=shift)
    comparison = Comparison(case.errors(small, large), len(case.feeds), case.given)
    if comparison.worst > proof.tolerance:
        if _is_random(case, (small, large), proof.tolerance / 10):
            return replace(proof, why_not_run=_RANDOM)
        comparison = _precisely(case, comparison, small)
    limit = tolerance({"float64"}) if comparison.precision == "float64" else proof.tolerance
    return replace(proof, masked=comparison, tolerance=limit, why_not_run="")


def _is_random(case: _Case, first: tuple[list[Tensors], list[Tensors]], limit: float) -> bool:
    """Whether the same inputs give other outputs when they are run again."""
    again = [run(case.narrowed.module, feed) for feed in case.feeds], case.masked()
    moved = (case.errors(a, b) for a, b in zip(again, first, strict=True))
    return max(error for errors in moved for error in errors.values()) > limit


def _precisely(case: _Case, doubtful: Comparison, small: list[Tensors]) -> Comparison:
    """The comparison again in float64, where rounding cannot hide or feign a mistake.

    Both programs are run, because a module may ask for float32 by name. The narrowed program has
    to give what its module gives.
    """
    limit = tolerance({"float32"})
    program = Execution(case.narrowed.traced)
    own = case.errors([program.outputs(feed) for feed in case.feeds], small)
    if max(own.values(), default=0.0) > limit:
        return doubtful
    wide = Execution(case.narrowed.traced, double=True)
    try:
        large = case.masked(double=True)
        errors = case.errors([wide.outputs(feed) for feed in case.feeds], large)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        why = str(error).partition("\n")[0]
        return replace(doubtful, precision=f"native; not float64: {why}")
    return Comparison(errors, doubtful.runs, doubtful.given, "float64", doubtful.worst)


def _errors(small: Tensors, large: Tensors) -> list[float]:
    if len(small) != len(large):
        return [float("inf")] * len(large)
    return [relative_error(_array(a), _array(b)) for a, b in zip(small, large, strict=True)]


def _array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array; types that NumPy does not know are widened."""
    tensor = tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point() and tensor.dtype is not torch.float64:
        tensor = tensor.to(torch.float32)
    return np.asarray(tensor.numpy())


def _finite(tensor: Any) -> bool:
    """Whether there is anything to compare."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).any())
