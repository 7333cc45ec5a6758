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


def test_pinned_sizes() -> None:
    def forward(s: Any, x: Any, more: Any) -> Any:
        return x.reshape(x.shape[0] * 2, 3), x * 2 / x.shape[0]

    shapes = {"inputs": ({0: torch.export.Dim.AUTO}, {"y": None})}
    given = (tensor(4, 6), {"y": 3})
    program = torch.export.export(Net(forward), given, dynamic_shapes=shapes)
    metas = {node.name: node.meta.get("val") for node in program.graph.nodes}
    assert hints.pin(program, (tensor(1, 6), {"y": 3}), {})
    assert hints.number(metas["mul"]) == 2
    assert hints.shape(metas["reshape"]) == (2, 3)
    assert not hints.pin(program, (tensor(7, 5), {"y": 3}), {})
    assert hints.shape(metas["reshape"]) == (2, 3)


def test_sizes_that_tracing_excluded_are_not_pinned() -> None:
    def forward(s: Any, x: Any) -> Any:
        return x if x.shape[0] * 2 < 9 else -x

    shapes = {"inputs": ({0: torch.export.Dim.AUTO},)}
    program = torch.export.export(Net(forward), (tensor(3, 2),), dynamic_shapes=shapes)
    assert hints.pin(program, (tensor(4, 2),), {})
    assert not hints.pin(program, (tensor(5, 2),), {})
