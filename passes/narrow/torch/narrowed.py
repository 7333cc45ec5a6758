"""What the narrow pass gives for a PyTorch module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphprune.frontends.torch import TracedModule

Form = Literal["module", "graph"]


@dataclass(frozen=True, eq=False)
class NarrowedModule:
    """A narrowed module.

    Attributes:
        module: An nn.Module that trains, saves and exports like the original.
        traced: The narrowed module, traced with the original's example inputs.
        form: ``module`` where it still is of the user's own class, ``graph`` where it had to
            become a GraphModule with the same parameter names.
        why: Why the user's own class could not be kept, a line a reason; empty where it was.
        attributes: Attributes that changed, by qualified name (``layer1.0.conv1.out_channels``):
            before and after.
        optimizer: The one that was given, narrowed with the module, or a new one like it over the
            narrowed module's parameters; None where none was given.
        notes: What a user should know of the result, such as optimizer state that begins anew.
    """

    module: Any
    traced: TracedModule
    form: Form = "module"
    why: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    optimizer: Any = None
    notes: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why it became a GraphModule, where it did, and the notes."""
        return (*(f"became a GraphModule: {reason}" for reason in self.why), *self.notes)
