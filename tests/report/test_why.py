"""Explanations of single layers."""

from __future__ import annotations

import pytest

from graphprune.errors import BadData
from graphprune.inspection import inspect
from graphprune.report.why import explain, why_lines
from tests.report.drawn import DIGITS, digits, mixed


def text(pattern: str) -> str:
    return "\n".join(why_lines(mixed(), explain(mixed(), pattern), 100))


def test_a_frozen_axis_and_a_group() -> None:
    assert text("stem") == (
        "stem.weight [8, 3, 3, 3], read by conv 'stem'\n"
        "  axis 0 (8): in group g1: 4 channels in each of 2 rows, each removed from all of these "
        "at once\n"
        "    stem.weight.0   produced       conv 'stem'\n"
        "    onnx::Conv_7.1  read           conv '/grouped/Conv'\n"
        "  axis 1 (3): frozen\n"
        "    1. conv 'stem'\n"
        "    → 'x' is an input of the graph\n"
        "  axis 2 (3): the kernel's window, never narrowed\n"
        "  axis 3 (3): the kernel's window, never narrowed"
    )


def test_approximate_groups_say_why() -> None:
    assert "    ≈ layer norm 'norm': narrowing is approximate" in text("mlp.0.bias")


def test_names_patterns_and_parts_of_names() -> None:
    for pattern in ("val_9", "val_*", "node_MatMul_3", "MatMul_3"):
        assert [e.param for e in explain(mixed(), pattern)] == ["val_9"]
    assert [e.param for e in explain(digits(), "head.bias")] == ["head.bias"]
    with pytest.raises(BadData, match="no layer is called 'nope'"):
        explain(mixed(), "nope")


def test_what_belongs_to_frozen_channels() -> None:
    lines = list(why_lines(digits(), explain(digits(), "head.bias"), 100))
    assert lines[-1] == "  axis 0 (10): stays, with the frozen channels it belongs to"


def test_what_was_kept_on_request() -> None:
    kept = inspect(DIGITS, keep=["stage1.0.inner.0"])
    lines = list(why_lines(kept, explain(kept, "stage1.0.inner.0.weight"), 100))
    assert "  axis 0 (32): kept whole as asked" in lines


def test_a_group_is_laid_out_once() -> None:
    lines = list(why_lines(digits(), explain(digits(), "stage2.0.*"), 100))
    assert sum("in group g5: 64 channels" in line for line in lines) == 1
    assert any(line.endswith("in group g5, as above") for line in lines)


def test_document() -> None:
    found = explain(mixed(), "head")[0].to_dict()
    assert found == {
        "param": "head.weight",
        "shape": [5, 4],
        "read_by": ["head"],
        "axes": [
            {"axis": 0, "extent": 5, "groups": ["g5"], "frozen": None},
            {
                "axis": 1,
                "extent": 4,
                "groups": [],
                "frozen": ["'y' is an output of the graph"],
            },
        ],
    }
