"""PyTorch as an engine: the numbers are those of the module, the module stays as it is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphprune.backends import base
from graphprune.backends.base import Precision
from graphprune.backends.torch import Mode, Torch
from graphprune.data import InputSpec, random_feeds
from graphprune.errors import BackendError, BackendUnavailable

torch = pytest.importorskip("torch")

SHAPES = {"x": (2, 3, 8, 8)}


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten()
    )


class Named(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Two arguments, and what was asked for of them."""

    def __init__(self, kind: str = "tensor") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Any, y: Any) -> Any:
        total = x + 2 * y
        return {"tensor": total, "mapping": {"sum": total}, "several": (total, [x])}[self.kind]


class Wrapped(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A net whose argument is named x."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: Any) -> Any:
        return self.net(x)


def test_absence_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailable) as caught:
        base.get("torch")
    assert caught.value.fix == "pip install 'graphprune[torch]'"


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_module_runs_as_it_does_itself(channels_last: bool) -> None:
    module = Wrapped().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    engine = Torch(channels_last=channels_last).build(module, shapes=SHAPES, threads=1)
    assert engine.inputs == (InputSpec("x", (2, 3, 8, 8), np.dtype("float32")),)
    assert engine.outputs == ("output",)
    feeds = random_feeds(engine.inputs)
    found = engine.run(feeds)["output"]
    assert module.training
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(feeds["x"])).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_exported_program_knows_its_inputs() -> None:
    example = (torch.ones(2, 3), torch.ones(2, 3, dtype=torch.int64))
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        Named(), example, dynamic_shapes={"x": {0: batch}, "y": {0: batch}}
    )
    engine = Torch().build(program)
    assert engine.inputs == (
        InputSpec("x", (None, 3), np.dtype("float32")),
        InputSpec("y", (None, 3), np.dtype("int64")),
    )
    feeds = random_feeds(engine.inputs, default=4)
    expected = feeds["x"] + 2 * feeds["y"].astype(np.float32)
    assert np.array_equal(engine.run(feeds)["output"], expected)
    fixed = Torch().build(program, shapes={"x": (5, 3), "y": (5, 3)})
    assert fixed.inputs[0].shape == (5, 3)
    with pytest.raises(BackendError, match="the shape given for input 'x' does not fit"):
        Torch().build(program, shapes={"x": (5, 4)})


@pytest.mark.parametrize(
    ("kind", "names"),
    [("tensor", ("output",)), ("mapping", ("sum",)), ("several", ("output", "output_1"))],
)
def test_outputs_are_named(kind: str, names: tuple[str, ...]) -> None:
    engine = Torch().build(Named(kind), shapes={"x": (2,), "y": (2,)})
    assert engine.outputs == names


def test_bfloat16_comes_back_as_float32() -> None:
    module = Wrapped()
    engine = Torch().build(module, shapes=SHAPES, precision="bf16")
    feeds = random_feeds(engine.inputs)
    found = engine.run(feeds)["output"]
    exact = Torch().build(module, shapes=SHAPES).run(feeds)["output"]
    assert found.dtype == np.float32
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 2e-2
    assert engine.conditions.precision == "bf16"


def test_threads_are_set_only_while_it_runs() -> None:
    seen: list[int] = []

    class Counting(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            seen.append(torch.get_num_threads())
            return x

    before = torch.get_num_threads()
    engine = Torch().build(Counting(), shapes={"x": (1,)}, threads=before + 1)
    engine.time(random_feeds(engine.inputs), seconds=0.001, warmup=0.0)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
    assert engine.conditions.threads == before + 1


def test_times_and_profile() -> None:
    engine = Torch().build(Wrapped(), shapes=SHAPES, threads=1)
    feeds = random_feeds(engine.inputs)
    assert len(engine.time(feeds, seconds=0.02, warmup=0.0)) > 1
    found = engine.profile(feeds, seconds=0.02)
    assert any("conv" in name for name in found)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 0 < sum(found.values()) < 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a compiler")
@pytest.mark.slow
def test_inductor_computes_the_same() -> None:
    module = Wrapped()
    engine = Torch(mode="inductor").build(module, shapes=SHAPES, threads=1)
    feeds = random_feeds(engine.inputs)
    expected = Torch().build(module, shapes=SHAPES).run(feeds)["output"]
    np.testing.assert_allclose(engine.run(feeds)["output"], expected, rtol=1e-4, atol=1e-5)
    assert engine.conditions.backend == "torch (inductor)"
    assert engine.time(feeds, seconds=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_saved_engine_computes_the_same(precision: Precision, tmp_path: Path) -> None:
    path = tmp_path / "net.engine"
    backend = Torch(channels_last=True)
    model = net()
    engine = backend.build(model, shapes={"input": (2, 3, 8, 8)}, precision=precision, threads=1)
    engine.save(path)
    loaded = backend.load(path, model=model, threads=1)
    assert (loaded.inputs, loaded.outputs) == (engine.inputs, engine.outputs)
    assert loaded.conditions == engine.conditions
    feeds = random_feeds(engine.inputs)
    assert np.array_equal(loaded.run(feeds)["output"], engine.run(feeds)["output"])


def test_a_saved_engine_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.engine"
    Torch().build(net(), shapes={"input": (2, 3, 8, 8)}).save(path)
    other = net()
    torch.nn.init.zeros_(other[0].bias)
    for backend, model, why in (
        (Torch(), other, "it was built from another model"),
        (Torch(channels_last=True), None, "its channels_last is False, wanted is True"),
    ):
        with pytest.raises(BackendError, match="the saved engine cannot be used") as caught:
            backend.load(path, model=model)
        assert caught.value.why == why


@pytest.mark.parametrize("mode", ["eager", "cuda-graph"])
def test_cuda_is_asked_for_where_there_is_none(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendUnavailable) as caught:
        Torch(mode=mode, device="cuda").build(Wrapped(), shapes=SHAPES)
    assert caught.value.why == "PyTorch finds no usable CUDA device"
    assert Torch(mode="cuda-graph").available() == (
        "CUDA graphs are of CUDA devices: device='cuda'"
    )


def test_inductor_needs_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BackendUnavailable) as caught:
        base.get("torch", mode="inductor")
    assert caught.value.why == "inductor compiles for the CPU with a C++ compiler, and finds none"
    compiler = tmp_path / "clang++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert base.get("torch", mode="inductor") == Torch(mode="inductor")


@pytest.mark.parametrize("transfers", [False, True])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_graph_is_replayed(transfers: bool) -> None:
    engine = Torch(mode="cuda-graph", device="cuda").build(Wrapped(), shapes=SHAPES)
    feeds = random_feeds(engine.inputs)
    expected = Torch().build(Wrapped(), shapes=SHAPES).run(feeds)["output"]
    np.testing.assert_allclose(engine.run(feeds)["output"], expected, rtol=1e-2, atol=1e-2)
    timer = engine.timer_with_transfers(feeds) if transfers else engine.timer(feeds)
    assert len(timer(0.05)) > 1


def test_what_it_cannot_run() -> None:
    with pytest.raises(BackendError, match="the torch backend runs no str"):
        Torch().build("model.onnx")
    with pytest.raises(BackendError, match="the shapes of a module's inputs are not known"):
        Torch().build(Wrapped())
    with pytest.raises(BackendError, match="its arguments: x; shapes: z"):
        Torch().build(Wrapped(), shapes={"z": (1,)})
    with pytest.raises(BackendError, match="cannot run the model"):
        Torch().build(Wrapped(), shapes={"x": (1, 4, 8, 8)})
    engine = Torch().build(Wrapped(), shapes=SHAPES)
    with pytest.raises(BackendError, match="cannot run the model"):
        engine.run({"x": np.ones((1, 3, 8, 8), np.float32)})
    engine.close()
    with pytest.raises(BackendError, match="this engine is closed"):
        engine.run({"x": np.ones((2, 3, 8, 8), np.float32)})
