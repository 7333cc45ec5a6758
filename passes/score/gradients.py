"""What criteria that look at gradients of a loss share."""

from __future__ import annotations

from graphprune.evidence import Observer
from graphprune.groups import Coupling


def members(coupling: Coupling, observer: Observer) -> list[str]:
    """The parameters of all groups that training changes, in the order of the groups.

    Args:
        coupling: The groups.
        observer: Knows what training changes.
    """
    named = dict.fromkeys(m.param for group in coupling for m in group.members)
    return [name for name in named if name in observer.learnable]


def learnable(coupling: Coupling, observer: Observer) -> list[str]:
    """All parameters of a network that training changes, in the order of the network.

    Args:
        coupling: The network.
        observer: Knows what training changes.
    """
    params = coupling.graph.params
    return [v.name for v in params if v.name in observer.learnable and "float" in v.dtype]
