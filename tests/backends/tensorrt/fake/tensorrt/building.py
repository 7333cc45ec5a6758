"""The FAKE's builder and parser, with the rules that the real ones have in each version."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import onnx

from .surface import WORLD, says

MAGIC = b"FAKE ENGINE\n"
_QUANTISING = {"QuantizeLinear", "DequantizeLinear"}
_SINCE = {"LayerNormalization": (8, 6), "GroupNormalization": (8, 6)}


class Network:
    """An empty network, and then a model."""

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.model: Any = None


class Error(WORLD.base("ParserError")):  # type: ignore[misc]
    def __init__(self, index: int, node: onnx.NodeProto) -> None:
        self._index, self._node = index, node

    def node(self) -> int:
        return self._index

    def node_name(self) -> str:
        return str(self._node.name)

    def node_operator(self) -> str:
        return str(self._node.op_type)

    def desc(self) -> str:
        return f"No importer registered for op: {self._node.op_type}"

    def code(self) -> str:
        return "ErrorCode.UNSUPPORTED_NODE"


class OnnxParser(WORLD.base("OnnxParser")):  # type: ignore[misc]
    def __init__(self, network: Network, logger: Any) -> None:
        self._network, self._logger = network, logger
        self._errors: list[Any] = []

    def supports_operator(self, name: str) -> bool:
        return WORLD.version >= _SINCE.get(name, (0, 0))

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def parse(self, content: bytes, path: Any = None) -> bool:
        if WORLD.version < (10, 0) and not self._network.flags & 1:
            raise RuntimeError("implicit batch networks take no ONNX")
        if WORLD.version >= (11, 0) and self._network.flags not in (0, 1):
            raise RuntimeError("a flag that this version does not mean")
        model = onnx.load(path)
        assert model.graph == onnx.load_from_string(content).graph or path
        for index, node in enumerate(model.graph.node):
            if node.domain or not self.supports_operator(node.op_type):
                self._errors.append(Error(index, node))
        self._network.model = model
        return not self._errors


class Profile(WORLD.base("IOptimizationProfile")):  # type: ignore[misc]
    def __init__(self) -> None:
        self._shapes: dict[str, Any] = {}

    def set_shape(self, name: str, *three: Any) -> None:
        self._shapes[name] = three


class Cache(WORLD.base("ITimingCache")):  # type: ignore[misc]
    def __init__(self, known: bytes) -> None:
        self._known = known

    def serialize(self) -> bytes:
        return WORLD.identity.encode()


class Config(WORLD.base("IBuilderConfig")):  # type: ignore[misc]
    builder_optimization_level = 3

    def __init__(self) -> None:
        self._flags: set[int] = set()
        self._profiles: list[Any] = []
        self._kept: Any = None
        self._said: dict[str, Any] = {}

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        self._said["workspace"] = size

    def set_tactic_sources(self, mask: int) -> bool:
        self._said["tactics"] = mask
        return True

    def set_preview_feature(self, feature: int, on: bool) -> None:
        self._said["preview"] = on

    def set_flag(self, flag: int) -> None:
        self._flags.add(int(flag))

    def clear_flag(self, flag: int) -> None:
        self._flags.discard(int(flag))

    def add_optimization_profile(self, profile: Any) -> int:
        self._profiles.append(profile)
        return 0

    def create_timing_cache(self, known: bytes) -> Cache:
        return Cache(known)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        self._kept = cache
        return cache._known in (b"", WORLD.identity.encode())

    def get_timing_cache(self) -> Cache:
        return self._kept or Cache(b"")


class Builder(WORLD.base("Builder")):  # type: ignore[misc]
    def __init__(self, logger: Any) -> None:
        if WORLD.fault == "no-gpu":
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network(flags)

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> Any:
        says(self._logger, "INFO", "the fake starts to try kernels")
        _misbehave(WORLD.fault)
        problem = "" if WORLD.fault != "build-refuse" else "no implementation for node a"
        problem = problem or _problem(network, config)
        if problem:
            says(self._logger, "ERROR", problem)
            return None
        shapes = config._profiles[0]._shapes if config._profiles else {}
        head = {
            "for": WORLD.identity,
            "profile": shapes,
            "half": _flag("FP16") in config._flags,
            "said": config._said,
        }
        return MAGIC + json.dumps(head).encode() + b"\n" + network.model.SerializeToString()


def _flag(name: str) -> int | None:
    member = getattr(WORLD.enumerations["BuilderFlag"], name, None)
    return None if member is None else int(member)


def _strong(network: Network) -> bool:
    if WORLD.version >= (11, 0):
        return True
    member = getattr(WORLD.enumerations["NetworkDefinitionCreationFlag"], "STRONGLY_TYPED", None)
    return member is not None and bool(network.flags & 1 << int(member))


def _problem(network: Network, config: Any) -> str:
    """What the real builder would refuse."""
    graph = network.model.graph
    given = {tensor.name for tensor in graph.initializer}
    profile = config._profiles[0]._shapes if config._profiles else {}
    for info in graph.input:
        dims = info.type.tensor_type.shape.dim
        moving = not all(dim.HasField("dim_value") for dim in dims)
        if info.name not in given and moving and info.name not in profile:
            return "the network has dynamic inputs, but no optimization profile has been defined"
    half = onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in graph.initializer}
    quantised = any(node.op_type in _QUANTISING for node in graph.node)
    if _strong(network):
        wrong = {"FP16", "BF16", "INT8"} if config._flags & _precisions() else set()
        return "strongly typed networks take no precision flags" if wrong else ""
    if half and _flag("FP16") not in config._flags:
        return "half tensors need the flag kFP16"
    if quantised and _flag("INT8") not in config._flags:
        return "quantised networks need the flag kINT8"
    return ""


def _precisions() -> set[int | None]:
    return {_flag(name) for name in ("FP16", "BF16", "INT8")} - {None}


def _misbehave(fault: str) -> None:
    if fault == "build-crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "build-exit":
        os._exit(3)
    if fault == "build-hang":
        time.sleep(600)
    if fault == "build-memory":
        os.kill(os.getpid(), signal.SIGKILL)
