"""From the graph that torch.export traced to the canonical graph."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from graphprune.frontends.torch import hints
from graphprune.frontends.torch import ops as _rules  # noqa: F401  fills the rule table
from graphprune.frontends.torch.aliases import Aliases, written
from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.constants import FILLS
from graphprune.frontends.torch.ops.elementwise import elementwise
from graphprune.frontends.torch.parameters import Parameters
from graphprune.frontends.torch.regions import inlined, live
from graphprune.frontends.torch.rules import RULES, Result, Rule, UnsupportedForm
from graphprune.ir import Graph, Value

# Results of these operators are numbers, but extents: narrowing changes them like any extent.
_EXTENTS = {"sym_size", "sym_numel", "sym_stride", "sym_storage_offset", "sym_is_contiguous"}


def lower(program: Any) -> tuple[Graph, Mapping[Any, str]]:
    """Lower an exported program to the canonical graph, with the sizes of its example inputs.

    Args:
        program: An ExportedProgram, decomposed or not.

    Returns:
        The graph, and the name of the value that each FX node stands for.
    """
    lowering = _Lowering(program)
    return lowering.graph(), lowering.builder.bound


class _Lowering:
    """One program being lowered."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.parameters = Parameters(program)
        self.aliases = Aliases(program.graph)
        taken = frozenset(node.name for node in program.graph.nodes)
        self.builder = Builder(self.parameters, self.aliases, taken)
        self.inputs: list[str] = []
        self._order = {node: i for i, node in enumerate(program.graph.nodes)}
        self._groups: dict[Any, tuple[str, ...]] = {}

    def graph(self) -> Graph:
        """Lower everything."""
        self._placeholders()
        self._run(self.program.graph_module, "", None)
        outputs = self._outputs()
        builder = self.builder
        return Graph(builder.values, tuple(builder.nodes), tuple(self.inputs), outputs)

    def _placeholders(self) -> None:
        specs = {s.arg.name: s for s in self.program.graph_signature.input_specs if _names(s.arg)}
        for node in self.program.graph.nodes:
            if node.op != "placeholder" or node.name not in specs:
                continue
            value = node.meta.get("val")
            if node in self.parameters.held:
                if self.parameters.is_known(node) and node not in self.aliases.mutated:
                    self.builder.constants.learn(node, self.parameters.held[node])
            elif isinstance(value, torch.Tensor):
                shape, dtype = hints.shape(value), hints.dtype(value)
                self.builder.values[node.name] = Value(node.name, shape, dtype, "input")
                self.builder.bind(node, node.name)
                self.inputs.append(node.name)

    def _outputs(self) -> tuple[str, ...]:
        """Names of the outputs; what is written back into a buffer is tied to it instead."""
        nodes = {node.name: node for node in self.program.graph.nodes}
        found: list[str] = []
        for spec in self.program.graph_signature.output_specs:
            node = nodes.get(getattr(spec.arg, "name", None))
            if node is None or not isinstance(node.meta.get("val"), torch.Tensor):
                continue
            if spec.kind.name == "BUFFER_MUTATION":
                self._write_back(node, spec.target)
            else:
                found.append(self.builder.value(node))
        return tuple(found)

    def _write_back(self, node: Any, target: str) -> None:
        buffer = next(
            (n for n in self.parameters.held if self.parameters.source(n) == target), None
        )
        if buffer is not None:
            names = (self.builder.value(buffer), self.builder.value(node))
            call = Call(node, f"{node.name}~written", self.builder.value, ())
            self.builder.begin(call, self._order[node], _label(node))
            if None in (self.builder.values[n].shape for n in names):
                self.builder.opaque(names, (), "its extents depend on what tensors hold")
            else:
                self.builder.emit("pointwise.write", names)

    def _run(self, module: Any, prefix: str, index: int | None) -> None:
        """Lower the calls of a graph; inside a region they belong to the call that opened it."""
        wanted = live(module.graph)
        for node in module.graph.nodes:
            if node.op == "call_function" and node in wanted:
                call = Call(
                    node, prefix + node.name, self.builder.value, _results(node, prefix, wanted)
                )
                self._node(call, module, self._order[node] if index is None else index)

    def _node(self, call: Call, module: Any, index: int) -> None:
        node = call.node
        self.builder.begin(call, index, _label(node))
        region = inlined(node, module)
        if node.target is operator.getitem:
            self._item(node)
        elif hints.is_number(node.meta.get("val")):
            self._to_number(call)
        elif region is not None:
            self._region(call, *region, index)
        elif not self._known(call):
            self._lower(call)
            self._written(call)

    def _item(self, node: Any) -> None:
        """One of several results."""
        source, position = node.args
        self.builder.constants.item(node, source, position)
        name = self._groups.get(source, ())[position : position + 1]
        if name and name[0]:
            self.builder.bind(node, name[0])

    def _to_number(self, call: Call) -> None:
        """Contents that become a number may decide anything."""
        if call.op in _EXTENTS:
            return
        for operand in call.node.all_input_nodes:
            if isinstance(operand.meta.get("val"), torch.Tensor):
                self.builder.freeze(self.builder.value(operand), "its contents become a number")

    def _region(self, call: Call, body: Any, operands: Sequence[Any], index: int) -> None:
        """A region that only changes how its operators run, such as autocast."""
        inner = [node for node in body.graph.nodes if node.op == "placeholder"]
        self.aliases.enter(body.graph, dict(zip(inner, operands, strict=True)))
        for node, operand in zip(inner, operands, strict=True):
            if isinstance(operand.meta.get("val"), torch.Tensor):
                self.builder.bind(node, self.builder.value(operand))
        self._run(body, f"{call.name}/", index)
        results = body.graph.output_node().args[0]
        found = results if isinstance(results, tuple | list) else [results]
        self._bind(call, [self.builder.value(n) if hasattr(n, "meta") else "" for n in found])

    def _known(self, call: Call) -> bool:
        """Compute a call now if it can be; True where that was all there is to do."""
        constants, node = self.builder.constants, call.node
        targets = written(node)
        if not constants.compute(node):
            for target in targets:
                constants.forget(target)
            return False
        filled = call.op in FILLS and any(n > 1 for n in call.shape())
        whole = all(not m.is_floating_point() or m.numel() <= 1 for m in call.metas)
        made = not any(isinstance(n.meta.get("val"), torch.Tensor) for n in node.all_input_nodes)
        folded = not filled and (whole or made)
        for target in targets:
            self.builder.outdate(target, folded)
        return folded

    def _lower(self, call: Call) -> None:
        """By the operator's rule; operators without one freeze what they touch."""
        rule, reason = _rule(call), "there is no rule for this operator"
        if rule is not None:
            try:
                names = self.builder.adopt(call, _several(rule(call, self.builder)))
                self._bind(call, names)
                return
            except UnsupportedForm as form:
                reason = str(form)
                self.builder.roll_back()
        self._opaque(call, reason)

    def _bind(self, call: Call, names: Sequence[str]) -> None:
        if isinstance(call.node.meta.get("val"), tuple | list):
            self._groups[call.node] = tuple(names)
        elif names and names[0]:
            self.builder.bind(call.node, names[0])

    def _opaque(self, call: Call, reason: str) -> None:
        operands = [n for n in call.node.all_input_nodes if n.op != "get_attr"]
        read = [n for node in operands for n in self._names(node)]
        for name, meta in zip(call.results, call.metas, strict=True):
            if isinstance(meta, torch.Tensor):
                self.builder.define(name, hints.shape(meta), hints.dtype(meta))
        outputs = tuple(n if n in self.builder.values else "" for n in call.results)
        self.builder.opaque(read, outputs, reason)
        self._bind(call, outputs)

    def _names(self, node: Any) -> tuple[str, ...]:
        """The values behind an operand of an operator without a rule."""
        if node in self._groups:
            return tuple(filter(None, self._groups[node]))
        return (self.builder.value(node),) if isinstance(node.meta.get("val"), torch.Tensor) else ()

    def _written(self, call: Call) -> None:
        """What an operator wrote into holds its result from now on."""
        for target in written(call.node):
            result = self.builder.bound.get(call.node)
            if (
                hasattr(target, "meta")
                and result
                and call.shape() == hints.shape(target.meta["val"])
            ):
                self.builder.rebind(target, result)


def _rule(call: Call) -> Rule | None:
    """The rule of an operator; PyTorch says of many that they are elementwise."""
    found = RULES.get(call.op)
    if found is None and torch.Tag.pointwise in getattr(call.node.target, "tags", ()):
        return elementwise
    return found


def _several(found: Result) -> Sequence[str]:
    return [found] if isinstance(found, str) else found


def _names(argument: Any) -> bool:
    """Whether an input of a program stands for a tensor or a number."""
    return hasattr(argument, "name")


def _results(node: Any, prefix: str, wanted: set[Any]) -> tuple[str, ...]:
    """What the results of a call are called: by the nodes that pick them from a tuple."""
    value = node.meta.get("val")
    if not isinstance(value, tuple | list):
        return (prefix + node.name,)
    names = [""] * len(value)
    for user in node.users:
        if user in wanted and user.target is operator.getitem and not names[user.args[1]]:
            names[user.args[1]] = prefix + user.name
    return tuple(names)


def _label(node: Any) -> str:
    """The module's path and the operator; the node's name outside of any sub-module."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = stack[-1][0].partition("@")[0] if stack else ""
    schema = getattr(node.target, "_schema", None)
    if not path or schema is None:
        return str(node.name)
    return f"{path}.{schema.name.partition('::')[2]}"
