"""Plans that hold channels which the original has not: only a module can be rebuilt by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from graphprune.copies import FRESH, counted, marked
from graphprune.errors import PlanMismatch
from graphprune.groups import Copies, Coupling, Ids, Left
from graphprune.plan_fit import Expected, Fit, Kept, Wording, layer_key, layer_table, param_layers
from graphprune.plan_json import PlannedGroup


def grows(groups: Sequence[PlannedGroup]) -> bool:
    """Whether a plan makes any group wider than it is."""
    return any(group.kept > group.width for group in groups)


def refuse_growth(groups: Sequence[PlannedGroup], kind: str) -> None:
    """Refuses to narrow by a plan that makes groups wider.

    Args:
        groups: Of the plan.
        kind: What it would be applied to: ``onnx`` or ``torch``.

    Raises:
        PlanMismatch: The plan grows.
    """
    wider = [str(group) for group in groups if group.kept > group.width]
    if wider:
        raise PlanMismatch(
            "the plan makes layers wider than they are",
            where=", ".join(wider[:4]) + (f" and {len(wider) - 4} more" if wider[4:] else ""),
            why="new channels need fresh weights, and "
            + ("a file" if kind == "onnx" else "pruning")
            + " has none to give",
            fix="rebuild the module by the plan and export that: "
            "graphprune.apply(module, plan, example_inputs).model",
        )


def kept_indices(coupling: Coupling, left: Left) -> dict[str, dict[str, Ids]]:
    """What is kept of every parameter that loses or gains something, by axis.

    Args:
        coupling: The network's groups.
        left: Whether each unit lives, or how many channels stand for it.

    Returns:
        As :attr:`graphprune.plan.Plan.kept`; -1 stands for an element that is new.
    """
    kept: dict[str, dict[str, Ids]] = {}
    for name, layer in param_layers(coupling):
        amounts = left[layer_table(layer)]
        if (amounts == 1).all():
            continue
        index = np.argwhere(amounts) if layer.rows else marked(layer.line, amounts.reshape(-1))
        kept.setdefault(name, {})[layer_key(layer)] = index
    return kept


def copies_by_plan(
    coupling: Coupling, kept: Mapping[str, Kept], groups: Sequence[PlannedGroup], wording: Wording
) -> Copies:
    """How many channels stand for each unit of a fresh copy of the model.

    Args:
        coupling: The copy's groups.
        kept: What the plan keeps of every parameter.
        groups: The plan's groups.
        wording: For messages.

    Raises:
        PlanMismatch: The plan was made for another model.
    """
    names = dict.fromkeys((*kept, *(name for name, _ in param_layers(coupling))))
    old = [Expected(name, _without_fresh(kept.get(name, {}))) for name in names]
    limited = [replace(group, kept=min(group.kept, group.width)) for group in groups]
    copies = Fit(coupling, old, limited, wording).alive.astype(np.int64)
    for name, layer in param_layers(coupling):
        index = kept.get(name, {}).get(layer_key(layer))
        if index is not None and index.ndim == 1 and (index == FRESH).any():
            try:
                found = counted(layer.line, index)
            except ValueError as error:
                raise _mismatch(f"axis {layer_key(layer)} of {name}: {error}", wording) from error
            copies[list(found)] = list(found.values())
    _check(coupling, copies, kept, groups, wording)
    return copies


def _without_fresh(axes: Kept) -> dict[str, Ids]:
    return {key: i[i != FRESH] if i.ndim == 1 else i for key, i in axes.items()}


def _check(
    coupling: Coupling,
    copies: Copies,
    kept: Mapping[str, Kept],
    groups: Sequence[PlannedGroup],
    wording: Wording,
) -> None:
    """What was found has to be all that the plan says, and nothing else."""
    again = kept_indices(coupling, copies)
    for name in dict.fromkeys((*kept, *again)):
        mine, theirs = again.get(name, {}), kept.get(name, {})
        if mine.keys() != theirs.keys() or any(
            not np.array_equal(mine[key], theirs[key]) for key in mine
        ):
            raise _mismatch(
                f"the channels of {name} are not those of what it is coupled with", wording
            )
    planned = sorted((g.rows, g.width, g.kept) for g in groups if g.kept != g.width)
    counts = [(g.rows, g.width, int(copies[g.units[0]].sum())) for g in coupling]
    if planned != sorted(line for line in counts if line[1] != line[2]):
        raise _mismatch("the groups of the plan are not those of the model", wording)


def _mismatch(what: str, wording: Wording) -> PlanMismatch:
    return PlanMismatch(what, why=wording.why, fix=wording.fix)
