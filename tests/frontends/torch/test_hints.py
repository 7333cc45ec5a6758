"""Symbolic sizes have the numbers of the example inputs."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch import hints  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402


def test_numbers_shapes_and_types() -> None:
    def forward(s: Any, x: Any) -> Any:
        return x.reshape(x.shape[0] * 2, 3), x.nonzero()

    shapes = {"inputs": ({0: torch.export.Dim.AUTO},)}
    program = torch.export.export(Net(forward), (tensor(4, 6),), dynamic_shapes=shapes)
    metas = {node.name: node.meta.get("val") for node in program.graph.nodes}
    assert hints.number(metas["mul"]) == 8
    assert hints.is_number(metas["mul"])
    assert hints.shape(metas["reshape"]) == (8, 3)
    assert hints.shape(metas["nonzero"]) is None
    assert hints.dtype(metas["nonzero"]) == "int64"
    assert hints.number("none") is None
    assert not hints.is_number(metas["reshape"])
