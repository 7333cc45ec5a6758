"""The verify pass: replay first, then the masked original on real inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from graphprune.data import Feeds, InputSpec, random_feeds
from graphprune.errors import BackendError, BadData
from graphprune.frontends.onnx import Lowered, lower
from graphprune.groups import Alive, Coupling
from graphprune.passes.narrow import Narrowed, fits, materialise, narrow
from graphprune.passes.reconstruct import Patch
from graphprune.passes.verify.double import to_float64
from graphprune.passes.verify.masked import masked
from graphprune.passes.verify.proof import Comparison, Proof, relative_error, tolerance
from graphprune.passes.verify.replay import replay
from graphprune.passes.verify.statistics import emulated

_HALVES = {"float16", "bfloat16"}  # float64 would not compute what such a model computes
Outputs = list[dict[str, Any]]
Execute = Callable[[onnx.ModelProto | Narrowed, Sequence[Feeds]], Outputs]
"""Runs a model on every feed, without optimisations that move results by rounding.

It gets whole models, but for those that exceed what one proto can hold.
"""


@dataclass(frozen=True, eq=False)
class Trial:
    """How the models are run.

    Attributes:
        execute: Runs a model; the room of engines is further down, so it is handed in.
        feeds: Inputs the user gave; random ones are added.
        runs: Number of random inputs.
        seed: Of the random inputs.
        precise: Runs a float64 model, for when float32 cannot tell a mistake from rounding.
        float64: Compare in float64 from the start.
    """

    execute: Execute
    feeds: Sequence[Feeds] = ()
    runs: int = 2
    seed: int = 0
    precise: Execute | None = None
    float64: bool = False

    def inputs(self, lowered: Lowered) -> list[Feeds]:
        """Given inputs first, random ones after them.

        Raises:
            BadData: An input is no tensor of numbers.
        """
        values = lowered.graph.values
        try:
            specs = [
                InputSpec(name, values[name].known_shape, np.dtype(values[name].dtype))
                for name in lowered.graph.inputs
            ]
        except (TypeError, ValueError) as error:
            raise BadData(
                "no random inputs can be drawn for this model",
                why=f"an input is no tensor of numbers: {error}",
                fix="skip the run: --no-run proves the result on labels only",
            ) from error
        drawn = [random_feeds(specs, seed=self.seed + i) for i in range(self.runs)]
        return [*self.feeds, *drawn]


def verify(
    lowered: Lowered,
    coupling: Coupling,
    alive: Alive,
    narrowed: Narrowed,
    trial: Trial | None,
    patch: Patch | None = None,
) -> Proof:
    """Prove that a narrowed model computes what its plan (the units alive, factors) says.

    The proof on labels says nothing of factors: only the run does.

    Args:
        lowered: The original.
        coupling: Of its graph.
        alive: The plan.
        narrowed: What the narrow pass made of it.
        trial: How to run the models; None to replay labels only.
        patch: What kept weights are multiplied by.

    Raises:
        BackendError: The original itself cannot be run.
    """
    labels = replay(coupling, alive, lower(narrowed.as_model(), lowered.inputs).graph)
    touched = (g for g in coupling if g.approximate and not alive[g.units].all())
    approximate = {g.name: g.approximate for g in touched}
    silent = "asked not to run"
    proof = Proof(labels, None, tolerance(_dtypes(lowered)), approximate, why_not_run=silent)
    if trial is None:
        return proof
    return _run(_Case(lowered, coupling, alive, patch), narrowed, trial, proof)


@dataclass(frozen=True, eq=False)
class _Case:
    """An original and its plan."""

    lowered: Lowered
    coupling: Coupling
    alive: Alive
    patch: Patch | None

    @property
    def emulated(self) -> bool:
        """Whether every statistic the plan touches can be taken over survivors."""
        return emulated(self.lowered, self.coupling, self.alive)

    def narrowed(self) -> Narrowed:
        """What the plan makes of the original."""
        return narrow(self.lowered, self.coupling, self.alive, self.patch)

    def masked(self, *, survivors: bool = True) -> Narrowed:
        """What the narrowed model has to equal."""
        return masked(
            self.lowered, self.coupling, self.alive, survivors=survivors, patch=self.patch
        )


def _run(case: _Case, narrowed: Narrowed, trial: Trial, proof: Proof) -> Proof:
    """The proof on labels completed by what the models compute."""
    feeds = trial.inputs(case.lowered)
    small = trial.execute(_model(narrowed), feeds)
    if proof.approximate:
        proof = replace(proof, shift=_shift(case, small, trial, feeds))
    known: dict[str, float] = {}
    if not case.emulated:
        # The file itself can at least be compared with what the plan makes of the original.
        found = _errors(small, trial.execute(_model(case.narrowed()), feeds))
        known = {k: error for k, error in found.items() if not error <= proof.tolerance}
        case = replace(case, alive=_exact_part(case.coupling, case.alive))
        proof = replace(proof, left_out=tuple(proof.approximate))
        narrowed = case.narrowed()
        small = trial.execute(_model(narrowed), feeds)
    reference = case.masked()
    large = trial.execute(_model(reference), feeds)
    if not any(_finite(array) for outputs in large for array in outputs.values()):
        return replace(proof, why_not_run="no output is finite on these inputs; give others")
    comparison = Comparison(_errors(small, large), len(feeds), len(trial.feeds))
    dtypes = _dtypes(case.lowered)
    if (trial.float64 or comparison.worst > proof.tolerance) and not dtypes & _HALVES:
        comparison = _precisely(narrowed, reference, comparison, trial, feeds)
    limit = tolerance({"float64"}) if comparison.precision == "float64" else proof.tolerance
    comparison = replace(comparison, errors={**comparison.errors, **known})
    return replace(proof, masked=comparison, tolerance=limit, why_not_run="")


def _dtypes(lowered: Lowered) -> set[str]:
    return {v.dtype for v in lowered.graph.values.values()}


def _shift(case: _Case, small: Outputs, trial: Trial, feeds: Sequence[Feeds]) -> float:
    """How far outputs move because statistics run over survivors instead of all channels."""
    plain = trial.execute(_model(case.masked(survivors=False)), feeds)
    return max(_errors(small, plain).values(), default=0.0)


def _model(narrowed: Narrowed) -> onnx.ModelProto | Narrowed:
    """The whole model where one proto can hold it."""
    return materialise(narrowed) if fits(narrowed) else narrowed


def _precisely(
    narrowed: Narrowed,
    reference: Narrowed,
    doubtful: Comparison,
    trial: Trial,
    feeds: Sequence[Feeds],
) -> Comparison:
    """The comparison again in float64, where rounding cannot hide or feign a mistake."""
    if trial.precise is None:
        return doubtful
    if not (fits(narrowed) and fits(reference)):
        return replace(doubtful, precision="native; not float64: the model exceeds one proto")
    wide = [{k: _widened(v) for k, v in feed.items()} for feed in feeds]
    try:
        models = [to_float64(materialise(model)) for model in (narrowed, reference)]
        small, large = (trial.precise(model, wide) for model in models)
    except BackendError as error:
        return replace(doubtful, precision=f"native; not float64: {error.why or error.what}")
    errors = _errors(small, large)
    return Comparison(errors, doubtful.runs, doubtful.given, "float64", doubtful.worst)


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _finite(array: NDArray[Any]) -> bool:
    """Whether there is anything to compare."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).any())


def _exact_part(coupling: Coupling, alive: Alive) -> Alive:
    """The plan without its approximate groups."""
    partial = alive.copy()
    for group in coupling:
        if group.approximate:
            partial[group.units] = True
    return partial


def _errors(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    worst: dict[str, float] = {}
    for left, right in zip(a, b, strict=True):
        for name, value in right.items():
            error = relative_error(np.asarray(left[name]), np.asarray(value))
            worst[name] = max(worst.get(name, 0.0), error)
    return worst
