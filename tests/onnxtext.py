"""ONNX models written as text, narrowed by a plan drawn at random, and proven.

The text is ONNX's own (``onnx.parser``). Values that are declared between ``<`` and ``>`` but
that nothing computes become initializers with random contents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from graphprune.execution import execute
from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.groups import Alive, Coupling
from graphprune.ir.check import check
from graphprune.ir.graph import Shape
from graphprune.ir.text import print_graph
from graphprune.passes.couple import couple
from graphprune.passes.narrow import Narrowed, materialise, narrow
from graphprune.passes.verify import Proof, Trial, verify
from graphprune.passes.verify.masked import masked
from graphprune.passes.verify.proof import relative_error

Array = NDArray[Any]


def model(text: str, *, opset: int = 17, ir: int = 8, seed: int = 0) -> onnx.ModelProto:
    """The model a text describes.

    Args:
        text: A graph (``net (float[1,3] x) => (float[1,3] y) { y = Relu(x) }``), with functions
            after it, or a whole model with its header.
        opset: Of ONNX's own operators, where the text has no header.
        ir: IR version, where the text has no header.
        seed: Of the contents of initializers that the text leaves open.
    """
    text = dedent(text).strip()
    if not text.startswith("<"):
        text = f'<ir_version: {ir}, opset_import: ["" : {opset}, "local" : 1]>\n{text}'
    proto = parser.parse_model(text)
    fill(proto, seed)
    return proto


def fill(proto: onnx.ModelProto, seed: int = 0) -> None:
    """Random initializers for declared values that nothing computes."""
    graph, rng = proto.graph, np.random.default_rng(seed)
    made = {name for node in graph.node for name in node.output}
    made |= {i.name for i in graph.input} | {t.name for t in graph.initializer}
    rest = [info for info in graph.value_info if info.name in made]
    for info in graph.value_info:
        if info.name not in made:
            graph.initializer.append(random_tensor(info, rng))
    del graph.value_info[:]
    graph.value_info.extend(rest)


def random_tensor(info: onnx.ValueInfoProto, rng: np.random.Generator) -> onnx.TensorProto:
    """Contents that keep variances: normal, positive where the name says scale or var."""
    kind = info.type.tensor_type
    shape = [d.dim_value for d in kind.shape.dim]
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    if dtype.kind in "iu" or "int" in dtype.name:
        numbers: Array = rng.integers(0, 4, shape)
    elif "scale" in info.name or "var" in info.name:
        numbers = rng.uniform(0.5, 1.5, shape)
    else:
        fan = int(np.prod(shape[1:], dtype=np.int64)) if len(shape) > 1 else 1
        numbers = rng.standard_normal(shape) / np.sqrt(max(fan, 1))
    tensor = numpy_helper.from_array(np.asarray(numbers).astype(dtype), info.name)
    return tensor


@dataclass(frozen=True, eq=False)
class Case:
    """A model, the plan that was drawn for it, and what came out."""

    lowered: Lowered
    coupling: Coupling
    alive: Alive
    narrowed: Narrowed

    @property
    def proto(self) -> onnx.ModelProto:
        """The narrowed model, whole."""
        return materialise(self.narrowed)

    def proof(self, runs: int = 2) -> Proof:
        """The verdict of the verify pass."""
        trial = Trial(execute, runs=runs)
        return verify(self.lowered, self.coupling, self.alive, self.narrowed, trial)


def draw(coupling: Coupling, seed: int = 0, keep: float = 0.5) -> Alive:
    """A random part of every row of every group survives, never all of it."""
    rng, alive = np.random.default_rng(seed), coupling.everything()
    for group in coupling:
        left = min(max(1, round(group.width * keep)), max(1, group.width - 1))
        for row in group.units:
            alive[rng.permutation(row)[left:]] = False
    return alive


def cut(
    source: onnx.ModelProto | Path,
    *,
    shapes: Mapping[str, Shape] | None = None,
    seed: int = 0,
    keep: float = 0.5,
    only: Iterable[str] | None = None,
) -> Case:
    """Narrow a model by a random plan.

    Args:
        source: The model.
        shapes: Input shapes by name.
        seed: Of the plan.
        keep: Part of every group that survives.
        only: Parameters whose groups are narrowed; all groups where left out.
    """
    lowered = lower(load(source), shapes)
    coupling = couple(lowered.graph)
    alive = draw(coupling, seed, keep)
    for group in coupling:
        names = {m.param for m in group.members}
        if only is not None and not names & set(only):
            alive[group.units] = True
    return Case(lowered, coupling, alive, narrow(lowered, coupling, alive))


def prove(source: onnx.ModelProto | Path, **options: Any) -> Case:
    """Narrow a model by a random plan and check both proofs.

    Args:
        source: The model.
        options: As for :func:`cut`.
    """
    case = cut(source, **options)
    assert not case.alive.all(), "nothing was narrowed"
    proof = case.proof()
    assert proof.replay.ok, proof.replay.failures
    assert proof.masked is not None and proof.ok, proof.masked
    if _checks(materialise(Narrowed(case.lowered.model.proto, {}, case.lowered.model))):
        onnx.checker.check_model(case.proto, full_check=True)
    return case


def _checks(proto: onnx.ModelProto) -> bool:
    """Whether ONNX's checker is content; engines take some models that it does not."""
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


def operand(proto: onnx.ModelProto, output: str, position: int) -> Array:
    """The contents of a node's constant operand, found by the node's first result."""
    node = maker(proto, output)
    name = node.input[position]
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    constant = maker(proto, name)
    assert constant.op_type == "Constant", constant.op_type
    value = helper.get_attribute_value(constant.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.array(value)


def emitted(body: str, source: str, inits: str, opset: int = 17) -> list[str]:
    """The canonical lines that a few operators are lowered to.

    Args:
        body: The operators, their last result ``y``.
        source: Type and name of the graph's input.
        inits: Its initializers.
        opset: Of the operators.
    """
    text = f"net ({source}) => (float y) <{inits}> {{ {body} }}"
    proto = model(text, opset=opset, ir=10 if opset > 18 else 8)
    proto.graph.output[0].type.Clear()
    graph = lower(load(proto)).graph
    check(graph)
    lines = print_graph(graph).splitlines()
    return [line for line in lines if not line.startswith(("input", "param", "const", "return"))]


def maker(proto: onnx.ModelProto, output: str) -> onnx.NodeProto:
    """The node that computes a value."""
    found: onnx.NodeProto = next(n for n in proto.graph.node if output in n.output)
    return found


def attribute(proto: onnx.ModelProto, output: str, name: str) -> Any:
    """An attribute of the node that computes a value; None where it is absent."""
    found = [a for a in maker(proto, output).attribute if a.name == name]
    return helper.get_attribute_value(found[0]) if found else None


def dims(proto: onnx.ModelProto, name: str) -> list[int]:
    """The shape of an initializer."""
    return next(list(t.dims) for t in proto.graph.initializer if t.name == name)


def agree(case: Case, tolerance: float = 1e-5, seed: int = 3, **shapes: Shape) -> None:
    """Check a narrowed model against its masked original on inputs of other sizes.

    Args:
        case: Proven on the sizes it was lowered with.
        tolerance: Largest relative error.
        seed: Of the inputs.
        shapes: Of inputs, by name; others keep theirs.
    """
    values = case.lowered.graph.values
    rng = np.random.default_rng(seed)
    feed = {
        name: rng.standard_normal(shapes.get(name, values[name].known_shape)).astype(
            values[name].dtype
        )
        for name in case.lowered.graph.inputs
    }
    reference = materialise(masked(case.lowered, case.coupling, case.alive))
    (small,), (large,) = execute(case.proto, [feed]), execute(reference, [feed])
    for name, array in large.items():
        assert relative_error(small[name], array) <= tolerance, name


def reference(case: Case, feed: dict[str, Array]) -> float:
    """As the proof, on ONNX's own evaluator: it has kernels that engines lack."""
    whole = materialise(masked(case.lowered, case.coupling, case.alive))
    small, large = (ReferenceEvaluator(m).run(None, feed) for m in (case.proto, whole))
    return max(
        relative_error(np.asarray(a), np.asarray(b)) for a, b in zip(small, large, strict=True)
    )
