"""The traced graph written anew, call by call, with the sizes of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from graphprune.frontends.torch import hints
from graphprune.frontends.torch.aliases import written
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.regions import inlined
from graphprune.passes.narrow.torch.rewrite.gathering import shuffled
from graphprune.passes.narrow.torch.rewrite.modes import Modes, averaging, count_batch
from graphprune.passes.narrow.torch.rewrite.plan import Planned
from graphprune.passes.narrow.torch.rewrite.site import (
    RESPELL,
    Attribute,
    Site,
    Spelling,
    Table,
)
from graphprune.passes.narrow.torch.rewrite.tree import place

# Claims about extents and contents; those about tensors' metadata would contradict the plan.
_CLAIMS = (
    "aten::_assert_scalar",
    "aten::sym_constrain_range",
    "aten::sym_constrain_range_for_size",
)
_META = ("nn_module_stack", "stack_trace", "source_fn_stack", "custom")


def schema_name(node: Any) -> str:
    """The name of the operator that a node calls, with its namespace; empty if it is none."""
    return str(getattr(getattr(node.target, "_schema", None), "name", ""))


class Emission:
    """What all graphs of one program share while they are written anew.

    Attributes:
        planned: The original and what of it lives.
        root: Containers of the narrowed module; takes new constants and regions.
        modes: Which arguments follow a module's mode.
        origin: The traced node behind every node written.
    """

    def __init__(self, planned: Planned, root: Any) -> None:
        self.planned = planned
        self.root = root
        self.modes = Modes(planned, root)
        self.origin: dict[Any, Any] = {}
        self._tables = 0

    def program(self) -> GraphCopy:
        """The whole graph: flat inputs in, flat outputs out; parameters are read from the root."""
        return GraphCopy(self, self.planned.traced.program.graph_module, outer=True)

    def table(self, table: Table) -> str:
        """The name of a new constant."""
        tensor = torch.from_numpy(table.contents.copy()).to(table.like.meta["val"].device)
        name = f"_narrowed_{self._tables}"
        self._tables += 1
        place(self.root, name, tensor, saved=False)
        return name

    def site(self, node: Any) -> Site:
        """A call as rules see it."""
        results = node.meta.get("val")
        count = len(results) if isinstance(results, tuple | list) else 1
        call = Call(node, node.name, lambda n: str(n), (node.name,) * count)
        index = self.planned.place.get(node, -1)
        return Site(call, self.planned, self.planned.canonical.get(index, ()))


class GraphCopy:
    """One graph written anew.

    Args:
        emission: What the graphs of a program share.
        module: The graph module it belongs to.
        outer: Whether it is the program's own graph, no region's body.
    """

    def __init__(self, emission: Emission, module: Any, outer: bool) -> None:
        self.emission, self.module, self.outer = emission, module, outer
        self.planned = emission.planned
        self.graph = torch.fx.Graph()
        self.inputs: list[Any] = []
        self._new: dict[Any, Any] = {}
        self._devices: dict[Any, Any] = {}
        self._write()
        self._sweep()

    def _write(self) -> None:
        specs = self.planned.traced.program.graph_signature.input_specs if self.outer else ()
        targets = {s.arg.name: s.target for s in specs if s.target and hasattr(s.arg, "name")}
        wanted = _live(self.module.graph)
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                if not targets.get(node.name):
                    self._keep(node, self.graph.placeholder(node.name))
                    self.inputs.append(node.meta.get("val"))
                elif node in wanted:
                    self._keep(node, self._read(targets[node.name], node.name))
            elif node.op == "call_function" and node in wanted:
                self._call(node)
            elif node.op == "output":
                self._output(node)

    def _keep(self, old: Any, new: Any) -> Any:
        """Note what a node of the traced graph became."""
        new.meta.update({key: old.meta[key] for key in _META if key in old.meta})
        self._new[old] = new
        self.emission.origin[new] = old
        return new

    def _read(self, target: str, name: str | None = None) -> Any:
        return self.graph.create_node("get_attr", target, name=name)

    def _output(self, node: Any) -> None:
        """Outputs in order; what is written back into buffers and inputs is written there."""
        results = list(node.args[0])
        if self.outer:
            signature = self.planned.traced.program.graph_signature
            kept = []
            for spec, result in zip(signature.output_specs, results, strict=True):
                if spec.kind.name == "BUFFER_MUTATION":
                    self._write_back(self._read(spec.target), result)
                elif spec.kind.name == "USER_INPUT_MUTATION":
                    inputs = {n.name: n for n in self._new.values() if n.op == "placeholder"}
                    self._write_back(inputs[spec.target], result)
                elif spec.kind.name in ("USER_OUTPUT", "LOSS_OUTPUT"):
                    kept.append(result)
            results = kept
        self.graph.output(self._mapped(tuple(results)))

    def _write_back(self, place: Any, result: Any) -> None:
        copy = torch.ops.aten.copy_.default
        self.graph.call_function(copy, (place, self._mapped(result)))

    def _mapped(self, argument: Any) -> Any:
        """An argument in terms of the new graph."""

        def leaf(item: Any) -> Any:
            if isinstance(item, Table):
                return self._read(self.emission.table(item))
            if isinstance(item, Attribute):
                return self.graph.call_function(getattr, (self._new[item.node], item.name))
            return self._device(item) if isinstance(item, torch.device) else item

        mapped = torch.fx.node.map_aggregate(argument, leaf)
        return torch.fx.node.map_arg(mapped, lambda node: self._new.get(node, node))

    def _device(self, device: Any) -> Any:
        """The device of the module's own tensors, where it was that: it moves with them."""
        for old, new in self._new.items():
            if (
                old.op == "placeholder"
                and new.op == "get_attr"
                and hasattr(old.meta["val"], "device")
            ):
                if old.meta["val"].device != device:
                    return device
                if device not in self._devices:
                    self._devices[device] = self.graph.call_function(getattr, (new, "device"))
                return self._devices[device]
        return device

    def _call(self, node: Any) -> None:
        region = inlined(node, self.module)
        if region is not None:
            self._region(node, region[0])
            return
        path = self.emission.modes.counted(node) if self.outer else None
        if path is not None:
            flag = self._read(f"{path}.training" if path else "training")
            tracked = self._mapped(node.args[0])
            self._keep(node, self.graph.call_function(count_batch, (tracked, flag)))
            self._new[node] = tracked
            return
        if not hasattr(node.target, "_schema"):
            new = self.graph.node_copy(node, self._mapped)
            new.meta.clear()
            self._keep(node, new)
            return
        self._operator(node)

    def _region(self, node: Any, body: Any) -> None:
        """A region runs a body of its own: that is written anew too."""
        inner = GraphCopy(self.emission, body, outer=False)
        place_of = next(a for a in node.args if getattr(a, "op", "") == "get_attr")
        name = f"_region_{node.name}"
        self.emission.root._modules[name] = torch.fx.GraphModule(torch.nn.Module(), inner.graph)
        self._new[place_of] = self._read(name)
        new = self.graph.node_copy(node, self._mapped)
        new.meta.clear()
        self._keep(node, new)

    def _operator(self, node: Any) -> None:
        site = self.emission.site(node)
        spelling = self._spelled(site)
        arguments = dict(site.given if spelling.target is None else {}) | dict(spelling.arguments)
        if self.outer:
            arguments |= self._mode(site)
        if spelling.target is None:
            self._numbers(site, spelling)
        target = spelling.target or node.target
        args, kwargs = _placed(target, self._mapped(arguments))
        new = self.graph.create_node("call_function", target, args, kwargs, name=node.name)
        self._keep(node, new)

    def _spelled(self, site: Site) -> Spelling:
        for canonical in site.canonical:
            if canonical.op == "shuffle" and len(canonical.origin) == 3:
                first = self.planned.traced.nodes[canonical.origin[0]]
                if site.changes(first.args[0]) and self.outer:
                    return shuffled(site, canonical, first.args[0])
        rule = RESPELL.get(site.call.op)
        return (rule(site) if rule is not None else None) or Spelling()

    def _numbers(self, site: Site, spelling: Spelling) -> None:
        """Numbers that were computed from extents must not follow where they are no extents."""
        if site.call.op in RESPELL or not isinstance(site.node.meta.get("val"), torch.Tensor):
            return
        for operand in site.node.all_input_nodes:
            if hints.is_number(operand.meta.get("val")) and self.planned.moves(operand):
                raise site.wordless(f"'{operand.name}' was computed from an extent that changes")

    def _mode(self, site: Site) -> Mapping[str, Any]:
        """What follows the mode of the call's module."""
        found = self.emission.modes.argument(site)
        if found is None:
            return {}
        name, path = found
        flag = self._read(f"{path}.training" if path else "training")
        arguments = {name: flag}
        tracked = self.emission.modes.tracked(path)
        if site.call.op == "batch_norm" and tracked is not None:
            count = self._read(tracked)
            if not site.arguments["training"]:
                self.graph.call_function(count_batch, (count, flag))
            if self.emission.modes.averages(path):
                arguments["momentum"] = self.graph.call_function(averaging, (count, flag))
        return arguments

    def _sweep(self) -> None:
        """Remove what nothing reads any more."""
        for node in reversed(list(self.graph.nodes)):
            idle = node.op in ("call_function", "get_attr") and not node.users
            acts = written(node) or node.target is count_batch or schema_name(node) in _CLAIMS
            if idle and not acts:
                self.graph.erase_node(node)


def _live(graph: Any) -> set[Any]:
    """Nodes that an output depends on, that write into something, or that claim something."""
    found: set[Any] = set()
    for node in reversed(graph.nodes):
        claims = schema_name(node) in _CLAIMS
        if node.op == "output" or claims or written(node) or any(u in found for u in node.users):
            found.add(node)
    return found


def _placed(target: Any, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by place as far as the schema lets them, the rest by name."""
    left, args = dict(arguments), []
    for argument in target._schema.arguments:
        if argument.kwarg_only or argument.name not in left:
            break
        args.append(left.pop(argument.name))
    return tuple(args), left
