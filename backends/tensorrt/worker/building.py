"""From an ONNX file to an engine: one path for every version from 8.5 on.

The calls are those that no version lacks: networks of explicit batch, tensors by name, engines
built as bytes. What differs is how a network is created, and how a precision is asked for.
"""

from __future__ import annotations

import os
import time
from typing import Any

from .failures import BackendError
from .library import Library

STRONG_FROM = (10, 0)
STRONG_ALWAYS = (11, 0)

_OWN_KERNELS = ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
_TIMING_RUNS = 8


def network(library: Library, builder: Any, strong: bool) -> Any:
    """Returns an empty network.

    Args:
        library: TensorRT.
        builder: Its builder.
        strong: Whether types are those of the graph, and no others.
    """
    kind = "NetworkDefinitionCreationFlag"
    if library.version < STRONG_FROM:
        flags = library.bits(kind, "EXPLICIT_BATCH")
    elif strong and library.version < STRONG_ALWAYS:
        flags = library.bits(kind, "STRONGLY_TYPED")
    else:
        # From 11 on there is no other way: the flags of old are gone, and their bits mean others.
        flags = 0
    return builder.create_network(flags)


def unsupported(library: Library, builder: Any, operators: list[str]) -> list[str]:
    """Returns those operators that this version's parser does not know.

    Args:
        library: TensorRT.
        builder: Its builder.
        operators: Names of ONNX operators.
    """
    parser = library.trt.OnnxParser(network(library, builder, False), library.logger)
    return [name for name in operators if not parser.supports_operator(name)]


def build(library: Library, builder: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Builds an engine.

    Args:
        library: TensorRT.
        builder: Its builder.
        request: "model": the ONNX file; "engine": the file to write; "strong": see `network`;
            "flags": names of builder flags; "profiles": smallest, usual and largest shape by
            input; "workspace": bytes or None; "level": of optimisation, or None; "tf32";
            "libraries": whether cuBLAS and cuDNN may be used; "timing_cache": a file, or None.

    Returns:
        "errors": what the parser did not like, empty where it did; else "seconds".

    Raises:
        BackendError: The builder failed, or this version lacks something that was asked for.
    """
    made = network(library, builder, request["strong"])
    errors = _parse(library, made, request["model"])
    if errors:
        return {"errors": errors}
    config = _config(library, builder, request)
    for profile in _profile(library, builder, request["profiles"]):
        if config.add_optimization_profile(profile) < 0:
            raise library.refused("TensorRT refuses the optimisation profile")
    _load_timings(config, request["timing_cache"])
    begin = time.perf_counter()
    plan = builder.build_serialized_network(made, config)
    if plan is None:
        raise library.refused(f"TensorRT {library.text} cannot build the engine")
    with open(request["engine"], "wb") as file:
        file.write(memoryview(plan))
    _keep_timings(config, request["timing_cache"])
    return {"errors": [], "seconds": time.perf_counter() - begin}


def _parse(library: Library, made: Any, path: str) -> list[dict[str, Any]]:
    """Fills the network; returns what the parser did not like."""
    parser = library.trt.OnnxParser(made, library.logger)
    with open(path, "rb") as file:
        # The path is for external data alone, which lies beside the file.
        fine = parser.parse(file.read(), path)
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    found = [
        {
            "node": int(error.node()),
            # From 10 on the parser knows the names as well.
            "name": str(error.node_name()) if hasattr(error, "node_name") else "",
            "operator": str(error.node_operator()) if hasattr(error, "node_operator") else "",
            "text": str(error.desc()),
            "code": str(error.code()).rpartition(".")[2],
        }
        for error in errors
    ]
    if fine or found:
        return found
    why = "; ".join(library.said(3)) or "it gave no reason"
    return [{"node": -1, "name": "", "operator": "", "text": why, "code": ""}]


def _config(library: Library, builder: Any, request: dict[str, Any]) -> Any:
    trt = library.trt
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # Fewer runs of each kernel make the choice between them noisier.
    config.avg_timing_iterations = _TIMING_RUNS
    if request["workspace"] is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, request["workspace"])
    if request["level"] is not None:
        if not hasattr(config, "builder_optimization_level"):
            raise _lacking(library, "levels of optimisation", "8.6")
        config.builder_optimization_level = request["level"]
    if not request["libraries"]:
        config.set_tactic_sources(library.bits("TacticSource", *_OWN_KERNELS))
        name = "DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805"
        preview = library.member("PreviewFeature", name)
        if preview is not None:
            config.set_preview_feature(preview, True)
    if not request["tf32"]:
        config.clear_flag(trt.BuilderFlag.TF32)
    for name in request["flags"]:
        flag = library.member("BuilderFlag", name)
        if flag is None:
            raise BackendError(
                f"TensorRT {library.text} builds no engine of this precision",
                why=f"it has no builder flag {name}",
            )
        config.set_flag(flag)
    return config


def _lacking(library: Library, what: str, since: str) -> BackendError:
    return BackendError(
        f"TensorRT {library.text} has no {what}", why=f"they came with version {since}"
    )


def _profile(library: Library, builder: Any, ranges: dict[str, Any]) -> list[Any]:
    """One profile where there are shapes to choose from, else none."""
    if not ranges:
        return []
    profile = builder.create_optimization_profile()
    for name, (smallest, usual, largest) in ranges.items():
        try:
            profile.set_shape(name, tuple(smallest), tuple(usual), tuple(largest))
        except (ValueError, TypeError, RuntimeError) as error:
            raise BackendError(
                f"TensorRT refuses the shapes of input {name!r}", why=str(error)
            ) from error
    return [profile]


def _load_timings(config: Any, path: Any) -> None:
    """Gives the builder what earlier builds measured, where it is of this version and GPU."""
    if path is None:
        return
    known = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            known = file.read()
    if not config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _keep_timings(config: Any, path: Any) -> None:
    if path is None:
        return
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "wb") as file:
        file.write(memoryview(config.get_timing_cache().serialize()))
    os.replace(partial, path)
