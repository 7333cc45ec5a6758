"""Which PyTorch parameters the tensors of an exported ONNX model stand for.

Both exporters of PyTorch call most initializers by the parameter's fully qualified name, also
where a batch normalisation was folded into them. What they compute while exporting gets a new
name: transposed weights of linear layers, and with the TorchScript exporter everything that was
folded. The nodes that read those tell where they come from: ``torch.onnx.export(dynamo=True)``
notes the FX node in the metadata, the TorchScript exporter names nodes by the module's path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from graphprune.frontends.onnx.lower import Lowered
from graphprune.frontends.onnx.native import Native
from graphprune.frontends.origin import Origin, spelled
from graphprune.ir import Value

_FX_NODE = "pkg.torch.onnx.fx_node"
# %linear : [num_users=1] = call_function[target=...](args = (%x, %p_fc_weight, %p_fc_bias), ...)
_LINEAR = re.compile(r"target=torch\.ops\.aten\.linear\.default\]\(args = \(%\w+, %p_(\w+)[,)]")
_MADE = re.compile(r"val_\d+|onnx::.*|.*/.*")
_CONVOLUTIONS = ("Conv", "ConvTranspose")


def origins(lowered: Lowered) -> dict[str, Origin]:
    """The PyTorch parameter behind every parameter value, as far as the file tells it.

    Args:
        lowered: Any ONNX model; one that PyTorch did not export has no origins that fit.

    Returns:
        Origins by value name. A value is left out where nothing names it, and where it may be
        several parameters: exporters store equal tensors once, whatever their layers.
    """
    found = _Readers(lowered)
    uses = Counter(v.source for v in lowered.graph.params)
    several = {name for name, count in uses.items() if count > 1} | set(lowered.aliases.values())
    made: dict[str, Origin] = {}
    for value in lowered.graph.params:
        if prod(value.known_shape) < 2 or value.source in several:
            continue
        origin = found.origin(value)
        if origin is not None:
            made[value.name] = origin
    claims = Counter(name for value, origin in made.items() for name in {*origin.names, value})
    for name, origin in tuple(made.items()):
        # Two functional calls in one module would both be its weight.
        own = tuple(n for n in origin.names if n == name or claims[n] == 1)
        made[name] = replace(origin, names=own)
    return {name: origin for name, origin in made.items() if origin.names}


@dataclass(frozen=True)
class _Reader:
    """A node that reads a tensor, and as which operand."""

    node: Native
    operand: int


class _Readers:
    """The nodes that read each tensor, and what they tell of it."""

    def __init__(self, lowered: Lowered) -> None:
        self._readers: dict[str, list[_Reader]] = {}
        self._scopes: set[tuple[str, ...]] = set()
        for node in lowered.natives:
            path = tuple(node.proto.name.split("/")[1:-1])
            self._scopes.update(path[: i + 1] for i in range(len(path)))
            for operand, name in enumerate(node.proto.input):
                self._readers.setdefault(name, []).append(_Reader(node, operand))
        self._tensors = lowered.tensors

    def origin(self, value: Value) -> Origin | None:
        """What a parameter value stands for; None where nothing tells it."""
        readers = self._readers.get(value.source, ())
        if _MADE.fullmatch(value.source):
            told = {self._told(reader) for reader in readers}
            return told.pop() if len(told) == 1 else None
        placeholder = re.compile(rf"%[pbc]_{spelled(value.source)}[,)]")
        notes = [_metadata(reader.node) for reader in readers] if len(readers) > 1 else []
        if any(note and not placeholder.search(note) for note in notes):
            return None  # equal to a parameter of another layer, and stored as one
        return Origin((value.source,))

    def _told(self, reader: _Reader) -> Origin | None:
        node, operand = reader.node, reader.operand
        matrix = node.op_type in ("Gemm", "MatMul") and operand == 1
        transposed = matrix and not node.attrs.get("transB")
        note = _metadata(node)
        if note:
            linear = _LINEAR.search(note)
            return Origin((linear.group(1),), transposed) if linear and matrix else None
        names = tuple(dict.fromkeys(self._guesses(reader)))
        return Origin(names, transposed, guessed=True) if names else None

    def _guesses(self, reader: _Reader) -> Iterator[str]:
        """Names by the path of the node, and by the bias that is added to a product."""
        node, operand = reader.node, reader.operand
        if operand == 0 or node.op_type not in (*_CONVOLUTIONS, "Gemm", "MatMul"):
            return
        path = self._module(node)
        if path is not None:
            yield ".".join((*path, "weight" if operand == 1 else "bias"))
        if node.op_type == "MatMul":
            for other in self._readers.get(node.proto.output[0], ()):
                if other.node.op_type == "Add":
                    bias = other.node.proto.input[1 - other.operand]
                    if bias in self._tensors and bias.endswith("bias"):
                        yield bias.removesuffix("bias") + "weight"

    def _module(self, node: Native) -> list[str] | None:
        """The path of the module that a node named ``/layer1/layer1.0/conv1/Conv`` is in."""
        root, *path = node.proto.name.split("/")
        if root or not path or not re.fullmatch(rf"{node.op_type}(_\d+)?", path.pop()):
            return None
        module: list[str] = []
        for i, part in enumerate(path):
            # A second call of module 'a' is named 'a_1', like a module of that name.
            first = re.sub(r"_\d+$", "", part)
            if first != part and (*path[:i], first) in self._scopes:
                return None
            if module and part.startswith(f"{module[-1]}."):
                module.pop()
            module.append(part)
        return module


def _metadata(node: Native) -> str:
    return next((p.value for p in node.proto.metadata_props if p.key == _FX_NODE), "")
