"""What is left of a tensor is multiplied in its own element type, whole or read in pieces."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import DTypeLike

from graphprune.inspection import inspect
from graphprune.passes.narrow import materialise, narrow, write
from graphprune.passes.narrow.cuts import cuts
from graphprune.passes.narrow.scales import scale, scaled
from graphprune.passes.reconstruct import patch
from tests.nets import build
from tests.onnxtext import model
from tests.oracle import drawn, reweighted

NET = """
    net (float[N,8] x) => (float[N,4] y) <float[600,8] a, float[600] b, float[600,4] c> {
      t = Transpose<perm = [1,0]>(a)
      h = MatMul(x, t)
      i = Add(h, b)
      r = Relu(i)
      y = MatMul(r, c)
    }
"""


@pytest.mark.parametrize("name", ["resnet", "grouped_by_rows", "concat_with_input", "resnext"])
def test_a_scale_is_the_factors_of_what_is_left(name: str) -> None:
    coupling = inspect(build(name)).coupling
    alive = drawn(coupling, 2, "half")
    patched = patch(coupling, reweighted(coupling, alive, 2))
    assert patched is not None
    for param, axis in patched.places:
        layer = next(x for x in coupling.layers[param] if x.axis == axis)
        shape = coupling.graph.values[param].known_shape
        whole = np.broadcast_to(patched.factors[layer.ids], shape)
        living = np.broadcast_to(alive[layer.ids], shape)
        numbers = scale(coupling, param, cuts(coupling, param, alive), patched)
        assert numbers is not None
        left = coupling.shape(param, alive)
        for other in coupling.layers[param]:
            living = living & alive[other.ids]
        assert np.array_equal(np.broadcast_to(numbers, left).ravel(), whole[living])


def test_nothing_is_multiplied_without_factors_or_elsewhere() -> None:
    coupling = inspect(build("resnet")).coupling
    alive = coupling.everything()
    patched = patch(coupling, reweighted(coupling, alive, 2))
    assert patched is not None
    others = {v.name for v in coupling.graph.params} - {param for param, _ in patched.places}
    assert all(scale(coupling, name, (), patched) is None for name in others)
    assert all(scale(coupling, name, (), None) is None for name, _ in patched.places)
    array = np.ones(3)
    assert scaled(array, None) is array


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_element_types_stay_and_products_are_rounded_once(dtype: DTypeLike) -> None:
    array = np.linspace(-3, 3, 12).reshape(3, 4).astype(dtype)
    before, numbers = array.copy(), np.array([[0.3], [1.0], [7.7]])
    found = scaled(array, numbers)
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(array, before)
    wide = np.float64 if dtype is np.float64 else np.float32
    wanted = (array.astype(wide) * numbers.astype(wide)).astype(dtype)
    assert np.array_equal(found, wanted)


def test_an_array_of_ones_own_is_multiplied_where_it_is() -> None:
    array = np.ones((3, 4), np.float32)
    found = scaled(array, np.array([[2.0], [3.0], [4.0]]), own=True)
    assert found is array
    assert array[:, 0].tolist() == [2, 3, 4]


@pytest.mark.parametrize("apart", [False, True])
def test_tensors_in_files_are_multiplied_when_they_are_written(apart: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save_model(model(NET), path, save_as_external_data=apart, size_threshold=0)
    whole, found = inspect(model(NET)), inspect(path)
    alive = drawn(found.coupling, 0, "half")
    patched = patch(found.coupling, reweighted(found.coupling, alive, 0))
    write(narrow(found.lowered, found.coupling, alive, patched), tmp_path / "out.onnx")
    wanted = materialise(narrow(whole.lowered, whole.coupling, alive, patched))
    written = onnx.load(tmp_path / "out.onnx")
    arrays = [
        {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
        for proto in (written, wanted)
    ]
    assert arrays[0].keys() == arrays[1].keys()
    assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
    original = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[2])
    (group,) = found.coupling.groups
    living = alive[group.units[0]]
    assert patched is not None
    numbers = patched.factors[group.units[0]][living, None].astype(np.float32)
    assert np.array_equal(arrays[0]["c"], original[living] * numbers)
