"""An ONNX model with its tensors left where they are until somebody reads them."""

from __future__ import annotations

import hashlib
import mmap
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

Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A ModelProto and the way to its tensors.

    Attributes:
        proto: The model; large initializers of a file may lack their ``raw_data``.
        path: The file it was read from, or None.
        spans: Where in the file the cut-out ``raw_data`` lie.
        buffer: The memory-mapped file, or None.
        overrides: Contents of tensors that replace what the proto says, made when asked for.
    """

    proto: onnx.ModelProto
    path: Path | None = None
    spans: Mapping[str, wire.Span] = field(default_factory=dict)
    buffer: memoryview | None = None
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
        if self.buffer is not None:
            digest.update(self.buffer)
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
        """The contents of a tensor of this model (an initializer or a constant's value)."""
        shape = tuple(tensor.dims)
        if tensor.name in self.overrides:
            return self.overrides[tensor.name]()
        try:
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            if external.is_external(tensor):
                return external.mapped(tensor, self.path, dtype)
            span = self.spans.get(tensor.name)
            packed = tensor.data_type in _PACKED
            if span is not None and self.buffer is not None and not packed:
                raw = self.buffer[span.offset : span.offset + span.length]
                return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
            return numpy_helper.to_array(self.whole(tensor))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidModel(
                f"tensor '{tensor.name}' cannot be read",
                where=f"shape {list(shape)}, type {tensor.data_type}",
                why=str(error),
            ) from error

    def whole(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """The tensor with the ``raw_data`` that was left in the file."""
        span = self.spans.get(tensor.name)
        if span is None or self.buffer is None or tensor.HasField("raw_data"):
            return tensor
        full = onnx.TensorProto()
        full.CopyFrom(tensor)
        full.raw_data = bytes(self.buffer[span.offset : span.offset + span.length])
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


_PACKED = {
    value
    for name, value in onnx.TensorProto.DataType.items()
    if name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2")
}


def load(source: str | Path | onnx.ModelProto) -> OnnxModel:
    """Read a model without reading its weights.

    Args:
        source: A path, or a proto (which is not changed).

    Raises:
        InvalidModel: The file is missing, empty, damaged, not ONNX, or names external data that
            is missing, too short, or outside the model's folder.
    """
    if isinstance(source, onnx.ModelProto):
        model = OnnxModel(source)
    else:
        model = _from_file(Path(source))
    if not model.proto.HasField("graph") or not model.proto.graph.node:
        raise InvalidModel(
            "this file holds no ONNX graph", where=str(model.path or "the given proto")
        )
    if not model.proto.opset_import and not model.proto.functions:
        raise InvalidModel(
            "the model does not say which operator set it uses", where=str(model.path or "")
        )
    for tensor in model.proto.graph.initializer:
        if external.is_external(tensor):
            external.locate(tensor, model.path)
    return model


def _from_file(path: Path) -> OnnxModel:
    try:
        with path.open("rb") as file:
            buffer = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise InvalidModel(
            "the model cannot be opened",
            where=str(path),
            why=getattr(error, "strerror", None) or str(error),
            fix="name an existing, non-empty .onnx file",
        ) from error
    try:
        skeleton, spans = wire.split(buffer)
        proto = onnx.ModelProto.FromString(skeleton)
    except InvalidModel as error:
        raise InvalidModel(error.what, where=str(path), why=error.why, fix=error.fix) from error
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        if type(error).__name__ != "DecodeError":
            raise
        raise InvalidModel(
            "this is not an ONNX file, or it is damaged", where=str(path), why=str(error)
        ) from error
    return OnnxModel(proto, path, spans, buffer)
