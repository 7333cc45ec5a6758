"""An ONNX model under construction: every method adds a node and gives its result's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

Array = NDArray[Any]
_KINDS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


class Draft:
    """A model being written.

    Args:
        seed: Of the parameters' contents.
        dtype: Element type of everything that is not an index.
        opset: Version of ONNX's own operator set.
    """

    def __init__(self, seed: int = 0, dtype: str = "float32", opset: int = 21) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[str] = []
        self.types: dict[str, onnx.TypeProto] = {}
        self._numbers: dict[str, int] = {}

    def name(self, base: str) -> str:
        """A name nobody has: ``conv1``, ``conv2`` …"""
        self._numbers[base] = self._numbers.get(base, 0) + 1
        return f"{base}{self._numbers[base]}"

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value; 0 for what is symbolic."""
        return tuple(d.dim_value for d in self.types[name].tensor_type.shape.dim)

    def channels(self, name: str) -> int:
        """The extent of axis 1."""
        return self.shape(name)[1]

    def input(self, name: str, *shape: int | str, dtype: str = "") -> str:
        """A graph input."""
        kind = _KINDS[dtype or str(self.dtype)]
        info = helper.make_tensor_value_info(name, kind, list(shape))
        self.inputs.append(info)
        self.types[name] = info.type
        return name

    def param(self, base: str, *shape: int, scale: float | None = None, shift: float = 0) -> str:
        """A parameter with normal contents; scaled so that what is read keeps its variance."""
        fan = max(1, int(np.prod(shape[1:], dtype=np.int64)))
        size = scale if scale is not None else 1 / np.sqrt(fan)
        return self.tensor(base, self.rng.standard_normal(shape) * size + shift)

    def tensor(self, base: str, array: Array) -> str:
        """A parameter with given contents; real numbers get the model's type."""
        real = array.dtype.kind == "f"
        proto = numpy_helper.from_array(array.astype(self.dtype) if real else array, base)
        proto.name = name = base if base not in self.tensors else self.name(base)
        self.tensors[name] = proto
        self.types[name] = helper.make_tensor_type_proto(proto.data_type, list(proto.dims))
        return name

    def ints(self, *numbers: int) -> str:
        """A vector of indices or extents."""
        return self.tensor(self.name("ints"), np.array(numbers, np.int64))

    def singles(self, *numbers: float) -> str:
        """A vector of single precision, whatever the model's type."""
        name = self.name("singles")
        proto = numpy_helper.from_array(np.array(numbers, np.float32), name)
        self.tensors[name] = proto
        self.types[name] = helper.make_tensor_type_proto(proto.data_type, [len(numbers)])
        return name

    def number(self, value: float) -> str:
        """A scalar."""
        return self.tensor(self.name("number"), np.array(value, np.float64))

    def op(self, kind: str, *inputs: str, **attrs: Any) -> str:
        """A node with one result."""
        return self.ops(1, kind, *inputs, **attrs)[0]

    def ops(
        self, count: int, kind: str, *inputs: str, domain: str = "", **attrs: Any
    ) -> tuple[str, ...]:
        """A node with several results."""
        title = self.name(kind.lower())
        names = (title,) if count == 1 else tuple(f"{title}.{i}" for i in range(count))
        node = helper.make_node(kind, list(inputs), list(names), name=title, domain=domain, **attrs)
        self.nodes.append(node)
        schema = onnx.defs.get_schema(kind, self.opset, domain)
        types = {n: self.types[n] for n in inputs if n}
        known = {n: self.tensors[n] for n in inputs if n in self.tensors}
        imports = [helper.make_opsetid("", self.opset)]
        self.types.update(
            shape_inference.infer_node_outputs(schema, node, types, known, opset_imports=imports)
        )
        if not self.types[names[0]].tensor_type.HasField("shape"):
            self.types[names[0]] = self.types[inputs[0]]  # a function without shape inference
        return names

    def output(self, *names: str) -> None:
        """Graph outputs."""
        self.outputs += names

    def conv(
        self,
        x: str,
        filters: int,
        kernel: int = 1,
        *,
        bias: bool = True,
        group: int = 1,
        **attrs: Any,
    ) -> str:
        """A convolution of as many spatial axes as ``x`` has; ``pads`` keep the extents."""
        rank = len(self.shape(x)) - 2
        base = self.name("c")
        weight = self.param(f"{base}.w", filters, self.channels(x) // group, *(kernel,) * rank)
        operands = [x, weight] + ([self.param(f"{base}.b", filters)] if bias else [])
        attrs.setdefault("pads", [kernel // 2] * (2 * rank))
        return self.op("Conv", *operands, group=group, **attrs)

    def linear(self, x: str, features: int, *, bias: bool = True) -> str:
        """A matrix product over the last axis."""
        base = self.name("l")
        y = self.op("MatMul", x, self.param(f"{base}.w", self.shape(x)[-1], features))
        return self.op("Add", y, self.param(f"{base}.b", features)) if bias else y

    def reshape(self, x: str, *shape: int) -> str:
        """Same elements, another shape."""
        return self.op("Reshape", x, self.ints(*shape))

    def transpose(self, x: str, *perm: int) -> str:
        """Permuted axes."""
        return self.op("Transpose", x, perm=list(perm))

    def split(self, x: str, sizes: Sequence[int], axis: int = 1) -> tuple[str, ...]:
        """Consecutive pieces."""
        return self.ops(len(sizes), "Split", x, self.ints(*sizes), axis=axis)

    def slice(self, x: str, start: int, end: int, axis: int = 1, step: int = 1) -> str:
        """A sub-range of one axis."""
        bounds = [self.ints(n) for n in (start, end, axis, step)]
        return self.op("Slice", x, *bounds)

    def proto(self) -> onnx.ModelProto:
        """The finished model, checked."""
        outputs = []
        for name in self.outputs:
            outputs.append(onnx.ValueInfoProto(name=name, type=self.types[name]))
        graph = helper.make_graph(
            self.nodes, "net", self.inputs, outputs, list(self.tensors.values())
        )
        domains = {n.domain for n in self.nodes} | {""}
        opsets = [helper.make_opsetid(d, self.opset if not d else 1) for d in sorted(domains)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model
