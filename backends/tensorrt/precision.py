"""How a precision is asked for: by builder flags up to TensorRT 10, in the graph from 11 on."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

import onnx
from onnx import TensorProto

from graphprune.backends.base import Precision
from graphprune.errors import BackendError, BackendUnavailable

Typing = Literal["auto", "weak", "strong"]
Version = tuple[int, int]

_STRONG_FROM, _STRONG_ALWAYS, _BFLOAT_FROM = (10, 0), (11, 0), (10, 0)

_FLAGS: dict[Precision, tuple[str, ...]] = {"fp32": (), "fp16": ("FP16",), "bf16": ("BF16",)}

_QUANTISING = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Decision:
    """How a network is typed.

    Attributes:
        strong: Whether the types are those of the graph; else TensorRT chooses among what the
            flags allow.
        flags: Names of builder flags.
        convert: What the graph is converted to first, or None.
    """

    strong: bool
    flags: tuple[str, ...]
    convert: Precision | None


def decide(
    version: Version, precision: Precision, typing: Typing, model: onnx.ModelProto, int8: bool
) -> Decision:
    """Says how a precision is reached.

    Args:
        version: TensorRT's major and minor version.
        precision: Of what the model leaves in float32.
        typing: "weak" lets TensorRT choose, "strong" takes the graph at its word; "auto" is weak
            up to 10, and strong from 11 on, which knows nothing else.
        model: The graph.
        int8: Whether 8-bit integers were asked for.

    Raises:
        BackendError: This version, or this graph, does not have it.
    """
    quantised = is_quantised(model)
    if int8 and not quantised:
        raise BackendError(
            "int8 is built from graphs with QuantizeLinear and DequantizeLinear only",
            why="this graph has none; TensorRT's own calibration is gone from version 11 on",
            fix="quantise it first, such as with onnxruntime.quantization.quantize_static("
            "quant_format=QuantFormat.QDQ), symmetric, per channel",
        )
    _check(version, precision, typing)
    if typing == "strong" or version >= _STRONG_ALWAYS:
        return Decision(True, (), None if precision == "fp32" else precision)
    types = element_types(model)
    flags = [
        *_FLAGS[precision],
        # Tensors that are so already are refused without the flag.
        *(("FP16",) if TensorProto.FLOAT16 in types else ()),
        *(("BF16",) if TensorProto.BFLOAT16 in types else ()),
        *(("INT8",) if quantised else ()),
    ]
    return Decision(False, tuple(dict.fromkeys(flags)), None)


def _check(version: Version, precision: Precision, typing: Typing) -> None:
    """Refuses what a version does not have.

    Raises:
        BackendError: It does not.
    """
    name = ".".join(map(str, version))
    if typing == "weak" and version >= _STRONG_ALWAYS:
        raise BackendError(
            f"TensorRT {name} has no weakly typed networks", why="they ended with version 10"
        )
    if typing == "strong" and version < _STRONG_FROM:
        raise BackendError(
            f"TensorRT {name} has no strongly typed networks", why="they came with version 10"
        )
    if precision == "bf16" and version < _BFLOAT_FROM:
        raise BackendError(
            f"TensorRT {name} builds no bf16 engine",
            why="bfloat16 came with version 10",
            fix="build it with --fp16, or with a newer TensorRT",
        )


def is_quantised(model: onnx.ModelProto) -> bool:
    """Returns whether a graph says itself what is quantised, and how."""
    return any(node.op_type in _QUANTISING for node in model.graph.node)


def element_types(model: onnx.ModelProto) -> set[int]:
    """Returns the types of a graph's inputs and weights, as ONNX numbers them."""
    inputs = {info.type.tensor_type.elem_type for info in model.graph.input}
    return inputs | {tensor.data_type for tensor in model.graph.initializer}


def convert(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Returns a model that computes in 16 bits, between inputs and outputs as they were.

    Args:
        model: In float32; it may be changed.
        precision: "fp16" or "bf16".

    Raises:
        BackendUnavailable: No converter is installed.
        BackendError: The converter refuses the model.
    """
    try:
        return _to_half(model) if precision == "fp16" else _to_bfloat(model)
    except (ValueError, RuntimeError, TypeError, AttributeError, KeyError) as error:
        raise BackendError(
            f"the graph cannot be converted to {precision}", why=str(error)
        ) from error


def _to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    for name in ("onnxruntime.transformers.float16", "onnxconverter_common.float16"):
        try:
            library: Any = importlib.import_module(name)
        except ImportError:
            continue
        blocked = list(library.DEFAULT_OP_BLOCK_LIST)
        # Their scales may be in 16 bits only from opset 19 on.
        blocked += _QUANTISING if is_quantised(model) else ()
        made: onnx.ModelProto = library.convert_float_to_float16(
            model, keep_io_types=True, op_block_list=blocked
        )
        return made
    raise BackendUnavailable(
        "there is nothing that converts a graph to fp16",
        why="from TensorRT 11 on the precision is in the graph, and neither onnxruntime nor "
        "onnxconverter-common is installed",
        fix="pip install 'graphprune[onnxruntime]'",
    )


def _to_bfloat(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        library: Any = importlib.import_module("modelopt.onnx.autocast")
    except ImportError as error:
        raise BackendUnavailable(
            "there is nothing that converts a graph to bf16",
            why="where networks are strongly typed the precision is in the graph, and NVIDIA's "
            f"ModelOpt, which converts it, is not installed: {error}",
            fix="pip install 'nvidia-modelopt[onnx]', give a model that is in bfloat16 already, "
            "or build it with --fp16",
        ) from error
    made: onnx.ModelProto = library.convert_to_mixed_precision(
        model, low_precision_type="bf16", keep_io_types=True
    )
    return made
