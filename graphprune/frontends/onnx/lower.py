"""From ONNX operations to the canonical graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import fold as folding
from graphprune.frontends.onnx import ops as _rules  # noqa: F401  fills the rule table
from graphprune.frontends.onnx.assume import Assumption, assumptions
from graphprune.frontends.onnx.builder import RULES, Array, Builder, UnsupportedForm, dtype_name
from graphprune.frontends.onnx.constants import constant_tensor
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.frontends.onnx.native import Native, captured, flatten
from graphprune.frontends.onnx.opaque import opaque, sparse
from graphprune.frontends.onnx.typing_check import check_types, complaint
from graphprune.ir import Graph, Value
from graphprune.ir.graph import Shape

Shapes = Mapping[str, Shape]
# What a rule trips over where a node is not what its operator's definition says.
_MALFORMED = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)


@dataclass(frozen=True, eq=False)
class Lowered:
    """A model and the graph it was lowered to.

    Attributes:
        model: The native model.
        graph: Its canonical form.
        natives: The native operations; nodes point at them by ``origin``.
        known: Contents of everything that was folded or read while lowering, by native name.
        inputs: The concrete input shapes that were assumed.
        symbolic: Whether the model leaves any input dimension open.
        tensors: Initializers and the tensors of Constant nodes, by native name.
        aliases: Other names of tensors.
    """

    model: OnnxModel
    graph: Graph
    natives: tuple[Native, ...]
    known: Mapping[str, Array]
    inputs: Shapes
    symbolic: bool
    tensors: Mapping[str, onnx.TensorProto]
    aliases: Mapping[str, str]

    def contents(self, name: str) -> Array:
        """The contents of a parameter value of the graph, in its shape.

        Raises:
            InvalidModel: They cannot be read.
        """
        value = self.graph.values[name]
        tensor = self.tensors.get(value.source)
        if tensor is not None:
            return self.model.read(tensor)
        maker = next(n for n in self.natives if value.source in n.proto.output)
        return folding.filled(maker, value.known_shape)


def lower(model: OnnxModel, shapes: Shapes | None = None) -> Lowered:
    """Lower a model to the canonical graph with concrete shapes.

    Args:
        model: What :func:`graphprune.frontends.onnx.load` gave.
        shapes: Input shapes by name; inputs left out keep their own, with batch 1 and a guess
            for other symbolic dimensions.

    Raises:
        InvalidModel: The graph is unsorted, cyclic, ill-typed, or its shapes do not fit.
    """
    natives = flatten(model)
    check_types(model)
    given = dict(shapes or {})
    failure: InvalidModel | None = None
    for assumption in assumptions(model, given):
        try:
            return _lower(model, natives, assumption)
        except InvalidModel as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _lower(model: OnnxModel, natives: list[Native], assumption: Assumption) -> Lowered:
    outputs = tuple(o.name for o in model.proto.graph.output)
    builder = Builder(model, _read(model, natives), outputs)
    types = {i.name: i.type for i in model.proto.graph.input}
    for name, shape in assumption.shapes.items():
        dtype = dtype_name(types[name].tensor_type.elem_type)
        builder.values[name] = Value(name, shape, dtype, "input")
    for tensor in model.proto.graph.sparse_initializer:
        sparse(builder, tensor)
    for node in natives:
        builder.begin(node)
        _lower_node(node, builder)
    for name in outputs:
        builder.use(name)
    inputs = {name: shape for name, shape in assumption.shapes.items() if shape is not None}
    graph = Graph(builder.values, tuple(builder.nodes), tuple(assumption.shapes), outputs)
    return Lowered(
        model,
        graph,
        tuple(natives),
        builder.known,
        inputs,
        assumption.symbolic,
        builder.tensors,
        builder.aliases,
    )


def _read(model: OnnxModel, natives: list[Native]) -> set[str]:
    read = {name for node in natives for name in node.proto.input}
    read |= {o.name for o in model.proto.graph.output}
    return read | captured(g for node in natives for g in model.subgraphs(node.proto))


def _lower_node(node: Native, builder: Builder) -> None:
    try:
        known = _constant(node, builder) or _alias(node, builder) or _folded(node, builder)
        if not known:
            _ruled(node, builder)
    except _MALFORMED as error:
        raise InvalidModel(
            "an operation is not what its operator's definition says",
            where=f"{node.op_type} '{node.title}'",
            why=complaint(node) or f"{type(error).__name__}: {error}",
        ) from error


def _ruled(node: Native, builder: Builder) -> None:
    """Lower a node by its operator's rule; it is opaque where that does not cover it."""
    rule = RULES.get(node.op_type)
    if rule is None:
        opaque(node, builder, "there is no rule for this operator")
        return
    mark = len(builder.nodes)
    try:
        rule(node, builder)
    except UnsupportedForm as form:
        for emitted in builder.nodes[mark:]:
            for name in emitted.outputs:
                builder.values.pop(name, None)
        del builder.nodes[mark:]
        opaque(node, builder, str(form))


def _constant(node: Native, builder: Builder) -> bool:
    """A Constant node is a tensor like any other."""
    tensor = constant_tensor(node.proto) if node.op_type == "Constant" else None
    if tensor is None:
        return False
    name = node.proto.output[0]
    if name in builder.tensors or name in builder.values:
        raise InvalidModel(f"'{name}' is computed twice")
    builder.tensors[name] = tensor
    return True


def _alias(node: Native, builder: Builder) -> bool:
    """An Identity of a tensor is that tensor, so that each of its readers may be narrowed."""
    source = node.operand(0)
    if node.op_type != "Identity" or source not in builder.tensors or node.opened:
        return False
    name = node.proto.output[0]
    if name in builder.outputs or name in builder.tensors or name in builder.values:
        return False
    builder.tensors[name] = builder.tensors[source]
    builder.aliases[name] = builder.aliases.get(source, source)
    return True


def _folded(node: Native, builder: Builder) -> bool:
    """Compute a node now if its operands are known; True where that was all there is to do."""
    if node.op_type not in folding.FOLDS:
        return False
    if node.op_type in ("Shape", "Size"):
        shape = builder.shape_or_none(node.operand(0))
        if shape is None:
            return False
        builder.learn(node.proto.output[0], folding.of_shape(node, shape))
        return True
    absent = np.zeros(0, np.int64)
    # Real numbers that were computed from shapes may meet others; vectors of weights stay weights.
    computed = any(n in builder.known and n not in builder.tensors for n in node.proto.input)
    reals = folding.REALS if computed else 1
    operands = [builder.small(name, reals) if name else absent for name in node.proto.input]
    if any(a is None for a in operands) or not any(node.proto.input):
        return False
    results = folding.fold(node, [a for a in operands if a is not None])
    if results is None:
        return False
    for name, array in zip(node.proto.output, results, strict=False):
        builder.learn(name, array)
    return True
