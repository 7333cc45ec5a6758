"""What a ModelProto must be before anything is read from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import external
from graphprune.frontends.onnx.model import OnnxModel, nested

_TYPES = set(onnx.TensorProto.DataType.values()) - {onnx.TensorProto.UNDEFINED}


def check_proto(model: OnnxModel) -> None:
    """Refuse a proto that holds no graph, or whose names and tensors are damaged.

    Args:
        model: As it was read.

    Raises:
        InvalidModel: It is not usable; the message says where.
    """
    where = str(model.path or "the given proto")
    if not model.proto.HasField("graph") or not model.proto.graph.node:
        raise InvalidModel("this file holds no ONNX graph", where=where)
    if not model.proto.opset_import and not model.proto.functions:
        raise InvalidModel("the model does not say which operator set it uses", where=where)
    for name in _names(model.proto):
        if not isinstance(name, str):  # protobuf hands over as bytes what is not UTF-8
            raise InvalidModel("a name in the model is damaged", where=where, why=str(name))
    for tensor in (*model.proto.graph.initializer, *nested(model.proto)):
        _check_tensor(tensor, model)
    outputs = [info.name for info in model.proto.graph.output]
    for name in (*outputs, *(info.name for info in model.proto.graph.input)):
        if not name or outputs.count(name) > 1:
            raise InvalidModel(f"'{name}' is no name for an input or output", where=where)
    for info in model.proto.graph.input:
        if info.type.HasField("tensor_type") and info.type.tensor_type.elem_type not in _TYPES:
            raise InvalidModel(f"input '{info.name}' has no element type", where=where)


def _check_tensor(tensor: onnx.TensorProto, model: OnnxModel) -> None:
    if min(tensor.dims, default=0) < 0:
        raise InvalidModel(f"tensor '{tensor.name}' has a negative extent")
    if tensor.data_type not in _TYPES:
        raise InvalidModel(f"tensor '{tensor.name}' has an unknown element type")
    if external.is_external(tensor):
        external.locate(tensor, model.path)


def _names(proto: onnx.ModelProto) -> Iterator[str]:
    """Everything that names something, or is compared with a name."""
    yield from (o.domain for o in proto.opset_import)
    yield from _graph(proto.graph)
    for function in proto.functions:
        yield from (function.domain, function.name, *function.input, *function.output)
        yield from (*function.attribute, *(o.domain for o in function.opset_import))
        yield from _nodes(function.node)


def _graph(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (t.name for t in graph.initializer)
    yield from (t.values.name for t in graph.sparse_initializer)
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield info.name
        yield from (d.dim_param for d in info.type.tensor_type.shape.dim)
    yield from _nodes(graph.node)


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graph(graph)
