"""ONNX Runtime sessions: running, sharing weights, and what their errors become."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphprune.backends import base, cache, processor
from graphprune.backends.onnxruntime import OnnxRuntime, Optimization
from graphprune.data import Array, InputSpec, random_feeds
from graphprune.errors import BackendError, BackendUnavailable


def linear(ops: tuple[str, ...] = ("Gemm",), dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Returns y = ops(x @ w.T) with x of shape (batch, 4) and w of ones, of shape (2, 4)."""
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h0"], transB=1)] if "Gemm" in ops else []
    values = ["h0" if nodes else "x", *(f"h{n}" for n in range(1, len(ops)))]
    for op, source, target in zip(ops[len(nodes) :], values, [*values[1:], "y"], strict=False):
        nodes.append(helper.make_node(op, [source], [target]))
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", dtype, ["batch", 4])],
        [helper.make_tensor_value_info("y", dtype, ["batch", None])],
        [numpy_helper.from_array(np.ones((2, 4), np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def ones(batch: int = 1) -> dict[str, Array]:
    return {"x": np.ones((batch, 4), np.float32)}


def test_a_model_runs_from_every_kind_of_source(tmp_path: Path) -> None:
    model = linear()
    path = tmp_path / "linear.onnx"
    onnx.save(model, path)
    for source in (model, model.SerializeToString(), path, str(path)):
        with closing(OnnxRuntime().build(source, threads=1)) as engine:
            assert engine.inputs == (InputSpec("x", ("batch", 4), np.dtype("float32")),)
            assert engine.outputs == ("y",)
            assert engine.run(ones(3))["y"].tolist() == [[4, 4]] * 3


def test_external_data_is_found_beside_the_path(tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    onnx.save(linear(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").exists()
    assert OnnxRuntime().build(path).run(ones())["y"].tolist() == [[4, 4]]


def test_specs_feed_the_model_they_came_from() -> None:
    for dtype in (TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL, TensorProto.UINT8):
        engine = OnnxRuntime().build(linear(("Identity",), dtype))
        feeds = random_feeds(engine.inputs, dims={"batch": 2})
        assert np.array_equal(engine.run(feeds)["y"], feeds["x"])


@pytest.mark.parametrize("optimization", ["none", "basic"])
def test_weights_are_shared_not_copied(optimization: Optimization) -> None:
    weight = np.ones((2, 4), np.float32)
    engine = OnnxRuntime(optimization=optimization, weights={"w": weight}).build(linear())
    assert engine.run(ones())["y"].tolist() == [[4, 4]]
    weight[1, 1:] = 0
    assert engine.run(ones())["y"].tolist() == [[4, 1]]


def test_shared_weights_outlive_the_backend() -> None:
    engine = OnnxRuntime(weights={"w": np.full((2, 4), 3, np.float32)}).build(linear())
    for _ in range(3):
        np.empty(100_000)
        assert engine.run(ones())["y"].tolist() == [[12, 12]]


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({"v": np.ones(1, np.float32)}, "BackendError: the model has no initializer named 'v'"),
        (
            {"w": np.ones((3, 4), np.float32)},
            "BackendError: the array for weight 'w' does not fit\n"
            "  why:   it is float32[3, 4], the initializer is float32[2, 4]",
        ),
        (
            {"w": np.ones((4, 2), np.float32).T},
            "BackendError: the array for weight 'w' is not contiguous",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: dict[str, Array], text: str) -> None:
    with pytest.raises(BackendError) as caught:
        OnnxRuntime(weights=weights).build(linear())
    assert str(caught.value) == text


def test_a_refused_model_is_a_backend_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as caught:
        OnnxRuntime().build(b"not a model")
    assert str(caught.value) == (
        "BackendError: cannot build a session\n"
        "  why:   Failed to load model because protobuf parsing failed."
    )
    with pytest.raises(BackendError) as caught:
        OnnxRuntime().build(linear(("Gemm", "Nonsense")))
    assert caught.value.where == "linear"
    assert "Nonsense" in str(caught.value.why)
    assert len(str(caught.value.why)) < 310
    with pytest.raises(BackendError, match=r"absent\.onnx"):
        OnnxRuntime().build(tmp_path / "absent.onnx")
    with pytest.raises(BackendError, match=r"absent\.onnx"):
        OnnxRuntime(weights=ones()).build(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"x": np.ones((1, 4))},
        {"x": np.ones((1, 3), np.float32)},
        {**ones(), "z": np.ones(1)},
    ],
)
def test_feeds_that_do_not_fit_are_a_backend_error(feeds: dict[str, Array]) -> None:
    with pytest.raises(BackendError, match="cannot run the model"):
        OnnxRuntime().build(linear()).run(feeds)


def test_a_closed_engine_does_not_run() -> None:
    engine = OnnxRuntime().build(linear())
    engine.close()
    with pytest.raises(BackendError, match="this engine is closed"):
        engine.run(ones())


def test_absence_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailable) as caught:
        base.get("onnxruntime")
    assert caught.value.fix == "pip install 'graphprune[onnxruntime]'"
    with pytest.raises(BackendUnavailable):
        OnnxRuntime().build(linear())


def test_times_are_seconds_of_single_calls() -> None:
    with closing(OnnxRuntime().build(linear(), threads=1)) as engine:
        durations = engine.time(ones(), seconds=0.02, warmup=0.0)
        assert len(durations) > 1
        assert all(0 < duration < 1 for duration in durations)
        timer = engine.timer(ones())
        with pytest.raises(BackendError, match="cannot run the model"):
            engine.timer({"x": np.ones((1, 3), np.float32)})
    with pytest.raises(BackendError, match="this engine is closed"):
        timer(0.01)


def test_conditions_state_what_was_built() -> None:
    stated = OnnxRuntime().build(linear(), threads=1).conditions
    assert (stated.backend, stated.device, stated.precision) == ("onnxruntime", "cpu", "fp32")
    assert stated.threads == 1
    assert OnnxRuntime().build(linear()).conditions.threads == processor.cores()


def test_a_profile_names_every_node() -> None:
    model = linear(("Gemm", "Relu", "Sigmoid"))
    for at, node in enumerate(model.graph.node):
        node.name = f"n{at}"
    engine = OnnxRuntime(optimization="none").build(model, threads=1)
    found = engine.profile(ones(), seconds=0.02)
    assert list(found) == ["n0", "n1", "n2"]
    assert all(0 <= value < 1 for value in found.values())
    engine.close()
    with pytest.raises(BackendError, match="this engine is closed"):
        engine.profile(ones())


def test_shapes_fix_symbolic_sizes() -> None:
    engine = OnnxRuntime().build(linear(), shapes={"x": (3, 4)})
    assert engine.inputs == (InputSpec("x", (3, 4), np.dtype("float32")),)
    assert engine.run(ones(3))["y"].shape == (3, 2)
    with pytest.raises(BackendError, match="cannot run the model"):
        engine.run(ones(2))


def test_half_precision_keeps_inputs_and_outputs() -> None:
    model = linear()
    third = np.full((2, 4), 1 / 3, np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(third, "w"))
    engine = OnnxRuntime().build(model, precision="fp16")
    feeds = ones()
    found = engine.run(feeds)["y"]
    assert found.dtype == np.float32
    assert engine.conditions.precision == "fp16"
    exact = OnnxRuntime().build(model).run(feeds)["y"]
    assert 0 < abs(float(found[0, 0] - exact[0, 0])) < 1e-3
    assert model.graph.initializer[0].data_type == TensorProto.FLOAT


def test_what_cannot_be_converted_is_refused() -> None:
    with pytest.raises(BackendError, match="onnxruntime builds no bf16 engine here"):
        OnnxRuntime().build(linear(), precision="bf16")
    weights = {"w": np.ones((2, 4), np.float32)}
    with pytest.raises(BackendError, match="weights that are shared cannot be converted"):
        OnnxRuntime(weights=weights).build(linear(), precision="fp16")


def test_an_absent_provider_names_what_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(BackendUnavailable) as caught:
        base.get("onnxruntime", provider="cuda")
    assert caught.value.why == (
        "the installed ONNX Runtime has no CUDAExecutionProvider, only CPUExecutionProvider"
    )
    assert caught.value.fix == "pip install 'onnxruntime-gpu'"


def test_a_provider_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession
    monkeypatch.setattr(runtime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(
        runtime,
        "InferenceSession",
        lambda source, options, providers: session(source, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(BackendError, match="CUDAExecutionProvider did not start"):
        OnnxRuntime(provider="cuda").build(linear())


def test_a_saved_engine_is_optimised_already(tmp_path: Path) -> None:
    path = tmp_path / "linear.engine"
    model = linear(("Gemm", "Relu"))
    engine = OnnxRuntime().build(model, shapes={"x": (2, 4)}, threads=1)
    engine.save(path)
    loaded = OnnxRuntime().load(path, model=model, threads=1)
    assert (loaded.inputs, loaded.conditions) == (engine.inputs, engine.conditions)
    assert np.array_equal(loaded.run(ones(2))["y"], engine.run(ones(2))["y"])
    assert len(loaded.profile(ones(2), seconds=0.01)) == 1  # Gemm and Relu are one
    again = tmp_path / "again.engine"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_saved_engine_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "linear.engine"
    OnnxRuntime().build(linear(), threads=1).save(path)

    def why(backend: OnnxRuntime, model: onnx.ModelProto | None = None) -> str | None:
        with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
            backend.load(path, model=model)
        return caught.value.why

    other = linear(("Gemm", "Relu"))
    assert why(OnnxRuntime(), other) == "it was built from another model"
    assert why(OnnxRuntime(optimization="none")) == "its optimization is all, wanted is none"
    version = onnxruntime.__version__
    monkeypatch.setattr(onnxruntime, "__version__", "0.1")
    assert why(OnnxRuntime()) == f"it was built by version {version}, this is 0.1"
    path.write_bytes(path.read_bytes()[:-4])
    assert why(OnnxRuntime()) == "it is damaged: its checksum is another"


def test_shared_weights_are_not_saved(tmp_path: Path) -> None:
    shared = OnnxRuntime(optimization="none", weights={"w": np.ones((2, 4), np.float32)})
    with pytest.raises(BackendError, match="an engine whose weights are shared cannot be saved"):
        shared.build(linear()).save(tmp_path / "linear.engine")


def test_a_cache_keeps_an_engine_for_every_model_shape_and_precision(tmp_path: Path) -> None:
    caching = OnnxRuntime(cache=str(tmp_path))
    built = caching.build(linear(), threads=1).run(ones())["y"]
    [path] = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    assert np.array_equal(caching.build(linear(), threads=2).run(ones())["y"], built)
    assert path.stat().st_mtime_ns == written
    caching.build(linear(), shapes={"x": (2, 4)})
    caching.build(linear(), precision="fp16")
    caching.build(linear(("Gemm", "Relu")))
    assert len(list(tmp_path.iterdir())) == 4
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.warns(RuntimeWarning, match="a cached engine is built anew: it is damaged"):
        assert np.array_equal(caching.build(linear(), threads=1).run(ones())["y"], built)
    assert cache.read(path)[0].backend == "onnxruntime"
