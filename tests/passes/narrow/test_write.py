"""Writing: whole or not at all, large tensors one at a time, external data beside the model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import graphprune
from graphprune.errors import GraphpruneError
from graphprune.passes.narrow import materialise, write
from graphprune.passes.narrow.write import replacing
from tests.onnxtext import Case, cut, model, prove

NET = """
net (float[N,8] x) => (float[N,4] y) <float[8,600] a, float[600] b, float[600,4] c, float[9,9] idle>
{
  h = MatMul(x, a)
  i = Add(h, b)
  r = Relu(i)
  y = MatMul(r, c)
}
"""
ROOT = Path(__file__).resolve().parents[3]


def saved(folder: Path, kind: str) -> Path:
    """The model in one file, or with external data: all of it, or one tensor only."""
    path, proto = folder / "m.onnx", model(NET)
    if kind == "typed":
        for tensor in proto.graph.initializer:
            numbers = numpy_helper.to_array(tensor).ravel().tolist()
            tensor.ClearField("raw_data")
            tensor.float_data.extend(numbers)
    if kind == "one":
        tensor = proto.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, "a.bin")
        (folder / "a.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
    apart = kind in ("all", "each")
    onnx.save_model(
        proto, path, save_as_external_data=apart, size_threshold=0,
        all_tensors_to_one_file=kind == "all", location="m.bin" if kind == "all" else None,
    )  # fmt: skip
    return path


def inlined(path: Path) -> onnx.ModelProto:
    """A written model, read with ONNX's own loader."""
    proto = onnx.load(path)
    for tensor in proto.graph.initializer:
        tensor.ClearField("data_location")
    return proto


KINDS = ["inline", "typed", "all", "each", "one"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_is_materialised(kind: str, tmp_path: Path) -> None:
    case = prove(saved(tmp_path, kind))
    out = tmp_path / "out"
    out.mkdir()
    write(case.narrowed, out / "y.onnx")
    wanted = materialise(case.narrowed)
    found = inlined(out / "y.onnx")
    assert found.SerializeToString(deterministic=True) == (
        wanted.SerializeToString(deterministic=True)
    )
    files = {"y.onnx"} if kind in ("inline", "typed") else {"y.onnx", "y.onnx.data"}
    assert {f.name for f in out.iterdir()} == files
    onnx.checker.check_model(out / "y.onnx", full_check=True)
    again = cut(out / "y.onnx", only=())
    for tensor in wanted.graph.initializer:
        assert np.array_equal(again.lowered.model.array(tensor.name), numpy_helper.to_array(tensor))


def test_tensors_that_were_outside_stay_outside(tmp_path: Path) -> None:
    case = cut(saved(tmp_path, "one"))
    write(case.narrowed, tmp_path / "y.onnx")
    proto = onnx.load(tmp_path / "y.onnx", load_external_data=False)
    places = {t.name: {e.key: e.value for e in t.external_data} for t in proto.graph.initializer}
    assert places.pop("a") == {"location": "y.onnx.data", "offset": "0", "length": "9600"}
    assert not any(places.values())


def test_external_tensors_are_aligned(tmp_path: Path) -> None:
    case = cut(saved(tmp_path, "all"))
    write(case.narrowed, tmp_path / "y.onnx")
    proto = onnx.load(tmp_path / "y.onnx", load_external_data=False)
    for tensor in proto.graph.initializer:
        assert tensor.data_location == TensorProto.EXTERNAL
        assert int({e.key: e.value for e in tensor.external_data}["offset"]) % 4096 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_may_replace_itself(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, kind)
    case = cut(path)
    before = materialise(case.narrowed)
    write(case.narrowed, path)
    assert inlined(path).SerializeToString(deterministic=True) == (
        before.SerializeToString(deterministic=True)
    )
    if kind in ("inline", "typed"):  # the file it was read from is still open
        assert materialise(case.narrowed) == before


def test_external_tensors_inside_nodes_come_along(tmp_path: Path) -> None:
    """Constants and sub-graphs may refer to files too; these are not beside the output."""
    proto = model(
        """
        net (float[2,8] x, bool t) => (float[2,4] y) <float[8,6] a, float[6,4] c> {
          b = Constant<value = float[6] {1, 2, 3, 4, 5, 6}>()
          h = MatMul(x, a)
          i = Add(h, b)
          z = MatMul(i, c)
          y = If (t) <then_branch = g () => (float[2,4] o) {
                        k = Constant<value = float[4] {4, 3, 2, 1}>()
                        o = Add(z, k) },
                      else_branch = e () => (float[2,4] p) { p = Neg(z) }>
        }
        """
    )
    branch = proto.graph.node[4].attribute[0].g.node[0].attribute[0].t
    for number, tensor in enumerate((proto.graph.node[0].attribute[0].t, branch)):
        whole = numpy_helper.from_array(numpy_helper.to_array(tensor))
        (tmp_path / f"{number}.bin").write_bytes(whole.raw_data)
        for name in ("raw_data", "float_data"):
            tensor.ClearField(name)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"{number}.bin")
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    case = prove(path)
    (tmp_path / "out").mkdir()
    write(case.narrowed, tmp_path / "out" / "y.onnx")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["y.onnx"]
    found = onnx.load(tmp_path / "out" / "y.onnx")
    assert found == materialise(case.narrowed)
    branch = found.graph.node[4].attribute[0].g.node[0].attribute[0].t
    assert numpy_helper.to_array(branch).tolist() == [4, 3, 2, 1]


ODD = ["INT4", "UINT4", "BFLOAT16", "FLOAT8E4M3FN", "BOOL"]


@pytest.mark.parametrize(
    ("kind", "apart"), [("STRING", False), *((k, a) for k in ODD for a in (False, True))]
)
def test_types_that_are_merely_present_survive(kind: str, apart: bool, tmp_path: Path) -> None:
    proto = model(NET)
    if kind == "STRING":
        tensor = TensorProto(name="odd", dims=[3], data_type=TensorProto.STRING)
        tensor.string_data.extend([b"a", b"", b"\xff"])
    else:
        tensor = helper.make_tensor("odd", TensorProto.DataType.Value(kind), [3], [1, 0, 1])
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "odd")
    proto.graph.initializer.append(tensor)
    path = tmp_path / "m.onnx"
    onnx.save_model(proto, path, save_as_external_data=apart, size_threshold=0, location="m.bin")
    write(cut(path).narrowed, tmp_path / "y.onnx")
    assert inlined(tmp_path / "y.onnx").graph.initializer[-1] == tensor


def failing(case: Case) -> None:
    """Makes the last tensor unreadable."""

    def fail() -> NDArray[np.float32]:
        raise OSError(28, "No space left on device")

    case.narrowed.tensors["c"] = fail  # type: ignore[index]


@pytest.mark.parametrize("kind", ["inline", "all"])
def test_an_existing_target_survives_a_failure(kind: str, tmp_path: Path) -> None:
    case = cut(saved(tmp_path, kind))
    target = tmp_path / "y.onnx"
    target.write_bytes(b"precious")
    (tmp_path / "y.onnx.data").write_bytes(b"data")
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    failing(case)
    with pytest.raises(GraphpruneError, match="the file cannot be written") as caught:
        write(case.narrowed, target)
    assert "No space left" in str(caught.value) and str(target) in str(caught.value)
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    case = cut(saved(tmp_path, "inline"))
    with pytest.raises(GraphpruneError, match="the file cannot be written"):
        write(case.narrowed, tmp_path / "none" / "y.onnx")
    with pytest.raises(GraphpruneError, match="the file cannot be written"):
        write(case.narrowed, tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["m.onnx"]


def test_replacing_shows_nothing_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(b"1")
        assert not path.exists()
    assert path.read_bytes() == b"1"
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"2")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["a"]


def test_too_large_for_a_proto_goes_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cut(saved(tmp_path, "inline"))
    wanted = materialise(case.narrowed)
    monkeypatch.setattr(sys.modules[replacing.__module__], "_LIMIT", 4000)
    with pytest.raises(GraphpruneError, match="does not fit into memory as one proto") as caught:
        materialise(case.narrowed)
    assert "give an output path" in str(caught.value)
    write(case.narrowed, tmp_path / "y.onnx")
    assert (tmp_path / "y.onnx.data").exists()
    apart = onnx.load(tmp_path / "y.onnx", load_external_data=False).graph.initializer
    assert [t.name for t in apart if t.data_location] == ["a", "b", "c"]
    assert inlined(tmp_path / "y.onnx") == wanted


def test_saving_keeps_the_plan_beside_the_model(tmp_path: Path) -> None:
    result = graphprune.prune(model(NET), channels=0.5, criterion="l1", run=False)
    result.save(tmp_path / "y.onnx")
    assert {f.name for f in tmp_path.iterdir()} == {"y.onnx", "y.plan.json"}
    assert dedent(result.plan.to_json()) in (tmp_path / "y.plan.json").read_text()
