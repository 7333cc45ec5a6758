"""Building, caching, saving and loading, with the fake of every version; nothing saw a GPU here."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
pytest.importorskip("onnxruntime", reason="the fake runs its engines with onnxruntime")

from graphprune.backends.base import Precision
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.backends.tensorrt import Range, TensorRT
from graphprune.errors import BackendError, BadData
from graphprune.measure import agreement
from tests.backends.tensorrt import faking
from tests.backends.tensorrt.faking import VERSIONS, backend, images, model, small
from tests.cli.running import net

pytestmark = faking.needed
SHAPES = {"x": (2, 3, 4, 4)}


@pytest.mark.parametrize("version", VERSIONS)
def test_one_path_builds_and_runs_on_every_version(version: str, tmp_path: Path) -> None:
    made = backend(tmp_path, version)
    with closing(made.build(small(), shapes=SHAPES, precision="fp16")) as engine:
        wanted = agreement.reference(small(), images())
        found = agreement.check(engine, images(), wanted)
        assert 0 < found.worst < 2e-3
        assert engine.conditions.version == version
        assert engine.conditions.device == "Fake GPU (latency, CUDA graph)"
        assert engine.conditions.precision == "fp16"
        assert (engine.outputs, engine.inputs[0].shape) == (("y",), (2, 3, 4, 4))
        assert (engine.built is not None, engine.memory, engine.notes) == (True, 4096, ())


@pytest.mark.parametrize(
    ("version", "precision", "options"),
    [
        ("10.3.0", "bf16", {}),
        ("10.3.0", "fp16", {"typing": "strong"}),
        ("8.6.1", "fp32", {"level": 5, "workspace": 1 << 20, "tf32": False}),
        ("8.5.3.1", "fp32", {"libraries": True}),
        ("11.4.0.106", "fp32", {"libraries": True}),
    ],
)
def test_options(
    version: str, precision: Precision, options: dict[str, Any], tmp_path: Path
) -> None:
    made = backend(tmp_path, version, **options)
    with closing(made.build(small(), shapes=SHAPES, precision=precision)) as engine:
        assert engine.run(images())["y"].shape == (2, 4, 4, 4)


@pytest.mark.parametrize("version", ["8.5.3.1", "10.3.0", "11.4.0.106"])
def test_quantised_graphs_are_built_as_such(version: str, tmp_path: Path) -> None:
    made = backend(tmp_path, version, int8=True)
    x = {"x": np.random.default_rng(2).standard_normal((2, 4)).astype(np.float32)}
    for precision in ("fp32", "fp16"):
        with closing(made.build(faking.quantised(), precision=precision)) as engine:
            wanted = agreement.reference(faking.quantised(), x)
            agreement.check(engine, x, wanted, quantised=True)


def test_a_level_is_refused_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"TensorRT 8\.5\.3\.1 has no levels of optimisation"):
        backend(tmp_path, "8.5.3.1", level=3).build(small(), shapes=SHAPES)


def test_version_8_takes_no_int64_so_values_are_narrowed_and_checked(tmp_path: Path) -> None:
    made = model(
        [helper.make_node("Gather", ["w", "i"], ["y"], name="rows")],
        {"i": (TensorProto.INT64, [3])},
        {"y": (TensorProto.FLOAT, [3, 2])},
        {"w": np.arange(8, dtype=np.float32).reshape(4, 2)},
    )
    for version in ("8.5.3.1", "10.3.0"):
        with closing(backend(tmp_path, version).build(made)) as engine:
            assert str(engine.inputs[0]) == "i: int64[3]"
            rows = engine.run({"i": np.array([2, 0, 3])})["y"]
            assert rows.tolist() == [[4, 5], [0, 1], [6, 7]]
            if version == "8.5.3.1":
                with pytest.raises(BackendError, match="do not fit the engine"):
                    engine.run({"i": np.array([2, 0, 1 << 40])})


def test_parser_errors_are_listed_by_node(tmp_path: Path) -> None:
    for version in ("8.5.3.1", "10.3.0"):
        with pytest.raises(BackendError) as caught:
            backend(tmp_path, version).build(net(foreign=True, size=4), shapes=SHAPES)
        assert str(caught.value) == (
            f"BackendError: TensorRT {version} cannot read the model\n"
            "  where: net\n"
            "  why:   node 'm' (Magic): No importer registered for op: Magic [UNSUPPORTED_NODE]"
        )


def test_a_range_of_shapes_is_one_engine(tmp_path: Path) -> None:
    range_ = Range((1, 3, 4, 4), (2, 3, 4, 4), (4, 3, 4, 4))
    made = backend(tmp_path, ranges={"x": range_})
    with closing(made.build(small())) as engine:
        assert str(engine.inputs[0]) == "x: float32[n,3,4,4]"
        for batch in (2, 4, 1, 2):
            wanted = OnnxRuntime().build(small()).run(images(batch))["y"]
            np.testing.assert_allclose(engine.run(images(batch))["y"], wanted, rtol=1e-5, atol=1e-5)
        with pytest.raises(BackendError, match="does not take"):
            engine.run(images(8))
        assert engine.run(images(2))["y"].shape == (2, 4, 4, 4)


def test_the_builder_fails_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as caught:
        backend(tmp_path, fault="build-refuse").build(small(), shapes=SHAPES)
    assert str(caught.value) == (
        "BackendError: TensorRT 10.3.0 cannot build the engine\n"
        "  why:   no implementation for node a"
    )


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("build-crash", "it crashed (SIGSEGV)"),
        ("build-exit", "it exited with status 3"),
        ("build-memory", "it was killed (SIGKILL), as happens when memory runs out"),
        ("build-hang", "time is up"),
    ],
)
def test_the_builders_end_is_an_error_with_its_log(fault: str, why: str, tmp_path: Path) -> None:
    limit = 3.0 if fault == "build-hang" else 60.0
    with pytest.raises(BackendError) as caught:
        backend(tmp_path, fault=fault, build_limit=limit).build(small(), shapes=SHAPES)
    assert str(caught.value.why).splitlines() == [
        why,
        "its log ends:",
        "[INFO] the fake starts to try kernels",
    ]


def test_no_room_on_the_device(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as caught:
        backend(tmp_path, fault="no-memory").build(small(), shapes=SHAPES)
    assert str(caught.value) == (
        "BackendError: cuMemAlloc_v2 failed: error 2\n  why:   out of memory"
    )


@pytest.mark.parametrize("fault", ["wrong", "unwritten"])
def test_wrong_outputs_are_found_before_anything_is_timed(fault: str, tmp_path: Path) -> None:
    wanted = agreement.reference(small(), images())
    engine = backend(tmp_path, fault=fault).build(small(), shapes=SHAPES)
    what = "computes something else than the model says"
    with closing(engine), pytest.raises(BackendError, match=what):
        agreement.check(engine, images(), wanted)


def test_a_damaged_engine_in_the_cache_is_built_anew(tmp_path: Path) -> None:
    made = backend(tmp_path, cache=str(tmp_path / "cache"))
    made.build(small(), shapes=SHAPES).close()
    (path,) = (tmp_path / "cache").glob("*.engine")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.warns(RuntimeWarning, match="a cached engine is built anew: it is damaged"):
        engine = made.build(small(), shapes=SHAPES)
    with closing(engine):
        assert engine.built is not None
    assert path.read_bytes() == whole


def test_a_cached_engine_that_tensorrt_refuses_is_built_anew(tmp_path: Path) -> None:
    made = backend(tmp_path, cache=str(tmp_path / "cache"))
    made.build(small(), shapes=SHAPES).close()
    refusing = backend(tmp_path, fault="read-refuse", cache=str(tmp_path / "cache"))
    # This fake refuses the new one as well; a second failure is no matter of the cache.
    with (
        pytest.warns(RuntimeWarning, match="the engine plan file is not compatible"),
        pytest.raises(BackendError, match=r"TensorRT 10\.3\.0 cannot read the engine"),
    ):
        refusing.build(small(), shapes=SHAPES)


def test_a_call_that_cannot_be_captured_is_made_all_the_same(tmp_path: Path) -> None:
    made = backend(tmp_path, fault="no-capture")
    with closing(made.build(small(), shapes=SHAPES)) as engine:
        assert engine.run(images())["y"].shape == (2, 4, 4, 4)
        assert engine.notes == (
            "calls are not captured as a graph: cuStreamEndCapture failed: error 900",
        )


def test_the_cache_is_hit_until_something_changes(tmp_path: Path) -> None:
    folder = tmp_path / "cache"

    def built(one: TensorRT) -> bool:
        with closing(one.build(small(), shapes=SHAPES)) as engine:
            return engine.built is not None

    made = backend(tmp_path, cache=str(folder))
    assert built(made)
    assert not built(made)
    assert built(backend(tmp_path, "10.0.1", cache=str(folder)))
    assert built(backend(tmp_path, gpu="Other GPU", cache=str(folder)))
    assert {path.name for path in folder.glob("timings-*")} == {
        "timings-10.3.0-Fake-GPU-sm-9.0-132-multiprocessors",
        "timings-10.0.1-Fake-GPU-sm-9.0-132-multiprocessors",
        "timings-10.3.0-Other-GPU-sm-9.0-132-multiprocessors",
    }


def test_words_that_mean_nothing(tmp_path: Path) -> None:
    for options in ({"mode": "fastest"}, {"typing": "loose"}):
        with pytest.raises(BadData, match="use one of: "):
            backend(tmp_path, **options)
