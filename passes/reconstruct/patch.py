"""Factors of channels as factors of the weights that read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphprune.errors import PlanMismatch
from graphprune.groups import Alive, Coupling, Layer
from graphprune.passes.select.reach import Place, reach
from graphprune.plan_fit import layer_key, layer_table
from graphprune.scores import Selection
from graphprune.terms import Floats


@dataclass(frozen=True, eq=False)
class Patch:
    """By what kept weights are multiplied. No weights are held, only the factors.

    Attributes:
        factors: By unit id, ``(units + 1,)``; 1 where nothing changes.
        places: Parameter values and the axes along which they read those units. Along an axis
            that is not listed nothing is multiplied, whatever unit lies there.
    """

    factors: Floats
    places: frozenset[Place]

    def along(self, name: str, layer: Layer) -> bool:
        """Whether the elements of a parameter are multiplied along one of its layers.

        Args:
            name: A parameter value.
            layer: One of its layers.
        """
        return (name, layer.axis) in self.places and bool((self.factors[layer.ids] != 1).any())


def patch(coupling: Coupling, selection: Selection) -> Patch | None:
    """Which weights have to be multiplied so that channels get their factors.

    Args:
        coupling: The groups.
        selection: Which units live, and their factors.

    Returns:
        The factors of weights; None where all weights stay what they are.

    Raises:
        PlanMismatch: Something reads a unit with a factor that cannot be multiplied.
    """
    if selection.factors is None:
        return None
    factors = np.where(selection.alive, selection.factors, 1.0)
    if (factors == 1).all():
        return None
    found, places = reach(coupling), set[Place]()
    left = factors != 1
    for group in coupling:
        if not left[group.units].any():
            continue
        if found[group.name].why:
            raise PlanMismatch(
                f"the channels of {group.name} cannot be given factors",
                where=f"group {group.name}: {' '.join(map(str, group.members))}",
                why=found[group.name].why,
                fix="make a new plan for this model",
            )
        places.update(found[group.name].places)
        left[group.units] = False
    if left.any():
        raise PlanMismatch(
            "channels that belong to no group have factors", fix="make a new plan for this model"
        )
    return Patch(factors, frozenset(places))


def lines(coupling: Coupling, alive: Alive, given: Patch | None) -> dict[str, dict[str, Floats]]:
    """The factors of every parameter as plans have them: one for each kept index.

    Args:
        coupling: The groups.
        alive: Whether each unit lives.
        given: The factors.

    Returns:
        By parameter and axes as :attr:`graphprune.plan.Plan.kept` has them; parameters that stay
        what they are are left out.
    """
    found: dict[str, dict[str, Floats]] = {}
    for name, axis in sorted(given.places) if given is not None else ():
        assert given is not None
        for layer in coupling.layers[name]:
            if layer.axis == axis and given.along(name, layer):
                units = layer_table(layer)
                numbers = given.factors[units[alive[units]]]
                found.setdefault(name, {})[layer_key(layer)] = numbers
    return found
