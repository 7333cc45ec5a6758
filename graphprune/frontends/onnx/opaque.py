"""Operations without a rule: they freeze what they touch, and say why."""

from __future__ import annotations

import onnx
from onnx import shape_inference

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, dtype_name
from graphprune.frontends.onnx.native import Native, captured
from graphprune.ir import Node
from graphprune.ir.graph import Shape

# What ONNX's inference of a single node raises where it knows nothing of it.
_INFERENCE_ERRORS = (
    onnx.defs.SchemaError,
    onnx.checker.ValidationError,
    shape_inference.InferenceError,
    UnsupportedForm,
    RuntimeError,
    ValueError,
)


def opaque(node: Native, builder: Builder, reason: str) -> None:
    """Freeze what an operation touches: operands, captured names, results.

    Args:
        node: The operation.
        builder: Takes the opaque node.
        reason: Why there is no better lowering.
    """
    read = [n for n in node.proto.input if n]
    bodies = list(builder.model.subgraphs(node.proto))
    reason = "its sub-graphs are not looked into" if bodies else reason
    inside = captured(bodies) - set(read)
    read += sorted(n for n in inside if n in builder.values or n in builder.tensors)
    operands = tuple(builder.use(n) for n in read)
    inferred = _inferred(node, builder)
    for name in node.proto.output:
        shape, dtype = inferred.get(name, (None, "float32"))
        builder.define(name, shape, dtype)
    attrs = {"reason": reason, "type": node.op_type}
    outputs = tuple(node.proto.output)
    builder.nodes.append(Node("opaque", operands, outputs, attrs, (node.index,), node.title))


def sparse(builder: Builder, tensor: onnx.SparseTensorProto) -> None:
    """A sparse initializer is read as a result of nothing: what it meets stays whole."""
    name = tensor.values.name
    if not builder.is_read(name):
        return
    builder.define(name, tuple(tensor.dims), dtype_name(tensor.values.data_type))
    attrs = {"reason": "sparse tensors stay whole", "type": "sparse initializer"}
    builder.nodes.append(Node("opaque", (), (name,), attrs, (), name))


def _inferred(node: Native, builder: Builder) -> dict[str, tuple[Shape | None, str]]:
    """What ONNX's own inference knows of an operation's results."""
    proto = node.proto
    found = {
        info.name: _info(info)
        for info in builder.model.proto.graph.value_info
        if info.name in set(proto.output)
    }
    try:
        schema = onnx.defs.get_schema(proto.op_type, node.opset, proto.domain)
        types = {n: builder.type_proto(n) for n in proto.input if n}
        data = {n: t for n in proto.input if n and (t := builder.small_tensor(n)) is not None}
        results = shape_inference.infer_node_outputs(schema, proto, types, data)
    except _INFERENCE_ERRORS:
        return found
    for name, kind in results.items():
        info = onnx.ValueInfoProto(name=name, type=kind)
        shape, dtype = _info(info)
        if shape is not None or name not in found:
            found[name] = (shape, dtype)
    return found


def _info(info: onnx.ValueInfoProto) -> tuple[Shape | None, str]:
    tensor = info.type.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return None, dtype
    dims = [d.dim_value for d in tensor.shape.dim]
    return (tuple(dims) if all(d > 0 for d in dims) else None), dtype
