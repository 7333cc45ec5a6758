"""How each version reaches a precision, and what it refuses."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")

from graphprune.backends.base import Precision
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.tensorrt.precision import Decision, convert, decide
from graphprune.backends.tensorrt.prepare import tidied
from graphprune.errors import BackendError, BackendUnavailable
from tests.backends.tensorrt.faking import images, quantised, small


@pytest.mark.parametrize(
    ("version", "precision", "decision"),
    [
        ((8, 5), "fp32", Decision(False, (), None)),
        ((8, 5), "fp16", Decision(False, ("FP16",), None)),
        ((8, 6), "fp16", Decision(False, ("FP16",), None)),
        ((10, 3), "bf16", Decision(False, ("BF16",), None)),
        ((10, 16), "fp16", Decision(False, ("FP16",), None)),
        ((11, 0), "fp32", Decision(True, (), None)),
        ((11, 4), "fp16", Decision(True, (), "fp16")),
        ((11, 4), "bf16", Decision(True, (), "bf16")),
    ],
)
def test_flags_before_11_and_the_graph_from_11_on(
    version: tuple[int, int], precision: Precision, decision: Decision
) -> None:
    assert decide(version, precision, "auto", small(), False) == decision


def test_strong_typing_on_request_from_10_on() -> None:
    assert decide((10, 0), "fp16", "strong", small(), False) == Decision(True, (), "fp16")
    with pytest.raises(BackendError, match=r"TensorRT 8\.6 has no strongly typed networks"):
        decide((8, 6), "fp16", "strong", small(), False)
    with pytest.raises(BackendError, match=r"TensorRT 11\.0 has no weakly typed networks"):
        decide((11, 0), "fp16", "weak", small(), False)


def test_bf16_is_refused_where_it_is_missing() -> None:
    with pytest.raises(BackendError) as caught:
        decide((8, 5), "bf16", "auto", small(), False)
    assert str(caught.value) == (
        "BackendError: TensorRT 8.5 builds no bf16 engine\n"
        "  why:   bfloat16 came with version 10\n"
        "  fix:   build it with --fp16, or with a newer TensorRT"
    )


def test_int8_comes_from_quantised_graphs_only() -> None:
    assert decide((8, 5), "fp16", "auto", quantised(), True).flags == ("FP16", "INT8")
    assert decide((10, 0), "fp32", "auto", quantised(), False).flags == ("INT8",)
    assert decide((11, 0), "fp32", "auto", quantised(), True) == Decision(True, (), None)
    with pytest.raises(BackendError) as caught:
        decide((8, 5), "fp16", "auto", small(), True)
    assert caught.value.what == (
        "int8 is built from graphs with QuantizeLinear and DequantizeLinear only"
    )
    assert "quantize_static" in str(caught.value.fix)


def test_graphs_in_half_precision_get_the_flag_they_need() -> None:
    half = convert(small(), "fp16")
    assert decide((8, 5), "fp32", "auto", half, False).flags == ("FP16",)


def test_conversion_keeps_inputs_and_outputs_and_what_it_computes() -> None:
    half = convert(small(), "fp16")
    assert {tensor.data_type for tensor in half.graph.initializer} == {TensorProto.FLOAT16}
    ends = (*half.graph.input, *half.graph.output)
    assert {info.type.tensor_type.elem_type for info in ends} == {TensorProto.FLOAT}
    wanted, found = (OnnxRuntime().build(one).run(images())["y"] for one in (small(), half))
    error = float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert 0 < error < 2e-3


def test_scales_of_quantised_graphs_stay_as_they_are() -> None:
    half = tidied(convert(quantised(), "fp16"))
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert kinds["s"] == TensorProto.FLOAT
    assert kinds["w"] == TensorProto.FLOAT16
    onnx.checker.check_model(half, full_check=True)


def test_without_a_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnxruntime.transformers.float16", "onnxconverter_common.float16"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendUnavailable) as caught:
        convert(small(), "fp16")
    assert caught.value.fix == "pip install 'graphprune[onnxruntime]'"


def recorded(asked: list[Any], how: Any, model: onnx.ModelProto) -> onnx.ModelProto:
    asked.append(how)
    return model


def test_the_other_converter_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    other: Any = types.ModuleType("onnxconverter_common.float16")
    other.DEFAULT_OP_BLOCK_LIST = ["TopK"]
    other.convert_float_to_float16 = lambda model, **how: recorded(asked, how, model)
    monkeypatch.setitem(sys.modules, "onnxruntime.transformers.float16", None)
    monkeypatch.setitem(sys.modules, "onnxconverter_common", types.ModuleType("common"))
    monkeypatch.setitem(sys.modules, "onnxconverter_common.float16", other)
    assert convert(small(), "fp16") == small()
    assert asked == [{"keep_io_types": True, "op_block_list": ["TopK"]}]


def test_bf16_in_the_graph_is_the_work_of_modelopt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelopt", None)
    with pytest.raises(BackendUnavailable, match="nothing that converts a graph to bf16") as caught:
        convert(small(), "bf16")
    assert "nvidia-modelopt" in str(caught.value.fix)
    asked: list[Any] = []
    tool: Any = types.ModuleType("modelopt.onnx.autocast")
    tool.convert_to_mixed_precision = lambda model, **how: recorded(asked, how, model)
    monkeypatch.setitem(sys.modules, "modelopt", types.ModuleType("modelopt"))
    monkeypatch.setitem(sys.modules, "modelopt.onnx", types.ModuleType("modelopt.onnx"))
    monkeypatch.setitem(sys.modules, "modelopt.onnx.autocast", tool)
    convert(small(), "bf16")
    assert asked == [{"low_precision_type": "bf16", "keep_io_types": True}]


def test_what_a_converter_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime.transformers import float16

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("infinite in half precision")

    monkeypatch.setattr(float16, "convert_float_to_float16", refuse)
    with pytest.raises(BackendError) as caught:
        convert(small(), "fp16")
    assert str(caught.value) == (
        "BackendError: the graph cannot be converted to fp16\n  why:   infinite in half precision"
    )
