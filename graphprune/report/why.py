"""Why a layer may or may not be narrowed: its groups with all members, or what froze it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from graphprune.errors import BadData
from graphprune.groups import Coupling, Frozen, Group
from graphprune.inspection import Inspection
from graphprune.ir import Node
from graphprune.report.layers import readers
from graphprune.report.numbers import count, shortened

_ROLES = {"out": "produced", "in": "read", "scale": "carried along"}


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a parameter, and what became of it.

    Attributes:
        index: Which axis.
        extent: Its extent.
        groups: The groups that hold its indices.
        frozen: Why (some of) it stays, where it is produced or contracted.
    """

    index: int
    extent: int
    groups: tuple[Group, ...]
    frozen: Frozen | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """One parameter.

    Attributes:
        param: Its name.
        shape: Its shape.
        nodes: What reads it.
        axes: Its axes of more than one element.
    """

    param: str
    shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    axes: tuple[Axis, ...]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "param": self.param,
            "shape": list(self.shape),
            "read_by": [node.title for node in self.nodes],
            "axes": [
                {
                    "axis": axis.index,
                    "extent": axis.extent,
                    "groups": [group.name for group in axis.groups],
                    "frozen": axis.frozen and list(axis.frozen.reason),
                }
                for axis in self.axes
            ],
        }


def explain(inspection: Inspection[Any], pattern: str) -> tuple[Explanation, ...]:
    """Finds parameters by their own name or their layer's.

    Args:
        inspection: What was found.
        pattern: A name with ``*`` and ``?``, or, without these, any part of a name.

    Raises:
        BadData: Nothing has such a name.
    """
    coupling, used = inspection.coupling, readers(inspection.coupling)
    asked = pattern
    if not set(pattern) & set("*?[") and pattern not in coupling.graph.values:
        pattern = f"*{pattern}*"
    found = []
    for value in coupling.graph.params:
        nodes = used.get(value.name, ())
        names = {value.name, value.source, *(node.title for node in nodes)}
        if value.shape is not None and any(fnmatchcase(name, pattern) for name in names):
            axes = tuple(_axis(coupling, value.name, i, n) for i, n in enumerate(value.shape))
            several = tuple(axis for axis in axes if axis.extent > 1)
            found.append(Explanation(value.name, value.shape, nodes, several))
    if not found:
        raise BadData(
            f"no layer is called {asked!r}", fix="see the names with: graphprune inspect MODEL"
        )
    return tuple(found)


def _axis(coupling: Coupling, param: str, index: int, extent: int) -> Axis:
    groups = tuple(
        group
        for group in coupling
        if any(m.param == param and m.axis == index for m in group.members)
    )
    same = (f for f in coupling.frozen if f.param == param and f.axis == index)
    return Axis(index, extent, groups, next(same, None))


def why_lines(
    inspection: Inspection[Any], found: tuple[Explanation, ...], width: int
) -> Iterator[str]:
    """The explanations as text; a group is laid out the first time it comes up.

    Args:
        inspection: What was found.
        found: What to explain.
        width: Columns there are.
    """
    coupling, used = inspection.coupling, readers(inspection.coupling)
    titles = {node.title: node for node in coupling.graph.nodes}
    shown: set[str] = set()
    for number, explanation in enumerate(found):
        if number:
            yield ""
        by = ", ".join(f"{node.op} '{node.title}'" for node in explanation.nodes)
        yield f"{explanation.param} {list(explanation.shape)}, read by {by or 'nothing'}"
        for axis in explanation.axes:
            head = f"  axis {axis.index} ({axis.extent})"
            if not axis.groups and axis.frozen is None:
                yield f"{head}: {_unlabelled(inspection, explanation.param, axis.index)}"
            for group in axis.groups:
                if group.name in shown:
                    yield f"{head}: in group {group.name}, as above"
                    continue
                yield f"{head}: in group {_described(group)}"
                yield from _members(group, used, width)
                shown.add(group.name)
            if axis.frozen is not None:
                yield f"{head}: {_part(axis.frozen)}"
                yield from _chain(axis.frozen, titles)


def _described(group: Group) -> str:
    rows = f" in each of {group.rows} rows" if group.rows > 1 else ""
    channels = count(group.width, "channel")
    return f"{group.name}: {channels}{rows}, each removed from all of these at once"


def _members(group: Group, used: Mapping[str, tuple[Node, ...]], width: int) -> Iterator[str]:
    column = max(len(str(member)) for member in group.members)
    for member in group.members:
        nodes = ", ".join(f"{n.op} '{n.title}'" for n in used.get(member.param, ()))
        room = max(width - column - 21, 24)
        yield f"    {member!s:<{column}}  {_ROLES[member.role]:<13}  {shortened(nodes, room)}"
    for reason in group.approximate:
        yield f"    ≈ {reason}: narrowing is approximate"


def _part(frozen: Frozen) -> str:
    if frozen.partial == frozen.width:
        return "frozen"
    return f"{frozen.partial} of {frozen.width} frozen"


def _chain(frozen: Frozen, titles: Mapping[str, Node]) -> Iterator[str]:
    """The operations from the parameter to the reason, one a line."""
    *steps, reason = frozen.reason
    for step, title in enumerate(steps, 1):
        node = titles.get(title)
        yield f"    {step}. {node.op} '{title}'" if node is not None else f"    {step}. {title}"
    yield f"    {'→' if steps else '1.'} {reason}"


def _unlabelled(inspection: Inspection[Any], param: str, axis: int) -> str:
    """Why an axis has neither group nor reason of its own."""
    layers = inspection.coupling.layers.get(param, ())
    if any(layer.axis == axis and np.any(layer.ids) for layer in layers):
        return "kept whole as asked"
    used = readers(inspection.coupling).get(param, ())
    if any(node.family in ("conv", "conv_transpose") for node in used) and axis > 1:
        return "the kernel's window, never narrowed"
    return "stays, with the frozen channels it belongs to"
