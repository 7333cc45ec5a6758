"""The layers TensorRT made of a model, mapped back to its nodes and to the groups of channels.

TensorRT fuses nodes, and says in its own ways which: from 8.6 on in a layer's metadata, and always
in its name, where nodes are joined by " + ", wrapped in "PWN(…)" or given by their first and last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphprune.backends.base import Shapes
from graphprune.backends.tensorrt.prepare import name_of
from graphprune.frontends.onnx import load, lower
from graphprune.passes.couple import couple

_METADATA = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_JOINTS = re.compile(r"\s\+\s|\.\.\.|\|\||[(){}\[\],]")
_COPIES = ("Reformatting CopyNode", "reformat")


@dataclass(frozen=True)
class EngineLayer:
    """One kernel, or a few that TensorRT keeps together.

    Attributes:
        name: TensorRT's name.
        kind: TensorRT's word for what it is, or "".
        tactic: The kernel that was chosen, or "".
        seconds: Mean time of one call; 0 where it was not timed.
        nodes: Names of what may be the model's nodes that it computes.
        groups: The groups of channels whose narrowing makes it smaller.
    """

    name: str
    kind: str
    tactic: str
    seconds: float
    nodes: tuple[str, ...]
    groups: tuple[str, ...] = ()

    @property
    def copies(self) -> bool:
        """Whether it only changes a tensor's layout or type: nothing the model asks for."""
        return self.name.startswith(_COPIES[0]) or self.kind.lower().startswith(_COPIES[1])


def read(information: Mapping[str, Any], times: Mapping[str, float]) -> tuple[EngineLayer, ...]:
    """Returns the layers in order of execution.

    Args:
        information: What the engine inspector says.
        times: Mean seconds a call by layer; layers that only these name come last.
    """
    found = []
    for entry in information.get("Layers", ()):
        # Engines without details give names alone.
        layer = {"Name": entry} if isinstance(entry, str) else entry
        name = str(layer.get("Name", ""))
        found.append(
            EngineLayer(
                name,
                str(layer.get("LayerType", "")),
                str(layer.get("TacticName", "")),
                times.get(name, 0.0),
                _nodes(name, str(layer.get("Metadata", ""))),
            )
        )
    known = {layer.name for layer in found}
    rest = (EngineLayer(name, "", "", spent, _nodes(name, ""))
            for name, spent in times.items() if name not in known)  # fmt: skip
    return (*found, *rest)


def _nodes(name: str, metadata: str) -> tuple[str, ...]:
    told = _METADATA.findall(metadata)
    if told:
        return tuple(dict.fromkeys(told))
    if name.startswith(_COPIES[0]):
        return ()
    parts = (part.strip() for part in _JOINTS.split(name))
    return tuple(dict.fromkeys(part for part in (name, *parts) if part))


def with_groups(
    layers: Iterable[EngineLayer],
    model: str | Path | onnx.ModelProto,
    shapes: Shapes | None = None,
) -> tuple[EngineLayer, ...]:
    """Adds the groups of channels to layers, and leaves out nodes that the model does not have.

    Args:
        layers: Of an engine of this model.
        model: A path or a ModelProto.
        shapes: Input shapes by name, where the model leaves them open.

    Raises:
        InvalidModel: It is not a usable ONNX model.
    """
    groups = groups_by_node(model, shapes)
    made = []
    for layer in layers:
        nodes = tuple(name for name in layer.nodes if name in groups)
        held = dict.fromkeys(group for name in nodes for group in groups[name])
        made.append(replace(layer, nodes=nodes, groups=tuple(held)))
    return tuple(made)


def groups_by_node(
    model: str | Path | onnx.ModelProto, shapes: Shapes | None = None
) -> dict[str, tuple[str, ...]]:
    """Returns, for every node, the groups whose channels it reads or writes.

    Args:
        model: A path or a ModelProto.
        shapes: Input shapes by name, where the model leaves them open.

    Raises:
        InvalidModel: It is not a usable ONNX model.
    """
    lowered = lower(load(model), shapes)
    coupling = couple(lowered.graph)
    owner = np.zeros(coupling.units + 1, dtype=int)
    for at, group in enumerate(coupling.groups, start=1):
        owner[group.units] = at
    found: dict[str, dict[str, None]] = {name_of(one.proto): {} for one in lowered.natives}
    for node in lowered.graph.nodes:
        for native in node.origin:
            held = found[name_of(lowered.natives[native].proto)]
            for value in (*node.inputs, *node.outputs):
                for layer in coupling.layers.get(value, ()):
                    numbers = np.unique(owner[layer.ids])
                    held |= {coupling.groups[at - 1].name: None for at in numbers if at}
    return {name: tuple(held) for name, held in found.items()}


def seconds_by_group(layers: Iterable[EngineLayer]) -> dict[str, float]:
    """Returns the time of all layers that narrowing a group would make smaller, by group.

    A layer between two groups counts for both, so these do not add up to the whole.

    Args:
        layers: With their groups; see `with_groups`.
    """
    found: dict[str, float] = {}
    for layer in layers:
        for group in layer.groups:
            found[group] = found.get(group, 0.0) + layer.seconds
    return dict(sorted(found.items(), key=lambda item: -item[1]))
