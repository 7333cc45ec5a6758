"""An ONNX model with its tensors left where they are until somebody reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import external, wire
from graphprune.frontends.onnx.disk import Opened

Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A ModelProto and the way to its tensors.

    Attributes:
        proto: The model; large initializers of a file may lack their ``raw_data``.
        path: The file it was read from, or None.
        spans: Where in the file the cut-out ``raw_data`` lie.
        file: The opened file, or None.
        overrides: Contents of tensors that replace what the proto says, made when asked for.
    """

    proto: onnx.ModelProto
    path: Path | None = None
    spans: Mapping[str, wire.Span] = field(default_factory=dict)
    file: Opened | None = None
    overrides: Mapping[str, Callable[[], Array]] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> Mapping[str, onnx.TensorProto]:
        """Initializers of the main graph by name.

        Raises:
            InvalidModel: Two initializers share a name.
        """
        found: dict[str, onnx.TensorProto] = {}
        for tensor in self.proto.graph.initializer:
            if tensor.name in found:
                raise InvalidModel(f"initializer '{tensor.name}' is defined twice")
            found[tensor.name] = tensor
        return found

    @cached_property
    def sha256(self) -> str:
        """Digest of the file, or of the serialized proto where there is none."""
        digest = hashlib.sha256()
        if self.file is not None:
            for chunk in self.file.chunks():
                digest.update(self.file.view(chunk.start, len(chunk)))
        else:
            digest.update(self.proto.SerializeToString(deterministic=True))
        return digest.hexdigest()

    def array(self, name: str) -> Array:
        """The contents of an initializer, mapped from disk where they lie there.

        Raises:
            InvalidModel: Its bytes do not fit its shape and type.
        """
        return self.read(self.tensors[name])

    def read(self, tensor: onnx.TensorProto) -> Array:
        """The contents of a tensor of this model (an initializer or a constant's value).

        Args:
            tensor: Its contents may lie in the proto, in the model's file, or in one beside it.

        Raises:
            InvalidModel: Its bytes do not fit its shape and type.
        """
        if tensor.name in self.overrides:
            return self.overrides[tensor.name]()
        shape = tuple(tensor.dims)
        try:
            raw = self.raw(tensor)
            if raw is None:
                return numpy_helper.to_array(tensor)
            if tensor.data_type in external.PACKED:
                unpacked = onnx.TensorProto(data_type=tensor.data_type, dims=shape)
                unpacked.raw_data = bytes(raw)
                return numpy_helper.to_array(unpacked)
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidModel(
                f"tensor '{tensor.name}' cannot be read",
                where=f"shape {list(shape)}, type {tensor.data_type}",
                why=str(error),
            ) from error

    def rows(self, tensor: onnx.TensorProto, start: int, stop: int) -> Array:
        """A part of a tensor along its first axis; no other is read where it lies in a file.

        Args:
            tensor: At least a vector.
            start: First index.
            stop: Index after the last.
        """
        size, raw = external.nbytes(tensor), None
        plain = tensor.data_type not in external.PACKED and tensor.name not in self.overrides
        if plain and tensor.dims[0] and not size % tensor.dims[0]:
            row = size // tensor.dims[0]
            raw = self.raw(tensor, start * row, (stop - start) * row)
        if raw is None:
            return self.read(tensor)[start:stop]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        shape = (stop - start, *tensor.dims[1:])
        return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)

    def raw(
        self, tensor: onnx.TensorProto, start: int = 0, length: int | None = None
    ) -> memoryview | None:
        """The bytes of a tensor that lies in a file; None for one that is in the proto.

        Args:
            tensor: Any tensor of the model.
            start: First byte that is wanted.
            length: How many are wanted; all where left out.
        """
        if external.is_external(tensor):
            file, offset, size = external.locate(tensor, self.path)
        elif self.file is not None and self.in_file(tensor):
            span = self.spans[tensor.name]
            file, offset, size = self.file, span.offset, span.length
        else:
            return None
        return file.view(offset + start, size if length is None else length)

    def in_file(self, tensor: onnx.TensorProto) -> bool:
        """Whether the contents of a tensor lie in a file.

        Args:
            tensor: Any tensor of the model.
        """
        here = tensor.name in self.spans and not in_proto(tensor)
        return here or external.is_external(tensor)

    def whole(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """The tensor with the bytes inside that were left in a file.

        Args:
            tensor: Any tensor of the model.
        """
        raw = self.raw(tensor)
        if raw is None:
            return tensor
        full = onnx.TensorProto()
        full.CopyFrom(tensor)
        full.ClearField("data_location")
        del full.external_data[:]
        full.raw_data = bytes(raw)
        return full

    def opset(self, domain: str) -> int:
        """The version of an operator set the model imports; 0 where it does not."""
        names = ("", "ai.onnx") if domain in ("", "ai.onnx") else (domain,)
        return next((o.version for o in self.proto.opset_import if o.domain in names), 0)

    def subgraphs(self, node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
        """The bodies of an If, Loop or Scan."""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


TYPED = (
    "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data",
)  # fmt: skip


def in_proto(tensor: onnx.TensorProto) -> bool:
    """Whether the contents of a tensor are in the proto itself.

    Args:
        tensor: Any tensor.
    """
    return tensor.HasField("raw_data") or any(len(getattr(tensor, name)) for name in TYPED)


def nested(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors but the initializers of the main graph: in nodes, sub-graphs and functions.

    Args:
        proto: Any model.
    """
    for node in (*proto.graph.node, *(n for f in proto.functions for n in f.node)):
        yield from _in_node(node)
    for sparse in proto.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _in_node(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices) if sparse.dims else ()
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from graph.initializer
            for inner in graph.node:
                yield from _in_node(inner)
