"""Drawings of networks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graphprune.compiler import prune
from graphprune.errors import BackendUnavailable, BadData, GraphpruneError
from graphprune.inspection import inspect
from graphprune.report.picture import bars, draw, pruned_widths
from tests.report.drawn import DIGITS, digits, mixed


def test_a_bar_for_every_layer() -> None:
    found = bars(digits(), {})
    assert [bar.layer.name for bar in found][:3] == [
        "stem.0",
        "stage1.0.inner.0",
        "stage1.0.outer.0",
    ]
    assert [bar.group for bar in found][:3] == ["g1", "g2", "g1"]
    assert all(bar.before == bar.layer.width for bar in found)
    assert sum(bar.macs for bar in found) == pytest.approx(1)


def test_what_the_plan_removed_is_known(tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    prune(DIGITS, channels=0.5, keep=["stage1.0.inner.0"], run=False).save(out)
    small = inspect(out)
    before = pruned_widths(small)
    assert before == {f"g{i}": 2 * w for i, w in zip(range(3, 10), (16, 32, 32, 32, 64, 128, 128))}  # noqa: B905
    widths = {bar.layer.name: (round(bar.before), bar.layer.width) for bar in bars(small, before)}
    expected = {"stem.0": (32, 32), "stage3.0.expand.0": (256, 128), "head": (10, 10)}
    assert {name: widths[name] for name in expected} == expected


def test_models_without_a_plan_have_no_widths_of_before() -> None:
    assert pruned_widths(digits()) == {}


def test_svg_holds_names_and_widths(tmp_path: Path) -> None:
    target = tmp_path / "half.svg"
    draw(digits(), {"g1": 64}, target)
    text = target.read_text(encoding="utf-8")
    assert "stage2.0.shortcut.0" in text
    assert "64 → 32" in text
    assert "removed" in text
    again = tmp_path / "again.svg"
    draw(digits(), {"g1": 64}, again)
    assert again.read_text(encoding="utf-8") == text


def test_png(tmp_path: Path) -> None:
    draw(mixed(), {}, tmp_path / "mixed.PNG")
    assert (tmp_path / "mixed.PNG").read_bytes().startswith(b"\x89PNG")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"cannot be written as '\.pdf'"):
        draw(digits(), {}, tmp_path / "x.pdf")
    with pytest.raises(GraphpruneError, match="cannot be written"):
        draw(digits(), {}, tmp_path / "nowhere" / "x.png")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendUnavailable) as caught:
        draw(digits(), {}, tmp_path / "x.png")
    assert "graphprune[plot]" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
