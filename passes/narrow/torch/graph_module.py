"""A traced module as a narrower torch.fx.GraphModule, for modules that cannot say it themselves."""

from __future__ import annotations

import copy
from typing import Any

import torch

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule
from graphprune.groups import Coupling, Left
from graphprune.passes.narrow.torch.rewrite.check import check
from graphprune.passes.narrow.torch.rewrite.emit import Emission
from graphprune.passes.narrow.torch.rewrite.form import CallForm, FormCodeGen
from graphprune.passes.narrow.torch.rewrite.plan import Planned
from graphprune.passes.narrow.torch.rewrite.store import dumped, loaded
from graphprune.passes.narrow.torch.rewrite.tree import containers
from graphprune.passes.reconstruct import Patch

_TENSORS = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")
_OWN = ("meta", "shape_env", "_code", "_form", "_graph")


class RewrittenModule(torch.fx.GraphModule):  # type: ignore[misc]
    """A module whose ``forward`` is a traced graph, called and saved like the original.

    Signature, structure of inputs and outputs, names of parameters and buffers, and the paths of
    sub-modules are the original's; the sub-modules' classes are not: they are plain containers.

    ``train`` and ``eval`` work on the module and on every container: dropout, batch and instance
    normalisation follow the mode of the module they were traced in. What was not there in the
    mode the module was traced in stays away: a module traced for evaluation has lost stochastic
    depth and the dropout within scaled dot-product attention for good. Within regions of their
    own (``no_grad``, ``autocast``) operators keep the mode they were traced in.

    Attributes:
        graph: The graph, with flat inputs and outputs.
    """

    def __init__(self, tree: Any, graph: Any, form: CallForm) -> None:
        """Makes the module.

        Args:
            tree: Holds the tensors and sub-modules; they are taken over.
            graph: Reads them by name.
            form: How the module is called.
        """
        super().__init__(torch.nn.Module(), torch.fx.Graph(), "RewrittenModule")
        for name in _TENSORS:
            self.__dict__[name] = tree.__dict__[name]
        self._form = form
        graph.set_codegen(FormCodeGen(form))
        self.graph = graph

    def __deepcopy__(self, memo: dict[int, Any]) -> RewrittenModule:
        """Copies everything, also what the graph does not read."""
        made = RewrittenModule(torch.nn.Module(), copy.deepcopy(self.graph), self._form)
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self._state(), memo))
        return made

    def __copy__(self) -> RewrittenModule:
        """Shares tensors and sub-modules, not the tables that name them."""
        made = RewrittenModule(torch.nn.Module(), self.graph, self._form)
        made.__dict__.update(self._state())
        for name in ("_parameters", "_buffers", "_modules"):
            made.__dict__[name] = dict(self.__dict__[name])
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Saves the graph as data."""
        return _restored, (dumped(self.graph), self._form, self._state())

    def _state(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_graph"}


def _restored(nodes: Any, form: CallForm, state: dict[str, Any]) -> RewrittenModule:
    """A module from what was saved of it."""
    made = RewrittenModule(torch.nn.Module(), loaded(nodes), form)
    made.__dict__.update(state)
    return made


def rewritten(
    traced: TracedModule, coupling: Coupling, alive: Left, patch: Patch | None = None
) -> RewrittenModule:
    """The narrowed module as a graph module.

    Args:
        traced: The module, traced; it is only read.
        coupling: Of its graph.
        alive: Whether each unit lives, by unit id.
        patch: What kept weights are multiplied by.

    Raises:
        UnsupportedModel: An operator has no words for what the plan wants of it; the message
            names the call and the line it comes from.
    """
    planned = Planned(traced, coupling, alive)
    tree = containers(planned, patch)
    _refuse_reserved(tree)
    emission = Emission(planned, tree)
    flat = emission.program()
    check(planned, tree, flat.graph, emission.origin, flat.inputs)
    return RewrittenModule(tree, flat.graph, CallForm.of(traced))


def _refuse_reserved(tree: Any) -> None:
    """Names that a GraphModule has for itself.

    Raises:
        UnsupportedModel: The module has a part of such a name.
    """
    for name in (*tree._parameters, *tree._buffers, *tree._modules):
        if hasattr(torch.fx.GraphModule, name) or name in _OWN:
            raise UnsupportedModel(
                f"a part of the module is called '{name}'",
                why="a torch.fx.GraphModule has something of that name itself",
                fix="give the part another name, or exclude what makes a GraphModule necessary",
            )
