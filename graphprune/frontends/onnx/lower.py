"""From ONNX operations to the canonical graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx
from onnx import shape_inference

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import fold as folding
from graphprune.frontends.onnx import ops as _rules  # noqa: F401  fills the rule table
from graphprune.frontends.onnx.builder import RULES, Array, Builder, UnsupportedForm, dtype_name
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.frontends.onnx.native import Native, captured, flatten
from graphprune.frontends.onnx.typing_check import check_types
from graphprune.ir import Graph, Node, Value
from graphprune.ir.graph import Shape

# Extents tried for symbolic dimensions that are not the batch, in this order.
_GUESSES = (224, 256, 512, 640, 576, 320, 128, 64, 32, 1)
Shapes = Mapping[str, Shape]
# What ONNX's inference of a single node raises where it knows nothing of it.
_INFERENCE_ERRORS = (
    onnx.defs.SchemaError,
    onnx.checker.ValidationError,
    shape_inference.InferenceError,
    UnsupportedForm,
    RuntimeError,
    ValueError,
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
        symbolic: Whether any input dimension had to be assumed.
        tensors: Initializers and the tensors of Constant nodes, by native name.
    """

    model: OnnxModel
    graph: Graph
    natives: tuple[Native, ...]
    known: Mapping[str, Array]
    inputs: Shapes
    symbolic: bool
    tensors: Mapping[str, onnx.TensorProto]

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
    for inputs, symbolic in _assumptions(model, given):
        try:
            return _lower(model, natives, inputs, symbolic)
        except InvalidModel as error:
            failure = failure or error
            if not symbolic:
                break
    if failure is None:
        raise InvalidModel("the model has no usable input shapes")
    raise failure


def _assumptions(model: OnnxModel, given: dict[str, Shape]) -> Iterator[tuple[Shapes, bool]]:
    """Concrete input shapes to try, best first."""
    inputs = [i for i in model.proto.graph.input if i.name not in model.tensors]
    names = {i.name for i in inputs}
    for name in given:
        if name not in names:
            raise InvalidModel(
                f"there is no input '{name}'", fix=f"inputs are: {', '.join(sorted(names))}"
            )
    for guess in _GUESSES:
        symbolic = False
        shapes: dict[str, Shape] = {}
        for info in inputs:
            shape, guessed = _concrete(info, given.get(info.name), guess)
            shapes[info.name] = shape
            symbolic |= guessed
        yield shapes, symbolic
        if not symbolic:
            return


def _concrete(info: onnx.ValueInfoProto, given: Shape | None, guess: int) -> tuple[Shape, bool]:
    """One input's shape, and whether an extent was guessed."""
    if not info.type.HasField("tensor_type"):
        return (), False
    dims = info.type.tensor_type.shape.dim
    if given is not None:
        fixed = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
        if len(fixed) != len(given) or any(f > 0 and f != g for f, g in zip(fixed, given)):  # noqa: B905
            raise InvalidModel(
                f"shape {list(given)} does not fit input '{info.name}'",
                why=f"the model declares {[d.dim_param or d.dim_value for d in dims]}",
            )
        return given, False
    shape, guessed = [], False
    for axis, dim in enumerate(dims):
        if dim.dim_value > 0:
            shape.append(dim.dim_value)
            continue
        guessed = True
        batch = axis == 0 or "batch" in dim.dim_param.lower()
        shape.append(1 if batch else 3 if axis == 1 and len(dims) == 4 else guess)
    return tuple(shape), guessed


def _lower(model: OnnxModel, natives: list[Native], inputs: Shapes, symbolic: bool) -> Lowered:
    builder = Builder(model, _read(model, natives))
    types = {i.name: i for i in model.proto.graph.input}
    for name, shape in inputs.items():
        dtype = dtype_name(types[name].type.tensor_type.elem_type)
        builder.values[name] = Value(name, shape, dtype, "input")
    for node in natives:
        builder.begin(node)
        _lower_node(node, builder)
    outputs = tuple(o.name for o in model.proto.graph.output)
    for name in outputs:
        builder.use(name)
    graph = Graph(builder.values, tuple(builder.nodes), tuple(inputs), outputs)
    return Lowered(
        model, graph, tuple(natives), builder.known, inputs, symbolic, builder.tensors
    )


def _read(model: OnnxModel, natives: list[Native]) -> set[str]:
    read = {name for node in natives for name in node.proto.input}
    read |= {o.name for o in model.proto.graph.output}
    return read | captured(g for node in natives for g in model.subgraphs(node.proto))


def _lower_node(node: Native, builder: Builder) -> None:
    if node.op_type == "Constant" and _constant(node, builder):
        return
    if _folded(node, builder):
        return
    rule = RULES.get(node.op_type)
    reason = "there is no rule for this operator"
    if rule is not None:
        mark = len(builder.nodes)
        try:
            rule(node, builder)
            return
        except UnsupportedForm as form:
            reason = str(form)
            for emitted in builder.nodes[mark:]:
                for name in emitted.outputs:
                    builder.values.pop(name, None)
            del builder.nodes[mark:]
    _opaque(node, builder, reason)


def _constant(node: Native, builder: Builder) -> bool:
    """A Constant node is a tensor like any other."""
    from graphprune.frontends.onnx.constants import constant_tensor

    tensor = constant_tensor(node)
    if tensor is None:
        return False
    name = node.proto.output[0]
    if name in builder.tensors or name in builder.values:
        raise InvalidModel(f"'{name}' is computed twice")
    builder.tensors[name] = tensor
    return True


def _folded(node: Native, builder: Builder) -> bool:
    """Compute a node now if its operands are known; True where that was all there is to do."""
    if node.op_type not in folding.FOLDS:
        return False
    if node.op_type == "Shape":
        shape = builder.shape_or_none(node.operand(0))
        if shape is None:
            return False
        builder.learn(node.proto.output[0], folding.shape_slice(node, shape))
        return True
    operands = [builder.small(name) for name in node.proto.input if name]
    if any(a is None for a in operands) or not operands:
        return False
    try:
        results = folding.fold(node, [a for a in operands if a is not None])
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise InvalidModel(
            "shape arithmetic fails", where=f"{node.op_type} '{node.title}'", why=str(error)
        ) from error
    if results is None:
        return False
    for name, array in zip(node.proto.output, results, strict=False):
        builder.learn(name, array)
    return True


def _opaque(node: Native, builder: Builder, reason: str) -> None:
    """Freeze what an operation touches: operands, captured names, results."""
    read = [n for n in node.proto.input if n]
    bodies = list(builder.model.subgraphs(node.proto))
    reason = "its sub-graphs are not looked into" if bodies else reason
    inside = captured(bodies)
    read += sorted(n for n in inside if n in builder.values or n in builder.tensors)
    operands = tuple(builder.use(n) for n in read)
    for name in operands:
        builder.shape_or_none(name)
    inferred = _inferred(node, builder)
    for name in node.proto.output:
        shape, dtype = inferred.get(name, (None, "float32"))
        builder.define(name, shape, dtype)
    attrs = {"reason": reason, "type": node.op_type}
    outputs = tuple(node.proto.output)
    builder.nodes.append(Node("opaque", operands, outputs, attrs, (node.index,), node.title))


def _inferred(node: Native, builder: Builder) -> dict[str, tuple[Shape | None, str]]:
    """What ONNX's own inference knows of an operation's results."""
    proto = node.proto
    found = {
        info.name: _info(info)
        for info in builder.model.proto.graph.value_info
        if info.name in set(proto.output)
    }
    try:
        schema = onnx.defs.get_schema(proto.op_type, node.opset, proto.domain)
        types = {n: builder.type_proto(n) for n in proto.input if n}
        data = {n: t for n in proto.input if n and (t := builder.small_tensor(n)) is not None}
        results = shape_inference.infer_node_outputs(schema, proto, types, data)
    except _INFERENCE_ERRORS:
        return found
    for name, kind in results.items():
        info = onnx.ValueInfoProto(name=name, type=kind)
        shape, dtype = _info(info)
        if shape is not None or name not in found:
            found[name] = (shape, dtype)
    return found


def _info(info: onnx.ValueInfoProto) -> tuple[Shape | None, str]:
    tensor = info.type.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return None, dtype
    dims = [d.dim_value for d in tensor.shape.dim]
    return (tuple(dims) if all(d > 0 for d in dims) else None), dtype
