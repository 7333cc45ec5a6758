"""Shapes, plans, proof inputs and output paths from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from graphprune.cli import files
from graphprune.errors import BadData, PlanMismatch
from graphprune.frontends.onnx import load
from tests.cli.running import DEMO, DIGITS, net, saved


def test_shapes_are_read() -> None:
    assert files.shapes(None) == {}
    assert files.shapes(["x:1x3x8x8", "serving:0:2"]) == {"x": (1, 3, 8, 8), "serving:0": (2,)}


@pytest.mark.parametrize("text", ["x", "x:", ":1x2", "x:0x2", "x:-1", "x:1,2", "x:1xa", "x:²"])
def test_other_texts_are_no_shapes(text: str) -> None:
    with pytest.raises(BadData, match="is not a shape"):
        files.shapes([text])


def test_one_input_has_one_shape() -> None:
    with pytest.raises(BadData, match="given two shapes"):
        files.shapes(["x:1", "x:2"])


def test_input_specs_leave_out_initializers_and_keep_symbols() -> None:
    model = net(size="S")
    model.graph.input.append(onnx.helper.make_tensor_value_info("a.weight", 1, [16, 3, 3, 3]))
    assert [str(spec) for spec in files.input_specs(load(model))] == ["x: float32[n,3,S,S]"]


def test_proof_feeds_are_cut_to_the_batch_size() -> None:
    feeds = files.proof_feeds(DEMO / "calibration.npz", DIGITS, {})
    assert [feed["images"].shape for feed in feeds] == [(1, 1, 8, 8)] * files.PROOF_SAMPLES
    feeds = files.proof_feeds(DEMO / "calibration.npz", DIGITS, {"images": (4, 1, 8, 8)})
    assert [len(feed["images"]) for feed in feeds] == [4, 4]
    assert files.proof_feeds(None, DIGITS, {}) == ()


def test_calibration_feeds_are_all_of_a_file() -> None:
    feeds = files.calibration_feeds(DEMO / "calibration.npz", DIGITS, {"images": (100, 1, 8, 8)})
    assert [len(feed["images"]) for feed in feeds] == [100, 100]
    feeds = files.calibration_feeds(DEMO / "calibration.npz", DIGITS, {})
    assert len(feeds) == 256
    assert files.calibration_feeds(None, DIGITS, {}) == ()


def test_proof_feeds_need_one_batch(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", images=np.zeros((2, 1, 8, 8), np.float32))
    with pytest.raises(BadData, match="less than one batch of 4"):
        files.proof_feeds(tmp_path / "few.npz", DIGITS, {"images": (4, 1, 8, 8)})


def test_an_unreadable_plan_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.plan.json"
    with pytest.raises(BadData, match="cannot be read"):
        files.plan(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(BadData, match="cannot be read"):
        files.plan(path)
    path.write_text("{}")
    with pytest.raises((BadData, PlanMismatch)) as caught:
        files.plan(path)
    assert str(path) in (caught.value.where or "")


def test_outputs_that_must_not_be_written(tmp_path: Path) -> None:
    model = saved(tmp_path, net())
    files.check_output(model, tmp_path / "out.onnx", overwrite=False)
    with pytest.raises(BadData, match="is the input"):
        files.check_output(model, tmp_path / "." / "net.onnx", overwrite=False)
    files.check_output(model, model, overwrite=True)
    with pytest.raises(BadData, match="is a folder"):
        files.check_output(model, tmp_path, overwrite=True)
    with pytest.raises(BadData, match="does not exist"):
        files.check_output(model, tmp_path / "nowhere" / "out.onnx", overwrite=False)
    with pytest.raises(BadData, match="is no file"):
        files.check_output(model, Path("/dev/null"), overwrite=False)


def test_external_data_is_counted_and_guarded(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(net(), path, save_as_external_data=True, location="w.data", size_threshold=0)
    model = load(path)
    assert files.model_bytes(model) == path.stat().st_size + (tmp_path / "w.data").stat().st_size
    files.check_data(model, tmp_path / "out.onnx")
    for name in ("w.data", "w"):
        with pytest.raises(BadData, match="external data"):
            files.check_data(model, tmp_path / name)
