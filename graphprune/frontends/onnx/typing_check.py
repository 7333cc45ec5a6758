"""Type checking of a model by ONNX's own inference, on a copy without weights."""

from __future__ import annotations

import onnx
from onnx import shape_inference

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.model import OnnxModel

_LARGE = 64  # elements; contents of larger tensors play no part in types


def check_types(model: OnnxModel) -> None:
    """Refuse a model whose operators get operands of types they do not take.

    Raises:
        InvalidModel: An operand has a wrong type.
    """
    try:
        shape_inference.infer_shapes(_skeleton(model.proto), check_type=True, strict_mode=False)
    except shape_inference.InferenceError as error:
        text = str(error).strip()
        if "type" not in text.lower() or "shape" in text.lower().split("type")[0]:
            return
        raise InvalidModel(
            "an operator gets an operand of a type it does not take",
            where=str(model.path or "the given proto"),
            why=" ".join(text.split())[:300],
        ) from error


def _skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights as typed inputs; constants and shape tensors stay."""
    copy = onnx.ModelProto(ir_version=max(proto.ir_version, 4))
    copy.opset_import.extend(proto.opset_import)
    copy.functions.extend(proto.functions)
    graph, source = copy.graph, proto.graph
    graph.name = source.name or "graph"
    graph.node.extend(source.node)
    graph.output.extend(source.output)
    weights = {t.name for t in source.initializer}
    graph.input.extend(i for i in source.input if i.name not in weights)
    for tensor in source.initializer:
        size = 1
        for n in tensor.dims:
            size *= n
        if size <= _LARGE and tensor.data_location != onnx.TensorProto.EXTERNAL:
            graph.initializer.append(tensor)
            continue
        shape = list(tensor.dims)
        graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, shape))
    return copy
