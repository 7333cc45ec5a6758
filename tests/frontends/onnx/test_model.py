"""A proto and the way to its tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import OnnxModel, load
from graphprune.frontends.onnx.model import in_proto, nested
from tests.onnxtext import model

NET = "net (float[2,64] x) => (float[2,64] y) <float[64,64] w, float[3] v> { y = MatMul(x, w) }"


@pytest.fixture(params=["proto", "file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OnnxModel:
    proto = model(NET)
    if request.param == "proto":
        return load(proto)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    return load(tmp_path / "m.onnx")


def test_contents_are_the_same_from_a_proto_and_a_file(opened: OnnxModel) -> None:
    for tensor in model(NET).graph.initializer:
        wanted = numpy_helper.to_array(tensor)
        assert np.array_equal(opened.array(tensor.name), wanted)
        assert np.array_equal(opened.rows(opened.tensors[tensor.name], 1, 3), wanted[1:3])
        assert opened.whole(opened.tensors[tensor.name]) == tensor


def test_only_large_tensors_of_a_file_stay_there(opened: OnnxModel) -> None:
    inside = {name: in_proto(tensor) for name, tensor in opened.tensors.items()}
    assert inside == {"w": opened.file is None, "v": True}
    assert [opened.in_file(t) for t in opened.tensors.values()] == [opened.file is not None, False]


def test_the_digest_is_of_the_file(opened: OnnxModel) -> None:
    if opened.path is not None:
        assert opened.sha256 == hashlib.sha256(opened.path.read_bytes()).hexdigest()
    else:
        data = opened.proto.SerializeToString(deterministic=True)
        assert opened.sha256 == hashlib.sha256(data).hexdigest()


def test_contents_that_were_replaced(opened: OnnxModel) -> None:
    made = {"w": lambda: np.arange(12).reshape(4, 3)}
    other = OnnxModel(opened.proto, opened.path, opened.spans, opened.file, made)
    assert other.array("w").shape == (4, 3)
    assert other.rows(other.tensors["w"], 1, 3).tolist() == [[3, 4, 5], [6, 7, 8]]


def test_typed_fields_and_every_type() -> None:
    proto = model(NET)
    for name, kind in TensorProto.DataType.items():
        if name in ("UNDEFINED", "STRING"):
            continue
        tensor = helper.make_tensor(f"t{name}", kind, [3], [1, 0, 1])
        proto.graph.initializer.append(tensor)
        raw = numpy_helper.from_array(numpy_helper.to_array(tensor), f"r{name}")
        proto.graph.initializer.append(raw)
    text = proto.graph.initializer.add(name="text", data_type=TensorProto.STRING, dims=[2])
    text.string_data.extend([b"a", b"b"])
    opened = load(proto)
    for name, tensor in opened.tensors.items():
        array = opened.array(name)
        wanted = numpy_helper.to_array(tensor)
        assert array.dtype == wanted.dtype and array.tolist() == wanted.tolist(), name
        assert opened.rows(tensor, 1, 2).tolist() == wanted[1:2].tolist(), name


def test_a_tensor_that_does_not_fit_its_shape(opened: OnnxModel) -> None:
    opened.tensors["w"].dims[0] = 63
    with pytest.raises(InvalidModel, match="tensor 'w' cannot be read") as caught:
        opened.array("w")
    assert caught.value.where == "shape [63, 64], type 1"


def test_two_tensors_of_one_name() -> None:
    proto = model(NET)
    proto.graph.initializer[1].name = "w"
    with pytest.raises(InvalidModel, match="initializer 'w' is defined twice"):
        _ = load(proto).tensors


def test_versions_of_operator_sets() -> None:
    proto = model(NET)
    opened = load(proto)
    assert [opened.opset(d) for d in ("", "ai.onnx", "local", "none")] == [17, 17, 1, 0]
    proto.opset_import[0].domain = "ai.onnx"
    assert load(proto).opset("") == 17


def test_every_nested_tensor_is_found() -> None:
    proto = model(
        """
        net (float[2] x, bool c) => (float[2] y) <float[2] w> {
          k = Constant<value = float[2] {1, 2}>()
          z = local.f(x)
          y = If (c) <then_branch = t () => (float[2] a) <float[2] v = {1, 2}> { a = Mul(z, v) },
                      else_branch = e () => (float[2] b) {
                        d = If (c) <then_branch = t () => (float[2] q) {
                                      q = Constant<value = float[2] {1, 2}>() },
                                    else_branch = e () => (float[2] p) { p = Neg(k) }>
                        b = Add(d, w) }>
        }
        <domain: "local", opset_import: ["" : 17]>
        f (x) => (r) { k = Constant<value = float[2] {1, 2}>() r = Add(x, k) }
        """
    )
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.array([1], np.int64), "i")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    found = list(nested(proto))
    assert len(found) == 6 and {t.name for t in found} >= {"v", "s", "i"}
    assert proto.graph.initializer[0] not in found
    assert isinstance(found[0], onnx.TensorProto)
