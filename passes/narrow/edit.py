"""Edits of a ModelProto: everything that is not edited stays as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from graphprune.frontends.onnx import Lowered, OnnxModel
from graphprune.frontends.onnx.model import TYPED
from graphprune.passes.narrow.opsets import import_domains

Array = NDArray[Any]
Source = Callable[[], Array]


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A narrowed model whose tensors are cut when they are written.

    Attributes:
        proto: The edited model; tensors named in ``tensors`` have their new shape, no contents.
        tensors: How to get the contents of every cut tensor.
        model: The original, which holds the contents of all others.
    """

    proto: onnx.ModelProto
    tensors: Mapping[str, Source]
    model: OnnxModel

    def as_model(self) -> OnnxModel:
        """The narrowed model as one that can be lowered; nothing is cut before it is read."""
        source = self.model
        return OnnxModel(self.proto, source.path, source.spans, source.file, self.tensors)

    def with_metadata(self, key: str, value: str) -> Narrowed:
        """A copy with one metadata entry set."""
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        kept = [p for p in proto.metadata_props if p.key != key]
        del proto.metadata_props[:]
        proto.metadata_props.extend(kept)
        proto.metadata_props.add(key=key, value=value)
        return Narrowed(proto, self.tensors, self.model)


@dataclass(eq=False)
class Editor:
    """Collects edits by native node, then writes the proto once."""

    lowered: Lowered
    nodes: dict[int, onnx.NodeProto] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    before: dict[int, list[onnx.NodeProto]] = field(default_factory=dict)
    after: dict[int, list[onnx.NodeProto]] = field(default_factory=dict)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    tensors: dict[str, Source] = field(default_factory=dict)
    resized: dict[str, tuple[int, ...]] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        proto = self.lowered.model.proto
        self.opset = self.lowered.model.opset("")
        self._names = {n for node in self.lowered.natives for n in node.proto.output}
        self._unread: set[str] = set()
        self._inputs = {i.name for i in proto.graph.input}
        self._readers = Counter(n for x in self.lowered.natives for n in x.proto.input)
        self._readers.update(o.name for o in proto.graph.output)
        for node in self.lowered.natives:
            for graph in self.lowered.model.subgraphs(node.proto):
                self._readers.update(_mentioned(graph))
        self._names |= set(self.lowered.model.tensors) | {i.name for i in proto.graph.input}

    def node(self, index: int) -> onnx.NodeProto:
        """A native node's own copy, to be changed."""
        if index not in self.nodes:
            clone = onnx.NodeProto()
            clone.CopyFrom(self.lowered.natives[index].proto)
            self.nodes[index] = clone
        return self.nodes[index]

    def unique(self, base: str) -> str:
        """A name nobody has."""
        name, number = f"{base}.narrowed", 1
        while name in self._names:
            number += 1
            name = f"{base}.narrowed{number}"
        self._names.add(name)
        return name

    def constant(self, base: str, array: Array) -> str:
        """A new initializer."""
        name = self.unique(base)
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def read_once(self, name: str) -> bool:
        """Whether exactly one operand reads a value."""
        return self._readers[name] == 1

    def overwrite(self, name: str, array: Array) -> bool:
        """New contents for an initializer or Constant in place, if only one operand reads it."""
        if not self.read_once(name):
            return False
        if name in self.lowered.model.tensors:
            self.tensors[name] = lambda: array
            self.resized[name] = array.shape
            return True
        if any(n.op_type == "Constant" and name in n.proto.output for n in self.lowered.natives):
            self.set_constant(name, array)
            return True
        return False

    def rewire(self, index: int, old: str, new: str) -> None:
        """Let a node read another tensor, under whatever name it knew the old one."""
        node = self.node(index)
        aliases = self.lowered.aliases
        for i, name in enumerate(node.input):
            if aliases.get(name, name) == old:
                node.input[i] = new

    def rename(self, index: int, old: str) -> None:
        """Give a node's result another name, wherever it is read but in sub-graphs."""
        new = self.unique(old)
        node = self.node(index)
        node.output[:] = [new if name == old else name for name in node.output]
        readers = [n.index for n in self.lowered.natives if old in n.proto.input]
        nodes = [self.node(i) for i in readers]
        nodes += [n for place in (self.before, self.after) for p in place.values() for n in p]
        for reader in nodes:
            reader.input[:] = [new if name == old else name for name in reader.input]

    def operand(self, index: int, position: int, name: str) -> None:
        """Set one operand, filling up omitted ones before it."""
        node = self.node(index)
        while len(node.input) <= position:
            node.input.append("")
        node.input[position] = name

    def attribute(self, index: int, name: str, value: int | float | tuple[int, ...] | None) -> None:
        """Set or remove an attribute."""
        node = self.node(index)
        places = [i for i, a in enumerate(node.attribute) if a.name == name]
        if value is None:
            for i in reversed(places):
                del node.attribute[i]
            return
        plain = list(value) if isinstance(value, tuple) else value
        changed = helper.make_attribute(name, plain)
        if places:
            node.attribute[places[0]].CopyFrom(changed)
        else:
            node.attribute.append(changed)

    def set_constant(self, source: str, array: Array) -> None:
        """New contents for a Constant node."""
        native = next(n for n in self.lowered.natives if source in n.proto.output)
        old = native.attrs.get("value")
        tensor = numpy_helper.from_array(array, old.name if old is not None else "")
        node = self.node(native.index)
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("value", tensor))

    def prune_dead(self) -> None:
        """Delete what only deleted nodes read."""
        natives = self.lowered.natives
        readers: Counter[str] = Counter()
        for native in natives:
            if native.index not in self.deleted:
                proto = self.nodes.get(native.index, native.proto)
                readers.update(n for n in proto.input if n)
                for graph in self.lowered.model.subgraphs(proto):
                    readers.update(_mentioned(graph))
        written = [n for place in (self.before, self.after) for p in place.values() for n in p]
        readers.update(name for node in written for name in node.input)
        readers.update(o.name for o in self.lowered.model.proto.graph.output)
        suspects = {n for i in self.deleted for n in natives[i].proto.input} | self.orphans
        for native in reversed(natives):
            outputs = [o for o in native.proto.output if o]
            idle = not any(readers[o] for o in outputs)
            if native.index in self.deleted or not idle or not suspects & set(outputs):
                continue
            self.deleted.add(native.index)
            for name in native.proto.input:
                readers[name] -= 1
                suspects.add(name)
        for index in {n.call for n in natives if n.opened} - self._opened_calls():
            # A call names operands that its function may not read.
            readers.update(self.lowered.model.proto.graph.node[index].input)
        self._unread = {n for n in suspects if not readers[n] and n not in self._inputs}

    def finish(self) -> Narrowed:
        """The edited model."""
        source = self.lowered.model.proto
        proto = onnx.ModelProto()
        proto.CopyFrom(source)
        del proto.graph.node[:]
        proto.graph.node.extend(self._emit())
        for tensor in proto.graph.initializer:
            if tensor.name in self.tensors:
                _empty(tensor, self.resized[tensor.name])
        kept = [t for t in proto.graph.initializer if t.name not in self._unread]
        if len(kept) < len(proto.graph.initializer):
            del proto.graph.initializer[:]
            proto.graph.initializer.extend(kept)
        if proto.ir_version >= 4:
            proto.graph.initializer.extend(self.initializers)
        gone = {name for i in self.deleted for name in self.lowered.natives[i].proto.output}
        infos = [i for i in proto.graph.value_info if i.name not in gone | self._unread]
        if len(infos) < len(proto.graph.value_info):
            del proto.graph.value_info[:]
            proto.graph.value_info.extend(infos)
        self._retype(proto)
        import_domains(proto, self.lowered, self._opened_calls())
        return Narrowed(proto, dict(self.tensors), self.lowered.model)

    def _opened_calls(self) -> set[int]:
        """Function calls whose body must be edited and is therefore written out."""
        touched = set(self.nodes) | self.deleted | set(self.before) | set(self.after)
        return {n.call for n in self.lowered.natives if n.opened and n.index in touched}

    def _emit(self) -> Iterable[onnx.NodeProto]:
        opened = self._opened_calls()
        calls = self.lowered.model.proto.graph.node
        written: set[int] = set()
        if self.lowered.model.proto.ir_version < 4:  # every initializer had to be an input then
            for tensor in self.initializers:
                if tensor.name in self.tensors:
                    contents = self.tensors.pop(tensor.name)()
                    tensor = numpy_helper.from_array(contents, tensor.name)
                yield helper.make_node("Constant", [], [tensor.name], tensor.name, value=tensor)
        for native in self.lowered.natives:
            if native.opened and native.call not in opened:
                if native.call not in written:
                    written.add(native.call)
                    yield calls[native.call]
                continue
            yield from self.before.get(native.index, ())
            if native.index not in self.deleted:
                yield self.nodes.get(native.index, native.proto)
            yield from self.after.get(native.index, ())

    def _retype(self, proto: onnx.ModelProto) -> None:
        """Declared shapes of what became narrower; symbolic dimensions stay."""
        for info in (*proto.graph.value_info, *proto.graph.input):
            shape = self.resized.get(info.name)
            dims = info.type.tensor_type.shape.dim
            if shape is None or len(dims) != len(shape):
                continue
            for dim, size in zip(dims, shape, strict=True):
                if dim.HasField("dim_value"):
                    dim.dim_value = size


def _mentioned(graph: onnx.GraphProto) -> Iterable[str]:
    for node in graph.node:
        yield from (n for n in node.input if n)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _mentioned(attribute.g)
    yield from (o.name for o in graph.output)


def _empty(tensor: onnx.TensorProto, shape: tuple[int, ...]) -> None:
    """A tensor's new shape; contents come when it is written."""
    for name in ("raw_data", *TYPED):
        tensor.ClearField(name)
    del tensor.dims[:]
    tensor.dims.extend(shape)
