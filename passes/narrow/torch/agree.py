"""Whether a narrowed module, traced again, is what the plan says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.frontends.torch import TracedModule, hints
from graphprune.ir import Node
from graphprune.passes.narrow.cuts import cuts, take
from graphprune.passes.narrow.torch.expected import Expected, by_origin, chain, extents, tensors

# Shapes before and after say all there is to say of these.
_BY_SHAPE = ("reshape", "transpose", "expand", "tile", "concat")
_DISORDER = "the channels that are left have to be shuffled in an order that no reshape gives"
Array = NDArray[Any]
_FRAME = re.compile(r'File "(.+)", line (\d+)')
_TORCH = Path(torch.__file__).parent
_ATTENTION = "scaled_dot_product_attention"


@dataclass(frozen=True)
class Disagreement:
    """Something the narrowed module does that the plan does not say.

    Attributes:
        path: The sub-module in which it happens.
        where: The operator, and the line of source where tracing noted one.
        why: What it does and what the plan wants.
        index: Of the FX node.
    """

    path: str
    where: str
    why: str
    index: int = -1


def disagreements(expected: Expected, after: TracedModule) -> Iterator[Disagreement]:
    """Where a module traced after narrowing is not what the plan says, in order.

    Both programs have to call the same operators in the same order; every result has the shape
    that is left of it, every slice begins where its first survivor is, every number that is no
    width is what it was.

    Args:
        expected: The narrowed graph as it has to be.
        after: The narrowed module, traced with the same example.
    """
    before = expected.traced
    now = by_origin(after)
    for index, (old, new) in enumerate(zip(before.nodes, after.nodes, strict=False)):
        why = _targets(old, new)
        if why is None:
            why = _shapes(expected, old, new) or _numbers(old, new) or _unspoken(expected, old)
            why = why or _canonical(expected, index, now.get(index, []), after)
        if why is not None:
            yield Disagreement(path(old), located(old), why, index)
            return
    yield from _programs(before, after)


def inexpressible(expected: Expected) -> Disagreement | None:
    """What no attributes can mend, and tracing need not find: None where there is no such thing."""
    for index, node in enumerate(expected.traced.nodes):
        why = _unspoken(expected, node)
        shuffle = expected.shuffles.get(index)
        if shuffle is not None and not _transposes(expected.permutation(shuffle)):
            why = _DISORDER
        if why is not None:
            return Disagreement(path(node), located(node), why, index)
    return None


def _transposes(order: tuple[int, ...]) -> bool:
    """Whether a permutation is the transposition of some matrix of channels."""
    rows = order.index(1) if len(order) > 1 else 1  # down the first column, then the next one's top
    if rows == 0 or len(order) % rows:
        return False
    return order == tuple(np.arange(len(order)).reshape(rows, -1).T.ravel().tolist())


def path(node: Any) -> str:
    """The sub-module that an FX node was traced in."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0].partition("@")[0]) if stack else ""


def located(node: Any) -> str:
    """An FX node in words: its sub-module, its operator, its line."""
    schema = getattr(node.target, "_schema", None)
    op = schema.name.partition("::")[2] if schema is not None else str(node.name)
    said = f"{path(node)}.{op}".removeprefix(".")
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [f"{file}:{line}" for file, line in frames if _TORCH not in Path(file).parents]
    return f"{said} ({own[-1]})" if own else said


def _programs(before: TracedModule, after: TracedModule) -> Iterator[Disagreement]:
    specs = [
        [(s.kind.name, s.target) for s in traced.program.graph_signature.input_specs]
        for traced in (before, after)
    ]
    if specs[0] != specs[1] or len(before.nodes) != len(after.nodes):
        yield Disagreement("", "the module", "once narrowed it reads or gives other tensors")


def _targets(old: Any, new: Any) -> str | None:
    if old.op == new.op and (old.op != "call_function" or old.target == new.target):
        return None
    return f"once narrowed the module calls {new.target if new.op == 'call_function' else new.op}"


def _shapes(expected: Expected, old: Any, new: Any) -> str | None:
    """Results have the shape that is left."""
    wanted = expected.of(old)
    if wanted is not None and extents(new) != [wanted]:
        found = list(extents(new)[0] or ()) if extents(new) else "no tensor"
        return f"it gives {found}, the plan wants {list(wanted)}"
    if [t.dtype for t in tensors(old)] != [t.dtype for t in tensors(new)]:
        return "it gives another element type"
    return None


def _numbers(old: Any, new: Any) -> str | None:
    """Numbers other than integers stay: a scale that was 1/sqrt(d) keeps its value."""
    flat = [torch.utils._pytree.tree_leaves((n.args, dict(n.kwargs))) for n in (old, new)]
    for before, after in zip(*flat, strict=False):
        plain = isinstance(before, bool | float | str) or before is None
        if plain and type(before) is type(after) and before != after:
            return f"it computes with {after}, the original with {before}"
    return None


def _unspoken(expected: Expected, node: Any) -> str | None:
    """Numbers that operators make of the extents they find."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or _ATTENTION not in schema.name:
        return None
    query = node.args[0] if node.args else node.kwargs["query"]
    old, new = hints.shape(query.meta["val"]), expected.of(query)
    if node.kwargs.get("scale") is None and old and new and old[-1] != new[-1]:
        return (
            f"without an explicit scale it divides by the root of the head width, which is "
            f"{new[-1]} now and was {old[-1]}"
        )
    return None


def _canonical(
    expected: Expected, index: int, after: list[Node], traced: TracedModule
) -> str | None:
    """Starts, orders, groups and tables that no shape tells."""
    shuffle = expected.shuffles.get(index)
    if shuffle is not None:
        wanted = (shuffle.int("axis"), expected.permutation(shuffle))
        ordered = wanted[1] == tuple(range(len(wanted[1])))
        if not ordered and chain(traced, shuffle) != wanted:
            return _DISORDER
    before = [n for n in expected.nodes.get(index, ()) if not _is_whole(expected, n)]
    if [n.op for n in before] != [n.op for n in after]:
        # Some operators are spelled by other operations where extents differ.
        before = [n for n in before if n.family not in _BY_SHAPE]
        after = [n for n in after if n.family not in _BY_SHAPE]
    if [n.op for n in before] != [n.op for n in after]:
        return "once narrowed it means another operation"
    for old, new in zip(before, after, strict=True):
        found = {k: v for k, v in new.attrs.items() if k != "shape"}
        for key, value in expected.attrs(old).items():
            if found.get(key) != value:
                return f"it has {key} {found.get(key)}, the plan wants {value}"
        why = _constants(expected, old, new, traced)
        if why is not None:
            return why
    return None


def _is_whole(expected: Expected, node: Node) -> bool:
    """Whether a slice takes all that is left, which needs no operation."""
    shape = expected.shape(node.inputs[0]) if node.op == "slice" else None
    if shape is None or any(step != 1 for step in node.ints("steps")):
        return False
    attrs = expected.attrs(node)
    wanted = tuple(shape[axis] for axis in node.ints("axes"))
    return attrs["starts"] == (0,) * len(wanted) and attrs["ends"] == wanted


def _left(expected: Expected, node: Node, name: str, known: Array) -> Array | None:
    """What is left of a known operand; None where nothing plain is."""
    if node.op == "gather":
        return expected.picked(node)
    cut = cuts(expected.coupling, name, expected.alive)
    return take(known, cut) if cut else known


def _constants(expected: Expected, old: Node, new: Node, traced: TracedModule) -> str | None:
    """Known operands hold what is left of them."""
    for before, after in zip(old.inputs, new.inputs, strict=False):
        known = expected.traced.graph.values[before].const if before else None
        now = traced.graph.values[after].const if after else None
        if known is None or now is None:
            continue
        wanted = _left(expected, old, before, known)
        if wanted is None or not np.array_equal(wanted, now, equal_nan=now.dtype.kind in "fc"):
            return f"its operand '{before}' holds other numbers than what is left of them"
    return None
