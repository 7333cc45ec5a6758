"""Tensors in files beside the model: read where they lie, and refused where they must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

import graphprune
from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import external, load
from tests.onnxtext import model, prove

NET = """
net (float[N,8] x) => (float[N,4] y) <float[8,64] a, float[64] b, float[64,4] c> {
  h = MatMul(x, a)
  i = Add(h, b)
  r = Relu(i)
  y = MatMul(r, c)
}
"""
Entries = dict[str, str]


def save(path: Path, apart: str = "abc", **edit: Callable[[Entries], object]) -> onnx.ModelProto:
    """Writes the model with a data file a tensor; returns it whole.

    Args:
        path: The model file.
        apart: Which tensors lie in files.
        edit: Changes to the entries of a tensor, by its name.
    """
    proto = model(NET)
    whole = onnx.ModelProto()
    whole.CopyFrom(proto)
    for tensor in proto.graph.initializer:
        if tensor.name in apart:
            file = path.parent / f"{tensor.name}.bin"
            file.write_bytes(b"\0" * 24 + tensor.raw_data + b"tail")
            entries = {"location": file.name, "offset": "24", "length": str(len(tensor.raw_data))}
            edit.get(tensor.name, dict)(entries)
            set_entries(tensor, entries)
    path.write_bytes(proto.SerializeToString())
    return whole


def set_entries(tensor: onnx.TensorProto, entries: Entries) -> None:
    for name in ("raw_data", "external_data"):
        tensor.ClearField(name)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def refused(path: Path) -> str:
    with pytest.raises(InvalidModel) as caught:
        graphprune.inspect(path)
    with pytest.raises(InvalidModel):
        graphprune.prune(path, channels=0.5, criterion="l1", run=False)
    assert caught.value.what == "external data of tensor 'a' cannot be used"
    return str(caught.value)


@pytest.mark.parametrize("apart", ["abc", "a", "b"])
def test_contents_are_those_of_the_whole_model(apart: str, tmp_path: Path) -> None:
    whole = save(tmp_path / "m.onnx", apart)
    opened = load(tmp_path / "m.onnx")
    for tensor in whole.graph.initializer:
        array = opened.array(tensor.name)
        assert array.tobytes() == tensor.raw_data
        assert array.shape == tuple(tensor.dims)
        assert not array.flags.writeable
        here = opened.tensors[tensor.name]
        assert np.array_equal(opened.rows(here, 2, 5), array[2:5])
        assert opened.whole(here).raw_data == tensor.raw_data
    prove(tmp_path / "m.onnx")


def test_offset_and_length_may_be_left_out(tmp_path: Path) -> None:
    def only_location(entries: Entries) -> None:
        del entries["length"], entries["offset"]

    whole = save(tmp_path / "m.onnx", a=only_location)
    contents = next(t.raw_data for t in whole.graph.initializer if t.name == "a")
    (tmp_path / "a.bin").write_bytes(contents)
    assert load(tmp_path / "m.onnx").array("a").tobytes() == contents


def test_files_that_onnx_writes(tmp_path: Path) -> None:
    """One file for everything, aligned or not, and tensors in nodes too."""
    for number, whole_model in enumerate((True, False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        onnx.save_model(
            model(NET), folder / "m.onnx", save_as_external_data=True, size_threshold=0,
            all_tensors_to_one_file=whole_model, location="m.data" if whole_model else None,
        )  # fmt: skip
        assert len(list(folder.iterdir())) == (2 if whole_model else 4)
        prove(folder / "m.onnx")


def test_a_data_file_in_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    save(tmp_path / "m.onnx", a=lambda e: e.update(location="deep/../deep/a.bin"))
    (tmp_path / "a.bin").rename(tmp_path / "deep" / "a.bin")
    load(tmp_path / "m.onnx")


def test_large_offsets_and_scalars(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.array(3, np.float32), "a")
    size = 5 << 30
    with (tmp_path / "a.bin").open("wb") as file:  # sparse: takes no room
        file.seek(size)
        file.write(tensor.raw_data)
    set_entries(tensor, {"location": "a.bin", "offset": str(size)})
    proto = model("net (float[2] x) => (float[2] y) { y = Mul(x, a) }")
    proto.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    array = load(tmp_path / "m.onnx").array("a")
    assert array.shape == () and array == 3


@pytest.mark.parametrize("dtype", ["INT4", "UINT4", "FLOAT8E4M3FN", "BFLOAT16", "FLOAT16", "BOOL"])
def test_small_types(dtype: str, tmp_path: Path) -> None:
    kind = TensorProto.DataType.Value(dtype)
    numbers = [1, 0, 1, 1, 0] if dtype == "BOOL" else [1, -2, 3, 0, 5]
    if dtype == "UINT4":
        numbers[1] = 2
    tensor = helper.make_tensor("a", kind, [5], numbers)
    tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "a")
    assert external.nbytes(tensor) == len(tensor.raw_data)
    (tmp_path / "a.bin").write_bytes(tensor.raw_data)
    wanted = numpy_helper.to_array(tensor)
    set_entries(tensor, {"location": "a.bin"})
    proto = model("net (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    opened = load(tmp_path / "m.onnx")
    for array in (opened.array("a"), opened.rows(opened.tensors["a"], 0, 5)):
        assert array.dtype == wanted.dtype
        assert array.tolist() == wanted.tolist()
    assert opened.rows(opened.tensors["a"], 2, 4).tolist() == wanted.tolist()[2:4]


@pytest.mark.parametrize("location", ["../a.bin", "x/../../a.bin", ""])
def test_paths_that_leave_the_folder(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save(folder / "m.onnx", a=lambda e: e.update(location=location))
    (folder / "a.bin").rename(tmp_path / "a.bin")
    assert f"why:   '{location}' leaves the model's folder" in refused(folder / "m.onnx")


def test_absolute_paths_and_links_that_lead_out(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "m.onnx"
    save(path, a=lambda e: e.update(location=str(folder / "a.bin")))
    assert "leaves the model's folder" in refused(path)
    save(path)
    (folder / "a.bin").rename(tmp_path / "a.bin")
    (folder / "a.bin").symlink_to(tmp_path / "a.bin")
    text = refused(path)
    assert "leaves the model's folder" in text and "fix:   move the data beside the model" in text
    (folder / "a.bin").unlink()
    (folder / "a.bin").symlink_to("b.bin")  # a link that stays inside
    (folder / "b.bin").write_bytes(b"\0" * (24 + 8 * 64 * 4))
    assert not load(path).array("a").any()


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"location": "none.bin"}, "'none.bin': No such file or directory"),
        ({"location": "."}, "'.': it is no regular file"),
        ({"location": "a\0b"}, "null byte"),
        ({"location": "n" * 300}, "File name too long"),
        ({"offset": "28"}, "'a.bin' ends before byte 2076"),
        ({"offset": "-8"}, "ends before byte 2040"),
        ({"offset": "x"}, "its offset or length is no number"),
        ({"length": "8"}, "8 bytes for 2048 bytes of [8, 64]"),
        ({"length": "4096"}, "4096 bytes for 2048 bytes of [8, 64]"),
    ],
)
def test_wrong_entries(entries: Entries, why: str, tmp_path: Path) -> None:
    def wrong(found: Entries) -> None:
        found.update(entries)

    save(tmp_path / "m.onnx", a=wrong)
    (tmp_path / "a.bin").write_bytes((tmp_path / "a.bin").read_bytes()[:-4])
    assert why in refused(tmp_path / "m.onnx")


def test_a_data_file_that_ends_early(tmp_path: Path) -> None:
    save(tmp_path / "m.onnx")
    whole = (tmp_path / "a.bin").read_bytes()
    for part in (0, 1, 8, 15):
        (tmp_path / "a.bin").write_bytes(whole[: len(whole) * part // 16])
        text = refused(tmp_path / "m.onnx")
        assert "'a.bin' ends before byte 2072" in text and "it is incomplete" in text


def test_texts_have_no_place_in_a_file(tmp_path: Path) -> None:
    save(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    next(t for t in proto.graph.initializer if t.name == "a").data_type = TensorProto.STRING
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert "cannot be used" in refused(tmp_path / "m.onnx")


def test_a_proto_has_no_folder(tmp_path: Path) -> None:
    save(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    with pytest.raises(InvalidModel, match="external data of tensor") as caught:
        graphprune.inspect(proto)
    assert "the model was given without a path" in str(caught.value)
    external_data_helper.load_external_data_for_model(proto, str(tmp_path))
    assert graphprune.inspect(proto).coupling.groups


def test_tensors_of_constants_are_checked_too(tmp_path: Path) -> None:
    proto = model(
        """
        net (float[2] x) => (float[2] y) {
          a = Constant<value = float[2] {1, 2}>()
          y = Add(x, a)
        }
        """
    )
    set_entries(proto.graph.node[0].attribute[0].t, {"location": "../a.bin"})
    proto.graph.node[0].attribute[0].t.name = "a"
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert "leaves the model's folder" in refused(tmp_path / "m.onnx")
