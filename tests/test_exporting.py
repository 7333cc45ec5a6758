"""From a module to a file: pruned, exported, compared."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import graphprune  # noqa: E402
from graphprune.backends.base import get  # noqa: E402
from graphprune.errors import BadData, NotEquivalent, PlanMismatch, UnsupportedModel  # noqa: E402
from graphprune.result import embedded_plan  # noqa: E402


def network() -> tuple[Any, Any]:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 12, 3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 4),
    )
    return module.eval(), torch.randn(1, 3, 8, 8)


def outputs(path: Path, images: Any) -> Any:
    engine = get("onnxruntime").build(path)
    (name,) = (spec.name for spec in engine.inputs)
    return next(iter(engine.run({name: images.numpy()}).values()))


def test_a_budget_prunes_on_the_way(tmp_path: Path) -> None:
    module, example = network()
    done = graphprune.export(module, example, tmp_path / "small.onnx", macs=0.5)
    assert done.result is not None and done.result.proof.ok
    assert done.error is not None and done.error < 1e-5
    with torch.no_grad():
        wanted = done.result.model(example).numpy()
    np.testing.assert_allclose(outputs(done.path, example), wanted, rtol=1e-4, atol=1e-6)


def test_the_batch_stays_open_although_the_example_has_one_image(tmp_path: Path) -> None:
    module, example = network()
    graphprune.export(module, example, tmp_path / "small.onnx", channels=0.5)
    (info,) = onnx.load(tmp_path / "small.onnx").graph.input
    assert info.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert outputs(tmp_path / "small.onnx", torch.randn(5, 3, 8, 8)).shape == (5, 4)


def test_the_file_carries_its_plan_which_proves_it(tmp_path: Path) -> None:
    module, example = network()
    graphprune.export(module, example, tmp_path / "whole.onnx")
    done = graphprune.export(module, example, tmp_path / "small.onnx", channels=0.5)
    assert done.result is not None
    plan = embedded_plan(tmp_path / "small.onnx")
    assert plan.to_json() == done.result.plan.to_json()
    from_file = graphprune.apply(tmp_path / "whole.onnx", plan)
    assert from_file.proof.ok
    from_file.save(tmp_path / "other.onnx")
    images = torch.randn(3, 3, 8, 8)
    np.testing.assert_allclose(
        outputs(tmp_path / "small.onnx", images),
        outputs(tmp_path / "other.onnx", images),
        rtol=1e-4,
        atol=1e-6,
    )


def test_without_a_budget_the_module_is_exported_as_it_is(tmp_path: Path) -> None:
    module, example = network()
    done = graphprune.export(module.train(), example, tmp_path / "whole.onnx")
    assert done.result is None and module.training
    assert not onnx.load(tmp_path / "whole.onnx").metadata_props


def test_a_plan_decides_as_well(tmp_path: Path) -> None:
    module, example = network()
    plan = graphprune.prune(module, example, channels=0.5, run=False).plan
    done = graphprune.export(module, example, tmp_path / "small.onnx", plan=plan)
    assert done.result is not None and done.result.plan is plan
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 2, 1))
    with pytest.raises(PlanMismatch):
        graphprune.export(other, example, tmp_path / "other.onnx", plan=plan)
    assert not (tmp_path / "other.onnx").exists()


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    module, example = network()
    with pytest.raises(UnsupportedModel, match=r"export to a .onnx file"):
        graphprune.export(module, example, tmp_path / "small.pdf", macs=0.5)


def test_a_file_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphprune import exporting

    real = exporting._to_onnx

    def spoiled(*args: Any) -> onnx.ModelProto:
        proto = real(*args)
        bias = next(t for t in proto.graph.initializer if list(t.dims) == [4])
        bias.CopyFrom(onnx.numpy_helper.from_array(np.full(4, 9, np.float32), bias.name))
        return proto

    monkeypatch.setattr(exporting, "_to_onnx", spoiled)
    module, example = network()
    with pytest.raises(NotEquivalent, match=r"nothing was written"):
        graphprune.export(module, example, tmp_path / "small.onnx")
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_are_not_finite_prove_nothing(tmp_path: Path) -> None:
    module, example = network()
    with torch.no_grad():
        module[0].bias.fill_(float("nan"))
    with pytest.raises(BadData, match=r"no output of the module is finite"):
        graphprune.export(module, example, tmp_path / "whole.onnx")
    assert graphprune.export(module, example, tmp_path / "whole.onnx", run=False).error is None


def test_an_engine_is_built_from_the_export(tmp_path: Path) -> None:
    pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")
    from tests.backends.tensorrt.faking import backend

    module, example = network()
    path, engine = tmp_path / "small.engine", backend(tmp_path)
    done = graphprune.export(module, example, path, channels=0.5, precision="fp16", engine=engine)
    assert done.error is not None and 0 < done.error < 2e-2
    assert sorted(one.name for one in tmp_path.glob("small*")) == [
        "small.engine",
        "small.engine.json",
    ]
    with closing(engine.load(path)) as loaded:
        assert loaded.inputs[0].shape == (1, 3, 8, 8)


def test_an_engines_options_with_a_file_that_is_none(tmp_path: Path) -> None:
    module, example = network()
    with pytest.raises(BadData, match="only engines have a precision and a builder"):
        graphprune.export(module, example, tmp_path / "small.onnx", precision="fp16")
