"""The narrowed program's graph with its values called like those of the original.

A module that is traced again gives its nodes the same names as long as it runs the same operators.
Where operators came or went, calls are matched by what they compute and by the parameters they
read, in the order of the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from graphprune.frontends.torch import TracedModule
from graphprune.ir import Graph

Key = tuple[object, ...]


def aligned(original: TracedModule, narrowed: TracedModule) -> Graph:
    """The graph of a narrowed program in the original's names.

    Args:
        original: Traced before.
        narrowed: Traced after, with inputs of the same structure.
    """
    names = _inputs(original, narrowed) | _parameters(original, narrowed)
    calls = _calls(original, narrowed)
    for name in narrowed.graph.values:
        if name not in names:
            base = name.partition("~")[0]
            call = base.partition("/")[0]
            if call in calls:
                names[name] = calls[call] + name[len(call) :]
    return _renamed(narrowed.graph, names, set(original.graph.values))


def _inputs(original: TracedModule, narrowed: TracedModule) -> dict[str, str]:
    before, after = original.graph.inputs, narrowed.graph.inputs
    return dict(zip(after, before, strict=True)) if len(before) == len(after) else {}


def _parameters(original: TracedModule, narrowed: TracedModule) -> dict[str, str]:
    """Parameters keep their qualified names."""
    named = {value.source: value.name for value in original.graph.params}
    params = narrowed.graph.params
    return {value.name: named[value.source] for value in params if value.source in named}


def _calls(original: TracedModule, narrowed: TracedModule) -> dict[str, str]:
    """What every call of the narrowed program was called in the original."""
    old, new = (
        [(node, _key(traced, node)) for node in traced.nodes if node.op == "call_function"]
        for traced in (original, narrowed)
    )
    matcher = SequenceMatcher(None, [key for _, key in old], [key for _, key in new], False)
    return {
        new[block.b + i][0].name: old[block.a + i][0].name
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    }


def _key(traced: TracedModule, node: Any) -> Key:
    """What makes a call itself: its operator, and the parameters it reads."""
    values = traced.graph.values
    read = [traced.values.get(operand, "") for operand in node.all_input_nodes]
    sources = tuple(values[name].source for name in read if name in values and values[name].source)
    place = node.args[1] if getattr(node.target, "__name__", "") == "getitem" else None
    return str(node.target), str(place), *sources


def _renamed(graph: Graph, names: Mapping[str, str], taken: set[str]) -> Graph:
    """The graph in other names; values that are new keep clear of those of the original."""
    wanted = {name: names.get(name, _fresh(name, taken)) for name in graph.values}
    double = {name for name, count in Counter(wanted.values()).items() if count > 1}
    final = {a: _fresh(a, taken | double) if b in double else b for a, b in wanted.items()}
    values = {final[k]: replace(v, name=final[k]) for k, v in graph.values.items()}
    nodes = tuple(
        replace(
            node,
            inputs=tuple(final.get(n, n) for n in node.inputs),
            outputs=tuple(final.get(n, n) for n in node.outputs),
        )
        for node in graph.nodes
    )
    inputs, outputs = (tuple(final[n] for n in line) for line in (graph.inputs, graph.outputs))
    return Graph(values, nodes, inputs, outputs)


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "~new"
    return name
