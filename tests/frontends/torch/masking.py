"""The masked oracle on a traced module: what dead channels hold must not matter.

Every contraction reads its operand through a mask; then all entries of all parameters that belong
to dead units are replaced by noise. If the coupling is right, no output changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from graphprune.frontends.torch import TracedModule
from graphprune.groups import Alive, Coupling
from graphprune.ir import Node
from graphprune.ir.shapes import letters

Masks = dict[int, list[tuple[str, Any]]]
_PRODUCTS = ("contract", "conv", "conv_transpose")


def draw(coupling: Coupling, seed: int = 0, exact: bool = True) -> Alive:
    """Half of every row of every exact group survives."""
    rng, alive = np.random.default_rng(seed), coupling.everything()
    for group in coupling:
        if group.exact or not exact:
            for row in group.units:
                alive[rng.permutation(row)[max(1, group.width // 2) :]] = False
    return alive


def outputs(
    traced: TracedModule, coupling: Coupling, alive: Alive, args: Sequence[Any], noise: int | None
) -> list[Any]:
    """The outputs of the masked original.

    Args:
        traced: The module.
        coupling: Of its graph.
        alive: Whether each unit lives.
        args: Inputs, in the order of the graph's inputs.
        noise: Seed of what the dead entries of parameters hold; their own contents if None.
    """
    run = _Masked(traced, coupling, alive, noise)
    return run.outputs(list(args))


class _Masked(torch.fx.Interpreter):  # type: ignore[misc]
    def __init__(
        self, traced: TracedModule, coupling: Coupling, alive: Alive, noise: int | None
    ) -> None:
        super().__init__(traced.program.graph_module)
        self.traced, self.coupling, self.alive, self.noise = traced, coupling, alive, noise
        self.masks = self._masks()
        self.order = {node: i for i, node in enumerate(traced.nodes)}

    def outputs(self, inputs: list[Any]) -> list[Any]:
        given = iter(inputs)
        specs = self.traced.program.graph_signature.input_specs
        places = [node for node in self.traced.nodes if node.op == "placeholder"]
        held = [self._held(spec, node) for spec, node in zip(specs, places, strict=True)]
        with torch.no_grad():
            found = self.run(*[next(given) if tensor is None else tensor for tensor in held])
        flat, _ = torch.utils._pytree.tree_flatten(found)
        return [tensor for tensor in flat if isinstance(tensor, torch.Tensor)]

    def _held(self, spec: Any, node: Any) -> Any | None:
        """A copy of what a placeholder stands for, its dead entries scrambled."""
        if spec.kind.name == "USER_INPUT":
            return None
        program = self.traced.program
        tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
        tensor = tensor.detach().clone()
        name = self.traced.values.get(node, "")
        if self.noise is None or not tensor.is_floating_point():
            return tensor
        generator = torch.Generator().manual_seed(self.noise)
        for layer in self.coupling.layers.get(name, ()):
            dead = torch.from_numpy(~self.alive[layer.ids]).broadcast_to(tensor.shape)
            other = torch.rand(tensor.shape, generator=generator).to(tensor.dtype) + 0.5
            tensor = torch.where(dead, other, tensor)
        return tensor

    def run_node(self, node: Any) -> Any:
        self.current = node
        return super().run_node(node)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        node = self.current
        keeps: dict[int, Any] = {}
        for name, keep in self.masks.get(self.order[node], ()):
            wanted = [n for n in node.all_input_nodes if self.traced.values.get(n) == name]
            assert wanted, f"{node} does not read {name}"
            for key in {id(self.env[n]) for n in wanted}:
                keeps[key] = keep * keeps[key] if key in keeps else keep
        args, kwargs = torch.utils._pytree.tree_map(
            lambda a: a * keeps[id(a)].to(a.dtype) if id(a) in keeps else a, (args, kwargs)
        )
        return super().call_function(target, args, kwargs)

    def _masks(self) -> Masks:
        found: Masks = {}
        for mask in self.coupling.masks:
            node = self.coupling.graph.nodes[mask.node]
            if "~" in node.inputs[mask.operand] and node.family not in _PRODUCTS:
                continue  # made of operands that are masked themselves
            name, axis = self._readable(node, mask.operand, mask.axis)
            layer = next((x for x in self.coupling.layers.get(name, ()) if x.axis == axis), None)
            if layer is not None and not self.alive[layer.ids].all():
                keep = torch.from_numpy(self.alive[layer.ids])
                found.setdefault(node.origin[-1], []).append((name, keep))
        return found

    def _readable(self, node: Node, operand: int, axis: int) -> tuple[str, int]:
        """The operand itself, or the other one where it exists within the native call only."""
        name = node.inputs[operand]
        if "~" not in name:
            return name, axis
        if node.op != "contract":
            return node.inputs[1], 1 if node.op == "conv" else 0
        words = letters(node)
        other = node.inputs[1 - operand]
        return other, words[1 - operand].index(words[operand][axis])
