"""Type checking of a model by ONNX's own inference, on a copy without weights."""

from __future__ import annotations

import re
from math import prod

import onnx
from onnx import checker, shape_inference

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.constants import constant_tensor
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.frontends.onnx.native import Native

_ERRORS = (checker.ValidationError, RuntimeError, ValueError)
_MISTYPED = re.compile(r"inconsistent type|unsupported type|elem type|tensor data type")
_LARGE = 64  # elements; contents of larger tensors play no part in types


def check_types(model: OnnxModel) -> None:
    """Refuse a model whose operators get operands of types they do not take.

    Args:
        model: Any model.

    Raises:
        InvalidModel: An operand has a wrong type, or an output is of another than it says.
    """
    skeleton = _skeleton(model.proto)
    try:
        inferred = shape_inference.infer_shapes(skeleton, check_type=True, strict_mode=False)
    except (*_ERRORS, shape_inference.InferenceError) as error:
        text = str(error)
        if not _MISTYPED.search(text):
            return  # shapes are our own rules' affair
        raise InvalidModel(
            "an operator gets an operand of a type it does not take",
            where=str(model.path or "the given proto"),
            why=_line(text),
        ) from error
    found = {info.name: _element(info) for info in inferred.graph.output}
    for info in model.proto.graph.output:
        declared, computed = _element(info), found[info.name]
        if declared and computed and declared != computed:
            raise InvalidModel(
                f"output '{info.name}' is of another element type than the model says",
                where=str(model.path or "the given proto"),
                why=f"it is declared {_name(declared)} and computed as {_name(computed)}",
                fix="declare the type that is computed, or cast the output",
            )


def _element(info: onnx.ValueInfoProto) -> int:
    """The element type of a tensor; 0 where there is none."""
    return int(info.type.tensor_type.elem_type)


def _name(element: int) -> str:
    return str(onnx.TensorProto.DataType.Name(element)).lower()


def complaint(node: Native) -> str:
    """What ONNX's own checker says of a node; empty where it is content."""
    context = checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": node.opset, node.proto.domain: node.opset}
    try:
        checker.check_node(node.proto, context)
    except _ERRORS as error:
        return _line(str(error))
    return ""


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


def _skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights as typed inputs; small constants and shape tensors stay."""
    copy = onnx.ModelProto(ir_version=max(proto.ir_version, 4))
    copy.opset_import.extend(proto.opset_import)
    copy.functions.extend(proto.functions)
    graph, source = copy.graph, proto.graph
    graph.name = source.name or "graph"
    # By name only: inference keeps a type that is given, whatever is computed.
    graph.output.extend(onnx.ValueInfoProto(name=info.name) for info in source.output)
    weights = {t.name for t in source.initializer}
    graph.input.extend(i for i in source.input if i.name not in weights)
    constants: list[onnx.TensorProto] = []
    for node in source.node:
        # Exporters wrote Constants of integers long before its definition allowed them.
        tensor = constant_tensor(node) if node.op_type == "Constant" else None
        if tensor is not None and tensor.name:
            constants.append(tensor)
        else:
            graph.node.append(node)
    for tensor in (*constants, *source.initializer):
        if _large(tensor):
            graph.input.append(_typed(tensor))
        else:
            graph.initializer.append(tensor)
    return copy


def _large(tensor: onnx.TensorProto) -> bool:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    return external or prod(tensor.dims) > _LARGE


def _typed(tensor: onnx.TensorProto) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
