"""The masked original of a traced module: dead channels are zero where they are read.

Others get the factors that the narrowed module's weights are multiplied by.

Zeroing what *produces* a channel is not the same: norms shift, sigmoid(0) is one half. So every
contraction reads its operand through a mask; where a mean or a norm runs over channels, the
statistic is taken over the survivors, as the narrowed network takes it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from graphprune.errors import UnsupportedModel
from graphprune.frontends.torch import TracedModule
from graphprune.frontends.torch.evaluation import arguments
from graphprune.frontends.torch.regions import inlined
from graphprune.groups import Alive, Coupling, Mask
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.passes.narrow.cuts import Cut, cuts
from graphprune.passes.reconstruct import Patch
from graphprune.passes.verify.statistics import touched
from graphprune.passes.verify.torch.execution import Contents, Execution
from graphprune.passes.verify.torch.survivors import put_back, taken

_PRODUCTS = ("contract", "conv", "conv_transpose")

_Along = tuple[int, bytes, bool]  # an axis, the units along it, and whether it is averaged over
_Reading = tuple[Any, Any | None]  # what lives, and what is multiplied by; None for nothing


class Masked(Execution):
    """A traced module with every contracted operand masked.

    Args:
        traced: The original.
        coupling: Of its graph.
        alive: Whether each unit lives.
        survivors: Whether means and norms run over the channels that live, as the narrowed
            network's do; if not, over all of them, as the original's.
        patch: What the narrowed module's weights are multiplied by.
        double: Compute in float64.
        contents: Gives parameters other contents.

    Raises:
        UnsupportedModel: An operand that has to be masked is not to be found in the program.
    """

    def __init__(
        self,
        traced: TracedModule,
        coupling: Coupling,
        alive: Alive,
        *,
        survivors: bool = True,
        patch: Patch | None = None,
        double: bool = False,
        contents: Contents | None = None,
    ) -> None:
        super().__init__(traced, double=double, contents=contents)
        self.coupling, self.alive = coupling, alive
        self._factors = None if patch is None else patch.factors
        self._masks: dict[tuple[Any, Any], dict[_Along, _Reading]] = defaultdict(dict)
        self._norms: dict[Any, tuple[Node, dict[Any, tuple[Cut, ...]]]] = {}
        for mask in coupling.masks:
            if survivors or not mask.mean:
                self._place(mask)
        for node in coupling.graph.nodes:
            if survivors and touched(coupling, alive, node):
                self._norms[self._native(node)] = node, self._cuts(node)

    def _place(self, mask: Mask) -> None:
        """Note through what a call reads an operand."""
        node = self.coupling.graph.nodes[mask.node]
        name, axis = node.inputs[mask.operand], mask.axis
        if "~" in name:
            if node.family not in _PRODUCTS:
                return  # made of operands that are masked themselves
            name, axis = _other_side(node, mask)
        layer = next((x for x in self.coupling.layers.get(name, ()) if x.axis == axis), None)
        if layer is None:
            return
        living = self.alive[layer.ids]
        factors = np.ones(1) if self._factors is None else self._factors[layer.ids]
        if mask.mean:
            factors = factors * (living.shape[axis] / max(layer.extent(self.alive), 1))
        plain = bool((factors == 1).all())
        if plain and living.all():
            return
        native = self._native(node)
        reading = torch.from_numpy(living), None if plain else torch.from_numpy(factors)
        for operand in self._operands(native, name):
            # A call that multiplies one operand by several weights reads it once.
            self._masks[native, operand][axis, layer.ids.tobytes(), mask.mean] = reading

    def _operands(self, native: Any, name: str) -> list[Any]:
        """The arguments of a call that stand for a value."""
        values = self.traced.values
        read = native.all_input_nodes
        # What is written into later stands for its last contents, but is called like its first.
        found = [n for n in read if values.get(n) == name] or [n for n in read if n.name == name]
        if not found:
            raise UnsupportedModel(
                f"'{native}' cannot be run on masked operands",
                why=f"none of its arguments is known to be '{name}'",
                fix="skip the run; the proof on labels does not need it",
            )
        return found

    def _cuts(self, node: Node) -> dict[Any, tuple[Cut, ...]]:
        """What survives of each argument of a norm."""
        native = self._native(node)
        return {
            operand: cuts(self.coupling, name, self.alive)
            for name in node.inputs
            if name
            for operand in self._operands(native, name)
        }

    def _native(self, node: Node) -> Any:
        """The call that a node was lowered from; within a region the call inside."""
        found, module = self.traced.nodes[node.origin[-1]], self.traced.program.graph_module
        path = next(name for name in node.outputs if name).split("/")[1:]
        while path and (region := inlined(found, module)) is not None:
            module = region[0]
            name = path.pop(0).partition("~")[0]
            found = next(n for n in module.graph.nodes if n.name == name)
            if getattr(found.target, "__name__", "") == "getitem":
                found = found.args[0]
        return found

    def fetch_args_kwargs_from_env(self, n: Any) -> tuple[Any, Any]:
        """The arguments of a call as the masked network reads them."""

        def read(operand: Any) -> Any:
            tensor = self.env[operand]
            if n in self._norms:
                return taken(tensor, self._norms[n][1].get(operand, ()))
            for living, factors in self._masks.get((n, operand), {}).values():
                living = living.to(tensor.device)
                zero = torch.zeros((), dtype=tensor.dtype, device=tensor.device)
                if factors is not None:
                    tensor = tensor * factors.to(tensor.device, tensor.dtype)
                # Dead elements may be infinite, which zero times them is not.
                tensor = torch.where(living, tensor, zero)
            return tensor

        return torch.fx.node.map_arg(n.args, read), torch.fx.node.map_arg(n.kwargs, read)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator, a norm on what survives of its operands."""
        if self.current not in self._norms:
            return super().call_function(target, args, kwargs)
        named = _resized(arguments(target, args, kwargs) or {})
        result = super().call_function(target, (), named)
        node, _ = self._norms[self.current]
        name = node.outputs[0]
        wanted = cuts(self.coupling, name, self.alive)
        shape = self.coupling.graph.values[name].known_shape
        flat, spec = pytree.tree_flatten(result)
        return pytree.tree_unflatten([put_back(flat[0], wanted, shape), *flat[1:]], spec)


def _resized(named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a norm, with the sizes of its first operand."""
    shape = named["input"].shape
    if "normalized_shape" in named:
        count = len(named["normalized_shape"])
        return named | {"normalized_shape": list(shape[len(shape) - count :])}
    if "HxW" in named:
        return named | {"C": shape[1], "HxW": shape[2:].numel()}
    return named


def _other_side(node: Node, mask: Mask) -> tuple[str, int]:
    """The operand that meets one which exists within the call only, and its contracted axis."""
    if node.op != "contract":
        return node.inputs[1], 1 if node.op == "conv" else 0
    words = letters(node)
    other = 1 - mask.operand
    return node.inputs[other], words[other].index(words[mask.operand][mask.axis])
