"""The proof that a module was rebuilt with the widths that were asked for.

Labels first, as for every narrowed module. Then its function: with every new channel a copy of an
old one, and every reader of both at half the weight, it has to compute what the original computes
without the channels that it lost. Last it is traced and coupled on its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphprune.cost import CostModel
from graphprune.frontends.torch import TracedModule
from graphprune.groups import Copies, Coupling
from graphprune.passes.couple import couple
from graphprune.passes.narrow.torch import NarrowedModule
from graphprune.passes.narrow.torch.preserving import preserving, unpreservable
from graphprune.passes.verify.proof import Proof
from graphprune.passes.verify.torch.trial import ModuleTrial
from graphprune.passes.verify.torch.verify import verify_module


def verify_rebuilt(
    traced: TracedModule,
    coupling: Coupling,
    copies: Copies,
    narrowed: NarrowedModule,
    trial: ModuleTrial | None,
) -> Proof:
    """Prove that a module is the original with other widths.

    Args:
        traced: The original.
        coupling: Of its graph.
        copies: How many channels stand for each unit.
        narrowed: The rebuilt module; new channels hold what the one that they stand beside holds.
        trial: What to run the modules on; None to replay labels only.
    """
    proof = verify_module(traced, coupling, copies, narrowed, None)
    failures = _recoupled(coupling, copies, narrowed.traced)
    if failures:
        labels = replace(proof.replay, ok=False, failures=(*proof.replay.failures, *failures))
        proof = replace(proof, replay=labels)
    if trial is None or not proof.ok:
        return proof
    hindrance = unpreservable(coupling, copies)
    if hindrance:
        return replace(proof, why_not_run=hindrance)
    with preserving(traced, coupling, copies, narrowed):
        return verify_module(traced, coupling, copies, narrowed, trial)


def _recoupled(coupling: Coupling, copies: Copies, after: TracedModule) -> tuple[str, ...]:
    """What the rebuilt network, coupled on its own, has otherwise than was asked."""
    again, failures = couple(after.graph), []
    wanted, found = CostModel.of(coupling).exact(copies), CostModel.of(again).full
    if wanted != found:
        failures.append(f"it costs {found}, its widths should cost {wanted}")
    widths = {frozenset(map(str, g.members)): g.width for g in again if g.rows == 1}
    for group in coupling:
        asked = int(np.sum(copies[group.units[0]]))
        width = widths.get(frozenset(map(str, group.members)), asked)
        if group.rows == 1 and width != asked:
            failures.append(f"{group.name} has {width} channels, {asked} were asked for")
    return tuple(failures)
