"""Figures and the files they become."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graphprune.errors import BackendUnavailable, BadData, GraphpruneError
from graphprune.report import figures


def test_files_that_cannot_become_a_picture_are_refused_before_anything_is_drawn(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadData, match=r"cannot be written as '\.pdf'"):
        figures.check(tmp_path / "one.pdf")
    with pytest.raises(BadData, match="there is no such folder"):
        figures.check(tmp_path / "absent" / "one.png")


def test_an_absent_matplotlib_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendUnavailable) as caught:
        figures.check(tmp_path / "one.png")
    assert caught.value.fix == "pip install 'graphprune[plot]'"


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = []
    for name in ("one.svg", "two.svg"):
        figure = figures.matplotlib().Figure()
        figure.add_subplot().plot([1, 2])
        figures.write(figure, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    with pytest.raises(GraphpruneError, match="the picture cannot be written"):
        figures.write(figure, tmp_path / "absent" / "one.svg")
