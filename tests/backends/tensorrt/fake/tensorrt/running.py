"""The FAKE's runtime: engines that are ONNX models, run on the fake driver's memory."""

from __future__ import annotations

import ctypes
import importlib
import json
from typing import Any

import numpy as np
import onnx

from .building import MAGIC
from .surface import WORLD, says

_TYPES = {
    "tensor(float)": ("FLOAT", np.float32),
    "tensor(float16)": ("HALF", np.float16),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(bool)": ("BOOL", np.bool_),
}


class Tensor:
    """An input or output of an engine."""

    def __init__(self, node: Any, version: tuple[int, int]) -> None:
        self.name, self.shape = node.name, tuple(node.shape)
        self.kind, self.real = _TYPES[node.type]
        self.dtype: Any = self.real
        if self.kind == "INT64" and version < (10, 0):
            self.kind, self.dtype = "INT32", np.int32


class Inspector(WORLD.base("EngineInspector")):  # type: ignore[misc]
    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def get_engine_information(self, layout: int) -> str:
        return json.dumps({"Layers": _layers(self._engine._model), "Bindings": []})


class Engine(WORLD.base("ICudaEngine")):  # type: ignore[misc]
    device_memory_size = device_memory_size_v2 = 4096

    def __init__(self, head: dict[str, Any], content: bytes) -> None:
        self._head, self._model = head, onnx.load_from_string(content)
        # Late: most faults come before anything runs.
        onnxruntime = importlib.import_module("onnxruntime")
        self._session = onnxruntime.InferenceSession(content)
        self._inputs = [Tensor(one, WORLD.version) for one in self._session.get_inputs()]
        self._outputs = [Tensor(one, WORLD.version) for one in self._session.get_outputs()]
        self._io = {one.name: one for one in (*self._inputs, *self._outputs)}

    @property
    def num_io_tensors(self) -> int:
        return len(self._io)

    def get_tensor_name(self, index: int) -> str:
        return str(list(self._io)[index])

    def get_tensor_mode(self, name: str) -> Any:
        kind = "INPUT" if self._io[name] in self._inputs else "OUTPUT"
        return WORLD.enum("TensorIOMode", kind)

    def get_tensor_location(self, name: str) -> Any:
        return WORLD.enum("TensorLocation", "DEVICE")

    def get_tensor_dtype(self, name: str) -> Any:
        return WORLD.enum("DataType", self._io[name].kind)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(one if isinstance(one, int) else -1 for one in self._io[name].shape)

    def create_execution_context(self) -> Any:
        return Context(self)

    def create_engine_inspector(self) -> Any:
        return Inspector(self)


class Runtime(WORLD.base("Runtime")):  # type: ignore[misc]
    def __init__(self, logger: Any) -> None:
        if WORLD.fault == "no-gpu":
            says(logger, "WARNING", "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> Any:
        first, _, rest = content.removeprefix(MAGIC).partition(b"\n")
        head = json.loads(first)
        if head["for"] != WORLD.identity or WORLD.fault == "read-refuse":
            says(self._logger, "ERROR", "the engine plan file is not compatible")
            return None
        return Engine(head, rest)


class Context(WORLD.base("IExecutionContext")):  # type: ignore[misc]
    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._shapes = {one.name: engine.get_tensor_shape(one.name) for one in engine._inputs}
        self._addresses: dict[str, int] = {}
        self._watcher: Any = None

    @property
    def profiler(self) -> Any:
        return self._watcher

    @profiler.setter
    def profiler(self, watcher: Any) -> None:
        object.__setattr__(self, "_watcher", watcher)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._engine._head["profile"].get(name, [[], [], []])
        if len(low) != len(shape):
            return False
        if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return tuple(self._shapes[name])
        inputs = {one.name: np.zeros(self._shapes[one.name], one.real)
                  for one in self._engine._inputs}  # fmt: skip
        shape: tuple[int, ...] = self._engine._session.run([name], inputs)[0].shape
        return shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert set(self._addresses) == set(self._engine._io), "a tensor has no memory"
        WORLD.driver.submit(self._run)
        if self._watcher is not None:
            for layer in _layers(self._engine._model):
                self._watcher.report_layer_time(layer["Name"], 0.25)
        return True

    def _run(self) -> None:
        engine = self._engine
        feeds = {}
        for one in engine._inputs:
            shape, dtype = self._shapes[one.name], np.dtype(one.dtype)
            size = int(np.prod(shape)) * dtype.itemsize
            content = ctypes.string_at(self._addresses[one.name], size)
            feeds[one.name] = np.frombuffer(content, dtype).reshape(shape).astype(one.real)
        results = engine._session.run(None, feeds)
        for one, array in zip(engine._outputs, results, strict=True):
            self._write(self._addresses[one.name], array.astype(one.dtype))
        WORLD.driver.advance(_duration(engine._model))

    def _write(self, address: int, array: Any) -> None:
        if self._engine._head["half"] and array.dtype.kind == "f":
            array = array.astype(np.float16).astype(array.dtype)
        if WORLD.fault == "wrong":
            array = array * 2
        if WORLD.fault != "unwritten":
            ctypes.memmove(address, array.tobytes(), array.nbytes)


def _duration(model: onnx.ModelProto) -> float:
    """Made up: a microsecond for every 100 weights."""
    return sum(float(np.prod(tensor.dims)) for tensor in model.graph.initializer) * 1e-8


def _layers(model: onnx.ModelProto) -> list[dict[str, Any]]:
    """Each ReLU is fused into what comes before, as the real one would."""
    fused: list[list[str]] = []
    for node in model.graph.node:
        if node.op_type == "Relu" and fused:
            fused[-1].append(node.name)
        else:
            fused.append([node.name])
    layers = [{"Name": " + ".join(names), "LayerType": "CaskConvolution", "TacticName": "fake"}
              for names in fused]  # fmt: skip
    if WORLD.version >= (8, 6):
        for layer, names in zip(layers, fused, strict=True):
            layer["Metadata"] = "\x1e".join(f"[ONNX Layer: {name}]" for name in names)
    return layers
