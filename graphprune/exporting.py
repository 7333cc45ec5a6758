"""From a module to a file that engines read: prune, export, and compare what it computes."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import checker

from graphprune.backends.base import Backend, Precision, get
from graphprune.building import build_engine
from graphprune.compiler import apply, prune
from graphprune.data import Array, Feeds
from graphprune.errors import BackendUnavailable, BadData, NotEquivalent, UnsupportedModel
from graphprune.inspection import example_of
from graphprune.module_result import ModuleResult
from graphprune.passes.narrow import replacing
from graphprune.passes.verify.proof import relative_error
from graphprune.plan import Plan
from graphprune.result import METADATA_KEY, not_equivalent

# Kernels of two engines add up in another order, layer after layer.
TOLERANCE = 1e-4

ENGINES = (".engine", ".plan")
"""Suffixes of what TensorRT builds."""


@dataclass(frozen=True, eq=False)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        result: The pruning, where one was asked for.
        error: Largest relative difference between the file's outputs and the module's, on the
            example inputs; of an engine, between its outputs and those of the ONNX model it was
            built from, which is compared first. None where it was not run.
    """

    path: Path
    result: ModuleResult | None
    error: float | None


def export(
    module: Any, example_inputs: Any, path: str | Path, *, plan: Plan | None = None,
    opset: int | None = None, run: bool = True, precision: Precision = "fp32",
    engine: Backend | None = None, **how: Any,
) -> Exported:  # fmt: skip
    """Write a module as an ONNX file or an engine, pruned first where a plan or budget is given.

    The batch of an ONNX file stays open where the module allows it, and a pruned one carries its
    plan. An engine of TensorRT is built for the shapes of the example, unless `engine` has ranges.

    Args:
        module: An nn.Module or an ExportedProgram; it is not changed.
        example_inputs: What it is called with: a tensor, a tuple, or a dict by keyword.
        path: An ``.onnx`` file, or a ``.engine`` or ``.plan``; it appears when it is right.
        plan: Narrow by this plan.
        opset: Version of ONNX's operators, if not the exporter's own.
        run: Run the narrowed module for its proof, and the file, to compare.
        precision: Of an engine: "fp32", "fp16" or "bf16".
        engine: What builds an engine, with its options; TensorRT where None.
        **how: Budgets and options of :func:`graphprune.prune`.

    Raises:
        NotEquivalent: Something does not compute what it should.
        UnsupportedModel: The module cannot be traced or exported.
        BackendUnavailable: There is no TensorRT, or no GPU; BackendError: it refuses the network.
    """
    target, builder = _target(path), _builder(Path(path), engine, precision)
    result = _pruned(module, example_inputs, plan, run, how)
    small = module if result is None else result.model
    proto = _to_onnx(small, example_inputs, opset)
    if result is not None:
        proto.metadata_props.add(key=METADATA_KEY, value=result.plan.to_json())
    error = _compared(small, example_inputs, proto) if run else None
    if builder is None:
        with replacing(target) as file:
            file.write(proto.SerializeToString())
        return Exported(target, result, error)
    feeds = _given(small, example_inputs, proto)
    built = build_engine(proto, target, builder, precision=precision, feeds=feeds, check=run)
    return Exported(target, result, built.error)


def _pruned(
    module: Any, example_inputs: Any, plan: Plan | None, run: bool, how: dict[str, Any]
) -> ModuleResult | None:
    """The narrowed module, where a plan or a budget says how."""
    if plan is not None:
        applied: ModuleResult = apply(module, plan, example_inputs, run=run, **how)
        return _proven(applied)
    if not how:
        return None
    pruned: ModuleResult = prune(module, example_inputs, run=run, **how)
    return _proven(pruned)


def _proven(result: ModuleResult) -> ModuleResult:
    if not result.proof.ok:
        raise not_equivalent(result.proof)
    return result


def _target(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix not in (".onnx", *ENGINES):
        raise UnsupportedModel(
            f"'{target.suffix or target.name}' is no kind of file that modules are exported to",
            where=str(target),
            fix="export to a .onnx file, or to a .engine file for TensorRT",
        )
    return target


def _builder(target: Path, engine: Backend | None, precision: Precision) -> Backend | None:
    """What builds the file, where it is an engine; asked before any work is done.

    Raises:
        BackendUnavailable: It cannot be used here.
        BadData: The file is no engine, and options of one were given.
    """
    if target.suffix in ENGINES:
        return engine if engine is not None else get("tensorrt")
    if engine is not None or precision != "fp32":
        raise BadData("only engines have a precision and a builder", fix="export to a .engine file")
    return None


def _to_onnx(module: Any, example_inputs: Any, opset: int | None) -> onnx.ModelProto:
    import torch

    from graphprune.frontends.torch import trace
    from graphprune.frontends.torch.exportable import respell
    from graphprune.frontends.torch.modes import evaluating

    example = example_of(module, example_inputs)
    with evaluating(module):
        program = trace(module, example.args, example.kwargs).program
    _check_size(program)
    respell(program)
    with _quietly():
        try:
            exported = torch.onnx.export(program, dynamo=True, opset_version=opset, verbose=False)
        except ImportError as error:
            raise BackendUnavailable(
                "PyTorch's ONNX exporter is not complete",
                why=str(error),
                fix="pip install 'graphprune[torch]'",
            ) from error
        except Exception as error:  # whatever the exporter trips over comes through here
            raise UnsupportedModel(
                f"'{type(module).__name__}' cannot be exported to ONNX",
                why=_root(error),
                fix="see torch.onnx.export(module, inputs, dynamo=True, report=True)",
            ) from error
    proto: onnx.ModelProto = exported.model_proto
    _name_the_batch(proto)
    return proto


def _check_size(program: Any) -> None:
    """Refuse what one file cannot hold, before the work of exporting it."""
    parameters = sum(t.numel() * t.element_size() for t in program.state_dict.values())
    if parameters >= checker.MAXIMUM_PROTOBUF:
        raise UnsupportedModel(
            "the module is too large for one ONNX file",
            why=f"its parameters take {parameters:,} bytes, a file holds less than 2 GiB",
            fix="export result.model with torch.onnx.export(…, external_data=True)",
        )


def _root(error: BaseException) -> str:
    """What the exporter tripped over, which it wraps in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _name_the_batch(proto: onnx.ModelProto) -> None:
    """Call the batch what it is; the exporter calls it by a symbol such as ``s77``."""
    leading = {
        info.type.tensor_type.shape.dim[0].dim_param
        for info in proto.graph.input
        if info.type.tensor_type.shape.dim
    } - {""}
    if len(leading) != 1:
        return
    symbol = re.compile(rf"\b{re.escape(leading.pop())}\b")
    for info in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = symbol.sub("batch", dim.dim_param)


def _compared(module: Any, example_inputs: Any, proto: onnx.ModelProto) -> float:
    """The largest relative error of the file's outputs.

    Raises:
        NotEquivalent: It is more than rounding explains.
        BadData: The module gives nothing to compare.
    """
    from graphprune.passes.verify.torch.trial import run

    expected = [_array(tensor) for tensor in run(module, example_of(module, example_inputs))]
    engine = get("onnxruntime", optimization="none").build(proto)
    try:
        found = engine.run(_given(module, example_inputs, proto))
        outputs = [found[name] for name in engine.outputs]
    finally:
        engine.close()
    if not any(np.isfinite(array).any() for array in expected):
        raise BadData(
            "the file cannot be compared with the module",
            why="no output of the module is finite on the example inputs",
            fix="give other inputs, or write it uncompared: run=False",
        )
    worst = max((relative_error(a, b) for a, b in zip(outputs, expected, strict=True)), default=0.0)
    if not worst <= TOLERANCE:
        raise NotEquivalent(
            "the exported file does not compute what the module computes; nothing was written",
            why=f"largest relative error {worst:.2g}, accepted are {TOLERANCE:.0e}",
            fix="please report it; run=False writes the file all the same",
        )
    return worst


def _given(module: Any, example_inputs: Any, proto: onnx.ModelProto) -> Feeds:
    """The example, by the names of the file's inputs, which are in its order."""
    from torch.utils import _pytree as pytree

    example = example_of(module, example_inputs)
    leaves = pytree.tree_leaves((example.args, dict(example.kwargs)))
    arrays = [_array(leaf) for leaf in leaves if hasattr(leaf, "detach")]
    weights = {tensor.name for tensor in proto.graph.initializer}
    names = [info.name for info in proto.graph.input if info.name not in weights]
    return dict(zip(names, arrays, strict=True))


def _array(tensor: Any) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter reports its progress on the terminal and in the log."""
    silence = io.StringIO()
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(silence), redirect_stderr(silence), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
