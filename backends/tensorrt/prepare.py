"""The engine's own copy of a model: shapes fixed, constants folded, what is unknown spelled out.

The copy is for TensorRT alone. The user's file is never written: onnx-graphsurgeon drops metadata,
doc strings and inputs that have defaults.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import checker, helper, inliner, shape_inference

from graphprune.backends import onnx_source
from graphprune.backends.base import Model
from graphprune.backends.tensorrt.shapes import Range
from graphprune.data import InputSpec
from graphprune.errors import BackendError, BackendUnavailable

_DEFAULT_DOMAINS = ("", "ai.onnx")


def read(model: Model) -> onnx.ModelProto:
    """Returns a copy of a model, with its external data.

    Args:
        model: A path, serialised bytes, or a ModelProto.

    Raises:
        BackendError: It cannot be read.
    """
    try:
        if isinstance(model, onnx.ModelProto):
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            return copy
        return onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(str(model))
    except (OSError, DecodeError, ValueError, checker.ValidationError) as error:
        raise BackendError(
            "the model cannot be read", where=onnx_source.place(model), why=str(error)
        ) from error


def inputs(model: onnx.ModelProto) -> tuple[InputSpec, ...]:
    """Returns what a model must be fed, sizes it leaves open by their names.

    Args:
        model: The model.

    Raises:
        BackendError: An input is no tensor.
    """
    given = {tensor.name for tensor in model.graph.initializer}
    found = []
    for info in model.graph.input:
        if info.name in given:
            continue
        tensor = info.type.tensor_type
        if not tensor.elem_type:
            raise BackendError(f"cannot feed input {info.name!r}", why="it is no tensor")
        dims = tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in tensor.shape.dim
        )
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        found.append(InputSpec(info.name, dims, dtype))
    return tuple(found)


def operators(model: onnx.ModelProto) -> list[str]:
    """Returns the names of ONNX's own operators in a model that can be spelled out by others."""
    version = next(one.version for one in model.opset_import if one.domain in _DEFAULT_DOMAINS)
    used = {node.op_type for node in model.graph.node if node.domain in _DEFAULT_DOMAINS}
    return sorted(name for name in used if _has_body(name, version))


def _has_body(name: str, version: int) -> bool:
    if not onnx.defs.has(name, max_inclusive_version=version):
        return False
    schema: Any = onnx.defs.get_schema(name, max_inclusive_version=version)
    return bool(schema.has_function or schema.has_context_dependent_function)


def prepare(
    model: onnx.ModelProto, ranges: Mapping[str, Range], unsupported: list[str]
) -> onnx.ModelProto:
    """Returns what TensorRT is given.

    Args:
        model: The model; it may be changed.
        ranges: The shapes of every input.
        unsupported: Operators that this version's parser does not know, and that ONNX defines by
            others: they are replaced by these.

    Raises:
        BackendUnavailable: onnx-graphsurgeon is not installed.
        BackendError: It refuses the model.
    """
    surgeon = graphsurgeon()
    _name_nodes(model)
    try:
        graph = surgeon.import_onnx(_inlined(model, unsupported))
        for tensor in graph.inputs:
            if tensor.name in ranges:
                tensor.shape = _dims(ranges[tensor.name], tensor.shape)
        graph.fold_constants(error_ok=True)
        graph.cleanup(remove_unused_graph_inputs=False).toposort()
        made: onnx.ModelProto = surgeon.export_onnx(graph)
    except Exception as error:  # it runs parts of the model, and whatever fails there comes through
        raise BackendError(
            "the model cannot be prepared for TensorRT", why=f"{type(error).__name__}: {error}"
        ) from error
    return made


def tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a model with its nodes in order: converters append the casts they add.

    Args:
        model: The model.

    Raises:
        BackendUnavailable: onnx-graphsurgeon is not installed.
    """
    surgeon = graphsurgeon()
    made: onnx.ModelProto = surgeon.export_onnx(surgeon.import_onnx(model).cleanup().toposort())
    return made


def graphsurgeon() -> Any:
    """Returns onnx-graphsurgeon.

    Raises:
        BackendUnavailable: It is not installed.
    """
    try:
        surgeon: Any = importlib.import_module("onnx_graphsurgeon")
    except ImportError as error:
        raise BackendUnavailable(
            "onnx-graphsurgeon, which prepares models for TensorRT, is not installed",
            why=str(error),
            fix="pip install onnx-graphsurgeon",
        ) from error
    # It reports on the terminal what it folds.
    surgeon.logger.G_LOGGER.severity = surgeon.logger.G_LOGGER.ERROR
    return surgeon


def _inlined(model: onnx.ModelProto, unsupported: list[str]) -> onnx.ModelProto:
    """Replaces the model's own functions, and unsupported operators, by their bodies."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    if not unsupported:
        return model
    identities = [("", name) for name in unsupported]
    # Some bodies depend on the types of what they are given: weights have to state theirs as well.
    typed = shape_inference.infer_shapes(model)
    for tensor in typed.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        typed.graph.value_info.append(info)
    return inliner.inline_selected_functions(typed, identities, inline_schema_functions=True)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Names every node, so that TensorRT's layers can be told apart and found again."""
    for node in model.graph.node:
        node.name = name_of(node)


def name_of(node: onnx.NodeProto) -> str:
    """Returns the name a node has in the engine's copy."""
    return node.name or f"{node.op_type}:{next(filter(None, node.output), '')}"


def _dims(range_: Range, named: Any) -> list[Any]:
    """Sizes that are fixed, and names for the others."""
    return [
        low if low == high else (name if isinstance(name, str) else f"axis{axis}")
        for axis, (low, high, name) in enumerate(
            zip(range_.smallest, range_.largest, named, strict=True)
        )
    ]


def write(model: onnx.ModelProto, path: Path) -> None:
    """Writes the copy; weights that one file cannot hold go beside it.

    Args:
        model: The copy.
        path: The file.

    Raises:
        BackendError: It cannot be written.
    """
    large = model.ByteSize() >= checker.MAXIMUM_PROTOBUF
    try:
        onnx.save(model, path, save_as_external_data=large, location=f"{path.name}.data")
    except (OSError, EncodeError, ValueError) as error:
        raise BackendError("the model cannot be written for TensorRT", why=str(error)) from error
