"""What lowering rules write with: operands as graph values, nodes with inferred shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx.fold import LIMIT, foldable
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.frontends.onnx.native import Native
from graphprune.ir import Attr, Node, Value
from graphprune.ir import shapes as shape_rules
from graphprune.ir.graph import Shape

Array = NDArray[Any]
_FLOATS = {
    onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
}  # fmt: skip
_FOLDED = _FLOATS | {
    onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL,
    onnx.TensorProto.INT16, onnx.TensorProto.UINT8, onnx.TensorProto.INT8,
    onnx.TensorProto.UINT16, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64,
}  # fmt: skip
LoweringRule = Callable[[Native, "Builder"], None]
RULES: dict[str, LoweringRule] = {}


def lowers(*ops: str) -> Callable[[LoweringRule], LoweringRule]:
    """Register the lowering of ONNX operators (a domain before ``::`` unless ONNX's own).

    Raises:
        ValueError: An operator already has one.
    """

    def register(function: LoweringRule) -> LoweringRule:
        for op in ops:
            if op in RULES:
                raise ValueError(f"'{op}' is lowered twice")
            RULES[op] = function
        return function

    return register


class UnsupportedForm(Exception):
    """A rule met a form of its operator that it does not cover; the node becomes opaque."""


class Builder:
    """The graph under construction.

    Attributes:
        values: Values so far.
        nodes: Canonical nodes so far.
        known: Contents of folded values, by native name.
        read: Names that some operator or the graph's outputs read.
        aliases: Tensors under another name, by that name: exporters share a tensor among layers
            through Identity nodes.
    """

    def __init__(self, model: OnnxModel, read: set[str], outputs: tuple[str, ...] = ()) -> None:
        self.model = model
        self.outputs = outputs
        self.read = read
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.known: dict[str, Array] = {}
        self.tensors: dict[str, onnx.TensorProto] = dict(model.tensors)
        self.aliases: dict[str, str] = {}
        self._used: set[str] = set()
        self._node: Native | None = None
        self._temporaries = 0

    def is_read(self, name: str) -> bool:
        """Whether anything reads a result; files often name results that nobody wants."""
        return bool(name) and name in self.read

    def freeze(self, name: str, reason: str) -> None:
        """Keep an operand whole that an operator uses as more than channels."""
        if name:
            kind = self._node.op_type if self._node else "opaque"
            origin = (self._node.index,) if self._node else ()
            title = self._node.title if self._node else ""
            attrs: dict[str, Attr] = {"reason": reason, "type": kind}
            self.nodes.append(Node("opaque", (self.use(name),), (), attrs, origin, title))

    def begin(self, node: Native) -> None:
        """Nodes emitted from now on come from this native node."""
        self._node = node
        self._temporaries = 0

    def const(self, name: str) -> Array | None:
        """Contents of a small operand that is known now, or None."""
        if name in self.known:
            return self.known[name]
        tensor = self.tensors.get(name)
        if tensor is None:
            return None
        array = self.model.read(tensor)
        self.known[name] = array
        return array

    def needed(self, name: str) -> Array:
        """Contents of an operand that the operator's shape depends on.

        Raises:
            UnsupportedForm: They are computed at run time.
        """
        array = self.const(name)
        if array is None or (array.dtype.kind not in "iubf"):
            raise UnsupportedForm(f"operand '{name}' is computed at run time")
        return array

    def needed_ints(self, name: str) -> tuple[int, ...]:
        """As :meth:`needed`, flattened to integers."""
        return tuple(int(v) for v in self.needed(name).ravel())

    def shape(self, name: str) -> Shape:
        """Shape of an operand.

        Raises:
            UnsupportedForm: It is not known.
        """
        if name in self.values:
            shape = self.values[name].shape
        elif name in self.tensors:
            shape = tuple(self.tensors[name].dims)
        elif name in self.known:
            shape = self.known[name].shape
        else:
            raise InvalidModel(
                f"operand '{name}' is read before it is computed",
                where=self._node.title if self._node else None,
                why="the file is unsorted, cyclic, or lacks a tensor",
            )
        if shape is None:
            raise UnsupportedForm(f"the shape of '{name}' is not known")
        return shape

    def shape_or_none(self, name: str) -> Shape | None:
        """Shape of an operand, None where it is not known."""
        try:
            return self.shape(name)
        except UnsupportedForm:
            return None

    def small(self, name: str, reals: int = 1) -> Array | None:
        """Contents of an operand that may take part in folding, or None for a large one."""
        if name in self.known:
            return self.known[name]
        tensor = self.tensors.get(name)
        if tensor is None or tensor.data_type not in _FOLDED:
            return None
        size = prod(tensor.dims)
        if size > LIMIT or (size > reals and tensor.data_type in _FLOATS):
            return None
        return self.const(name)

    def type_proto(self, name: str) -> onnx.TypeProto:
        """An operand's type for ONNX's own inference.

        Raises:
            UnsupportedForm: It is no tensor of numbers.
        """
        shape = self.shape_or_none(name)
        try:
            dtype = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype(name)))
        except TypeError as error:
            raise UnsupportedForm(f"'{name}' is no tensor of numbers") from error
        return helper.make_tensor_type_proto(dtype, shape)

    def small_tensor(self, name: str) -> onnx.TensorProto | None:
        """A known operand as a tensor for ONNX's own inference, or None."""
        array = self.small(name)
        return None if array is None else numpy_helper.from_array(np.asarray(array), name)

    def dtype(self, name: str) -> str:
        """Element type of an operand."""
        if name in self.values:
            return self.values[name].dtype
        if name in self.tensors:
            return dtype_name(self.tensors[name].data_type)
        return str(self.known[name].dtype)

    def use(self, name: str) -> str:
        """The graph value for an operand: a parameter use, a constant, or what was computed.

        A vector that several nodes read gets one value a use, so that each may be narrowed its
        own way; a matrix stays one value: sharing it is what the network means.
        """
        if not name or (name in self.values and name not in self.tensors):
            return name
        if name in self.tensors:
            return self._parameter(name)
        if name in self.known:
            array = self.known[name]
            self.values[name] = Value(name, array.shape, str(array.dtype), "const", array)
            return name
        self.shape(name)
        return name

    def _parameter(self, name: str) -> str:
        tensor = self.tensors[name]
        shape = tuple(tensor.dims)
        vector = sum(n > 1 for n in shape) <= 1
        node = self._node.index if self._node else 0
        name = self.aliases.get(name, name)
        key = f"{name}@{node}" if vector and name in self._used else name
        if key not in self.values:
            self._used.add(name)
            dtype = dtype_name(tensor.data_type)
            self.values[key] = Value(key, shape, dtype, "param", None, name)
        return key

    def temporary(self) -> str:
        """A name for a value that no native node has."""
        self._temporaries += 1
        base = self._node.proto.output[0] if self._node else ""
        return f"{base}~{self._temporaries}"

    def emit(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        dtype: str = "",
        **attrs: Attr,
    ) -> str:
        """Append a node; operands are native names, results get inferred shapes.

        Returns:
            The first result's name.

        Raises:
            UnsupportedForm: An operand's shape is not known.
            InvalidModel: The operands do not fit together.
        """
        operands = tuple(self.use(n) for n in inputs)
        shapes = [self.shape(n) if n else () for n in operands]
        origin = (self._node.index,) if self._node else ()
        title = self._node.title if self._node else ""
        node = Node(op, operands, tuple(outputs), dict(sorted(attrs.items())), origin, title)
        try:
            results = shape_rules.infer(node, shapes)
        except ValueError as error:
            raise InvalidModel(
                "the operands of a node do not fit together",
                where=f"{op} '{title}'",
                why=str(error),
                fix="check the model with onnx.checker, or give other --shape values",
            ) from error
        kind = dtype or (self.dtype(operands[0]) if operands else "float32")
        for name, shape in zip(outputs, results, strict=False):
            self.define(name, shape, kind)
        self.nodes.append(node)
        return outputs[0]

    def define(self, name: str, shape: Shape | None, dtype: str) -> None:
        """Add a computed value.

        Raises:
            InvalidModel: The name is taken.
        """
        if not name:
            return
        if name in self.values or name in self.tensors or name in self.known:
            raise InvalidModel(f"'{name}' is computed twice")
        self.values[name] = Value(name, shape, dtype)

    def fill(self, name: str, shape: Shape, dtype: str) -> None:
        """Add a parameter that a node makes of one repeated number."""
        self.define(name, shape, dtype)
        self.values[name] = replace(self.values[name], kind="param", source=name)

    def learn(self, name: str, array: Array) -> None:
        """Record a folded result."""
        if name and foldable(array):
            if name in self.values or name in self.tensors or name in self.known:
                raise InvalidModel(f"'{name}' is computed twice")
            self.known[name] = array


def dtype_name(data_type: int) -> str:
    """NumPy's name of an ONNX element type; ``string`` and ``undefined`` for those without."""
    if data_type == onnx.TensorProto.STRING:
        return "string"
    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(data_type)).name
    except (KeyError, TypeError):
        return "undefined"
